"""Tagger and grounder together, as a user runs them, on the tweets whose picture lies here.

Scored with ``gmner-iou50@1``: entities that the tagger misses or invents cost what they cost. The
tagger was trained on GMNER's training tweets, so only the test column says how it does on new ones.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from magpie.engine import Extractor
from magpie.metrics import items_of, score
from magpie.schema import Box, ContextText, Document, Entity, Grounding, Media, Region
from magpie.training.grounding.data import documents, published_captions, tweet_pictures
from magpie.vision import load_image

__all__ = ["end_to_end"]

PROTOCOL = "gmner-iou50@1"

#: changes the grounding of one predicted entity, given the box of the whole picture
Change = Callable[[Entity, Box], Grounding]


def end_to_end(data: Path) -> dict[str, Any]:
    """Counts and F1 in per cent by split, method and score."""
    pictures = tweet_pictures(data)
    captions = published_captions(data)
    extractor = Extractor(threads=1)
    report: dict[str, Any] = {}
    everything: list[tuple[Document, Document, Document, Box]] = []
    for split in ("train", "dev", "test"):
        part = []
        for gold in documents(data, split):
            if gold.id not in pictures:
                continue
            (medium,) = gold.media
            picture = pictures[gold.id]
            bare = dataclasses.replace(
                gold, media=(Media(id=medium.id, data=picture),), annotations=None
            )
            texts = tuple(
                ContextText(kind="caption", text=text, source="blip2", media=medium.id)
                for text in captions.get(gold.id, ())
                if text
            )
            image = load_image(picture)
            whole = Box(0, 0, image.width, image.height, medium.id)
            plain, told = extractor.stream([bare, dataclasses.replace(bare, context=texts)])
            part.append((gold, plain, told, whole))
        report[split] = _scores(part)
        everything += part
    report["all"] = _scores(everything)
    return report


def _scores(part: list[tuple[Document, Document, Document, Box]]) -> dict[str, Any]:
    gold = [document for document, *_ in part]
    predicted = {
        "tagger, all absent": [_changed(plain, whole, _absent) for _, plain, _, whole in part],
        "tagger, whole picture for PER": [
            _changed(plain, whole, _whole_for_people) for _, plain, _, whole in part
        ],
        "tagger and local": [plain for _, plain, _, _ in part],
        "tagger and local, BLIP-2 caption": [told for _, _, told, _ in part],
    }
    return {
        name: {
            key: _row(found.micro)
            for key, found in score(
                map(items_of, gold), map(items_of, answers), PROTOCOL
            ).parts.items()
        }
        for name, answers in predicted.items()
    }


def _row(counts: Any) -> dict[str, float | int]:
    return {
        "gold": counts.gold,
        "predicted": counts.predicted,
        "correct": counts.correct,
        "f1": round(100 * counts.f1, 1),
    }


def _changed(document: Document, whole: Box, change: Change) -> Document:
    annotations = document.annotations
    if annotations is None:
        return document
    entities = tuple(
        dataclasses.replace(entity, grounding=change(entity, whole))
        for entity in annotations.entities
    )
    return document.with_annotations(dataclasses.replace(annotations, entities=entities))


def _absent(entity: Entity, whole: Box) -> Grounding:
    return Grounding("absent")


def _whole_for_people(entity: Entity, whole: Box) -> Grounding:
    return (
        Grounding.in_regions(Region.of_box(whole))
        if entity.type == "PER"
        else _absent(entity, whole)
    )
