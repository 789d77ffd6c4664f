"""Corpora of records that are no columns: a JSON value or a Python literal each.

A subclass of :class:`RecordCorpus` says where the records come from (one of the ``iter_*``
functions here, or its own) and makes a Document of one of them. Everything streams; a record that
cannot be read is reported and set aside, the next one goes on.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NoReturn, TypeVar

from magpie._io import Line, parse_json
from magpie.corpora.anomaly import Anomaly, Report
from magpie.corpora.dataset_card import Card
from magpie.corpora.pictures import Pictures
from magpie.corpora.reader import METHOD, Corpus, ReadOptions, UniqueIds, Watch
from magpie.corpora.source import Found, iter_found_lines
from magpie.errors import ConfigError, FormatError, MagpieError
from magpie.schema import Document, Provenance, Source

__all__ = [
    "MAX_LITERAL",
    "Raw",
    "Reading",
    "RecordCorpus",
    "field",
    "iter_json_lines",
    "iter_literal_lines",
    "parse_literal",
    "word_list",
]

#: Longest Python literal that is parsed, in characters: its syntax tree takes far more memory.
MAX_LITERAL = 1 << 18

#: a backslash that opens no escape sequence (Python warns about it)
_ODD_ESCAPE = re.compile(r"\\(?![\\'\"abfnrtv0-7xNuU])")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Raw:
    """One parsed record, or the ``error`` in its place; ``where`` is file:line.

    ``key`` is its name in a JSON object of records, ``number`` counts the items of a JSON file
    from 1 (a whole file may be one line) and is 0 elsewhere.
    """

    where: str
    line: int
    value: Any = None
    key: str | None = None
    error: MagpieError | None = None
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What is known while one file of a split is read. ``extra`` is what the corpus opened."""

    card: Card
    split: str
    found: Found
    root: Path
    options: ReadOptions
    pictures: Pictures
    ids: UniqueIds
    report: Report
    extra: Any = None

    def source(self, line: int) -> Source:
        """Where a document was read."""
        return Source(corpus=self.card.ref, split=self.split, file=self.found.file.label, line=line)

    def provenance(self) -> Provenance:
        """Of gold annotations."""
        return Provenance(method=METHOD, version=self.card.ref)

    def type_of(self, kind: str) -> str:
        """An entity type as the options want it."""
        return self.card.coarse[kind] if self.options.types == "coarse" else kind


class RecordCorpus(Corpus):
    """A corpus, or a format, of one file of records a split."""

    suffixes: ClassVar[tuple[str, ...]] = (".json", ".jsonl")

    def read(
        self, split: str, root: Path, options: ReadOptions, report: Report
    ) -> Iterator[Document]:
        if options.types == "coarse" and not self.card.coarse:
            raise ConfigError(
                f"{self.card.ref} has no map to the coarse types", mend='Use types="own".'
            )
        found = self.locate(split, root)
        watch = Watch(found.name, report)
        reading = Reading(
            card=self.card,
            split=split,
            found=found,
            root=root,
            options=options,
            pictures=self.open_pictures(split, root, found, options),
            ids=UniqueIds(watch.take),
            report=watch.take,
            extra=self.open_extra(split, root, found, watch.take),
        )
        return self._stream(reading, watch)

    def open_pictures(self, split: str, root: Path, found: Found, options: ReadOptions) -> Pictures:
        """Where the pictures lie: in the card's folders, unless overridden."""
        return Pictures(self.card.images, root, options.images)

    def open_extra(self, split: str, root: Path, found: Found, report: Report) -> Any:
        """What else the documents need (boxes, a label file); read before the first record."""
        return None

    @abstractmethod
    def records(self, found: Found) -> Iterator[Raw]:
        """The records of a file, in file order, with errors in place of unreadable ones."""

    @abstractmethod
    def document(self, raw: Raw, reading: Reading) -> Document:
        """The document of one record.

        Raises:
            MagpieError: the record is set aside; without a place, the record's is added.
        """

    def _stream(self, reading: Reading, watch: Watch) -> Iterator[Document]:
        name = reading.found.name
        for raw in self.records(reading.found):
            try:
                if raw.error is not None:
                    raise raw.error
                document = self.document(raw, reading)
            except MagpieError as error:
                located = error if error.where.startswith(name) else error.at(raw.where)
                watch.take(Anomaly.lost(located, record=raw.key))
                continue
            watch.good += 1
            yield document
        watch.close()


def _of_line(line: Line, name: str, parse: Any) -> Raw:
    where = f"{name}:{line.number}"
    if line.error is not None:
        return Raw(where, line.number, error=line.error)
    try:
        return Raw(where, line.number, parse(line.text, where=where))
    except MagpieError as error:
        return Raw(where, line.number, error=error)


def iter_json_lines(found: Found) -> Iterator[Raw]:
    """One JSON value a line; blank lines are passed over."""
    for line in iter_found_lines(found):
        if line.error is not None or line.text.strip():
            yield _of_line(line, found.name, parse_json)


def iter_literal_lines(found: Found) -> Iterator[Raw]:
    """One Python literal a line, see :func:`parse_literal`; blank lines are passed over."""
    for line in iter_found_lines(found):
        if line.error is not None or line.text.strip():
            yield _of_line(line, found.name, parse_literal)


def parse_literal(text: str, *, where: str = "") -> Any:
    """A Python literal (dict, list, string, number ...); nothing in it is ever run.

    Raises:
        FormatError: it is no literal, or longer than :data:`MAX_LITERAL` characters.
    """
    if len(text) > MAX_LITERAL:
        raise FormatError(
            f"a Python literal of {len(text)} characters, the limit is {MAX_LITERAL}",
            code="format-too-long",
            where=where,
        )
    try:
        if _ODD_ESCAPE.search(text) is None:
            return ast.literal_eval(text.strip())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.literal_eval(text.strip())
    # What the parser raises for text that is too deep, too long a number, or no literal at all.
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError) as error:
        raise FormatError(
            f"expected a Python literal, came {text[:60]!r}",
            where=where,
            mend="Each line must be one complete {...}. Is the file cut off, or of another corpus?",
        ) from error


def field(record: object, name: str, kind: type[_T], where: str) -> _T:
    """``record[name]``, which must be a ``kind``.

    Raises:
        FormatError: the record is no dict, lacks the field, or holds something else there.
    """
    if not isinstance(record, dict):
        _refuse(f"expected a record with a field {name!r}, came {_short(record)}", where)
    if name not in record:
        keys = ", ".join(map(str, list(record)[:12])) or "no field at all"
        _refuse(f"expected a field {name!r}, the record has {keys}", where)
    value = record[name]
    # True is an int to Python and to nobody else.
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        _refuse(f"expected {kind.__name__} in {name!r}, came {_short(value)}", where)
    return value


def word_list(value: object, name: str, where: str) -> list[str]:
    """``value`` as a list of non-empty words.

    Raises:
        FormatError: it is something else.
    """
    if not isinstance(value, list) or not value:
        _refuse(f"expected a list of words in {name!r}, came {_short(value)}", where)
    for index, word in enumerate(value):
        if not isinstance(word, str) or not word:
            _refuse(f"word {index} of {name!r} is {_short(word)}, expected text", where)
    return value


def _refuse(message: str, where: str) -> NoReturn:
    raise FormatError(message, where=where, mend="Is the file of another corpus?")


def _short(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)[:60]
    except (TypeError, ValueError):
        return repr(value)[:60]
