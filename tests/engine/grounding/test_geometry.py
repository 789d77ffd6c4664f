"""Boxes as tuples: overlap, suppression, distance."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.engine.grounding.geometry import (
    Corners,
    area,
    clip,
    gap,
    intersection_over_union,
    suppress,
    union,
)
from magpie.schema import Box

boxes = st.tuples(
    st.integers(0, 50), st.integers(0, 50), st.integers(1, 50), st.integers(1, 50)
).map(lambda b: (float(b[0]), float(b[1]), float(b[0] + b[2]), float(b[1] + b[3])))


def test_values() -> None:
    assert area((1, 2, 4, 6)) == 12
    assert area((4, 2, 1, 6)) == 0
    assert intersection_over_union((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert intersection_over_union((0, 0, 0, 0), (0, 0, 0, 0)) == 0
    assert gap((0, 0, 1, 1), (4, 5, 6, 7)) == 5
    assert gap((0, 0, 5, 5), (4, 4, 6, 7)) == 0
    assert union([(0, 5, 2, 6), (1, 1, 3, 2)]) == (0, 1, 3, 6)
    assert clip((-1, -2, 30, 4), 20, 10) == (0, 0, 20, 4)


@given(boxes, boxes)
def test_overlap_agrees_with_the_data_model(a: Corners, b: Corners) -> None:
    expected = Box(*a, media="m").iou(Box(*b, media="m"))
    assert intersection_over_union(a, b) == pytest.approx(expected)
    assert intersection_over_union(a, b) == intersection_over_union(b, a)


def test_suppression_keeps_the_best_of_each_place() -> None:
    found: list[Corners] = [(0, 0, 10, 10), (1, 1, 11, 11), (50, 50, 60, 60), (3, 3, 6, 6)]
    assert suppress(found, [0.6, 0.9, 0.5, 0.3]) == [1, 2]


@given(st.lists(boxes, max_size=8), st.randoms())
def test_suppression_does_not_depend_on_order(found: list[Corners], source: object) -> None:
    scores = [area(box) for box in found]
    kept = {found[i] for i in suppress(found, scores)}
    order = list(range(len(found)))
    source.shuffle(order)  # type: ignore[attr-defined]
    again = suppress([found[i] for i in order], [scores[i] for i in order])
    assert {found[order[i]] for i in again} == kept
