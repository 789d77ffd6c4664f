from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from magpie.corpora import load

from .conftest import TWEETS, XML_11, Notes

Write = Callable[..., Path]


def box_file(*objects: str) -> str:
    size = "<size><width>200</width><height>100</height></size>"
    return f"<annotation>{size}{''.join(objects)}</annotation>"


def box(name: str, x1: float, y1: float, x2: float, y2: float) -> str:
    corners = f"<xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax>"
    return f"<object><name>{name}</name><bndbox>{corners}</bndbox></object>"


def test_boxes_join_by_text_and_keep_their_coordinates(gmner: Write, notes: Notes) -> None:
    first, second = load("gmner", "test", gmner(boxes={"11": XML_11}), on_problem=notes)
    (entity,) = first.entities
    assert entity.grounding.status == "regions"
    assert [b.xyxy for b in entity.boxes] == [(1.0, 1.0, 200.0, 100.0)]
    assert entity.grounding.regions[0].label == "Turin"
    assert (first.media[0].width, first.media[0].height) == (200, 100)
    # no box file: somebody looked, and it shows nothing
    assert [e.grounding.status for e in second.entities] == ["absent", "absent"]
    assert second.media[0].width is None
    assert notes.kinds == ["orphan-tag"]


def test_several_boxes_and_words_joined_by_spaces(gmner: Write, notes: Notes) -> None:
    xml = box_file(box("Ada Byron", 1, 1, 5, 5), box("Ada Byron", 9, 9, 12, 12))
    *_, second = load("gmner", "test", gmner(boxes={"12": xml}), on_problem=notes)
    assert [len(e.boxes) for e in second.entities] == [2, 0]
    assert second.entities[1].grounding.status == "absent"
    assert notes.kinds == ["orphan-tag"]


def test_two_mentions_of_one_text_share_their_boxes(gmner: Write) -> None:
    posts = "IMGID:1\nTurin\tB-LOC\n,\tO\nTurin\tB-LOC\nturin\tB-LOC\n"
    (document,) = load("gmner", "test", gmner(posts, {"1": box_file(box("Turin", 1, 1, 5, 5))}))
    assert [len(e.boxes) for e in document.entities] == [1, 1, 0]


def test_unmatched_names_become_regions_of_their_own(gmner: Write, notes: Notes) -> None:
    xml = box_file(box("Turn", 1, 1, 5, 5))
    first, _ = load("gmner", "test", gmner(boxes={"11": xml}), on_problem=notes)
    assert first.entities[0].grounding.status == "absent"
    assert first.annotations is not None
    assert [r.label for r in first.annotations.regions] == ["Turn"]
    (note,) = [a for a in notes if a.kind == "box-unmatched"]
    assert note.record == "11"
    assert note.where.endswith("xml.zip!11.xml")


def test_boxes_outside_their_picture_are_cut_or_left_out(gmner: Write, notes: Notes) -> None:
    xml = box_file(
        box("Turin", 150, 50, 250, 120), box("Turin", 300, 1, 310, 9), box("Turin", 9, 9, 9, 9)
    )
    first, _ = load("gmner", "test", gmner(boxes={"11": xml}), on_problem=notes)
    assert [b.xyxy for b in first.entities[0].boxes] == [(150.0, 50.0, 200.0, 100.0)]
    assert sorted(notes.kinds) == ["box-clipped", "box-skipped", "box-skipped", "orphan-tag"]


def test_object_without_a_box_is_left_out(gmner: Write, notes: Notes) -> None:
    xml = box_file(box("Turin", 1, 1, 5, 5), "<object><name>Ada Byron</name></object>")
    posts = "IMGID:11\nAda\tB-PER\nByron\tI-PER\nTurin\tB-LOC\n"
    (document,) = load("gmner", "test", gmner(posts, {"11": xml}), on_problem=notes)
    assert [e.grounding.status for e in document.entities] == ["absent", "regions"]
    assert notes.kinds == ["box-skipped"]


BOMB = "<!DOCTYPE annotation [<!ENTITY a 'ha'><!ENTITY b '&a;&a;'>]>" + box_file("&b;")


def test_bad_box_files_leave_grounding_unknown_and_the_rest_goes_on(
    gmner: Write, notes: Notes
) -> None:
    root = gmner(boxes={"11": BOMB, "12": XML_11[:-40]})
    documents = list(load("gmner", "test", root, on_problem=notes))
    statuses = [e.grounding.status for d in documents for e in d.entities]
    assert statuses == ["unknown", "unknown", "unknown"]
    unreadable = [a for a in notes if a.kind == "box-unreadable"]
    assert [a.record for a in unreadable] == ["11", "12"]
    assert "document type" in unreadable[0].message
    assert "xml.zip!11.xml:1" in unreadable[0].where


def test_without_box_files_nobody_knows(gmner: Write, notes: Notes) -> None:
    documents = list(load("gmner", "test", gmner(), on_problem=notes))
    assert {e.grounding.status for d in documents for e in d.entities} == {"unknown"}
    assert notes.kinds.count("boxes-missing") == 1


def test_unpacked_box_files_are_found(gmner: Write, notes: Notes) -> None:
    root = gmner()
    (root / "gmner" / "xml").mkdir()
    (root / "gmner" / "xml" / "11.xml").write_text(XML_11, encoding="utf-8")
    for place in (root, root / "gmner"):
        first, _ = load("gmner", "test", place, on_problem=notes)
        assert len(first.entities[0].boxes) == 1
    assert "boxes-missing" not in notes.kinds


def test_documents_survive_json(gmner: Write) -> None:
    from magpie.schema import from_json

    for document in load("gmner", "test", gmner(TWEETS, {"11": XML_11})):
        assert from_json(document.to_json()) == document
