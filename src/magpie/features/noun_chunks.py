"""Phrases of a post where nobody published any: its noun chunks.

A chunk is a noun with what stands before it and belongs to it: articles, adjectives, numbers,
compounds and owners, as spaCy's ``noun_chunks`` has them, but read off any tree of
:mod:`magpie.features.parsing`. Pronouns are left out: nobody looks for "it" in a picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from magpie.features.graphs import block_words
from magpie.features.needs import Asset, Need
from magpie.features.parsing import SPACY, Parsers
from magpie.features.phrases import Phrases
from magpie.features.source import Arrays, Ask, Source
from magpie.features.trees import Sentence
from magpie.schema import Document
from magpie.text.words import is_address

__all__ = ["ChunkSource", "NounChunks", "chunk_names", "noun_chunks", "phrases_of"]

_NOUNS = ("NOUN", "PROPN")
#: labels of words that belong to the noun they modify; spaCy's English ones and UD's
_BEFORE = frozenset((
    "det", "det:predet", "predet", "amod", "nummod", "quantmod", "advmod", "npadvmod", "case",
    "compound", "nn", "flat", "flat:name", "poss", "nmod:poss", "nmod",
))  # fmt: skip
#: names whose first word is the head
_BEHIND = frozenset(("flat", "flat:name", "flat:foreign"))
#: a noun with one of these is part of another's chunk
_INNER = frozenset((*_BEHIND, "compound", "nn", "poss", "nmod:poss"))
#: labels that only nouns have, where no parts of speech are known
_NOMINAL = frozenset(
    ("nsubj", "nsubj:pass", "nsubjpass", "dobj", "obj", "iobj", "pobj", "obl", "attr", "appos")
)


@dataclass(frozen=True, slots=True)
class NounChunks(Need):
    """``texts``: the noun chunks of a document, in order.

    ``parser`` is a name of :mod:`magpie.features.parsing`, such as ``spacy:en_core_web_sm``.
    """

    parser: str = "chunks"


def noun_chunks(sentence: Sentence) -> list[tuple[int, int]]:
    """(first, behind the last) word of each chunk, in order; no two share a word.

    Example:
        >>> noun_chunks(Sentence(("a", "dog", "ran"), (1, 2, 2), ("det", "nsubj", "ROOT")))
        [(0, 2)]
    """
    found: list[tuple[int, int]] = []
    for head, relation in enumerate(sentence.relations):
        tag = sentence.tag(head)
        if not (tag in _NOUNS if tag else relation in _NOMINAL) or relation in _INNER:
            continue
        words = _members(sentence, head)
        begin, end = head, head + 1
        while begin - 1 in words:
            begin -= 1
        while end in words:
            end += 1
        if not found or begin >= found[-1][1]:
            found.append((begin, end))
    return found


def _members(sentence: Sentence, head: int) -> set[int]:
    words = {head}
    waiting = [head]
    while waiting:
        above = waiting.pop()
        for word, (own, relation) in enumerate(
            zip(sentence.heads, sentence.relations, strict=True)
        ):
            if own != above or word in words:
                continue
            # An owner's "'s" stands behind it and still before the noun.
            before = relation in _BEFORE and word < head and (word < above or relation == "case")
            if before or (relation in _BEHIND and word > above):
                words.add(word)
                waiting.append(word)
    return words


class ChunkSource(Source):
    """Noun chunks by parsers that are loaded when first asked for."""

    kind: ClassVar[type[Need]] = NounChunks
    batch = 32

    def __init__(self, parsers: Parsers) -> None:
        self.parsers = parsers

    def ask(self, document: Document, need: NounChunks) -> Ask | Asset:
        words = [[w for w in block if not is_address(w)] for block in block_words(document)]
        if not any(words):
            return Asset.absent("the document has no words")
        return Ask({"words": words}, words)

    def compute(self, asks: Sequence[Ask], need: NounChunks) -> list[Arrays | Asset]:
        texts = [block for ask in asks for block in ask.payload]
        parsed = iter(self.parsers.parser(need.parser).parse(texts))
        made: list[Arrays | Asset] = []
        for ask in asks:
            sentences = [one for _ in ask.payload for one in next(parsed)]
            found = [
                " ".join(sentence.words[begin:end])
                for sentence in sentences
                for begin, end in noun_chunks(sentence)
            ]
            if found:
                made.append({"utf8": np.frombuffer("\n".join(found).encode(), np.uint8)})
            else:
                made.append(Asset.absent(f"{need.parser} finds no noun chunk"))
        return made

    def finish(self, arrays: Arrays, need: NounChunks) -> Asset:
        return Asset(texts=tuple(arrays["utf8"].tobytes().decode().split("\n")))

    def fingerprint(self, need: NounChunks) -> dict[str, Any]:
        return {"version": self.version, "parser": self.parsers.parser(need.parser).fingerprint()}


def chunk_names(need: Need, parsers: Parsers) -> tuple[str, ...]:
    """The parsers among the sources of phrases."""
    if not isinstance(need, Phrases):
        return ()
    known = parsers.given or {}
    return tuple(name for name in need.sources if name.startswith(SPACY) or name in known)


def phrases_of(
    documents: Sequence[Document],
    need: Phrases,
    parsers: Sequence[str],
    chunks: Callable[[Sequence[Document], NounChunks], Sequence[Asset]],
    published: Callable[[Document, Phrases], Asset],
) -> list[Asset]:
    """The phrases of each document, by the first source that has any.

    Args:
        documents: of posts.
        need: names the sources.
        parsers: those of its sources whose noun chunks are the phrases.
        chunks: the noun chunks of some documents.
        published: the phrases of a document by sources that were read.
    """
    found: dict[int, Asset] = {}
    reasons: list[list[str]] = [[] for _ in documents]
    for name in need.sources:
        rows = [row for row in range(len(documents)) if row not in found]
        lacking = [documents[row] for row in rows]
        if name in parsers:
            assets = chunks(lacking, NounChunks(name)) if lacking else ()
        else:
            assets = [published(document, Phrases((name,))) for document in lacking]
        for row, asset in zip(rows, assets, strict=True):
            if asset.present:
                found[row] = asset
            else:
                reasons[row].append(asset.reason)
    return [found.get(row) or Asset.absent("; ".join(why)) for row, why in enumerate(reasons)]
