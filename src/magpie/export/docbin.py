"""spaCy's DocBin, the ``.spacy`` files that its training reads.

What stands where: ``doc.ents`` holds entities that do not overlap (of two that do, the longer
one), the span group ``entities`` all of them, the group ``fine_types`` one span for each fine
type; every span's ``id_`` is the entity's id. All that spaCy has no place for is one JSON text in
``doc.user_data["magpie"]``; :func:`register` offers it as ``doc._.magpie`` and ``span._``
attributes. Reading takes text and entities from the spans, so what spaCy or its user changed
comes back, and the rest from the JSON.

A DocBin is one compressed block: spaCy itself holds all of it while writing and reading.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from magpie._io import dump_json, parse_json
from magpie.errors import ConfigError, FormatError, MagpieError
from magpie.export.report import ExportReport
from magpie.schema import Block, Document, Span, from_dict, to_dict

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc
    from spacy.tokens import Span as SpacySpan

__all__ = ["ENTITIES", "FINE_TYPES", "from_doc", "read", "register", "to_doc", "write"]

#: names of the span groups, and of the key in ``doc.user_data``
ENTITIES, FINE_TYPES, USER_DATA = "entities", "fine_types", "magpie"

#: Largest content of a file once decompressed: a few kilobytes can announce any amount.
MAX_BYTES = 2 << 30

Alignment = Literal["split", "strict", "contract", "expand"]


def write(
    documents: Iterator[Document],
    path: Path,
    report: ExportReport,
    *,
    alignment: Alignment = "split",
    language: str = "xx",
) -> None:
    """Options are those of :func:`to_doc`."""
    from spacy.tokens import DocBin

    pipeline = _blank(language)
    docs = DocBin(store_user_data=True)
    for document in documents:
        docs.add(to_doc(document, pipeline, alignment=alignment, report=report))
    path.write_bytes(docs.to_bytes())


def read(path: Path, problem: Callable[[MagpieError], None]) -> Iterator[Document]:
    """Streams the documents; files of other origin have ids ``<file name>-<number>``."""
    from spacy.tokens import DocBin
    from spacy.vocab import Vocab

    data = path.read_bytes()
    _check_size(data, str(path))
    try:
        docs = DocBin().from_bytes(data)
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        raise FormatError(
            f"expected a spaCy DocBin: {error}",
            where=str(path),
            mend="The file is damaged, or of another format.",
        ) from error
    for number, doc in enumerate(docs.get_docs(Vocab()), start=1):
        try:
            document = from_doc(doc, id=f"{path.stem}-{number}")
        except MagpieError as error:
            problem(error.at(f"{path}: document {number}"))
            continue
        yield document


def _check_size(data: bytes, where: str) -> None:
    """Decompresses piece by piece into nothing, up to the limit."""
    unpacker = zlib.decompressobj()
    total, rest = 0, data
    try:
        while rest and not unpacker.eof:
            total += len(unpacker.decompress(rest, 1 << 24))
            rest = unpacker.unconsumed_tail
            if total > MAX_BYTES:
                raise FormatError(
                    f"more than {MAX_BYTES} bytes once decompressed",
                    code="format-too-long",
                    where=where,
                    mend="Write several smaller files.",
                )
    except zlib.error as error:
        raise FormatError(
            f"expected a spaCy DocBin: {error}", where=where, mend="Is it of another format?"
        ) from error


def _blank(language: str) -> Language:
    import spacy

    try:
        pipeline = spacy.blank(language)
    except ImportError as error:
        raise ConfigError(
            f"spaCy has no language {language!r}", mend='Give a code such as "en", or "xx".'
        ) from error
    pipeline.max_length = 1 << 31  # nothing but its tokeniser is used
    return pipeline


# documents to docs


def to_doc(
    document: Document,
    pipeline: Language,
    *,
    alignment: Alignment = "split",
    report: ExportReport | None = None,
) -> Doc:
    """One document as a spaCy Doc.

    Args:
        document: its text is kept to the character, blocks joined by a newline.
        pipeline: gives the vocabulary, and the tokens of blocks without words of their own.
        alignment: what happens to an entity that begins or ends inside a token: ``split`` cuts
            the token there and keeps the entity exact; ``strict`` leaves the entity out, and
            ``contract`` and ``expand`` move it to the nearest tokens within or around it, as
            ``Doc.char_span`` does.
        report: is told of entities left out or moved.

    Raises:
        ConfigError: no such alignment.
    """
    from spacy.tokens import Doc
    from spacy.util import filter_spans

    if alignment not in ("split", "strict", "contract", "expand"):
        raise ConfigError(f"alignment must be split, strict, contract or expand, got {alignment!r}")
    text, starts = document.text, block_starts(document)
    cuts, blanks = _cuts(document, starts, alignment)
    tokens = list(_tokens(text, _words(document, starts, pipeline), cuts, blanks))
    words, spaces = [token for token, _ in tokens], [space for _, space in tokens]
    doc = Doc(pipeline.vocab, words=words, spaces=spaces)
    mode = "strict" if alignment == "split" else alignment
    found, fine = [], []
    for entity in document.entities:
        at = starts[entity.span.block]
        start, end = at + entity.span.start, at + entity.span.end
        span = doc.char_span(start, end, label=entity.type, span_id=entity.id, alignment_mode=mode)
        if span is None:
            if report is not None:
                report.lose("entities", document, entity.id, why="no token boundary there")
            continue
        if report is not None and (span.start_char, span.end_char) != (start, end):
            why = "moved to token boundaries"
            report.lose("entities", document, entity.id, why=why, partly=True)
        found.append(span)
        if entity.fine_type is not None:
            fine.append(_like(doc, span, entity.fine_type))
    doc.spans[ENTITIES] = found
    doc.spans[FINE_TYPES] = fine
    default = "missing" if document.annotations is None else "outside"
    doc.set_ents(filter_spans(found), default=default)
    doc.user_data[USER_DATA] = dump_json(_rest(document))
    return doc


def _like(doc: Doc, span: SpacySpan, label: str) -> SpacySpan:
    from spacy.tokens import Span as SpacySpan

    return SpacySpan(doc, span.start, span.end, label=label, span_id=span.id_)


def block_starts(document: Document) -> dict[str, int]:
    """Offset of each block in ``document.text``."""
    starts, at = {}, 0
    for block in document.blocks:
        starts[block.id] = at
        at += len(block.text) + 1
    return starts


def _cuts(
    document: Document, starts: dict[str, int], alignment: Alignment
) -> tuple[set[int], set[int]]:
    """Where a token must end, and where a blank must be a token of its own.

    Tokens end round each block and, if asked for, round each entity. A blank usually belongs to
    the token before it; not one that an entity begins or ends with.
    """
    cuts, blanks = set(), set()
    for block in document.blocks:
        cuts |= {starts[block.id], starts[block.id] + len(block.text)}
    if alignment == "split":
        for entity in document.entities:
            at = starts[entity.span.block]
            start, end = at + entity.span.start, at + entity.span.end
            blanks |= {start}
            cuts |= {start, end}
            if document.text_of(entity).endswith(" "):
                blanks |= {end - 1}
    return cuts | blanks, blanks


def _words(
    document: Document, starts: dict[str, int], pipeline: Language
) -> Iterator[tuple[int, int]]:
    """Token offsets in the whole text: a block's own words, or else spaCy's."""
    for block in document.blocks:
        at = starts[block.id]
        if block.words is not None:
            yield from ((at + start, at + end) for start, end in block.words)
        else:
            for token in pipeline.make_doc(block.text):
                yield at + token.idx, at + token.idx + len(token)


def _tokens(
    text: str, words: Iterator[tuple[int, int]], cuts: set[int], blanks: set[int]
) -> Iterator[tuple[str, bool]]:
    """Tokens that spell the text to the character, each with whether a space follows it.

    A single space after a token belongs to it; any other characters between words (further
    blanks, newlines, whatever the words leave out) become tokens of their own.
    """
    edges = {0, len(text)} | cuts if text else set()
    for start, end in words:
        edges |= {start, end}
    token = ""
    for start, end in itertools.pairwise(sorted(edges)):
        piece = text[start:end]
        if token and piece.startswith(" ") and start not in blanks:
            yield token, True
            token = piece[1:]
        else:
            if token:
                yield token, False
            token = piece
    if token:
        yield token, False


def _rest(document: Document) -> dict[str, Any]:
    """The document without what the doc says: texts, and place and types of entities."""
    value = to_dict(document)
    value["blocks"] = [{**block, "text": len(block["text"])} for block in value["blocks"]]
    for entity in (value.get("annotations") or {}).get("entities", ()):
        for key in ("span", "type", "fine_type"):
            entity.pop(key, None)
    return value


# docs to documents


@dataclass(slots=True)
class _Cutter:
    """Finds the block that a span of the whole text lies in."""

    blocks: list[tuple[int, Block]]

    def span(self, item: SpacySpan) -> Span:
        for at, block in self.blocks:
            if at <= item.start_char and item.end_char <= at + len(block.text):
                return Span(block.id, item.start_char - at, item.end_char - at)
        raise FormatError(
            f"span [{item.start_char}, {item.end_char}) crosses two blocks",
            mend="Entities lie within one block.",
        )


def from_doc(doc: Doc, *, id: str = "d0") -> Document:
    """One spaCy Doc as a document: one that :func:`to_doc` made, or any other with entities.

    Args:
        doc: entities are taken from the span group ``entities``, else from ``doc.ents``.
        id: of the document, where the doc has none.

    Raises:
        FormatError, SchemaError: a span crosses two blocks, or the stored JSON is damaged.
    """
    stored = doc.user_data.get(USER_DATA)
    if not isinstance(stored, str):
        return _restored({"id": id, "blocks": [{"text": len(doc.text)}]}, doc)
    value = parse_json(stored, where=USER_DATA)
    try:
        return _restored(value, doc)
    except MagpieError:
        raise
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise FormatError(
            f"user_data['magpie'] is damaged: {type(error).__name__}: {error}",
            mend="Remove it; then text and entities are read without the rest.",
        ) from error


def _restored(value: dict[str, Any], doc: Doc) -> Document:
    """The document of the stored JSON, with what the doc's spans say."""
    cutter = _take_texts(value, doc.text)
    parts = value.get("annotations") or {}
    known = {entity["id"]: entity for entity in parts.get("entities", ())}
    fine = {span.id_: span.label_ for span in doc.spans.get(FINE_TYPES, ())}
    spans = list(doc.spans.get(ENTITIES, doc.ents))
    used = _other_ids(parts)
    free = (f"e{n}" for n in itertools.count())
    entities: list[dict[str, Any]] = []
    for span in spans:
        name = span.id_
        if not name or name in used:
            name = next(n for n in free if n not in used and n not in known)
        used.add(name)
        place = cutter.span(span)
        entity = {**known.get(name, {}), "id": name, "type": span.label_}
        entity["span"] = {"block": place.block, "start": place.start, "end": place.end}
        if span.id_ in fine:
            entity["fine_type"] = fine[span.id_]
        entities.append(entity)
    if value.get("annotations") is not None or entities or doc.has_annotation("ENT_IOB"):
        value["annotations"] = {**parts, "entities": entities}
    return from_dict(value)


def _take_texts(value: dict[str, Any], text: str) -> _Cutter:
    """Puts the doc's text back into the blocks; the lengths say where each ends."""
    cutter, at = _Cutter([]), 0
    for block in value["blocks"]:
        length = block["text"]
        block["text"] = text[at : at + length]
        cutter.blocks.append((at, Block(id=block.get("id", "b0"), text=block["text"])))
        at += length + 1
    if at != len(text) + 1:
        raise FormatError(
            f"the blocks cover {at - 1} characters of {len(text)}",
            mend="The text was changed after magpie wrote it; remove user_data['magpie'].",
        )
    return cutter


def _other_ids(parts: dict[str, Any]) -> set[str]:
    """Ids of relations, events and regions, which entities may not take."""
    items = [*parts.get("relations", ()), *parts.get("events", ()), *parts.get("regions", ())]
    for entity in parts.get("entities", ()):
        items += entity.get("grounding", {}).get("regions", ())
    return {item["id"] for item in items if item.get("id")}


def register() -> None:
    """Adds ``doc._.magpie`` (the stored JSON as a dict), ``span._.fine_type``, ``span._.score``
    and ``span._.grounding`` (of the entity with the span's ``id_``); calling it twice is fine."""
    from spacy.tokens import Doc
    from spacy.tokens import Span as SpacySpan

    def whole(doc: Doc) -> dict[str, Any] | None:
        stored = doc.user_data.get(USER_DATA)
        return parse_json(stored) if isinstance(stored, str) else None

    def fine_type(span: SpacySpan) -> str | None:
        group = span.doc.spans.get(FINE_TYPES, ())
        return next((each.label_ for each in group if each.id_ == span.id_), None)

    def field(name: str) -> Callable[[SpacySpan], Any]:
        def of(span: SpacySpan) -> Any:
            parts = (whole(span.doc) or {}).get("annotations") or {}
            found = (e for e in parts.get("entities", ()) if e["id"] == span.id_)
            return next((entity.get(name) for entity in found), None)

        return of

    Doc.set_extension(USER_DATA, getter=whole, force=True)
    SpacySpan.set_extension("fine_type", getter=fine_type, force=True)
    for name in ("score", "grounding"):
        SpacySpan.set_extension(name, getter=field(name), force=True)
