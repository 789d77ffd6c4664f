"""A need of every picture of a document, where a method reads more than the first.

The steps of a procedure have a picture each. :class:`PerPicture` wraps what is wanted of each of
them; whoever supplies the wrapped need supplies this one, from the same cache entries.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from magpie.features.generated import Generated
from magpie.features.needs import Asset, Need, Pixels
from magpie.schema import Document

__all__ = ["PerPicture", "gather", "inner", "picture_views"]


@dataclass(frozen=True, slots=True)
class PerPicture(Need):
    """The same need for every picture: the asset's ``parts`` holds one asset a picture, by the id
    of the medium. It is present where that of any picture is."""

    of: Need = field(default_factory=Pixels)

    def describe(self) -> dict[str, Any]:
        return {"kind": "perpicture", "of": self.of.describe()}


def inner(need: Need) -> Need:
    """What is wanted of one picture."""
    return need.of if isinstance(need, PerPicture | Generated) else need


def picture_views(document: Document) -> list[Document]:
    """The document as if each of its pictures were the only one, in the order of its media.

    Kept are the texts that name this picture or none, and where the document was read.
    """
    views = []
    for medium in document.media:
        if medium.kind != "image":
            continue
        own = (None, medium.id)
        blocks = tuple(
            block
            for block in document.blocks
            if block.media in own and (block.box is None or block.box.media == medium.id)
        )
        context = tuple(text for text in document.context if text.media in own)
        views.append(
            Document(
                id=document.id,
                blocks=blocks,
                media=(medium,),
                context=context,
                source=document.source,
            )
        )
    return views


def gather(parts: Mapping[str, Asset]) -> Asset:
    """One asset of those of the pictures."""
    if any(part.present for part in parts.values()):
        return Asset(parts=parts)
    reason = next((part.reason for part in parts.values()), "the document has no picture")
    return Asset(parts=parts, present=False, reason=reason)
