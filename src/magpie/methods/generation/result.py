"""What every grammar gives back: targets to train on, and what could be read of an output.

The rules that all grammars keep (target_grammar.md):

1. ``parse`` never raises on a value of the right type.
2. A malformed item is skipped and counted once under one code; all others are kept.
3. An output with no usable item gives an empty tuple.
4. Well-formed but wrong items stay: they are false positives.
5. A repair is counted under a code that begins with ``repair_``.
6. ``encode`` writes only what ``parse`` reads back without a code. What cannot be written raises
   :class:`UnencodableTarget` or, with ``drop=True``, is left out and counted.
7. A target that is too long loses whole items from its end, counted as ``target_overflow``.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from magpie.errors import FormatError
from magpie.metrics.malformed import Malformed
from magpie.schema import Provenance

__all__ = [
    "OVERFLOW",
    "SKIPS",
    "UNENCODABLE",
    "Diagnostics",
    "ParseResult",
    "Problem",
    "Target",
    "UnencodableTarget",
    "cut",
    "signed",
    "writable",
]

T = TypeVar("T")

#: target codes: an item left out because the target was full, or because no string can say it
OVERFLOW = "target_overflow"
UNENCODABLE = "unencodable"

#: codes of which each count is one item of the output that is no prediction; every other code is
#: a repair or a remark, and the item stands
SKIPS = frozenset(
    {
        "after_end",
        "ambiguous_letter",
        "bad_arity",
        "bad_box",
        "bad_box_label",
        "bad_region_flag",
        "bad_type",
        "duplicate",
        "empty_span",
        "ill_formed",
        "instruction_without_module",
        "no_option_letter",
        "no_separator",
        "not_ascending",
        "span_not_in_text",
        "subsumed",
        "truncated",
        "unbalanced",
        "unknown_answer",
        "unknown_event",
        "unknown_module",
        "unknown_relation",
        "unknown_role",
        "unknown_type",
        "unparsable",
        "wrong_names",
    }
)

#: characters of an output that a problem quotes
_QUOTED = 60
#: problems of one output that are kept one by one; the counts are always complete
_KEPT = 50

_log = logging.getLogger(__name__)
#: (method, code) that were logged: once a code and process
_SEEN: set[tuple[str, str]] = set()


class UnencodableTarget(FormatError):  # noqa: N818 - the name that the specification gives it
    """An item that its grammar has no string for, such as a name that holds a separator."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A code, the character (or index) of the output at which it was met, and what stood there."""

    code: str
    offset: int
    fragment: str


class Diagnostics(Counter[str]):
    """Counts by code, with the places of the first ones in :attr:`problems`.

    Equal to a plain mapping with the same counts.
    """

    def __init__(self, counts: Mapping[str, int] | None = None) -> None:
        super().__init__(counts or {})
        self.problems: list[Problem] = []

    def note(self, code: str, offset: int = 0, fragment: object = "", count: int = 1) -> None:
        """Counts ``count`` cases of ``code``."""
        self[code] += count
        if len(self.problems) < _KEPT:
            self.problems.append(Problem(code, offset, str(fragment)[:_QUOTED]))

    @property
    def skipped(self) -> int:
        """Items that were left out."""
        return sum(count for code, count in self.items() if code in SKIPS)

    @property
    def repairs(self) -> int:
        """Repairs that were made."""
        return sum(count for code, count in self.items() if code.startswith("repair_"))


@dataclass(frozen=True, slots=True)
class ParseResult(Generic[T]):
    """What an output says: its items in order, what was wrong with it, and the output itself."""

    items: tuple[T, ...]
    diagnostics: Diagnostics = field(default_factory=Diagnostics)
    raw: str | tuple[int, ...] = ""

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    @property
    def malformed(self) -> Malformed:
        """The counts of this output, which add up over outputs."""
        skipped = self.diagnostics.skipped
        return Malformed(
            outputs=1,
            broken=int(skipped > 0),
            items=len(self.items),
            skipped=skipped,
            codes=dict(sorted(self.diagnostics.items())),
        )

    def provenance(self, method: str) -> Provenance:
        """Of the annotations that ``method`` makes of it: scorers read the counts from there."""
        return signed(method, self.malformed)


def signed(method: str, malformed: Malformed) -> Provenance:
    """As :meth:`ParseResult.provenance`, for annotations made of several outputs."""
    seen = [code for code in malformed.codes if (method, code) not in _SEEN]
    for code in seen:
        _SEEN.add((method, code))
        _log.info(
            "%s generates outputs that its grammar does not have, first: %s. "
            "Each is counted; the score report has the totals.",
            method,
            code,
        )
    return Provenance(method=method, evidence=(malformed.evidence(),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Target(Generic[T]):
    """What a method is trained to write.

    Attributes:
        items: what the target says, and what it reads back as; fewer than were given where some
            were dropped.
        text: the string, of grammars that write text.
        ids: the indices, of the index sequence.
        positions: places that a loss looks at, one an item: G1 the step of its region flag, G2 the
            characters of "in the image" (empty range where it says that the image lacks it).
        dropped: items that are missing, by reason.
    """

    items: tuple[T, ...]
    text: str = ""
    ids: tuple[int, ...] = ()
    positions: tuple[tuple[int, int], ...] = ()
    dropped: Diagnostics = field(default_factory=Diagnostics)


def cut(
    items: Sequence[T],
    write: Callable[[Sequence[T]], str],
    *,
    limit: int | None,
    measure: Callable[[str], int],
    dropped: Diagnostics,
) -> tuple[T, ...]:
    """The most items, from the first, whose text is within ``limit`` as ``measure`` counts it."""
    kept = tuple(items)
    while limit is not None and kept and measure(write(kept)) > limit:
        kept = kept[:-1]
    missing = len(items) - len(kept)
    if missing:
        dropped.note(OVERFLOW, fragment=items[len(kept)], count=missing)
    return kept


def writable(
    items: Iterable[T],
    check: Callable[[T], str | None],
    *,
    grammar: str,
    drop: bool,
    dropped: Diagnostics,
) -> list[T]:
    """The items that ``check`` has nothing against.

    Args:
        check: item -> why no string says it, or None.
        drop: leave an unwritable item out and count it instead of raising.

    Raises:
        UnencodableTarget: for the first unwritable item, unless ``drop``.
    """
    kept: list[T] = []
    for item in items:
        reason = check(item)
        if reason is None:
            kept.append(item)
        elif drop:
            dropped.note(UNENCODABLE, fragment=item)
        else:
            raise UnencodableTarget(
                f"the {grammar} cannot say {item!r:.120}: {reason}",
                mend="Encode with drop=True to train without such items; they are counted.",
            )
    return kept
