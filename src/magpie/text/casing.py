"""How a word is cased: what an encoder that lower-cases its input does not see."""

from __future__ import annotations

__all__ = [
    "ADDRESS",
    "CASELESS",
    "CASE_CLASSES",
    "DIGITS",
    "LETTER",
    "LOWER",
    "LOWER_DIGITS",
    "LOWER_MIXED",
    "MIXED",
    "PUNCTUATION",
    "SYMBOL",
    "TITLE",
    "UPPER",
    "UPPER_DIGITS",
    "case_class",
]

LOWER, TITLE, UPPER, LETTER, MIXED, LOWER_MIXED, DIGITS, UPPER_DIGITS, LOWER_DIGITS = range(1, 10)
#: web addresses have a class that their callers give
PUNCTUATION, SYMBOL, CASELESS, ADDRESS = range(10, 14)
#: classes are 1 to this; 0 is free for "no word"
CASE_CLASSES = 13


def case_class(word: str) -> int:
    """Class of a word's letters, ignoring a leading ``#`` or ``@`` (the caller strips it).

    Example:
        >>> [case_class(w) for w in ("in", "Paris", "NBA", "A", "McAdoo", "iPhone", "2017", "!")]
        [1, 2, 3, 4, 5, 6, 7, 10]
    """
    upper = lower = digits = caseless = 0
    first_upper: bool | None = None
    for char in word:
        if char.isupper():
            upper += 1
            first_upper = True if first_upper is None else first_upper
        elif char.islower():
            lower += 1
            first_upper = False if first_upper is None else first_upper
        elif char.isdigit():
            digits += 1
        elif char.isalpha():
            caseless += 1
    if upper or lower:
        return _cased_class(upper, lower, digits, first_upper=bool(first_upper))
    if digits:
        return DIGITS
    if caseless:
        return CASELESS
    return PUNCTUATION if word.isascii() else SYMBOL


def _cased_class(upper: int, lower: int, digits: int, *, first_upper: bool) -> int:
    if digits:
        return UPPER_DIGITS if upper else LOWER_DIGITS
    if not upper:
        return LOWER
    if not lower:
        return UPPER if upper > 1 else LETTER
    if not first_upper:
        return LOWER_MIXED
    return TITLE if upper == 1 else MIXED
