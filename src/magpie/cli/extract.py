"""`magpie extract`: parses options, chooses what to write, shows progress."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magpie.cli import _common
from magpie.cli._common import EXIT_FAILED, JsonFlag
from magpie.cli.app import app

if TYPE_CHECKING:
    from magpie.engine.extractor import Extractor
    from magpie.engine.inputs import InputFile
    from magpie.engine.job import Extracted, Summary
    from magpie.schema import Document

__all__ = ["extract"]

_HELP_SOURCE = (
    "A text, or the path of a .jsonl, .csv, .tsv, .txt or .md file or of a folder; - is standard "
    "input."
)


@app.command("extract")
@_common.command
def extract(
    source: Annotated[str, typer.Argument(metavar="TEXT|PATH|-", help=_HELP_SOURCE)],
    *,
    image: Annotated[
        list[str] | None, typer.Option("--image", "-i", help="Picture of the text; repeatable.")
    ] = None,
    caption: Annotated[
        str | None, typer.Option(help="What is said about the picture of the text.")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", help="File to write: .jsonl, .json, .html or .png."),
    ] = None,
    format: Annotated[
        str | None, typer.Option(help="table, json, jsonl, html or png; else the file's ending.")
    ] = None,
    flat: Annotated[
        bool, typer.Option("--flat", help="Flat lines: id and entities, for scripts.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a half-finished .jsonl output.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an output that exists.")
    ] = False,
    input_format: Annotated[
        str | None,
        typer.Option(help="jsonl, csv, tsv, folder, text, steps or lines; else the ending."),
    ] = None,
    id_column: Annotated[str, typer.Option(help="Column or key of the id.")] = "id",
    text_column: Annotated[str, typer.Option(help="Column or key of the text.")] = "text",
    image_column: Annotated[str, typer.Option(help="Column or key of the picture.")] = "image",
    root: Annotated[
        str | None,
        typer.Option(help="Folder of the records' pictures; by default that of the input."),
    ] = None,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Fetch pictures given as addresses.")
    ] = False,
    grounder: Annotated[
        str | None,
        typer.Option(
            metavar="local|model|none|CHECKPOINT",
            help="Who looks for entities in pictures (default: the model where it does, else "
            "local).",
            show_default=False,
        ),
    ] = None,
    no_ground: Annotated[
        bool, typer.Option("--no-ground", help="Nobody looks for entities in pictures.")
    ] = False,
    model: Annotated[
        str, typer.Option(help="A checkpoint or run of magpie train, a tagger, or embedded.")
    ] = "embedded",
    regions: _common.RegionsOption = None,
    settings: _common.MethodSettings = None,
    threads: Annotated[
        int | None, typer.Option(help="Documents at once; by default the cores available.")
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Documents handed out at a time.")] = 32,
    max_chars: Annotated[int, typer.Option(help="Longest text of a record.")] = 100_000,
    limit: Annotated[int | None, typer.Option(help="Read only so many records.")] = None,
    json: JsonFlag = False,
) -> None:
    """Find entities in texts and where their pictures show them."""
    from magpie.cli.export import parsed
    from magpie.engine.extractor import Extractor
    from magpie.engine.inputs import InputFile, looks_like_path
    from magpie.engine.outputs import output_format
    from magpie.engine.records import Columns

    chosen = output_format(
        output, format, flat_lines=flat, terminal=sys.stdout.isatty() and not json
    )
    from_path = looks_like_path(source)
    _check_options(from_path, chosen, image, caption, output, resume, limit)
    ground = _ground(grounder, no_ground)
    records: InputFile | None = None
    if from_path:
        columns = Columns(id=id_column, text=text_column, image=image_column)
        records = InputFile(source, input_format, columns)
        root = root or str(records.root)
    extractor = Extractor(
        model,
        threads=threads,
        ground=ground,
        regions=_common.region_folders(regions),
        settings=parsed(settings),
        max_chars=max_chars,
        root=root,
        allow_remote=allow_remote,
    )
    run = _Run(extractor, chosen, output, flat, json, root, allow_remote)
    if records is None:
        run.text(source, image or [], caption, overwrite)
    elif chosen == "jsonl" and output is not None:
        run.job(records, resume=resume, overwrite=overwrite, limit=limit, batch_size=batch_size)
    else:
        run.records(records, overwrite=overwrite, limit=limit, batch_size=batch_size)


def _ground(grounder: str | None, no_ground: bool) -> str | bool:
    from magpie.errors import ConfigError

    if no_ground and grounder not in (None, "none"):
        raise ConfigError(f"--no-ground and --grounder {grounder}", mend="Leave one out.")
    return grounder or not no_ground


def _check_options(
    from_path: bool,
    chosen: str,
    image: list[str] | None,
    caption: str | None,
    output: str | None,
    resume: bool,
    limit: int | None,
) -> None:
    from magpie.errors import ConfigError

    if from_path and (image or caption):
        raise ConfigError(
            "--image and --caption belong to a text, and this names a file",
            mend='Name pictures in the records ("image"), or put the text in quotes.',
        )
    if resume and not (from_path and chosen == "jsonl" and output is not None):
        raise ConfigError(
            "--resume goes on with a file of lines made from a file",
            mend="Use it with a path and an --output that ends in .jsonl.",
        )
    if limit is not None and limit < 1:
        raise ConfigError(f"--limit must be at least 1, got {limit}")


class _Run:
    """One call of the command: where results go, and what is said about them."""

    def __init__(
        self,
        extractor: Extractor,
        format: str,
        output: str | None,
        flat: bool,
        json: bool,
        root: str | None,
        allow_remote: bool,
    ) -> None:
        from magpie.engine.job import Summary
        from magpie.engine.outputs import picture_loader

        self.extractor, self.format, self.flat, self.json = extractor, format, flat, json
        self.output = None if output is None else Path(output)
        self.load = picture_loader(root, allow_remote=allow_remote)
        self.summary = Summary()
        self.failures: list[dict[str, Any]] = []
        self.begun = time.monotonic()

    def text(self, text: str, images: list[str], caption: str | None, overwrite: bool) -> None:
        """One text from the command line."""
        from magpie.engine.job import Extracted
        from magpie.engine.records import Record

        self._refuse_existing(overwrite)
        document = self.extractor(text, images, id="text", caption=caption)
        record = Record(1, "text", document)
        self._write(self._counted(iter([Extracted(record, document)])), single=len(images) == 1)

    def records(
        self, records: InputFile, *, overwrite: bool, limit: int | None, batch_size: int
    ) -> None:
        """Many records, to anything but a file of lines."""
        from itertools import islice

        from magpie.cli._progress import progress_bar
        from magpie.engine.job import extract_records

        self._refuse_existing(overwrite)
        results = extract_records(
            self.extractor, islice(iter(records), limit), batch_size=batch_size
        )
        with progress_bar(records.count, limit) as advance:
            self._write(self._counted(results, advance), single=False)

    def job(
        self,
        records: InputFile,
        *,
        resume: bool,
        overwrite: bool,
        limit: int | None,
        batch_size: int,
    ) -> None:
        """Many records, to a file of lines that survives kills."""
        from magpie.cli._progress import progress_bar
        from magpie.engine.job import Job
        from magpie.engine.outputs import line_maker

        assert self.output is not None  # noqa: S101  the caller chose this road by it
        job = Job(
            extractor=self.extractor,
            input=records,
            output=self.output,
            line_of=line_maker(flat_lines=self.flat),
            options={
                "flat": self.flat,
                "max_chars": self.extractor.max_chars,
                "grounder": self.extractor.grounder,
            },
            resume=resume,
            overwrite=overwrite,
            limit=limit,
            batch_size=batch_size,
        )
        with progress_bar(records.count, limit) as advance:
            self.summary = job.run(advance)
        errors = job.errors if job.errors.exists() else None
        self._finish([self.output], errors)

    def _refuse_existing(self, overwrite: bool) -> None:
        if self.output is not None and self.output.exists() and not overwrite:
            from magpie.errors import ConfigError

            raise ConfigError(
                "the output exists",
                where=str(self.output),
                mend="Replace it with --overwrite, or name another file.",
            )

    def _counted(
        self,
        results: Iterator[Extracted],
        advance: Callable[[Summary], None] = lambda _: None,
    ) -> Iterator[Document]:
        """The documents that could be read; what went wrong is noted on the way."""
        from magpie.engine.failures import error_lines

        for record, document in results:
            self.summary.count(document)
            self.summary.seconds = round(time.monotonic() - self.begun, 3)
            lines = error_lines(record, document)
            self.failures.extend(lines)
            if self.output is None and not self.json:
                for line in lines:
                    _say_failure(line)
            advance(self.summary)
            if document.status != "failed":
                yield document

    def _write(self, documents: Iterator[Document], *, single: bool) -> None:
        from magpie.engine import outputs

        if self.output is None:
            self._print(documents)
            return
        files = [self.output]
        if self.format == "png":
            files = outputs.write_pictures(self.output, documents, self.load, single=single)
        elif self.format == "html":
            outputs.write_report(self.output, documents, self.load)
        elif self.format == "json":
            outputs.write_array(self.output, documents, flat_lines=self.flat)
        else:
            outputs.write_lines(self.output, documents, flat_lines=self.flat)
        errors = outputs.write_failures(self.output, self.failures)
        self._finish(files, errors)

    def _print(self, documents: Iterator[Document]) -> None:
        from magpie.engine import outputs

        if self.json:
            values = [outputs.json_value(each, flat_lines=self.flat) for each in documents]
            _common.print_json(
                {"documents": values, "errors": self.failures, "summary": self.summary.to_dict()}
            )
        elif self.format == "table":
            for document in documents:
                _common.stdout().print(document)
        elif self.format == "json":
            _common.print_json(
                [outputs.json_value(each, flat_lines=self.flat) for each in documents]
            )
        else:
            make = outputs.line_maker(flat_lines=self.flat)
            for document in documents:
                sys.stdout.write(make(document) + "\n")
                sys.stdout.flush()
        self._exit()

    def _finish(self, files: list[Path], errors: Path | None) -> None:
        if self.json:
            _common.print_json(
                {
                    "outputs": [str(path) for path in files],
                    "errors_file": None if errors is None else str(errors),
                    "summary": self.summary.to_dict(),
                }
            )
        else:
            _say_summary(self.summary, files, errors)
        self._exit()

    def _exit(self) -> None:
        if not self.summary.clean:
            raise typer.Exit(EXIT_FAILED)


def _say_failure(line: dict[str, Any]) -> None:
    from rich.text import Text

    place = f"{line['where']}: " if line["where"] else ""
    word = "failed" if line["status"] == "failed" else "problem"
    message = f"{word}: {place}{line['reason']} [{line['code']}]"
    _common.stderr().print(Text(message, style="red"))
    if line["mend"]:
        _common.stderr().print(Text(f"  mend: {line['mend']}"))


def _say_summary(summary: Summary, files: list[Path], errors: Path | None) -> None:
    parts = [f"{summary.documents:,} documents", f"{summary.entities:,} entities"]
    if summary.resumed:
        parts.append(f"{summary.resumed:,} records were done before")
    if summary.partial:
        parts.append(f"{summary.partial:,} with a picture that could not be used")
    if summary.failed:
        parts.append(f"{summary.failed:,} records failed")
    names = ", ".join(str(path) for path in files[:3]) + (" ..." if len(files) > 3 else "")
    typer.echo(f"{names or 'no file written'}: {', '.join(parts)}", err=True)
    if errors is not None:
        typer.echo(f"what went wrong: {errors}", err=True)
