"""`magpie doctor`: what is installed, found and missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from magpie.cli import _common
from magpie.cli._common import EXIT_FAILED, JsonFlag
from magpie.cli.app import app

if TYPE_CHECKING:
    from rich.text import Text

    from magpie.engine.doctor import Check

__all__ = ["doctor"]

_STYLES = {"ok": "green", "missing": "yellow", "broken": "red"}


@app.command("doctor")
@_common.command
def doctor(
    *,
    model: Annotated[
        str, typer.Option(help="A checkpoint or run of magpie train, a tagger, or embedded.")
    ] = "embedded",
    json: JsonFlag = False,
) -> None:
    """Show what is installed, found and missing; exit code 1 where extracting cannot work."""
    from magpie.engine.doctor import examine, is_healthy, to_dict

    checks = examine(model)
    if json:
        _common.print_json(to_dict(checks))
    else:
        _common.stdout().print(_lines(checks), end="", soft_wrap=True)
    if not is_healthy(checks):
        raise typer.Exit(EXIT_FAILED)


def _lines(checks: list[Check]) -> Text:
    """A line a check under the heading of its group; what helps stands below it."""
    from rich.text import Text

    width = max(len(check.name) for check in checks)
    lines = Text()
    group = ""
    for check in checks:
        if check.group != group:
            lines.append(f"{check.group}\n", style="bold")
            group = check.group
        style = "red" if check.core and check.status != "ok" else _STYLES[check.status]
        lines.append(f"  {check.status:<8}", style=style)
        lines.append(f"{check.name:<{width}}  {check.detail}\n")
        if check.mend:
            lines.append(f"{'':<{width + 12}}{check.mend}\n", style="cyan")
    return lines
