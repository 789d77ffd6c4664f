"""What may be cut where: characters as readers see them, words, and scripts without spaces.

A reader's character may be many code points: a letter with its marks, a pictograph with skin tone
and ZERO WIDTH JOINER, a flag of two letters, a Hangul syllable of two or three jamo. The rules are
those of Unicode's extended grapheme clusters (UAX #29) as far as they matter to spans of names.
"""

from __future__ import annotations

import functools
import unicodedata
from bisect import bisect_right

__all__ = ["at_word_edge", "inside_character", "is_unspaced", "is_word"]

_ZWJ = "\u200d"

# Underscore, soft hyphen, and the joiners of Persian and Indic spelling.
_WORD_PARTS = "_\u00ad\u200c\u200d"

# First and last code point of scripts that do not put spaces between words: Thai and Lao, Myanmar,
# Khmer, kana and bopomofo, ideographs, and the ideographs beyond the first plane.
_UNSPACED = (
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x2E80, 0x2FDF),
    (0x3005, 0x3007),
    (0x3021, 0x3029),
    (0x3040, 0x312F),
    (0x31A0, 0x31BF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),
    (0x1B000, 0x1B16F),
    (0x20000, 0x3FFFF),
)
_UNSPACED_STARTS = [first for first, _ in _UNSPACED]


@functools.lru_cache(maxsize=4096)
def is_word(character: str) -> bool:
    """Whether it belongs to words: letters, digits, their marks and joiners, the underscore."""
    if character.isalnum() or character in _WORD_PARTS:
        return True
    # The selectors of pictographs are marks by category, but no letter stands before them.
    return _is_mark(character) and not "\ufe00" <= character <= "\ufe0f"


@functools.lru_cache(maxsize=4096)
def is_unspaced(character: str) -> bool:
    """Whether its script puts no spaces between words, so that any character may start one.

    Example:
        >>> is_unspaced("東"), is_unspaced("ไ"), is_unspaced("ب"), is_unspaced("서")
        (True, True, False, False)
    """
    place = bisect_right(_UNSPACED_STARTS, ord(character)) - 1
    return place >= 0 and ord(character) <= _UNSPACED[place][1]


def inside_character(text: str, position: int) -> bool:
    """Whether a cut before ``text[position]`` would part what a reader sees as one character.

    O(1): of a row of flags at most 64 are counted back, and beyond them none is kept whole.

    Example:
        >>> [place for place in range(6) if not inside_character("e\u0301👍🏽!", place)]
        [0, 2, 4, 5]
    """
    if not 0 < position < len(text):
        return False
    after, before = text[position], text[position - 1]
    if after < "\u0300":
        return before == "\r" and after == "\n"
    if _continues(after):
        return True
    if before == _ZWJ:
        return after >= "\u2190" and not after.isalnum()  # joined pictographs, not joined letters
    if _is_indicator(after) and _is_indicator(before):
        first, limit = position - 1, max(0, position - 128)
        while first > limit and _is_indicator(text[first - 1]):
            first -= 1
        return (position - first) % 2 == 1
    return False


def at_word_edge(text: str, position: int) -> bool:
    """Whether a word may begin or end before ``text[position]``: no word goes on across it.

    Between two characters of a script without spaces there is always an edge.

    Example:
        >>> [place for place in range(9) if at_word_edge("#NBA 2024", place)]
        [0, 1, 4, 5]
    """
    if inside_character(text, position):
        return False
    if not 0 < position < len(text):
        return True
    before, after = text[position - 1], text[position]
    if not is_word(before) or not is_word(after):
        return True
    return is_unspaced(before) or is_unspaced(after)


@functools.lru_cache(maxsize=4096)
def _continues(character: str) -> bool:
    """Marks, joiners, skin tones, tag letters of flags, and jamo that end a syllable."""
    return (
        _is_mark(character)
        or character in "\u200c\u200d"
        or "\U0001f3fb" <= character <= "\U0001f3ff"
        or "\U000e0020" <= character <= "\U000e007f"
        or "\u1160" <= character <= "\u11ff"
        or "\ud7b0" <= character <= "\ud7ff"
        or character in "\uff9e\uff9f"
    )


def _is_mark(character: str) -> bool:
    return unicodedata.category(character)[0] == "M"


def _is_indicator(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"
