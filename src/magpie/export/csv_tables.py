"""CSV tables in a folder: ``documents.csv``, ``entities.csv``, ``regions.csv`` and so on.

UTF-8, comma-separated, quoted and ended by CRLF as RFC 4180 has it, one header line each; the
columns are those of :data:`magpie.export._tables.TABLES`. Empty cells are values not given.

A spreadsheet takes a cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a line break for a
formula, whoever wrote it. A text that begins so gets an apostrophe in front, which spreadsheets
do not show, and so do a text that begins with an apostrophe and one that is empty; reading takes it
off again. Numbers are numbers. ``formulas="keep"`` writes texts as they are.
"""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, TextIO

from magpie._io import MAX_LINE_BYTES
from magpie.errors import ConfigError, FormatError, MagpieError
from magpie.export._tables import TABLES, Kind, Row, document_of, merged, rows_of
from magpie.export.report import ExportReport
from magpie.schema import Document

__all__ = ["read", "write"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def write(
    documents: Iterator[Document],
    path: Path,
    report: ExportReport,
    *,
    formulas: Literal["escape", "keep"] = "escape",
) -> None:
    """One file a table; all of them are written, those without rows hold their header.

    Args:
        formulas: whether texts that a spreadsheet would take for a formula are escaped.

    Raises:
        ConfigError: another word for ``formulas``.
    """
    if formulas not in ("escape", "keep"):
        raise ConfigError(f"formulas must be escape or keep, got {formulas!r}")
    escape = formulas == "escape"
    with contextlib.ExitStack() as stack:
        writers = {}
        for name, columns in TABLES.items():
            place = path / f"{name}.csv"
            stream = stack.enter_context(place.open("w", encoding="utf-8", newline=""))
            writers[name] = csv.writer(stream, lineterminator="\r\n")
            writers[name].writerow([column for column, kind in columns.items() if kind != "bytes"])
        for document in documents:
            for name, rows in rows_of(document).items():
                columns = TABLES[name]
                writers[name].writerows(
                    [
                        _cell(row.get(column), kind, escape)
                        for column, kind in columns.items()
                        if kind != "bytes"
                    ]
                    for row in rows
                )


def _cell(value: Any, kind: Kind, escape: bool) -> str:
    if value is None:
        return ""
    if kind == "flag":
        return "true" if value else "false"
    if kind in ("integer", "number"):
        return repr(value)
    text = str(value)
    return f"'{text}" if escape and (not text or text.startswith(_FORMULA)) else text


def read(
    path: Path,
    problem: Callable[[MagpieError], None],
    *,
    formulas: Literal["escape", "keep"] = "escape",
) -> Iterator[Document]:
    """Streams the documents of a folder that :func:`write` made; tables but the first may lack.

    The rows of each table must stand in the order of the documents. A document with a row that
    cannot be read is reported and left out.

    Args:
        formulas: as it was written.

    Raises:
        FormatError: the path is no folder, or has no ``documents.csv``.
        ConfigError: another word for ``formulas``.
    """
    if formulas not in ("escape", "keep"):
        raise ConfigError(f"formulas must be escape or keep, got {formulas!r}")
    if not path.is_dir():
        raise FormatError("expected a folder of CSV tables, found a file", where=str(path))
    if not (path / "documents.csv").is_file():
        raise FormatError(
            "expected a folder with documents.csv in it",
            where=str(path),
            mend="Name the folder that holds the tables.",
        )
    spoilt: dict[str, MagpieError] = {}
    tables = {
        name: _rows(path / f"{name}.csv", columns, formulas == "escape", spoilt, problem)
        for name, columns in TABLES.items()
    }
    yield from documents_of(tables, path, ".csv", spoilt, problem)


def documents_of(
    tables: dict[str, Iterator[Row]],
    path: Path,
    suffix: str,
    spoilt: dict[str, MagpieError],
    problem: Callable[[MagpieError], None],
) -> Iterator[Document]:
    """The documents of tables; rows that belong to none are reported once a table.

    Args:
        spoilt: documents of which a row could not be read, filled while reading.
    """
    ahead: dict[str, Row | None] = {}
    for rows, ahead in merged(tables):  # noqa: B007  the last one is looked at below
        name = str(rows["documents"][0].get("document", ""))
        where = f"{path / 'documents'}{suffix}: document {name!r}"
        error = spoilt.pop(name, None)
        try:
            if error is not None:
                raise error
            yield document_of(rows, where=where)
        except MagpieError as found:
            problem(found if found.where else found.at(where))
    for table, row in ahead.items():
        if row is not None:
            problem(
                FormatError(
                    f"a row of document {str(row.get('document'))[:60]!r}, which is not in "
                    "documents, or not in this order",
                    where=f"{path / table}{suffix}",
                    mend="Sort the tables as they were written, by the order of documents.",
                )
            )


def _rows(
    path: Path,
    columns: dict[str, Kind],
    escaped: bool,
    spoilt: dict[str, MagpieError],
    problem: Callable[[MagpieError], None],
) -> Iterator[Row]:
    """The rows of one table; a document with a bad one is noted in ``spoilt``."""
    if not path.is_file():
        return
    csv.field_size_limit(MAX_LINE_BYTES)  # the module's own limit is 128 kB a cell
    with path.open(encoding="utf-8-sig", errors="strict", newline="") as stream:
        lines = csv.reader(_lines(stream, path), strict=True)
        try:
            header = next(lines, [])
            if header and "document" not in header:
                raise FormatError(
                    f"expected a column document, came {', '.join(header)[:80]}",
                    where=f"{path}:1",
                )
            for cells in lines:
                row = _row(dict(zip(header, cells, strict=False)), columns, escaped)
                error = row.pop("", None)
                if len(cells) != len(header):
                    error = FormatError(f"expected {len(header)} cells, came {len(cells)}")
                if error is not None:
                    spoilt.setdefault(
                        str(row.get("document")), error.at(f"{path}:{lines.line_num}")
                    )
                yield row
        except UnicodeDecodeError as error:
            problem(FormatError("not UTF-8", code="format-encoding", where=str(path)))
        except csv.Error as error:
            problem(FormatError(f"not CSV: {error}", where=f"{path}:{lines.line_num}"))
        except FormatError as error:
            problem(error)


def _lines(stream: TextIO, path: Path) -> Iterator[str]:
    """Lines with their ends, none of them beyond the limit."""
    while line := stream.readline(MAX_LINE_BYTES + 1):
        if len(line) > MAX_LINE_BYTES:
            raise FormatError(
                f"a line of more than {MAX_LINE_BYTES} characters",
                code="format-too-long",
                where=str(path),
                mend="Is this a CSV file?",
            )
        yield line


def _row(cells: dict[str, str], columns: dict[str, Kind], escaped: bool) -> Row:
    """The cells that hold something, as values; under "" the error, if one cannot be read."""
    row: Row = {}
    for column, cell in cells.items():
        kind = columns.get(column)
        if cell == "" or kind is None:
            continue
        try:
            row[column] = _value(cell, kind, escaped)
        except ValueError:
            row[""] = FormatError(f"expected {kind} in column {column}, came {cell[:40]!r}")
    return row


def _value(cell: str, kind: Kind, escaped: bool) -> Any:
    if kind == "integer":
        return int(cell)
    if kind == "number":
        return float(cell)
    if kind == "flag":
        if cell.lower() not in ("true", "false"):
            raise ValueError(cell)
        return cell.lower() == "true"
    return cell[1:] if escaped and cell.startswith("'") else cell
