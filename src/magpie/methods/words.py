"""Words of a document, the pieces that an encoder cuts them into, and the tags that they carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from magpie.backbones import TextEncoder
from magpie.schema import Document
from magpie.text.align import words_of
from magpie.text.tags import encode_tags
from magpie.text.words import split_words

__all__ = ["Pieces", "cut_words", "document_words", "word_runs", "word_tags"]


@dataclass(frozen=True, slots=True)
class Pieces:
    """Words of a text as the encoder reads them.

    ``first[w]`` is the position of the first piece of word ``w``; -1 when the word has no piece
    or was cut off. ``words`` are (block id, start, end) in code points.
    """

    ids: list[int]
    first: list[int]
    words: list[tuple[str, int, int]]
    cut: int


def document_words(document: Document) -> list[tuple[str, int, int]]:
    """The words of all blocks: those of the corpus where it has some, else our own cut."""
    return [
        (block.id, start, end)
        for block in document.blocks
        for start, end in (block.words if block.words is not None else split_words(block.text))
    ]


def cut_words(
    document: Document, encoder: TextEncoder, max_length: int, *, unknown: bool = False
) -> Pieces:
    """Words -> pieces, ``[CLS]`` in front and ``[SEP]`` behind, at most ``max_length``.

    A word that yields no piece (a no-break space, an accent alone) keeps its place with
    ``first = -1``, so words and labels stay aligned; with ``unknown`` it becomes the unknown piece.
    """
    words = document_words(document)
    texts = {block.id: block.text for block in document.blocks}
    tokenizer = encoder.tokenizer
    body: list[int] = []
    first: list[int] = []
    limit = max_length - 2
    cut = 0
    encoded = (
        tokenizer(
            [texts[block][start:end] for block, start, end in words],
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
        )["input_ids"]
        if words
        else []
    )
    for cut_word in encoded:
        ids = cut_word or ([int(tokenizer.unk_token_id)] if unknown else [])
        if not ids or len(body) >= limit:
            first.append(-1)
            cut += bool(ids)
            continue
        first.append(len(body) + 1)
        body.extend(ids)
    return Pieces(
        [int(tokenizer.cls_token_id), *body[:limit], int(tokenizer.sep_token_id)],
        first,
        words,
        cut,
    )


def word_tags(
    document: Document,
    words: Sequence[tuple[str, int, int]],
    scheme: Literal["BIO", "BIOES"] = "BIO",
) -> list[str]:
    """Gold tags of the words; an entity that ends inside a word takes the whole word.

    Of overlapping entities the longer stays, then the earlier: one tag a word holds no more.
    """
    tags: list[str] = []
    for block, begin, after in word_runs(words):
        ranges = [(start, end) for _, start, end in words[begin:after]]
        chunks = []
        for entity in document.entities:
            if entity.span.block != block:
                continue
            covered = words_of(ranges, entity.span.start, entity.span.end, how="widened")
            if covered is not None:
                chunks.append((entity.type, *covered))
        kept: list[tuple[str, int, int]] = []
        for chunk in sorted(chunks, key=lambda c: (c[1] - c[2], c[1])):
            if all(chunk[2] <= other[1] or other[2] <= chunk[1] for other in kept):
                kept.append(chunk)
        tags.extend(encode_tags(kept, after - begin, scheme))
    return tags


def word_runs(words: Sequence[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """(block, first word, word after the last): tags never reach across blocks."""
    runs: list[tuple[str, int, int]] = []
    for index, (block, _, _) in enumerate(words):
        if runs and runs[-1][0] == block:
            runs[-1] = (block, runs[-1][1], index + 1)
        else:
            runs.append((block, index, index + 1))
    return runs
