"""Counting documents as dataset cards do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from magpie.corpora.dataset_card import Counts
from magpie.corpora.reader import is_orphan
from magpie.schema import Document

__all__ = ["Tally", "tally"]


def tally(documents: Iterable[Document]) -> Counts:
    """Counts documents as dataset cards do; streams."""
    counter = Tally()
    for document in documents:
        counter.add(document)
    return counter.counts()


class Tally:
    """Running counts of a split; ``pictures`` are counted once a document, there or missing."""

    def __init__(self) -> None:
        self.documents = self.words = self.orphans = 0
        self.grounded = self.boxes = self.box_mentions = 0
        self.looked = False
        self.types: Counter[str] = Counter()
        self.types_lenient: Counter[str] = Counter()
        self.fine_types: Counter[str] = Counter()
        self.relation_types: Counter[str] = Counter()
        self.event_types: Counter[str] = Counter()
        self.context: Counter[str] = Counter()
        self.blocks = self.regions = self.arguments = self.links = 0
        self.named_pictures: set[str] = set()
        self.pictures = self.pictures_missing = 0

    def add(self, document: Document) -> None:
        self.documents += 1
        self.blocks += len(document.blocks)
        self.context.update(text.source for text in document.context)
        self.named_pictures.update(medium.uri or medium.id for medium in document.media)
        self.words += sum(len(block.words or ()) for block in document.blocks)
        self.pictures += len(document.media)
        self.pictures_missing += sum(not medium.present for medium in document.media)
        shown: set[str] = set()
        for entity in document.entities:
            self.types_lenient[entity.type] += 1
            if is_orphan(entity):
                self.orphans += 1
            else:
                self.types[entity.type] += 1
                if entity.fine_type is not None:
                    self.fine_types[entity.fine_type] += 1
            self.looked |= entity.grounding.status != "unknown"
            boxes = len(entity.boxes)
            self.grounded += boxes > 0
            self.box_mentions += boxes
            # Mentions of one text share their boxes: annotated once, mentioned twice.
            text = document.text_of(entity)
            self.boxes += boxes if text not in shown else 0
            shown.add(text)
        annotations = document.annotations
        if annotations is not None:
            self.boxes += sum(r.box is not None for r in annotations.regions)
            self.regions += len(annotations.regions)
            self.relation_types.update(relation.type for relation in annotations.relations)
            self.event_types.update(event.type for event in annotations.events)
            self.arguments += sum(len(event.arguments) for event in annotations.events)
            self.links += len(annotations.links)

    def counts(self) -> Counts:
        lenient = sum(self.types_lenient.values())
        return Counts(
            documents=self.documents,
            words=self.words,
            entities=lenient - self.orphans,
            entities_lenient=lenient,
            types=dict(self.types),
            types_lenient=dict(self.types_lenient),
            fine_types=dict(self.fine_types),
            grounded=self.grounded if self.looked else None,
            boxes=self.boxes if self.looked else None,
            box_mentions=self.box_mentions if self.looked else None,
            blocks=self.blocks,
            pictures=len(self.named_pictures),
            regions=self.regions,
            relations=self.relation_types.total(),
            relation_types=dict(self.relation_types),
            events=self.event_types.total(),
            event_types=dict(self.event_types),
            arguments=self.arguments,
            links=self.links,
            context=dict(self.context),
        )
