"""The objects that a document names, as pixels: what a task hands over, not what a detector finds.

For methods that are given regions (``Method.given``): their boxes are input by definition of the
task. The order is that of the annotations; what the regions are called, which entity they show and
how they are related is not looked at.

Shapes: n objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from magpie.errors import MagpieError
from magpie.features.cuts import cut_out
from magpie.features.needs import Asset, Need
from magpie.features.source import Arrays, Ask, Picture, Pictures, Source
from magpie.schema import Box, Document, Media, Region
from magpie.vision import LoadedImage, PixelSpec, network_square, normalise

__all__ = [
    "GivenObjects",
    "ObjectCrops",
    "ObjectSource",
    "box_in",
    "given_objects",
    "load_pictures",
    "object_places",
    "relative_place",
]

#: (centre x, centre y, width, height, area) as shares of the picture
Place = tuple[float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class ObjectCrops(Need):
    """Cut-outs of the given objects: ``pixels`` float32 [n, 3, side, side] (zeros where an object's
    own picture cannot be read), ``places`` float32 [n, 5] (centre, size and area as shares of the
    picture; zeros where its size is unknown); n is at most ``count``.

    Boxes are cut to their picture; a region without box is the whole of it.
    """

    count: int = 10
    spec: PixelSpec = field(default_factory=PixelSpec)


def given_objects(document: Document, count: int) -> list[Region]:
    """The regions of a document's pictures, each once, in their order; at most ``count``.

    Where there are more, those that a listed pair asks for stay.
    """
    given = document.annotations
    if given is None:
        return []
    pictures = {medium.id for medium in document.media if medium.kind == "image"}
    found: dict[Any, Region] = {}
    for region in given.all_regions():
        if region.media in pictures and region.time is None:
            found.setdefault(region.id or (region.media, region.box), region)
    asked = {relation.tail for relation in given.relations}
    regions = list(found.values())
    # Stable: those that are asked for first, each part in its order.
    ranked = sorted(range(len(regions)), key=lambda n: regions[n].id not in asked)
    return [regions[n] for n in sorted(ranked[:count])]


def box_in(region: Region, width: float, height: float) -> Box | None:
    """The region's box inside a picture of that size; None where it lies outside."""
    whole = Box(0, 0, width, height, region.media)
    return (region.box or whole).clipped(width, height)


def relative_place(region: Region, size: tuple[float, float] | None) -> Place:
    """Centre, size and area of a region as shares of a picture of ``size`` (width, height)."""
    box = None if size is None else box_in(region, *size)
    if box is None or size is None:
        return 0.0, 0.0, 0.0, 0.0, 0.0
    wide, high = (box.x2 - box.x1) / size[0], (box.y2 - box.y1) / size[1]
    across, down = (box.x1 + box.x2) / (2 * size[0]), (box.y1 + box.y2) / (2 * size[1])
    return across, down, wide, high, wide * high


def object_places(document: Document, regions: Sequence[Region]) -> list[Place]:
    """The places of regions by what the document says of its pictures' sizes, none being read."""
    sizes = {medium.id: _size(medium) for medium in document.media}
    return [relative_place(region, sizes.get(region.media)) for region in regions]


def _size(medium: Media) -> tuple[float, float] | None:
    if medium.width is None or medium.height is None:
        return None
    return float(medium.width), float(medium.height)


class GivenObjects(Source):
    """What sources of given objects have in common: they ask for regions and read their pictures.

    Args:
        pictures: where pictures are read from.
    """

    def __init__(self, pictures: Pictures) -> None:
        self.pictures = pictures

    def ask(self, document: Document, need: Any) -> Ask | Asset:
        regions = given_objects(document, need.count)
        if not regions:
            return Asset.absent("the document names no objects of its pictures")
        read: dict[str, Picture] = {}
        reason = "the document has no picture"
        for medium in document.media:
            if all(region.media != medium.id for region in regions):
                continue
            picture = self.pictures.read(medium) if medium.present else medium.missing
            if isinstance(picture, Picture):
                read[medium.id] = picture
            elif picture is not None:
                reason = picture.reason if isinstance(picture, Asset) else picture
        if not read:
            return Asset.absent(reason)
        depends = {
            "pictures": {name: picture.digest for name, picture in sorted(read.items())},
            "boxes": [[r.media, None if r.box is None else list(r.box.xyxy)] for r in regions],
        }
        return Ask(depends, (document, regions, read))


def load_pictures(pictures: dict[str, Picture]) -> dict[str, LoadedImage]:
    """Those that can be decoded.

    Raises:
        MagpieError: none can.
    """
    found: dict[str, LoadedImage] = {}
    problem: MagpieError | None = None
    for name, picture in pictures.items():
        try:
            found[name] = picture.load()
        except MagpieError as error:
            problem = error
    if problem is not None and not found:
        raise problem
    return found


class ObjectSource(GivenObjects):
    """Cut-outs of the given objects. Kept as bytes, normalised when read."""

    kind: ClassVar[type[Need]] = ObjectCrops

    def compute(self, asks: Sequence[Ask], need: ObjectCrops) -> list[Arrays | Asset]:
        return [_cut(ask, need) for ask in asks]

    def finish(self, arrays: Arrays, need: ObjectCrops) -> Asset:
        pixels = normalise(arrays["squares"], need.spec)
        pixels[~arrays["there"]] = 0.0
        return Asset({"pixels": pixels, "places": arrays["places"]})


def _cut(ask: Ask, need: ObjectCrops) -> Arrays | Asset:
    document, regions, read = ask.payload
    try:
        images = load_pictures(read)
    except MagpieError as error:
        return Asset.absent(str(error))
    side = need.spec.side
    squares = np.zeros((len(regions), side, side, 3), np.uint8)
    there = np.zeros(len(regions), np.bool_)
    places = np.array(object_places(document, regions), np.float32)
    for row, region in enumerate(regions):
        image = images.get(region.media)
        if image is None:
            continue
        places[row] = relative_place(region, (image.width, image.height))
        box = box_in(region, image.width, image.height)
        cut = None if box is None else cut_out(image, box)
        if cut is not None:
            squares[row], there[row] = network_square(cut, need.spec)[0], True
    return {"squares": squares, "there": there, "places": places}
