"""What a document checks across its parts; kept apart from the shapes themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magpie.errors import SchemaError
from magpie.schema._check import unique

if TYPE_CHECKING:
    from magpie.schema.annotations import Region
    from magpie.schema.document import Block, Document, Media
    from magpie.schema.geometry import Box, Span

__all__ = ["check_references", "outside"]


def check_references(document: Document) -> None:
    """Every id is unique, every reference leads somewhere, every place lies inside.

    Raises:
        SchemaError: naming the first that does not.
    """
    unique("block", (block.id for block in document.blocks))
    unique("media", (medium.id for medium in document.media))
    blocks = {block.id: block for block in document.blocks}
    media = {medium.id: medium for medium in document.media}
    for block in document.blocks:
        if block.media is not None:
            _known_media(block.media, media, f"block {block.id!r}")
        if block.box is not None:
            _check_box(block.box, media, f"block {block.id!r}")
    for text in document.context:
        if text.media is not None:
            _known_media(text.media, media, "context")
    if document.annotations is None:
        return
    for entity in document.annotations.entities:
        _check_span(entity.span, blocks, f"entity {entity.id!r}")
    for event in document.annotations.events:
        if event.trigger is not None:
            _check_span(event.trigger, blocks, f"event {event.id!r}")
        if event.media is not None:
            _known_media(event.media, media, f"event {event.id!r}")
    for region in document.annotations.all_regions():
        _known_media(region.media, media, "region")
        if region.box is not None:
            _check_box(region.box, media, "region")
        if region.mask is not None:
            _check_mask(region, media[region.media])


def outside(span: Span, block: Block) -> SchemaError:
    """The error for a span that leaves its block."""
    return SchemaError(
        f"span [{span.start}, {span.end}) leaves block {block.id!r} of "
        f"{len(block.text)} characters",
        code="schema-span",
        mend="Offsets count Unicode code points of the block's text, half-open.",
    )


def _check_span(span: Span, blocks: dict[str, Block], what: str) -> None:
    block = blocks.get(span.block)
    if block is None:
        raise SchemaError(
            f"{what} refers to block {span.block!r}, which does not exist", code="schema-reference"
        )
    if span.end > len(block.text):
        raise outside(span, block).at(what)


def _known_media(identifier: str, media: dict[str, Media], what: str) -> Media:
    if identifier not in media:
        raise SchemaError(
            f"{what} refers to medium {identifier!r}, which does not exist",
            code="schema-reference",
        )
    return media[identifier]


def _check_box(box: Box, media: dict[str, Media], what: str) -> None:
    medium = _known_media(box.media, media, what)
    if medium.width is None or medium.height is None:
        return
    if box.x1 < 0 or box.y1 < 0 or box.x2 > medium.width or box.y2 > medium.height:
        raise SchemaError(
            f"{what}: box {box.xyxy} leaves picture {medium.id!r} of "
            f"{medium.width}x{medium.height} pixels",
            code="schema-box",
            mend="Check the box convention and the picture's size; Box.clipped() cuts it.",
        )


def _check_mask(region: Region, medium: Media) -> None:
    mask = region.mask
    if mask is None or medium.width is None:
        return
    if (mask.width, mask.height) != (medium.width, medium.height):
        raise SchemaError(
            f"mask of {mask.width}x{mask.height} on picture {medium.id!r} of "
            f"{medium.width}x{medium.height} pixels",
            code="schema-box",
        )
