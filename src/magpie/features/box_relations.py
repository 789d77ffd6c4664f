"""How boxes of a picture stand to each other, by rules on where they lie.

For two boxes a and b the first rule that holds, one relation a pair at most:

==================  ============================================================================
``inside``          at least 90% of the smaller one's area lies in the other
``overlaps``        they share at least 10% of the smaller one's area
(none)              the gap between them is longer than ``reach``
``above``           their centres are further apart down than across; the upper one is the subject
``left of``         otherwise; the left one is the subject
==================  ============================================================================

Lengths are fractions of the picture, each side counting 1, so they need no pixels.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from magpie.features.scene_graph import SceneGraph, SceneObject, SceneRelation

__all__ = ["INSIDE", "OVERLAPS", "Corners", "box_relation", "scene_from_boxes"]

#: share of the smaller box that lies in the other
INSIDE = 0.9
OVERLAPS = 0.1

#: x1, y1, x2, y2
Corners = tuple[float, float, float, float]


def _area(box: Corners) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])


def box_relation(a: Corners, b: Corners, reach: float = 0.25) -> tuple[str, bool] | None:
    """The relation of two boxes, and whether ``a`` is its subject; None where there is none.

    Example:
        >>> box_relation((0.1, 0.1, 0.2, 0.2), (0.0, 0.0, 1.0, 1.0))
        ('inside', True)
        >>> box_relation((0.5, 0.0, 0.6, 0.1), (0.3, 0.0, 0.4, 0.1))
        ('left of', False)
    """
    across = min(a[2], b[2]) - max(a[0], b[0])
    down = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0.0, across) * max(0.0, down)
    smaller = min(_area(a), _area(b))
    share = shared / smaller if smaller > 0 else 0.0
    if share >= INSIDE:
        return "inside", _area(a) < _area(b)
    if share >= OVERLAPS:
        return "overlaps", True
    if math.hypot(max(0.0, -across), max(0.0, -down)) > reach:
        return None
    right = ((b[0] + b[2]) - (a[0] + a[2])) / 2
    below = ((b[1] + b[3]) - (a[1] + a[3])) / 2
    if abs(below) > abs(right):
        return "above", below > 0
    return "left of", right >= 0


def scene_from_boxes(
    boxes: Sequence[Corners], names: Sequence[str] = (), *, reach: float = 0.25, source: str = ""
) -> SceneGraph:
    """The graph of the boxes of one picture.

    Args:
        boxes: corners as fractions of the picture.
        names: of what is in them; none, or one each.
        reach: see above.
        source: of the boxes.
    """
    things = tuple(
        SceneObject(name=names[i] if names else "", box=box) for i, box in enumerate(boxes)
    )
    relations = []
    for i, j in itertools.combinations(range(len(boxes)), 2):
        if (found := box_relation(boxes[i], boxes[j], reach)) is not None:
            name, first = found
            relations.append(SceneRelation(*((i, j) if first else (j, i)), name))
    return SceneGraph(things, tuple(relations), source)
