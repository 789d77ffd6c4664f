"""A mention in a title, a caption behind it: layout, segments, and what goes where room lacks."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="methods need the extra 'train'")

from hypothesis import given
from hypothesis import strategies as st

from magpie.methods.titling import mark_title

MARKERS = {"<s>": 1001, "</s>": 1002, "<o>": 1003, "</o>": 1004}
ENDS = (101, 102)


def test_the_example_of_the_paper():
    """[CLS] <s> trump </s> meets xi in osaka [SEP] <o> a man in a red tie </o> [SEP]."""
    words = [[n] for n in range(5)]
    caption = list(range(50, 57))
    row = mark_title(words, (0, 1), caption, MARKERS, ENDS, 96)
    assert row.ids == [101, 1001, 0, 1002, 1, 2, 3, 4, 102, 1003, *caption, 1004, 102]
    assert row.segments == [0] * 9 + [1] * 10
    assert (row.head, row.tail, row.cut, row.shortened) == (1, 9, 0, False)


def test_without_caption_there_is_no_second_segment():
    row = mark_title([[1], [2, 3]], (1, 2), None, MARKERS, ENDS, 96)
    assert row.ids == [101, 1, 1001, 2, 3, 1002, 102]
    assert row.tail is None
    assert set(row.segments) == {0}
    # An empty caption keeps its markers: they are read.
    empty = mark_title([[1], [2, 3]], (1, 2), [], MARKERS, ENDS, 96)
    assert empty.ids == [*row.ids, 1003, 1004, 102]
    assert empty.ids[empty.tail] == 1003


def test_the_longer_part_is_cut_first_and_never_a_marker():
    words = [[1], [2], [3]]
    row = mark_title(words, (0, 1), [50, 51, 52, 53, 54], MARKERS, ENDS, 13)
    assert row.ids == [101, 1001, 1, 1002, 2, 3, 102, 1003, 50, 51, 52, 1004, 102]
    row = mark_title([[n] for n in range(8)], (0, 1), [50, 51], MARKERS, ENDS, 12)
    assert row.ids == [101, 1001, 0, 1002, 1, 2, 102, 1003, 50, 51, 1004, 102]
    assert row.cut == 5
    # A mention longer than all room keeps one piece.
    row = mark_title([[1, 2, 3, 4]], (0, 1), [50], MARKERS, ENDS, 8)
    assert row.ids == [101, 1001, 1, 1002, 102, 1003, 1004, 102]
    assert (row.cut, row.shortened) == (4, True)


@given(
    words=st.lists(st.lists(st.integers(1, 99), max_size=3), min_size=1, max_size=12),
    caption=st.none() | st.lists(st.integers(1, 99), max_size=20),
    room=st.integers(8, 40),
    data=st.data(),
)
def test_every_marker_stays_once_and_it_fits(words, caption, room, data):
    start = data.draw(st.integers(0, len(words) - 1))
    end = data.draw(st.integers(start + 1, len(words)))
    row = mark_title(words, (start, end), caption, MARKERS, ENDS, room)
    assert len(row.ids) == len(row.segments) <= room
    wanted = set(MARKERS.values()) if caption is not None else {1001, 1002}
    assert [row.ids.count(m) for m in sorted(MARKERS.values())] == [
        int(m in wanted) for m in sorted(MARKERS.values())
    ]
    assert row.ids[row.head] == 1001
    assert (row.tail is None) == (caption is None)
    whole = sum(map(len, words)) + len(caption or ()) + (4 if caption is None else 7)
    assert row.cut == max(0, whole - room)
    assert row.segments == sorted(row.segments)
    if not row.cut:
        assert not row.shortened
    elif row.shortened:
        # Only where nothing else was left to cut.
        inside = row.ids[row.head + 1 : row.ids.index(1002)]
        assert len(row.ids) == len(inside) + (4 if caption is None else 7)
