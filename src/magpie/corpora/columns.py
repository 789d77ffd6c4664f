"""Column files (CoNLL and its kin) as records of words and columns; one bad line, one bad record.

Two layouts cover the field: records parted by blank lines, and records opened by a line with the
post's id (``IMGID:123``). Columns are parted by tabs; a line without tabs is taken apart at
spaces and reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from magpie._io import Line
from magpie.corpora.anomaly import Anomaly, Report
from magpie.errors import FormatError, MagpieError

__all__ = ["Layout", "Record", "iter_records"]

#: Most rows one record may have: a file without blank lines is no list of posts.
MAX_ROWS = 100_000

_TAG = re.compile(r"(?:O|[BIESLU]-\S+)\Z")


@dataclass(frozen=True, slots=True)
class Layout:
    """How a column file is laid out.

    ``columns`` is the number of columns, or None to take it from the first row (and then spaces
    are a separator like any other). ``opener`` is the prefix of the line that opens a record
    and carries its id; without one, blank lines part the records, ``-DOCSTART-`` rows are
    passed over, and with ``comments`` so are lines that start with ``#`` and are no row.
    """

    columns: int | None = 2
    opener: str | None = None
    comments: bool = False


@dataclass(slots=True)
class Record:
    """One post or sentence: ``line`` opens it, ``rows`` are its columns, ``lines`` their places."""

    line: int
    id: str | None = None
    rows: list[list[str]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    problem: MagpieError | None = None


def iter_records(
    lines: Iterable[Line], *, name: str, layout: Layout, report: Report
) -> Iterator[Record]:
    """Records in file order; a record with a bad line is reported as lost and left out.

    Args:
        lines: physical lines, with errors in place of those that could not be decoded.
        name: the file, for messages.
        layout: what a row and a record look like.
        report: is called with each oddity.
    """
    parser = _Parser(name, layout, report)
    for line in lines:
        done = parser.take(line)
        if done is not None:
            yield done
    done = parser.close()
    if done is not None:
        yield done


class _Parser:
    """The record that is being read, and what was learnt about the file."""

    def __init__(self, name: str, layout: Layout, report: Report) -> None:
        self.name = name
        self.layout = layout
        self.report = report
        self.columns = layout.columns
        self.record: Record | None = None

    def take(self, line: Line) -> Record | None:
        """Takes one line; returns the record that it closed, if any."""
        if line.error is not None:
            self._open(line.number).problem = self._open(line.number).problem or line.error
            return None
        text = line.text
        opener = self.layout.opener
        if opener is not None and text.startswith(opener):
            done = self.close()
            self.record = Record(line.number, id=text[len(opener) :].strip())
            if not self.record.id:
                self._spoil(line.number, f"{opener} without an id", "Write the id behind it.")
            return done
        if not text.strip(" \t"):
            return self.close()
        if opener is None and (text.startswith("-DOCSTART-") or self._is_comment(text)):
            return None
        self._row(line)
        return None

    def close(self) -> Record | None:
        """Ends the record; lost ones are reported, empty ones too if they had an id."""
        record, self.record = self.record, None
        if record is None:
            return None
        if record.problem is None and not record.rows:
            record.problem = FormatError(
                "a record without words",
                where=f"{self.name}:{record.line}",
                mend="Was the file cut off?",
            )
        if record.problem is not None:
            self.report(Anomaly.lost(record.problem, record=record.id))
            return None
        return record

    def _open(self, number: int) -> Record:
        """The record under way; a row outside any opens one."""
        if self.record is None:
            self.record = Record(number)
            if self.layout.opener is not None:
                opener = self.layout.opener
                self._spoil(number, f"words before a line {opener}<id>", "Is this another format?")
        return self.record

    def _spoil(self, number: int, message: str, mend: str, code: str = "format-record") -> None:
        if self.record is not None and self.record.problem is None:
            self.record.problem = FormatError(
                message, code=code, where=f"{self.name}:{number}", mend=mend
            )

    def _row(self, line: Line) -> None:
        record = self._open(line.number)
        if len(record.rows) >= MAX_ROWS:
            self._spoil(
                line.number,
                f"a record of more than {MAX_ROWS} rows",
                "Part the records by blank lines.",
                "format-too-long",
            )
            return
        row = self._split(line)
        if row is None:
            self._spoil(
                line.number,
                f"expected {self.columns} columns parted by tabs, came {line.text[:60]!r}",
                "Is the file cut off, or of another corpus?",
            )
            return
        record.rows.append(row)
        record.lines.append(line.number)

    def _split(self, line: Line) -> list[str] | None:
        """The columns of a row, or None if their number is wrong."""
        tabbed = "\t" in line.text
        if self.layout.columns is None:
            row = line.text.rstrip("\t ").split("\t") if tabbed else line.text.split()
            self.columns = self.columns or len(row)
        elif tabbed:
            row = line.text.split("\t")
        else:
            row = line.text.rsplit(maxsplit=self.layout.columns - 1)
            if len(row) == self.columns and all(_TAG.match(cell) for cell in row[1:]):
                message = "columns are parted by spaces"
                self.report(Anomaly("separator", message, f"{self.name}:{line.number}"))
            else:
                return None
        return row if len(row) == self.columns else None

    def _is_comment(self, text: str) -> bool:
        """``#`` is also a word of its own in tweets: a row with a tag is no comment."""
        if not self.layout.comments or not text.startswith("#"):
            return False
        row = text.split("\t") if "\t" in text else text.split()
        width = self.columns not in (None, len(row))
        return width or not any(_TAG.match(cell) for cell in row[1:])
