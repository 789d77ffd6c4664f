"""``magpie corpora stats``: what splits are made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from magpie.cli._common import JsonFlag, command, print_json, stdout
from magpie.cli.corpora._group import Html, Root, corpora, print_warnings, table, write_html

if TYPE_CHECKING:
    from magpie.corpora.statistics import Statistics

__all__ = ["stats"]


@corpora.command()
@command
def stats(
    names: Annotated[
        list[str], typer.Argument(help="Corpora (all splits), corpus:split, or files.")
    ],
    root: Root = None,
    html: Html = None,
    limit: Annotated[
        int, typer.Option("--limit", help="Types and mentions shown in the tables.", min=0)
    ] = 20,
    json: JsonFlag = False,
) -> None:
    """Count types, text lengths, entities that show, boxes a picture, and the long tail."""
    from magpie.corpora.statistics import describe
    from magpie.corpora.statistics_page import measures, statistics_page

    found = describe(names, root)
    if html is not None:
        write_html(html, statistics_page(found, title=", ".join(names)))
    print_warnings(warning for each in found for warning in each.warnings)
    if json:
        print_json({"statistics": [each.to_dict() for each in found]})
        return
    overview = table("", *(each.name for each in found))
    for row in measures(found):
        overview.add_row(*("" if cell is None else str(cell) for cell in row))
    stdout().print(overview)
    for name, heading in (
        ("types", "entity type"),
        ("fine_types", "fine type"),
        ("relation_types", "relation type"),
        ("event_types", "event type"),
    ):
        _print_kinds(found, name, heading, limit)
    _print_grounding(found)
    _print_mentions(found, limit)


def _print_kinds(found: list[Statistics], name: str, heading: str, limit: int) -> None:
    from collections import Counter

    from rich.text import Text

    columns = [getattr(each.counts, name) for each in found]
    totals: Counter[str] = Counter()
    for kinds in columns:
        totals.update(kinds)
    if not totals or not limit:
        return
    shown = table(heading, *(each.name for each in found))
    order = sorted(totals, key=lambda kind: (-totals[kind], kind))
    for kind in order[:limit]:
        shown.add_row(Text(kind), *(str(kinds.get(kind, 0)) for kinds in columns))
    stdout().print(shown)
    if len(order) > limit:
        stdout().print(Text(f"and {len(order) - limit} more; --json and --html hold all"))


def _print_grounding(found: list[Statistics]) -> None:
    kinds = sorted({kind for each in found for kind in each.grounding})
    if not any(each.groundable is not None for each in found):
        return
    shown = table("shown in the picture", *(each.name for each in found))
    for kind in kinds:
        cells = []
        for each in found:
            shows, absent, _ = each.grounding.get(kind, (0, 0, 0))
            looked = shows + absent
            cells.append(f"{shows} of {looked} ({shows / looked:.1%})" if looked else "")
        shown.add_row(kind, *cells)
    stdout().print(shown)


def _print_mentions(found: list[Statistics], limit: int) -> None:
    from rich.text import Text

    for each in found:
        if each.top_mentions and limit:
            top = ", ".join(f"{text} ({number})" for text, number in each.top_mentions[:limit])
            stdout().print(Text(f"{each.name}, most frequent: ", style="dim") + Text(top))
