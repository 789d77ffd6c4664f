"""A mention marked in a title, and behind it what somebody wrote about an object.

As MOREformer reads its pairs (He et al., ACM MM 2023): ``[CLS] title with <s> head </s> [SEP] <o>
caption </o> [SEP]``, the second part being the second segment of BERT.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from magpie.methods.marking import Words

__all__ = ["MarkedTitle", "mark_title"]


@dataclass(frozen=True, slots=True)
class MarkedTitle:
    """Piece ids, the segment of each piece, and where the opening markers stand; ``tail`` is None
    without caption. ``cut`` are pieces that were left out, ``shortened`` whether the mention lost
    some."""

    ids: list[int]
    segments: list[int]
    head: int
    tail: int | None = None
    cut: int = 0
    shortened: bool = False


def mark_title(
    words: Sequence[Sequence[int]],
    head: Words,
    caption: Sequence[int] | None,
    markers: Mapping[str, int],
    ends: tuple[int, int],
    max_length: int,
) -> MarkedTitle:
    """Marks the head and cuts both parts to ``max_length`` together.

    The longer part loses its last piece until both fit, but never a marker, and the mention only
    where nothing else is left.

    Args:
        words: the piece ids of every word of the title.
        head: half-open word indices of the mention.
        caption: piece ids; None leaves the second part away.
        markers: id of each of ``<s> </s> <o> </o>``.
        ends: ids of ``[CLS]`` and ``[SEP]``.
        max_length: of everything; at least 8.
    """
    parts = [list(word) for word in words]
    note = list(caption or ())
    rest = [i for i in range(len(parts)) if not head[0] <= i < head[1] for _ in parts[i]]
    inside = [i for i in range(*head) for _ in parts[i]]
    fixed = 4 if caption is None else 7
    cut = 0
    while len(rest) + len(inside) + len(note) + fixed > max_length:
        cut += 1
        if note and (len(note) >= len(rest) + len(inside) or not rest):
            note.pop()
        else:
            parts[(rest or inside).pop()].pop()
    ids = [ends[0]]
    for index, word in enumerate(parts):
        if index == head[0]:
            opening = len(ids)
            ids.append(markers["<s>"])
        ids.extend(word)
        if index == head[1] - 1:
            ids.append(markers["</s>"])
    ids.append(ends[1])
    segments = [0] * len(ids)
    tail = None
    if caption is not None:
        tail = len(ids)
        ids += [markers["<o>"], *note, markers["</o>"], ends[1]]
        segments += [1] * (len(note) + 3)
    lost = len(inside) < sum(len(words[i]) for i in range(*head))
    return MarkedTitle(ids, segments, opening, tail, cut, lost)
