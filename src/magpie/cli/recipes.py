"""``magpie recipes``: the training recipes that ship."""

from __future__ import annotations

from magpie.cli._common import JsonFlag, command, print_json, stdout
from magpie.cli.app import app

__all__ = ["recipes_command"]


@app.command("recipes")
@command
def recipes_command(json: JsonFlag = False) -> None:
    """List the recipes that ship; each name is an argument of `magpie train`."""
    from magpie._optional import require

    require("yaml", "reading recipes")
    from magpie.training.library import list_recipes

    listed = list_recipes()
    if json:
        print_json({"recipes": [each.to_dict() for each in listed]})
        return
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for heading in ("name", "method", "corpus", "about"):
        table.add_column(heading, no_wrap=heading == "name")
    for each in listed:
        table.add_row(*(Text(cell) for cell in (each.name, each.method, each.corpus, each.about)))
    stdout().print(table)
