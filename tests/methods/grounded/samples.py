"""Posts with regions that tests of grounded methods share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from magpie.features import Asset
from magpie.schema import Annotations, Block, Box, Document, Entity, Grounding, Media, Region

XYXY = tuple[float, float, float, float]

#: three candidates in a picture of 100 x 100 pixels
BOXES: tuple[XYXY, ...] = ((0, 0, 40, 40), (50, 50, 90, 90), (0, 60, 30, 90))


def picture_post(
    text: str, *entities: tuple[str, int, int, Sequence[XYXY]], name: str = "post"
) -> Document:
    """A post of these words; entities are (type, first word, word after the last, boxes)."""
    block = Block.from_words(text.split())
    found = []
    for number, (kind, start, end, boxes) in enumerate(entities):
        regions = tuple(Region.of_box(Box(*box, media="m0")) for box in boxes)
        found.append(
            Entity(
                id=f"e{number}",
                span=block.word_span(start, end),
                type=kind,
                grounding=Grounding.in_regions(*regions),
            )
        )
    return Document(
        id=name,
        blocks=(block,),
        media=(Media(id="m0", uri="picture.jpg", width=100, height=100),),
        annotations=Annotations(entities=tuple(found)),
    )


def regions_of(width: int, boxes: Sequence[XYXY] = BOXES, seed: int = 1) -> Asset:
    """Candidates with random features."""
    features = np.random.default_rng(seed).normal(size=(len(boxes), width)).astype(np.float32)
    return Asset(
        {
            "boxes": np.array(boxes, np.float32).reshape(-1, 4),
            "features": features,
            "scores": np.ones(len(boxes), np.float32),
            "size": np.array([100, 100], np.float32),
            "norm": np.array(np.linalg.norm(features), np.float32),
        }
    )
