"""supervision's Detections: exact arrays, masks, classes, and the way back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.errors import ConfigError, MissingExtraError, SchemaError
from magpie.export.detections import from_detections, to_detections
from magpie.schema import Annotations, Box, Document, Entity, Grounding, Mask, Media, Region, Span

from . import samples

sv = pytest.importorskip("supervision", reason="supervision comes with the supervision extra")


def regions(document: Document, *items: Region) -> Document:
    return document.with_annotations(Annotations(regions=items))


PAGE = Document(id="d", blocks=(), media=(Media(uri="a.png", width=6, height=4),))


def test_arrays() -> None:
    found = to_detections(samples.pictures(), "m1")
    assert isinstance(found, sv.Detections)
    assert found.xyxy.dtype == np.float64
    assert found.xyxy.tolist() == [[3, 5, 40, 30], [1 / 3, 2 / 3, 10 / 7, 29.999]]
    assert found.confidence is None
    assert found.mask is None
    assert found.class_id.tolist() == [0, 0]
    assert {name: values.tolist() for name, values in found.data.items()} == {
        "class_name": ["PER", "PER"],
        "label": ["a hat", None],
        "region": ["hat", None],
        "entity": ["e0", "e0"],
        "phrase": ["Ada", "Ada"],
    }


def test_scores_and_free_regions_come_first() -> None:
    found = to_detections(samples.pictures(), "m0")
    assert found.data["class_name"].tolist() == ["dog", "PER"]
    assert found.confidence.tolist() == [1.0, 0.25]
    assert found.class_id.tolist() == [1, 0]  # alphabetical: PER, dog


def test_classes_are_shared_and_grow() -> None:
    classes = ["LOC", "PER"]
    assert to_detections(samples.pictures(), "m1", classes=classes).class_id.tolist() == [1, 1]
    assert to_detections(samples.pictures(), "m0", classes=classes).class_id.tolist() == [2, 1]
    assert classes == ["LOC", "PER", "dog"]


def test_which_picture() -> None:
    one = regions(PAGE, Region.of_box(Box(0, 0, 1, 1, "m0")))
    assert len(to_detections(one)) == 1
    assert len(to_detections(PAGE)) == 0
    assert to_detections(PAGE).xyxy.shape == (0, 4)
    with pytest.raises(ConfigError, match="has 3 pictures"):
        to_detections(samples.pictures())
    with pytest.raises(SchemaError, match="no medium 'nine'"):
        to_detections(samples.pictures(), "nine")


def test_whole_pictures_are_no_detections() -> None:
    assert len(to_detections(regions(PAGE, Region(media="m0")))) == 0


def test_masks_and_boxes_together() -> None:
    """Column-major runs: pixel (row 1, column 0), and rows 0-1 of column 2."""
    mask = Mask(6, 4, (1, 1, 6, 2, 14))
    box = Region.of_box(Box(0.5, 1, 2.25, 3, "m0"), id="b")
    found = to_detections(regions(PAGE, Region(media="m0", mask=mask), box))
    assert found.mask.shape == (2, 4, 6)
    assert np.argwhere(found.mask[0]).tolist() == [[0, 2], [1, 0], [1, 2]]
    assert found.xyxy.tolist() == [[0, 0, 3, 2], [0.5, 1, 2.25, 3]]
    assert np.argwhere(found.mask[1]).tolist() == [[r, c] for r in (1, 2) for c in (0, 1, 2)]
    assert from_detections(found, "m0", masks=True) == (Region(media="m0", mask=mask), box)


def test_masks_without_a_size_or_pixels() -> None:
    page = Document(id="d", blocks=(), media=(Media(uri="a.png"),))
    mask = Region(media="m0", mask=Mask(2, 2, (0, 4)))
    with pytest.raises(SchemaError, match="no size"):
        to_detections(regions(page, mask, Region.of_box(Box(0, 0, 1, 1, "m0"))))
    with pytest.raises(SchemaError, match="without any pixel"):
        to_detections(regions(page, Region(media="m0", mask=Mask(2, 2, (4,)))))


def test_there_and_back_is_exact() -> None:
    free = Region.of_box(Box(0.1, 0.2, 5.3, 3.9, "m0"), label="a dog", score=1 / 3, id="r")
    shown = Region.of_box(Box(1, 1, 2, 2, "m0"))
    document = Document.from_text("Ada", images=("a.png",)).with_annotations(
        Annotations(
            entities=(
                Entity(
                    id="e", span=Span("b0", 0, 3), type="PER", grounding=Grounding.in_regions(shown)
                ),
            ),
            regions=(free,),
        )
    )
    assert from_detections(to_detections(document), "m0") == (free, shown)


@given(st.lists(st.tuples(*[st.floats(0, 1000)] * 4), max_size=5))
def test_any_boxes_come_back(corners: list[tuple[float, float, float, float]]) -> None:
    boxes = [
        (min(a, c), min(b, d), max(a, c), max(b, d))
        for a, b, c, d in corners
        if abs(a - c) > 1e-3 and abs(b - d) > 1e-3
    ]
    page = Document(id="d", blocks=(), media=(Media(uri="a.png"),))
    given_regions = tuple(Region.of_box(Box(*box, "m0")) for box in boxes)
    assert from_detections(to_detections(regions(page, *given_regions)), "m0") == given_regions


# detectors of other origin


def theirs(**more: Any) -> Any:
    return sv.Detections(xyxy=np.array([[0, 0, 10, 10], [5, 5, 8, 20]], dtype=np.float32), **more)


def test_labels_of_other_detectors() -> None:
    ids = np.array([1, 0])
    named = theirs(class_id=ids, data={"class_name": np.array(["cat", "dog"])})
    assert [r.label for r in from_detections(named, "m0")] == ["cat", "dog"]
    assert [r.label for r in from_detections(named, "m0", classes=["a", "b"])] == ["cat", "dog"]
    bare = theirs(class_id=ids)
    assert [r.label for r in from_detections(bare, "m0", classes=["a", "b"])] == ["b", "a"]
    assert [r.label for r in from_detections(bare, "m0")] == [None, None]


def test_boxes_are_cut_at_the_picture() -> None:
    (only,) = from_detections(theirs(), "m0", size=(5, 7))
    assert only.box == Box(0, 0, 5, 7, "m0")
    assert len(from_detections(theirs(), "m0")) == 2


@pytest.mark.parametrize("score", [np.nan, -0.1, 1.5, np.inf])
def test_bad_scores_are_refused(score: float) -> None:
    with pytest.raises(SchemaError, match=r"region\.score"):
        from_detections(theirs(confidence=np.array([0.5, score])), "m0")


@pytest.mark.parametrize("corner", [np.nan, np.inf, 0.0])
def test_bad_boxes_are_refused(corner: float) -> None:
    bad = sv.Detections(xyxy=np.array([[0.0, 0.0, 5.0, 5.0]]))
    bad.xyxy[0, 2] = corner  # the library looks only while it is made
    with pytest.raises(SchemaError):
        from_detections(bad, "m0")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "supervision", None)
    with pytest.raises(MissingExtraError, match=r"magpie-ie\[supervision\]"):
        to_detections(PAGE)
