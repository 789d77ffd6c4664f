"""G10, the box tokens of RiVEG: ``<bin_x0> <bin_y0> <bin_x1> <bin_y1>``, 0 to 999.

A bin b of a picture W pixels wide is x = b * W / 999; what is written is the nearest bin.
"""

from __future__ import annotations

import re

from magpie.methods.generation.result import Diagnostics, ParseResult, Target, UnencodableTarget

__all__ = ["BINS", "bin_token", "encode", "parse"]

#: number of bins along a side
BINS = 1000

_TOKEN = re.compile(r"<bin_([0-9]+)>")
_BARE = re.compile(r"[0-9]+")

XYXY = tuple[float, float, float, float]


def bin_token(number: int) -> str:
    """The token of a bin."""
    return f"<bin_{number}>"


def encode(box: XYXY, size: tuple[int, int]) -> Target[tuple[int, int, int, int]]:
    """The four tokens of a box in pixels; ``size`` is (width, height).

    Raises:
        UnencodableTarget: the box is empty, outside of the picture or narrower than a bin.
    """
    x, y = ((BINS - 1) / side for side in size)
    bins = (round(box[0] * x), round(box[1] * y), round(box[2] * x), round(box[3] * y))
    if min(bins) < 0 or max(bins) >= BINS or bins[0] >= bins[2] or bins[1] >= bins[3]:
        raise UnencodableTarget(
            f"box {box} of a picture of {size} pixels has the bins {bins}",
            mend="Leave out boxes that are empty or outside of their picture.",
        )
    return Target(items=(bins,), text=" ".join(map(bin_token, bins)))


def parse(text: str, size: tuple[int, int]) -> ParseResult[XYXY]:
    """The box in pixels of a picture of ``size`` (width, height); none of a malformed output.

    Tokens are read; of an output without any, the bare numbers.
    """
    diagnostics = Diagnostics()
    written = _TOKEN.findall(text) or _BARE.findall(text)
    # Numbers that no bin can have are no work for int().
    bins = [int(digits) if len(digits) < 7 else BINS for digits in written]
    if len(bins) != 4:
        diagnostics.note("bad_arity", 0, text)
        return ParseResult((), diagnostics, text)
    x0, y0, x1, y1 = bins
    if max(bins) >= BINS or x0 >= x1 or y0 >= y1:
        diagnostics.note("bad_box", 0, text)
        return ParseResult((), diagnostics, text)
    x, y = (side / (BINS - 1) for side in size)
    return ParseResult(((x0 * x, y0 * y, x1 * x, y1 * y),), diagnostics, text)
