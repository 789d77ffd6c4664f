"""From needs to assets: what can be had from a document itself.

Needs that cost a network (:class:`Grid`) or a published file (:class:`RegionFeatures`) have
suppliers of their own; :class:`Supplier` asks the one that knows a need.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, cast

from magpie.errors import ConfigError, MagpieError
from magpie.features.needs import Asset, Assets, Need, Pixels, Texts
from magpie.schema import Document
from magpie.vision import load_image, network_input

if TYPE_CHECKING:
    from magpie.vision import ImageLimits

__all__ = ["Supplier", "first_picture", "pixels_of", "texts_of"]

Supply = Callable[[Document, Need], Asset]


class Supplier:
    """Supplies needs document by document.

    Args:
        root: folder that relative picture paths start from.
        limits: bytes and pixels one picture may cost.
        suppliers: further sources by kind of need.
    """

    def __init__(
        self,
        *,
        root: str | os.PathLike[str] | None = None,
        limits: ImageLimits | None = None,
        suppliers: dict[type[Need], Supply] | None = None,
    ) -> None:
        self._known: dict[type[Need], Supply] = {
            Pixels: lambda document, need: pixels_of(document, need, root=root, limits=limits),
            Texts: texts_of,
            **(suppliers or {}),
        }

    def __call__(self, document: Document, needs: Iterable[Need]) -> Assets:
        """Every need of one document; what cannot be had is an absent asset with its reason.

        Raises:
            ConfigError: nobody supplies a need of this kind.
        """
        return {need: self._one(document, need) for need in needs}

    def stream(
        self, documents: Iterable[Document], needs: Iterable[Need]
    ) -> Iterator[tuple[Document, Assets]]:
        """Documents with their assets, one at a time."""
        wanted = frozenset(needs)
        for document in documents:
            yield document, self(document, wanted)

    def _one(self, document: Document, need: Need) -> Asset:
        supply = self._known.get(type(need))
        if supply is None:
            raise ConfigError(
                f"nobody supplies {type(need).__name__}: {need.describe()}",
                mend="Build it with `magpie features build`, or pass a supplier.",
            )
        return supply(document, need)


def first_picture(document: Document) -> str | None:
    """Id of the first picture that is there."""
    return next((m.id for m in document.media if m.kind == "image" and m.present), None)


def pixels_of(
    document: Document,
    need: Need,
    *,
    root: str | os.PathLike[str] | None = None,
    limits: ImageLimits | None = None,
) -> Asset:
    """The first picture as a network reads it; absent when there is none or it cannot be read."""
    spec = cast(Pixels, need).spec
    identifier = first_picture(document)
    if identifier is None:
        reasons = [medium.missing for medium in document.media if medium.missing]
        return Asset.absent(reasons[0] if reasons else "the document has no picture")
    try:
        image = load_image(document.medium(identifier), root=root, limits=limits)
    except MagpieError as error:
        return Asset.absent(str(error))
    return Asset({"pixels": network_input(image, spec)[0]})


def texts_of(document: Document, need: Need) -> Asset:
    """Texts of the document's context that the need asks for, in the order it names them."""
    need = cast(Texts, need)
    if need.sources:
        found = [
            text.text
            for source in need.sources
            for text in document.context
            if text.source == source
        ]
    else:
        found = [text.text for text in document.context if text.kind in need.kinds]
    if not found:
        wanted = ", ".join(need.sources or need.kinds)
        return Asset.absent(f"the document has no text of {wanted}")
    return Asset(texts=tuple(found))
