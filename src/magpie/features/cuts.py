"""The part of a picture in a box."""

from __future__ import annotations

import math

from magpie.schema import Box
from magpie.vision import LoadedImage

__all__ = ["cut_out"]


def cut_out(image: LoadedImage, box: Box) -> LoadedImage | None:
    """The part of a picture in a box, whole pixels, at least one; None when it lies outside."""
    inside = box.clipped(image.width, image.height)
    if inside is None:
        return None
    rows, columns = image.pixels.shape[:2]
    # The pixels may have been shrunk while loading; boxes are in those of the original.
    across, down = columns / image.width, rows / image.height
    left, top = math.floor(inside.x1 * across), math.floor(inside.y1 * down)
    right = max(left + 1, min(columns, math.ceil(inside.x2 * across)))
    bottom = max(top + 1, min(rows, math.ceil(inside.y2 * down)))
    return LoadedImage(image.pixels[top:bottom, left:right], right - left, bottom - top)
