"""What a scorer returns: counts by part and type, and everything needed to compare it fairly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from magpie.errors import ComparisonError
from magpie.metrics.averages import Average, macro_average
from magpie.metrics.counts import Counts, Mean, Value
from magpie.metrics.data import Data
from magpie.metrics.declare import AS_FALSE
from magpie.metrics.malformed import Malformed
from magpie.metrics.value_table import ValueRow, value_table

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["PartReport", "Report", "check_comparable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartReport:
    """One score: the micro value, values by type, and 95 % intervals of the F1 (or the mean).

    ``per_document`` holds the value of each document in the order of ``Report.document_ids``,
    ``per_document_types`` the same by type (under "" what belongs to no type). The interval of a
    type draws among the documents in which gold or prediction has the type.

    ``swapped`` says that the public evaluator being reproduced prints precision and recall under
    each other's name; ``published`` then gives the two as printed there.
    """

    micro: Value
    per_type: Mapping[str, Value]
    per_document: tuple[Value, ...] = field(default=(), repr=False)
    per_document_types: tuple[Mapping[str, Value], ...] = field(default=(), repr=False)
    interval: tuple[float, float] | None = None
    type_intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    swapped: bool = False

    def rows(self) -> Iterator[ValueRow]:
        """The micro value, then those by type."""
        yield ValueRow("all", self.micro, self.interval)
        for kind, value in self.per_type.items():
            yield ValueRow(kind, value, self.type_intervals.get(kind))

    @property
    def published(self) -> tuple[float, float]:
        """(precision, recall) as the reproduced evaluator prints them, in [0, 1]."""
        if isinstance(self.micro, Mean):
            raise TypeError("a mean has no precision and recall")
        pair = (self.micro.precision, self.micro.recall)
        return pair[::-1] if self.swapped else pair

    @property
    def macro(self) -> Average | None:
        """Plain mean over the types that the gold has; None of means."""
        if isinstance(self.micro, Mean):
            return None
        return macro_average(
            {kind: value for kind, value in self.per_type.items() if isinstance(value, Counts)}
        )

    def to_dict(self) -> dict[str, Any]:
        macro = self.macro
        body: dict[str, Any] = {
            "micro": self.micro.to_dict(),
            **({} if macro is None else {"macro": macro.to_dict()}),
            "per_type": {kind: counts.to_dict() for kind, counts in self.per_type.items()},
        }
        if self.interval is not None:
            name = "mean_interval_95" if isinstance(self.micro, Mean) else "f1_interval_95"
            body[name] = list(self.interval)
            for kind, interval in self.type_intervals.items():
                body["per_type"][kind][name] = list(interval)
        if self.swapped:
            precision, recall = self.published
            body["as_published"] = {"precision": precision, "recall": recall}
        return body


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result of one scoring; the first part is the protocol's main score.

    ``notes`` are what the protocol found worth saying about the whole set, such as how many gold
    items it could not place; ``data`` are the files of the gold; ``malformed`` is what parsers
    could not read, of predictions that were generated.
    """

    protocol: str
    task: str
    level: str
    documents: int
    failed: int
    parts: Mapping[str, PartReport]
    options: Mapping[str, Any] = field(default_factory=dict)
    sources: tuple[str, ...] = ()
    notes: Mapping[str, int | str] = field(default_factory=dict)
    data: tuple[Data, ...] = ()
    malformed: Malformed | None = None
    document_ids: tuple[str, ...] = field(default=(), repr=False)

    @property
    def main(self) -> PartReport:
        return next(iter(self.parts.values()))

    @property
    def precisions(self) -> Mapping[str, float]:
        """Of the main part: without malformed items, and with them as false positives.

        Empty where the two are one, or the part is a mean.
        """
        micro = self.main.micro
        skipped = 0 if self.malformed is None else self.malformed.skipped
        if isinstance(micro, Mean) or not skipped:
            return {}
        more = -skipped if self.options.get(AS_FALSE.name) else skipped
        pair = [micro.precision, (micro + Counts(predicted=more)).precision]
        default, as_false = pair if more > 0 else pair[::-1]
        return {"default": default, AS_FALSE.name: as_false}

    def malformed_lines(self) -> list[str]:
        """What parsers could not read, in words; nothing of predictions that nobody generated."""
        lines = [] if self.malformed is None else self.malformed.lines()
        if self.precisions:
            both = [f"{100 * share:.2f}" for share in self.precisions.values()]
            lines.append(f"precision {both[0]}, with malformed items as false ones {both[1]}")
        return lines

    def to_dict(self) -> dict[str, Any]:
        """The shape of ``magpie score --json`` (docs/scorers.md); fractions, not percentages."""
        return {
            "protocol": self.protocol,
            "task": self.task,
            "level": self.level,
            "options": dict(self.options),
            "sources": list(self.sources),
            "data": [data.to_dict() for data in self.data],
            "documents": self.documents,
            "failed": self.failed,
            "notes": dict(self.notes),
            **(
                {}
                if self.malformed is None
                else {"malformed": {**self.malformed.to_dict(), "precision": self.precisions}}
            ),
            **self.main.to_dict(),
            **(
                {"parts": {name: part.to_dict() for name, part in self.parts.items()}}
                if len(self.parts) > 1
                else {}
            ),
        }

    def __rich__(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        options = "".join(f", {key}={value}" for key, value in self.options.items())
        title = f"{self.protocol}{options} on {', '.join(self.sources) or 'unnamed data'}"
        tables = [
            value_table(name if self.task != "ner" else "ner", part.rows(), "" if at else title)
            for at, (name, part) in enumerate(self.parts.items())
        ]
        failed = f", {self.failed} of them failed and count as empty" if self.failed else ""
        lines = [f"{self.documents} documents{failed}; percentages"]
        lines += [f"{key}: {value}" for key, value in self.notes.items()]
        lines += self.malformed_lines()
        lines += [
            f"{data.source}: the files are {data.status} to the dataset card, "
            "the result stands alone"
            for data in self.data
            if data.doubtful
        ]
        # Not a caption: that would fold at the width of its table.
        return Group(*tables, Text("\n".join(lines), style="italic"))


def check_comparable(first: Report, second: Report) -> None:
    """Refuses to set two results side by side that do not measure the same thing.

    Raises:
        ComparisonError: naming what differs.
    """
    for name in ("protocol", "level", "options", "sources", "data", "documents"):
        one, other = getattr(first, name), getattr(second, name)
        if one != other:
            raise ComparisonError(
                f"the two results differ in {name}: {one!r} and {other!r}",
                mend="Score both under one protocol on the same documents.",
            )
    for one, other in zip(first.document_ids, second.document_ids, strict=False):
        if one != other:
            raise ComparisonError(
                f"the two results differ in their documents, first: {one!r} and {other!r}",
                code="compare-alignment",
                mend="Score both on the same gold file, in one order.",
            )
