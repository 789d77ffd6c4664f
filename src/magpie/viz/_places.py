"""What is drawn on a picture and where its labels go; shared by the report and the drawing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from magpie.schema import Document, Entity, Mask, Region

__all__ = ["Corners", "Measure", "Place", "fit_text", "label_positions", "places"]

#: (x1, y1, x2, y2) in pixels of the picture
Corners: TypeAlias = tuple[float, float, float, float]
#: width of a text in the unit of the picture
Measure: TypeAlias = Callable[[str], float]


@dataclass(slots=True)
class Place:
    """A rectangle on a picture with everything that is said to be there.

    Args:
        box: in pixels of the upright picture.
        kind: a mask and a whole picture are drawn as the rectangle around them.
        entities: (position in the document's entities, the entity).
        regions: the regions themselves, several where several entities share the place.
    """

    box: Corners
    kind: Literal["box", "mask", "picture"]
    entities: list[tuple[int, Entity]] = field(default_factory=list)
    regions: list[Region] = field(default_factory=list)

    @property
    def area(self) -> float:
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1])


def _mask_box(mask: Mask) -> Corners | None:
    """Bounding box of the pixels set, or None for an empty mask."""
    first, last = mask.width, -1
    top, bottom = mask.height, -1
    position = 0
    for index, run in enumerate(mask.counts):
        if index % 2 and run:
            end = position + run - 1
            first, last = min(first, position // mask.height), end // mask.height
            if position // mask.height == end // mask.height:
                top = min(top, position % mask.height)
                bottom = max(bottom, end % mask.height)
            else:  # reaches from one column into the next: the column's end and its start are set
                top, bottom = 0, mask.height - 1
        position += run
    return None if last < 0 else (float(first), float(top), last + 1.0, bottom + 1.0)


def _locate(
    region: Region, width: float, height: float
) -> tuple[Corners, Literal["box", "mask", "picture"]] | None:
    if region.box is not None:
        return region.box.xyxy, "box"
    if region.mask is not None:
        corners = _mask_box(region.mask)
        return None if corners is None else (corners, "mask")
    if region.time is not None:
        return None
    return (0.0, 0.0, float(width), float(height)), "picture"


def places(document: Document, media: str, width: float, height: float) -> list[Place]:
    """The places on one picture, large ones first so that small ones end up on top.

    Args:
        media: id of the picture.
        width, height: of the upright picture, in pixels.
    """
    found: dict[tuple[Corners, str], Place] = {}

    def add(region: Region, entity: tuple[int, Entity] | None) -> None:
        located = _locate(region, width, height) if region.media == media else None
        if located is None:
            return
        place = found.setdefault(located, Place(*located))
        place.regions.append(region)
        if entity is not None and entity not in place.entities:
            place.entities.append(entity)

    if document.annotations is not None:
        for region in document.annotations.regions:
            add(region, None)
        for index, entity in enumerate(document.annotations.entities):
            for region in entity.grounding.regions:
                add(region, (index, entity))
    return sorted(found.values(), key=lambda place: (-place.area, place.box))


def fit_text(text: str, width: float, measure: Measure) -> str:
    """The text, or as much of its beginning as fits with an ellipsis, or nothing."""
    if measure(text) <= width:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if measure(text[:middle].rstrip() + "…") <= width:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip() + "…" if low else ""


def _overlap(one: Corners, other: Corners) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, width) * max(0.0, height)


def label_positions(
    boxes: Sequence[Corners],
    sizes: Sequence[tuple[float, float]],
    width: float,
    height: float,
) -> list[tuple[float, float]]:
    """Top-left corners for one label a box: inside the picture, on top of each other only if
    there is no other way.

    Tried in this order: above the box, inside its top, below, inside its bottom, then the same
    from the right edge. A label as large as the picture starts at 0.

    Args:
        boxes: in pixels.
        sizes: (width, height) of each label, in the same unit.
        width, height: of the picture.
    """
    taken: list[Corners] = []
    positions = []
    for (x1, y1, x2, y2), (wide, high) in zip(boxes, sizes, strict=True):
        candidates: list[tuple[float, Corners]] = []
        for x in (x1, x2 - wide):
            for y in (y1 - high, y1, y2, y2 - high):
                left = max(0.0, min(x, width - wide))
                top = max(0.0, min(y, height - high))
                corners = (left, top, left + wide, top + high)
                moved = abs(left - x) + abs(top - y)
                cost = sum(_overlap(corners, other) for other in taken)
                candidates.append((cost + moved * high, corners))
        # min keeps the first of equals, hence the order above.
        best = min(candidates, key=lambda candidate: candidate[0])[1]
        taken.append(best)
        positions.append(best[:2])
    return positions
