"""Words and characters: which words a span of characters touches, and back.

Words are half-open code point ranges in text order that do not overlap, as in
:attr:`magpie.schema.Block.words` or from :func:`magpie.text.words.split_words`; between them lies
what belongs to no word (white space, mostly). Nothing here looks at the text itself, so that emoji,
combining marks and scripts without spaces need no care of their own.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from magpie.errors import ConfigError, SchemaError

__all__ = ["characters_of", "tile", "words_of"]

#: (first, after the last): code points or word indices
Range = tuple[int, int]


def words_of(
    words: Sequence[Range], start: int, end: int, *, how: Literal["exact", "widened"] = "exact"
) -> Range | None:
    """The words that characters ``start`` up to but excluding ``end`` cover.

    Args:
        words: ranges of the words, in order.
        start, end: a span of characters, ``start < end``.
        how: ``exact`` wants the span to begin where a word begins and to end where one ends;
            ``widened`` takes every word that shares a character with it.

    Returns:
        Half-open word indices, or None where no words fit. O(log words).

    Raises:
        ConfigError: ``how`` is another word.
        SchemaError: the span is empty, reversed or negative (code ``schema-span``).

    Example:
        >>> words = [(0, 3), (4, 9), (9, 10)]
        >>> words_of(words, 4, 10)
        (1, 3)
        >>> words_of(words, 5, 8), words_of(words, 5, 8, how="widened")
        (None, (1, 2))
    """
    if how not in ("exact", "widened"):
        raise ConfigError(f"how must be exact or widened, got {how!r}")
    if not 0 <= start < end:
        raise SchemaError(
            f"span [{start}, {end}) is empty, reversed or negative", code="schema-span"
        )
    first = bisect_right(words, start, key=_end)
    last = bisect_left(words, end, key=_start)
    if first >= last:
        return None
    if how == "exact" and (words[first][0], words[last - 1][1]) != (start, end):
        return None
    return first, last


def characters_of(words: Sequence[Range], first: int, last: int) -> Range:
    """The characters from the first word's first to the last word's last.

    Args:
        words: ranges of the words, in order.
        first, last: half-open word indices.

    Raises:
        SchemaError: there are no such words (code ``schema-span``).

    Example:
        >>> characters_of([(0, 3), (4, 9)], 0, 2)
        (0, 9)
    """
    if not 0 <= first < last <= len(words):
        raise SchemaError(
            f"words [{first}, {last}) are empty, reversed or beyond the {len(words)} words",
            code="schema-span",
            mend="Word indices are half-open: 0 <= first < last <= number of words.",
        )
    return words[first][0], words[last - 1][1]


def tile(words: Sequence[Range], spans: Sequence[Range]) -> list[Range]:
    """Cuts words where spans begin or end inside them, so that every span covers whole words.

    A format of one tag a word (CoNLL) can then hold spans that its words would not: marking
    ``Ada`` in the word ``Ada's`` gives the words ``Ada`` and ``'s``. The characters between words
    stay outside.

    Args:
        words: ranges of the words, in order.
        spans: half-open ranges of characters, in any order.

    Returns:
        Ranges that hold the same characters as ``words``. O((words + spans) log spans).

    Example:
        >>> tile([(0, 5), (6, 8)], [(0, 3)])
        [(0, 3), (3, 5), (6, 8)]
    """
    cuts = sorted({place for span in spans for place in span})
    pieces: list[Range] = []
    for start, end in words:
        inside = cuts[bisect_right(cuts, start) : bisect_left(cuts, end)]
        pieces.extend(pairwise([start, *inside, end]))
    return pieces


def _start(word: Range) -> int:
    return word[0]


def _end(word: Range) -> int:
    return word[1]
