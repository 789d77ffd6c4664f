"""Readers of JSON lines, tables and plain lines for `magpie extract`; each yields records."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TextIO

from magpie._io import Line, parse_json
from magpie.engine.records import Columns, Record, failed_record, made_record
from magpie.errors import FormatError, MagpieError

if TYPE_CHECKING:
    from _csv import Reader

__all__ = ["TO_UTF8", "read_json_lines", "read_plain_lines", "read_table"]

#: longest cell of a table; an unclosed quote would otherwise swallow the rest of the file
_MAX_CELL = 16 * 1024 * 1024
#: what to do about bytes that are none
TO_UTF8 = "Convert the file to UTF-8."


def read_json_lines(lines: Iterable[Line], name: str, columns: Columns) -> Iterator[Record]:
    """A record a line: a Document, or an object with the keys that ``columns`` names."""
    for line in lines:
        if line.error is not None:
            yield failed_record(line.number, None, line.error)
        elif line.text.strip():
            yield _json_record(line, f"{name}:{line.number}", columns)


def _json_record(line: Line, where: str, columns: Columns) -> Record:
    try:
        value = parse_json(line.text, where=where)
    except MagpieError as error:
        return failed_record(line.number, None, error)
    if not isinstance(value, dict):
        wrong = FormatError(
            f"expected a JSON object, found {type(value).__name__}",
            where=where,
            mend="Each line must be one object.",
        )
        return failed_record(line.number, None, wrong)
    return made_record(line.number, value, where, columns)


def read_plain_lines(lines: Iterable[Line], name: str) -> Iterator[Record]:
    """A text a line, with ids ``line-1``, ``line-2`` ...; blank lines are none."""
    for line in lines:
        identifier = f"line-{line.number}"
        if line.error is not None:
            yield failed_record(line.number, identifier, line.error)
        elif line.text.strip():
            value = {"id": identifier, "text": line.text}
            yield made_record(line.number, value, f"{name}:{line.number}")


def read_table(
    stream: TextIO, name: str, columns: Columns, *, delimiter: str = ","
) -> Iterator[Record]:
    """A record a row, under a header.

    Args:
        stream: opened with ``newline=""`` and ``errors="surrogateescape"``, so that bytes which are
            no UTF-8 spoil their own row only.
        name: of the file, for messages.
        columns: which of the columns are used; the others are ignored.
        delimiter: between cells.

    Raises:
        FormatError: the header lacks the column of the id or of the text.
    """
    csv.field_size_limit(_MAX_CELL)
    rows = csv.reader(stream, delimiter=delimiter)
    header = next(rows, None)
    if header is None:
        return
    for column in (columns.id, columns.text):
        if column not in header:
            raise FormatError(
                f"the table has no column {column!r}, only {', '.join(header)[:200]}",
                where=f"{name}:1",
                mend="Name it with --id-column or --text-column.",
            )
    yield from _rows(rows, header, name, columns)


def _rows(rows: Reader, header: list[str], name: str, columns: Columns) -> Iterator[Record]:
    while True:
        number = rows.line_num + 1
        where = f"{name}:{number}"
        try:
            row = next(rows, None)
        except csv.Error as error:
            unclosed = FormatError(
                f"not a row: {error}", where=where, mend="Look for a quote that is not closed."
            )
            yield failed_record(number, None, unclosed)
            continue
        if row is None:
            return
        if not row:
            continue
        value = dict(zip(header, row, strict=False))
        if len(row) != len(header):
            ragged = FormatError(
                f"expected {len(header)} cells, found {len(row)}",
                where=where,
                mend="Put cells that hold the separator in quotes.",
            )
            yield failed_record(number, value.get(columns.id), ragged)
        elif not all(_is_utf8(cell) for cell in row):
            wrong = FormatError(
                "the row is not valid UTF-8", code="format-encoding", where=where, mend=TO_UTF8
            )
            yield failed_record(number, value.get(columns.id), wrong)
        else:
            yield made_record(number, value, where, columns)


def _is_utf8(cell: str) -> bool:
    try:
        cell.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
