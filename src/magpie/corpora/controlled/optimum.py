"""The best score that text alone allows, and the two ways of taking the picture away."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence

from magpie.corpora.controlled.posts import NO_RELATION, ControlledTask
from magpie.schema import Document

__all__ = ["shuffle_pictures", "text_optimum", "without_pictures"]


def text_optimum(documents: Iterable[Document], task: ControlledTask) -> float:
    """Best micro F1 in [0, 1] of anything that sees only the texts and answers a place once.

    Documents of one text get one answer. Each place in the text that can hold an answer (a span, a
    pair, a trigger) holds exactly one in every document of its group here. So the most frequent
    gold value is the best answer to a place, and what is left to choose is which places to answer
    at all: the surest ones, down to where a further one costs more precision than it brings recall.
    With the shares that are drawn by default every place is worth an answer, and precision equals
    recall.

    For ``gmner`` an answer is type and region; a constant box is no better than the most frequent
    one, so boxes count as equal when they are the same. For ``procedure`` it is the region, one a
    thing.
    """
    places: dict[Hashable, Counter[Hashable]] = defaultdict(Counter)
    for document in documents:
        for place, value in _answers(document, task):
            places[(document.text, place)][value] += 1
    total = sum(counts.total() for counts in places.values())
    best = 0.0
    right = given = 0
    by_certainty = sorted(places.values(), key=lambda c: max(c.values()) / c.total(), reverse=True)
    for counts in by_certainty:
        right, given = right + max(counts.values()), given + counts.total()
        best = max(best, 2 * right / (given + total))
    return best


def _answers(document: Document, task: ControlledTask) -> list[tuple[Hashable, Hashable]]:
    gold = document.annotations
    if gold is None:
        return []
    if task == "ner":
        return [(entity.span, entity.type) for entity in gold.entities]
    if task == "gmner":
        return [
            (entity.span, (entity.type, tuple(box.xyxy for box in entity.boxes)))
            for entity in gold.entities
        ]
    if task == "procedure":
        return [(entity.span, tuple(box.xyxy for box in entity.boxes)) for entity in gold.entities]
    if task == "events":
        return [(event.trigger, event.type) for event in gold.events]
    types = {entity.id: entity.type for entity in gold.entities}
    return [
        (
            (relation.head, relation.tail),
            (relation.type, types.get(relation.head), types.get(relation.tail)),
        )
        for relation in gold.relations
        if relation.type != NO_RELATION
    ]


def shuffle_pictures(documents: Sequence[Document], seed: int = 0) -> list[Document]:
    """The same posts, each with the picture and caption of another, drawn at random."""
    order = list(range(len(documents)))
    random.Random(seed).shuffle(order)
    # A cycle through the shuffled order: nobody keeps the own picture.
    source = {order[i]: order[(i + 1) % len(order)] for i in range(len(order))}
    return [
        dataclasses.replace(
            document,
            media=documents[source[index]].media,
            context=documents[source[index]].context,
        )
        for index, document in enumerate(documents)
    ]


def without_pictures(documents: Iterable[Document]) -> list[Document]:
    """The same posts with pictures absent and captions removed."""
    return [
        dataclasses.replace(
            document,
            media=tuple(
                dataclasses.replace(medium, data=None, uri=None, missing="taken away by the probe")
                for medium in document.media
            ),
            context=(),
        )
        for document in documents
    ]
