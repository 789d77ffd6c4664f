"""What ``magpie corpora`` says of side sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magpie.cli._common import print_json, stdout

if TYPE_CHECKING:
    from magpie.corpora.side import SideSource

__all__ = ["side_info", "side_summaries", "side_table"]


def side_summaries() -> list[dict[str, Any]]:
    """Items of ``side`` in ``magpie corpora list --json``."""
    from magpie.corpora.side import SOURCES

    return [
        {
            "name": side.name,
            "title": side.title,
            "kind": side.kind,
            "licence": side.licence,
            "corpora": list(side.corpora),
            "parts": {name: part.counts.documents for name, part in side.parts.items()},
        }
        for side in SOURCES.values()
    ]


def side_table() -> Any:
    """The table of side sources for people."""
    from rich.table import Table

    from magpie.corpora.side import SOURCES

    table = Table()
    table.add_column("side source", no_wrap=True)
    for heading in ("context", "corpora", "records", "what"):
        table.add_column(heading, overflow="fold")
    for side in SOURCES.values():
        records = "/".join(str(part.counts.documents) for part in side.parts.values())
        table.add_row(side.name, side.kind or "", " ".join(side.corpora), records, side.title)
    return table


def side_info(name: str, *, json: bool) -> bool:
    """Prints the card of a side source; False when there is none of that name."""
    from rich.text import Text

    from magpie.corpora.side import SOURCES

    side = SOURCES.get(name)
    if side is None:
        return False
    if json:
        print_json(side.to_dict())
        return True
    console = stdout()
    console.print(Text(f"{side.name}: {side.title}", style="bold"))
    kind = side.kind or "no context"
    for heading, text in (("kind", kind), ("licence", side.licence), ("origin", side.origin)):
        console.print(Text(f"{heading}: ", style="dim") + Text(text))
    for part, description in side.parts.items():
        counts = ", ".join(
            f"{count} {what}" for what, count in description.counts.to_dict().items() if count
        )
        console.print(Text(f"  {part}: {counts}"))
    for ref, splits in side.uses.items():
        gaps = ", ".join(f"{split} without {_gap(side, ref, split)}" for split in splits)
        console.print(Text(f"  of {ref}: {gaps}"))
    for defect in side.defects:
        console.print(Text(f"- {defect}"))
    return True


def _gap(side: SideSource, ref: str, split: str) -> int:
    return side.gaps.get(f"{ref}:{split}", 0)
