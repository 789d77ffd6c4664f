"""Where the boxes of cut-outs come from: published files, or a function handed in from above.

Detectors live in rooms above this one, so they are passed in by name; see
:class:`magpie.features.supply.Supplier`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from magpie.corpora import side
from magpie.corpora.pictures import picture_name
from magpie.corpora.side.context import key_of
from magpie.errors import ConfigError
from magpie.features.source import first_picture
from magpie.schema import Box, Document, Media, Region
from magpie.vision import LoadedImage

__all__ = ["Boxes", "BoxesOf", "PublishedBoxes", "SideBoxes", "by_picture"]


class Boxes(Protocol):
    """Gives the boxes of a document's first picture, best first."""

    def depends(self, document: Document) -> Any:
        """What the boxes depend on beside the picture, as JSON; it enters the cache key."""
        ...

    def __call__(self, document: Document, media: str, image: LoadedImage) -> Sequence[Box]:
        """Boxes in pixels of the picture ``media``."""
        ...


class BoxesOf:
    """A function of the picture alone, such as a detector.

    Args:
        find: (medium id, picture) -> boxes, best first.
        version: name and version of the function; another one means other cache entries.
    """

    def __init__(self, find: Callable[[str, LoadedImage], Sequence[Box]], *, version: str) -> None:
        self._find = find
        self._version = version

    def depends(self, document: Document) -> Any:
        return self._version

    def __call__(self, document: Document, media: str, image: LoadedImage) -> Sequence[Box]:
        return self._find(media, image)


def by_picture(document: Document) -> str | None:
    """The key of sources that list boxes by picture: the name of its file, without ending."""
    medium = first_picture(document)
    return None if medium is None else picture_name(medium)


class PublishedBoxes:
    """Boxes that were read already.

    Args:
        regions: by key.
        key: finds a document's key; the default is its picture.
    """

    def __init__(
        self,
        regions: Mapping[str, Sequence[Region]],
        *,
        key: Callable[[Document], str | None] = by_picture,
    ) -> None:
        self._regions = regions
        self._key = key

    def depends(self, document: Document) -> Any:
        return [list(box.xyxy) for box in self._boxes(document)]

    def __call__(self, document: Document, media: str, image: LoadedImage) -> Sequence[Box]:
        return [Box(*box.xyxy, media) for box in self._boxes(document)]

    def _boxes(self, document: Document) -> list[Box]:
        key, medium = self._key(document), first_picture(document)
        regions = () if key is None else self._regions.get(key, ())
        # Some sources also list boxes of pictures that were generated from the text.
        return [r.box for r in regions if r.box is not None and medium and r.media == medium.id]


class SideBoxes:
    """Boxes of a side source of :mod:`magpie.corpora`, read when the first document asks.

    Args:
        name: of the source, such as ``focalmre-detector``.
        root: the folder of all corpora (default: ``MAGPIE_DATA``).

    Raises:
        NotFoundError: no such source.
    """

    def __init__(self, name: str, root: str | os.PathLike[str] | None = None) -> None:
        self._side = side.source(name)
        self._root = root
        self._tables: dict[str, Mapping[str, tuple[Region, ...]]] = {}

    def depends(self, document: Document) -> Any:
        return [list(box.xyxy) for box in self._boxes(document)]

    def __call__(self, document: Document, media: str, image: LoadedImage) -> Sequence[Box]:
        boxes = self._boxes(document)
        if self._side.name not in side.FRACTIONS:
            return [Box(*box.xyxy, media) for box in boxes]
        # Written as fractions, read in pixels of the release; the picture here may be another size.
        across, down = image.width / side.RELEASE_SIZE[0], image.height / side.RELEASE_SIZE[1]
        return [
            Box(box.x1 * across, box.y1 * down, box.x2 * across, box.y2 * down, media)
            for box in boxes
        ]

    @property
    def in_fractions(self) -> bool:
        """Whether its boxes were published as fractions, and so are known without the picture."""
        return self._side.name in side.FRACTIONS

    def fractions(self, document: Document) -> list[tuple[float, ...]]:
        """(centre x, centre y, width, height) of the boxes of the document's first picture as
        fractions of it, whether the picture is there or not.

        Raises:
            ConfigError: the source is written in pixels, or says nothing of the document's split.
        """
        if not self.in_fractions:
            raise ConfigError(f"{self._side.name} is written in pixels of pictures, not fractions")
        medium = next((m for m in document.media if m.kind == "image"), None)
        return [side.fractions_from_box(box)[:4] for box in self._listed(document, medium)]

    def _boxes(self, document: Document) -> list[Box]:
        return self._listed(document, first_picture(document))

    def _listed(self, document: Document, medium: Media | None) -> list[Box]:
        source = document.source
        if source is None or source.split is None or medium is None:
            return []
        place = f"{source.corpus}:{source.split}"
        if place not in self._tables:
            if not self._side.parts_of(source.corpus, source.split):
                raise ConfigError(
                    f"{self._side.name} says nothing of {place}",
                    mend=f"It speaks of {', '.join(self._side.corpora)}.",
                )
            self._tables[place] = side.regions(self._side.name, place, self._root)
        regions = self._tables[place].get(key_of(document, self._side) or "", ())
        return [r.box for r in regions if r.box is not None and r.media == medium.id]
