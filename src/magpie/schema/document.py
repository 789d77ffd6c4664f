"""The one shape for a tweet, a form, a recipe and a clip: blocks of text, media, annotations."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from magpie.errors import MagpieError, SchemaError
from magpie.schema._check import (
    JSON_CONFIG,
    check_id,
    check_integer,
    check_items,
    check_number,
    check_text,
    check_texts,
)
from magpie.schema._references import check_references, outside
from magpie.schema.annotations import Annotations, Entity
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
        if self.step is not None:
            check_integer("block.step", self.step)
        if self.words is not None:
            check_items("block.words", self.words, tuple)
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
            raise outside(span, self)
        return span

    def word_span(self, first: int, last: int) -> Span:
        """The span of words ``first`` up to but excluding ``last``.

        Raises:
            SchemaError: if there are no such words.
        """
        count = len(self.words or ())
        if self.words is None or not 0 <= first < last <= count:
            raise SchemaError(
                f"words [{first}, {last}) are empty, reversed or outside block {self.id!r} "
                f"of {count} words",
                code="schema-span",
                mend="Word offsets are half-open: 0 <= first < last <= number of words.",
            )
        return Span(self.id, self.words[first][0], self.words[last - 1][1])


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
                check_integer(f"media.{name}", getattr(self, name), low=1)
        if self.duration is not None:
            check_number("media.duration", self.duration, low=0.0)
        if self.data is not None and not isinstance(self.data, bytes):
            raise SchemaError(f"media.data must be bytes, got {type(self.data).__name__}")
        check_texts("media", self, "missing")

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
        if self.kind not in ("caption", "passage", "note", "ocr"):
            raise SchemaError(
                f"context.kind must be caption, passage, note or ocr, got {self.kind!r}"
            )
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

    def __post_init__(self) -> None:
        check_texts("problem", self, "code", "message", "where", "mend")

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

    def __post_init__(self) -> None:
        check_id("source.corpus", self.corpus)
        check_texts("source", self, "split", "file", "digest")
        if self.line is not None:
            check_integer("source.line", self.line)


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
            check_items("blocks", self.blocks, Block)
            check_items("media", self.media, Media)
            check_items("context", self.context, ContextText)
            check_items("problems", self.problems, Problem)
            check_references(self)
        except SchemaError as error:
            raise error.at(f"document {self.id!r}") from None

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
