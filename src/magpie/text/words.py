"""Splitting raw posts into words the way the public tweet corpora are tokenised.

The corpora behind the published figures put spaces round nearly all punctuation: ``don ' t``,
``J . Stamps``, ``# NBA``, ``@ realDonaldTrump``, ``Me - first``. A tagger trained on them must see
raw text cut the same way, so this splitter follows them: runs of letters, digits and underscores
stay together, numbers keep their inner separators (``1,016``), addresses stay whole and everything
else stands alone. Nothing is changed or dropped but white space; every word is a pair of character
offsets into the text it came from.
"""

from __future__ import annotations

import re

__all__ = ["is_address", "split_words", "word_texts"]

# Combining marks do not count as word characters for `re`, yet they belong to the letter before:
# the blocks of general combining marks, the vowel signs of Indic and South-East Asian scripts,
# Hebrew and Arabic points.
_MARK = (
    "\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u0610-\u061a"
    "\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u0711\u0730-\u074a\u0900-\u0903\u093a-\u094f"
    "\u0951-\u0957\u0962\u0963\u0981-\u0983\u09bc-\u09cd\u0a01-\u0a51\u0abc-\u0acd\u0b01-\u0b57"
    "\u0b82\u0bbe-\u0bcd\u0c00-\u0c56\u0c81-\u0cd6\u0d00-\u0d57\u0e31\u0e34-\u0e3a\u0e47-\u0e4e"
    "\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ecd\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\u3099\u309a\ufe20-\ufe2f"
)

_ADDRESS = r"(?:https?://|www\.|pic\.twitter\.com/|t\.co/)[^\s\u2026]*\u2026?"
# Long posts were cut by the platform, often inside the closing address: "http://t.c…", "ht…".
_CUT_ADDRESS = r"(?<!\w)h(?:t(?:t(?:ps?)?)?)?:?/{0,2}\u2026"

_WORD = re.compile(
    rf"""
    {_ADDRESS}
  | {_CUT_ADDRESS}
  | &(?:amp|lt|gt|quot|nbsp|\#\d{{1,6}})(?=;)    # the corpora split "&amp;" into "&amp" and ";"
  | \d+(?:[.,:]\d+)+                             # 1,016  3.5  10:30
  | (?:[^\W\d_]\.){{2,}}                         # U.S.
  | [\w{_MARK}]+
  | (?:\.{{2,}}|-{{2,}}|!{{2,}}|\?{{2,}})
  | \S
    """,
    re.VERBOSE | re.IGNORECASE,
)

_IS_ADDRESS = re.compile(
    r"(?:https?:|www\.|pic\.twitter\.com|t\.co/|//t|h(?:t(?:t(?:ps?)?)?)?:?/{0,2}\u2026)",
    re.IGNORECASE,
)


def split_words(text: str) -> list[tuple[int, int]]:
    """Cuts raw text into words.

    Args:
        text: any string; no normalisation is applied.

    Returns:
        Half-open code point ranges, in order, never empty, never overlapping. Joined they hold
        every character of ``text`` that is not white space.

    Example:
        >>> text = "RT @MahaveerM_: Pak's home"
        >>> [text[a:b] for a, b in split_words(text)]
        ['RT', '@', 'MahaveerM_', ':', 'Pak', "'", 's', 'home']
    """
    return [match.span() for match in _WORD.finditer(text)]


def word_texts(text: str) -> list[str]:
    """The words of :func:`split_words` themselves.

    Example:
        >>> word_texts("Kawhi wins! #NBAAwards")
        ['Kawhi', 'wins', '!', '#', 'NBAAwards']
    """
    return [match.group() for match in _WORD.finditer(text)]


def is_address(word: str) -> bool:
    """Whether a word is a web address, or what the platform's cut left of one.

    Example:
        >>> is_address("http://t.c…"), is_address("hotel")
        (True, False)
    """
    return _IS_ADDRESS.match(word) is not None
