"""Pixels and cut-outs. Kept as bytes, a quarter of what a network reads; normalised when read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from magpie.errors import ConfigError, MagpieError
from magpie.features.boxes import Boxes
from magpie.features.cuts import cut_out
from magpie.features.needs import Asset, Crops, Need, Pixels
from magpie.features.region_names import RegionNames
from magpie.features.source import Arrays, Ask, Picture, Pictures, Source
from magpie.schema import Document
from magpie.vision import network_square, normalise

__all__ = ["CropSource", "PixelSource"]


class PixelSource(Source):
    """The first picture as a network reads it."""

    kind: ClassVar[type[Need]] = Pixels

    def __init__(self, pictures: Pictures) -> None:
        self.pictures = pictures

    def ask(self, document: Document, need: Pixels) -> Ask | Asset:
        picture = self.pictures.first(document)
        if isinstance(picture, Asset):
            return picture
        return Ask({"picture": picture.digest}, picture)

    def compute(self, asks: Sequence[Ask], need: Pixels) -> list[Arrays | Asset]:
        return [_square(ask.payload, need) for ask in asks]

    def finish(self, arrays: Arrays, need: Pixels) -> Asset:
        return Asset({"pixels": normalise(arrays["square"], need.spec)})


def _square(picture: Picture, need: Pixels) -> Arrays | Asset:
    try:
        return {"square": network_square(picture.load(), need.spec)[0]}
    except MagpieError as error:
        return Asset.absent(str(error))


class CropSource(Source):
    """Cut-outs of the first picture.

    ``source`` of the need is ``"whole"`` (the picture itself, repeated), ``"media"`` (the
    document's further pictures, where a corpus ships its cut-outs as files), or a name of
    :mod:`magpie.features.region_names`.

    Args:
        pictures: where pictures are read from.
        names: finds boxes by name.
    """

    kind: ClassVar[type[Need]] = Crops

    def __init__(
        self,
        pictures: Pictures,
        names: RegionNames | None = None,
    ) -> None:
        self.pictures = pictures
        self.names = names or RegionNames()

    def ask(self, document: Document, need: Crops) -> Ask | Asset:
        if need.source == "media":
            return self._further(document, need)
        picture = self.pictures.first(document)
        if isinstance(picture, Asset):
            return picture
        if need.source == "whole":
            return Ask({"picture": picture.digest}, (document, picture))
        boxes = self._boxes(need).depends(document)
        return Ask({"picture": picture.digest, "boxes": boxes}, (document, picture))

    def _further(self, document: Document, need: Crops) -> Ask | Asset:
        images = [medium for medium in document.media if medium.kind == "image"]
        read = [self.pictures.read(medium) for medium in images[1:] if medium.present]
        found = [picture for picture in read if isinstance(picture, Picture)][: need.count]
        if not found:
            return Asset.absent("the document has no further pictures")
        return Ask({"pictures": [picture.digest for picture in found]}, found)

    def _boxes(self, need: Crops) -> Boxes:
        found = self.names.boxes(need.source)
        if found is None:
            known = ", ".join(("whole", "media", *self.names.known))
            raise ConfigError(
                f"nobody gives boxes called {need.source!r}", mend=f"There are: {known}."
            )
        return found

    def compute(self, asks: Sequence[Ask], need: Crops) -> list[Arrays | Asset]:
        return [self._cut(ask.payload, need) for ask in asks]

    def _cut(self, payload: Any, need: Crops) -> Arrays | Asset:
        try:
            if need.source == "media":
                images = [picture.load() for picture in payload]
            else:
                document, picture = payload
                image = picture.load()
                if need.source == "whole":
                    images = [image]
                else:
                    found = self._boxes(need)(document, picture.media, image)
                    images = [cut for box in found if (cut := cut_out(image, box)) is not None]
            squares = [network_square(image, need.spec)[0] for image in images[: need.count]]
        except ConfigError:
            raise
        except MagpieError as error:
            return Asset.absent(str(error))
        none = np.zeros((0, need.spec.side, need.spec.side, 3), np.uint8)
        return {"squares": np.stack(squares) if squares else none}

    def finish(self, arrays: Arrays, need: Crops) -> Asset:
        squares = arrays["squares"]
        if need.source == "whole":
            squares = np.repeat(squares, need.count, axis=0)
        side = need.spec.side
        pixels = np.zeros((need.count, 3, side, side), np.float32)
        pixels[: len(squares)] = normalise(squares, need.spec)
        there: npt.NDArray[np.bool_] = np.arange(need.count) < len(squares)
        return Asset({"pixels": pixels, "there": there})
