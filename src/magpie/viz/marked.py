"""A stretch of text in which the gold and the predicted places are marked."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

from magpie.viz._html import Html, element, join

__all__ = ["Places", "snippet"]

#: first and one past the last character
Places: TypeAlias = Sequence[tuple[int, int]]

#: characters that are shown before and behind the marked ones
_AROUND = 80


def snippet(text: str, gold: Places, predicted: Places) -> Html:
    """The text around the places, everything escaped; gold underlined, prediction shaded.

    Places outside the text are cut to it. What lies far from any of them is left out ("…").
    """
    size = len(text)
    sides = {
        "gold": [(max(0, a), min(b, size)) for a, b in gold if a < size and b > 0],
        "predicted": [(max(0, a), min(b, size)) for a, b in predicted if a < size and b > 0],
    }
    every = [place for places in sides.values() for place in places]
    first = max(0, min((a for a, _ in every), default=0) - _AROUND)
    last = min(size, max((b for _, b in every), default=0) + _AROUND)
    cuts = sorted({first, last, *(edge for place in every for edge in place)})
    pieces: list[Html] = [join("…")] if first else []
    for start, end in pairwise(cuts):
        names = [name for name, places in sides.items() if _inside(start, end, places)]
        piece = text[start:end]
        if names:
            pieces.append(element("mark", piece, class_=" ".join(names)))
        elif first < start and end < last and len(piece) > 2 * _AROUND:
            pieces.append(join(piece[:_AROUND], "…", piece[-_AROUND:]))
        else:
            pieces.append(join(piece))
    if last < size:
        pieces.append(join("…"))
    return element("p", *pieces, class_="snippet", dir="auto")


def _inside(start: int, end: int, places: Places) -> bool:
    return any(first <= start and end <= last for first, last in places)
