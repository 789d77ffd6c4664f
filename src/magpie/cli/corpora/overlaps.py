"""``magpie corpora overlap``: posts that stand in two splits, or in which splits they all stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from magpie.cli._common import JsonFlag, command, print_json, stdout
from magpie.cli.corpora._group import Html, Root, corpora, print_warnings, table, write_html

if TYPE_CHECKING:
    from magpie.corpora import Overlap
    from magpie.corpora.overlap_matrix import OverlapMatrix

__all__ = ["overlap_"]

#: splits that a matrix in the terminal may have
_MATRIX = 8


@corpora.command("overlap")
@command
def overlap_(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Two corpora, corpus:split, or files, whose posts are listed; or more of them, "
            "or none for all that are there: a matrix.",
            show_default=False,
        ),
    ] = None,
    all_: Annotated[
        bool, typer.Option("--all", help="All splits of all corpora that are there.")
    ] = False,
    root: Root = None,
    html: Html = None,
    limit: Annotated[int, typer.Option("--limit", help="Pairs shown in the table.", min=0)] = 20,
    workers: Annotated[
        int | None,
        typer.Option("--workers", help="Processes that read for a matrix; the cores.", min=1),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Find posts that stand in several splits, by picture id and by normalised text."""
    from magpie.corpora import overlap
    from magpie.corpora._parallel import default_workers
    from magpie.corpora.overlap_matrix import matrix_page, overlap_matrix
    from magpie.errors import ConfigError

    wanted = list(names or ())
    if all_ and wanted:
        raise ConfigError("--all compares everything, so names have no meaning")
    if len(wanted) == 2 and html is None:
        result = overlap(wanted[0], wanted[1], root)
        if json:
            print_json(result.to_dict())
        else:
            _print_overlap(result, limit)
        return
    matrix = overlap_matrix(wanted, root, workers=workers or default_workers())
    if html is not None:
        write_html(html, matrix_page(matrix))
    print_warnings(f"{name} could not be read: {error}" for name, error in matrix.unreadable)
    if json:
        print_json(matrix.to_dict())
    else:
        _print_matrix(matrix, limit)


def _print_overlap(result: Overlap, limit: int) -> None:
    from rich.text import Text

    console = stdout()
    for name, shared, total in (
        (result.a, result.shared_a, result.documents_a),
        (result.b, result.shared_b, result.documents_b),
    ):
        console.print(Text(f"{shared} of {total} documents of {name} stand in the other"))
    if not result.pairs or not limit:
        return
    shown = table(result.a, result.b, "by")
    for pair in result.pairs[:limit]:
        shown.add_row(pair.a, pair.b, pair.by)
    console.print(shown)
    if len(result.pairs) > limit:
        rest = len(result.pairs) - limit
        console.print(Text(f"and {rest} more pairs; --json prints all"))


def _print_matrix(matrix: OverlapMatrix, limit: int) -> None:
    from rich.text import Text

    console = stdout()
    totals = dict(zip(matrix.names, matrix.documents, strict=True))
    if len(matrix.names) <= _MATRIX:
        shown = table("of the row in the column", *matrix.names)
        for name, row in zip(matrix.names, matrix.shared, strict=True):
            shown.add_row(name, *map(str, row))
        console.print(shown)
    pairs = matrix.pairs()
    if not pairs:
        console.print(Text("no two splits share a document"))
        return
    listed = table("A", "B", "of A in B", "of B in A")
    for a, b, in_b, in_a in pairs[:limit]:
        listed.add_row(a, b, f"{in_b} of {totals[a]}", f"{in_a} of {totals[b]}")
    console.print(listed)
    if len(pairs) > limit:
        rest = len(pairs) - limit
        console.print(
            Text(f"and {rest} more pairs; --json and --html hold all, --limit shows more")
        )
