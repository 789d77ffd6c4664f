"""Which pairs of a document are judged, what gold says of them, and the words of their mentions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from magpie.methods.marking import Words
from magpie.schema import Document, Entity, Region
from magpie.text.align import words_of

__all__ = ["candidate_pairs", "object_pairs", "pair_types", "word_range"]


def candidate_pairs(document: Document) -> list[tuple[Entity, Entity]]:
    """The ordered pairs to judge: those listed, else every two given mentions, both ways round."""
    given = document.annotations
    if given is None:
        return []
    entities = {entity.id: entity for entity in given.entities}
    if given.relations:
        listed = dict.fromkeys((relation.head, relation.tail) for relation in given.relations)
        return [
            (entities[head], entities[tail])
            for head, tail in listed
            if head in entities and tail in entities
        ]
    return [(a, b) for a in given.entities for b in given.entities if a.id != b.id]


def object_pairs(document: Document, regions: Sequence[Region]) -> list[tuple[Entity, Region]]:
    """The pairs of a mention and an object to judge: those listed, else every mention with every
    object.

    Args:
        document: with its given mentions and pairs.
        regions: the objects that a method sees.
    """
    given = document.annotations
    if given is None:
        return []
    entities = {entity.id: entity for entity in given.entities}
    named = {region.id: region for region in regions if region.id is not None}
    if given.relations:
        listed = dict.fromkeys((relation.head, relation.tail) for relation in given.relations)
        return [
            (entities[head], named[tail])
            for head, tail in listed
            if head in entities and tail in named
        ]
    return [(entity, region) for entity in given.entities for region in named.values()]


def pair_types(document: Document) -> dict[tuple[str, str], str]:
    """Gold: (head id, tail id) -> relation; of several the first."""
    found: dict[tuple[str, str], str] = {}
    for relation in document.annotations.relations if document.annotations else ():
        found.setdefault((relation.head, relation.tail), relation.type)
    return found


def word_range(entity: Entity, places: Sequence[tuple[str, int, int]]) -> Words | None:
    """The words a mention touches, counted over all blocks."""
    inside = [index for index, (block, _, _) in enumerate(places) if block == entity.span.block]
    if not inside:
        return None
    ranges = [places[index][1:] for index in inside]
    covered = words_of(cast(Any, ranges), entity.span.start, entity.span.end, how="widened")
    return None if covered is None else (inside[0] + covered[0], inside[0] + covered[1])
