"""Where the boxes of cut-outs come from: published files, or a function handed in from above.

Detectors live in rooms above this one, so they are passed in by name; see
:class:`magpie.features.supply.Supplier`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from magpie.corpora.pictures import picture_name
from magpie.features.source import first_picture
from magpie.schema import Box, Document, Region
from magpie.vision import LoadedImage

__all__ = ["Boxes", "BoxesOf", "PublishedBoxes", "by_picture"]


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
    """Boxes of a side file.

    Args:
        regions: by key, as :func:`magpie.corpora.side.regions` returns them.
        key: finds a document's key; the default is its picture. A source that lists boxes by row
            needs one of its own.
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
