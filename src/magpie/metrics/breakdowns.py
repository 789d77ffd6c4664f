"""Scores of parts of the data: by length of text and mention, seen, shown, frequency of the type.

Where items are paired, a right prediction stands in the row of its gold item, a wrong one in its
own, so that every row has a precision and a recall and the rows add up to the whole score.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from magpie.metrics.counts import Counts, Mean, Value, add_up
from magpie.metrics.items import Item, Scored
from magpie.metrics.pairing import EntityPairing, Pairing
from magpie.metrics.report import PartReport, Report

__all__ = [
    "Breakdown",
    "Row",
    "Training",
    "by_entity_words",
    "by_picture",
    "by_seen",
    "by_shown",
    "by_text_words",
    "by_type_frequency",
    "count_by",
    "type_sizes",
    "words_of",
]

#: lower ends of the rows
TEXT_WORDS = (0, 11, 21, 31, 51)
ENTITY_WORDS = (1, 2, 3, 4, 5)
FREQUENCIES = (0, 1, 10, 100, 1000)
PICTURES = ("at hand", "missing", "none")


@dataclass(frozen=True, slots=True)
class Row:
    """One group and its score."""

    name: str
    value: Value

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name, **self.value.to_dict()}


@dataclass(frozen=True, slots=True)
class Breakdown:
    """A small table: the score ``part`` of a protocol by group; empty groups are left out."""

    name: str
    part: str
    by: str
    rows: tuple[Row, ...]

    def to_dict(self) -> dict[str, Any]:
        """The shape of an entry of ``breakdowns`` in ``magpie score --json``."""
        rows = [row.to_dict() for row in self.rows]
        return {"name": self.name, "part": self.part, "by": self.by, "rows": rows}


@dataclass(frozen=True, slots=True)
class Training:
    """What the training data hold, with types at the level that is scored.

    ``types`` are their frequencies, ``spellings`` the types that each spelling has there.
    """

    types: Mapping[str, int]
    spellings: Mapping[str, frozenset[str]]


def by_text_words(report: Report, gold: Sequence[Scored]) -> list[Breakdown]:
    """Every part by the number of words of the text; nothing where no text is known."""
    lengths = [_text_words(scored) for scored in gold]
    if all(length is None for length in lengths):
        return []
    found = []
    for name, part in report.parts.items():
        groups: dict[str, list[Value]] = {each: [] for each in (*_names(TEXT_WORDS), "unknown")}
        for length, value in zip(lengths, part.per_document, strict=True):
            groups["unknown" if length is None else _group(length, TEXT_WORDS)].append(value)
        found.append(_table("text-words", name, "words of the text", groups, part.micro))
    return found


def by_picture(report: Report, gold: Sequence[Scored]) -> list[Breakdown]:
    """Every part by whether the gold document's picture is at hand; nothing where all are alike."""
    states = [_picture(scored) for scored in gold]
    if len(set(states)) < 2:
        return []
    found = []
    for name, part in report.parts.items():
        groups: dict[str, list[Value]] = {state: [] for state in PICTURES}
        for state, value in zip(states, part.per_document, strict=True):
            groups[state].append(value)
        found.append(_table("picture", name, "picture of the document", groups, part.micro))
    return found


def _picture(scored: Scored) -> str:
    media = () if scored.document is None else scored.document.media
    pictures = [medium.present for medium in media if medium.kind == "image"]
    return PICTURES[0 if any(pictures) else 1 if pictures else 2]


def by_type_frequency(
    report: Report, training: Mapping[str, Training] | None = None
) -> list[Breakdown]:
    """Every part by how often the type stands in the training data (by part), or else in the gold
    itself."""
    where = "this gold" if training is None else "the training data"
    found = []
    for name, part in report.parts.items():
        groups: dict[str, list[Value]] = {each: [] for each in _names(FREQUENCIES)}
        for kind, value in part.per_type.items():
            often = _size(value) if training is None else training[name].types.get(kind, 0)
            groups[_group(often, FREQUENCIES)].append(value)
        by = f"occurrences of the type in {where}"
        found.append(_table("type-frequency", name, by, groups, part.micro))
    return found


def type_sizes(part: PartReport) -> dict[str, int]:
    """Gold items of each type, or the number of values of its mean."""
    return {kind: _size(value) for kind, value in part.per_type.items()}


def _size(value: Value) -> int:
    return value.n if isinstance(value, Mean) else value.gold


def by_entity_words(part: str, documents: Iterable[tuple[Scored, EntityPairing]]) -> Breakdown:
    """Mentions by their number of words; those of the corpus where it has any."""
    groups: dict[str, list[Value]] = {each: [] for each in _names(ENTITY_WORDS)}
    for scored, pairing in documents:
        words = words_of(scored)

        def length(item: Item, kind: str, words: Sequence[tuple[int, int]] | None = words) -> str:
            return _group(_item_words(item, words), ENTITY_WORDS)

        _collect(groups, pairing, length)
    return _table("entity-words", part, "words of the entity", groups, Counts())


def by_shown(part: str, pairings: Iterable[EntityPairing]) -> Breakdown:
    """Mentions by whether they have a box: as the scores do, which know of nothing else."""
    groups: dict[str, list[Value]] = {"with a box": [], "without a box": []}
    for pairing in pairings:
        _collect(
            groups,
            pairing,
            lambda item, _: "with a box" if item.boxes else "without a box",
        )
    return _table("grounding", part, "grounding", groups, Counts())


def by_seen(part: str, pairings: Iterable[EntityPairing], training: Training) -> Breakdown:
    """Mentions by whether the training data hold the same spelling with the same type."""
    names = ("seen", "seen with another type", "unseen", "spelling unknown")
    groups: dict[str, list[Value]] = {name: [] for name in names}

    def group(item: Item, kind: str) -> str:
        if not item.text:
            return "spelling unknown"
        types = training.spellings.get(item.text)
        if types is None:
            return "unseen"
        return "seen" if kind in types else "seen with another type"

    for pairing in pairings:
        _collect(groups, pairing, group)
    return _table("seen", part, "spelling and type in the training data", groups, Counts())


def count_by(pairing: Pairing, group: Callable[[Any, str], str]) -> dict[str, Counts]:
    """Counts of one document by ``group(item, type)``."""
    counts: Counter[tuple[str, str]] = Counter()
    rows = [group(*each) for each in zip(pairing.gold, pairing.gold_types, strict=True)]
    counts.update((row, "gold") for row in rows)
    predicted = zip(pairing.predicted, pairing.predicted_types, pairing.partner, strict=True)
    for item, kind, partner in predicted:
        row = rows[partner] if partner >= 0 else group(item, kind)
        counts[row, "predicted"] += 1
        counts[row, "correct"] += partner >= 0
    return {
        row: Counts(counts[row, "gold"], counts[row, "predicted"], counts[row, "correct"])
        for row in dict.fromkeys(row for row, _ in counts)
    }


def words_of(scored: Scored) -> list[tuple[int, int]] | None:
    """Places of the corpus's own words in the document's text, if every block has them."""
    document = scored.document
    if document is None or any(block.words is None for block in document.blocks):
        return None
    places, offset = [], 0
    for block in document.blocks:
        places += [(offset + start, offset + end) for start, end in block.words or ()]
        offset += len(block.text) + 1
    return places


def _text_words(scored: Scored) -> int | None:
    words = words_of(scored)
    if words is not None:
        return len(words)
    if scored.tags is not None:
        return len(scored.tags)
    return None if scored.text is None else len(scored.text.split())


def _item_words(item: Item, words: Sequence[tuple[int, int]] | None) -> int:
    """At least 1: a mention within a word is one word long."""
    if words is None:
        return max(1, len(item.text.split()))
    first = bisect_right(words, item.start, key=lambda word: word[1])
    return max(1, sum(start < item.end for start, _ in words[first:]))


def _collect(
    groups: dict[str, list[Value]], pairing: Pairing, group: Callable[[Item, str], str]
) -> None:
    for row, counts in count_by(pairing, group).items():
        groups[row].append(counts)


def _group(number: int, edges: Sequence[int]) -> str:
    return _names(edges)[max(0, bisect_right(edges, number) - 1)]


def _names(edges: Sequence[int]) -> list[str]:
    """Each group by its whole numbers: 0-10, 11-20, 51+."""
    last = f"{edges[-1]}+"
    return [*(f"{a}" if b == a + 1 else f"{a}-{b - 1}" for a, b in pairwise(edges)), last]


def _table(
    name: str, part: str, by: str, groups: Mapping[str, Sequence[Value]], like: Value
) -> Breakdown:
    zero: Value = Mean() if isinstance(like, Mean) else Counts()
    sums = {key: add_up(values, zero) for key, values in groups.items()}
    rows = tuple(Row(key, value) for key, value in sums.items() if value != zero)
    return Breakdown(name, part, by, rows)
