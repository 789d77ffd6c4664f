"""How much two regions share: boxes, pixel masks and time ranges on one scale.

Masks are never unpacked into pixels: run lengths are intersected as they are, so that a mask of a
large picture costs what its outline costs. A box that meets a mask covers the pixels whose centre
it holds; two boxes are compared exactly. IoU is computed without the "+1 pixel" of old scorers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from magpie.metrics.items import XYXY
from magpie.schema import Document, Mask, Media, Region

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

__all__ = ["Overlap", "Place", "best_iou", "bounding_box", "is_empty", "overlap", "places"]

Seconds: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Place:
    """A region on its medium. Without box, mask and time it is the whole of a medium whose size
    nobody knows, which equals itself and overlaps nothing else."""

    media: str
    box: XYXY | None = None
    mask: Mask | None = None
    time: Seconds | None = None
    label: str | None = None


@dataclass(frozen=True, slots=True)
class Overlap:
    """Shared, first and second size: square pixels, pixels or seconds."""

    shared: float
    first: float
    second: float

    @property
    def iou(self) -> float:
        """Intersection over union in [0, 1]; 0 when both are empty."""
        union = self.first + (self.second - self.shared)
        return min(1.0, self.shared / union) if union > 0 else 0.0

    @property
    def inside(self) -> float:
        """Share of the second that lies in the first, in [0, 1]; 0 when it is empty."""
        return min(1.0, self.shared / self.second) if self.second > 0 else 0.0


def places(document: Document, regions: Iterable[Region]) -> list[Place]:
    """The regions with their media's size filled in where a region is the whole medium."""
    media = {medium.id: medium for medium in document.media}
    return [_place(region, media) for region in regions]


def _place(region: Region, media: Mapping[str, Media]) -> Place:
    box = None if region.box is None else region.box.xyxy
    time = None if region.time is None else (region.time.start, region.time.end)
    if box is None and time is None and region.mask is None:
        medium = media[region.media]
        if medium.kind != "audio" and medium.width is not None and medium.height is not None:
            box = (0.0, 0.0, float(medium.width), float(medium.height))
        elif medium.kind == "audio" and medium.duration:
            time = (0.0, float(medium.duration))
    return Place(region.media, box, region.mask, time, region.label)


def is_empty(place: Place) -> bool:
    """Whether it is a mask without a pixel, which shows nothing."""
    return place.mask is not None and place.mask.area == 0


def overlap(a: Place, b: Place) -> Overlap:
    """What the two share; nothing on two media, or when one is a time and the other is not."""
    if a.media != b.media:
        return Overlap(0.0, _extent(a), _extent(b))
    if a.time is not None and b.time is not None:
        return _seconds(a.time, b.time)
    if a.box is not None and b.box is not None:
        return _boxes(a.box, b.box)
    if a.mask is not None or b.mask is not None:
        return _masks(a, b)
    whole = (None, None)
    alike = (a.box, a.time) == whole and (b.box, b.time) == whole
    return Overlap(float(alike), _extent(a), _extent(b))


def best_iou(gold: Iterable[Place], predicted: Iterable[Place]) -> float:
    """Largest IoU of any gold with any predicted place; 0 when one side has none."""
    others = tuple(predicted)
    return max((overlap(a, b).iou for a in gold for b in others), default=0.0)


def bounding_box(place: Place) -> XYXY | None:
    """The smallest box around a box or mask; None where there is neither or no pixel."""
    if place.mask is None or place.mask.area == 0:
        return place.box
    import numpy as np

    starts, ends = _runs(place.mask)
    height = place.mask.height
    left, right = starts // height, (ends - 1) // height
    # A run that leaves its column touches that column's foot and the next one's head.
    wraps = left != right
    top = 0 if wraps.any() else int(np.min(starts % height))
    bottom = height if wraps.any() else int(np.max((ends - 1) % height)) + 1
    return (float(left.min()), float(top), float(right.max()) + 1.0, float(bottom))


def _extent(place: Place) -> float:
    """Pixels or seconds of a place; 1 of a medium whose size nobody knows."""
    if place.mask is not None:
        return float(place.mask.area)
    if place.box is not None:
        return _boxes(place.box, place.box).first
    return 1.0 if place.time is None else place.time[1] - place.time[0]


def _seconds(a: Seconds, b: Seconds) -> Overlap:
    shared = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    return Overlap(shared, a[1] - a[0], b[1] - b[0])


def _boxes(a: XYXY, b: XYXY) -> Overlap:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0.0, width) * max(0.0, height)
    return Overlap(shared, (a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))


def _masks(a: Place, b: Place) -> Overlap:
    """Two places of which at least one is a mask."""
    if a.mask is None:
        turned = _masks(b, a)
        return Overlap(turned.shared, turned.second, turned.first)
    import numpy as np

    starts, ends = _runs(a.mask)
    if b.mask is not None and _size(a.mask) == _size(b.mask):
        others = _runs(b.mask)
        # Pixels of the other before each position: a line with a knee at every start and end.
        knees = np.stack(others, axis=1).ravel()
        after = np.cumsum(others[1] - others[0])
        before = np.stack((after - (others[1] - others[0]), after), axis=1).ravel()
        second = _extent(b)
        shared = 0.0
        if len(knees):
            shared = float(
                np.sum(np.interp(ends, knees, before) - np.interp(starts, knees, before))
            )
    elif b.box is not None:
        left, top, right, bottom = _pixel_box(b.box, a.mask)
        second = (right - left) * (bottom - top)

        def before_in_box(position: Floats) -> Floats:
            column, row = np.divmod(position, a.mask.height if a.mask else 1)
            inside = (left <= column) & (column < right)
            full = (np.clip(column, left, right) - left) * (bottom - top)
            return full + inside * (np.clip(row, top, bottom) - top)

        shared = float(np.sum(before_in_box(ends) - before_in_box(starts)))
    else:
        shared, second = 0.0, _extent(b)
    return Overlap(shared, _extent(a), second)


def _size(mask: Mask) -> tuple[int, int]:
    return (mask.width, mask.height)


def _runs(mask: Mask) -> tuple[Floats, Floats]:
    """Where the runs of set pixels start and end, counted column by column.

    As floats, because a mask may be of any size; whole numbers are exact up to 2**53.
    """
    import numpy as np

    borders = np.cumsum(np.array(mask.counts, dtype=np.float64))
    ends = borders[1::2]
    starts = borders[::2][: len(ends)]
    kept = ends > starts
    return starts[kept], ends[kept]


def _pixel_box(box: XYXY, grid: Mask) -> XYXY:
    """Columns and rows whose centres the box holds, cut to the picture; pixel 0 has its at 0.5."""
    x1, y1, x2, y2 = (math.ceil(value - 0.5) for value in box)
    left, right = (float(min(max(x, 0), grid.width)) for x in (x1, x2))
    top, bottom = (float(min(max(y, 0), grid.height)) for y in (y1, y2))
    return (left, top, right, bottom)
