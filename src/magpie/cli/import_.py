"""``magpie import``: other tools' files as documents."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from magpie.cli._common import EXIT_FAILED, JsonFlag, command, print_json, stdout
from magpie.cli.app import app
from magpie.cli.export import Options, parsed, print_failed

__all__ = ["import_command"]


@app.command("import")
@command
def import_command(
    source: Annotated[Path, typer.Argument(help="File or folder in the other format.")],
    format: Annotated[str, typer.Option("--from", help="Name of the format, see docs/export.md.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The JSONL file to write.")],
    settings: Options = None,
    json: JsonFlag = False,
) -> None:
    """Read another tool's file as documents, one JSON object a line.

    Records that cannot be read are set aside, listed, and make the exit code 1.
    """
    from magpie.export import import_file

    report = import_file(source, format, output, **parsed(settings))
    if json:
        print_json(report.to_dict())
    else:
        note = f", {report.partial} with problems" if report.partial else ""
        counts = f"{report.documents} documents{note}, {report.entities} entities"
        stdout().print(f"{counts}: {report.path}", markup=False)
        print_failed(report.failed)
    if report.failed:
        raise typer.Exit(EXIT_FAILED)
