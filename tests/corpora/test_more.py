from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from magpie.corpora import check, load
from magpie.corpora.more import CAPTIONS
from magpie.schema import Document, Relation

from .conftest import Notes

FACT: dict[str, Any] = {
    "token": ["Mayor", "Byron", "opens", "Turin", "fair"],
    "h": {"name": "Byron", "pos": [1, 2]},
    "t": {"name": "obj2"},
    "img_id": "n1.jpg",
    "relation": "/per/per/self",
}
OBJECTS = {"n1.jpg": {"obj1": [0.5, 0.4, 0.2, 0.3], "obj2": [0.25, 0.5, 0.5, 1.0]}}
CAPTION = {"n1.jpg": {"obj2": "a woman who cuts a ribbon"}}
LABELS = {"none": 0, "/per/per/self": 1}


@pytest.fixture
def more(tmp_path: Path) -> Path:
    """A release of one picture, 200 pixels wide and 100 high."""
    (tmp_path / "txt").mkdir()
    write(tmp_path, FACT)
    (tmp_path / "ent_test_dict.json").write_text(json.dumps(OBJECTS))
    (tmp_path / "caption_dict.json").write_text(json.dumps(CAPTION))
    (tmp_path / "rel2id.json").write_text(json.dumps(LABELS))
    (tmp_path / "img_org" / "test").mkdir(parents=True)
    Image.new("RGB", (200, 100)).save(tmp_path / "img_org" / "test" / "n1.jpg")
    return tmp_path


def write(root: Path, *facts: object) -> None:
    lines = [fact if isinstance(fact, str) else repr(fact) for fact in facts]
    (root / "txt" / "test.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def read(root: Path, notes: Notes) -> list[Document]:
    return list(load("more", "test", root, on_problem=notes))


def relation(document: Document) -> Relation:
    assert document.annotations is not None
    (only,) = document.annotations.relations
    return only


def test_a_fact_points_from_a_mention_to_an_object(more: Path, notes: Notes) -> None:
    (document,) = read(more, notes)
    assert document.id == "n1-1"
    assert [document.text_of(e) for e in document.entities] == ["Byron"]
    assert document.annotations is not None
    assert [(r.id, r.label) for r in document.annotations.regions] == [
        ("o0", "obj1"),
        ("o1", "obj2"),
    ]
    boxes = [r.box.xyxy for r in document.annotations.regions if r.box is not None]
    assert boxes[0] == pytest.approx((80, 25, 120, 55))
    assert boxes[1] == pytest.approx((0, 0, 100, 100))
    assert (relation(document).head, relation(document).tail) == ("e0", "o1")
    assert relation(document).type == "/per/per/self"
    assert (document.media[0].width, document.media[0].height) == (200, 100)
    (caption,) = document.context
    assert (caption.text, caption.source) == ("a woman who cuts a ribbon", CAPTIONS)
    assert not notes


def test_without_the_picture_an_object_has_no_box(more: Path, notes: Notes) -> None:
    (more / "img_org" / "test" / "n1.jpg").unlink()
    (document,) = read(more, notes)
    assert document.annotations is not None
    assert [r.box for r in document.annotations.regions] == [None, None]
    assert relation(document).tail == "o1"


def test_a_damaged_picture_is_reported(more: Path, notes: Notes) -> None:
    (more / "img_org" / "test" / "n1.jpg").write_bytes(b"no picture")
    (document,) = read(more, notes)
    assert notes.kinds == ["picture-unreadable"]
    assert document.media[0].width is None


def test_without_objects_the_fact_keeps_its_own(more: Path, notes: Notes) -> None:
    (more / "ent_test_dict.json").rename(more / "ent_test_dict.pth")
    (document,) = read(more, notes)
    assert notes.kinds == ["pickle-refused", "boxes-missing"]
    assert document.annotations is not None
    assert [(r.label, r.box) for r in document.annotations.regions] == [("obj2", None)]
    assert relation(document).tail == "o0"


def test_a_box_that_leaves_the_picture_is_cut(more: Path, notes: Notes) -> None:
    objects = {"n1.jpg": {"obj2": [0.9, 0.5, 0.4, 1.0]}}
    (more / "ent_test_dict.json").write_text(json.dumps(objects))
    (document,) = read(more, notes)
    assert document.annotations is not None
    (region,) = document.annotations.regions
    assert region.box is not None
    assert region.box.xyxy == pytest.approx((140, 0, 200, 100))
    assert notes.kinds == ["box-clipped"]


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"t": {"name": "obj9"}}, "format-record", "none of those"),
        ({"t": "obj2"}, "format-record", "expected dict"),
        ({"img_id": "n2.jpg"}, "format-record", "n2.jpg"),
        ({"relation": "/per/per/rival"}, "format-tags", "rel2id"),
        ({"relation": ""}, "format-record", "without a label"),
        ({"h": {"name": "Byron", "pos": [1, 9]}}, "format-record", "within 5 words"),
        ({"img_id": "../n1.jpg"}, "access-outside-root", "file name"),
    ],
)
def test_broken_facts_are_set_aside(
    more: Path, notes: Notes, change: dict[str, Any], code: str, message: str
) -> None:
    write(more, FACT, {**FACT, **change}, "{'token': [", FACT)
    assert [d.id for d in read(more, notes)] == ["n1-1", "n1-4"]
    assert notes.codes == [code, "format-record"]
    assert message in notes[0].message
    assert ":2" in notes[0].where


@pytest.mark.parametrize(
    "place", [[0.5, 0.5, 0.1], [0.5, 0.5, 0, 0.1], ["a", 0, 1, 1], [80, 25, 120, 55], None]
)
def test_a_place_that_is_none_costs_the_fact(more: Path, notes: Notes, place: object) -> None:
    objects = {**OBJECTS, "n3.jpg": {"obj2": place}}
    (more / "ent_test_dict.json").write_text(json.dumps(objects))
    Image.new("RGB", (20, 10)).save(more / "img_org" / "test" / "n3.jpg")
    write(more, FACT, {**FACT, "img_id": "n3.jpg"})
    assert [d.id for d in read(more, notes)] == ["n1-1"]
    assert notes.codes == ["format-record"]


def test_check_finds_the_splits_of_the_folder(more: Path) -> None:
    report = check("more", more)
    assert [split.split for split in report.splits] == ["test"]
    assert report.splits[0].found is not None
    assert report.splits[0].found.relations == 1
    assert report.splits[0].found.regions == 2
