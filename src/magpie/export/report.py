"""What an export wrote, and what the format could not hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from magpie.errors import MagpieError
from magpie.export.parts import PARTS
from magpie.schema import Document

__all__ = ["EXAMPLES", "ExportReport", "Loss"]

#: ids shown a kind of loss
EXAMPLES = 5


@dataclass(slots=True)
class Loss:
    """One kind of loss.

    Args:
        part: a key of :data:`~magpie.export.PARTS`.
        why: the reason, where the format usually keeps the part; "" where it never does.
        partly: the items are written, but not all of them (a picture's path without the picture).
        count: how many items.
        examples: ids of the first ones, ``document/item``.
    """

    part: str
    why: str = ""
    partly: bool = False
    count: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class ExportReport:
    """Counts of one export. What was handed over is either written or among the losses.

    Args:
        format: name of the format.
        path: where the result stands.
        seen: items handed over, by part.
        losses: kind -> how many and which first; a kind is a part, or ``part: why``.
        failed: problems of documents that could not be written at all.
    """

    format: str
    path: str
    seen: Counter[str] = field(default_factory=Counter)
    losses: dict[str, Loss] = field(default_factory=dict)
    failed: list[MagpieError] = field(default_factory=list)

    def lose(
        self, part: str, document: Document, item: str = "", *, why: str = "", partly: bool = False
    ) -> None:
        """Counts one item that the format cannot hold.

        Args:
            part: a key of :data:`~magpie.export.PARTS`.
            document: it belongs to.
            item: its id, where it is not the document itself.
            why: a few fixed words (no ids in them: they name the kind of loss).
            partly: the item is written all the same.
        """
        kind = f"{part}: {why}" if why else part
        if part not in PARTS:
            raise AssertionError(f"no part {part!r}")
        loss = self.losses.setdefault(kind, Loss(part, why, partly))
        loss.count += 1
        if len(loss.examples) < EXAMPLES:
            loss.examples.append(f"{document.id}/{item}" if item else document.id)

    @property
    def written(self) -> dict[str, int]:
        """Items that stand in the result, by part."""
        lost: Counter[str] = Counter()
        for loss in self.losses.values():
            lost[loss.part] += 0 if loss.partly else loss.count
        counts = {part: self.seen[part] - lost[part] for part in PARTS if self.seen[part]}
        return {part: count for part, count in counts.items() if count > 0}

    def to_dict(self) -> dict[str, Any]:
        """The shape of ``magpie export --json``."""
        return {
            "format": self.format,
            "path": self.path,
            "written": self.written,
            "losses": {
                kind: {"count": loss.count, "examples": loss.examples}
                for kind, loss in sorted(self.losses.items(), key=lambda item: _order(item[0]))
            },
            "failed": [error.to_dict() for error in self.failed],
        }

    def __rich__(self) -> object:
        from rich.table import Table

        table = Table(title=f"{self.format}: {self.path}", title_justify="left")
        table.add_column("part")
        table.add_column("written", justify="right")
        table.add_column("lost", justify="right")
        table.add_column("first lost", overflow="fold")
        written = self.written
        for kind in sorted(
            {*written, *self.losses}, key=lambda k: list(PARTS).index(k.partition(":")[0])
        ):
            loss = self.losses.get(kind)
            table.add_row(
                kind,
                str(written.get(kind, "")),
                str(loss.count) if loss else "",
                ", ".join(loss.examples) if loss else "",
            )
        return table


def _order(kind: str) -> tuple[int, str]:
    """Kinds of loss in the order of the parts."""
    return list(PARTS).index(kind.partition(":")[0]), kind
