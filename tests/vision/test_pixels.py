"""Pictures as networks read them: the three ways to a square, and the way back for boxes."""

from __future__ import annotations

import numpy as np
import pytest

from magpie.errors import ConfigError, MediaError
from magpie.vision import LoadedImage, PixelSpec, network_input, network_square
from magpie.vision.pixels import HALF, IMAGENET, normalise


def picture(width: int, height: int, seed: int = 0) -> LoadedImage:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    return LoadedImage(pixels, width, height)


def marked(width: int, height: int, box: tuple[int, int, int, int], seed: int = 0) -> LoadedImage:
    """Black, a white box, and some noise in the corner that decides about the window."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[0, 0] = seed
    x1, y1, x2, y2 = box
    pixels[y1:y2, x1:x2] = 255
    return LoadedImage(pixels, width, height)


def bounds(square: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero(square[..., 0] > 250)
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def test_squash_scales_both_sides() -> None:
    square, boxes = network_square(picture(40, 20), PixelSpec(side=10))
    assert square.shape == (10, 10, 3)
    assert boxes.to_original((0, 0, 10, 10)) == (0, 0, 40, 20)
    assert boxes.to_resized((20, 10, 40, 20)) == (5, 5, 10, 10)


def test_crop_keeps_the_centre() -> None:
    square, boxes = network_square(picture(64, 32), PixelSpec(side=28, fit="crop"))
    # The shorter side goes to 32, so nothing is scaled: 64 x 32, centre 28 x 28.
    assert square.shape == (28, 28, 3)
    assert boxes.to_original((0, 0, 28, 28)) == (18, 2, 46, 30)


def test_centre_keeps_the_whole_shorter_side() -> None:
    image = picture(64, 32)
    square, boxes = network_square(image, PixelSpec(side=32, fit="centre"))
    # Nothing is scaled: every row, the middle 32 of 64 columns.
    assert (square == image.pixels[:, 16:48]).all()
    assert boxes.to_original((0, 0, 32, 32)) == (16, 0, 48, 32)
    halved, boxes = network_square(image, PixelSpec(side=16, fit="centre"))
    assert halved.shape == (16, 16, 3)
    assert boxes.to_original((0, 0, 16, 16)) == (16, 0, 48, 32)


def test_colours_are_normalised_channel_by_channel() -> None:
    grey = LoadedImage(np.full((4, 4, 3), 51, np.uint8), 4, 4)
    pixels, _ = network_input(grey, PixelSpec(side=4))
    assert pixels.shape == (3, 4, 4)
    assert pixels.dtype == np.float32
    for channel in range(3):
        expected = (0.2 - IMAGENET.mean[channel]) / IMAGENET.std[channel]
        assert pixels[channel] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_a_window_is_a_part_of_the_picture_as_it_is(seed: int) -> None:
    image = picture(30, 24, seed)
    square, boxes = network_square(image, PixelSpec(side=16, fit="window"))
    x1, y1, x2, y2 = (int(value) for value in boxes.to_original((0, 0, 16, 16)))
    assert (x2 - x1, y2 - y1) == (16, 16)
    part = image.pixels[y1:y2, x1:x2]
    mirrored = boxes.scale_x < 0
    np.testing.assert_array_equal(square, part[:, ::-1] if mirrored else part)
    again, _ = network_square(image, PixelSpec(side=16, fit="window"))
    np.testing.assert_array_equal(square, again)


def test_windows_differ_in_place_and_mirroring() -> None:
    spec = PixelSpec(side=16, fit="window")
    maps = [network_square(picture(30, 24, seed), spec)[1] for seed in range(150)]
    assert 50 <= sum(boxes.scale_x < 0 for boxes in maps) <= 100
    places = [boxes.to_original((0, 0, 16, 16))[:2] for boxes in maps]
    assert {x for x, _ in places} == set(range(15))
    assert {y for _, y in places} == set(range(9))


@pytest.mark.parametrize("seed", range(6))
def test_boxes_go_through_a_window_and_back(seed: int) -> None:
    box = (20, 18, 26, 28)
    square, boxes = network_square(marked(44, 44, box, seed), PixelSpec(side=36, fit="window"))
    assert bounds(square) == boxes.to_resized(box)
    assert boxes.to_original(boxes.to_resized(box)) == box


def test_a_picture_smaller_than_its_window_is_named() -> None:
    with pytest.raises(MediaError, match="a window of 32 pixels does not fit into 40 x 31 pixels"):
        network_square(picture(40, 31), PixelSpec(side=32, fit="window"))
    whole, _ = network_square(picture(32, 32), PixelSpec(side=32, fit="window"))
    assert whole.shape == (32, 32, 3)


def test_impossible_squares() -> None:
    with pytest.raises(ConfigError, match="side must be at least 1"):
        PixelSpec(side=0)
    with pytest.raises(ConfigError, match="squash, crop, centre or window, got 'pad'"):
        PixelSpec(fit="pad")  # type: ignore[arg-type]


@pytest.mark.parametrize("fit", ["squash", "crop", "centre"])
@pytest.mark.parametrize("size", [(90, 60), (60, 90), (64, 64), (7, 300), (1, 1)])
def test_boxes_go_there_and_back(fit: str, size: tuple[int, int]) -> None:
    width, height = size
    image = LoadedImage(np.zeros((height, width, 3), np.uint8), width, height)
    _, boxes = network_input(image, PixelSpec(side=32, fit=fit))
    box = (width * 0.2, height * 0.3, width * 0.7, height * 0.9)
    there = boxes.to_resized(box)
    assert np.allclose(boxes.to_original(there), box)
    if fit == "squash":
        assert np.allclose(there, (6.4, 9.6, 22.4, 28.8))


@pytest.mark.parametrize("fit", ["squash", "crop", "centre"])
def test_a_mark_stands_where_the_map_says(fit: str) -> None:
    pixels = np.zeros((120, 200, 3), np.uint8)
    pixels[40:80, 80:130] = 255
    image = LoadedImage(pixels, 400, 240)  # loaded at half its size
    square, boxes = network_square(image, PixelSpec(side=60, fit=fit))
    rows, columns = np.nonzero(square[:, :, 0] > 127)
    seen = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    assert np.allclose(boxes.to_resized((160, 80, 260, 160)), seen, atol=1)
    assert np.allclose(boxes.to_original(seen), (160, 80, 260, 160), atol=8)


@pytest.mark.parametrize("fit", ["crop", "centre"])
def test_a_strip_is_cut_before_it_is_scaled(fit: str) -> None:
    pixels = np.zeros((2, 60_000, 3), np.uint8)
    pixels[:, 29_999:] = 200  # from the middle on
    image = LoadedImage(pixels, 60_000, 2)
    square, boxes = network_square(image, PixelSpec(side=224, fit=fit))
    assert square.shape == (224, 224, 3)
    assert (square[:, -20:] == 200).all()
    assert np.allclose(boxes.to_original((0, 0, 224, 224))[::2], (29_999, 30_001), atol=0.2)


def test_cutting_before_scaling_gives_the_same_square(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (40, 70, 3), dtype=np.uint8)
    image = LoadedImage(pixels, 70, 40)
    spec = PixelSpec(side=64, fit="crop")
    whole, _ = network_square(image, spec)
    monkeypatch.setattr("magpie.vision.pixels._STRIP", 0)
    part, _ = network_square(image, spec)
    inner = np.abs(whole.astype(int) - part.astype(int))[2:-2, 2:-2]
    assert inner.max() <= 2  # but for the rounding of the edges


def test_many_squares_are_normalised_at_once() -> None:
    rng = np.random.default_rng(0)
    squares = rng.integers(0, 256, (3, 5, 5, 3), dtype=np.uint8)
    many = normalise(squares, PixelSpec())
    assert many.shape == (3, 3, 5, 5)
    assert many.flags.c_contiguous
    for one, square in zip(many, squares, strict=True):
        np.testing.assert_array_equal(one, normalise(square, PixelSpec()))
    grey = normalise(np.full((1, 1, 3), 255, np.uint8), PixelSpec(normalisation=HALF))
    assert grey.tolist() == [[[1.0]], [[1.0]], [[1.0]]]
