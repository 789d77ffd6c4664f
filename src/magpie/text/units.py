"""Offsets counted in bytes or UTF-16 units, to and from code points.

Python and this library count code points. Tokenisers of bytes count UTF-8 bytes; JavaScript, and
with it most annotation tools in a browser, counts UTF-16 units, in which a pictograph is two.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from itertools import accumulate
from typing import Literal

from magpie.errors import ConfigError, SchemaError

__all__ = ["Unit", "from_code_points", "to_code_points"]

#: What foreign offsets count.
Unit = Literal["utf-8", "utf-16"]

Range = tuple[int, int]


def to_code_points(text: str, ranges: Iterable[Range], unit: Unit) -> list[Range]:
    """Foreign ranges as code points; one that cuts a character is widened to hold all of it.

    Args:
        text: what the offsets speak about.
        ranges: half-open, in bytes or UTF-16 units.
        unit: which of the two.

    Returns:
        Half-open code point ranges. O(characters + ranges log characters).

    Raises:
        ConfigError: another unit.
        SchemaError: a range that is reversed or leaves the text (code ``schema-span``).

    Example:
        >>> to_code_points("🎉 Ada", [(5, 8), (1, 2)], "utf-8")
        [(2, 5), (0, 1)]
        >>> to_code_points("🎉 Ada", [(3, 6)], "utf-16")
        [(2, 5)]
    """
    places = _places(text, unit)
    found = []
    for start, end in ranges:
        _check(start, end, places[-1], unit)
        first = bisect_right(places, start) - 1
        found.append((first, max(first, bisect_left(places, end))))
    return found


def from_code_points(text: str, ranges: Iterable[Range], unit: Unit) -> list[Range]:
    """Code point ranges in another unit; undone by :func:`to_code_points`.

    Raises:
        ConfigError: another unit.
        SchemaError: a range that is reversed or leaves the text (code ``schema-span``).

    Example:
        >>> from_code_points("🎉 Ada", [(2, 5)], "utf-16")
        [(3, 6)]
    """
    places = _places(text, unit)
    found = []
    for start, end in ranges:
        _check(start, end, len(text), "code points")
        found.append((places[start], places[end]))
    return found


def _places(text: str, unit: Unit) -> list[int]:
    """Foreign offset of each code point, and of the end."""
    if unit == "utf-8":
        sizes = (1 + (char > "\x7f") + (char > "\u07ff") + (char > "\uffff") for char in text)
    elif unit == "utf-16":
        sizes = (1 + (char > "\uffff") for char in text)
    else:
        raise ConfigError(f"unit must be utf-8 or utf-16, got {unit!r}")
    return list(accumulate(sizes, initial=0))


def _check(start: int, end: int, length: int, unit: str) -> None:
    if not 0 <= start <= end <= length:
        raise SchemaError(
            f"range [{start}, {end}) is reversed or leaves the text of {length} ({unit})",
            code="schema-span",
            mend="Which unit do the offsets count, and is it the same text?",
        )
