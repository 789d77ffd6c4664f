"""``magpie methods``: what can be trained."""

from __future__ import annotations

from magpie.cli._common import JsonFlag, command, print_json, stdout
from magpie.cli.app import app

__all__ = ["methods_command"]


@app.command("methods")
@command
def methods_command(json: JsonFlag = False) -> None:
    """List the methods: family, tasks, what they need beside words, specification, status."""
    from magpie.methods.registry import METHODS

    if json:
        print_json({"methods": [entry.to_dict() for entry in METHODS.values()]})
        return
    from rich.table import Table
    from rich.text import Text

    table = Table()
    for heading in ("name", "family", "tasks", "needs", "status", "what it is"):
        table.add_column(heading, no_wrap=heading == "name")
    for entry in METHODS.values():
        cells = (
            entry.name,
            entry.family,
            ", ".join(entry.tasks),
            ", ".join(entry.needs),
            entry.status,
            f"{entry.title} ({entry.spec})",
        )
        table.add_row(*(Text(cell) for cell in cells))
    stdout().print(table)
