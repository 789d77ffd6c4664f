from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.corpora import json_items
from magpie.corpora.dataset_card import DataFile
from magpie.corpora.json_items import iter_json, iter_json_items
from magpie.corpora.records import Raw
from magpie.corpora.source import Found, iter_found_text
from magpie.errors import FormatError

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def read(path: Path, data: bytes | str, **limits: int) -> list[Raw]:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return list(iter_json_items(Found(DataFile(path.name), path), **limits))


def outcome(rows: list[Raw]) -> list[Any]:
    """The value of each item, or the code of the error in its place."""
    return [row.value if row.error is None else row.error.code for row in rows]


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every item crosses the end of what was read."""

    def tiny(found: Found) -> Any:
        return iter_found_text(found, size=3)

    monkeypatch.setattr(json_items, "iter_found_text", tiny)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("items") / "a.json"


@given(st.lists(VALUES, max_size=5), st.sampled_from([None, 1]), st.sampled_from([1, 3, 1 << 20]))
def test_a_list_comes_out_as_it_went_in(
    scratch: Path, values: list[Any], indent: int | None, size: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_items, "iter_found_text", lambda f: iter_found_text(f, size=size))
        rows = read(scratch, json.dumps(values, indent=indent, ensure_ascii=False))
    assert [row.error for row in rows] == [None] * len(values)
    assert [row.value for row in rows] == values


@given(st.dictionaries(st.text(), VALUES, max_size=5), st.sampled_from([1, 2, 1 << 20]))
def test_an_object_comes_out_with_its_keys(
    scratch: Path, values: dict[str, Any], size: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_items, "iter_found_text", lambda f: iter_found_text(f, size=size))
        rows = read(scratch, json.dumps(values, indent=2))
    assert {row.key: row.value for row in rows} == values


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_numbers_are_not_cut_where_a_chunk_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(json_items, "iter_found_text", lambda f: iter_found_text(f, size=size))
    values = [0.5, -10.25, 1e21, 12, {"a": 0.5}]
    assert outcome(read(tmp_path / "a.json", json.dumps(values))) == values


def test_lines_are_those_where_items_begin(tmp_path: Path) -> None:
    rows = read(tmp_path / "a.json", '\n[\n {"a":\n 1},\n\n {"a": 2}, {"a": 3}]\n')
    assert [row.line for row in rows] == [3, 6, 6]
    assert [row.number for row in rows] == [1, 2, 3]
    assert rows[1].where == f"{tmp_path / 'a.json'}:6 (item 2)"


@pytest.mark.parametrize("text", ["[]", " [ ] ", "{}", '\ufeff{"a": 1}'])
def test_nothing_odd_in_these(tmp_path: Path, text: str) -> None:
    assert all(row.error is None for row in read(tmp_path / "a.json", text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[{"a": 1}, {"a": nan}, {"a": 2}]', [{"a": 1}, "format-json", {"a": 2}]),
        ('[{"a": 1}, {"a": NaN}, {"a": 2}]', [{"a": 1}, "format-json", {"a": 2}]),
        ("[1, {'a': 1}, 2]", [1, "format-json", 2]),
        ('[1, "a\\', [1, "format-json"]),
        ('[1, {"a": "\\', [1, "format-json"]),
        ('[1, {"a": "b, c', [1, "format-json"]),
        ("[1, 2", [1, "format-json"]),
        ("[[1], [2]", [[1], [2], "format-json"]),
        ("[[1] [2], [3]]", [[1], "format-json", [3]]),
        ("[[1], [2]} [3]", [[1], [2], "format-json", "format-json"]),
        ("[[1]] [2]", [[1], "format-json"]),
        ("[[1],]", [[1], "format-json"]),
        ('{"a": [1], b: [2], "c": [3]}', [[1], "format-json", [3]]),
        ('{"a": [1], "b" [2], "c": [3]}', [[1], "format-json", [3]]),
        ('{"a": [1], 5: [2], "c": [3]}', [[1], "format-json", [3]]),
        ('{"a": [1], "b": }', [[1], "format-json"]),
        ('{"a": [1], ', [[1], "format-json"]),
        ('["\\ud800\\"", 1]', ['\ud800"', 1]),
    ],
)
@pytest.mark.parametrize("chunks", ["large", "small"])
def test_one_bad_item_stops_nothing(
    tmp_path: Path, request: pytest.FixtureRequest, text: str, expected: list[Any], chunks: str
) -> None:
    if chunks == "small":
        request.getfixturevalue("small_chunks")
    assert outcome(read(tmp_path / "a.json", text)) == expected


def test_bytes_that_are_not_utf8_cost_their_item_only(tmp_path: Path) -> None:
    rows = read(tmp_path / "a.json", b'[{"a": "x"}, {"a": "M\xfcnchen"}, {"a": "y"}]')
    assert outcome(rows) == [{"a": "x"}, "format-encoding", {"a": "y"}]


def test_an_item_beyond_the_limit_is_skipped(tmp_path: Path, small_chunks: None) -> None:
    text = json.dumps([["a"], ["b" * 50, "]"], ["c"]])
    rows = read(tmp_path / "a.json", text, max_chars=20)
    assert outcome(rows) == [["a"], "format-too-long", ["c"]]
    assert outcome(read(tmp_path / "b.json", text, max_chars=200))[1] == ["b" * 50, "]"]


def test_a_number_of_thousands_of_digits_is_an_error_of_the_item(tmp_path: Path) -> None:
    assert outcome(read(tmp_path / "a.json", f"[1, {'9' * 5000}, 2]")) == [1, "format-json", 2]


def test_deep_nesting_is_an_error_of_the_item(tmp_path: Path) -> None:
    deep = "[" * 100_000 + "]" * 100_000
    assert outcome(read(tmp_path / "a.json", f"[1, {deep}, 2]")) == [1, "format-json", 2]


@pytest.mark.parametrize("text", ["", "  ", '"text"', "12", "token\tO"])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(FormatError) as caught:
        read(tmp_path / "a.json", text)
    assert caught.value.code == "format-json"
    assert caught.value.where.startswith(str(tmp_path / "a.json"))


def test_utf16_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError) as caught:
        read(tmp_path / "a.json", '["a"]'.encode("utf-16"))
    assert caught.value.code == "format-encoding"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[1, 2]", [1, 2]),
        ("\ufeff \n\n[\n1]", [1]),
        ('{"a": 1}\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
        ('\n{"a": 1}\noops\n', [{"a": 1}, "format-json"]),
        ("", []),
    ],
)
def test_a_list_or_one_value_a_line(tmp_path: Path, text: str, expected: list[Any]) -> None:
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    assert outcome(list(iter_json(Found(DataFile(path.name), path)))) == expected
