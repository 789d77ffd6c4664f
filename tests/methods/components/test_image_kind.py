"""The kind of a picture: statistics, probabilities and the weight they give."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from magpie.methods.components.image_kind import (  # noqa: E402
    colourfulness,
    image_statistics,
    kind_weight,
    statistics_bad,
)

GREY = np.full((8, 8, 3), 90, np.uint8)
FLAG = np.array([[[255, 0, 0]] * 2, [[0, 0, 255]] * 2], np.uint8)


def noise(side: int = 32) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)


def test_colourfulness() -> None:
    assert colourfulness(GREY) == 0.0
    assert colourfulness(FLAG) == pytest.approx(272.618694, abs=1e-6)


def test_statistics_of_one_colour_and_of_noise() -> None:
    assert image_statistics(GREY) == (0.0, 1 / 64, 1.0, 1.0, 0.0)
    colour, distinct, top, flat, edges = image_statistics(noise())
    assert colour > 0.5
    assert distinct > 0.9
    assert top < 0.05
    assert flat == 0.0
    assert edges > 0.5


def test_a_flat_neighbourhood_needs_all_eight() -> None:
    picture = np.full((5, 5, 3), 10, np.uint8)
    picture[0, 0] = 11
    assert image_statistics(picture)[3] == pytest.approx(8 / 9)


def test_pictures_smaller_than_a_neighbourhood_have_statistics() -> None:
    assert image_statistics(FLAG)[3] == 0.0
    assert image_statistics(np.zeros((1, 1, 3), np.uint8)) == (0.0, 1.0, 1.0, 0.0, 0.0)


def test_drawn_pictures_look_worse_than_natural_ones() -> None:
    drawn = np.full((32, 32, 3), 255, np.uint8)
    drawn[8:20, 8:20] = (200, 0, 0)
    assert statistics_bad(drawn) > 0.8
    assert statistics_bad(noise()) < 0.05
    assert statistics_bad(noise(), (0.0,) * 6) == 0.5


def test_the_weight_of_a_kind() -> None:
    bad = torch.tensor([0.75, 1.0, 0.0])
    assert kind_weight(bad).tolist() == pytest.approx([0.4, 0.2, 1.0])
    assert kind_weight(bad, 1.0, 0.1).tolist() == pytest.approx([0.25, 0.1, 1.0])
    assert kind_weight(bad, hard=True, least=0.3).tolist() == pytest.approx([0.3, 0.3, 1.0])
