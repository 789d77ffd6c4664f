"""Approximate search with places where a match may begin and end.

Sellers' dynamic programme, one row a character of the pattern, each row a vector over the text:
what depends on the cell to the left is a running minimum once the price of the characters in
between is taken off. General fuzzy-string libraries search the best window by a similarity ratio;
a bound in edits, allowed edges and barred stretches are not to be had from them, and the vectors
cost no further dependency.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Hit", "approximate"]


class Hit(NamedTuple):
    """``start`` up to but excluding ``end``, and the edits it takes."""

    start: int
    end: int
    distance: int


def approximate(
    text: str,
    pattern: str,
    limit: int,
    *,
    begins: NDArray[np.bool_],
    ends: NDArray[np.bool_],
    barred: NDArray[np.bool_],
) -> list[Hit]:
    """The best match for every end that has one, in order of ends.

    A match costs one for each character inserted, left out or replaced. No digit is ever inserted,
    left out or replaced.

    Args:
        text: n characters.
        pattern: m characters, m > 0.
        limit: edits at most.
        begins: (n,) may a match begin at this character.
        ends: (n + 1,) may a match end before this character.
        barred: (n,) characters that no match may hold.

    Returns:
        For each end, the match of the fewest edits, and of these the one that begins last.
        Exactly n m cells are computed, in about ten vector operations a row.
    """
    import numpy as np

    n = len(text)
    # A cell holds edits * (n + 1) + n - start: the smallest is the cheapest, then the latest start.
    unit = n + 1
    never = np.int64((limit + 1) * unit)
    letters = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    digits = np.fromiter((char.isdigit() for char in text), dtype=bool, count=n)
    insert = np.where(barred | digits, never, unit)
    price = np.concatenate(([0], np.cumsum(insert)))

    row = np.full(n + 1, never)
    opened = np.flatnonzero(begins)
    row[opened] = n - opened
    row = np.minimum.accumulate(row - price) + price  # a match may begin with what is too much
    for char in pattern:
        number = char.isdigit()
        replace = np.where(digits | barred | number, never, unit)
        same = (letters == ord(char)) & ~barred
        below = row + (never if number else unit)  # the pattern's character is left out
        below[1:] = np.minimum(below[1:], row[:-1] + np.where(same, 0, replace))
        row = np.minimum.accumulate(below - price) + price
        np.minimum(row, never, out=row)
    best = np.flatnonzero((row < never) & ends)
    hits = []
    for end in best.tolist():
        distance, rest = divmod(int(row[end]), unit)
        if n - rest < end:
            hits.append(Hit(n - rest, end, distance))
    return hits
