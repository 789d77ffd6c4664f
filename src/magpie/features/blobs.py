"""Regions of simple drawings without any detector: connected patches, described by thumbnails.

Good for pictures of a few flat colours on a flat ground, such as the controlled corpus: there every
method can be tried whole, with no download and at no cost. Photographs have no ground in this
sense; of them little more than the whole picture is found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from magpie.features.cuts import cut_out
from magpie.schema import Box
from magpie.vision import LoadedImage, PixelSpec, network_square

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["THUMBNAIL", "WIDTH", "blobs", "thumbnails"]

#: side of a thumbnail, pixels
THUMBNAIL = 16
#: numbers of a thumbnail
WIDTH = 3 * THUMBNAIL * THUMBNAIL
#: levels of 255 by which a pixel must differ, in some channel, from the ground or another colour
_APART = 40
#: colours that are looked for one by one, the most frequent first
_COLOURS = 8
#: smallest share of the picture that is a patch of its own
_SMALLEST = 1 / 1024
#: longer side in pixels at which patches are looked for
_MAX_SIDE = 256

_Mask = npt.NDArray[np.bool_]
_Pixels = npt.NDArray[np.uint8]


def blobs(media: str, image: LoadedImage) -> tuple[list[Box], list[float]]:
    """The whole picture, then its patches, the largest first.

    A patch is a connected set of pixels that differ from the ground, which is the picture's most
    frequent colour, or such a set of one colour: so a thing is found beside clutter that touches
    it. The score of a patch is its share of the picture; the whole picture has 1.

    Returns:
        boxes in pixels of the picture, no two alike, and their scores.
    """
    step = -(-max(image.pixels.shape[:2]) // _MAX_SIDE)
    # Every so-many-th pixel: averaging would mix new colours.
    pixels = image.pixels[::step, ::step]
    rows, columns = pixels.shape[:2]
    ground, *colours = _frequent(pixels)
    things = _differs(pixels, ground)
    found: dict[tuple[int, int, int, int], float] = {}
    for mask in (things, *(things & ~_differs(pixels, colour) for colour in colours)):
        for corners, area in _patches(mask):
            found[corners] = max(area / (rows * columns), found.get(corners, 0.0))
    found.pop((0, 0, columns, rows), None)
    across, down = image.width / columns, image.height / rows
    boxes, scores = [Box(0, 0, image.width, image.height, media)], [1.0]
    for (x1, y1, x2, y2), share in sorted(found.items(), key=lambda item: (-item[1], item[0])):
        if share >= _SMALLEST:
            boxes.append(Box(x1 * across, y1 * down, x2 * across, y2 * down, media))
            scores.append(share)
    return boxes, scores


def _frequent(pixels: _Pixels) -> list[npt.NDArray[np.int16]]:
    """The most frequent colours that are apart from each other, the ground first."""
    rows, counts = np.unique(pixels.reshape(-1, 3), axis=0, return_counts=True)
    found: list[npt.NDArray[np.int16]] = []
    for index in np.argsort(-counts, kind="stable"):
        colour = rows[index].astype(np.int16)
        if all(np.abs(colour - other).max() > _APART for other in found):
            found.append(colour)
        if len(found) > _COLOURS:
            break
    return found


def _differs(pixels: _Pixels, colour: npt.NDArray[np.int16]) -> _Mask:
    apart: _Mask = np.abs(pixels.astype(np.int16) - colour).max(axis=2) > _APART
    return apart


def _patches(mask: _Mask) -> list[tuple[tuple[int, int, int, int], int]]:
    """Box and number of pixels of each connected set."""
    import cv2

    count, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    return [
        ((x, y, x + width, y + height), area)
        for x, y, width, height, area in stats[1:count].tolist()
    ]


def thumbnails(image: LoadedImage, boxes: Sequence[Box]) -> npt.NDArray[np.float32]:
    """What is in each box, squashed to 16 x 16 pixels of three channels.

    Every number lies above 0 and at most at 1: a black crop is no row of zeros, which methods take
    for padding.

    Returns:
        float32 [n, 768]; a box outside the picture gives the smallest number throughout.
    """
    spec = PixelSpec(side=THUMBNAIL)
    squares = np.zeros((len(boxes), THUMBNAIL, THUMBNAIL, 3), np.float32)
    for square, box in zip(squares, boxes, strict=True):
        if (cut := cut_out(image, box)) is not None:
            square[:] = network_square(cut, spec)[0]
    flat: Any = (squares.reshape(len(boxes), WIDTH) + 1) / 256
    return np.asarray(flat, np.float32)
