"""How the words of an input are cased, piece by piece, for encoders that lower-case."""

from __future__ import annotations

from collections.abc import Sequence

from magpie.text.casing import ADDRESS, CASE_CLASSES, case_class
from magpie.text.words import is_address

__all__ = ["CASE_IDS", "case_ids"]

#: no word, then every case class for the first and for later pieces of a word
CASE_IDS = 1 + 2 * CASE_CLASSES


def case_ids(words: Sequence[str], first: Sequence[int], length: int) -> list[int]:
    """Class of each piece's word, first and later pieces apart; 0 where there is no word.

    Args:
        words, first: and the position of each one's first piece, ascending, -1 where it has none.
        length: pieces of the input; the last one is special.
    """
    ids = [0] * length
    there = [(place, word) for place, word in zip(first, words, strict=True) if place >= 0]
    ends = [*(place for place, _ in there[1:]), length - 1]
    for (place, word), end in zip(there, ends, strict=False):
        if not word:  # a separator
            continue
        core = word[1:] if len(word) > 1 and word[0] in "#@" else word
        kind = ADDRESS if is_address(word) else case_class(core)
        ids[place:end] = [2 * kind - 1, *[2 * kind] * (end - place - 1)]
    return ids
