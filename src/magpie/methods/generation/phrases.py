"""Where "in the image" stands among generated pieces: the steps at which TIGER reads its regions.

A parsed sentence knows its characters (:mod:`magpie.methods.generation.sentences`);
:func:`piece_offsets` leads from characters to pieces of any tokenizer. :func:`find_phrase` works
on ids alone, as the release does, without the defects of the release's scans.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

__all__ = ["find_phrase", "piece_offsets", "pieces_of"]

Range = tuple[int, int]


def find_phrase(
    ids: Sequence[int], phrase: Sequence[int], negation: int | None
) -> list[tuple[int, ...]]:
    """Positions of every occurrence of ``phrase`` that ``negation`` does not directly precede.

    Args:
        ids: pieces of an output or a target.
        phrase: the pieces of "in the image" (T5: 16 8 1023).
        negation: the piece of "not" (T5: 59); None where there is none.

    Example:
        >>> find_phrase([7, 59, 16, 8, 1023, 9, 16, 8, 1023], (16, 8, 1023), 59)
        [(6, 7, 8)]
    """
    wanted, size = tuple(phrase), len(phrase)
    hits: list[tuple[int, ...]] = []
    place = 0
    while size and place + size <= len(ids):
        here = tuple(ids[place : place + size]) == wanted
        if here and (place == 0 or ids[place - 1] != negation):
            hits.append(tuple(range(place, place + size)))
            place += size
        else:
            place += 1
    return hits


def piece_offsets(
    ids: Sequence[int], decode: Callable[[list[int]], str]
) -> tuple[str, tuple[Range, ...]]:
    """The text of pieces, and the characters each piece stands for.

    A piece that completes no character (a byte of an emoji, a special piece that is not shown)
    has an empty range. Costs one ``decode`` a piece.

    Args:
        ids: of one output.
        decode: such as ``lambda ids: tokenizer.decode(ids, skip_special_tokens=True)``.
    """
    pieces = list(ids)
    text = decode(pieces)
    ranges: list[Range] = []
    begin = 0
    for count in range(1, len(pieces) + 1):
        shown = decode(pieces[:count]).rstrip("\ufffd")
        end = max(begin, min(len(shown), len(text)))
        ranges.append((begin, end))
        begin = end
    return text, tuple(ranges)


def pieces_of(offsets: Sequence[Range], span: Range) -> tuple[int, ...]:
    """The pieces that share a character with ``span``.

    Example:
        >>> pieces_of([(0, 2), (2, 6), (6, 10), (10, 10)], (3, 10))
        (1, 2)
    """
    start, end = span
    return tuple(
        place
        for place, (first, last) in enumerate(offsets)
        if first < end and last > start and first < last
    )
