"""Files of boxes: both layouts, their order, and what is no box."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.errors import FormatError, NotFoundError
from magpie.features.box_files import FileBoxes, read_box_file
from magpie.schema import Box
from magpie.vision import LoadedImage

from .samples import png, post

BLANK = LoadedImage(np.zeros((20, 40, 3), np.uint8), 40, 20)


def written(folder: Path, value: Any) -> Path:
    path = folder / "boxes.json"
    path.write_text(json.dumps(value))
    return path


COCO: dict[str, Any] = {
    "images": [{"id": 7, "file_name": "train/a.jpg"}, {"id": "x", "file_name": "b.png"}],
    "annotations": [
        {"image_id": 7, "bbox": [1, 2, 3, 4], "score": 0.25, "category_id": 1},
        {"image_id": 7, "bbox": [0, 0, 40, 20], "score": 0.75},
        {"image_id": 7, "bbox": [5, 5, 0, 9], "score": 0.9},
    ],
    "categories": [{"id": 1, "name": "dog"}],
}


def test_lists_by_picture(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {
            "pictures/a.jpg": [[1, 2, 3, 4], {"box": [0, 0, 9, 9.5], "score": 0.5, "label": "dog"}],
            "b": [],
        },
    )
    assert read_box_file(path) == {
        "a": [((1, 2, 3, 4), None, None), ((0, 0, 9, 9.5), 0.5, "dog")],
        "b": [],
    }


def test_coco(tmp_path: Path) -> None:
    # corners from sizes, the best first, a stroke without width left out
    assert read_box_file(written(tmp_path, COCO)) == {
        "a": [((0, 0, 40, 20), 0.75, None), ((1, 2, 4, 6), 0.25, "dog")],
        "b": [],
    }


def test_boxes_of_a_document(tmp_path: Path) -> None:
    boxes = FileBoxes(written(tmp_path, COCO))
    document = post("d", png(), uri="folder/a.jpg")
    assert boxes(document, "m0", BLANK) == [Box(0, 0, 40, 20, "m0"), Box(1, 2, 4, 6, "m0")]
    (first, second) = boxes.regions(document, "m0", BLANK)
    assert (first.score, first.label, second.label) == (0.75, None, "dog")
    assert boxes.depends(document) == [[[0, 0, 40, 20], 0.75, None], [[1, 2, 4, 6], 0.25, "dog"]]
    assert boxes(post("d", png(), uri="c.jpg"), "m0", BLANK) == []
    assert boxes(post("d", png()), "m0", BLANK) == []  # its picture has no name


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "expected a JSON object"),
        ({"a": 3}, "a: expected a list of boxes"),
        ({"a": [[1, 2, 3]]}, "a: expected a box of four finite numbers"),
        ({"a": [[1, 2, 3, "4"]]}, "expected a box"),
        ({"a": [{"score": 0.5}]}, "expected a box"),
        ({"a": [[1, 2, True, 4]]}, "expected a box"),
        ({"a": [{"box": [1, 2, 3, 4], "score": 2}]}, "between 0 and 1"),
        ({"a": [{"box": [1, 2, 3, 4], "label": 2}]}, "a label must be text"),
        ({**COCO, "images": [{"id": 7}]}, "an image without file_name"),
        ({**COCO, "annotations": [{"image_id": 9, "bbox": [1, 2, 3, 4]}]}, "names no image"),
        ({**COCO, "annotations": [{"image_id": 7, "bbox": [1, 2, 3]}]}, "annotation 0: expected"),
        ({**COCO, "annotations": [{"image_id": [7]}]}, "an id must be"),
        ({**COCO, "annotations": [3]}, "names no image"),
    ],
)
def test_what_is_no_box_is_named(tmp_path: Path, value: Any, message: str) -> None:
    path = written(tmp_path, value)
    with pytest.raises(FormatError, match=message) as caught:
        read_box_file(path)
    assert str(path) in caught.value.where


def test_no_file_and_no_json(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such file of boxes"):
        read_box_file(tmp_path / "none.json")
    (tmp_path / "boxes.json").write_text('{"a": [[NaN, 1, 2, 3]]}')
    with pytest.raises(FormatError, match="NaN"):
        read_box_file(tmp_path / "boxes.json")


values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 50) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["a", "images", "annotations", "categories"]), values))
def test_any_json_gives_boxes_or_an_error_of_the_tree(
    tmp_path_factory: pytest.TempPathFactory, value: Any
) -> None:
    path = written(tmp_path_factory.mktemp("any"), value)
    try:
        found = read_box_file(path)
    except FormatError:
        return
    for lines in found.values():
        for (x1, y1, x2, y2), score, _ in lines:
            assert x1 < x2
            assert y1 < y2
            assert score is None or 0 <= score <= 1
