"""Long texts: overlapping windows whose scores are stitched into one sequence.

Each word is scored by the window in which it lies deepest, that is, farthest from a cut, so no
word is decided at an edge where half of its context is missing. The stitched emissions are decoded
as one sequence: an entity may cross from one window into the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from magpie.engine.embedded.features import Encoded

__all__ = ["Window", "cut", "plan"]


class Window(NamedTuple):
    """Words ``start`` to ``end`` are read; of these, ``keep_start`` to ``keep_end`` are decided."""

    start: int
    end: int
    keep_start: int
    keep_end: int


def plan(lengths: Sequence[int], max_pieces: int, *, overlap: float = 0.5) -> list[Window]:
    """Windows over words of the given lengths.

    Args:
        lengths: pieces of each word, at least 1, each at most ``max_pieces - 2``.
        max_pieces: room of a window, ``[CLS]`` and ``[SEP]`` included.
        overlap: share of a window's room that the next window reads again.

    Returns:
        Windows in order; the kept parts follow each other without gap or overlap and cover every
        word. One window where everything fits, none for no words.
    """
    room = max_pieces - 2
    spans: list[tuple[int, int]] = []
    start, count = 0, len(lengths)
    while start < count:
        end, used = start, 0
        while end < count and used + lengths[end] <= room:
            used += lengths[end]
            end += 1
        spans.append((start, end))
        if end == count:
            break
        # Step back over the overlap, but forward from this window, and with room for a new word.
        back, start_next = 0, end
        most = min(room * overlap, room - lengths[end])
        while start_next - 1 > start and back + lengths[start_next - 1] <= most:
            start_next -= 1
            back += lengths[start_next]
        start = start_next
    windows: list[Window] = []
    keep = 0
    for index, (first, last) in enumerate(spans):
        # In the shared words, those left of its middle belong to this window.
        until = last if index + 1 == len(spans) else (spans[index + 1][0] + last + 1) // 2
        windows.append(Window(first, last, keep, until))
        keep = until
    return windows


def cut(text: Encoded, window: Window) -> Encoded:
    """The input of one window, sliced out of the whole text's.

    ``[CLS]`` keeps the id that tells how the whole text is cased.
    """
    last = len(text.pieces) - 1
    begin = text.first[window.start]
    end = text.first[window.end] if window.end < len(text.first) else last
    return Encoded(
        [text.pieces[0], *text.pieces[begin:end], text.pieces[last]],
        [text.case[0], *text.case[begin:end], text.case[last]],
        [text.shape[0], *text.shape[begin:end], text.shape[last]],
        [place - begin + 1 for place in text.first[window.start : window.end]],
    )
