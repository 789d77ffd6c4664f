"""What every corpus reader has in common; one subclass and one card per corpus version."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from magpie.corpora.anomaly import Anomaly, Report
from magpie.corpora.columns import Layout, Record, iter_records
from magpie.corpora.dataset_card import Card
from magpie.corpora.pictures import Pictures
from magpie.corpora.sentence import Mention, Sentence, mark_up
from magpie.corpora.source import Found, find, find_split, iter_found_lines
from magpie.errors import ConfigError, FormatError, MagpieError
from magpie.schema import (
    Annotations,
    Block,
    Document,
    Entity,
    Grounding,
    Media,
    Provenance,
    Region,
    Source,
)
from magpie.text.tags import ORPHAN

__all__ = [
    "METHOD",
    "ColumnCorpus",
    "Corpus",
    "ReadOptions",
    "Shown",
    "UniqueIds",
    "Watch",
    "is_orphan",
]

#: name in the provenance of gold annotations
METHOD = "corpus"

#: so many lost records before the first good one, and the file is taken for another format
_HOPELESS = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """How to read: see :func:`magpie.corpora.load` for what each choice means."""

    images: Path | None = None
    types: Literal["own", "coarse"] = "own"
    orphans: Literal["mark", "drop"] = "mark"
    word_column: int = 0
    tag_column: int = -1

    def __post_init__(self) -> None:
        for name, choices in (("types", ("own", "coarse")), ("orphans", ("mark", "drop"))):
            if getattr(self, name) not in choices:
                raise ConfigError(
                    f"{name} must be one of {', '.join(choices)}, got {getattr(self, name)!r}"
                )


@dataclass(frozen=True, slots=True)
class Shown:
    """What the box annotations of one post say: its picture's size and where mentions show.

    ``groundings`` has one item per mention; ``regions`` are boxes that belong to none.
    """

    groundings: tuple[Grounding, ...]
    size: tuple[int, int] | None = None
    regions: tuple[Region, ...] = ()


def is_orphan(entity: Entity) -> bool:
    """Whether an I- tag that continued nothing opened this gold entity."""
    return entity.provenance is not None and ORPHAN in entity.provenance.evidence


class UniqueIds:
    """Hands out document ids; one that comes again gets ``#2``, ``#3`` behind it."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._seen: set[str] = set()

    def take(self, identifier: str, where: str) -> str:
        """The id to use, always new."""
        unique = identifier
        number = 1
        while unique in self._seen:
            number += 1
            unique = f"{identifier}#{number}"
        if number > 1:
            message = f"id {identifier!r} stands twice, this one became {unique!r}"
            self._report(Anomaly("duplicate-id", message, where, unique))
        self._seen.add(unique)
        return unique


class Corpus(ABC):
    """One version of one corpus. Subclasses hold a card and know how to read its files.

    ``suffixes`` are the file endings of a format (a card without splits).
    """

    card: ClassVar[Card]
    suffixes: ClassVar[tuple[str, ...]] = ()

    def locate(self, split: str, root: Path) -> Found:
        """The file of a split.

        Raises:
            NotFoundError: naming what was looked for.
        """
        if not self.card.splits:
            return find_split(split, root, self.suffixes)
        return find(self.card.splits[split].file, root)

    @abstractmethod
    def read(
        self, split: str, root: Path, options: ReadOptions, report: Report
    ) -> Iterator[Document]:
        """Streams the documents of a split, in file order.

        Args:
            split: one of the card's splits.
            root: the corpus root, or the corpus's own folder.
            options: how to read.
            report: is called with each oddity; a lost record is one whose ``error`` is set.

        Raises:
            NotFoundError: the file is not there (at the call, not at the first document).
            FormatError: the file is of another format altogether.
        """


class ColumnCorpus(Corpus):
    """A corpus of column files; ``layout`` and the columns are what subclasses differ in."""

    layout: Layout = Layout()

    def read(
        self, split: str, root: Path, options: ReadOptions, report: Report
    ) -> Iterator[Document]:
        if options.types == "coarse" and not self.card.coarse:
            raise ConfigError(
                f"{self.card.ref} has no map to the coarse types", mend='Use types="own".'
            )
        found = self.locate(split, root)
        pictures = Pictures(self.card.images, root, options.images)
        return self._stream(found, split, root, options, pictures, report)

    def _stream(
        self,
        found: Found,
        split: str,
        root: Path,
        options: ReadOptions,
        pictures: Pictures,
        report: Report,
    ) -> Iterator[Document]:
        watch = Watch(found.name, report)
        ids = UniqueIds(watch.take)
        lines = iter_found_lines(found)
        with self.boxes(root, watch.take) as boxes:
            records = iter_records(lines, name=found.name, layout=self.layout, report=watch.take)
            for index, record in enumerate(records, start=1):
                where = f"{found.name}:{record.line}"
                try:
                    sentence = self.mark_up(record, found.name, options, watch.take)
                    block = Block.from_words(sentence.words)
                    source = Source(
                        corpus=self.card.ref,
                        split=split,
                        file=found.file.label,
                        line=record.line,
                    )
                    shown = self.look(record, block, sentence.mentions, boxes, watch.take)
                    media: tuple[Media, ...] = ()
                    if record.id is not None:
                        medium = pictures.media(record.id, where, watch.take, size=shown.size)
                        media = (medium,)
                    document = Document(
                        id=ids.take(record.id or f"{split}-{index}", where),
                        blocks=(block,),
                        media=media,
                        annotations=self._annotations(block, sentence, shown, options),
                        source=source,
                    )
                except MagpieError as error:
                    located = error if error.where.startswith(found.name) else error.at(where)
                    watch.take(Anomaly.lost(located, record=record.id))
                    continue
                watch.good += 1
                yield document
        watch.close()

    def mark_up(self, record: Record, name: str, options: ReadOptions, report: Report) -> Sentence:
        """Words and mentions of a record; the tag is its last column."""
        return mark_up(record, name=name, card=self.card, report=report)

    def boxes(self, root: Path, report: Report) -> AbstractContextManager[object]:
        """What :meth:`look` needs open while a file is read; nothing, unless overridden."""
        return contextlib.nullcontext()

    def look(
        self,
        record: Record,
        block: Block,
        mentions: tuple[Mention, ...],
        boxes: object,
        report: Report,
    ) -> Shown:
        """Where the mentions show; unknown, unless the corpus has boxes."""
        return Shown((Grounding(),) * len(mentions))

    def _annotations(
        self, block: Block, sentence: Sentence, shown: Shown, options: ReadOptions
    ) -> Annotations:
        provenance = Provenance(method=METHOD, version=self.card.ref)
        orphan = Provenance(method=METHOD, version=self.card.ref, evidence=(ORPHAN,))
        entities: list[Entity] = []
        for mention, grounding in zip(sentence.mentions, shown.groundings, strict=True):
            if mention.orphan and options.orphans == "drop":
                continue
            kind = mention.type
            if options.types == "coarse":
                kind = self.card.coarse[kind]
            entities.append(
                Entity(
                    id=f"e{len(entities)}",
                    span=block.word_span(mention.start, mention.end),
                    type=kind,
                    fine_type=mention.fine_type,
                    grounding=grounding,
                    provenance=orphan if mention.orphan else None,
                )
            )
        return Annotations(entities=tuple(entities), regions=shown.regions, provenance=provenance)


class Watch:
    """Passes oddities on, and stops at a file of which nothing can be read.

    The reader counts up ``good`` with each document and calls :meth:`close` at the end.
    """

    def __init__(self, name: str, report: Report) -> None:
        self.name = name
        self.good = 0
        self._report = report
        self._lost = 0
        self._first: MagpieError | None = None

    def take(self, anomaly: Anomaly) -> None:
        """Passes one oddity on.

        Raises:
            FormatError: so many records were lost before the first good one that this is
                hardly a file of the corpus.
        """
        if anomaly.error is not None:
            self._lost += 1
            self._first = self._first or anomaly.error
            if self.good == 0 and self._lost >= _HOPELESS:
                self._give_up()
        self._report(anomaly)

    def close(self) -> None:
        """At the end of the file.

        Raises:
            FormatError: it held records, none of them readable, or nothing at all.
        """
        if self.good == 0:
            self._give_up()

    def _give_up(self) -> None:
        if self._first is None:
            raise FormatError(
                "the file holds no record", where=self.name, mend="Was it fetched completely?"
            )
        first = self._first
        raise FormatError(
            f"none of the first {self._lost} records could be read; the first because: "
            f"{first.message}",
            code="format-unknown",
            where=first.where or self.name,
            mend=first.mend or "Is the file of another corpus?",
        ) from first
