"""Readers of published captions and of what language models said of posts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from magpie._io import Line
from magpie.corpora.anomaly import Anomaly, Report
from magpie.corpora.columns import Layout, iter_records
from magpie.corpora.reader import Watch
from magpie.corpora.records import Raw, field, iter_literal_lines
from magpie.corpora.side.reading import collect, picture_key, read_json, text_of
from magpie.corpora.side.rows import Tagged, Text
from magpie.corpora.source import Found, iter_found_lines
from magpie.errors import FormatError

__all__ = [
    "captions_by_line",
    "captions_in_json",
    "captions_in_literals",
    "id_and_text_lines",
    "knowledge_behind_words",
    "paragraphs",
    "tagged_by_picture",
    "tagged_by_words",
]

_KNOWLEDGE = ("<EOS>", "X")


def captions_by_line(files: Sequence[Found], part: str, report: Report) -> Iterator[Text]:
    """``108911.jpg :a caption`` a line."""
    (found,) = files

    def make(raw: Raw, where: str) -> Text:
        name, mark, text = raw.value.partition(" :")
        if not mark or not name:
            raise FormatError(f"expected <picture> :<caption>, came {raw.value[:60]!r}")
        return _text(picture_key(name), text, where, report)

    return collect(_lines(found), found.name, make, report)


def captions_in_json(files: Sequence[Found], part: str, report: Report) -> Iterator[Text]:
    """``{"15254.jpg": "a caption"}``, the ending being optional."""
    (found,) = files

    def make(raw: Raw, where: str) -> Text:
        key = text_of(raw.key, "a picture", where)
        return _text(picture_key(key), text_of(raw.value, "a caption", where), where, report)

    return read_json(found, make, report)


def captions_in_literals(files: Sequence[Found], part: str, report: Report) -> Iterator[Text]:
    """``{'img_id': '1.jpg', 'text': 'a caption'}`` a line, a Python literal."""
    (found,) = files

    def make(raw: Raw, where: str) -> Text:
        key = picture_key(field(raw.value, "img_id", str, where))
        return _text(key, field(raw.value, "text", str, where), where, report)

    return collect(iter_literal_lines(found), found.name, make, report)


def paragraphs(files: Sequence[Found], part: str, report: Report) -> Iterator[Text]:
    """``imgid:797970###text``; the text goes on until the next such line."""
    (found,) = files

    def raws() -> Iterator[Raw]:
        start: Line | None = None
        lines: list[str] = []
        for line in iter_found_lines(found):
            opens = line.error is None and line.text.startswith("imgid:")
            if opens or line.error is not None:
                if start is not None:
                    yield _raw(found, start, "\n".join(lines))
                start, lines = (line, [line.text]) if opens else (None, [])
                if line.error is not None:
                    yield _raw(found, line, "")
            elif start is not None:
                lines.append(line.text)
            elif line.text.strip():
                yield _raw(found, line, line.text)
        if start is not None:
            yield _raw(found, start, "\n".join(lines))

    def make(raw: Raw, where: str) -> Text:
        key, mark, text = raw.value.partition("###")
        if not mark or not key.startswith("imgid:") or key == "imgid:":
            raise FormatError(f"expected imgid:<picture>###<text>, came {raw.value[:60]!r}")
        return _text(key.removeprefix("imgid:").strip(), text, where, report)

    return collect(raws(), found.name, make, report)


def id_and_text_lines(files: Sequence[Found], part: str, report: Report) -> Iterator[Text]:
    """A line with a picture id (``IMGID:`` in front or not), then a line of text."""
    (found,) = files

    def raws() -> Iterator[Raw]:
        head: Line | None = None
        for line in iter_found_lines(found):
            if head is None:
                if line.error is None and not line.text.strip():
                    continue  # behind the last text
                head = line
                continue
            key = head.text.strip().removeprefix("IMGID:")
            broken = head if head.error is not None else line
            pair = (key, line.text)
            yield Raw(f"{found.name}:{head.number}", head.number, pair, error=broken.error)
            head = None
        if head is not None:
            error = FormatError("expected a line of text behind the id, the file ends")
            yield Raw(f"{found.name}:{head.number}", head.number, error=head.error or error)

    def make(raw: Raw, where: str) -> Text:
        key, text = raw.value
        if not key or len(key.split()) != 1:
            raise FormatError(f"expected a line with a picture id, came {key[:60]!r}")
        return _text(key, text, where, report)

    return collect(raws(), found.name, make, report)


def knowledge_behind_words(files: Sequence[Found], part: str, report: Report) -> Iterator[Text]:
    """Columns of a post's words and tags, the row ``<EOS> X``, then the text, a word a row.

    The tags of the post's own words are passed over: gold comes from the corpus.
    """
    for where, words, _, rest in _tagged(files, report, knowledge=True):
        yield _text(" ".join(words), " ".join(rest), where, report)


def tagged_by_words(files: Sequence[Found], part: str, report: Report) -> Iterator[Tagged]:
    """Columns of words and tags, posts parted by blank lines."""
    for where, words, tags, _ in _tagged(files, report, knowledge=False):
        yield Tagged(key=" ".join(words), where=where, words=words, tags=tags)


def _tagged(
    files: Sequence[Found], report: Report, *, knowledge: bool
) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...], tuple[str, ...]]]:
    """Place, words, tags and the words behind ``<EOS>`` of each record."""
    (found,) = files
    watch = Watch(found.name, report)
    lines = iter_found_lines(found)
    for record in iter_records(lines, name=found.name, layout=Layout(), report=watch.take):
        where = f"{found.name}:{record.line}"
        rows = [tuple(row) for row in record.rows]
        end = rows.index(_KNOWLEDGE) if _KNOWLEDGE in rows else len(rows)
        if knowledge and (end == len(rows) or end == 0):
            error = FormatError("a post without words, or without the row <EOS> X", where=where)
            watch.take(Anomaly.lost(error))
            continue
        watch.good += 1
        words = tuple(word for word, _ in rows[:end])
        tags = tuple(tag for _, tag in rows[:end])
        yield where, words, tags, tuple(word for word, _ in rows[end + 1 :] if word)
    watch.close()


def tagged_by_picture(files: Sequence[Found], part: str, report: Report) -> Iterator[Tagged]:
    """``IMGID:<id>``, then columns of words and tags."""
    (found,) = files
    watch = Watch(found.name, report)
    layout = Layout(opener="IMGID:")
    for record in iter_records(
        iter_found_lines(found), name=found.name, layout=layout, report=watch.take
    ):
        watch.good += 1
        yield Tagged(
            key=record.id or "",
            where=f"{found.name}:{record.line}",
            words=tuple(row[0] for row in record.rows),
            tags=tuple(row[1] for row in record.rows),
        )
    watch.close()


#: what no document may hold: NUL and lone surrogates
_UNWRITABLE = re.compile("[\0\ud800-\udfff]")


def _lines(found: Found) -> Iterator[Raw]:
    for line in iter_found_lines(found):
        if line.error is not None or line.text.strip():
            yield _raw(found, line, line.text)


def _raw(found: Found, line: Line, value: str) -> Raw:
    return Raw(f"{found.name}:{line.number}", line.number, value, error=line.error)


def _text(key: str, text: str, where: str, report: Report) -> Text:
    """The row of a text, blanks around it dropped; an empty one is reported.

    Raises:
        FormatError: the text holds what no document may hold.
    """
    stripped = text.strip()
    if _UNWRITABLE.search(stripped):
        raise FormatError("the text holds a NUL character or a lone surrogate", code="schema-text")
    if not stripped:
        report(Anomaly("text-empty", "an empty text", where, key))
    return Text(key=key, where=where, text=stripped)
