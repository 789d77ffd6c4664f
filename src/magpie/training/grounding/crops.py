"""The grounder against published crops, on the pictures of MNRE that lie here.

FocalMRE publishes where two tools found something in MNRE's pictures: a detector (up to three
crops a picture) and a grounder of noun phrases (up to four a row, without saying which phrase).
Neither is gold: nobody looked whether a crop shows the head or the tail. So no EEG comes out of
them. What can be measured is how many crops our own proposals find again, and how often the region
chosen for a mention is one of the row's crops, each beside what the whole picture alone reaches.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from magpie.corpora import load, side
from magpie.corpora.pictures import picture_name
from magpie.engine import Extractor
from magpie.engine.grounding.coefficients import Coefficients
from magpie.engine.grounding.features import mentions_of
from magpie.engine.grounding.geometry import Corners, intersection_over_union
from magpie.engine.grounding.local import LocalGrounder
from magpie.engine.grounding.matcher import PictureEvidence, link_mentions, people_of
from magpie.schema import Annotations, Document, Entity, Span
from magpie.training.grounding.share import share
from magpie.vision import load_image

__all__ = ["crops", "found_again", "proposals"]

SPLITS = ("train", "dev", "test")


@dataclass(frozen=True, slots=True)
class Tweet:
    """A tweet of MNRE with its picture, every mention once, and the published crops.

    ``rows`` are (numbers of head and tail among the entities, crops of the row).
    """

    document: Document
    detected: tuple[Corners, ...]
    rows: tuple[tuple[tuple[int, ...], tuple[Corners, ...]], ...]


def tweets(data: Path) -> Iterator[Tweet]:
    """The tweets of MNRE 2 whose picture lies here."""
    for split in SPLITS:
        detected = side.regions("focalmre-detector", split, data)
        grounded = side.regions("focalmre-grounding", split, data)
        groups: dict[str, list[Document]] = {}
        for document in load("mnre@2", split, data):
            (medium,) = document.media
            if medium.present:
                groups.setdefault(picture_name(medium) or "", []).append(document)
        for picture, group in groups.items():
            yield _tweet(group, _corners(detected.get(picture, ())), grounded)


def _corners(regions: Sequence[Any]) -> tuple[Corners, ...]:
    return tuple(region.box.xyxy for region in regions if region.box is not None)


def _tweet(
    group: Sequence[Document], detected: tuple[Corners, ...], grounded: Mapping[str, Any]
) -> Tweet:
    numbers: dict[Span, int] = {}
    entities: list[Entity] = []
    rows = []
    for document in group:
        for entity in document.entities:
            if entity.span not in numbers:
                numbers[entity.span] = len(entities)
                entities.append(dataclasses.replace(entity, id=f"e{len(entities)}"))
        line = document.source.line if document.source is not None else None
        row = str((line or 0) - 1)
        ends = tuple(numbers[entity.span] for entity in document.entities)
        rows.append((ends, _corners(grounded.get(row, ()))))
    merged = group[0].with_annotations(Annotations(entities=tuple(entities)))
    return Tweet(merged, detected, tuple(rows))


def typed(document: Document, extractor: Extractor) -> tuple[Document, int]:
    """The mentions with the types that the tagger gives them, and how many it found.

    MNRE does not say what its mentions are; the others count as OTHER.
    """
    bare = dataclasses.replace(document, media=(), annotations=None)
    (tagged,) = extractor.stream([bare])
    types = {entity.span: entity for entity in tagged.entities}
    found = [types.get(entity.span) for entity in document.entities]
    entities = tuple(
        dataclasses.replace(
            entity,
            type=other.type if other else "OTHER",
            fine_type=other.fine_type if other else None,
        )
        for entity, other in zip(document.entities, found, strict=True)
    )
    return (
        document.with_annotations(Annotations(entities=entities)),
        sum(other is not None for other in found),
    )


def proposals(found: PictureEvidence, coefficients: Coefficients) -> dict[str, list[Corners]]:
    """What the grounder could choose in a picture, by kind."""
    kinds = {
        "faces": [face.box for face in found.faces or ()],
        "people": [person.box for person in people_of(found, coefficients)],
        "lettering": [line.box for line in found.lines or ()],
    }
    return {
        **kinds,
        "all of these": [box for boxes in kinds.values() for box in boxes],
        "whole picture": [(0.0, 0.0, float(found.width), float(found.height))],
    }


def found_again(wanted: Sequence[Corners], boxes: Sequence[Corners]) -> int:
    """How many of the wanted boxes have an IoU strictly above 0.5 with one of ours."""
    return sum(any(intersection_over_union(box, other) > 0.5 for other in boxes) for box in wanted)


class _Tally:
    """Right and total by name."""

    def __init__(self) -> None:
        self.counts: dict[str, list[int]] = {}

    def add(self, name: str, right: int, total: int) -> None:
        row = self.counts.setdefault(name, [0, 0])
        row[0] += right
        row[1] += total

    def shares(self) -> dict[str, Any]:
        return {name: share(right, total) for name, (right, total) in self.counts.items()}


def crops(data: Path) -> dict[str, Any]:
    """The tables of the published crops, as plain values."""
    grounder = LocalGrounder(threads=1)
    coefficients = grounder.coefficients
    extractor = Extractor(threads=1, ground=False)
    recall = {"detector": _Tally(), "grounding": _Tally()}
    chosen = _Tally()
    numbers = dict.fromkeys(("pictures", "rows", "mentions", "typed", "grounded"), 0)
    for tweet in tweets(data):
        document, known = typed(tweet.document, extractor)
        (medium,) = document.media
        image = load_image(medium.uri or "")
        evidence = grounder.look(document, medium, image, [])
        wanted = {
            "detector": tweet.detected,
            "grounding": tuple(dict.fromkeys(box for _, boxes in tweet.rows for box in boxes)),
        }
        offered = proposals(evidence, coefficients)
        for name, boxes in wanted.items():
            for kind, ours in offered.items():
                recall[name].add(kind, found_again(boxes, ours), len(boxes))
        # How far the two published sources agree bounds what any third one can reach.
        phrases = wanted["grounding"]
        recall["grounding"].add(
            "FocalMRE's detector crops", found_again(phrases, tweet.detected), len(phrases)
        )
        links = link_mentions(mentions_of(document), [evidence], coefficients)
        places = [link.box if link else None for link in links]
        whole = offered["whole picture"]
        for place in places:
            if place is not None:
                chosen.add("region is a detector crop", found_again([place], tweet.detected), 1)
                chosen.add("whole picture is", found_again(whole, tweet.detected), 1)
        for ends, boxes in tweet.rows:
            for place in (places[end] for end in ends):
                if place is not None:
                    chosen.add(
                        "region is a grounding crop of the row", found_again([place], boxes), 1
                    )
                    chosen.add("whole picture is one of them", found_again(whole, boxes), 1)
        numbers["pictures"] += 1
        numbers["rows"] += len(tweet.rows)
        numbers["mentions"] += len(places)
        numbers["typed"] += known
        numbers["grounded"] += sum(place is not None for place in places)
    return {
        "numbers": numbers,
        "recall": {name: tally.shares() for name, tally in recall.items()},
        "chosen": chosen.shares(),
    }
