"""What a split is made of: types, lengths, what shows in the pictures, and the long tail."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from magpie.corpora.anomaly import Anomaly
from magpie.corpora.dataset_card import Counts
from magpie.corpora.digests import digest_status
from magpie.corpora.selecting import Selection, select
from magpie.corpora.tallying import Tally
from magpie.schema import Document

__all__ = ["Distribution", "Statistics", "describe", "statistics"]

#: most frequent mentions that are kept by name
_TOP = 20


@dataclass(frozen=True, slots=True)
class Distribution:
    """How often each whole number occurs; quantiles are values that occur."""

    counted: Mapping[int, int]

    @property
    def total(self) -> int:
        """How many numbers there are."""
        return sum(self.counted.values())

    @property
    def mean(self) -> float | None:
        """None where there is nothing."""
        number = self.total
        return sum(v * n for v, n in self.counted.items()) / number if number else None

    def quantile(self, share: float) -> int | None:
        """The smallest number that at least ``share`` of all do not exceed; None without any."""
        need = share * self.total
        seen = 0
        for value in sorted(self.counted):
            seen += self.counted[value]
            if seen >= need:
                return value
        return None

    def to_dict(self) -> dict[str, Any]:
        return {
            "total": self.total,
            "mean": self.mean,
            "min": min(self.counted, default=None),
            "median": self.quantile(0.5),
            "p90": self.quantile(0.9),
            "max": max(self.counted, default=None),
            "counted": {str(value): self.counted[value] for value in sorted(self.counted)},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """One split.

    ``counts`` are those of a dataset card. ``words`` is the distribution of a document's length
    in words (of its own tokenisation, else those between spaces), ``characters`` in code points,
    ``entities`` of entities a document, ``entity_words`` of an entity's length in words,
    ``pictures`` of pictures a document, ``boxes`` of boxes a picture (of those that were looked
    at). ``grounding`` maps an entity type to how many of its entities have regions, are absent
    from the picture, and were looked at by nobody. ``mentions`` is the long tail: how many
    distinct mentions (lower case) occur once, twice ...; ``top_mentions`` are the most frequent.
    ``digest`` is the worst :func:`~magpie.corpora.digest_status` of the documents.
    """

    name: str
    digest: str
    counts: Counts
    words: Distribution
    characters: Distribution
    entities: Distribution
    entity_words: Distribution
    pictures: Distribution
    boxes: Distribution
    grounding: Mapping[str, tuple[int, int, int]]
    mentions: Distribution
    top_mentions: tuple[tuple[str, int], ...]
    unreadable: int = 0
    warnings: tuple[str, ...] = field(default=())

    @property
    def groundable(self) -> float | None:
        """Share of the entities with regions among those that somebody looked for."""
        shown = sum(row[0] for row in self.grounding.values())
        absent = sum(row[1] for row in self.grounding.values())
        return shown / (shown + absent) if shown + absent else None

    def to_dict(self) -> dict[str, Any]:
        """One item of the list that ``magpie corpora stats --json`` prints."""
        return {
            "name": self.name,
            "digest": self.digest,
            "unreadable": self.unreadable,
            "warnings": list(self.warnings),
            "counts": self.counts.to_dict(),
            "groundable": self.groundable,
            "grounding": {
                kind: {"shown": row[0], "absent": row[1], "unknown": row[2]}
                for kind, row in sorted(self.grounding.items())
            },
            **{
                name: getattr(self, name).to_dict()
                for name in (
                    "words",
                    "characters",
                    "entities",
                    "entity_words",
                    "pictures",
                    "boxes",
                    "mentions",
                )
            },
            "top_mentions": [{"text": text, "count": count} for text, count in self.top_mentions],
        }


class _Counter:
    """Running counts of what :class:`Statistics` says beyond a card's counts."""

    def __init__(self) -> None:
        self.tally = Tally()
        self.statuses: Counter[str] = Counter()
        self.numbers: dict[str, Counter[int]] = {
            name: Counter()
            for name in ("words", "characters", "entities", "entity_words", "pictures", "boxes")
        }
        self.grounding: dict[str, list[int]] = {}
        self.mentions: Counter[str] = Counter()

    def add(self, document: Document) -> None:
        self.tally.add(document)
        if document.source is not None:
            self.statuses[digest_status(document.source)] += 1
        numbers = self.numbers
        words = sum(
            len(block.text.split() if block.words is None else block.words)
            for block in document.blocks
        )
        numbers["words"][words] += 1
        numbers["characters"][sum(len(block.text) for block in document.blocks)] += 1
        numbers["entities"][len(document.entities)] += 1
        numbers["pictures"][len(document.media)] += 1
        for entity in document.entities:
            mention = document.text_of(entity)
            numbers["entity_words"][len(mention.split())] += 1
            self.mentions[mention.lower()] += 1
            row = self.grounding.setdefault(entity.type, [0, 0, 0])
            status = entity.grounding.status
            row[0 if status == "regions" else 1 if status == "absent" else 2] += 1
        self._boxes(document)

    def _boxes(self, document: Document) -> None:
        """Distinct boxes of each picture, where somebody has looked."""
        annotations = document.annotations
        if annotations is None:
            return
        looked = any(entity.grounding.status != "unknown" for entity in annotations.entities)
        found: dict[str, set[object]] = {}
        for region in annotations.all_regions():
            if region.box is not None:
                found.setdefault(region.media, set()).add(region.box)
        for medium in document.media:
            boxes = found.get(medium.id, set())
            if boxes or looked:
                self.numbers["boxes"][len(boxes)] += 1

    def digest(self) -> str:
        """The worst of the documents' statuses."""
        for status in ("unknown", "partial", "known"):
            if self.statuses[status]:
                return status
        return "unlisted"


def statistics(documents: Iterable[Document], name: str = "") -> Statistics:
    """Counts documents; streams, holding only the mentions."""
    counter = _Counter()
    for document in documents:
        counter.add(document)
    return _finish(counter, name, 0, ())


def _finish(counter: _Counter, name: str, unreadable: int, warnings: tuple[str, ...]) -> Statistics:
    numbers = {key: Distribution(dict(counts)) for key, counts in counter.numbers.items()}
    top = sorted(counter.mentions.items(), key=lambda item: (-item[1], item[0]))[:_TOP]
    return Statistics(
        name=name,
        digest=counter.digest(),
        counts=counter.tally.counts(),
        grounding={
            kind: (row[0], row[1], row[2]) for kind, row in sorted(counter.grounding.items())
        },
        mentions=Distribution(dict(Counter(counter.mentions.values()))),
        top_mentions=tuple(top),
        unreadable=unreadable,
        warnings=warnings,
        **numbers,
    )


def describe(specs: Sequence[str], root: str | os.PathLike[str] | None = None) -> list[Statistics]:
    """The statistics of corpora, splits or files, in the order given, one item a split.

    Args:
        specs: see :func:`magpie.corpora.selecting.select`.
        root: as for :func:`magpie.corpora.load`.

    Raises:
        NotFoundError: no such corpus, split or file.
        FormatError: a damaged archive, or a file of another format.
    """
    return [_of(each) for spec in specs for each in select(spec, root)]


def _of(selection: Selection) -> Statistics:
    counter = _Counter()
    lost = 0
    warnings: list[str] = []

    def note(anomaly: Anomaly) -> None:
        nonlocal lost
        lost += anomaly.error is not None
        if anomaly.kind == "unknown-digest":
            warnings.append(anomaly.message)

    for document in selection.documents(note):
        counter.add(document)
    return _finish(counter, selection.name, lost, tuple(warnings))
