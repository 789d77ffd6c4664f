"""Pieces of a tokeniser, words and characters: which belongs to which, and what was cut off.

Works on the offset lists that every fast tokeniser returns and imports none of them. What they get
up to is evened out here:

- special tokens have the empty range ``(0, 0)`` and stand for nothing;
- the space before a word belongs to its piece in byte-level vocabularies that do not trim
  (``Ġworld`` is ``" world"``), sometimes a piece is nothing but that space;
- the prefix that SentencePiece puts before a text (``▁``) claims the first letter, which belongs to
  the next piece;
- pieces of bytes, and letters that a normaliser took apart (``ﬁ``), share one character;
- a piece may span several words of the corpus (``don't`` where it has ``don``, ``'``, ``t``), and a
  normaliser may leave nothing of a word (a lone variation selector).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from magpie.errors import FormatError, SchemaError
from magpie.text.align import Range, words_of

__all__ = ["PieceMap", "Truncation", "absolute_offsets", "align_pieces"]

#: How vocabularies write the space before a word: byte-level, SentencePiece.
_PREFIXES = "\u0120\u2581"


@dataclass(frozen=True, slots=True)
class Truncation:
    """What the pieces hold of the words; all indices of words, in order.

    Attributes:
        whole: all their visible characters are covered.
        cut: some of them are: the word in which the text was cut off.
        lost: none, and the word lies before the first or behind the last covered one.
        silent: none, but words on both sides are covered or nothing of it is visible: the
            tokeniser's normaliser left nothing of it.
    """

    whole: tuple[int, ...]
    cut: tuple[int, ...]
    lost: tuple[int, ...]
    silent: tuple[int, ...]

    @property
    def happened(self) -> bool:
        """Whether anything is missing because the pieces ended."""
        return bool(self.cut or self.lost)


@dataclass(frozen=True, slots=True)
class PieceMap:
    """The alignment of P pieces with W words of one text.

    Attributes:
        ranges: P half-open code point ranges without outer white space; None for pieces that
            stand for no character.
        words_of: P half-open ranges of words that the piece shares characters with, or None.
        pieces_of: W half-open ranges of pieces that share characters with the word, or None.
        truncation: which words the pieces cover.
    """

    ranges: tuple[Range | None, ...]
    words_of: tuple[Range | None, ...]
    pieces_of: tuple[Range | None, ...]
    truncation: Truncation

    def first_pieces(self) -> list[int | None]:
        """The piece that speaks for each word where a model reads one a word; None without any.

        Two words may share a piece.
        """
        return [None if pieces is None else pieces[0] for pieces in self.pieces_of]

    def word_ids(self) -> list[int | None]:
        """The word of each piece, the first where it spans several; None for special tokens."""
        return [None if words is None else words[0] for words in self.words_of]

    def pieces_of_span(self, start: int, end: int) -> Range | None:
        """Half-open pieces that share a character with the span, or None. O(pieces)."""
        inside = [
            index
            for index, piece in enumerate(self.ranges)
            if piece is not None and piece[0] < end and start < piece[1]
        ]
        return (inside[0], inside[-1] + 1) if inside else None

    def span_of_pieces(self, first: int, last: int) -> Range | None:
        """The characters of pieces ``first`` up to but excluding ``last``; None for none."""
        inside = [piece for piece in self.ranges[first:last] if piece is not None]
        if not inside:
            return None
        return min(start for start, _ in inside), max(end for _, end in inside)


def align_pieces(
    text: str,
    words: Sequence[Range],
    offsets: Sequence[Range],
    *,
    pieces: Sequence[str] | None = None,
) -> PieceMap:
    """Aligns the pieces of a tokeniser with words.

    Args:
        text: the text that the tokeniser was given.
        words: W half-open code point ranges in order, as in :attr:`magpie.schema.Block.words`.
        offsets: P half-open code point ranges, one a piece; see :mod:`magpie.text.units` for those
            in bytes, and :func:`absolute_offsets` for those within words.
        pieces: P pieces as the vocabulary writes them. Only with them can a lone ``▁`` that claims
            the first letter be told from a piece that stands for it.

    Returns:
        The alignment. O(characters + P log W).

    Raises:
        FormatError: as many pieces as offsets were expected.
        SchemaError: an offset that is reversed or leaves the text (code ``schema-span``).

    Example:
        >>> offsets = [(0, 0), (0, 3), (3, 5), (5, 6), (0, 0)]  # <s> Ada Ġ🎉 🎉 </s>
        >>> aligned = align_pieces("Ada 🎉🎉 Lee", [(0, 3), (4, 6), (7, 10)], offsets)
        >>> aligned.word_ids(), aligned.first_pieces()
        ([None, 0, 1, 1, None], [1, 2, None])
        >>> aligned.truncation.lost
        (2,)
    """
    if pieces is not None and len(pieces) != len(offsets):
        raise FormatError(f"{len(offsets)} offsets, but {len(pieces)} pieces")
    ranges = []
    for index, (start, end) in enumerate(offsets):
        if not 0 <= start <= end <= len(text):
            raise SchemaError(
                f"piece {index} has the range [{start}, {end}), which is reversed or leaves the "
                f"text of {len(text)} characters",
                code="schema-span",
                mend="Was another text tokenised, or do the offsets count bytes?",
            )
        ranges.append(_trimmed(text, start, end, None if pieces is None else pieces[index]))
    touched = [None if r is None else words_of(words, *r, how="widened") for r in ranges]
    firsts: list[int | None] = [None] * len(words)
    lasts = [0] * len(words)
    for index, found in enumerate(touched):
        for word in range(*found) if found else ():
            if firsts[word] is None:
                firsts[word] = index
            lasts[word] = index + 1
    pieces_of = tuple(
        None if first is None else (first, last) for first, last in zip(firsts, lasts, strict=True)
    )
    return PieceMap(
        tuple(ranges), tuple(touched), pieces_of, _truncation(text, words, ranges, pieces_of)
    )


def absolute_offsets(
    words: Sequence[Range],
    word_ids: Sequence[int | None],
    offsets: Sequence[Range],
) -> list[Range]:
    """Offsets within words, as tokenisers give for a list of words, made offsets of the text.

    Args:
        words: W half-open ranges in the text.
        word_ids: P indices of words, None for special tokens.
        offsets: P ranges within the word; one that leaves it is cut to it, because a prefix space
            that the tokeniser put before the word is counted by some.

    Returns:
        P half-open ranges in the text, ``(0, 0)`` for special tokens.

    Raises:
        FormatError: lists of different lengths, or a word that does not exist.

    Example:
        >>> absolute_offsets([(0, 3), (4, 9)], [None, 0, 1, 1], [(0, 0), (0, 3), (0, 2), (2, 5)])
        [(0, 0), (0, 3), (4, 6), (6, 9)]
    """
    if len(word_ids) != len(offsets):
        raise FormatError(f"{len(offsets)} offsets, but {len(word_ids)} word ids")
    found = []
    for word, (start, end) in zip(word_ids, offsets, strict=True):
        if word is None:
            found.append((0, 0))
            continue
        if not 0 <= word < len(words):
            raise FormatError(f"word id {word}, but there are {len(words)} words")
        first, last = words[word]
        found.append((min(first + start, last), min(first + end, last)))
    return found


def _trimmed(text: str, start: int, end: int, piece: str | None) -> Range | None:
    """Without outer white space; None where nothing is left."""
    if piece is not None and piece and not piece.strip(_PREFIXES) and text[start:end] != piece:
        return None
    covered = text[start:end]
    start += len(covered) - len(covered.lstrip())
    end -= len(covered) - len(covered.rstrip())
    return (start, end) if start < end else None


def _truncation(
    text: str,
    words: Sequence[Range],
    ranges: Sequence[Range | None],
    pieces_of: Sequence[Range | None],
) -> Truncation:
    covered = bytearray(len(text))
    for piece in ranges:
        if piece is not None:
            covered[piece[0] : piece[1]] = b"\1" * (piece[1] - piece[0])
    held = [index for index, found in enumerate(pieces_of) if found is not None]
    first, last = (held[0], held[-1]) if held else (len(words), -1)
    whole: list[int] = []
    cut: list[int] = []
    lost: list[int] = []
    silent: list[int] = []
    for index, (start, end) in enumerate(words):
        visible = [place for place in range(start, end) if _is_visible(text[place])]
        if pieces_of[index] is not None:
            (whole if all(covered[place] for place in visible) else cut).append(index)
        elif not visible or first < index < last:
            silent.append(index)
        else:
            lost.append(index)
    return Truncation(tuple(whole), tuple(cut), tuple(lost), tuple(silent))


def _is_visible(character: str) -> bool:
    """Whether a normaliser would have no reason to drop it: no mark, no format character."""
    return unicodedata.category(character) not in ("Mn", "Me", "Cf", "Cc")
