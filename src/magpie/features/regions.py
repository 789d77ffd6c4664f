"""Regions with feature vectors: read from published files, or made from the picture.

A source is the name of a folder of VinVL's ``.npz`` files, one a picture, or of a proposer.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np

from magpie._io import file_digest
from magpie.corpora.pictures import picture_name
from magpie.corpora.side import read_vinvl
from magpie.errors import ConfigError, MagpieError
from magpie.features.needs import Asset, Need, RegionFeatures
from magpie.features.proposals import BlobProposer, Proposals, Proposer, Seen
from magpie.features.source import Arrays, Ask, Picture, Pictures, Source
from magpie.schema import Document

__all__ = ["RegionSource"]

#: how the files of a picture are called, the published way first
_NAMES = ("{}.jpg.npz", "{}.npz")


class RegionSource(Source):
    """Boxes of a picture with their feature vectors.

    A damaged file, or one with NaN or infinity in it, is an absent asset with the reader's words.

    Args:
        folders: name of a source -> folder of its files.
        pictures: where pictures are read from, for regions that are made.
        proposers: name of a source -> who makes its regions; ``blobs`` is there already.
    """

    kind: ClassVar[type[Need]] = RegionFeatures
    version: ClassVar[int] = 2

    def __init__(
        self,
        folders: Mapping[str, str | os.PathLike[str]] | None = None,
        pictures: Pictures | None = None,
        proposers: Mapping[str, Proposer] | None = None,
    ) -> None:
        self.folders = {name: Path(folder) for name, folder in (folders or {}).items()}
        self.pictures = pictures or Pictures()
        self.proposers: dict[str, Proposer] = {"blobs": BlobProposer(), **(proposers or {})}

    def ask(self, document: Document, need: RegionFeatures) -> Ask | Asset:
        folder = self.folders.get(need.source)
        if folder is not None:
            return _published(document, folder)
        proposer = self._proposer(need)
        picture = self.pictures.first(document)
        if isinstance(picture, Asset):
            return picture
        depends = proposer.depends(document)
        return Ask({"picture": picture.digest, "regions": depends}, (document, picture))

    def compute(self, asks: Sequence[Ask], need: RegionFeatures) -> list[Arrays | Asset]:
        if need.source in self.folders:
            return [_read(cast(Path, ask.payload), need) for ask in asks]
        made: list[Arrays | Asset] = []
        seen: list[Seen] = []
        for ask in asks:
            document, picture = cast(tuple[Document, Picture], ask.payload)
            try:
                seen.append(Seen(document, picture.media, picture.load()))
                made.append({})
            except MagpieError as error:
                made.append(Asset.absent(str(error)))
        found = iter(self._proposer(need).propose(seen))
        return [m if isinstance(m, Asset) else _arrays(next(found), need) for m in made]

    def finish(self, arrays: Arrays, need: RegionFeatures) -> Asset:
        # A store keeps no array without an axis.
        return Asset({**arrays, "norm": arrays["norm"].reshape(())})

    def fingerprint(self, need: RegionFeatures) -> dict[str, Any]:
        found: dict[str, Any] = {"version": self.version}
        if need.source not in self.folders:
            found["proposer"] = self._proposer(need).fingerprint()
        return found

    def _proposer(self, need: RegionFeatures) -> Proposer:
        found = self.proposers.get(need.source)
        if found is None:
            raise ConfigError(
                f"nobody gives region features called {need.source!r}",
                mend="Name their folder: regions={'vinvl': 'FOLDER'}, or --regions vinvl=FOLDER.",
            )
        return found


def _published(document: Document, folder: Path) -> Ask | Asset:
    images = [medium for medium in document.media if medium.kind == "image"]
    name = picture_name(images[0]) if images else None
    if name is None:
        return Asset.absent("the document names no picture")
    for pattern in _NAMES:
        path = folder / pattern.format(name)
        if path.is_file():
            return Ask({"file": file_digest(path)}, path)
    return Asset.absent(f"no region features of {name!r} in {folder}")


def _read(path: Path, need: RegionFeatures) -> Arrays | Asset:
    try:
        found = read_vinvl(path)
    except MagpieError as error:
        return Asset.absent(str(error))
    regions = Proposals(
        width=found.width,
        height=found.height,
        boxes=found.boxes,
        features=found.features,
        scores=found.scores,
        labels=found.objects,
    )
    return _arrays(regions, need, where=str(path))


def _arrays(found: Proposals, need: RegionFeatures, *, where: str = "") -> Arrays:
    width = found.features.shape[1]
    if width != need.width:
        raise ConfigError(
            f"{need.source} has vectors of {width} numbers, the method wants {need.width}",
            where=where,
            mend=f"Set the width to {width}.",
        )
    rows = np.arange(len(found))
    if need.order == "score":
        rows = np.argsort(-found.scores, kind="stable")
    rows = rows[: need.count]
    # The published code divides by the norm of all rows, and cuts afterwards.
    norm = np.sqrt(np.square(found.features, dtype=np.float64).sum())
    return {
        "boxes": found.boxes[rows],
        "features": found.features[rows],
        "scores": found.scores[rows],
        "size": np.array([found.width, found.height], np.float32),
        "norm": np.array([norm], np.float32),
    }
