"""What `magpie extract` writes besides lines: a JSON array, an HTML report, annotated pictures."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

from magpie._io import atomic_stream, atomic_write, dump_json
from magpie.engine.failures import side_file
from magpie.engine.flat import flat
from magpie.errors import ConfigError, FormatError, MagpieError
from magpie.schema import Document, Media
from magpie.vision import LoadedImage, load_image

__all__ = [
    "OUTPUT_FORMATS",
    "OutputFormat",
    "json_value",
    "line_maker",
    "output_format",
    "picture_loader",
    "write_array",
    "write_failures",
    "write_lines",
    "write_pictures",
    "write_report",
]

OutputFormat = Literal["table", "json", "jsonl", "png", "html"]
OUTPUT_FORMATS: tuple[OutputFormat, ...] = ("table", "json", "jsonl", "png", "html")

_BY_SUFFIX: dict[str, OutputFormat] = {
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".png": "png",
    ".html": "html",
    ".htm": "html",
}

PictureLoader = Callable[[Document, Media], LoadedImage | None]


def output_format(
    output: str | None, given: str | None, *, flat_lines: bool, terminal: bool
) -> OutputFormat:
    """The format that the options mean.

    Args:
        output: file to write, None for standard output.
        given: value of ``--format``.
        flat_lines: whether ``--flat`` is set.
        terminal: whether standard output is one; a table is for people, lines are for pipes.

    Raises:
        ConfigError: the options contradict each other.
        FormatError: the file's ending names no format.
    """
    if given is not None and given not in OUTPUT_FORMATS:
        raise ConfigError(f"format must be one of {', '.join(OUTPUT_FORMATS)}, got {given!r}")
    chosen: OutputFormat
    if given is not None:
        chosen = next(name for name in OUTPUT_FORMATS if name == given)
    elif output is not None:
        suffix = Path(output).suffix.lower()
        if suffix not in _BY_SUFFIX:
            raise FormatError(
                f"the ending {suffix!r} names no output format",
                code="format-unknown",
                where=output,
                mend=f"Use one of {', '.join(_BY_SUFFIX)}, or --format.",
            )
        chosen = _BY_SUFFIX[suffix]
    else:
        chosen = "table" if terminal and not flat_lines else "jsonl"
    if flat_lines and chosen not in ("json", "jsonl"):
        raise ConfigError(f"--flat is a shape of JSON, not of {chosen}", mend="Leave one out.")
    if output is None and chosen in ("png", "html"):
        raise ConfigError(f"{chosen} needs a file", mend="Name it with --output.")
    if output is not None and chosen == "table":
        raise ConfigError("a table goes to the terminal only", mend="Write .jsonl, .json or .html.")
    return chosen


def json_value(document: Document, *, flat_lines: bool) -> dict[str, Any]:
    """A document as plain JSON values, whole or flat."""
    if flat_lines:
        return flat(document)
    from magpie.schema import to_dict

    return to_dict(document)


def line_maker(*, flat_lines: bool) -> Callable[[Document], str]:
    """What turns a document into one line of JSON."""
    if flat_lines:
        return lambda document: dump_json(flat(document))
    return Document.to_json


def write_array(
    path: str | os.PathLike[str], documents: Iterable[Document], *, flat_lines: bool
) -> None:
    """One JSON array; the file appears whole, and one document at a time is held."""
    make = line_maker(flat_lines=flat_lines)
    with atomic_stream(path) as stream:
        before = b"[\n"
        for document in documents:
            stream.write(before + make(document).encode("utf-8"))
            before = b",\n"
        stream.write(b"[]\n" if before == b"[\n" else b"\n]\n")


def write_lines(path: Path, documents: Iterable[Document], *, flat_lines: bool) -> None:
    """A line a document; for many records there is :class:`magpie.engine.job.Job`."""
    make = line_maker(flat_lines=flat_lines)
    with atomic_stream(path) as stream:
        for document in documents:
            stream.write(make(document).encode("utf-8") + b"\n")


def write_failures(output: Path, lines: Iterable[dict[str, Any]]) -> Path | None:
    """``*.errors.jsonl`` beside the output; an old one goes where nothing went wrong now."""
    path = side_file(output, "errors.jsonl")
    text = "".join(dump_json(line) + "\n" for line in lines)
    if not text:
        path.unlink(missing_ok=True)
        return None
    atomic_write(path, text)
    return path


def picture_loader(
    root: str | os.PathLike[str] | None, *, allow_remote: bool = False
) -> PictureLoader:
    """Loads the pictures of a document as the extractor did."""

    def load(document: Document, medium: Media) -> LoadedImage | None:
        if medium.kind != "image" or not medium.present:
            return None
        return load_image(medium, root=root, allow_remote=allow_remote)

    return load


def write_report(
    path: str | os.PathLike[str], documents: Iterable[Document], load: PictureLoader
) -> None:
    """One HTML page of its own; see :func:`magpie.viz.write_report`."""
    from magpie.viz import write_report as write

    write(path, documents, load, title="magpie extract")


def write_pictures(
    path: Path, documents: Iterable[Document], load: PictureLoader, *, single: bool
) -> list[Path]:
    """Every picture that can be loaded, with the boxes drawn on it, as PNG.

    Args:
        path: the file, where ``single`` says that there is one document with one picture; else
            the pattern: ``out.png`` gives ``out-<document>-<medium>.png``.
        documents: with annotations.
        load: gives the pictures.
        single: see ``path``.

    Returns:
        The files written, in order.
    """
    from magpie.viz import draw_boxes

    written: list[Path] = []
    taken: set[Path] = set()
    for document in documents:
        for medium in document.media:
            try:
                image = load(document, medium)
            except MagpieError:
                continue  # the document's problems already say so
            if image is None:
                continue
            target = path if single else _name(path, document.id, medium.id, taken)
            taken.add(target)
            with atomic_stream(target) as stream:
                draw_boxes(image, document, medium.id).save(stream, format="PNG")
            written.append(target)
    return written


def _name(path: Path, document: str, medium: str, taken: set[Path]) -> Path:
    """A file name from ids, which may hold anything."""
    safe = re.sub(r"[^\w.-]+", "_", f"{document}-{medium}")[:120]
    target = path.with_name(f"{path.stem}-{safe}{path.suffix}")
    number = 2
    while target in taken:
        target = path.with_name(f"{path.stem}-{safe}-{number}{path.suffix}")
        number += 1
    return target
