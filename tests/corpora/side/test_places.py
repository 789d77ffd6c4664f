from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.corpora.side import places
from magpie.schema import Box


def boxes(row: Any) -> list[tuple[float, ...]]:
    return [region.box.xyxy for region in row.regions]


def test_fractions_of_the_specification() -> None:
    # 800 x 600: the worked value of the method's own notes
    assert places.box_from_fractions([0.5, 0.4, 0.2, 0.3]).xyxy == pytest.approx(
        (320, 150, 480, 330)
    )


@given(
    st.tuples(st.floats(0.0, 0.9), st.floats(0.0, 0.9), st.floats(0.01, 0.1)),
    st.floats(0.01, 0.1),
    st.tuples(st.integers(20, 4000), st.integers(20, 4000)),
)
def test_fractions_there_and_back(
    corner: tuple[float, float, float], height: float, size: tuple[int, int]
) -> None:
    x, y, width = corner
    row = (x + width / 2, y + height / 2, width, height, width * height)
    box = places.box_from_fractions(row, size)
    assert places.fractions_from_box(box, size) == pytest.approx(row, abs=1e-9)


def test_detector_crops_are_gathered_by_picture_in_order_of_their_numbers(
    write: Any, notes: Any
) -> None:
    found = write(
        {
            "p_crop_1.jpg": [0.5, 0.5, 0.5, 0.5, 0.25],
            "q_crop_0.jpg": [0.5, 0.5, 1.0, 1.0, 1.0],
            "p_crop_0.jpg": [0.25, 0.25, 0.5, 0.5, 0.25],
        }
    )
    rows = list(places.detector_crops([found], "test", notes))
    assert [(row.key, boxes(row)) for row in rows] == [
        ("p", [(0, 0, 400, 300), (200, 150, 600, 450)]),
        ("q", [(0, 0, 800, 600)]),
    ]
    assert {region.media for row in rows for region in row.regions} == {"m0"}
    assert notes == []


def test_a_rounded_edge_is_cut_to_the_picture(write: Any, notes: Any) -> None:
    found = write({"p_crop_0.jpg": [0.9000005, 0.5, 0.2, 1.0, 0.2]})
    (row,) = places.detector_crops([found], "test", notes)
    assert boxes(row) == [pytest.approx((640.0004, 0, 800, 600))]


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("p.jpg", [0.5, 0.5, 0.5, 0.5, 0.25]),
        ("p_crop_0.jpg", [0.5, 0.5, 0.5, 0.5]),
        ("p_crop_0.jpg", [0.5, 0.5, 0.0, 0.5, 0.0]),
        ("p_crop_0.jpg", [320, 150, 480, 330, 1]),
        ("p_crop_0.jpg", [0.5, 0.5, 0.5, "0.5", 0.25]),
        ("p_crop_0.jpg", "boxes"),
    ],
)
def test_bad_crops_are_set_aside(name: str, row: Any, write: Any, notes: Any) -> None:
    found = write({name: row, "q_crop_0.jpg": [0.5, 0.5, 1.0, 1.0, 1.0]})
    assert [each.key for each in places.detector_crops([found], "test", notes)] == ["q"]
    assert notes.codes == ["format-record"]
    assert notes[0].where.startswith(f"{found.name}:1")
    assert notes[0].where.endswith(f"#{name}")


def test_nan_is_no_coordinate(write: Any, notes: Any) -> None:
    found = write('{"p_crop_0.jpg": [NaN, 0, 1, 1, 1], "q_crop_0.jpg": [0.5, 0.5, 1, 1, 1]}')
    assert [row.key for row in places.detector_crops([found], "test", notes)] == ["q"]
    assert len(notes) == 1


def test_grounding_crops_are_keyed_by_row(write: Any, notes: Any) -> None:
    found = write(
        {
            "10_pred_yolo_crop_7.png": [0.5, 0.5, 0.5, 0.5, 0.25],
            "2_pred_yolo_crop_9.png": [0.25, 0.25, 0.5, 0.5, 0.25],
            "10_pred_yolo_crop_3.png": [0.25, 0.25, 0.5, 0.5, 0.25],
        }
    )
    rows = list(places.grounding_crops([found], "test", notes))
    assert [(row.key, len(row.regions)) for row in rows] == [("10", 2), ("2", 1)]
    assert boxes(rows[0])[0] == (0, 0, 400, 300)


def test_generated_boxes_lie_on_the_generated_picture(write: Any, notes: Any) -> None:
    found = write(
        {"IMGID:11.png": [[10, 20, 30, 40.5]], "IMGID:12.png": [[0.0, 0, 800, 768]], "3": []}
    )
    rows = list(places.generated_boxes([found], "train", notes))
    assert [(row.key, boxes(row)) for row in rows] == [
        ("11", [(10, 20, 30, 40.5)]),
        ("12", [(0, 0, 768, 768)]),
        ("3", []),
    ]
    assert rows[0].regions[0].media == places.GENERATED
    assert notes.kinds == ["box-clipped"]


def test_phrases_in_place_of_boxes_and_boxes_without_area(write: Any, notes: Any) -> None:
    found = write(
        {"IMGID:11.png": ["a town", "rain"], "IMGID:12.png": [[5, 5, 5, 9], [1, 1, 2, 2]]}
    )
    rows = list(places.generated_boxes([found], "dev", notes))
    assert [(row.key, boxes(row)) for row in rows] == [("11", []), ("12", [(1, 1, 2, 2)])]
    assert notes.kinds == ["box-skipped", "box-skipped"]
    assert "a town, rain" in notes[0].message
    phrases = list(places.phrase_lists([write({"IMGID:11.png": ["a town"]})], "dev", notes))
    assert phrases[0].phrases == ("a town",)


def test_names_and_phrases(write: Any, notes: Any) -> None:
    (crops,) = places.crop_names([write({"11.jpg": ["0_crop_1.png", "0_crop_0.png"]})], "x", notes)
    assert (crops.key, crops.names) == ("11", ("0_crop_1.png", "0_crop_0.png"))
    (phrases,) = places.phrase_texts([write({"0": "Ada Turin"})], "x", notes)
    assert (phrases.key, phrases.phrases) == ("0", ("Ada Turin",))
    assert notes == []


def test_names_that_are_none(write: Any, notes: Any) -> None:
    found = write({"11.jpg": [1, 2], "12.jpg": ["a.png"]})
    assert [row.key for row in places.crop_names([found], "x", notes)] == ["12"]
    assert notes.codes == ["format-record"]


TARGET = {
    "iid": "11",
    "sentence": "$T$ sings",
    "aspect": "Ada",
    "sentiment": "2",
    "relation": "1",
    "boxes": [[1, 2, 30, 40]],
}


def test_targets_of_one_picture_stay_apart(write: Any, notes: Any) -> None:
    found = write({"1": TARGET, "2": {**TARGET, "aspect": "Turin", "relation": "0", "boxes": []}})
    first, second = places.targets([found], "test", notes)
    assert (first.key, first.number, first.target, first.sentiment, first.relation) == (
        "11",
        "1",
        "Ada",
        2,
        1,
    )
    assert boxes(first) == [(1, 2, 30, 40)]
    assert (second.key, second.target, second.regions) == ("11", "Turin", ())
    assert notes == []


def test_a_target_without_a_field(write: Any, notes: Any) -> None:
    broken = {key: value for key, value in TARGET.items() if key != "sentiment"}
    found = write({"1": broken, "2": TARGET, "3": {**TARGET, "boxes": [[1, 2, 3]]}})
    assert [row.number for row in places.targets([found], "test", notes)] == ["2"]
    assert notes.kinds == ["unreadable", "unreadable"]
    assert "sentiment" in notes[0].message


def test_a_crop_of_the_whole_release_picture_is_the_whole_box() -> None:
    assert places.box_from_fractions([0.5, 0.5, 1, 1]) == Box(0, 0, *places.RELEASE_SIZE, "m0")
