"""Blocks as words with typed word ranges, and back: what the word-based formats share.

A block's own words are used, or else those of the splitter; an entity that begins or ends inside
a word cuts it there, so that it stays exact. Read back, the words run over the same characters.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from magpie.errors import FormatError
from magpie.export.report import ExportReport
from magpie.schema import Block, Document, Entity, Span
from magpie.text.align import characters_of, tile, words_of
from magpie.text.tags import Chunk
from magpie.text.words import split_words

__all__ = ["Sentence", "entities_of", "restored", "sentences_of"]

_SOLID = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Sentence:
    """A block as a row of words.

    Attributes:
        block: where it comes from.
        places: code point range of each word.
        entities: those that fit, in the document's order.
        chunks: their type, first word and word after the last.
    """

    block: Block
    places: tuple[tuple[int, int], ...]
    entities: tuple[Entity, ...]
    chunks: tuple[Chunk, ...]

    @property
    def words(self) -> list[str]:
        return [self.block.text[start:end] for start, end in self.places]

    @property
    def plain(self) -> bool:
        """Whether joining the words by spaces gives the block again, own words included."""
        return self.block.words == self.places and " ".join(self.words) == self.block.text


def sentences_of(document: Document, report: ExportReport) -> list[Sentence]:
    """One sentence a block; entities that no words fit, and a document of no block, are lost."""
    sentences = []
    if not document.blocks:
        report.lose("documents", document, why="without any block")
    for block in document.blocks:
        entities = [entity for entity in document.entities if entity.span.block == block.id]
        words = block.words if block.words is not None else split_words(block.text)
        places = tile(words, [(e.span.start, e.span.end) for e in entities])
        kept, chunks = [], []
        for entity in entities:
            found = words_of(places, entity.span.start, entity.span.end)
            if found is None:
                report.lose("entities", document, entity.id, why="not from word to word")
                continue
            kept.append(entity)
            chunks.append((entity.type, *found))
        sentences.append(Sentence(block, tuple(places), tuple(kept), tuple(chunks)))
    return sentences


def restored(
    words: Sequence[str],
    *,
    id: str = "b0",
    text: str | None = None,
    own: Sequence[tuple[int, int]] | None = None,
) -> tuple[Block, list[tuple[int, int]]]:
    """The block that was written as these words, and the place of each.

    Args:
        words: what was read, none empty.
        id: of the block.
        text: the original text; without it, the words joined by spaces.
        own: the block's own words; without them (but with a text) it had none.

    Raises:
        FormatError: text and words do not hold the same number of characters.
        SchemaError: ``own`` are no words of the text.
    """
    if text is None:
        block = Block.from_words(list(words), id=id)
        return block, list(block.words or ())
    block = Block(id=id, text=text, words=None if own is None else tuple(own))
    runs = list(own) if own is not None else [match.span() for match in _SOLID.finditer(text)]
    places: list[tuple[int, int]] = []
    run = 0
    for word in words:
        start = places[-1][1] if places else -1
        while run < len(runs) and runs[run][1] <= start:
            run += 1
        if run == len(runs):
            break
        start = max(start, runs[run][0])
        if start + len(word) > runs[run][1]:
            break
        places.append((start, start + len(word)))
    if len(places) < len(words) or (runs and (not places or places[-1][1] != runs[-1][1])):
        raise FormatError(
            "the text and the words beside it do not hold the same characters",
            mend="Was one of them changed? Remove the text to go by the words alone.",
        )
    return block, places


def entities_of(
    block: Block, places: Sequence[tuple[int, int]], chunks: Iterable[Chunk], *, first: int = 0
) -> list[Entity]:
    """The entities of a block, numbered from ``first``.

    Raises:
        SchemaError: words that do not exist.
    """
    return [
        Entity(
            id=f"e{first + index}",
            span=Span(block.id, *characters_of(places, start, end)),
            type=kind,
        )
        for index, (kind, start, end) in enumerate(chunks)
    ]
