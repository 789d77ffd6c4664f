"""Between magpie's own JSON lines and the other formats: the plain functions of the commands."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from magpie._io import atomic_stream, iter_lines
from magpie.errors import MagpieError
from magpie.export.exporting import export, read
from magpie.export.report import ExportReport
from magpie.schema import Document, from_json

__all__ = ["ImportReport", "export_file", "import_file", "read_documents"]


@dataclass(slots=True)
class ImportReport:
    """What an import wrote, and the records it could not read.

    Args:
        partial: documents of which something could not be read; their problems say what.
    """

    format: str
    path: str
    documents: int = 0
    entities: int = 0
    partial: int = 0
    failed: list[MagpieError] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The shape of ``magpie import --json``."""
        return {
            "format": self.format,
            "path": self.path,
            "documents": self.documents,
            "entities": self.entities,
            "partial": self.partial,
            "failed": [error.to_dict() for error in self.failed],
        }


def read_documents(
    path: str | os.PathLike[str], problem: Callable[[MagpieError], None]
) -> Iterator[Document]:
    """Streams documents, one a line; an unreadable line goes to ``problem``.

    Raises:
        NotFoundError, FormatError: no such file, or a folder.
    """
    for line in iter_lines(path):
        try:
            if line.error is not None:
                raise line.error
            if not line.text.strip():
                continue
            document = from_json(line.text, where=f"{path}:{line.number}")
        except MagpieError as error:
            problem(error)
            continue
        yield document


def export_file(
    source: str | os.PathLike[str],
    format: str,
    path: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    **options: Any,
) -> ExportReport:
    """As :func:`~magpie.export.export`, from a file of documents; pictures lie beside it.

    Args:
        source: documents, one a line.
        root: where the pictures lie, if not beside ``source``.
    """
    failed: list[MagpieError] = []
    documents = read_documents(source, failed.append)
    folder = os.path.dirname(os.path.abspath(source)) if root is None else root
    report = export(documents, format, path, root=folder, **options)
    report.failed[:0] = failed
    return report


def import_file(
    source: str | os.PathLike[str], format: str, path: str | os.PathLike[str], **options: Any
) -> ImportReport:
    """Writes what :func:`~magpie.export.read` finds as documents, one a line.

    Raises:
        As :func:`~magpie.export.read` does at the call; nothing is written then.
    """
    report = ImportReport(format=format, path=os.fspath(path))
    documents = read(format, source, on_problem=report.failed.append, **options)
    with atomic_stream(path) as stream:
        for document in documents:
            stream.write(document.to_json().encode("utf-8") + b"\n")
            report.documents += 1
            report.entities += len(document.entities)
            report.partial += document.status != "ok"
    return report
