"""A JSON file held as a whole: bounded, strict about its form, patient with single numbers."""

from __future__ import annotations

import json
import math
import zipfile
from pathlib import Path

import pytest

from magpie.corpora.dataset_card import DataFile
from magpie.corpora.json_file import load_json
from magpie.corpora.source import Found
from magpie.errors import FormatError


def found(tmp_path: Path, data: str | bytes) -> Found:
    path = tmp_path / "a.json"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return Found(DataFile("a.json"), path)


def test_values_come_back(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, "é", None, True], "b": {"c": []}}
    assert load_json(found(tmp_path, json.dumps(value))) == value
    assert load_json(found(tmp_path, "\ufeff" + json.dumps(value))) == value


def test_dropped_members_are_gone_wherever_they_stand(tmp_path: Path) -> None:
    text = '{"a": {"segmentation": [1], "x": 1}, "b": [{"segmentation": {}}], "segmentation": 3}'
    assert load_json(found(tmp_path, text), drop=("segmentation",)) == {"a": {"x": 1}, "b": [{}]}


def test_odd_numbers_spoil_no_file(tmp_path: Path) -> None:
    value = load_json(found(tmp_path, "[NaN, Infinity, -Infinity, 1e999]"))
    assert math.isnan(value[0])
    assert value[1:] == [math.inf, -math.inf, math.inf]


def test_an_archive_member_is_read_in_place(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("in/a.json", '{"k": 1}')
    place = Found(DataFile("a.zip", member="in/a.json"), tmp_path / "a.zip", "in/a.json")
    assert load_json(place) == {"k": 1}


@pytest.mark.parametrize(
    ("data", "code", "where"),
    [
        ('{"a": [1,\n 2', "format-json", "a.json:2"),
        ("", "format-json", "a.json:1"),
        ('{"a": 1} x', "format-json", "a.json:1"),
        (b'{"a":\n"\xff"}', "format-encoding", "a.json:2"),
        ("[1]".encode("utf-16"), "format-encoding", "a.json"),
        ("[" * 100_000, "format-json", "a.json"),
        ("[" + "9" * 5000 + "]", "format-json", "a.json"),
    ],
)
def test_what_is_no_json_is_refused_with_its_line(
    tmp_path: Path, data: str | bytes, code: str, where: str
) -> None:
    with pytest.raises(FormatError) as caught:
        load_json(found(tmp_path, data))
    assert caught.value.code == code
    assert caught.value.where.endswith(where)


def test_a_file_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    text = json.dumps(["x" * 100] * 10)
    assert len(load_json(found(tmp_path, text), max_chars=len(text))) == 10
    with pytest.raises(FormatError) as caught:
        load_json(found(tmp_path, text), max_chars=len(text) - 1)
    assert caught.value.code == "format-too-long"
