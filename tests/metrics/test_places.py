"""Places: boxes, masks and time ranges against pixel arrays, and the odd ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.metrics.places import Place, best_iou, bounding_box, is_empty, overlap, places
from magpie.schema import Block, Box, Document, Mask, Media, Region, TimeRange


def mask_of(pixels: np.ndarray[Any, Any]) -> Mask:
    """A mask from an array of (height, width), run lengths column by column."""
    counts: list[int] = []
    value, run = False, 0
    for pixel in pixels.T.ravel():
        if bool(pixel) != value:
            counts.append(run)
            value, run = not value, 0
        run += 1
    counts.append(run)
    return Mask(pixels.shape[1], pixels.shape[0], tuple(counts))


def grid(*rows: str) -> Place:
    """A mask drawn with # and . in rows."""
    return Place("m0", mask=mask_of(np.array([[c == "#" for c in row] for row in rows])))


def box(*xyxy: float, media: str = "m0") -> Place:
    x1, y1, x2, y2 = xyxy
    return Place(media, box=(x1, y1, x2, y2))


def time(start: float, end: float) -> Place:
    return Place("a0", time=(start, end))


ARRAYS = st.integers(1, 7).flatmap(
    lambda width: st.lists(
        st.lists(st.booleans(), min_size=width, max_size=width), min_size=1, max_size=6
    )
)


def test_two_boxes() -> None:
    shared = overlap(box(0, 0, 10, 10), box(0, 0, 10, 8))
    assert (shared.shared, shared.first, shared.second) == (80, 100, 80)
    assert shared.iou == pytest.approx(0.8)
    assert shared.inside == 1
    assert overlap(box(0, 0, 1, 1), box(1, 0, 2, 1)).iou == 0


def test_two_media_share_nothing() -> None:
    shared = overlap(box(0, 0, 10, 10), box(0, 0, 10, 10, media="m1"))
    assert (shared.shared, shared.iou, shared.first, shared.second) == (0, 0, 100, 100)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((1, 3), (2, 4), 1 / 3),
        ((1, 2), (2, 4), 0),
        ((1, 2), (3, 4), 0),
        ((0, 4), (1, 3), 0.5),
        ((0.5, 2.5), (0.5, 2.5), 1),
        ((0, 1e308), (0, 1e308), 1),
    ],
)
def test_time_ranges(one: Any, other: Any, expected: float) -> None:
    assert overlap(time(*one), time(*other)).iou == pytest.approx(expected)
    assert overlap(time(*other), time(*one)).iou == pytest.approx(expected)


def test_a_time_is_no_place_in_a_picture() -> None:
    assert overlap(Place("m0", time=(0, 1)), box(0, 0, 1, 1)).iou == 0
    assert overlap(Place("m0", time=(0, 1)), grid("#")).iou == 0


def test_a_mask_and_a_box_meet_at_pixel_centres() -> None:
    mask = grid("##..", "##..", "....")
    assert overlap(mask, box(0, 0, 2, 2)).iou == 1
    # Of the third column the box holds less than half, so no centre.
    assert overlap(mask, box(0, 0, 2.4, 2)).iou == 1
    assert overlap(mask, box(0, 0, 2.6, 2)).iou == pytest.approx(4 / 6)
    assert overlap(box(0, 0, 2.6, 2), mask).second == 4


def test_a_box_that_leaves_the_picture_counts_where_the_picture_is() -> None:
    mask = grid("##", "##")
    assert overlap(mask, box(-50, -50, 90, 90)).iou == 1
    outside = overlap(mask, box(5, 5, 9, 9))
    assert (outside.shared, outside.second, outside.iou) == (0, 0, 0)
    # Smaller than a pixel and between two centres.
    assert overlap(mask, box(0.6, 0.6, 0.9, 0.9)).second == 0


def test_masks_of_two_sizes_share_nothing() -> None:
    shared = overlap(grid("##"), grid("#", "#"))
    assert (shared.shared, shared.first, shared.second) == (0, 2, 2)


def test_empty_masks() -> None:
    empty, full = grid("..", ".."), grid("##", "##")
    assert is_empty(empty)
    assert not is_empty(full)
    assert not is_empty(box(0, 0, 1, 1))
    assert overlap(empty, empty).iou == 0
    assert overlap(empty, empty).inside == 0
    assert overlap(empty, full).iou == 0
    assert overlap(empty, box(0, 0, 1, 1)).iou == 0


def test_masks_of_any_size_cost_no_memory() -> None:
    huge = Place("m0", mask=Mask(10**9, 10**9, (10**9, 10**9, 10**18 - 2 * 10**9)))  # column 1
    assert overlap(huge, huge).iou == 1
    shared = overlap(huge, box(0, 0, 1e9, 5e8))
    assert (shared.shared, shared.first, shared.second) == (5e8, 1e9, 5e17)
    assert overlap(huge, box(-1e300, -1e300, 1e300, 1e300)).shared == 1e9
    assert bounding_box(huge) == (1, 0, 2, 1e9)


def test_runs_of_no_length_change_nothing() -> None:
    plain = Place("m0", mask=Mask(2, 2, (1, 2, 1)))
    split = Place("m0", mask=Mask(2, 2, (0, 0, 1, 1, 0, 1, 1, 0, 0)))
    assert overlap(plain, split).iou == 1
    assert overlap(split, split).shared == 2


@given(ARRAYS, st.data())
def test_masks_share_what_their_pixels_share(rows: list[list[bool]], data: st.DataObject) -> None:
    one = np.array(rows)
    other = np.array(
        data.draw(
            st.lists(
                st.lists(st.booleans(), min_size=one.shape[1], max_size=one.shape[1]),
                min_size=one.shape[0],
                max_size=one.shape[0],
            )
        )
    )
    a, b = Place("m0", mask=mask_of(one)), Place("m0", mask=mask_of(other))
    shared = overlap(a, b)
    assert shared.shared == (one & other).sum()
    assert (shared.first, shared.second) == (one.sum(), other.sum())
    union = (one | other).sum()
    assert shared.iou == pytest.approx((one & other).sum() / union if union else 0)
    assert overlap(b, a).iou == shared.iou


@given(
    ARRAYS,
    st.tuples(*[st.floats(-3, 9, allow_nan=False)] * 2),
    st.tuples(*[st.floats(0.01, 9)] * 2),
)
def test_a_box_on_a_mask_is_its_pixels(
    rows: list[list[bool]], corner: tuple[float, float], size: tuple[float, float]
) -> None:
    pixels = np.array(rows)
    (x, y), (width, height) = corner, size
    ys, xs = np.mgrid[: pixels.shape[0], : pixels.shape[1]] + 0.5
    drawn = (xs >= x) & (xs < x + width) & (ys >= y) & (ys < y + height)
    shared = overlap(Place("m0", mask=mask_of(pixels)), box(x, y, x + width, y + height))
    assert shared.shared == (pixels & drawn).sum()
    assert shared.second == drawn.sum()


@given(ARRAYS)
def test_the_box_around_a_mask(rows: list[list[bool]]) -> None:
    pixels = np.array(rows)
    found = bounding_box(Place("m0", mask=mask_of(pixels)))
    if not pixels.any():
        assert found is None
        return
    ys, xs = np.nonzero(pixels)
    assert found is not None
    assert found[0] == xs.min()
    assert found[2] == xs.max() + 1
    assert (found[1], found[3]) == (ys.min(), ys.max() + 1)


def test_the_box_around_a_box_or_a_time() -> None:
    assert bounding_box(box(1, 2, 3, 4)) == (1, 2, 3, 4)
    assert bounding_box(time(0, 1)) is None


CORNERS = st.floats(-1e6, 1e6)
SIZES = st.floats(1e-3, 1e6)
BOXES = st.builds(lambda x, y, w, h: box(x, y, x + w, y + h), CORNERS, CORNERS, SIZES, SIZES)


@given(BOXES, BOXES)
def test_iou_is_symmetric_and_never_nan(a: Place, b: Place) -> None:
    assert overlap(a, b).iou == pytest.approx(overlap(b, a).iou)
    assert overlap(a, a).iou == 1
    for value in (overlap(a, b).iou, overlap(a, b).inside):
        assert math.isfinite(value)
        assert 0 <= value <= 1


def test_the_best_of_several() -> None:
    gold = [box(0, 0, 10, 10), box(20, 0, 30, 10)]
    assert best_iou(gold, [box(20, 0, 30, 10)]) == 1
    assert best_iou(gold, []) == 0
    assert best_iou([], gold) == 0


def test_a_region_that_is_its_whole_medium() -> None:
    document = Document(
        id="d",
        blocks=(Block(text="x"),),
        media=(
            Media(id="m0", width=20, height=10),
            Media(id="m1"),
            Media(id="a0", kind="audio", duration=4.0),
            Media(id="a1", kind="audio"),
        ),
    )
    whole = places(document, [Region(media=medium.id) for medium in document.media])
    assert whole == [box(0, 0, 20, 10), Place("m1"), time(0, 4), Place("a1")]
    assert overlap(whole[0], box(0, 0, 10, 10)).iou == pytest.approx(0.5)
    assert overlap(whole[1], whole[1]).iou == 1
    assert overlap(whole[1], box(0, 0, 9, 9, media="m1")).iou == 0
    assert overlap(whole[2], time(0, 2)).iou == pytest.approx(0.5)
    assert overlap(whole[3], whole[3]).iou == 1


def test_places_keep_what_a_region_says() -> None:
    document = Document(
        id="d", blocks=(Block(text="x"),), media=(Media(), Media(id="a0", kind="audio"))
    )
    found = places(
        document,
        [
            Region(media="m0", mask=Mask(2, 1, (1, 1)), label="dog"),
            Region.of_box(Box(0, 0, 1, 2, "m0")),
            Region(media="a0", time=TimeRange(1, 2)),
        ],
    )
    assert found == [
        Place("m0", mask=Mask(2, 1, (1, 1)), label="dog"),
        box(0, 0, 1, 2),
        time(1, 2),
    ]
