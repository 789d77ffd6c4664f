"""Corner boxes as plain tuples, for the places where thousands of them are compared.

Regions that leave this package are :class:`magpie.schema.Box`; inside it a box is
``(x1, y1, x2, y2)`` in pixels of one picture, known from the context.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

__all__ = ["Corners", "area", "clip", "gap", "intersection_over_union", "suppress", "union"]

Corners: TypeAlias = tuple[float, float, float, float]


def area(box: Corners) -> float:
    """Square pixels; 0 for a box without extent."""
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def clip(box: Corners, width: float, height: float) -> Corners:
    """The part inside a picture of that size (possibly without extent)."""
    return (
        min(max(box[0], 0.0), width),
        min(max(box[1], 0.0), height),
        min(max(box[2], 0.0), width),
        min(max(box[3], 0.0), height),
    )


def union(boxes: Iterable[Corners]) -> Corners:
    """The smallest box around all of them; there must be at least one."""
    x1, y1, x2, y2 = zip(*boxes, strict=True)
    return (min(x1), min(y1), max(x2), max(y2))


def _overlap(a: Corners, b: Corners) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(0.0, width) * max(0.0, height)


def intersection_over_union(a: Corners, b: Corners) -> float:
    """In [0, 1]; 0 when both have no extent."""
    shared = _overlap(a, b)
    joint = area(a) + area(b) - shared
    return shared / joint if joint > 0 else 0.0


def gap(a: Corners, b: Corners) -> float:
    """Pixels between the nearest edges; 0 when they touch or overlap."""
    across = max(a[0] - b[2], b[0] - a[2], 0.0)
    down = max(a[1] - b[3], b[1] - a[3], 0.0)
    return float((across * across + down * down) ** 0.5)


def suppress(
    boxes: Sequence[Corners], scores: Sequence[float], *, overlap: float = 0.5
) -> list[int]:
    """Indices kept by greedy non-maximum suppression, best first; ties by position in the picture.

    A box mostly inside a better one goes as well, because cascades like to find a face in a face.
    """
    order = sorted(range(len(boxes)), key=lambda i: (-scores[i], boxes[i]))
    kept: list[int] = []
    for i in order:
        for k in kept:
            smaller = min(area(boxes[i]), area(boxes[k]))
            inside = _overlap(boxes[i], boxes[k]) / smaller if smaller else 1.0
            if inside > 0.75 or intersection_over_union(boxes[i], boxes[k]) > overlap:
                break
        else:
            kept.append(i)
    return kept
