"""What a document can hold, part by part, so that a format can say what it keeps.

A format keeps a part when writing and reading a document gives the same :meth:`Part.of` again.
This one definition is used three times: to count what was written and lost, to print the table of
formats, and by the round-trip tests of every format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from magpie.schema import Annotations, Document, Entity, Event, Region, Relation

__all__ = ["PARTS", "Part"]

#: id of the item within its document, and what is to come back for it
Found = Iterator[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class Part:
    """One kind of content.

    Args:
        meaning: a few words for tables and messages.
        of: the items of that kind in a document, as (id, comparable value).
    """

    meaning: str
    of: Callable[[Document], Found]


_NOTHING = Annotations()


def _parts(document: Document) -> Annotations:
    return document.annotations or _NOTHING


def _named(annotations: Annotations) -> Iterator[Entity | Relation | Event]:
    yield from annotations.entities
    yield from annotations.relations
    yield from annotations.events


def _regions(document: Document) -> Iterator[tuple[str, Region]]:
    """Each region with a name: its own id, else its owner's and its position."""
    annotations = _parts(document)
    for index, region in enumerate(annotations.regions):
        yield region.id or f"region {index}", region
    for entity in annotations.entities:
        for index, region in enumerate(entity.grounding.regions):
            yield f"{entity.id} region {index}", region


def _ids(document: Document) -> Found:
    annotations = _parts(document)
    yield document.id, "document"
    for item in _named(annotations):
        yield item.id, type(item).__name__
    for _, region in _regions(document):
        if region.id is not None:
            yield region.id, "Region"


def _scores(document: Document) -> Found:
    annotations = _parts(document)
    for item in _named(annotations):
        if item.score is not None:
            yield item.id, item.score
    for name, region in _regions(document):
        if region.score is not None:
            yield name, region.score
    for event in annotations.events:
        for argument in event.arguments:
            if argument.score is not None:
                yield f"{event.id} {argument.role}", argument.score
    for link in annotations.links:
        if link.score is not None:
            yield f"{link.head}->{link.tail}", link.score


def _provenance(document: Document) -> Found:
    annotations = _parts(document)
    if annotations.provenance is not None:
        yield "annotations", annotations.provenance
    for item in _named(annotations):
        if item.provenance is not None:
            yield item.id, item.provenance
    for name, region in _regions(document):
        if region.provenance is not None:
            yield name, region.provenance


def _boxes(document: Document) -> Found:
    for name, region in _regions(document):
        if region.box is not None:
            yield name, region.box


def _events(document: Document) -> Found:
    for event in _parts(document).events:
        arguments = tuple((argument.role, argument.target) for argument in event.arguments)
        yield event.id, (event.type, event.trigger, event.media, arguments)


def _media(document: Document) -> Found:
    for medium in document.media:
        size = (medium.width, medium.height, medium.duration)
        yield medium.id, (medium.kind, medium.uri, size, medium.missing)


def _blocks(document: Document) -> Found:
    """Only where there is more than the usual single block."""
    if len(document.blocks) != 1 or document.blocks[0].id != "b0":
        yield from ((block.id, block.text) for block in document.blocks)


def _places(document: Document) -> Found:
    for block in document.blocks:
        if block.step is not None or block.box is not None or block.media is not None:
            yield block.id, (block.step, block.box, block.media)


def _status(document: Document) -> Found:
    if document.status != "ok" or document.problems:
        yield document.id, (document.status, document.problems)


def _of(name: str, *fields: str) -> Callable[[Document], Found]:
    """The items of one tuple of the annotations, by those fields."""

    def of(document: Document) -> Found:
        for item in getattr(_parts(document), name):
            yield item.id, tuple(getattr(item, field) for field in fields)

    return of


#: name -> meaning and items, in the order of tables
PARTS: dict[str, Part] = {
    "documents": Part("the text", lambda d: iter([(d.id, d.text)])),
    "ids": Part("ids of documents and of what was extracted", _ids),
    "blocks": Part("several blocks of text, and their ids", _blocks),
    "words": Part(
        "the corpus's own words",
        lambda d: ((b.id, b.words) for b in d.blocks if b.words is not None),
    ),
    "places": Part("step, box and picture of a block", _places),
    "media": Part("pictures, clips and recordings by path, with their size", _media),
    "data": Part(
        "pictures held as bytes", lambda d: ((m.id, m.data) for m in d.media if m.data is not None)
    ),
    "context": Part(
        "captions, passages and notes",
        lambda d: ((f"context {i}", text) for i, text in enumerate(d.context)),
    ),
    "unannotated": Part(
        "that nobody annotated, unlike found nothing",
        lambda d: iter([(d.id, None)] if d.annotations is None else []),
    ),
    "entities": Part("entities with their type", _of("entities", "span", "type")),
    "fine_types": Part(
        "fine types",
        lambda d: ((e.id, e.fine_type) for e in d.entities if e.fine_type is not None),
    ),
    "absent": Part(
        "entities known not to be in the pictures",
        lambda d: ((e.id, "absent") for e in d.entities if e.grounding.status == "absent"),
    ),
    "groundings": Part(
        "which regions show an entity",
        lambda d: (
            (e.id, tuple(region.media for region in e.grounding.regions))
            for e in d.entities
            if e.grounding.status == "regions"
        ),
    ),
    "boxes": Part("boxes", _boxes),
    "masks": Part(
        "masks", lambda d: ((name, r.mask) for name, r in _regions(d) if r.mask is not None)
    ),
    "times": Part(
        "time ranges", lambda d: ((name, r.time) for name, r in _regions(d) if r.time is not None)
    ),
    "regions": Part(
        "regions that show no entity",
        lambda d: (
            (r.id or f"region {i}", (r.media, r.box)) for i, r in enumerate(_parts(d).regions)
        ),
    ),
    "labels": Part(
        "labels of regions",
        lambda d: ((name, r.label) for name, r in _regions(d) if r.label is not None),
    ),
    "relations": Part("relations", _of("relations", "head", "tail", "type")),
    "events": Part("events with trigger and arguments", _events),
    "links": Part(
        "links of form fields",
        lambda d: ((f"{x.head}->{x.tail}", (x.head, x.tail)) for x in _parts(d).links),
    ),
    "scores": Part("scores", _scores),
    "provenance": Part("which method says so", _provenance),
    "status": Part("status and problems", _status),
    "source": Part(
        "corpus, file and line",
        lambda d: iter([(d.id, d.source)] if d.source is not None else []),
    ),
}
