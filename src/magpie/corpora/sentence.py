"""From the columns of a record to words and mentions, with orphan I- tags marked."""

from __future__ import annotations

from dataclasses import dataclass

from magpie.corpora.anomaly import Anomaly, Report
from magpie.corpora.columns import Record
from magpie.corpora.dataset_card import Card
from magpie.errors import FormatError
from magpie.text.tags import decode_tags

__all__ = ["Mention", "Sentence", "mark_up"]


@dataclass(frozen=True, slots=True)
class Mention:
    """Words ``start`` up to but excluding ``end``; ``row`` is the first one's row in the record.

    ``orphan`` says that an I- tag opened it.
    """

    type: str
    start: int
    end: int
    row: int
    orphan: bool = False
    fine_type: str | None = None


@dataclass(frozen=True, slots=True)
class Sentence:
    """The non-empty words of a record and what is marked among them, in text order."""

    words: list[str]
    mentions: tuple[Mention, ...]


def mark_up(
    record: Record,
    *,
    name: str,
    card: Card,
    report: Report,
    tags: list[str] | None = None,
    word_column: int = 0,
    known: tuple[str, ...] | None = None,
    prefixes: str = "BI",
) -> Sentence:
    """Reads words and tags by the lenient rule, so that no entity of the file is lost.

    Args:
        record: rows of columns.
        name: the file, for messages.
        card: names the corpus in messages.
        report: is called for orphan tags and for rows without a word.
        tags: one tag a row; the last column if not given.
        word_column: index of the words' column.
        known: the types that may occur, any if empty; the card's if not given.
        prefixes: of the tags that may occur.

    Raises:
        FormatError: a tag of another form or of a type the corpus does not have.
    """
    labels = [row[-1] for row in record.rows] if tags is None else tags
    types = card.types if known is None else known
    for label, line in zip(labels, record.lines, strict=True):
        _check(label, prefixes, types, card, f"{name}:{line}")
    words: list[str] = []
    places: list[int] = []  # row -> index of its word, or of the next word where it has none
    for row, line in zip(record.rows, record.lines, strict=True):
        places.append(len(words))
        if row[word_column]:
            words.append(row[word_column])
        else:
            report(Anomaly("empty-word", "a row without a word", f"{name}:{line}", record.id))
    places.append(len(words))
    mentions = []
    for kind, first, last in decode_tags(labels):
        start, end = places[first], places[last]
        if start == end:
            continue
        orphan = labels[first][0] not in "BS"
        if orphan:
            where = f"{name}:{record.lines[first]}"
            report(Anomaly("orphan-tag", f"{labels[first]} continues nothing", where, record.id))
        mentions.append(Mention(kind, start, end, first, orphan))
    return Sentence(words, tuple(mentions))


def _check(label: str, prefixes: str, types: tuple[str, ...], card: Card, where: str) -> None:
    if label == "O":
        return
    head, dash, kind = label.partition("-")
    if len(head) != 1 or head not in prefixes or not dash or not kind:
        raise FormatError(
            f"expected O or a type behind one of {', '.join(f'{p}-' for p in prefixes)}, "
            f"came {label[:40]!r}",
            code="format-tags",
            where=where,
        )
    if types and kind not in types:
        from magpie.corpora.registry import with_type

        others = [ref for ref in with_type(kind) if ref != card.ref]
        hint = f" The type belongs to {', '.join(others)}." if others else ""
        raise FormatError(
            f"{card.ref} has no type {kind[:40]!r}, its types are {', '.join(types)}",
            code="format-tags",
            where=where,
            mend=f"Is this the file of another corpus?{hint}",
        )
