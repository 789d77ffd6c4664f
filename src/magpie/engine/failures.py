"""What went wrong, a line each, in ``*.errors.jsonl``; and files that grow line by line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from magpie.engine.records import Record
from magpie.schema import Document

__all__ = ["LineFile", "error_lines", "side_file"]


def side_file(output: Path, ending: str) -> Path:
    """``out.errors.jsonl`` or ``out.job.json`` of ``out.jsonl``."""
    stem = output.name[: -len(output.suffix)] if output.suffix else output.name
    return output.with_name(f"{stem}.{ending}")


def error_lines(record: Record, document: Document) -> list[dict[str, Any]]:
    """A line for each problem of a record: ``id`` (or null), ``line``, ``status``, ``code``, ...

    ``status`` is "failed" where the record gave no document, and "partial" where it did but a
    picture could not be used.
    """
    return [
        {
            "id": record.id,
            "line": record.line,
            "status": document.status,
            "code": problem.code,
            "reason": problem.message,
            "where": problem.where,
            "mend": problem.mend,
        }
        for problem in document.problems
    ]


class LineFile:
    """Appends lines, each by one call to the system; the file appears with the first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def __enter__(self) -> LineFile:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            os.close(self._file)

    def write(self, line: str) -> None:
        if self._file is None:
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        rest = memoryview((line + "\n").encode("utf-8"))
        while rest:
            rest = rest[os.write(self._file, rest) :]
