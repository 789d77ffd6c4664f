"""Procedures step by step, each with its own picture, from samples of our own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from magpie.corpora import load
from magpie.errors import FormatError


def step(*words: str, image: str | None = None, entities: Any = ()) -> dict[str, Any]:
    return {"words": list(words), "image": image, "entities": list(entities)}


def thing(start: int, end: int, *boxes: Any) -> dict[str, Any]:
    return {"start": start, "end": end, "boxes": list(boxes)}


TEA = {
    "id": "tea",
    "title": "Make tea",
    "topic": "Recipes",
    "steps": [
        step("Boil", "some", "water", image="tea_1.jpg", entities=[thing(1, 3, [1, 2, 30, 40])]),
        step("Wait"),
        step(
            "Pour", "the", "water", "on", "leaves",
            image="tea_3.png",
            entities=[
                thing(1, 3),
                thing(4, 5, [5, 5, 9, 9], [20, 5, 29, 9]),
                {"start": 0, "end": 1},
            ],
        ),
    ],
}  # fmt: skip


def write(tmp_path: Path, *records: Any) -> Path:
    path = tmp_path / "test.jsonl"
    path.write_text("\n".join(json.dumps(each) for each in records) + "\n", encoding="utf-8")
    return path


def test_a_procedure(tmp_path: Path, notes: Any) -> None:
    (document,) = load("wiki-gmper", "test", write(tmp_path, TEA), on_problem=notes)
    assert notes == []
    assert document.id == "tea"
    assert [(b.id, b.step, b.media, b.text) for b in document.blocks] == [
        ("b1", 1, "m0", "Boil some water"),
        ("b2", 2, None, "Wait"),
        ("b3", 3, "m1", "Pour the water on leaves"),
    ]
    assert [(m.id, m.uri) for m in document.media] == [("m0", "tea_1.jpg"), ("m1", "tea_3.png")]
    assert [
        (document.text_of(e), e.span.block, e.grounding.status, len(e.boxes))
        for e in document.entities
    ] == [
        ("some water", "b1", "regions", 1),
        ("the water", "b3", "absent", 0),
        ("leaves", "b3", "regions", 2),
        ("Pour", "b3", "unknown", 0),
    ]
    assert [box.media for box in document.entities[2].boxes] == ["m1", "m1"]
    assert {entity.type for entity in document.entities} == {"THING"}
    assert [text.text for text in document.context] == ["Make tea", "Recipes"]


def test_pictures_of_a_folder(tmp_path: Path, notes: Any) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "tea_1.jpg").write_bytes(b"jpg")
    path = write(tmp_path, TEA)
    (document,) = load("wiki-gmper", "test", path, images=folder, on_problem=notes)
    assert [medium.present for medium in document.media] == [True, False]
    assert notes.kinds == ["picture-missing"]


def test_boxes_that_are_none_leave_the_grounding_unknown(tmp_path: Path, notes: Any) -> None:
    odd = {
        "id": "x",
        "steps": [
            step(
                "Cut", "it", image="a.jpg", entities=[thing(0, 1, [9, 9, 1, 1]), thing(1, 2, "box")]
            ),
            step("Done", entities=[thing(0, 1, [1, 1, 2, 2])]),
        ],
    }
    (document,) = load("wiki-gmper", "test", write(tmp_path, odd), on_problem=notes)
    assert [e.grounding.status for e in document.entities] == ["unknown"] * 3
    assert notes.kinds == ["box-skipped", "box-skipped"]


BAD: list[Any] = [
    "text",
    {"id": "x"},
    {"id": "x", "steps": []},
    {"id": 3, "steps": TEA["steps"]},
    {"id": "x", "steps": ["text"]},
    {"id": "x", "steps": [step()]},
    {"id": "x", "steps": [step("a", "")]},
    {"id": "x", "steps": [step("a", entities=[thing(0, 2)])]},
    {"id": "x", "steps": [step("a", entities=[thing(1, 0)])]},
    {"id": "x", "steps": [step("a", entities=[{"start": 0}])]},
    {"id": "x", "steps": [step("a", entities="e")]},
    {"id": "x", "steps": [step("a", image="../a.jpg")]},
    {"id": "x", "steps": [step("a", image="a.jpg", entities=[{**thing(0, 1), "boxes": 3}])]},
]


@pytest.mark.parametrize("bad", BAD)
def test_a_bad_procedure_is_one_lost_record(bad: Any, tmp_path: Path, notes: Any) -> None:
    path = write(tmp_path, TEA, bad, {**TEA, "id": "coffee"})
    documents = list(load("wiki-gmper", "test", path, on_problem=notes))
    assert [document.id for document in documents] == ["tea", "coffee"]
    assert notes.kinds == ["unreadable"]
    assert notes[0].where.startswith(f"{path}:2")


def test_cut_lines_other_encodings_and_other_corpora(tmp_path: Path, notes: Any) -> None:
    path = write(tmp_path, TEA, {**TEA, "id": "last"})
    path.write_bytes(path.read_bytes()[:-30])
    assert [d.id for d in load("wiki-gmper", "test", path, on_problem=notes)] == ["tea"]
    assert notes.codes == ["format-json"]
    path.write_bytes(json.dumps(TEA).encode("utf-16"))
    with pytest.raises(FormatError) as caught:
        list(load("wiki-gmper", "test", path))
    assert caught.value.code == "format-encoding"
    path.write_text('{"token": ["a"], "relation": "None"}\n')
    with pytest.raises(FormatError, match="field 'id'"):
        list(load("wiki-gmper", "test", path))


def test_ids_that_stand_twice(tmp_path: Path, notes: Any) -> None:
    documents = list(load("wiki-gmper", "test", write(tmp_path, TEA, TEA), on_problem=notes))
    assert [document.id for document in documents] == ["tea", "tea#2"]
    assert notes.kinds == ["duplicate-id"]
