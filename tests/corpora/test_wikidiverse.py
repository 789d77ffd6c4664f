"""WikiDiverse in its published layout, from records of our own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magpie.corpora import load
from magpie.corpora.wikidiverse import TOPIC
from magpie.errors import FormatError

PAGE = "https://en.wikipedia.org/wiki/Turin"
ADDRESS = "https://example.org/commons/0/06/Old_Bridge%20%281901%29.jpg"


def record(text: str = "The bridge of Turin in rain.", *mentions: Any, **more: str) -> list[Any]:
    found = list(mentions) or [["Turin", "Location", 14, 19, PAGE]]
    return [text, more.get("address", ADDRESS), more.get("topic", "travel"), found]


def write(tmp_path: Path, *records: Any, name: str = "test.json") -> Path:
    path = tmp_path / name
    path.write_text(json.dumps(list(records), ensure_ascii=False), encoding="utf-8")
    return path


def test_a_caption_its_mentions_and_their_pages(tmp_path: Path, notes: Any) -> None:
    plain = ["Rain", "", "", []]
    path = write(tmp_path, record(), plain)
    first, second = load("wikidiverse", "test", path, on_problem=notes)
    assert notes == []
    assert first.id == "test-1"
    (entity,) = first.entities
    assert (first.text_of(entity), entity.type) == ("Turin", "Location")
    assert entity.provenance is not None
    assert entity.provenance.evidence == (PAGE,)
    assert [(t.text, t.source) for t in first.context] == [("travel", TOPIC)]
    assert first.media[0].uri == ADDRESS
    assert (second.media, second.context, second.entities) == ((), (), ())


def test_split_files_of_a_folder(tmp_path: Path) -> None:
    write(tmp_path, record(), name="valid.json")
    assert [d.id for d in load("wikidiverse", "dev", tmp_path)] == ["dev-1"]


def test_pictures_are_found_by_the_address_s_file_name(tmp_path: Path, notes: Any) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "Old_Bridge (1901).jpg").write_bytes(b"jpg")
    path = write(tmp_path, record(), record(address="https://example.org/other.png"))
    first, second = load("wikidiverse", "test", path, images=folder, on_problem=notes)
    assert first.media[0].uri == str(folder / "Old_Bridge (1901).jpg")
    assert second.media[0].missing == "not in the pictures folder"
    assert notes.kinds == ["picture-missing"]


def test_a_mention_that_stands_elsewhere_is_said(tmp_path: Path, notes: Any) -> None:
    path = write(tmp_path, record("The bridge of Turin.", ["Turin", "Location", 4, 10, PAGE]))
    (document,) = load("wikidiverse", "test", path, on_problem=notes)
    assert notes.kinds == ["name-mismatch"]
    assert document.text_of(document.entities[0]) == "bridge"


def test_a_mention_without_a_page(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        record("Turin", ["Turin", "Location", 0, 5], ["Turin", "Location", 0, 5, None]),
    )
    (document,) = load("wikidiverse", "test", path)
    assert [e.provenance.evidence for e in document.entities if e.provenance] == [(), ()]


BAD = [
    "text",
    {},
    ["a", "b", "c"],
    ["a", "b", 3, []],
    ["a", "b", "c", {}],
    record("Turin", "Turin"),
    record("Turin", ["Turin", "Location", 0]),
    record("Turin", ["Turin", "Location", "0", 5, PAGE]),
    record("Turin", ["Turin", "Location", 0, 50, PAGE]),
    record("Turin", ["Turin", "Location", 5, 5, PAGE]),
    record("Turin", ["Turin", "", 0, 5, PAGE]),
    record("Tu\0rin", ["Tu", "Location", 0, 2, PAGE]),
]


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_record_is_one_lost_record(bad: Any, tmp_path: Path, notes: Any) -> None:
    path = write(tmp_path, record(), bad, record())
    documents = list(load("wikidiverse", "test", path, on_problem=notes))
    assert [document.id for document in documents] == ["test-1", "test-3"]
    assert notes.kinds == ["unreadable"]
    assert "test.json" in notes[0].where


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(json.dumps(record()))
    with pytest.raises(FormatError, match="none of the first"):
        list(load("wikidiverse", "test", tmp_path / "one.json", on_problem=lambda _: None))
    (tmp_path / "two.json").write_text("IMGID:1\nA\tO\n")
    with pytest.raises(FormatError):
        list(load("wikidiverse", "test", tmp_path / "two.json"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    st.text(alphabet="ab é漢🙂\u0301", min_size=1, max_size=12),
    st.integers(-2, 14),
    st.integers(-2, 14),
)
def test_spans_are_inside_or_the_record_is_lost(
    tmp_path: Path, text: str, start: int, end: int
) -> None:
    mention = [text[start:end], "Works", start, end, PAGE]
    fine = record("fine", ["fine", "Works", 0, 4, PAGE])
    path = write(tmp_path, fine, [text, "", "", [mention]])
    lost: list[Any] = []
    documents = list(load("wikidiverse", "test", path, on_problem=lost.append))
    kinds = [note.kind for note in lost if note.kind != "unknown-digest"]
    if 0 <= start < end <= len(text):
        (entity,) = documents[1].entities
        assert documents[1].text_of(entity) == text[start:end]
        assert kinds == []
    else:
        assert len(documents) == 1
        assert kinds == ["unreadable"]
