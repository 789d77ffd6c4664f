"""What methods share that ground an entity by picking one of a picture's candidate regions.

Candidates come as an asset (:class:`magpie.features.RegionFeatures`); gold boxes are compared with
them, and what was picked goes back into the document as a region in pixels of its picture. Three
answers stay apart, as everywhere: a region, "not in the picture" where somebody looked, and
"unknown" where nobody could look because no candidates were supplied.

Shapes: R candidates kept (padded to the need's count), F width of a feature vector, G gold boxes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from magpie.errors import ConfigError
from magpie.features import Asset, RegionFeatures
from magpie.features.source import first_picture
from magpie.nn.region_losses import box_ious, soft_target
from magpie.schema import Box, Document, Entity, Grounding, Media, Region, Span
from magpie.text.align import words_of

__all__ = [
    "Candidates",
    "entity_words",
    "gold_ious",
    "gold_target",
    "grounding_of",
    "picture_of",
    "region_candidates",
    "words_span",
]

#: (block id, start, end) of a word, in code points
Word = tuple[str, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """The candidate regions of one picture, in the supplier's order.

    ``features`` [R, F], zero where there is no candidate; ``boxes`` [R, 4] in pixels of the
    document's picture ``media``; ``mask`` [R], true where there is a candidate; ``scores`` [R] of
    the detector. ``looked`` is false where nothing was supplied: then nobody knows what shows.
    """

    features: Tensor
    boxes: Tensor
    mask: Tensor
    scores: Tensor
    media: str | None
    looked: bool


def picture_of(document: Document) -> Media | None:
    """The first picture that is there; else the first that is named, as published features do."""
    named = next((medium for medium in document.media if medium.kind == "image"), None)
    return first_picture(document) or named


def region_candidates(
    document: Document,
    asset: Asset,
    need: RegionFeatures,
    *,
    normalise: bool = False,
    media: Media | None = None,
) -> Candidates:
    """The first ``need.count`` regions of an asset, padded to that number.

    A region with a number that is not finite, without area, or wholly outside the picture keeps
    its place and is masked; one that leaves the picture is cut at its edge. Boxes follow where
    the features were made from a picture of another size.

    Args:
        document: the picture's document.
        asset: as supplied for ``need``.
        need: its count and width are those of the result.
        normalise: divide by the Frobenius norm of all vectors of the picture, those beyond
            ``need.count`` included where the supplier counted them (``norm``).
        media: the picture; by default :func:`picture_of` the document.

    Raises:
        ConfigError: the vectors are not as wide as the need says.
    """
    medium = media or picture_of(document)
    count, width = need.count, need.width
    features, boxes = torch.zeros(count, width), torch.zeros(count, 4)
    mask, scores = torch.zeros(count, dtype=torch.bool), torch.zeros(count)
    if not asset.present or medium is None:
        name = None if medium is None else medium.id
        return Candidates(features, boxes, mask, scores, name, looked=False)
    given = _array(asset, "features").float()
    if given.dim() != 2 or given.shape[1] != width:
        raise ConfigError(
            f"the regions of {need.source} have vectors of shape {tuple(given.shape)}, "
            f"expected [n, {width}]",
            where=document.id,
            mend="Set the width of the method's regions to that of the source.",
        )
    own = _pixels(_array(asset, "boxes").double().view(-1, 4), asset, medium).float()
    finite = given.isfinite().all(1) & own.isfinite().all(1)
    usable = finite & (own[:, 2:] > own[:, :2]).all(1)
    if normalise:
        norm = _norm(asset, torch.where(finite.unsqueeze(1), given, 0.0))
        given = given / norm if norm > 0 else given
    kept = min(count, len(given))
    there = usable[:kept]
    features[:kept] = torch.where(there.unsqueeze(1), given[:kept], 0.0)
    boxes[:kept] = torch.where(there.unsqueeze(1), own[:kept], 0.0)
    mask[:kept] = there
    if "scores" in asset.arrays:
        scores[:kept] = torch.where(there, _array(asset, "scores").float()[:kept], 0.0)
    return Candidates(features, boxes, mask, scores, medium.id, looked=True)


def _array(asset: Asset, name: str) -> Tensor:
    # Kept arrays may be read-only, which torch warns about.
    return torch.tensor(asset.arrays[name])


def _pixels(boxes: Tensor, asset: Asset, medium: Media) -> Tensor:
    """Boxes [n, 4] in pixels of the document's picture, cut at its edges where they are known."""
    made_of: Any = asset.arrays.get("size")
    seen = None if made_of is None else [float(number) for number in made_of]
    width, height = medium.width, medium.height
    if width is None or height is None:
        limits = seen
    else:
        limits = [float(width), float(height)]
        if seen is not None and seen != limits:
            scale = torch.tensor(limits, dtype=boxes.dtype) / torch.tensor(seen, dtype=boxes.dtype)
            boxes = boxes * scale.repeat(2)
    if limits is None:
        return boxes
    edge = torch.tensor(limits, dtype=boxes.dtype).repeat(2)
    # minimum and maximum keep what is not a number.
    return torch.minimum(torch.clamp(boxes, min=0.0), edge)


def _norm(asset: Asset, features: Tensor) -> float:
    counted: Any = asset.arrays.get("norm")
    if counted is not None and math.isfinite(float(counted)):
        return float(counted)
    return float(features.double().norm())


def gold_ious(entity: Entity, candidates: Candidates) -> Tensor:
    """Overlap of the entity's boxes in this picture with the candidates, [G, R]; 0 where masked."""
    gold = [box.xyxy for box in entity.boxes if box.media == candidates.media]
    ious = box_ious(torch.tensor(gold, dtype=torch.double).view(-1, 4), candidates.boxes)
    return ious.masked_fill(~candidates.mask, 0.0)


def gold_target(
    entity: Entity, candidates: Candidates, *, threshold: float = 0.5, legacy_half: bool = False
) -> tuple[Tensor, bool]:
    """q [R] over the candidates and whether any of them covers the entity's boxes.

    An entity that is not in the picture, or whose boxes no candidate covers, has zeros and False:
    methods train it as not in the picture. See :func:`magpie.nn.region_losses.soft_target`.
    """
    q, covered = soft_target(gold_ious(entity, candidates), threshold, legacy_half=legacy_half)
    return q.float(), covered


def grounding_of(
    candidates: Candidates, index: int | None, score: float | None = None
) -> Grounding:
    """The region of a candidate; without one, ``absent``, or ``unknown`` where nobody looked.

    Args:
        candidates: of the document's picture.
        index: of the candidate, None for none; one that is masked is none.
        score: in [0, 1], clipped to it.
    """
    if not candidates.looked:
        return Grounding("unknown")
    if index is None or candidates.media is None or not bool(candidates.mask[index]):
        return Grounding("absent")
    x1, y1, x2, y2 = candidates.boxes[index].tolist()
    box = Box(x1, y1, x2, y2, candidates.media)
    kept = None if score is None else min(1.0, max(0.0, score))
    return Grounding("regions", (Region.of_box(box, score=kept),))


def entity_words(document: Document, words: Sequence[Word]) -> list[tuple[Entity, int, int]]:
    """Gold entities with their half-open range of words, in text order.

    An entity that begins or ends inside a word takes the whole word; one that touches no word is
    left out. Of two in the same words the first stays.
    """
    blocks: dict[str, list[int]] = {}
    for place, (block, _, _) in enumerate(words):
        blocks.setdefault(block, []).append(place)
    found: dict[tuple[int, int], Entity] = {}
    for entity in document.entities:
        places = blocks.get(entity.span.block, [])
        ranges = [words[place][1:] for place in places]
        covered = words_of(ranges, entity.span.start, entity.span.end, how="widened")
        if covered is not None:
            first, last = covered
            found.setdefault((places[first], places[last - 1] + 1), entity)
    return [(found[place], *place) for place in sorted(found)]


def words_span(words: Sequence[Word], first: int, last: int) -> Span:
    """The characters of words ``first`` up to but excluding ``last``; all in one block.

    Raises:
        ConfigError: they are none, or of several blocks.
    """
    if not 0 <= first < last <= len(words) or words[first][0] != words[last - 1][0]:
        raise ConfigError(
            f"words [{first}, {last}) of {len(words)} are empty, outside, or of several blocks"
        )
    return Span(words[first][0], words[first][1], words[last - 1][2])
