"""Regions with feature vectors: read from published files, or made from the picture.

A source is the name of a folder of VinVL's ``.npz`` files, one a picture, or a name of
:mod:`magpie.features.region_names`.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np

from magpie._io import file_digest
from magpie.corpora.anomaly import Anomaly
from magpie.corpora.pictures import picture_name
from magpie.corpora.side import read_vinvl
from magpie.errors import ConfigError, FormatError, MagpieError, MediaError
from magpie.features.needs import Asset, Need, RegionFeatures
from magpie.features.proposals import Proposals, Seen, tidied
from magpie.features.region_names import RegionNames
from magpie.features.source import Arrays, Ask, Picture, Pictures, Source
from magpie.schema import Document

__all__ = ["RegionSource", "region_file_name"]

#: how the files of a picture are called, the published way first
_NAMES = ("{}.jpg.npz", "{}.npz")


class RegionSource(Source):
    """Boxes of a picture with their feature vectors.

    A box that leaves its picture is cut to it, one outside is left out; the asset's reason counts
    them. A damaged file, or features with NaN or infinity in them, are an absent asset. A picture
    without any region is a present asset of no rows.

    Args:
        folders: name of a source -> folder of its files.
        pictures: where pictures are read from, for regions that are made.
        names: finds who makes regions.
    """

    kind: ClassVar[type[Need]] = RegionFeatures
    version: ClassVar[int] = 2

    def __init__(
        self,
        folders: Mapping[str, str | os.PathLike[str]] | None = None,
        pictures: Pictures | None = None,
        names: RegionNames | None = None,
    ) -> None:
        self.folders = {name: Path(folder) for name, folder in (folders or {}).items()}
        self.pictures = pictures or Pictures()
        self.names = names or RegionNames()

    def ask(self, document: Document, need: RegionFeatures) -> Ask | Asset:
        if need.source not in self.folders:
            self.names.proposer(need.source)  # bare boxes are no regions with features
        return self.bare_ask(document, need.source)

    def compute(self, asks: Sequence[Ask], need: RegionFeatures) -> list[Arrays | Asset]:
        found = self.bare_regions(asks, need.source)
        return [r if isinstance(r, Asset) else _arrays(r, need) for r in found]

    def finish(self, arrays: Arrays, need: RegionFeatures) -> Asset:
        kept = dict(arrays)
        clipped, outside = (int(number) for number in kept.pop("mended"))
        # A store keeps no array without an axis.
        kept["norm"] = kept["norm"].reshape(())
        return Asset(kept, reason=_mended(clipped, outside))

    def fingerprint(self, need: RegionFeatures) -> dict[str, Any]:
        if need.source not in self.folders:
            self.names.proposer(need.source)
        return self.bare_fingerprint(need.source)

    def bare_fingerprint(self, source: str) -> dict[str, Any]:
        """As :meth:`fingerprint`, for boxes that nobody describes as well."""
        found: dict[str, Any] = {"version": self.version}
        if source not in self.folders:
            found["proposer"] = self.names.proposer(source, bare=True).fingerprint()
        return found

    def regions(self, documents: Sequence[Document], source: str) -> list[Proposals | Asset]:
        """All regions of each document's first picture, in their own order, whatever their width,
        boxes that nobody describes included.

        Nothing is kept; an absent asset says why there are none.

        Raises:
            ConfigError: nobody gives regions of that name.
            ModelError: a network is not on this machine.
        """
        asks = [self.bare_ask(document, source) for document in documents]
        found = iter(self.bare_regions([ask for ask in asks if isinstance(ask, Ask)], source))
        return [ask if isinstance(ask, Asset) else next(found) for ask in asks]

    def bare_ask(self, document: Document, source: str) -> Ask | Asset:
        """What a document's regions depend on; boxes that nobody describes are regions, too."""
        folder = self.folders.get(source)
        if folder is not None:
            return _published(document, folder)
        depends = self.names.proposer(source, bare=True).depends(document)
        picture = self.pictures.first(document)
        if isinstance(picture, Asset):
            return picture
        return Ask({"picture": picture.digest, "regions": depends}, (document, picture))

    def bare_regions(self, asks: Sequence[Ask], source: str) -> list[Proposals | Asset]:
        """What :meth:`regions` gives, of documents that :meth:`bare_ask` was asked of."""
        if source in self.folders:
            return [_read(cast(Path, ask.payload)) for ask in asks]
        proposer = self.names.proposer(source, bare=True)
        made: list[Proposals | Asset] = []
        for begin in range(0, len(asks), proposer.batch):
            made += _propose(proposer.propose, asks[begin : begin + proposer.batch])
        return made


def _propose(propose: Any, asks: Sequence[Ask]) -> list[Proposals | Asset]:
    made: list[Proposals | Asset | None] = []
    seen: list[Seen] = []
    for ask in asks:
        document, picture = cast(tuple[Document, Picture], ask.payload)
        try:
            seen.append(Seen(document, picture.media, picture.load()))
            made.append(None)
        except MagpieError as error:
            made.append(Asset.absent(str(error)))
    try:
        found = iter(propose(seen) if seen else ())
    except (FormatError, MediaError) as error:
        # Of one picture: whoever takes several at once finds no fault with any.
        why = Asset.absent(str(error))
        return [why if part is None else part for part in made]
    return [_checked(next(found)) if part is None else part for part in made]


def _checked(found: Proposals) -> Proposals | Asset:
    try:
        return tidied(found)
    except MagpieError as error:
        return Asset.absent(str(error))


def _published(document: Document, folder: Path) -> Ask | Asset:
    name = region_file_name(document)
    if name is None:
        return Asset.absent("the document names no picture")
    for pattern in _NAMES:
        path = folder / pattern.format(name)
        if path.is_file():
            return Ask({"file": file_digest(path)}, path)
    return Asset.absent(f"no region features of {name!r} in {folder}")


def region_file_name(document: Document) -> str | None:
    """What the region file of the first picture is called, before ``.jpg.npz``: the picture's
    name, or the first digits of its content's SHA-256 where it never was a file."""
    images = [medium for medium in document.media if medium.kind == "image"]
    if not images:
        return None
    name = picture_name(images[0])
    if name is None and images[0].data is not None:
        return hashlib.sha256(images[0].data).hexdigest()[:32]
    return name


def _read(path: Path) -> Proposals | Asset:
    odd: list[Anomaly] = []
    try:
        found = read_vinvl(path, on_problem=odd.append)
    except MagpieError as error:
        return Asset.absent(str(error))
    kinds = [anomaly.kind for anomaly in odd]
    return Proposals(
        width=found.width,
        height=found.height,
        boxes=found.boxes,
        features=found.features,
        scores=found.scores,
        labels=found.objects,
        clipped=kinds.count("box-clipped"),
        outside=kinds.count("box-skipped"),
    )


def _arrays(found: Proposals, need: RegionFeatures) -> Arrays:
    width = found.features.shape[1]
    if width != need.width:
        raise ConfigError(
            f"{need.source} has vectors of {width} numbers, the method wants {need.width}",
            where=need.source,
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
        "mended": np.array([found.clipped, found.outside], np.int64),
    }


def _mended(clipped: int, outside: int) -> str:
    parts = []
    if clipped:
        parts.append(f"{clipped} regions left the picture and were cut to it")
    if outside:
        parts.append(f"{outside} regions outside the picture were left out")
    return "; ".join(parts)
