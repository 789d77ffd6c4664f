"""One big JSON list or object as a stream of its items, whatever its size or line breaks.

Only the item under way is held. An item that is no JSON, holds bytes that are not UTF-8 or is
longer than the limit comes out as an error and the next one goes on; so does whatever is left of
a file that was cut off.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from typing import Any

from magpie._io import MAX_LINE_BYTES, parse_json
from magpie.corpora.records import Raw, iter_json_lines
from magpie.corpora.source import Found, iter_found_text
from magpie.errors import FormatError, MagpieError

__all__ = ["iter_json", "iter_json_items"]

_BLANKS = re.compile(r"[ \t\r\n]+")
_ENDS = frozenset(" \t\r\n,:]}")
_OUTSIDE = re.compile(r'["\[\]{},]')
_INSIDE = re.compile(r'["\\]')
_ESCAPED_BYTE = re.compile("[\udc80-\udcff]")


def iter_json_items(found: Found, *, max_chars: int = MAX_LINE_BYTES) -> Iterator[Raw]:
    """The items of a JSON list, or the members of a JSON object with their ``key``.

    Args:
        found: the file.
        max_chars: longest item; a longer one is skipped without being held.

    Raises:
        FormatError: the file is neither, is UTF-16, or sits in a damaged archive.
    """
    yield from _Items(found, max_chars).read()


def iter_json(found: Found) -> Iterator[Raw]:
    """The items of a JSON list, or one JSON value a line: the file's first character decides.

    Raises:
        FormatError: as :func:`iter_json_items`.
    """
    begins = ""
    for text in iter_found_text(found):
        begins = text.lstrip(" \t\r\n")[:1]
        if begins:
            break
    yield from iter_json_items(found) if begins == "[" else iter_json_lines(found)


def _refuse_constant(token: str) -> Any:
    raise ValueError(token)


class _Items:
    """The part of the file not yet consumed, and the line it begins at."""

    def __init__(self, found: Found, max_chars: int) -> None:
        self.name = found.name
        self.max_chars = max_chars
        self.chunks = iter_found_text(found)
        self.text = ""
        self.at = 0
        self.line = 1
        self.number = 0
        self.decoder = json.JSONDecoder(parse_constant=_refuse_constant)

    def read(self) -> Iterator[Raw]:
        opener = self._next_mark()
        if opener not in ("[", "{"):
            raise FormatError(
                f"expected a JSON list or object, the file begins with {opener!r}",
                code="format-json",
                where=f"{self.name}:{self.line}",
                mend="Is the file of another corpus?",
            )
        self._skip(1)
        closer = "]" if opener == "[" else "}"
        if self._next_mark() == closer:
            self._skip(1)
        else:
            yield from self._items(closer)
        if self._next_mark():
            yield self._lost(f"expected nothing behind the last {closer}")

    def _items(self, closer: str) -> Iterator[Raw]:
        """What stands between the brackets, the last of which is consumed."""
        while True:
            raw = self._item(keyed=closer == "}")
            yield raw
            mark = self._next_mark()
            if mark not in (",", closer):
                if mark or raw.error is None:
                    yield self._lost(f"expected , or {closer}, the file goes on with {mark!r}")
                self._cut()
                mark = self._next_mark()
            if mark:
                self._skip(1)
            if mark != ",":
                return

    def _item(self, *, keyed: bool) -> Raw:
        self.number += 1
        key = None
        if keyed:
            self._next_mark()
            name = self._value()
            if not isinstance(name.value, str) or self._next_mark() != ":":
                lost = self._lost("expected a name in double quotes and a colon")
                self._cut()
                return lost
            key = name.value
            self._skip(1)
        self._next_mark()
        raw = self._value()
        return dataclasses.replace(raw, key=key)

    def _value(self) -> Raw:
        """The value that begins here, read by the fast parser, or else looked at closely."""
        line = self.line
        where = self._where()
        try:
            value, end = self.decoder.raw_decode(self.text, self.at)
        except (ValueError, RecursionError):
            end = len(self.text)
        # A value that touches the end of what was read may go on in the next chunk, and so may a
        # number that ends before something else than a mark ("0" of a cut "0.5").
        if self.text[end : end + 1] in _ENDS and end - self.at <= self.max_chars:
            piece = self.text[self.at : end]
            if _ESCAPED_BYTE.search(piece) is None:
                self._skip(end - self.at)
                return Raw(where, line, value, number=self.number)
        cut, complete = self._cut(value=True)
        try:
            if cut is None:
                message = f"an item is longer than {self.max_chars} characters"
                raise FormatError(message, code="format-too-long", where=where)
            if _ESCAPED_BYTE.search(cut) is not None:
                raise FormatError(
                    "an item holds bytes that are not valid UTF-8",
                    code="format-encoding",
                    where=where,
                    mend="Convert the file to UTF-8.",
                )
            if not complete:
                raise FormatError(
                    "the file ends inside an item",
                    code="format-json",
                    where=where,
                    mend="Was the file cut off?",
                )
            return Raw(where, line, parse_json(cut, where=where), number=self.number)
        except MagpieError as error:
            return Raw(where, line, error=error, number=self.number)

    def _cut(self, *, value: bool = False) -> tuple[str | None, bool]:
        """Consumes up to the comma or bracket that ends the item, judging by marks alone; with
        ``value``, a text, list or object ends with its own last mark.

        Returns what was consumed (None if it is too long) and whether its end was there.
        """
        pieces: list[str] = []
        length = depth = debt = 0
        quoted = ended = False
        while True:
            position = self.at + debt
            while match := (_INSIDE if quoted else _OUTSIDE).search(self.text, position):
                mark = match.group()
                position = match.end()
                if mark == '"':
                    quoted = not quoted
                    ended = value and not quoted and depth == 0
                elif mark == "\\":
                    position += 1  # whatever comes next, it ends no string
                elif mark in "[{":
                    depth += 1
                elif depth == 0:
                    position -= 1
                    ended = True
                elif mark != ",":
                    depth -= 1
                    ended = value and depth == 0
                if ended:
                    break
            # An escape at the very end of what was read takes in what comes next.
            debt = max(0, position - len(self.text))
            stop = position if ended else len(self.text)
            length += stop - self.at
            if length <= self.max_chars:
                pieces.append(self.text[self.at : stop])
            else:
                pieces.clear()
            self._skip(stop - self.at)
            if ended or not self._more():
                return ("".join(pieces) if length <= self.max_chars else None), ended

    def _lost(self, message: str) -> Raw:
        where = self._where()
        mend = "Was the file cut off?"
        error = FormatError(message, code="format-json", where=where, mend=mend)
        return Raw(where, self.line, error=error, number=self.number)

    def _where(self) -> str:
        return f"{self.name}:{self.line} (item {self.number})"

    def _next_mark(self) -> str:
        """Skips blanks; the character that stands there, empty at the end of the file."""
        while True:
            match = _BLANKS.match(self.text, self.at)
            if match is not None:
                self._skip(match.end() - self.at)
            if self.at < len(self.text):
                return self.text[self.at]
            if not self._more():
                return ""

    def _skip(self, count: int) -> None:
        self.line += self.text.count("\n", self.at, self.at + count)
        self.at += count

    def _more(self) -> bool:
        """Reads on, keeping what is not consumed; False at the end of the file."""
        chunk = next(self.chunks, None)
        if chunk is None:
            return False
        self.text = self.text[self.at :] + chunk
        self.at = 0
        return True
