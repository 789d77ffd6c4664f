"""How far the given objects are away: depth beside colour, read from files or estimated.

A source is a folder of published maps, ``npz:FOLDER`` with a file ``<picture>.npz`` a picture whose
array ``depth_map`` [rows, columns] covers the whole picture, or the name of a monocular estimator
(:func:`magpie.backbones.depth.load_depth`).
"""

from __future__ import annotations

import zipfile
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from magpie._io import file_digest
from magpie.corpora.pictures import picture_name
from magpie.errors import FormatError, MagpieError
from magpie.features.cuts import corners_of
from magpie.features.needs import Asset, Need
from magpie.features.objects import GivenObjects, box_in, load_pictures
from magpie.features.source import Arrays, Ask, Picture, Pictures
from magpie.schema import Document, Region
from magpie.vision import LoadedImage

if TYPE_CHECKING:
    from magpie.backbones.depth import DepthEstimator

__all__ = ["FILES", "DepthSource", "ObjectDepth", "read_depth_map", "sample_depth"]

#: what the name of a folder of maps begins with
FILES = "npz:"
#: largest map, in places
_MAX_PLACES = 1 << 26
#: maps that are kept, the last ones used: facts of one picture come one after the other
_MAPS = 8

Map = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class ObjectDepth(Need):
    """Depth of the given objects: ``depth`` float32 [n, 1, side, side] in the units of the source
    and ``there`` bool [n]; n is at most ``count``, see :class:`ObjectCrops`.

    By default the same part of the box is seen as by ``ObjectCrops`` with ``fit="centre"``;
    ``squash`` scales the whole box to a square, whatever the colours do.
    """

    source: str = "npz:"
    count: int = 10
    side: int = 64
    squash: bool = False

    def describe(self) -> dict[str, Any]:
        # A folder says where the maps lie, not what is in them: their digests are in the key.
        source = FILES if self.source.startswith(FILES) else self.source
        own = {"source": source, "count": self.count, "side": self.side, "squash": self.squash}
        return {"kind": "objectdepth", **own}


class DepthSource(GivenObjects):
    """Maps of whole pictures, sampled at the nearest place.

    Args:
        pictures: where pictures are read from.
        device: that an estimator runs on.
        load: finds an estimator by name; replaced by those who hold it already.
    """

    kind: ClassVar[type[Need]] = ObjectDepth

    def __init__(
        self,
        pictures: Pictures,
        *,
        device: str = "cpu",
        load: Callable[[str], DepthEstimator] | None = None,
    ) -> None:
        super().__init__(pictures)
        self._device = device
        self._load = load
        self._loaded: dict[str, tuple[DepthEstimator, str]] = {}
        self._maps: OrderedDict[tuple[str, str], Map] = OrderedDict()

    def ask(self, document: Document, need: ObjectDepth) -> Ask | Asset:
        found = super().ask(document, need)
        if isinstance(found, Asset) or not need.source.startswith(FILES):
            return found
        files, read = {}, found.payload[2]
        for medium in document.media:
            name = picture_name(medium) if medium.id in read else None
            path = Path(need.source.removeprefix(FILES)) / f"{Path(name or '').name}.npz"
            if name and path.is_file():
                files[medium.id] = path
        if not files:
            return Asset.absent(f"no depth map of the picture in {need.source}")
        digests = {name: file_digest(path) for name, path in sorted(files.items())}
        return Ask({**found.depends, "files": digests}, (*found.payload, files))

    def compute(self, asks: Sequence[Ask], need: ObjectDepth) -> list[Arrays | Asset]:
        return [self._sampled(ask, need) for ask in asks]

    def fingerprint(self, need: ObjectDepth) -> dict[str, Any]:
        found: dict[str, Any] = {"version": self.version}
        if not need.source.startswith(FILES):
            estimator, digest = self._estimator(need.source)
            found |= {"estimator": digest, "pixels": str(estimator.pixels)}
        return found

    def _sampled(self, ask: Ask, need: ObjectDepth) -> Arrays | Asset:
        regions: list[Region] = ask.payload[1]
        read: dict[str, Picture] = ask.payload[2]
        files: dict[str, Path] | None = ask.payload[3] if len(ask.payload) > 3 else None
        depth = np.zeros((len(regions), 1, need.side, need.side), np.float32)
        there = np.zeros(len(regions), np.bool_)
        try:
            images = load_pictures(read)
            maps: dict[str, Map] = {}
            for name, image in images.items():
                if files is None:
                    maps[name] = self._estimated(need.source, read[name].digest, image)
                elif name in files:
                    maps[name] = read_depth_map(files[name])
        except MagpieError as error:
            return Asset.absent(str(error))
        for row, region in enumerate(regions):
            if region.media in maps:
                image = images[region.media]
                found = sample_depth(
                    maps[region.media], image, region, need.side, squash=need.squash
                )
                if found is not None:
                    depth[row, 0], there[row] = found, True
        return {"depth": depth, "there": there}

    def _estimated(self, name: str, digest: str, image: LoadedImage) -> Map:
        key = (name, digest)
        if key not in self._maps:
            self._maps[key] = self._estimator(name)[0].estimate([image])[0]
            if len(self._maps) > _MAPS:
                self._maps.popitem(last=False)
        self._maps.move_to_end(key)
        return self._maps[key]

    def _estimator(self, name: str) -> tuple[DepthEstimator, str]:
        if name not in self._loaded:
            from magpie.backbones.depth import load_depth

            found = (self._load or load_depth)(name).freeze().to(self._device)
            self._loaded[name] = (found, found.weights_digest())
        return self._loaded[name]


def read_depth_map(path: Path) -> Map:
    """The array ``depth_map`` of a published file, [rows, columns].

    Raises:
        FormatError: no such array, another rank, none or too many places, or no finite numbers.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            found = archive["depth_map"]
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise FormatError(
            f"expected an array depth_map in a .npz file, came {type(error).__name__}: {error}",
            where=str(path),
        ) from error
    if found.ndim != 2 or not 0 < found.size <= _MAX_PLACES or found.dtype.kind not in "fiu":
        raise FormatError(
            f"expected depth_map of numbers [rows, columns], came {found.dtype} {found.shape}",
            where=str(path),
        )
    values = np.asarray(found, np.float32)
    if not np.isfinite(values).all():
        raise FormatError("depth_map holds NaN or infinity", where=str(path))
    return values


def sample_depth(
    depth: Map, image: LoadedImage, region: Region, side: int, *, squash: bool = False
) -> Map | None:
    """[side, side] of a region, each place the nearest of the map; None outside the picture.

    Args:
        depth: of the whole picture, of any size.
        image: the picture.
        region: in it.
        side: of the square.
        squash: both sides of the box are scaled to ``side`` on their own, as the public code does
            it; else the shorter one is, and the middle of the other is kept, as CLIP reads colours.
    """
    rows, columns = depth.shape
    box = box_in(region, image.width, image.height)
    corners = None if box is None else corners_of(image, box)
    if box is None or corners is None:
        return None
    if squash:
        # Whole places of the map, ends rounded down; at least one.
        x1, x2 = (int(columns * x / image.width) for x in (box.x1, box.x2))
        y1, y2 = (int(rows * y / image.height) for y in (box.y1, box.y2))
        x1, y1 = min(x1, columns - 1), min(y1, rows - 1)
        part = depth[y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)]
        down, across = (np.arange(side) * size // side for size in part.shape)
        return part[down[:, None], across[None]]
    left, top, right, bottom = corners
    wide, high = right - left, bottom - top
    factor = side / min(wide, high)
    scaled = (max(side, round(wide * factor)), max(side, round(high * factor)))
    # Middles of the square's pixels, in pixels of the picture that was loaded.
    x = left + (np.arange(side) + 0.5 + (scaled[0] - side) // 2) * wide / scaled[0]
    y = top + (np.arange(side) + 0.5 + (scaled[1] - side) // 2) * high / scaled[1]
    loaded_rows, loaded_columns = image.pixels.shape[:2]
    across = np.minimum((x / loaded_columns * columns).astype(int), columns - 1)
    down = np.minimum((y / loaded_rows * rows).astype(int), rows - 1)
    return depth[down[:, None], across[None]]
