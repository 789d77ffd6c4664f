"""What a method wants to be handed beside the words of a document.

A need is a frozen value: two methods that write the same need share one computation and one cache
entry. :mod:`magpie.features` supplies it as an :class:`Asset`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from magpie._io import dump_json, text_digest
from magpie.errors import ConfigError
from magpie.vision import PixelSpec

__all__ = [
    "Asset",
    "Assets",
    "Crops",
    "Grid",
    "Need",
    "Pixels",
    "Pyramid",
    "RegionFeatures",
    "Texts",
]


@dataclass(frozen=True, slots=True)
class Need:
    """Root of all needs."""

    def describe(self) -> dict[str, Any]:
        """Its kind and settings, as they enter a cache key and a checkpoint's card."""
        return {"kind": type(self).__name__.lower(), **asdict(self)}

    @property
    def digest(self) -> str:
        """Stable key: equal needs have equal digests, on every machine."""
        return text_digest(dump_json(self.describe()))[:16]


@dataclass(frozen=True, slots=True)
class Pixels(Need):
    """The first picture, decoded, scaled and normalised: ``pixels`` float32 [3, side, side]."""

    spec: PixelSpec = field(default_factory=PixelSpec)


@dataclass(frozen=True, slots=True)
class Grid(Need):
    """Frozen features of a picture's cells: ``grid`` float32 [channels, rows, columns]."""

    backbone: str = "resnet-152"
    spec: PixelSpec = field(default_factory=lambda: PixelSpec(fit="crop"))
    cells: int = 7


@dataclass(frozen=True, slots=True)
class Crops(Need):
    """Cut-outs of a picture: ``pixels`` float32 [count, 3, side, side] and ``there`` bool [count].

    ``source`` is ``"whole"`` (the picture itself, repeated), ``"media"`` (the document's further
    pictures, where a corpus ships its cut-outs as files), or the name of a source of boxes (see
    :mod:`magpie.features.region_names`). Missing cut-outs are zeros, at the end.
    """

    source: str = "proposals"
    count: int = 3
    spec: PixelSpec = field(default_factory=PixelSpec)


@dataclass(frozen=True, slots=True)
class Pyramid(Need):
    """Frozen maps of every stage of a ResNet, of the picture and its cut-outs: ``maps`` float32
    [1 + count, C, 2, 2], the stages' channels side by side, and ``there`` bool [1 + count]. The
    whole picture comes first; what is not there has the maps of a black picture.

    ``crops`` and ``count`` are the ``source`` and ``count`` of :class:`Crops`.
    """

    backbone: str = "resnet-50"
    spec: PixelSpec = field(default_factory=lambda: PixelSpec(fit="crop"))
    crops: str = "media"
    count: int = 3


@dataclass(frozen=True, slots=True)
class RegionFeatures(Need):
    """Regions with feature vectors: ``boxes`` float32 [n, 4] in pixels, ``features`` [n, width],
    ``scores`` [n], ``size`` [2] (width, height of the picture), ``norm`` [] (Frobenius norm of the
    features of all regions, before any is cut off; 0 where there is none); n is at most ``count``.

    ``source`` names a folder of published files, or who proposes regions, such as ``"blobs"`` (see
    :mod:`magpie.features.region_names`); ``order`` is ``"file"`` (as published, or as they are
    proposed) or ``"score"`` (best first). Boxes are cut to the picture.

    Raises:
        ConfigError: another order, or a count or width below 1.
    """

    source: str = "vinvl"
    count: int = 36
    width: int = 2048
    order: Literal["file", "score"] = "file"

    def __post_init__(self) -> None:
        if self.order not in ("file", "score"):
            raise ConfigError(f"order must be file or score, got {self.order!r}")
        if self.count < 1 or self.width < 1:
            raise ConfigError(
                f"count and width must be at least 1, got {self.count} and {self.width}"
            )


@dataclass(frozen=True, slots=True)
class Texts(Need):
    """Texts of ``Document.context``, in the order of ``sources``; ``texts`` is a tuple of str.

    ``kinds`` are accepted when ``sources`` is empty.
    """

    sources: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ("caption",)


@dataclass(frozen=True, slots=True)
class Asset:
    """A need supplied, or the reason why it could not be.

    ``arrays`` holds what the need's docstring names. An absent asset has no arrays: a method must
    have a road of its own for it, and a score report counts it. ``parts`` are the assets of single
    pictures, by medium, where those were asked for (:class:`magpie.features.each.PerPicture`).
    """

    arrays: Mapping[str, npt.NDArray[np.generic]] = field(default_factory=dict)
    texts: tuple[str, ...] = ()
    present: bool = True
    reason: str = ""
    parts: Mapping[str, Asset] = field(default_factory=dict)

    @classmethod
    def absent(cls, reason: str) -> Asset:
        """Nothing, and why."""
        return cls(present=False, reason=reason)


#: everything supplied for one document
Assets = Mapping[Need, Asset]
