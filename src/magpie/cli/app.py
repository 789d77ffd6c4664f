"""The ``magpie`` command. Command modules import nothing heavy at the top, so help stays quick."""

from __future__ import annotations

from typing import Annotated

import typer

import magpie

__all__ = ["app", "main"]

app = typer.Typer(
    name="magpie",
    help="Entities, boxes, relations and events from text that comes with pictures.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"magpie {magpie.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


# Each module registers its command on `app`; one line a module, in the order of the help.
from magpie.cli import corpora as _corpora  # noqa: E402, F401
from magpie.cli import demo as _demo  # noqa: E402, F401
from magpie.cli import doctor as _doctor  # noqa: E402, F401
from magpie.cli import evaluate as _evaluate  # noqa: E402, F401
from magpie.cli import export as _export  # noqa: E402, F401
from magpie.cli import extract as _extract  # noqa: E402, F401
from magpie.cli import features as _features  # noqa: E402, F401
from magpie.cli import import_ as _import  # noqa: E402, F401
from magpie.cli import methods as _methods  # noqa: E402, F401
from magpie.cli import predict as _predict  # noqa: E402, F401
from magpie.cli import probe as _probe  # noqa: E402, F401
from magpie.cli import recipes as _recipes  # noqa: E402, F401
from magpie.cli import regions as _regions  # noqa: E402, F401
from magpie.cli import score as _score  # noqa: E402, F401
from magpie.cli import train as _train  # noqa: E402, F401


def main() -> None:
    """Entry point of the console script."""
    app()
