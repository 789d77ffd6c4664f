"""``magpie corpora list`` and ``info``: the dataset cards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from magpie.cli._common import JsonFlag, command, print_json, stdout
from magpie.cli.corpora._group import corpora, table
from magpie.cli.corpora._side import side_info, side_summaries, side_table

if TYPE_CHECKING:
    from magpie.corpora import Card

__all__ = ["info", "list_"]

#: counts that `list` adds to the documents, the first of which a corpus has
_MAIN = ("relations", "events", "entities", "regions", "blocks")


@corpora.command("list")
@command
def list_(json: JsonFlag = False) -> None:
    """List the corpora magpie reads, and the files published beside them."""
    from magpie.corpora import cards

    found = cards()
    if json:
        print_json({"corpora": [_summary(card) for card in found], "side": side_summaries()})
        return
    # Sums over the splits: with every split of its own, the table would not fit a terminal.
    shown = table("corpus", "documents", "holds", "what")
    for card in found:
        counts = [split.counts for split in card.splits.values()]
        documents = sum(each.documents for each in counts)
        sums = {name: sum(getattr(each, name) or 0 for each in counts) for name in _MAIN}
        holds = next((f"{total} {name}" for name, total in sums.items() if total), "any")
        shown.add_row(card.ref, str(documents) if counts else "format", holds, card.task)
    stdout().print(shown)
    stdout().print(side_table())


def _summary(card: Card) -> dict[str, Any]:
    return {
        "ref": card.ref,
        "title": card.title,
        "task": card.task,
        "licence": card.licence,
        "types": list(card.types),
        "splits": {name: split.counts.documents for name, split in card.splits.items()},
    }


@corpora.command()
@command
def info(
    name: Annotated[str, typer.Argument(help="A corpus, also as name@version, or a side source.")],
    json: JsonFlag = False,
) -> None:
    """Show a corpus's card: splits, counts, licence, known defects."""
    from rich.text import Text

    from magpie.corpora import card
    from magpie.corpora.count_rows import count_rows

    if side_info(name, json=json):
        return
    found = card(name)
    if json:
        print_json(found.to_dict())
        return
    console = stdout()
    console.print(Text(f"{found.ref}: {found.title}", style="bold"))
    for heading in ("task", "licence", "origin", "citation"):
        console.print(Text(f"{heading}: ", style="dim") + Text(getattr(found, heading)))
    if found.splits:
        several = len(found.splits) > 1
        shown = table("count", *found.splits, *(("all",) if several else ()))
        counts = [split.counts for split in found.splits.values()]
        for row in count_rows(counts):
            numbers = [*row.numbers, row.total] if several else row.numbers
            shown.add_row(row.name, *map(_number, numbers))
        console.print(shown)
        for split, description in found.splits.items():
            console.print(Text(f"{split}: {description.file.label}", style="dim"))
    for defect in found.defects:
        console.print(Text(f"- {defect}"))


def _number(value: int | None) -> str:
    return "" if value is None else str(value)
