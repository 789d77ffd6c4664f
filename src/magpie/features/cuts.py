"""The part of a picture in a box."""

from __future__ import annotations

import math

from magpie.schema import Box
from magpie.vision import LoadedImage

__all__ = ["corners_of", "cut_out"]


def corners_of(image: LoadedImage, box: Box) -> tuple[int, int, int, int] | None:
    """Left, top, right and bottom of a box in the pixels that were loaded, at least one wide and
    high; None when it lies outside."""
    inside = box.clipped(image.width, image.height)
    if inside is None:
        return None
    rows, columns = image.pixels.shape[:2]
    # The pixels may have been shrunk while loading; boxes are in those of the original.
    across, down = columns / image.width, rows / image.height
    left, top = math.floor(inside.x1 * across), math.floor(inside.y1 * down)
    right = max(left + 1, min(columns, math.ceil(inside.x2 * across)))
    bottom = max(top + 1, min(rows, math.ceil(inside.y2 * down)))
    return left, top, right, bottom


def cut_out(image: LoadedImage, box: Box) -> LoadedImage | None:
    """The part of a picture in a box, whole pixels, at least one; None when it lies outside."""
    corners = corners_of(image, box)
    if corners is None:
        return None
    left, top, right, bottom = corners
    return LoadedImage(image.pixels[top:bottom, left:right], right - left, bottom - top)
