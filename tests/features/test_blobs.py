"""Patches of simple pictures: exact boxes, their order, and thumbnails that are never nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.corpora.controlled import ControlledConfig, controlled
from magpie.features import RegionFeatures
from magpie.features.blobs import WIDTH, blobs, thumbnails
from magpie.features.supply import Supplier
from magpie.schema import Box, Document
from magpie.vision import LoadedImage, load_image

from .samples import GREEN, RED, png, post


def found(data: bytes) -> list[tuple[float, ...]]:
    boxes, _ = blobs("m0", load_image(data))
    return [box.xyxy for box in boxes]


def test_patches_largest_first_behind_the_whole_picture() -> None:
    data = png((2, 3, 6, 7, RED), (10, 4, 30, 12, GREEN))
    boxes, scores = blobs("m0", load_image(data))
    assert [box.xyxy for box in boxes] == [(0, 0, 40, 20), (10, 4, 30, 12), (2, 3, 6, 7)]
    np.testing.assert_allclose(scores, [1.0, 160 / 800, 16 / 800])


def test_a_thing_is_found_beside_what_touches_it() -> None:
    # joined they are one patch; by colour they are two
    assert found(png((2, 2, 12, 12, RED), (12, 5, 30, 8, GREEN))) == [
        (0, 0, 40, 20),
        (2, 2, 30, 12),
        (2, 2, 12, 12),
        (12, 5, 30, 8),
    ]


def test_specks_and_faint_stains_are_none() -> None:
    faint = (30, 30, 30)  # of 255, on black
    assert found(png((0, 0, 1, 1, RED), (9, 9, 20, 20, faint), size=(64, 64))) == [(0, 0, 64, 64)]


def test_boxes_are_in_pixels_of_the_original() -> None:
    big = found(png((400, 200, 800, 400, RED), size=(1024, 512)))
    assert big == [(0, 0, 1024, 512), (400, 200, 800, 400)]
    shrunk = LoadedImage(load_image(png((2, 3, 6, 7, RED))).pixels, 400, 100)
    assert [box.xyxy for box in blobs("m0", shrunk)[0]] == [(0, 0, 400, 100), (20, 15, 60, 35)]


@given(
    st.lists(
        st.tuples(*(st.integers(0, 19) for _ in range(4)), st.sampled_from([RED, GREEN])),
        max_size=5,
    )
)
def test_any_drawing_gives_distinct_boxes_inside_it(parts: list[tuple]) -> None:  # type: ignore[type-arg]
    blocks = [(min(a, c), min(b, d), max(a, c) + 1, max(b, d) + 1, e) for a, b, c, d, e in parts]
    image = load_image(png(*blocks))
    boxes, scores = blobs("m0", image)
    assert boxes[0].xyxy == (0, 0, 40, 20)
    assert len({box.xyxy for box in boxes}) == len(boxes) == len(scores)
    assert all(box.clipped(40, 20) == box for box in boxes)
    assert scores == sorted(scores, reverse=True)
    thumbs = thumbnails(image, boxes)
    assert thumbs.shape == (len(boxes), WIDTH)
    assert (thumbs > 0).all()
    assert (thumbs <= 1).all()


def test_thumbnails_show_what_is_in_the_box() -> None:
    image = load_image(png((0, 0, 20, 20, RED), (20, 0, 40, 20, GREEN)))
    boxes = [Box(0, 0, 20, 20, "m0"), Box(20, 0, 40, 20, "m0"), Box(50, 0, 60, 9, "m0")]
    red, green, outside = thumbnails(image, boxes).reshape(3, 16, 16, 3)
    np.testing.assert_allclose(red, np.broadcast_to([1, 1 / 256, 1 / 256], (16, 16, 3)))
    np.testing.assert_allclose(green, np.broadcast_to([1 / 256, 1, 1 / 256], (16, 16, 3)))
    assert (outside == np.float32(1 / 256)).all()


def test_as_a_need() -> None:
    need = RegionFeatures("blobs", 2, WIDTH)
    documents = [
        post("a", png((2, 3, 6, 7, RED), (10, 4, 30, 12, GREEN))),
        post("b"),
        post("c", b"no picture"),
        post("d", png()),
    ]
    a, b, c, d = (row[need] for row in Supplier().many(documents, [need]))
    assert (a.present, b.present, c.present, d.present) == (True, False, False, True)
    assert b.reason == "the document has no picture"
    assert "m0: " in c.reason
    np.testing.assert_array_equal(a.arrays["boxes"], [[0, 0, 40, 20], [10, 4, 30, 12]])
    np.testing.assert_array_equal(a.arrays["size"], [40, 20])
    assert a.arrays["features"].shape == (2, WIDTH)
    three = RegionFeatures("blobs", 3, WIDTH)
    all_ = Supplier()(documents[0], [three])[three].arrays["features"]
    assert a.arrays["norm"].shape == ()
    np.testing.assert_allclose(a.arrays["norm"], np.linalg.norm(all_), rtol=1e-6)
    assert len(d.arrays["boxes"]) == 1


@pytest.mark.parametrize("seed", [0, 1])
def test_glyphs_of_the_controlled_corpus_are_among_six(seed: int) -> None:
    config = ControlledConfig(task="gmner", size=200, seed=seed)
    need = RegionFeatures("blobs", 6, WIDTH)
    documents: list[Document] = list(controlled("dev", config))
    hits = []
    for document, row in zip(documents, Supplier().many(documents, [need]), strict=True):
        boxes = [Box(*corners, "m0") for corners in row[need].arrays["boxes"].tolist()]
        for entity in document.entities:
            hits += [max(box.iou(gold) for box in boxes) > 0.5 for gold in entity.boxes]
    assert len(hits) == 152  # 12 of 50 groups of four are told in the text
    assert sum(hits) >= 0.97 * len(hits)
