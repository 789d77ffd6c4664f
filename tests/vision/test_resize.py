"""Resizing keeps the aspect ratio and its map brings boxes back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.errors import ConfigError
from magpie.vision import BoxMap, LoadedImage, resize_within


def blank(width: int, height: int) -> LoadedImage:
    return LoadedImage(np.zeros((height, width, 3), dtype=np.uint8), width, height)


def test_small_pictures_stay_as_they_are() -> None:
    image = blank(30, 20)
    pixels, scale = resize_within(image, 30)
    assert pixels is image.pixels
    assert scale == BoxMap(1.0, 1.0, 30, 20)


def test_the_longer_side_fits() -> None:
    pixels, scale = resize_within(blank(400, 200), 100)
    assert pixels.shape == (50, 100, 3)
    assert pixels.dtype == np.uint8
    assert scale.to_original((10, 5, 20, 50)) == (40.0, 20.0, 80.0, 200.0)
    assert scale.to_resized((40, 20, 80, 200)) == (10.0, 5.0, 20.0, 50.0)


def test_a_line_of_pixels_keeps_one_row() -> None:
    pixels, scale = resize_within(blank(5000, 2), 100)
    assert pixels.shape == (1, 100, 3)
    assert scale.to_original((0, 0, 100, 1)) == (0.0, 0.0, 5000.0, 2.0)


def test_pixels_smaller_than_the_stated_size() -> None:
    image = LoadedImage(np.zeros((50, 100, 3), dtype=np.uint8), 1000, 500)
    _, scale = resize_within(image, 50)
    assert scale.to_original((0, 0, 50, 25)) == (0.0, 0.0, 1000.0, 500.0)


def test_a_mark_stays_where_the_map_says() -> None:
    image = blank(600, 300)
    image.pixels[120:180, 240:300] = 255
    pixels, scale = resize_within(image, 100)
    rows, columns = np.nonzero(pixels[:, :, 0] > 127)
    box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert np.allclose(scale.to_original(box), (240, 120, 300, 180), atol=6)


def test_boxes_are_clipped_to_the_original() -> None:
    _, scale = resize_within(blank(400, 200), 100)
    assert scale.to_original((-5, -5, 200, 60)) == (0.0, 0.0, 400.0, 200.0)


def test_max_side_must_be_positive() -> None:
    with pytest.raises(ConfigError):
        resize_within(blank(4, 4), 0)


@given(
    st.integers(1, 3000),
    st.integers(1, 3000),
    st.integers(1, 64),
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
)
def test_there_and_back(width: int, height: int, side: int, shares: list[float]) -> None:
    factor = min(1.0, side / max(width, height))
    rows, columns = max(1, round(height * factor)), max(1, round(width * factor))
    scale = BoxMap(columns / width, rows / height, width, height)
    x1, x2 = sorted((shares[0] * width, shares[1] * width))
    y1, y2 = sorted((shares[2] * height, shares[3] * height))
    back = scale.to_original(scale.to_resized((x1, y1, x2, y2)))
    assert np.allclose(back, (x1, y1, x2, y2), atol=1e-6 * max(width, height))
