"""``magpie probe``: does a method look at the picture, and only then know?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from magpie.cli import _common
from magpie.cli._common import JsonFlag
from magpie.cli.app import app

if TYPE_CHECKING:
    from rich.table import Table

    from magpie.training.probe import ProbeResult

__all__ = ["probe_command"]


@app.command("probe")
@_common.command
def probe_command(
    method: Annotated[str, typer.Argument(help="A method, as `magpie methods` names it.")],
    seed: Annotated[int, typer.Option(help="Of corpus, initial weights and order.")] = 0,
    json: JsonFlag = False,
) -> None:
    """Train a method on the controlled corpus, then take its pictures away.

    The texts of that corpus are ambiguous and the pictures tell; the best score from text alone is
    known. Tiny random backbones, no download, at most a few minutes.
    """
    from magpie._optional import require

    require("torch", "probing a method")
    from magpie.training.probe import probe

    result = probe(method, seed=seed)
    if json:
        _common.print_json(result.to_dict())
    else:
        _common.stdout().print(_table(result))


def _table(result: ProbeResult) -> Table:
    from rich.table import Table

    table = Table(title=f"{result.method}, {result.task}")
    table.add_column("pictures")
    table.add_column("F1", justify="right")
    for name in ("true", "shuffled", "absent"):
        table.add_row(name, f"{getattr(result, name):.3f}")
    table.add_section()
    table.add_row("best from text alone", f"{result.text_optimum:.3f}")
    table.caption = f"{result.seconds:.0f} s"
    return table
