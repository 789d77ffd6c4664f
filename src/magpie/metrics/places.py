"""How much two regions share: boxes, pixel masks and time ranges on one scale.

Masks are never unpacked into pixels: run lengths are intersected as they are, so that a mask of a
large picture costs what its outline costs. A box that meets a mask covers the pixels whose centre
it holds; two boxes are compared exactly. IoU is computed without the "+1 pixel" of old scorers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from magpie.metrics.items import XYXY
from magpie.schema import Document, Mask, Media, Region

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Integers = npt.NDArray[np.int64]

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
    grid = a.mask or b.mask
    if grid is None or not all(
        p.box is not None or (p.mask is not None and _size(p.mask) == _size(grid)) for p in (a, b)
    ):
        return Overlap(0.0, _extent(a), _extent(b))
    import numpy as np

    (starts, ends), other = _on_grid(a, grid), _on_grid(b, grid)
    # Pixels of the other before each position: a line with a knee at every start and end.
    knees = np.stack(other, axis=1).ravel()
    lengths = other[1] - other[0]
    after = np.cumsum(lengths)
    before = np.stack((after - lengths, after), axis=1).ravel()
    shared = 0.0
    if len(knees) and len(starts):
        shared = float(
            np.sum(np.interp(ends, knees, before) - np.interp(starts, knees, before)).round()
        )
    return Overlap(shared, float(np.sum(ends - starts)), float(np.sum(lengths)))


def _size(mask: Mask) -> tuple[int, int]:
    return (mask.width, mask.height)


def _on_grid(place: Place, grid: Mask) -> tuple[Integers, Integers]:
    return _runs(place.mask) if place.mask is not None else _box_runs(place.box, grid)


def _runs(mask: Mask) -> tuple[Integers, Integers]:
    """Where the runs of set pixels start and end, counted column by column."""
    import numpy as np

    borders = np.cumsum(np.array(mask.counts, dtype=np.int64))
    ends = borders[1::2]
    starts = borders[::2][: len(ends)]
    kept = ends > starts
    return starts[kept], ends[kept]


def _box_runs(box: XYXY | None, grid: Mask) -> tuple[Integers, Integers]:
    import numpy as np

    x1, y1, x2, y2 = box or (0.0, 0.0, 0.0, 0.0)
    # Pixel x has its centre at x + 0.5.
    left, right = np.clip(np.ceil(np.array((x1, x2)) - 0.5), 0, grid.width).astype(np.int64)
    top, bottom = np.clip(np.ceil(np.array((y1, y2)) - 0.5), 0, grid.height).astype(np.int64)
    if bottom <= top:
        right = left
    columns = np.arange(left, right, dtype=np.int64) * grid.height
    return columns + top, columns + bottom
