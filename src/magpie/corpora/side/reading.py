"""What the readers of side files share: one bad record is reported, the rest goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from magpie.corpora.anomaly import Anomaly, Report
from magpie.corpora.json_items import iter_json_items
from magpie.corpora.reader import Watch
from magpie.corpora.records import Raw
from magpie.corpora.side.rows import Row
from magpie.corpora.source import Found
from magpie.errors import FormatError, MagpieError

__all__ = ["collect", "integer", "number", "picture_key", "read_json", "text_of"]

R = TypeVar("R", bound=Row)

#: makes a row of a parsed record; the last argument is its place
Make = Callable[[Raw, str], R]


def picture_key(name: str) -> str:
    """A picture id: the file name without its ending and without ``IMGID:`` in front."""
    stem, dot, ending = name.removeprefix("IMGID:").rpartition(".")
    return stem if stem and dot and ending in ("jpg", "png") else name.removeprefix("IMGID:")


def collect(
    raws: Iterable[Raw], name: str, make: Make[R], report: Report, *, unique: bool = True
) -> Iterator[R]:
    """Rows of parsed records; a record that cannot be read is set aside.

    Args:
        raws: parsed records, with errors in place of unreadable ones.
        name: the file, for messages.
        make: makes a row of one of them.
        report: is called with each oddity.
        unique: report a key that comes again; its first record counts.

    Raises:
        FormatError: no record of the file could be read.
    """
    watch = Watch(name, report)
    seen: set[str] = set()
    for raw in raws:
        where = raw.where if raw.key is None else f"{raw.where}#{raw.key}"
        try:
            if raw.error is not None:
                raise raw.error
            row = make(raw, where)
        except MagpieError as error:
            located = error if error.where.startswith(name) else error.at(where)
            watch.take(Anomaly.lost(located, record=raw.key))
            continue
        watch.good += 1
        if unique and row.key in seen:
            message = f"{row.key!r} stands twice, the first record counts"
            watch.take(Anomaly("duplicate-key", message, where, row.key))
            continue
        seen.add(row.key)
        yield row
    watch.close()


def read_json(found: Found, make: Make[R], report: Report, *, unique: bool = True) -> Iterator[R]:
    """Rows of one big JSON object or list, see :func:`collect`."""
    return collect(iter_json_items(found), found.name, make, report, unique=unique)


def text_of(value: object, what: str, where: str) -> str:
    """``value`` as text.

    Raises:
        FormatError: it is something else.
    """
    if not isinstance(value, str):
        raise FormatError(f"expected {what} as text, came {str(value)[:60]!r}", where=where)
    return value


def number(value: object, what: str, where: str) -> float:
    """``value`` as a finite number.

    Raises:
        FormatError: it is something else.
    """
    # Of text, only what a weights file holds; True and NaN are no numbers here.
    try:
        if isinstance(value, bool) or not isinstance(value, (int, float, str)):
            raise ValueError
        found = float(value)
    except ValueError:
        found = float("nan")
    if found - found != 0:
        raise FormatError(f"expected {what} as a number, came {str(value)[:60]!r}", where=where)
    return found


def integer(value: object, what: str, where: str) -> int:
    """``value`` as a whole number from 0 on.

    Raises:
        FormatError: it is something else.
    """
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value[:18])
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise FormatError(
            f"expected {what} as a whole number, came {str(value)[:60]!r}", where=where
        )
    return value
