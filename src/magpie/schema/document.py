"""The one shape for a tweet, a form, a recipe and a clip: blocks of text, media, annotations."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from magpie.errors import MagpieError, SchemaError
from magpie.schema._check import JSON_CONFIG, check_id, check_number, check_text, unique
from magpie.schema.annotations import Annotations, Entity, Region
from magpie.schema.geometry import Box, Span

__all__ = ["Block", "ContextText", "Document", "Media", "Problem", "Source"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A piece of text with a place.

    A post is one block; a form page is many blocks with a ``box`` on the page picture; a procedure
    is one block a step, each with its own ``media``. ``words`` keeps a corpus's own tokenisation
    as (start, end) offsets, so that word-level scores stay exact.
    """

    __pydantic_config__ = JSON_CONFIG

    id: str = "b0"
    text: str
    words: tuple[tuple[int, int], ...] | None = None
    step: int | None = None
    box: Box | None = None
    media: str | None = None

    def __post_init__(self) -> None:
        check_id("block.id", self.id)
        check_text(f"text of block {self.id!r}", self.text)
        previous = 0
        for index, (start, end) in enumerate(self.words or ()):
            if not previous <= start < end <= len(self.text):
                raise SchemaError(
                    f"word {index} of block {self.id!r} is [{start}, {end}): out of order, empty "
                    f"or outside the text of {len(self.text)} characters",
                    code="schema-span",
                )
            previous = end

    @classmethod
    def from_words(
        cls,
        words: list[str],
        *,
        id: str = "b0",
        step: int | None = None,
        box: Box | None = None,
        media: str | None = None,
    ) -> Block:
        """Text made of the words joined by one space each, with their offsets kept."""
        offsets: list[tuple[int, int]] = []
        start = 0
        for word in words:
            offsets.append((start, start + len(word)))
            start += len(word) + 1
        text = " ".join(words)
        return cls(id=id, text=text, words=tuple(offsets), step=step, box=box, media=media)

    def word_texts(self) -> list[str]:
        """The words of the corpus's own tokenisation; empty when there is none."""
        return [self.text[start:end] for start, end in self.words or ()]

    def span(self, start: int, end: int) -> Span:
        """The span of these characters.

        Raises:
            SchemaError: if it leaves the text.
        """
        span = Span(self.id, start, end)
        if end > len(self.text):
            raise _outside(span, self)
        return span

    def word_span(self, first: int, last: int) -> Span:
        """The span of words ``first`` up to but excluding ``last``."""
        if self.words is None:
            raise SchemaError(f"block {self.id!r} has no words", code="schema-span")
        return Span(self.id, self.words[first][0], self.words[last - 1][1])


def _outside(span: Span, block: Block) -> SchemaError:
    return SchemaError(
        f"span [{span.start}, {span.end}) leaves block {block.id!r} of "
        f"{len(block.text)} characters",
        code="schema-span",
        mend="Offsets count Unicode code points of the block's text, half-open.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """A picture, clip or recording that belongs to a document; never decoded here.

    ``uri`` is a path (relative to the file that names it, or absolute) or an address; ``data``
    holds the encoded file itself. Neither means that it is absent; ``missing`` then says why.
    """

    __pydantic_config__ = JSON_CONFIG

    id: str = "m0"
    kind: Literal["image", "video", "audio"] = "image"
    uri: str | None = None
    data: bytes | None = dataclasses.field(default=None, repr=False)
    width: int | None = None
    height: int | None = None
    duration: float | None = None
    missing: str | None = None

    def __post_init__(self) -> None:
        check_id("media.id", self.id)
        if self.kind not in ("image", "video", "audio"):
            raise SchemaError(f"media.kind must be image, video or audio, got {self.kind!r}")
        if self.uri is not None:
            check_id("media.uri", self.uri)
        if (self.width is None) != (self.height is None):
            raise SchemaError("media needs both width and height, or neither")
        for name in ("width", "height"):
            if getattr(self, name) is not None:
                check_number(f"media.{name}", getattr(self, name), low=1)
        if self.duration is not None:
            check_number("media.duration", self.duration, low=0.0)

    @property
    def present(self) -> bool:
        """Whether there is something to load and nobody found it missing."""
        return self.missing is None and (self.uri is not None or self.data is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextText:
    """Text that somebody produced about the document: a caption, a passage, a note of a model."""

    __pydantic_config__ = JSON_CONFIG

    kind: Literal["caption", "passage", "note", "ocr"]
    text: str
    source: str
    media: str | None = None

    def __post_init__(self) -> None:
        check_text("context.text", self.text)
        check_id("context.source", self.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Something that went wrong with this document, as in the error tree."""

    __pydantic_config__ = JSON_CONFIG

    code: str
    message: str
    where: str = ""
    mend: str = ""

    @classmethod
    def from_error(cls, error: MagpieError) -> Problem:
        return cls(code=error.code, message=error.message, where=error.where, mend=error.mend)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a document was read: corpus ``name@version``, split, file and 1-based line."""

    __pydantic_config__ = JSON_CONFIG

    corpus: str
    split: str | None = None
    file: str | None = None
    line: int | None = None
    digest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Text with pictures and what was extracted from them. Immutable; see docs/data-model.md.

    ``annotations`` is None when nobody annotated the document, and empty when somebody did and
    found nothing.

    Raises:
        SchemaError: for duplicate ids, references to nothing, spans outside their block, boxes
            outside their picture.
    """

    __pydantic_config__ = JSON_CONFIG

    id: str
    blocks: tuple[Block, ...]
    media: tuple[Media, ...] = ()
    context: tuple[ContextText, ...] = ()
    annotations: Annotations | None = None
    status: Literal["ok", "partial", "failed"] = "ok"
    problems: tuple[Problem, ...] = ()
    source: Source | None = None

    def __post_init__(self) -> None:
        check_id("document.id", self.id)
        if self.status not in ("ok", "partial", "failed"):
            raise SchemaError(f"status must be ok, partial or failed, got {self.status!r}")
        try:
            self._check_references()
        except SchemaError as error:
            raise error.at(f"document {self.id!r}") from None

    def _check_references(self) -> None:
        unique("block", (block.id for block in self.blocks))
        unique("media", (medium.id for medium in self.media))
        blocks = {block.id: block for block in self.blocks}
        media = {medium.id: medium for medium in self.media}
        for block in self.blocks:
            if block.media is not None:
                _known_media(block.media, media, f"block {block.id!r}")
            if block.box is not None:
                _check_box(block.box, media, f"block {block.id!r}")
        for text in self.context:
            if text.media is not None:
                _known_media(text.media, media, "context")
        if self.annotations is None:
            return
        for entity in self.annotations.entities:
            _check_span(entity.span, blocks, f"entity {entity.id!r}")
        for event in self.annotations.events:
            if event.trigger is not None:
                _check_span(event.trigger, blocks, f"event {event.id!r}")
            if event.media is not None:
                _known_media(event.media, media, f"event {event.id!r}")
        for region in self.annotations.all_regions():
            _known_media(region.media, media, "region")
            if region.box is not None:
                _check_box(region.box, media, "region")
            if region.mask is not None:
                _check_mask(region, media[region.media])

    @classmethod
    def from_text(
        cls, text: str, *, id: str = "d0", images: tuple[str | bytes, ...] = ()
    ) -> Document:
        """One block of text and its pictures, given as paths, addresses or encoded bytes."""
        media = tuple(
            Media(id=f"m{index}", data=image)
            if isinstance(image, bytes)
            else Media(id=f"m{index}", uri=image)
            for index, image in enumerate(images)
        )
        return cls(id=id, blocks=(Block(text=text),), media=media)

    @property
    def text(self) -> str:
        """The blocks' texts, one a line; offsets of spans count within a block, not in this."""
        return "\n".join(block.text for block in self.blocks)

    @property
    def entities(self) -> tuple[Entity, ...]:
        return self.annotations.entities if self.annotations else ()

    def block(self, id: str) -> Block:
        """The block of that id.

        Raises:
            SchemaError: if there is none.
        """
        for block in self.blocks:
            if block.id == id:
                return block
        raise SchemaError(f"no block {id!r} in document {self.id!r}", code="schema-reference")

    def medium(self, id: str) -> Media:
        """The medium of that id.

        Raises:
            SchemaError: if there is none.
        """
        for medium in self.media:
            if medium.id == id:
                return medium
        raise SchemaError(f"no medium {id!r} in document {self.id!r}", code="schema-reference")

    def text_of(self, item: Entity | Span) -> str:
        """The characters of an entity or span."""
        span = item.span if isinstance(item, Entity) else item
        return self.block(span.block).text[span.start : span.end]

    def with_annotations(self, annotations: Annotations | None) -> Document:
        """The same document with other annotations."""
        return dataclasses.replace(self, annotations=annotations)

    def with_problem(
        self, problem: Problem, status: Literal["partial", "failed"] = "partial"
    ) -> Document:
        """The same document with one more problem; a failure is never softened."""
        worst = "failed" if "failed" in (self.status, status) else status
        return dataclasses.replace(self, status=worst, problems=(*self.problems, problem))

    def to_json(self) -> str:
        """One line of JSON, see :mod:`magpie.schema.codec`."""
        from magpie.schema.codec import to_json

        return to_json(self)

    @classmethod
    def from_json(cls, text: str | bytes, *, where: str = "") -> Document:
        """Reads what :meth:`to_json` wrote.

        Raises:
            FormatError, SchemaError: naming ``where`` and the field.
        """
        from magpie.schema.codec import from_json

        return from_json(text, where=where)

    def __rich__(self) -> object:
        from magpie.schema._show import document_panel

        return document_panel(self)

    def _repr_html_(self) -> str:
        from magpie.schema._show import document_html

        return document_html(self)

    def all_boxes(self) -> Iterator[Box]:
        """Boxes of blocks and regions."""
        for block in self.blocks:
            if block.box is not None:
                yield block.box
        if self.annotations is not None:
            for region in self.annotations.all_regions():
                if region.box is not None:
                    yield region.box


def _check_span(span: Span, blocks: dict[str, Block], what: str) -> None:
    block = blocks.get(span.block)
    if block is None:
        raise SchemaError(
            f"{what} refers to block {span.block!r}, which does not exist", code="schema-reference"
        )
    if span.end > len(block.text):
        raise _outside(span, block).at(what)


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
