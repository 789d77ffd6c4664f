"""What a trained method could see of a document's pictures, and what it could not."""

from __future__ import annotations

import dataclasses
import os
import re
from typing import TYPE_CHECKING, NamedTuple

from magpie.errors import CODES, MagpieError
from magpie.schema import Document, Media, Problem
from magpie.vision import ImageLimits, read_picture
from magpie.vision.header import picture_size

if TYPE_CHECKING:
    from magpie.features import Asset, Assets

__all__ = ["Sight", "sight_of", "with_sizes"]

#: the code at the end of the reason for an absent asset, where it comes from an error
_CODE = re.compile(r" \[([a-z-]+)\]$")
_NO_REGIONS = (
    "Name the folder that has them with --regions NAME=FOLDER; the text was read without a picture."
)


class Sight(NamedTuple):
    """What of a document's pictures was not seen.

    ``problems`` say why. ``blind`` holds the ids of the pictures for which a method that picks
    among candidate regions had none; None among them stands for whatever names no picture.
    """

    problems: tuple[Problem, ...]
    blind: frozenset[str | None]

    def sees(self, media: str | None) -> bool:
        """Whether somebody could look for an entity whose block names this picture."""
        return media not in self.blind and not (media is None and self.blind)


def sight_of(document: Document, assets: Assets, *, regions_wanted: bool = True) -> Sight:
    """What was seen with these assets.

    A document without pictures, or whose reader said that they are missing, has no problem.

    Args:
        document: as the method read it.
        assets: what was supplied for it.
        regions_wanted: whether it is a problem that candidate regions lack.
    """
    from magpie.features import Grid, Pixels, RegionFeatures
    from magpie.features.each import PerPicture, inner
    from magpie.features.generated import Generated
    from magpie.features.objects import ObjectCrops

    kinds = (Pixels, Grid, RegionFeatures) if regions_wanted else (Pixels, Grid)
    images = [medium for medium in document.media if medium.kind == "image"]
    named = {medium.id: medium for medium in images}
    first = images[0] if images else None
    problems: dict[tuple[str, str], Problem] = {}
    blind: set[str | None] = set()
    for need, asset in assets.items():
        if isinstance(need, Generated):
            continue  # few posts have one, and methods have a road without it
        parts: list[tuple[Media | None, Asset]] = [(first, asset)]
        if isinstance(need, PerPicture):
            parts = [(named.get(name), part) for name, part in asset.parts.items()]
        for medium, part in parts:
            if part.present:
                continue
            if isinstance(inner(need), RegionFeatures):
                blind |= {None if medium is None else medium.id}
            # Nobody need name objects; but a picture that cannot be read is told of.
            wanted = isinstance(inner(need), kinds) or (
                isinstance(inner(need), ObjectCrops) and _CODE.search(part.reason)
            )
            if wanted and medium is not None and medium.missing is None:
                problem = _problem(part.reason, medium)
                problems.setdefault((problem.where, problem.message), problem)
        if isinstance(inner(need), RegionFeatures) and not asset.present:
            blind |= {None, *named}
    return Sight(tuple(problems[key] for key in sorted(problems)), frozenset(blind))


def _problem(reason: str, medium: Media) -> Problem:
    known = _CODE.search(reason)
    where = f"medium {medium.id!r}"
    if known is not None and known[1] in CODES:
        return Problem(code=known[1], message=_CODE.sub("", reason), where=where)
    return Problem(code="features-absent", message=reason, where=where, mend=_NO_REGIONS)


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
