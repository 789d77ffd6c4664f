"""The command group, and the options and printing that its commands share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from magpie.cli._common import stderr, stdout
from magpie.cli.app import app

if TYPE_CHECKING:
    from rich.table import Table

    from magpie.corpora.gathering import Gathering

__all__ = [
    "Html",
    "Images",
    "Root",
    "corpora",
    "print_gathering",
    "print_pictures_root",
    "print_warnings",
    "table",
    "write_html",
]

corpora = typer.Typer(
    name="corpora",
    help="Published corpora: list, describe, check, convert, find leaks, split anew.",
    no_args_is_help=True,
)
app.add_typer(corpora)

Root = Annotated[
    Path | None,
    typer.Option(
        "--root",
        help="Folder of the corpora, or a corpus's own folder or file (default: MAGPIE_DATA).",
        show_default=False,
    ),
]
Images = Annotated[
    Path | None,
    typer.Option("--images", help="Folder of the pictures, named <id>.jpg.", show_default=False),
]
Html = Annotated[
    Path | None,
    typer.Option("--html", help="Also write a page with tables and plots.", show_default=False),
]


def table(*headings: str) -> Table:
    """An empty table."""
    from rich.table import Table

    made = Table()
    for index, heading in enumerate(headings):
        # The first column holds what one copies: names and splits.
        made.add_column(heading, overflow="fold", no_wrap=index == 0)
    return made


def write_html(path: Path, text: str) -> None:
    """Writes a page and says so on standard error."""
    from rich.text import Text

    from magpie._io import atomic_write

    atomic_write(path, text)
    stderr().print(Text(f"page written to {path}"))


def print_warnings(warnings: Iterable[str]) -> None:
    """On standard error, one a line."""
    from rich.text import Text

    for warning in dict.fromkeys(warnings):
        stderr().print(Text("warning: ", style="bold yellow") + Text(warning))


def print_pictures_root(folder: str) -> None:
    """How to reach pictures that lie outside of the written file's folder."""
    from rich.text import Text

    if folder:
        hint = f"pictures lie in {folder}: pass it with --root where the file is read"
        stderr().print(Text(hint))


def print_gathering(gathering: Gathering) -> None:
    """What happened to the inputs, on standard error; the numbers by input on standard output."""
    from rich.text import Text

    for name, documents in gathering.documents.items():
        stdout().print(Text(f"{name}: {documents} documents read"))
    if gathering.renamed:
        shown = ", ".join(gathering.renamed_examples[:5])
        more = ", ..." if gathering.renamed > 5 else ""
        stderr().print(Text(f"{gathering.renamed} ids stood twice and got a number: {shown}{more}"))
    for kind, count in sorted(gathering.anomalies.items()):
        if kind != "unknown-digest":
            stderr().print(Text(f"{kind}: {count}"))
    for anomaly in gathering.errors:
        stderr().print(Text(f"  {anomaly.error}"))
    print_warnings(gathering.warnings)
    print_pictures_root(gathering.pictures_root)
