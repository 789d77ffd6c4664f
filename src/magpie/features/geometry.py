"""Where the boxes of a picture lie and how large they are, without what is in them.

Boxes that were published as fractions are there even where the picture is not: then their geometry
is all that is known of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from magpie.errors import ConfigError, MagpieError
from magpie.features.boxes import Boxes, SideBoxes
from magpie.features.needs import Asset, Need
from magpie.features.region_names import RegionNames
from magpie.features.source import Arrays, Ask, Pictures, Source
from magpie.schema import Box, Document
from magpie.vision import LoadedImage

__all__ = ["BoxGeometry", "GeometrySource", "boxes_called", "whole_box"]


@dataclass(frozen=True, slots=True)
class BoxGeometry(Need):
    """Places and sizes of a picture's boxes: ``boxes`` float32 [n, 4] (centre x, centre y, width,
    height) as fractions of the picture, n at most ``count``.

    ``source`` is a name of boxes (see :mod:`magpie.features.region_names`), or ``"whole"``. Sources
    that were published as fractions need no picture.

    Raises:
        ConfigError: a count below 1.
    """

    source: str = "whole"
    count: int = 4

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError(f"count must be at least 1, got {self.count}")


class GeometrySource(Source):
    """Reads the geometry of boxes off their lists, or makes the boxes from the picture.

    Args:
        pictures: where pictures are read from.
        names: finds boxes by name.
    """

    kind: ClassVar[type[Need]] = BoxGeometry

    def __init__(self, pictures: Pictures, names: RegionNames) -> None:
        self.pictures = pictures
        self.names = names

    def ask(self, document: Document, need: BoxGeometry) -> Ask | Asset:
        if not any(medium.kind == "image" for medium in document.media):
            return Asset.absent("the document has no picture")
        if need.source == "whole":
            return Ask({"whole": True}, [(0.5, 0.5, 1.0, 1.0)])
        boxes = boxes_called(self.names, need.source)
        if isinstance(boxes, SideBoxes) and boxes.in_fractions:
            rows = boxes.fractions(document)
            return Ask({"fractions": rows}, rows)
        picture = self.pictures.first(document)
        if isinstance(picture, Asset):
            return picture
        depends = {"picture": picture.digest, "boxes": boxes.depends(document)}
        return Ask(depends, (document, picture))

    def compute(self, asks: Sequence[Ask], need: BoxGeometry) -> list[Arrays | Asset]:
        return [self._rows(ask.payload, need) for ask in asks]

    def _rows(self, payload: Any, need: BoxGeometry) -> Arrays | Asset:
        if isinstance(payload, list):
            rows = payload
        else:
            document, picture = payload
            try:
                image = picture.load()
                found = boxes_called(self.names, need.source)(document, picture.media, image)
            except ConfigError:
                raise
            except MagpieError as error:
                return Asset.absent(str(error))
            rows = [_fractions(box, image) for box in found]
        return {"boxes": np.array(rows[: need.count], np.float32).reshape(-1, 4)}


def boxes_called(names: RegionNames, source: str) -> Boxes:
    """Boxes by name.

    Raises:
        ConfigError: nobody gives any of that name.
    """
    found = names.boxes(source)
    if found is None:
        known = ", ".join(("whole", *names.known))
        raise ConfigError(f"nobody gives boxes called {source!r}", mend=f"There are: {known}.")
    return found


def whole_box(image: LoadedImage, media: str) -> Box:
    """The box that is the picture."""
    return Box(0, 0, image.width, image.height, media)


def _fractions(box: Box, image: LoadedImage) -> tuple[float, float, float, float]:
    return (
        (box.x1 + box.x2) / 2 / image.width,
        (box.y1 + box.y2) / 2 / image.height,
        box.width / image.width,
        box.height / image.height,
    )
