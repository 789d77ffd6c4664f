"""Resizing a picture together with the map that takes boxes back to the original."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from magpie.errors import ConfigError

if TYPE_CHECKING:
    from magpie.vision.load import LoadedImage, Pixels

__all__ = ["BoxMap", "resize_within"]

Corners = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class BoxMap:
    """Scale from the original picture to a resized one, and the original's size in pixels.

    The shifts, in pixels of the resized picture, are added after scaling; a cut makes them
    negative. A mirrored picture has a negative horizontal scale.
    """

    scale_x: float
    scale_y: float
    width: int
    height: int
    shift_x: float = 0.0
    shift_y: float = 0.0

    def to_original(self, box: Corners) -> Corners:
        """A box of the resized picture as (x1, y1, x2, y2) of the original, clipped to it."""
        x1, y1, x2, y2 = self._ordered(box)
        return (
            min(max((x1 - self.shift_x) / self.scale_x, 0.0), float(self.width)),
            min(max((y1 - self.shift_y) / self.scale_y, 0.0), float(self.height)),
            min(max((x2 - self.shift_x) / self.scale_x, 0.0), float(self.width)),
            min(max((y2 - self.shift_y) / self.scale_y, 0.0), float(self.height)),
        )

    def to_resized(self, box: Corners) -> Corners:
        """A box of the original as (x1, y1, x2, y2) of the resized picture."""
        x1, y1, x2, y2 = self._ordered(box)
        return (
            x1 * self.scale_x + self.shift_x,
            y1 * self.scale_y + self.shift_y,
            x2 * self.scale_x + self.shift_x,
            y2 * self.scale_y + self.shift_y,
        )

    def _ordered(self, box: Corners) -> Corners:
        """Left and right change places in a mirror."""
        x1, y1, x2, y2 = box
        return (x2, y1, x1, y2) if self.scale_x < 0 else box


def resize_within(image: LoadedImage, max_side: int) -> tuple[Pixels, BoxMap]:
    """Shrinks a picture so that its longer side has at most ``max_side`` pixels.

    Smaller pictures keep their size; the aspect ratio is kept up to rounding, and the map knows
    the exact factors.

    Args:
        image: the picture; its pixels may already be smaller than its stated size.
        max_side: in pixels, at least 1.

    Returns:
        uint8 pixels (height, width, 3) and the map between its boxes and the original's.

    Raises:
        ConfigError: ``max_side`` is not positive.
    """
    if max_side < 1:
        raise ConfigError(f"max_side must be at least 1, got {max_side}")
    pixels = image.pixels
    height, width = pixels.shape[:2]
    factor = max_side / max(width, height)
    if factor < 1.0:
        import numpy as np
        from PIL import Image

        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        # reducing_gap lets Pillow average whole blocks first: quick and free of moire.
        resized = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0)
        pixels = np.asarray(resized)
        height, width = pixels.shape[:2]
    scale = BoxMap(width / image.width, height / image.height, image.width, image.height)
    return pixels, scale
