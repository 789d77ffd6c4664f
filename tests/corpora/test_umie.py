from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from magpie.corpora import load
from magpie.corpora.pairs import UNTYPED
from magpie.schema import Document

from .conftest import Notes

TEXT = "Ada Byron and Bea left Turin , Italy , and Bea waves"


def read(
    tmp_path: Path, task: str, notes: Notes, *labels: str | dict[str, Any], **changes: Any
) -> list[Document]:
    rows = []
    for label in labels:
        own = {"label": label} if isinstance(label, str) else label
        rows.append({"text": TEXT, "image_id": "p7.jpg", **changes, **own})
    path = tmp_path / "test.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    return list(load(f"umie@{task}", "test", path, on_problem=notes))


def found(document: Document) -> list[tuple[str, str, int]]:
    return [(document.text_of(e), e.type, e.span.start) for e in document.entities]


def test_entities(tmp_path: Path, notes: Notes) -> None:
    label = "person, Ada Byron <spot> location, Turin , Italy <spot> person, bea"
    (document,) = read(tmp_path, "entity", notes, label)
    assert document.id == "p7-1"
    assert found(document) == [
        ("Ada Byron", "person", 0),
        ("Turin , Italy", "location", 23),
        ("Bea", "person", 14),
    ]
    assert document.media[0].uri == "p7.jpg"
    assert notes.kinds == ["mention-ambiguous"]


def test_a_text_named_twice_is_two_places(tmp_path: Path, notes: Notes) -> None:
    (document,) = read(tmp_path, "entity", notes, "person, Bea <spot> person, Bea")
    assert [start for _, _, start in found(document)] == [14, 43]


@pytest.mark.parametrize("task", ["entity", "relation", "trigger", "argument"])
@pytest.mark.parametrize("label", ["", "none", " None "])
def test_nothing_to_find(tmp_path: Path, notes: Notes, task: str, label: str) -> None:
    (document,) = read(tmp_path, task, notes, label)
    assert document.annotations is not None
    assert not document.annotations.entities
    assert not document.annotations.events
    assert not notes


def test_a_text_that_stands_nowhere_is_left_out(tmp_path: Path, notes: Notes) -> None:
    (document,) = read(tmp_path, "entity", notes, "person, Grace <spot> person, Ada Byron")
    assert [text for text, _, _ in found(document)] == ["Ada Byron"]
    assert notes.kinds == ["value-unlocated"]


def test_relation(tmp_path: Path, notes: Notes) -> None:
    (document,) = read(tmp_path, "relation", notes, "Ada Byron <spot> place of birth <spot> Turin")
    assert found(document) == [("Ada Byron", UNTYPED, 0), ("Turin", UNTYPED, 23)]
    assert document.annotations is not None
    (relation,) = document.annotations.relations
    assert (relation.head, relation.type, relation.tail) == ("e0", "place of birth", "e1")


def test_head_and_tail_of_one_name_are_two_places(tmp_path: Path, notes: Notes) -> None:
    (document,) = read(tmp_path, "relation", notes, "Bea <spot> peer <spot> Bea")
    assert [start for _, _, start in found(document)] == [14, 43]


def test_triggers(tmp_path: Path, notes: Notes) -> None:
    (document,) = read(tmp_path, "trigger", notes, "transport, left <spot> phone write, waves")
    assert document.annotations is not None
    events = [
        (e.type, document.text_of(e.trigger)) for e in document.annotations.events if e.trigger
    ]
    assert events == [("transport", "left"), ("phone write", "waves")]
    assert not document.entities


def test_arguments_in_text_and_picture(tmp_path: Path, notes: Notes) -> None:
    label = "transport <spot> agent, Ada Byron <spot> origin, O1 <spot> vehicle, O2"
    row = {"label": label, "O1": [1, 190, 508, 353], "text": f"{TEXT} O2"}
    (document,) = read(tmp_path, "argument", notes, row)
    assert document.annotations is not None
    (event,) = document.annotations.events
    assert (event.type, event.trigger) == ("transport", None)
    assert [(a.role, a.target) for a in event.arguments] == [
        ("agent", "e0"),
        ("origin", "O1"),
        ("vehicle", "e1"),  # there is no box of that name, so it is text
    ]
    (region,) = document.annotations.regions
    assert region.box is not None
    assert (region.id, region.box.xyxy) == ("O1", (1, 190, 508, 353))


@pytest.mark.parametrize(
    ("task", "row", "code"),
    [
        ("entity", {"label": "person Ada"}, "format-record"),
        ("entity", {"label": "Ada Byron <spot> peer <spot> Bea"}, "format-record"),
        ("entity", {"label": ", Ada"}, "format-record"),
        ("entity", {"label": None}, "format-record"),
        ("entity", {"label": "person, Ada", "text": " "}, "format-record"),
        ("entity", {"label": "person, Ada", "image_id": "../a"}, "access-outside-root"),
        ("relation", {"label": "Ada Byron <spot> peer"}, "format-record"),
        ("relation", {"label": "Grace <spot> peer <spot> Bea"}, "format-record"),
        ("relation", {"label": "Turin <spot> peer <spot> Turin"}, "format-record"),
        ("trigger", {"label": "left"}, "format-record"),
        ("argument", {"label": "transport, left"}, "format-record"),
        ("argument", {"label": "transport <spot> agent, O1", "O1": [1, 2]}, "format-record"),
        ("argument", {"label": "transport <spot> agent, O1", "O1": [5, 5, 5, 9]}, "schema-box"),
    ],
)
def test_broken_records_are_set_aside(
    tmp_path: Path, notes: Notes, task: str, row: dict[str, Any], code: str
) -> None:
    documents = read(tmp_path, task, notes, "", row, "")
    assert [d.id for d in documents] == ["p7-1", "p7-3"]
    assert notes.codes == [code]
