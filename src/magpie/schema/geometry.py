"""Places: character spans in a block, boxes and masks in a picture, time ranges in a clip.

Units are part of the type. A :class:`Span` counts Unicode code points of one block's text and is
half-open. A :class:`Box` counts pixels of one named picture, origin top-left, x to the right, y
down, half-open; every other convention enters through a constructor that names it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from magpie.errors import SchemaError
from magpie.schema._check import JSON_CONFIG, check_id, check_integer, check_items, check_number

__all__ = ["Box", "Mask", "Span", "TimeRange"]


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Characters ``start`` up to but excluding ``end`` of the block with id ``block``.

    Raises:
        SchemaError: if the span is empty, reversed or starts before 0.
    """

    __pydantic_config__ = JSON_CONFIG

    block: str
    start: int
    end: int

    def __post_init__(self) -> None:
        check_id("span.block", self.block)
        for name, value in (("start", self.start), ("end", self.end)):
            check_integer(f"span.{name}", value)
        if not 0 <= self.start < self.end:
            raise SchemaError(
                f"span [{self.start}, {self.end}) is empty, reversed or negative",
                code="schema-span",
                mend="Offsets are half-open code points: 0 <= start < end.",
            )

    def __len__(self) -> int:
        return self.end - self.start

    def overlaps(self, other: Span) -> bool:
        """Whether the two share at least one character."""
        return self.block == other.block and self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class Box:
    """Rectangle in pixels of the picture with id ``media``: top-left origin, half-open.

    Raises:
        SchemaError: if a coordinate is not finite, or the box has no area or one beyond floats.
    """

    __pydantic_config__ = JSON_CONFIG

    x1: float
    y1: float
    x2: float
    y2: float
    media: str

    def __post_init__(self) -> None:
        for name in ("x1", "y1", "x2", "y2"):
            check_number(f"box.{name}", getattr(self, name))
        check_id("box.media", self.media)
        if self.x1 >= self.x2 or self.y1 >= self.y2 or not 0.0 < self.area < math.inf:
            raise SchemaError(
                f"box ({self.x1}, {self.y1}, {self.x2}, {self.y2}) has no finite area",
                code="schema-box",
                mend="Boxes are (x1, y1, x2, y2) with x1 < x2 and y1 < y2.",
            )

    @classmethod
    def from_xywh(cls, x: float, y: float, width: float, height: float, media: str) -> Box:
        """From the top-left corner and the size, in pixels (COCO)."""
        return cls(x, y, x + width, y + height, media)

    @classmethod
    def from_cxcywh(cls, cx: float, cy: float, width: float, height: float, media: str) -> Box:
        """From the centre and the size, in pixels (YOLO, once multiplied by the picture size)."""
        return cls(cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2, media)

    @classmethod
    def from_one_based(cls, x1: float, y1: float, x2: float, y2: float, media: str) -> Box:
        """From 1-based corners of which both are inside the box (Pascal VOC's definition)."""
        return cls(x1 - 1, y1 - 1, x2, y2, media)

    @classmethod
    def from_normalised(
        cls,
        x1: float,
        y1: float,
        x2: float,
        y2: float,
        media: str,
        *,
        width: int,
        height: int,
        scale: float = 1.0,
    ) -> Box:
        """From fractions of the picture size; ``scale=1000`` for a 0..1000 grid."""
        sx, sy = width / scale, height / scale
        return cls(x1 * sx, y1 * sy, x2 * sx, y2 * sy, media)

    @classmethod
    def from_bottom_left(
        cls, x1: float, y1: float, x2: float, y2: float, media: str, *, height: int
    ) -> Box:
        """From coordinates whose origin is the bottom-left corner (PDF)."""
        return cls(x1, height - y2, x2, height - y1, media)

    @property
    def width(self) -> float:
        return self.x2 - self.x1

    @property
    def height(self) -> float:
        return self.y2 - self.y1

    @property
    def area(self) -> float:
        """Square pixels; never with the "+1" of older evaluators."""
        return self.width * self.height

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        return (self.x1, self.y1, self.x2, self.y2)

    def _same_picture(self, other: Box) -> None:
        if self.media != other.media:
            raise SchemaError(
                f"boxes of pictures {self.media!r} and {other.media!r} were combined",
                code="schema-mixed-pictures",
                mend="Compare boxes of one picture only.",
            )

    def intersection(self, other: Box) -> float:
        """Shared area in square pixels.

        Raises:
            SchemaError: if the boxes belong to different pictures.
        """
        self._same_picture(other)
        width = min(self.x2, other.x2) - max(self.x1, other.x1)
        height = min(self.y2, other.y2) - max(self.y1, other.y1)
        return max(0.0, width) * max(0.0, height)

    def iou(self, other: Box) -> float:
        """Intersection over union, in [0, 1].

        Raises:
            SchemaError: if the boxes belong to different pictures.
        """
        shared = self.intersection(other)
        # Rounding may lift the quotient of two nearly equal boxes a hair above 1.
        return min(1.0, shared / (self.area + other.area - shared))

    def clipped(self, width: float, height: float) -> Box | None:
        """The part inside a picture of that size, or None when nothing is left."""
        x1, y1 = max(0.0, self.x1), max(0.0, self.y1)
        x2, y2 = min(float(width), self.x2), min(float(height), self.y2)
        return Box(x1, y1, x2, y2, self.media) if x1 < x2 and y1 < y2 else None


@dataclass(frozen=True, slots=True)
class Mask:
    """Pixel mask as COCO's uncompressed run lengths: column-major, starting with a run of zeros.

    Raises:
        SchemaError: if the runs do not add up to the size.
    """

    __pydantic_config__ = JSON_CONFIG

    width: int
    height: int
    counts: tuple[int, ...]

    def __post_init__(self) -> None:
        check_integer("mask.width", self.width, low=1)
        check_integer("mask.height", self.height, low=1)
        check_items("mask.counts", self.counts, int)
        for run in self.counts:
            check_integer("mask.counts", run, low=0)
        if sum(self.counts) != self.width * self.height:
            raise SchemaError(
                f"mask runs cover {sum(self.counts)} pixels of {self.width * self.height}",
                code="schema-number",
            )

    @property
    def area(self) -> int:
        """Number of pixels set."""
        return sum(self.counts[1::2])


@dataclass(frozen=True, slots=True, order=True)
class TimeRange:
    """Seconds ``start`` up to but excluding ``end`` of a clip or recording."""

    __pydantic_config__ = JSON_CONFIG

    start: float
    end: float

    def __post_init__(self) -> None:
        check_number("time.start", self.start, low=0.0)
        check_number("time.end", self.end, low=0.0)
        if self.start >= self.end:
            raise SchemaError(
                f"time range [{self.start}, {self.end}) is empty or reversed", code="schema-span"
            )

    def iou(self, other: TimeRange) -> float:
        """Shared duration over joint duration, in [0, 1]."""
        shared = max(0.0, min(self.end, other.end) - max(self.start, other.start))
        return shared / ((self.end - self.start) + (other.end - other.start) - shared)
