"""Published region features: VinVL's ``.npz`` files, one a picture."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, cast

import numpy as np

from magpie._io import file_digest
from magpie.corpora.pictures import picture_name
from magpie.corpora.side import read_vinvl
from magpie.errors import ConfigError, MagpieError
from magpie.features.needs import Asset, Need, RegionFeatures
from magpie.features.source import Arrays, Ask, Source
from magpie.schema import Document

__all__ = ["RegionSource"]

#: how the files of a picture are called, the published way first
_NAMES = ("{}.jpg.npz", "{}.npz")


class RegionSource(Source):
    """The best-scored boxes of a picture, with their feature vectors.

    A damaged file, or one with NaN or infinity in it, is an absent asset with the reader's words.

    Args:
        folders: name of a source -> folder of its files.
    """

    kind: ClassVar[type[Need]] = RegionFeatures

    def __init__(self, folders: Mapping[str, str | os.PathLike[str]] | None = None) -> None:
        self.folders = {name: Path(folder) for name, folder in (folders or {}).items()}

    def ask(self, document: Document, need: RegionFeatures) -> Ask | Asset:
        folder = self.folders.get(need.source)
        if folder is None:
            raise ConfigError(
                f"nobody gives region features called {need.source!r}",
                mend="Name their folder: regions={'vinvl': 'FOLDER'}, or --regions vinvl=FOLDER.",
            )
        images = [medium for medium in document.media if medium.kind == "image"]
        name = picture_name(images[0]) if images else None
        if name is None:
            return Asset.absent("the document names no picture")
        for pattern in _NAMES:
            path = folder / pattern.format(name)
            if path.is_file():
                return Ask({"file": file_digest(path)}, path)
        return Asset.absent(f"no region features of {name!r} in {folder}")

    def compute(self, asks: Sequence[Ask], need: RegionFeatures) -> list[Arrays | Asset]:
        return [_read(cast(Path, ask.payload), need) for ask in asks]


def _read(path: Path, need: RegionFeatures) -> Arrays | Asset:
    try:
        found = read_vinvl(path)
    except MagpieError as error:
        return Asset.absent(str(error))
    width = found.features.shape[1]
    if width != need.width:
        raise ConfigError(
            f"{need.source} has vectors of {width} numbers, the method wants {need.width}",
            where=str(path),
            mend=f"Set the width to {width}.",
        )
    best = np.argsort(-found.scores, kind="stable")[: need.count]
    return {
        "boxes": found.boxes[best],
        "features": found.features[best],
        "scores": found.scores[best],
        "size": np.array([found.width, found.height], np.float32),
    }
