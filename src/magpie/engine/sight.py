"""What a trained method could see of a document's pictures, and what it could not."""

from __future__ import annotations

import dataclasses
import os
import re
from typing import TYPE_CHECKING

from magpie.errors import CODES, MagpieError
from magpie.schema import Document, Media, Problem
from magpie.vision import ImageLimits, read_picture
from magpie.vision.header import picture_size

if TYPE_CHECKING:
    from magpie.features import Assets

__all__ = ["problems_of", "with_sizes"]

#: the code at the end of the reason for an absent asset, where it comes from an error
_CODE = re.compile(r" \[([a-z-]+)\]$")
_NO_REGIONS = (
    "Name the folder that has them with --regions NAME=FOLDER; the text was read without a picture."
)


def problems_of(
    document: Document, assets: Assets, *, regions_wanted: bool = True
) -> tuple[tuple[Problem, ...], bool]:
    """Why pictures of a document were not seen, and whether candidate regions lacked altogether.

    A document without pictures, or whose reader said that they are missing, has no problem.

    Args:
        document: as the method read it.
        assets: what was supplied for it.
        regions_wanted: whether it is a problem that candidate regions lack.
    """
    from magpie.features import Grid, Pixels, RegionFeatures

    regions = [asset for need, asset in assets.items() if isinstance(need, RegionFeatures)]
    blind = bool(regions) and not any(asset.present for asset in regions)
    picture = next((m for m in document.media if m.kind == "image" and m.missing is None), None)
    if picture is None:
        return (), blind
    found: dict[str, Problem] = {}
    for need, asset in assets.items():
        kinds = (Pixels, Grid, RegionFeatures) if regions_wanted else (Pixels, Grid)
        if asset.present or not isinstance(need, kinds):
            continue
        known = _CODE.search(asset.reason)
        told = known is not None and known[1] in CODES
        found.setdefault(
            asset.reason,
            Problem(
                code=known[1] if known is not None and told else "features-absent",
                message=_CODE.sub("", asset.reason) if told else asset.reason,
                where=f"medium {picture.id!r}",
                mend="" if told else _NO_REGIONS,
            ),
        )
    return tuple(found[reason] for reason in sorted(found)), blind


def with_sizes(
    document: Document, root: str | os.PathLike[str] | None, limits: ImageLimits | None
) -> Document:
    """The document with the sizes of its pictures, which boxes refer to, read off their headers.

    A picture that is not there, or cannot be read, keeps what it has.
    """
    media = tuple(_sized(medium, root, limits) for medium in document.media)
    return document if media == document.media else dataclasses.replace(document, media=media)


def _sized(medium: Media, root: str | os.PathLike[str] | None, limits: ImageLimits | None) -> Media:
    if medium.kind != "image" or not medium.present or medium.width is not None:
        return medium
    try:
        width, height = picture_size(
            read_picture(medium, root=root, limits=limits), where=medium.id
        )
    except MagpieError:
        return medium  # whoever needs its pixels says why
    return dataclasses.replace(medium, width=width, height=height)
