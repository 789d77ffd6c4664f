"""Spans, boxes, masks and time ranges: conventions by value, refusals by code."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.errors import SchemaError
from magpie.schema import Box, Mask, Span, TimeRange

pixels = st.integers(0, 4000)
sides = st.integers(1, 2000)


@st.composite
def boxes(draw: st.DrawFn, media: str = "m0") -> Box:
    return Box.from_xywh(draw(pixels), draw(pixels), draw(sides), draw(sides), media)


def refused(code: str) -> pytest.RaisesExc[SchemaError]:
    return pytest.raises(SchemaError, check=lambda error: error.code == code)


# spans


def test_span_is_half_open() -> None:
    text = "Ada met Bob"
    span = Span("b0", 8, 11)
    assert text[span.start : span.end] == "Bob"
    assert len(span) == 3


@pytest.mark.parametrize(("start", "end"), [(0, 0), (3, 2), (-1, 4)])
def test_span_must_hold_a_character(start: int, end: int) -> None:
    with refused("schema-span"):
        Span("b0", start, end)


@pytest.mark.parametrize("start", [0.0, "0", True, None])
def test_span_offsets_are_integers(start: object) -> None:
    with refused("schema-type"):
        Span("b0", start, 4)  # type: ignore[arg-type]


def test_span_needs_a_block() -> None:
    with refused("schema-id"):
        Span("", 0, 1)


def test_spans_overlap_only_in_one_block_and_by_a_character() -> None:
    assert Span("b0", 0, 4).overlaps(Span("b0", 3, 9))
    assert not Span("b0", 0, 4).overlaps(Span("b0", 4, 9))
    assert not Span("b0", 0, 4).overlaps(Span("b1", 0, 4))


@given(st.integers(0, 30), st.integers(1, 9), st.integers(0, 30), st.integers(1, 9))
def test_overlap_is_a_shared_character(a: int, n: int, b: int, m: int) -> None:
    one, other = Span("b", a, a + n), Span("b", b, b + m)
    shared = set(range(a, a + n)) & set(range(b, b + m))
    assert one.overlaps(other) == other.overlaps(one) == bool(shared)


def test_spans_sort_by_place() -> None:
    spans = [Span("b", 5, 9), Span("b", 0, 4), Span("a", 7, 8), Span("b", 0, 2)]
    assert sorted(spans)[0] == Span("a", 7, 8)
    assert sorted(spans)[1:3] == [Span("b", 0, 2), Span("b", 0, 4)]


# boxes: conventions


def test_xywh_is_corner_and_size() -> None:
    assert Box.from_xywh(10, 20, 30, 40, "m0").xyxy == (10, 20, 40, 60)


def test_centre_convention() -> None:
    assert Box.from_cxcywh(25, 40, 30, 40, "m0").xyxy == (10, 20, 40, 60)


def test_one_based_box_of_one_pixel_is_the_first_pixel() -> None:
    box = Box.from_one_based(1, 1, 1, 1, "m0")
    assert box.xyxy == (0, 0, 1, 1)
    assert box.area == 1


def test_one_based_box_of_the_whole_picture() -> None:
    assert Box.from_one_based(1, 1, 640, 480, "m0").xyxy == (0, 0, 640, 480)


def test_normalised_fractions_and_grid() -> None:
    fractions = Box.from_normalised(0.25, 0.5, 0.75, 1.0, "m0", width=400, height=200)
    assert fractions.xyxy == (100, 100, 300, 200)
    grid = Box.from_normalised(250, 500, 750, 1000, "m0", width=400, height=200, scale=1000)
    assert grid.xyxy == fractions.xyxy


def test_bottom_left_origin_is_turned_over() -> None:
    assert Box.from_bottom_left(10, 20, 40, 60, "m0", height=100).xyxy == (10, 40, 40, 80)


@given(boxes(), st.integers(4000, 9000))
def test_turning_over_twice_gives_the_box_back(box: Box, height: int) -> None:
    once = Box.from_bottom_left(*box.xyxy, "m0", height=height)
    assert Box.from_bottom_left(*once.xyxy, "m0", height=height) == box
    assert (once.width, once.height) == (box.width, box.height)


@given(boxes())
def test_conventions_agree(box: Box) -> None:
    x1, y1, x2, y2 = box.xyxy
    assert Box.from_xywh(x1, y1, box.width, box.height, "m0") == box
    assert Box.from_one_based(x1 + 1, y1 + 1, x2, y2, "m0") == box
    centre = ((x1 + x2) / 2, (y1 + y2) / 2)
    assert Box.from_cxcywh(*centre, box.width, box.height, "m0") == box


@given(boxes(), st.integers(1, 4), st.integers(1, 4))
def test_powers_of_two_normalise_exactly(box: Box, a: int, b: int) -> None:
    width, height = 2 ** (a + 10), 2 ** (b + 10)
    x1, y1, x2, y2 = box.xyxy
    parts = (x1 / width, y1 / height, x2 / width, y2 / height)
    assert Box.from_normalised(*parts, "m0", width=width, height=height) == box


# boxes: refusals


@pytest.mark.parametrize(
    "corners",
    [(5, 0, 5, 9), (0, 9, 5, 9), (6, 0, 5, 9), (0, 9, 5, 3), (0.0, 0.0, 1e-200, 1e-200)],
)
def test_box_without_area_is_refused(corners: tuple[float, float, float, float]) -> None:
    with refused("schema-box"):
        Box(*corners, "m0")


def test_box_with_an_area_beyond_floats_is_refused() -> None:
    with refused("schema-box"):
        Box(0, 0, 1e200, 1e200, "m0")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400])
def test_box_coordinates_are_finite(value: float) -> None:
    with refused("schema-number"):
        Box(0, 0, value, 5, "m0")


@pytest.mark.parametrize("value", ["5", None, True])
def test_box_coordinates_are_numbers(value: object) -> None:
    with refused("schema-type"):
        Box(0, 0, value, 5, "m0")  # type: ignore[arg-type]


def test_box_names_its_picture() -> None:
    with refused("schema-id"):
        Box(0, 0, 5, 5, "")


# boxes: overlap


def test_iou_by_hand() -> None:
    one, other = Box(0, 0, 10, 10, "m0"), Box(5, 0, 15, 10, "m0")
    assert one.intersection(other) == 50
    assert one.iou(other) == 50 / 150


def test_touching_boxes_share_nothing() -> None:
    assert Box(0, 0, 10, 10, "m0").iou(Box(10, 0, 20, 10, "m0")) == 0.0


def test_boxes_of_two_pictures_do_not_mix() -> None:
    with refused("schema-mixed-pictures"):
        Box(0, 0, 1, 1, "m0").iou(Box(0, 0, 1, 1, "m1"))
    with refused("schema-mixed-pictures"):
        Box(0, 0, 1, 1, "m0").intersection(Box(0, 0, 1, 1, "m1"))


@given(boxes(), boxes())
def test_iou_is_symmetric_bounded_and_one_only_for_equals(one: Box, other: Box) -> None:
    value = one.iou(other)
    assert value == other.iou(one)
    assert 0.0 <= value <= 1.0
    assert (value == 1.0) == (one.xyxy == other.xyxy)


@given(boxes(), boxes(), st.integers(0, 500), st.integers(0, 500))
def test_iou_does_not_change_when_both_move(one: Box, other: Box, dx: int, dy: int) -> None:
    def moved(box: Box) -> Box:
        return Box(box.x1 + dx, box.y1 + dy, box.x2 + dx, box.y2 + dy, "m0")

    assert moved(one).iou(moved(other)) == one.iou(other)


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4),
    st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4),
)
def test_iou_of_any_floats_stays_in_range(first: list[float], second: list[float]) -> None:
    try:
        one, other = Box(*first, "m0"), Box(*second, "m0")
    except SchemaError:
        return
    assert 0.0 <= one.iou(other) <= 1.0


@given(boxes(), pixels, pixels)
def test_clipping_leaves_the_part_inside(box: Box, width: int, height: int) -> None:
    inside = box.clipped(width, height)
    if inside is None:
        assert box.x1 >= width or box.y1 >= height
    else:
        assert 0 <= inside.x1 < inside.x2 <= width
        assert 0 <= inside.y1 < inside.y2 <= height
        assert inside.intersection(box) == inside.area
        assert inside.clipped(width, height) == inside


# masks and time


def test_mask_area_counts_the_runs_of_ones() -> None:
    assert Mask(width=3, height=2, counts=(1, 2, 3)).area == 2


@pytest.mark.parametrize("counts", [(1, 2), (7,), ()])
def test_mask_runs_cover_the_picture(counts: tuple[int, ...]) -> None:
    with refused("schema-number"):
        Mask(width=3, height=2, counts=counts)


@pytest.mark.parametrize(
    ("counts", "code"),
    [((7, -1), "schema-number"), ((6.0,), "schema-type"), ([6], "schema-type")],
)
def test_mask_runs_are_a_tuple_of_counts(counts: tuple[int, ...], code: str) -> None:
    with refused(code):
        Mask(width=3, height=2, counts=counts)


def test_time_iou_by_hand() -> None:
    assert TimeRange(0, 4).iou(TimeRange(2, 6)) == pytest.approx(2 / 6)
    assert TimeRange(0, 2).iou(TimeRange(2, 6)) == 0.0
    assert TimeRange(1, 2).iou(TimeRange(1, 2)) == 1.0


@pytest.mark.parametrize(
    ("start", "end", "code"),
    [(2, 2, "schema-span"), (3, 2, "schema-span"), (-1, 2, "schema-number")],
)
def test_time_runs_forward_from_zero(start: float, end: float, code: str) -> None:
    with refused(code):
        TimeRange(start, end)
