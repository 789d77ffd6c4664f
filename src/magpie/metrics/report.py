"""What a scorer returns: counts by part and type, and everything needed to compare it fairly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from magpie.errors import ComparisonError
from magpie.metrics.counts import Counts

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["PartReport", "Report", "check_comparable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartReport:
    """One score: micro counts, counts by type, and the 95 % intervals of the F1.

    The interval of a type draws among the documents in which gold or prediction has the type.

    ``swapped`` says that the public evaluator being reproduced prints precision and recall under
    each other's name; ``published`` then gives the two as printed there.
    """

    micro: Counts
    per_type: Mapping[str, Counts]
    interval: tuple[float, float] | None = None
    type_intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    swapped: bool = False

    @property
    def published(self) -> tuple[float, float]:
        """(precision, recall) as the reproduced evaluator prints them, in [0, 1]."""
        pair = (self.micro.precision, self.micro.recall)
        return pair[::-1] if self.swapped else pair

    def to_dict(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "micro": self.micro.to_dict(),
            "per_type": {kind: counts.to_dict() for kind, counts in self.per_type.items()},
        }
        if self.interval is not None:
            body["f1_interval_95"] = list(self.interval)
            for kind, interval in self.type_intervals.items():
                body["per_type"][kind]["f1_interval_95"] = list(interval)
        if self.swapped:
            precision, recall = self.published
            body["as_published"] = {"precision": precision, "recall": recall}
        return body


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result of one scoring; the first part is the protocol's main score."""

    protocol: str
    task: str
    level: str
    documents: int
    failed: int
    parts: Mapping[str, PartReport]
    options: Mapping[str, Any] = field(default_factory=dict)
    sources: tuple[str, ...] = ()

    @property
    def main(self) -> PartReport:
        return next(iter(self.parts.values()))

    def to_dict(self) -> dict[str, Any]:
        """The shape of ``magpie score --json`` (docs/scorers.md); fractions, not percentages."""
        return {
            "protocol": self.protocol,
            "task": self.task,
            "level": self.level,
            "options": dict(self.options),
            "sources": list(self.sources),
            "documents": self.documents,
            "failed": self.failed,
            **self.main.to_dict(),
            **(
                {"parts": {name: part.to_dict() for name, part in self.parts.items()}}
                if len(self.parts) > 1
                else {}
            ),
        }

    def __rich__(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        options = "".join(f", {key}={value}" for key, value in self.options.items())
        title = f"{self.protocol}{options} on {', '.join(self.sources) or 'unnamed data'}"
        table = Table(title=Text(title))
        for heading in ("score", "type", "P", "R", "F1", "correct", "predicted", "gold"):
            table.add_column(heading, justify="left" if heading in ("score", "type") else "right")
        for name, part in self.parts.items():
            rows = [("all", part.micro), *part.per_type.items()]
            for kind, counts in rows:
                f1 = f"{100 * counts.f1:.2f}"
                interval = part.interval if kind == "all" else part.type_intervals.get(kind)
                if interval is not None:
                    f1 += f" [{100 * interval[0]:.2f}, {100 * interval[1]:.2f}]"
                table.add_row(
                    Text(name if self.task != "ner" else "ner"),
                    Text(kind),
                    f"{100 * counts.precision:.2f}",
                    f"{100 * counts.recall:.2f}",
                    f1,
                    str(counts.correct),
                    str(counts.predicted),
                    str(counts.gold),
                )
            table.add_section()
        failed = f", {self.failed} of them failed and count as empty" if self.failed else ""
        table.caption = Text(f"{self.documents} documents{failed}; percentages")
        return table


def check_comparable(first: Report, second: Report) -> None:
    """Refuses to set two results side by side that do not measure the same thing.

    Raises:
        ComparisonError: naming what differs.
    """
    for name in ("protocol", "level", "options", "sources", "documents"):
        one, other = getattr(first, name), getattr(second, name)
        if one != other:
            raise ComparisonError(
                f"the two results differ in {name}: {one!r} and {other!r}",
                mend="Score both under one protocol on the same documents.",
            )
