"""``magpie demo``: the shipped posts, end to end, with everything it writes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from magpie.cli._common import EXIT_FAILED, JsonFlag, command, print_json, stderr, stdout
from magpie.cli.app import app

if TYPE_CHECKING:
    from collections.abc import Iterable

    from magpie.schema import Document

__all__ = ["DemoFiles", "demo", "write_demo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoFiles:
    """What the demonstration wrote.

    Args:
        jsonl: the documents, one a line; the pictures they name lie beside it.
        picture: the first post's picture with its regions drawn in.
        report: the HTML page.
    """

    jsonl: Path
    picture: Path
    report: Path


def write_demo(documents: Iterable[Document], folder: Path) -> DemoFiles:
    """Writes the example's documents, as extracted, and their views into ``folder``.

    Raises:
        MediaError: a shipped picture is absent or damaged.
    """
    import io

    from magpie._io import atomic_write
    from magpie.examples import example_folder
    from magpie.viz import draw_boxes, folder_images, write_report

    files = DemoFiles(
        jsonl=folder / "demo.jsonl", picture=folder / "demo.png", report=folder / "report.html"
    )
    folder.mkdir(parents=True, exist_ok=True)
    written = list(documents)
    names = [medium.uri for document in written for medium in document.media if medium.uri]
    for name in names:
        # Paths in a file count from that file, so the pictures come along.
        shutil.copyfile(example_folder() / name, folder / name)
    atomic_write(files.jsonl, "".join(document.to_json() + "\n" for document in written))
    first = next(document for document in written if document.media)
    buffer = io.BytesIO()
    draw_boxes(folder / names[0], first, first.media[0].id).save(buffer, format="PNG")
    atomic_write(files.picture, buffer.getvalue())
    write_report(files.report, written, folder_images(folder), title="magpie demo")
    return files


@app.command()
@command
def demo(
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder that the results are written to.")
    ] = Path("demo-output"),
    json: JsonFlag = False,
) -> None:
    """Extract from three shipped posts, and show what comes out."""
    from magpie.engine import Extractor
    from magpie.engine.flat import flat
    from magpie.examples import example_documents, example_folder

    with stderr().status("reading three posts and two pictures"):
        extractor = Extractor(root=example_folder())
        documents = list(extractor.stream(example_documents()))
        files = write_demo(documents, output)
    if json:
        paths = {name: str(getattr(files, name)) for name in ("jsonl", "picture", "report")}
        print_json({"files": paths, "documents": [flat(document) for document in documents]})
    else:
        _print(documents, files)
    if any(document.status != "ok" for document in documents):
        raise typer.Exit(EXIT_FAILED)


def _print(documents: list[Document], files: DemoFiles) -> None:
    from rich.text import Text

    console = stdout()
    for document in documents:
        console.print(document)
        console.print()
    for what, path in (
        ("documents", files.jsonl),
        ("annotated picture", files.picture),
        ("report, open it in a browser", files.report),
    ):
        console.print(Text(f"{path}", style="bold") + Text(f"  {what}"), soft_wrap=True)
