"""Input features of the embedded tagger: word lists in, integer arrays out.

Training and run time both import this module, so the two cannot drift apart. It needs numpy and a
``tokenizers.Tokenizer`` only. The encoder behind the tagger reads lower-cased pieces; what the
lower-casing loses comes back through two more id sequences, summed into the piece embeddings:

- *case ids* name the case class of the word (``paris`` / ``Paris`` / ``PARIS`` / ``iPhone`` ...),
  whether ``#`` or ``@`` stands before it, and whether the piece continues a word. At ``[CLS]`` the
  id tells how the whole text is cased, because a capital means little in a text of capitals.
- *shape ids* hash the compressed shape of the word (``NBA2017`` -> ``XXdd``).

Every word yields at least one piece: a word the tokenizer drops (a no-break space, a lone accent)
becomes one ``[UNK]``. Word ``k`` is therefore always the ``k``-th entry of ``first_piece``.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from magpie.text.casing import (
    ADDRESS,
    CASE_CLASSES,
    LETTER,
    LOWER,
    LOWER_DIGITS,
    LOWER_MIXED,
    MIXED,
    TITLE,
    UPPER,
    UPPER_DIGITS,
    case_class,
)
from magpie.text.words import is_address

__all__ = [
    "CASE_IDS",
    "CLS",
    "MAX_WORD_PIECES",
    "PAD",
    "SEP",
    "SHAPE_IDS",
    "SPEC",
    "UNK",
    "URL_PIECE",
    "Encoded",
    "Featuriser",
    "pad",
    "shape_id",
]

#: version of everything this module computes; ``config.json`` of a model names the one it needs
SPEC = "magpie-features-1"

#: ids of the uncased BERT vocabulary
PAD, UNK, CLS, SEP = 0, 100, 101, 102
#: every web address becomes this one unused piece: its letters say nothing, and cost a lot
URL_PIECE = 1
#: further pieces of a long word (handles, laughter, hashes) are cut off
MAX_WORD_PIECES = 8

_TEXT_CASES = 4

#: 0 for padding and ``[SEP]``; class x (none, '#', '@' before) x (first piece, later); text case
CASE_IDS = 1 + CASE_CLASSES * 6 + _TEXT_CASES
#: 0 for special positions; the rest are hash buckets
SHAPE_IDS = 512


class WordTokenizer(Protocol):
    """The one call used of ``tokenizers.Tokenizer``."""

    def encode(self, sequence: str, *, add_special_tokens: bool) -> EncodedPieces:
        """Pieces of one word."""


class EncodedPieces(Protocol):
    """What the tokenizer returns."""

    @property
    def ids(self) -> list[int]:
        """Vocabulary ids."""


class Encoded(NamedTuple):
    """One text as ids; the first three have the same length, ``[CLS]`` and ``[SEP]`` included."""

    pieces: list[int]
    case: list[int]
    shape: list[int]
    #: piece index of each word's first piece; shorter than the word list when the text was cut
    first: list[int]


class _Word(NamedTuple):
    pieces: tuple[int, ...]
    case: int
    shape: int
    #: 1 when the word itself begins with '#', 2 with '@', else 0
    prefix: int


def shape_id(word: str) -> int:
    """Bucket of the word's shape, runs cut to two: ``NBA2017`` and ``UEFA16`` share one."""
    shape: list[str] = []
    before, run = "", 0
    for char in word[:40]:
        if char.isupper():
            kind = "X"
        elif char.islower():
            kind = "x"
        elif char.isdigit():
            kind = "d"
        elif char.isalpha():
            kind = "u"
        else:
            kind = char if char.isascii() else "e"
        run = run + 1 if kind == before else 1
        before = kind
        if run <= 2:
            shape.append(kind)
        if len(shape) >= 12:
            break
    # crc32, not hash(): the latter changes from one Python process to the next.
    return 1 + zlib.crc32("".join(shape).encode()) % (SHAPE_IDS - 1)


class Featuriser:
    """Turns word lists into ids; the part that depends on the word alone is remembered.

    Args:
        tokenizer: lower-casing WordPiece, without padding, truncation or special tokens.
        max_pieces: longest text in pieces, ``[CLS]`` and ``[SEP]`` included.
        remember: how many distinct words are kept.
    """

    def __init__(
        self, tokenizer: WordTokenizer, *, max_pieces: int = 128, remember: int = 100_000
    ) -> None:
        self.max_pieces = max_pieces
        self._tokenizer = tokenizer
        self._remember = remember
        self._known: dict[str, _Word] = {}

    def __call__(self, words: Sequence[str]) -> Encoded:
        """Ids of one text.

        Words that no longer fit are left out whole: ``len(result.first) < len(words)`` tells.
        """
        known = [self._word(word) for word in words]
        pieces, case, shape, first = [CLS], [1 + CASE_CLASSES * 6 + _text_case(known)], [0], []
        before = ""
        for text, word in zip(words, known, strict=True):
            if len(pieces) + len(word.pieces) > self.max_pieces - 1:
                break
            prefix = word.prefix or {"#": 1, "@": 2}.get(before, 0)
            base = 1 + (word.case - 1) * 6 + prefix * 2
            first.append(len(pieces))
            pieces.extend(word.pieces)
            case.append(base)
            case.extend([base + 1] * (len(word.pieces) - 1))
            shape.extend([word.shape] * len(word.pieces))
            before = text
        pieces.append(SEP)
        case.append(0)
        shape.append(0)
        return Encoded(pieces, case, shape, first)

    def _word(self, text: str) -> _Word:
        word = self._known.get(text)
        if word is None:
            word = self._look(text)
            if len(self._known) < self._remember:
                self._known[text] = word
        return word

    def _look(self, text: str) -> _Word:
        if is_address(text):
            return _Word((URL_PIECE,), ADDRESS, 1, 0)
        # Only so much of a word can matter; the slice keeps a megabyte "word" cheap.
        ids = self._tokenizer.encode(text[:200], add_special_tokens=False).ids
        prefix, core = 0, text
        if len(text) > 1 and text[0] in "#\uff03":
            prefix, core = 1, text[1:]
        elif len(text) > 1 and text[0] in "@\uff20":
            prefix, core = 2, text[1:]
        pieces = tuple(ids[:MAX_WORD_PIECES]) or (UNK,)
        return _Word(pieces, case_class(core), shape_id(text), prefix)


def _text_case(words: Sequence[_Word]) -> int:
    """0 usual or too short to say, 1 no capital at all, 2 mostly capitals, 3 mostly Title."""
    title = upper = lower = 0
    for word in words:
        if word.case in (TITLE, MIXED, UPPER_DIGITS):
            title += 1
        elif word.case in (UPPER, LETTER):
            upper += 1
        elif word.case in (LOWER, LOWER_DIGITS, LOWER_MIXED):
            lower += 1
    total = title + upper + lower
    if total < 4:
        return 0
    if not title + upper:
        return 1
    if upper >= 0.7 * total:
        return 2
    return 3 if title + upper >= 0.7 * total else 0


def pad(texts: Sequence[Encoded]) -> tuple[dict[str, npt.NDArray[np.int64]], npt.NDArray[np.bool_]]:
    """Stacks texts into the arrays the model takes.

    Returns:
        The model's inputs, ``input_ids``, ``attention_mask``, ``case_ids``, ``shape_ids`` [B, T]
        and ``first_piece`` [B, W], and a mask [B, W] that is true where a word is. Padding words
        point at piece 0; what the model returns for them means nothing.
    """
    count = len(texts)
    longest = max(len(text.pieces) for text in texts)
    most = max(1, *(len(text.first) for text in texts))
    ids = np.zeros((4, count, longest), np.int64)
    first = np.zeros((count, most), np.int64)
    mask = np.zeros((count, most), np.bool_)
    for row, text in enumerate(texts):
        length, words = len(text.pieces), len(text.first)
        ids[0, row, :length] = text.pieces
        ids[1, row, :length] = 1
        ids[2, row, :length] = text.case
        ids[3, row, :length] = text.shape
        first[row, :words] = text.first
        mask[row, :words] = True
    names = ("input_ids", "attention_mask", "case_ids", "shape_ids")
    return {**dict(zip(names, ids, strict=True)), "first_piece": first}, mask
