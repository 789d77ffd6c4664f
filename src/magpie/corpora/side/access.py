"""The way in to side files: rows as they stand, and regions by picture or row."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from magpie.corpora.anomaly import Report, ignore
from magpie.corpora.side.context import read_part
from magpie.corpora.side.places import RELEASE_SIZE, box_from_fractions, fractions_from_box
from magpie.corpora.side.rows import Places, Row, Target
from magpie.corpora.side.table import SOURCES, source
from magpie.corpora.source import resolve_root
from magpie.errors import ConfigError
from magpie.schema import Region

__all__ = ["FRACTIONS", "read", "regions"]

#: sources of boxes in fractions of the picture
FRACTIONS = ("focalmre-detector", "focalmre-grounding")


def read(
    name: str,
    split: str,
    root: str | os.PathLike[str] | None = None,
    *,
    on_problem: Report | None = None,
) -> Iterator[Row]:
    """Streams the rows of a side source.

    Args:
        name: of the source; ``magpie corpora list`` shows all.
        split: ``"train"``, ``"dev"`` or ``"test"``; ``"twitter2015:train"`` where a source speaks
            of several corpora; or the name of a part as the source's card has it.
        root: the folder of all corpora (default: environment variable ``MAGPIE_DATA``).
        on_problem: as for :func:`magpie.corpora.load`.

    Raises:
        NotFoundError: no such source, split, root or file (at the call).
        FormatError: an unreadable record without ``on_problem``, or a file of another format (while
            streaming).
    """
    side = source(name)
    parts = side.resolve(split)
    place = resolve_root(root)
    report = ignore if on_problem is None else on_problem
    streams = [read_part(side, part, place, report) for part in parts]
    return (row for stream in streams for row in stream)


def regions(
    name: str,
    split: str,
    root: str | os.PathLike[str] | None = None,
    *,
    size: tuple[int, int] | None = None,
    on_problem: Report | None = None,
) -> Mapping[str, tuple[Region, ...]]:
    """What a detector proposed, by picture id or, where the source joins so, by row.

    Regions are in pixels of the picture that their medium names: ``m0`` is the post's own,
    ``generated`` one that was generated from its text.

    Args:
        name, split, root, on_problem: as for :func:`read`.
        size: width and height of the pictures at hand, for sources that write fractions
            (FocalMRE); without it those of MNRE's release, 800 x 600.

    Raises:
        NotFoundError, FormatError: as :func:`read`.
        ConfigError: the source holds no regions, or is written in pixels and ``size`` is given.
    """
    if size is not None and name not in FRACTIONS:
        raise ConfigError(
            f"{name} is not written in fractions, so size has no meaning", mend="Leave size out."
        )
    found: dict[str, tuple[Region, ...]] = {}
    for row in read(name, split, root, on_problem=on_problem):
        if not isinstance(row, Places | Target):
            raise ConfigError(
                f"{name} holds no regions: {source(name).title}",
                mend=f"Sources of regions: {', '.join(_with_regions())}.",
            )
        boxes = row.regions if size is None else tuple(_scaled(r, size) for r in row.regions)
        # Two targets of one picture may share a box.
        found[row.key] = tuple(dict.fromkeys((*found.get(row.key, ()), *boxes)))
    return found


def _with_regions() -> list[str]:
    # Crops are counted as regions too, but only their names are known.
    return [
        name
        for name, side in SOURCES.items()
        if any(part.counts.regions for part in side.parts.values())
        and not name.startswith(("tmr-crops", "riveg-gold"))
    ]


def _scaled(region: Region, size: tuple[int, int]) -> Region:
    if region.box is None:
        return region
    row = fractions_from_box(region.box, RELEASE_SIZE)
    return Region.of_box(box_from_fractions(row, size, region.media))
