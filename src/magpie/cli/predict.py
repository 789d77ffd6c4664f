"""``magpie predict``: a trained checkpoint over documents, with the boxes it gives itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from magpie.cli import _common
from magpie.cli._common import EXIT_FAILED, JsonFlag
from magpie.cli.app import app

__all__ = ["predict_command"]


@app.command("predict")
@_common.command
def predict_command(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint, or the folder of a run.")],
    source: Annotated[str, typer.Argument(help="Documents: .jsonl, .csv, .tsv, .txt or a folder.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The JSONL file to write.")],
    root: Annotated[
        str | None,
        typer.Option(
            help="Folder of the pictures (default: that of the input).", show_default=False
        ),
    ] = None,
    regions: _common.RegionsOption = None,
    settings: _common.MethodSettings = None,
    flat: Annotated[bool, typer.Option("--flat", help="Flat lines: id and entities.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a half-finished output.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an output that exists.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(help="Read only so many records.", show_default=False, min=1)
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Annotate documents with a trained checkpoint; what it was given as gold is replaced."""
    from magpie.cli._progress import progress_bar
    from magpie.cli.export import parsed
    from magpie.engine import Extractor
    from magpie.engine.inputs import InputFile
    from magpie.engine.job import Job
    from magpie.engine.outputs import line_maker
    from magpie.engine.trained import checkpoint_folder
    from magpie.errors import ModelError

    folder = checkpoint_folder(checkpoint)
    if folder is None:
        raise ModelError(
            "no checkpoint here",
            where=str(checkpoint),
            mend="Name a run of `magpie train`, or its folder best/ or last/.",
        )
    records = InputFile(source)
    extractor = Extractor(
        folder,
        ground="model",
        root=root or str(records.root),
        regions=_common.region_folders(regions),
        settings=parsed(settings),
    )
    job = Job(
        extractor=extractor,
        input=records,
        output=output,
        line_of=line_maker(flat_lines=flat),
        options={"flat": flat},
        resume=resume,
        overwrite=overwrite,
        limit=limit,
    )
    with progress_bar(records.count, limit) as advance:
        summary = job.run(advance)
    errors = str(job.errors) if job.errors.exists() else None
    if json:
        _common.print_json(
            {"outputs": [str(output)], "errors_file": errors, "summary": summary.to_dict()}
        )
    else:
        typer.echo(
            f"{output}: {summary.documents:,} documents, {summary.entities:,} entities, "
            f"{summary.partial:,} partial, {summary.failed:,} failed",
            err=True,
        )
    if not summary.clean:
        raise typer.Exit(EXIT_FAILED)
