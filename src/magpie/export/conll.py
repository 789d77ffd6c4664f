"""Column files: a word and a tag a line, sentences parted by blank lines.

What a line cannot hold stands in comment lines above its sentence, as in CoNLL-U::

    # id = post-1
    # text = "Ada left."
    Ada     S-PER
    left    O
    .       O

``# text`` and ``# words`` (code point ranges) are written only where the text is not the words
joined by spaces; they make reading exact. ``# block`` parts the blocks of one document. Values
are JSON strings where they would not fit a line otherwise.

Tags cannot overlap: of two entities that do, the longer one stays, then the first. White space
and ``%`` in a type are written as in addresses (``sports%20team``). A tab or line break within a
word becomes ``_``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import unquote

from magpie._io import dump_json, iter_lines, parse_json
from magpie.errors import ConfigError, FormatError, MagpieError
from magpie.export._sentences import Sentence, entities_of, restored, sentences_of
from magpie.export.report import ExportReport
from magpie.schema import Annotations, Block, Document, Entity
from magpie.text.tags import Chunk, Scheme, decode_tags, encode_tags

__all__ = ["read", "write"]

#: Most rows one sentence may have: a file without blank lines is no list of sentences.
MAX_ROWS = 100_000

_COMMENT = re.compile(r"# (id|block|text|words) = ([^\t]+)\Z")
_TAG = re.compile(r"(?:O|[BIESLU]-\S+)\Z")
_UNFIT = re.compile(r"[\s%]")
_BREAK = re.compile(r"[^\S ]")


def write(
    documents: Iterator[Document],
    path: Path,
    report: ExportReport,
    *,
    scheme: Scheme = "BIO",
    separator: Literal["tab", "space"] = "tab",
    comments: bool = True,
) -> None:
    """One sentence a block.

    Args:
        scheme: ``IOB1``, ``BIO``, ``BIOES`` or ``BILOU``.
        separator: between word and tag; ``space`` also turns spaces within words into ``_``.
        comments: whether to write the lines that make reading exact.

    Raises:
        ConfigError: another scheme or separator.
    """
    if scheme not in get_args(Scheme):
        raise ConfigError(f"scheme must be one of {', '.join(get_args(Scheme))}, got {scheme!r}")
    if separator not in ("tab", "space"):
        raise ConfigError(f"separator must be tab or space, got {separator!r}")
    unfit, mark = (_BREAK, "\t") if separator == "tab" else (re.compile(r"\s"), " ")
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        for document in documents:
            sentences = sentences_of(document, report)
            if not comments:
                _lose_comments(document, sentences, report)
            for index, sentence in enumerate(sentences):
                if comments:
                    stream.write(_comments(document, sentence, index))
                elif not sentence.places:
                    continue
                tags = encode_tags(_flat(document, sentence, report), len(sentence.places), scheme)
                for word, tag in zip(sentence.words, tags, strict=True):
                    stream.write(f"{unfit.sub('_', word)}{mark}{tag}\n")
                stream.write("\n")


def _flat(document: Document, sentence: Sentence, report: ExportReport) -> list[Chunk]:
    """Chunks that do not overlap, types as tags can hold them."""
    kept: list[Chunk] = []
    taken = bytearray(len(sentence.places))
    pairs = zip(sentence.entities, sentence.chunks, strict=True)
    for entity, (kind, first, last) in sorted(pairs, key=lambda p: (p[1][1] - p[1][2], p[1][1])):
        if any(taken[first:last]):
            report.lose("entities", document, entity.id, why="overlaps another")
            continue
        taken[first:last] = b"\1" * (last - first)
        kept.append((_UNFIT.sub(_escape, kind), first, last))
    return kept


def _escape(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode())


def _comments(document: Document, sentence: Sentence, index: int) -> str:
    lines = [f"# id = {_line(document.id)}"]
    if index or sentence.block.id != "b0":
        lines.append(f"# block = {_line(sentence.block.id)}")
    if not sentence.plain or any(map(_BREAK.search, sentence.words)):
        lines.append(f"# text = {dump_json(sentence.block.text)}")
        if sentence.block.words is not None:
            ranges = [f"{start}-{end}" for start, end in sentence.block.words]
            lines.append(f"# words = {' '.join(ranges) or '-'}")
    return "\n".join(lines) + "\n"


def _line(value: str) -> str:
    """As it is where it stays one, else as a JSON string."""
    plain = value.isprintable() and value == value.strip() and not value.startswith('"')
    return value if plain else dump_json(value)


def _lose_comments(document: Document, sentences: list[Sentence], report: ExportReport) -> None:
    if [sentence.block.id for sentence in sentences] != ["b0"]:
        for sentence in sentences:
            report.lose("blocks", document, sentence.block.id, why="without comments")
    if any(" ".join(sentence.words) != sentence.block.text for sentence in sentences):
        report.lose("documents", document, why="white space, without comments")
    for sentence in sentences:
        if sentence.block.words not in (None, sentence.places):
            report.lose("words", document, sentence.block.id, why="cut, without comments")


# reading


@dataclass(slots=True)
class _Record:
    """The sentence under way."""

    line: int = 0
    words: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    problem: MagpieError | None = None


def read(
    path: Path,
    problem: Callable[[MagpieError], None],
    *,
    word_column: int = 0,
    tag_column: int = -1,
) -> Iterator[Document]:
    """Streams the documents of any column file, in any of the tag schemes, read leniently.

    Sentences without an id get ``<file name>-<number>``; those that follow each other with one id
    are the blocks of one document. Of a bad line its sentence is lost.

    Args:
        word_column, tag_column: count from 0, negative ones from the right.
    """
    parts: list[tuple[Block, list[Entity]]] = []
    current: str | None = None
    number = 0
    for record in _records(path, word_column, tag_column):
        number += 1
        where = f"{path}:{record.line}"
        try:
            if record.problem is not None:
                raise record.problem
            name = record.notes.get("id") or f"{path.stem}-{number}"
            same = "id" in record.notes and name == current and "block" in record.notes
            part = _part(record, first=sum(len(found) for _, found in parts) if same else 0)
        except MagpieError as error:
            problem(error if error.where else error.at(where))
            continue
        if parts and not same:
            yield from _closed(current or "", parts, problem, where)
            parts = []
        current = name
        parts.append(part)
    if parts:
        yield from _closed(current or "", parts, problem, str(path))


def _closed(
    id: str,
    parts: list[tuple[Block, list[Entity]]],
    problem: Callable[[MagpieError], None],
    where: str,
) -> Iterator[Document]:
    entities = tuple(entity for _, found in parts for entity in found)
    try:
        blocks = tuple(block for block, _ in parts)
        yield Document(id=id, blocks=blocks, annotations=Annotations(entities=entities))
    except MagpieError as error:
        problem(error.at(where))


def _part(record: _Record, *, first: int) -> tuple[Block, list[Entity]]:
    notes = record.notes
    block, places = restored(
        record.words, id=notes.get("block", "b0"), text=notes.get("text"), own=notes.get("words")
    )
    chunks = [(unquote(kind), start, end) for kind, start, end in decode_tags(record.tags)]
    return block, entities_of(block, places, chunks, first=first)


def _records(path: Path, word_column: int, tag_column: int) -> Iterator[_Record]:
    record = _Record()
    for line in iter_lines(path):
        text = line.text
        if line.error is None and not text.strip(" \t"):
            if record.line:
                yield record
            record = _Record()
            continue
        record.line = record.line or line.number
        try:
            if line.error is not None:
                raise line.error
            if note := _COMMENT.match(text):
                record.notes[note[1]] = _note(note[1], note[2])
            elif text.startswith("-DOCSTART-"):
                record.line = 0
            else:
                _row(record, text, word_column, tag_column)
        except MagpieError as error:
            where = f"{path}:{line.number}"
            record.problem = record.problem or (error if error.where else error.at(where))
    if record.line:
        yield record


def _note(key: str, value: str) -> Any:
    if key == "words":
        try:
            pairs = [pair.split("-") for pair in value.split() if pair != "-"]
            return [(int(start), int(end)) for start, end in pairs]
        except ValueError as error:
            raise FormatError(f"expected ranges such as 0-3, came {value[:40]!r}") from error
    if not value.startswith('"'):
        return value
    text = parse_json(value)
    if not isinstance(text, str):
        raise FormatError(f"expected a text behind # {key} =, came {value[:40]!r}")
    return text


def _row(record: _Record, text: str, word_column: int, tag_column: int) -> None:
    row = text.split("\t") if "\t" in text else text.split()
    if text.startswith("#") and not _TAG.match(row[-1]):
        return  # some other comment; a word "#" has a tag
    width = len(row)
    if not (-width <= word_column < width and -width <= tag_column < width) or width < 2:
        raise FormatError(
            f"expected a word and a tag, came {text[:60]!r}",
            mend="One word a line, tab, tag; name other columns with word_column and tag_column.",
        )
    if not row[word_column]:
        raise FormatError(f"a row without a word: {text[:60]!r}")
    if len(record.words) >= MAX_ROWS:
        raise FormatError(
            f"a sentence of more than {MAX_ROWS} rows",
            code="format-too-long",
            mend="Part sentences by blank lines.",
        )
    record.words.append(row[word_column])
    record.tags.append(row[tag_column].strip())
