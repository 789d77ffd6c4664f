from __future__ import annotations

import json
from pathlib import Path

import pytest

from magpie.corpora import side
from magpie.errors import ConfigError, FormatError, NotFoundError


@pytest.fixture
def data(tmp_path: Path) -> Path:
    focal = tmp_path / "grounding" / "focalmre"
    focal.mkdir(parents=True)
    crops = {"p_crop_0.jpg": [0.5, 0.5, 0.5, 0.5, 0.25]}
    (focal / "test_detect_box_dict.json").write_text(json.dumps(crops))
    itm = tmp_path / "grounding" / "itm"
    itm.mkdir()
    target = {"iid": "11", "sentence": "$T$", "sentiment": "1", "relation": "1"}
    rows = {
        str(number): {**target, "aspect": name, "boxes": boxes}
        for number, (name, boxes) in enumerate(
            [("Ada", [[1, 2, 3, 4]]), ("Byron", [[1, 2, 3, 4], [5, 6, 7, 8]])]
        )
    }
    (itm / "VG_test.json").write_text(json.dumps(rows))
    phrases = tmp_path / "grounding" / "tmr" / "twitter2017"
    phrases.mkdir(parents=True)
    (phrases / "ner17_grounding_text_test.json").write_text('{"11.jpg": "Ada"}')
    return tmp_path


def test_regions_by_picture(data: Path) -> None:
    found = side.regions("focalmre-detector", "test", data)
    assert {key: [r.box.xyxy for r in value if r.box] for key, value in found.items()} == {
        "p": [(200, 150, 600, 450)]
    }


def test_regions_of_pictures_of_another_size(data: Path) -> None:
    (region,) = side.regions("focalmre-detector", "test", data, size=(400, 1200))["p"]
    assert region.box is not None
    assert region.box.xyxy == pytest.approx((100, 300, 300, 900))


def test_boxes_of_one_picture_are_gathered_without_doubles(data: Path) -> None:
    found = side.regions("itm", "test", data)
    assert [region.box.xyxy for region in found["11"] if region.box] == [(1, 2, 3, 4), (5, 6, 7, 8)]


def test_rows_as_they_stand(data: Path) -> None:
    rows = list(side.read("itm", "test", data))
    assert [row.target for row in rows if isinstance(row, side.Target)] == ["Ada", "Byron"]


def test_sources_without_regions_name_those_with(data: Path) -> None:
    with pytest.raises(ConfigError, match="holds no regions") as caught:
        side.regions("tmr-phrases", "twitter2017:test", data)
    for name in ("focalmre-detector", "focalmre-grounding", "tmr-generated", "itm", "vinvl"):
        assert name in caught.value.mend
    assert "tmr-crops" not in caught.value.mend


def test_a_size_where_there_are_no_fractions(data: Path) -> None:
    with pytest.raises(ConfigError, match="size has no meaning"):
        side.regions("itm", "test", data, size=(10, 10))


def test_a_split_of_several_corpora_must_be_said_in_full(data: Path) -> None:
    with pytest.raises(NotFoundError, match="several parts") as caught:
        side.read("tmr-phrases", "test", data)
    assert "twitter2017@umt:test" in caught.value.mend
    for name in ("twitter2017:test", "twitter2017@umt:test", "2017-test"):
        assert len(list(side.read("tmr-phrases", name, data))) == 1
    with pytest.raises(NotFoundError, match="no part"):
        side.read("tmr-phrases", "gmner:test", data)


def test_validation_means_dev(data: Path) -> None:
    focal = data / "grounding" / "focalmre"
    (focal / "dev_detect_box_dict.json").write_text('{"q_crop_0.jpg": [0.5, 0.5, 1, 1, 1]}')
    assert list(side.regions("focalmre-detector", "mnre:val", data)) == ["q"]


def test_names_and_files_that_are_not_there(data: Path) -> None:
    with pytest.raises(NotFoundError, match="no side source 'blip'") as caught:
        side.read("blip", "test", data)
    assert "blip2" in caught.value.mend
    with pytest.raises(NotFoundError, match="expected grounding/focalmre/train"):
        side.read("focalmre-detector", "train", data)


def test_a_bad_record_raises_unless_somebody_listens(data: Path) -> None:
    path = data / "grounding" / "focalmre" / "test_detect_box_dict.json"
    path.write_text('{"p_crop_0.jpg": [], "q_crop_0.jpg": [0.5, 0.5, 1, 1, 1]}')
    with pytest.raises(FormatError, match="expected 5 numbers"):
        side.regions("focalmre-detector", "test", data)
    problems: list[object] = []
    found = side.regions("focalmre-detector", "test", data, on_problem=problems.append)
    assert (list(found), len(problems)) == (["q"], 1)
