"""``magpie export``: documents in other tools' formats."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magpie.cli._common import EXIT_FAILED, JsonFlag, command, print_json, stderr, stdout
from magpie.cli.app import app

if TYPE_CHECKING:
    from magpie.errors import MagpieError

__all__ = ["Options", "export_command", "parsed", "print_failed"]

Options = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="An option of the format, as name=value; repeat.", show_default=False
    ),
]


@app.command("export")
@command
def export_command(
    source: Annotated[Path, typer.Argument(help="Documents, one JSON object a line.")],
    to: Annotated[str, typer.Option("--to", help="Name of the format, see docs/export.md.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="File or folder to write.")],
    images: Annotated[
        Path | None,
        typer.Option(
            help="Folder that relative picture paths start from (default: the documents' own).",
            show_default=False,
        ),
    ] = None,
    settings: Options = None,
    json: JsonFlag = False,
) -> None:
    """Write documents in another tool's format, and list what it cannot hold.

    Records that cannot be read or written are set aside, listed, and make the exit code 1.
    """
    from magpie.export import export_file

    report = export_file(source, to, output, root=images, **parsed(settings))
    if json:
        print_json(report.to_dict())
    else:
        stdout().print(report)
        print_failed(report.failed)
    if report.failed:
        raise typer.Exit(EXIT_FAILED)


def parsed(settings: list[str] | None) -> dict[str, Any]:
    """``name=value`` pairs; a value that is JSON (2, true, ["a"]) is taken as such."""
    from magpie._io import parse_json
    from magpie.errors import ConfigError, FormatError

    values: dict[str, Any] = {}
    for setting in settings or ():
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise ConfigError(f"expected name=value, got {setting!r}")
        values[name.replace("-", "_")] = value
        with contextlib.suppress(FormatError):
            values[name.replace("-", "_")] = parse_json(value)
    return values


def print_failed(failed: list[MagpieError], shown: int = 20) -> None:
    """The first errors on standard error, and how many more there are."""
    for error in failed[:shown]:
        stderr().print(f"failed: {error}", style="red", markup=False, highlight=False)
    if len(failed) > shown:
        stderr().print(f"... and {len(failed) - shown} more", markup=False)
