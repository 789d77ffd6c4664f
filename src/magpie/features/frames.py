"""Copies of a picture with a frame around one of its boxes: the scene stays, the frame points.

Focal images (FocalMRE, ACM MM 2024) have the frame drawn before the picture is scaled, so its
stroke is measured in pixels of the picture and gets thinner with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from magpie.errors import ConfigError, MagpieError
from magpie.features.geometry import boxes_called, whole_box
from magpie.features.needs import Asset, Need
from magpie.features.region_names import RegionNames
from magpie.features.source import Arrays, Ask, Pictures, Source
from magpie.schema import Box, Document
from magpie.vision import LoadedImage, PixelSpec, network_square, normalise

__all__ = ["BLUE", "RED", "FrameSource", "Frames", "framed"]

Colour = tuple[int, int, int]

RED: Colour = (255, 0, 0)
BLUE: Colour = (0, 0, 255)


@dataclass(frozen=True, slots=True)
class Frames(Need):
    """A copy of the first picture for each of its boxes, with a frame around it: ``pixels``
    float32 [n, 3, side, side], n at most ``count``.

    ``source`` is ``"whole"`` (one frame around the picture) or a name of boxes (see
    :mod:`magpie.features.region_names`); ``colour`` is red, green, blue from 0 to 255; ``stroke``
    is in pixels of the picture, inside the box.

    Raises:
        ConfigError: a count or stroke below 1, or no colour.
    """

    source: str = "whole"
    count: int = 4
    colour: Colour = RED
    stroke: int = 3
    spec: PixelSpec = field(default_factory=PixelSpec)

    def __post_init__(self) -> None:
        if self.count < 1 or self.stroke < 1:
            raise ConfigError(
                f"count and stroke must be at least 1, got {self.count} and {self.stroke}"
            )
        if len(self.colour) != 3 or not all(0 <= value <= 255 for value in self.colour):
            raise ConfigError(f"a colour is three numbers from 0 to 255, got {self.colour}")


class FrameSource(Source):
    """Draws frames.

    Args:
        pictures: where pictures are read from.
        names: finds boxes by name.
    """

    kind: ClassVar[type[Need]] = Frames

    def __init__(self, pictures: Pictures, names: RegionNames) -> None:
        self.pictures = pictures
        self.names = names

    def ask(self, document: Document, need: Frames) -> Ask | Asset:
        picture = self.pictures.first(document)
        if isinstance(picture, Asset):
            return picture
        depends: dict[str, Any] = {"picture": picture.digest}
        if need.source != "whole":
            depends["boxes"] = boxes_called(self.names, need.source).depends(document)
        return Ask(depends, (document, picture))

    def compute(self, asks: Sequence[Ask], need: Frames) -> list[Arrays | Asset]:
        return [self._draw(ask.payload, need) for ask in asks]

    def _draw(self, payload: Any, need: Frames) -> Arrays | Asset:
        document, picture = payload
        try:
            image = picture.load()
            found: Sequence[Box] = [whole_box(image, picture.media)]
            if need.source != "whole":
                boxes = boxes_called(self.names, need.source)
                found = boxes(document, picture.media, image)
            squares = [
                network_square(framed(image, box, need.colour, need.stroke), need.spec)[0]
                for box in found[: need.count]
            ]
        except ConfigError:
            raise
        except MagpieError as error:
            return Asset.absent(str(error))
        none = np.zeros((0, need.spec.side, need.spec.side, 3), np.uint8)
        return {"squares": np.stack(squares) if squares else none}

    def finish(self, arrays: Arrays, need: Frames) -> Asset:
        return Asset({"pixels": normalise(arrays["squares"], need.spec)})


def framed(image: LoadedImage, box: Box, colour: Colour, stroke: int = 3) -> LoadedImage:
    """A copy with the outline of the box drawn on it, its stroke inside the box.

    The last row and column of the stroke are those at ``y2`` and ``x2``, as the published code
    draws it. What lies outside the picture is not drawn.
    """
    from PIL import Image, ImageDraw

    rows, columns = image.pixels.shape[:2]
    # The pixels may have been shrunk while loading; boxes are in those of the original.
    across, down = columns / image.width, rows / image.height
    corners = (box.x1 * across, box.y1 * down, box.x2 * across, box.y2 * down)
    # Far outside nothing shows, and drawing there costs time.
    left, right = (min(max(x, -stroke), columns + stroke) for x in corners[::2])
    top, bottom = (min(max(y, -stroke), rows + stroke) for y in corners[1::2])
    canvas = Image.fromarray(image.pixels).copy()
    ImageDraw.Draw(canvas).rectangle((left, top, right, bottom), outline=colour, width=stroke)
    pixels: npt.NDArray[np.uint8] = np.asarray(canvas, np.uint8)
    return LoadedImage(pixels, image.width, image.height)
