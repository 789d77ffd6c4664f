"""What could not be read of generated outputs: counts that travel with a prediction to its score.

A parser skips a malformed item, so a broken model would look careful: it predicts little and is
seldom wrong. A method that generates therefore leaves its parser's counts in the provenance of
the annotations (:meth:`Malformed.evidence`), the scorer sums them up, and a result in which more
than 5 % of the outputs lost an item is ``UNRELIABLE``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from magpie.schema import Document

__all__ = ["THRESHOLD", "Malformed", "malformed_of", "total"]

#: share of outputs with a skipped item above which a result is not to be trusted
THRESHOLD = 0.05

#: first word of the line of evidence
_MARK = "parsed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """Outputs, those of them that lost an item, items read, items skipped, and counts by code.

    ``codes`` also holds repairs and remarks, whose items are among those read.
    """

    outputs: int = 0
    broken: int = 0
    items: int = 0
    skipped: int = 0
    codes: Mapping[str, int] = field(default_factory=dict)

    def __add__(self, other: Malformed) -> Malformed:
        return Malformed(
            outputs=self.outputs + other.outputs,
            broken=self.broken + other.broken,
            items=self.items + other.items,
            skipped=self.skipped + other.skipped,
            codes=dict(sorted((Counter(self.codes) + Counter(other.codes)).items())),
        )

    @property
    def share(self) -> float:
        """Outputs that lost an item over all outputs, in [0, 1]."""
        return self.broken / self.outputs if self.outputs else 0.0

    @property
    def unreliable(self) -> bool:
        """Whether that share is above :data:`THRESHOLD`."""
        return self.share > THRESHOLD

    def evidence(self) -> str:
        """One line that :func:`malformed_of` reads back.

        Example:
            >>> Malformed(outputs=1, broken=1, items=2, skipped=1, codes={"bad_type": 1}).evidence()
            'parsed outputs=1 broken=1 items=2 skipped=1 bad_type=1'
        """
        numbers = {name: getattr(self, name) for name in _NUMBERS} | dict(self.codes)
        return " ".join([_MARK, *(f"{name}={count}" for name, count in numbers.items())])

    def to_dict(self) -> dict[str, Any]:
        """As in ``magpie score --json``."""
        return {
            **{name: getattr(self, name) for name in _NUMBERS},
            "share": self.share,
            "unreliable": self.unreliable,
            "codes": dict(self.codes),
        }

    def lines(self) -> list[str]:
        """As printed under a table of scores."""
        items = f"{self.skipped} of {self.items + self.skipped} items skipped"
        found = [f"malformed: {items}, {self.broken} of {self.outputs} outputs hit"]
        if self.codes:
            found.append(", ".join(f"{code} {count}" for code, count in self.codes.items()))
        if self.unreliable:
            found.append(f"UNRELIABLE: more than {THRESHOLD:.0%} of the outputs lost an item")
        return found


_NUMBERS = ("outputs", "broken", "items", "skipped")


def malformed_of(document: Document) -> Malformed | None:
    """The counts that a document's annotations carry; None of those that nobody generated."""
    given = document.annotations.provenance if document.annotations is not None else None
    found = [_read(line) for line in given.evidence] if given is not None else []
    return total(each for each in found if each is not None)


def total(each: Iterable[Malformed | None]) -> Malformed | None:
    """The sum of those that are counts; None where none is."""
    known = [one for one in each if one is not None]
    return sum(known, Malformed()) if known else None


def _read(line: str) -> Malformed | None:
    mark, *parts = line.split(" ")
    counts = dict.fromkeys(_NUMBERS, 0)
    if mark != _MARK:
        return None
    for part in parts:
        name, equals, number = part.partition("=")
        if not equals or not (number.isascii() and number.isdigit()):
            return None  # somebody else's sentence that begins with the same word
        counts[name] = int(number)
    numbers = {name: counts.pop(name) for name in _NUMBERS}
    return Malformed(**numbers, codes=counts)
