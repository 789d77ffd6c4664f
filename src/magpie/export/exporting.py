"""The way out and the way in: documents to a format by name, and back.

Nothing is ever half-written: a file or folder takes its place only when all of it is there.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from magpie._optional import require
from magpie.errors import ConfigError, FormatError, MagpieError, NotFoundError, SchemaError
from magpie.export.parts import PARTS
from magpie.export.registry import FORMATS, Format, format_named
from magpie.export.report import ExportReport
from magpie.schema import Document

__all__ = ["export", "read"]


def export(
    documents: Iterable[Document],
    format: str,
    path: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    **options: Any,
) -> ExportReport:
    """Writes documents in another tool's format.

    Args:
        documents: any number; they are streamed as far as the format allows.
        format: a name from :func:`formats`.
        path: the file to write (an existing one is replaced), or for formats that are folders,
            a folder that does not exist yet or is empty.
        root: folder that relative picture paths start from; pictures outside it are not read.
        options: of the format, see docs/export.md.

    Returns:
        What was written and what the format could not hold.

    Raises:
        NotFoundError: no such format.
        ConfigError: an option that the format does not have, or a folder that is not empty.
        MissingExtraError: the package that the format needs is not installed.
    """
    row = format_named(format)
    write = _function(row, format, "write")
    if root is not None and "root" in inspect.signature(write).parameters:
        options["root"] = Path(root)
    _check_options(write, format, options)
    target = Path(os.path.abspath(path))
    report = ExportReport(format=format, path=os.fspath(path))
    stream = _counted(documents, row, report)
    if row.target == "folder":
        _put_folder(target, lambda place: write(stream, place, report, **options))
    else:
        _put_file(target, lambda place: write(stream, place, report, **options))
    return report


def read(
    format: str,
    path: str | os.PathLike[str],
    *,
    on_problem: Callable[[MagpieError], None] | None = None,
    **options: Any,
) -> Iterator[Document]:
    """Streams the documents of a file or folder in another tool's format.

    Args:
        format: a name from :func:`formats`.
        path: what :func:`export` or the other tool wrote.
        on_problem: is called with what cannot be read; the rest goes on. Without it the first
            such problem raises.
        options: of the format, see docs/export.md.

    Raises:
        NotFoundError: no such format, or nothing at the path (at the call).
        ConfigError: an option that the format does not have, or a format that is only written.
        FormatError, SchemaError: a record cannot be read (while streaming).
    """
    row = format_named(format)
    function = _function(row, format, "read")
    _check_options(function, format, options)
    source = Path(path)
    if not source.exists():
        raise NotFoundError(
            "no such file or folder", where=str(source), mend="Check the path and its spelling."
        )
    if row.target == "file" and source.is_dir():
        raise FormatError("expected a file, found a folder", where=str(source))
    problem = on_problem or _raise
    return _unique(function(source, problem, **options), problem)


def _raise(error: MagpieError) -> None:
    raise error


def _function(row: Format, name: str, way: str) -> Callable[..., Any]:
    if way not in row.ways:
        able = [key for key, other in FORMATS.items() if way in other.ways]
        hint = f"{row.module} offers it as values in Python. " if row.target == "values" else ""
        raise ConfigError(
            f"format {name} cannot be {'written' if way == 'write' else 'read'} as a file",
            mend=f"{hint}These can: {', '.join(able)}.",
        )
    if row.needs:
        require(row.needs, f"the format {name}")
    function: Callable[..., Any] = getattr(importlib.import_module(row.module), way)
    return function


def _check_options(function: Callable[..., Any], name: str, options: dict[str, Any]) -> None:
    parameters = inspect.signature(function).parameters.values()
    known = [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
    for option in options:
        if option not in known:
            raise ConfigError(
                f"format {name} has no option {option!r}",
                mend=f"It has {', '.join(known)}." if known else "It has no options.",
            )


def _counted(
    documents: Iterable[Document], row: Format, report: ExportReport
) -> Iterator[Document]:
    """Passes documents on; what the format never keeps is counted as lost right here."""
    for document in _unique(documents, report.failed.append):
        for name, part in PARTS.items():
            for item, _ in part.of(document):
                report.seen[name] += 1
                if name not in row.keeps:
                    report.lose(name, document, "" if item == document.id else item)
        yield document


def _unique(
    documents: Iterable[Document], problem: Callable[[MagpieError], None]
) -> Iterator[Document]:
    """Sets documents aside whose id came before: tables and file names are keyed by it."""
    ids: set[str] = set()
    for document in documents:
        if document.id in ids:
            error = SchemaError(
                f"document id {document.id!r} stands twice",
                code="schema-id",
                mend="Give each document an id of its own.",
            )
            problem(error)
            continue
        ids.add(document.id)
        yield document


def _put_file(target: Path, write: Callable[[Path], None]) -> None:
    if target.is_dir():
        raise ConfigError(
            "expected a file to write, found a folder", where=str(target), mend="Name a file in it."
        )
    with _temporary(target) as place:
        write(place)
        os.replace(place, target)


def _put_folder(target: Path, write: Callable[[Path], None]) -> None:
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(
            "expected a new or empty folder, found something there",
            where=str(target),
            mend="Name another folder, or remove this one first.",
        )
    with _temporary(target) as place:
        place.mkdir()
        write(place)
        if target.exists():
            target.rmdir()
        os.replace(place, target)


@contextlib.contextmanager
def _temporary(target: Path) -> Iterator[Path]:
    """A path of the same name in a new folder beside the target, which goes away afterwards.

    The name stays because libraries look at the ending; the folder takes whatever they put next
    to their file.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".export-") as folder:
        yield Path(folder) / target.name
