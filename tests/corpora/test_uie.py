from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from magpie.corpora import load
from magpie.corpora.pairs import UNTYPED
from magpie.schema import Document

from .conftest import Notes

TOKENS = ["Ada", "Byron", "leads", "Turin", "Owls", "to", "victory"]
ADA = {"type": "person", "offset": [0, 1], "text": "Ada Byron"}
OWLS = {"type": "organization", "offset": [3, 4], "text": "Turin Owls"}
RECORD: dict[str, Any] = {
    "text": " ".join(TOKENS),
    "tokens": TOKENS,
    "record": "<extra_id_0> ... <extra_id_1>",
    "image_id": "p7.jpg",
    "entity": [ADA, OWLS],
    "relation": [{"type": "leader", "args": [ADA, OWLS]}],
    "event": [
        {
            "type": "contest",
            "offset": [6],
            "text": "victory",
            "args": [{"type": "winner", "offset": [3, 4], "text": "Turin Owls"}],
        }
    ],
}

SENTENCE: dict[str, Any] = {
    "sentence": "Ada Byron leads Turin Owls, and Ada sings.",
    "entities": [
        {"name": "Ada Byron", "type": "person", "pos": [0, 9]},
        {"name": "Turin Owls", "type": "organization", "pos": [16, 25]},
        {"name": "Ada", "type": "person"},
    ],
    "relations": [
        {
            "head": {"name": "Ada Byron", "type": "person"},
            "type": "leader",
            "tail": {"name": "Turin Owls", "type": "organization", "pos": [16, 26]},
        },
        {"head": {"name": "Ada"}, "type": "NA", "tail": {"name": "Turin Owls"}},
    ],
    "events": [
        {
            "trigger": "sings",
            "type": "performance",
            "arguments": [{"name": "Ada", "role": "artist"}, {"name": "Grace", "role": "artist"}],
        },
        {"trigger": "", "type": "NA", "arguments": []},
    ],
}


def read(
    tmp_path: Path, name: str, notes: Notes, *rows: Any, lines: bool = False
) -> list[Document]:
    path = tmp_path / "test.json"
    text = "\n".join(map(json.dumps, rows)) if lines else json.dumps(rows)
    path.write_text(text, encoding="utf-8")
    return list(load(name, "test", path, on_problem=notes))


def entities(document: Document) -> list[tuple[str, str]]:
    return [(document.text_of(e), e.type) for e in document.entities]


@pytest.mark.parametrize("lines", [True, False])
def test_uie(tmp_path: Path, notes: Notes, lines: bool) -> None:
    (document, _) = read(tmp_path, "uie", notes, RECORD, RECORD, lines=lines)
    assert document.id == "p7-1"
    assert document.blocks[0].word_texts() == TOKENS
    assert entities(document) == [("Ada Byron", "person"), ("Turin Owls", "organization")]
    assert document.annotations is not None
    (relation,) = document.annotations.relations
    assert (relation.head, relation.type, relation.tail) == ("e0", "leader", "e1")
    (event,) = document.annotations.events
    assert event.trigger is not None
    assert (event.type, document.text_of(event.trigger)) == ("contest", "victory")
    assert [(a.role, a.target) for a in event.arguments] == [("winner", "e1")]
    assert document.media[0].uri == "p7.jpg"
    assert not notes


def test_words_come_from_the_text_if_need_be(tmp_path: Path, notes: Notes) -> None:
    row = {"text": "Ada  sings", "entity": [{"type": "person", "offset": [0], "text": "Ada"}]}
    (document,) = read(tmp_path, "uie", notes, row)
    assert (document.id, document.text, document.media) == ("test-1", "Ada sings", ())
    assert entities(document) == [("Ada", "person")]


def test_an_argument_nobody_typed_is_a_mention(tmp_path: Path, notes: Notes) -> None:
    (document,) = read(tmp_path, "uie", notes, {**RECORD, "entity": [], "relation": []})
    assert entities(document) == [("Turin Owls", UNTYPED)]


def test_a_text_that_differs_is_reported(tmp_path: Path, notes: Notes) -> None:
    row = {**RECORD, "entity": [{**ADA, "text": "Bea"}], "relation": [], "event": []}
    (document,) = read(tmp_path, "uie", notes, row)
    assert entities(document) == [("Ada Byron", "person")]
    assert notes.kinds == ["name-mismatch"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"entity": [{**ADA, "offset": [0, 2]}]}, "format-record"),
        ({"entity": [{**ADA, "offset": []}]}, "format-record"),
        ({"entity": [{**ADA, "offset": ["0"]}]}, "format-record"),
        ({"entity": [{**ADA, "offset": [6, 7]}]}, "schema-span"),
        ({"entity": [{**ADA, "offset": [-1, 0]}]}, "schema-span"),
        ({"entity": [{**ADA, "type": ""}]}, "format-record"),
        ({"entity": {}}, "format-record"),
        ({"relation": [{"type": "leader", "args": [ADA]}]}, "format-record"),
        ({"relation": [{"type": "leader", "args": [ADA, ADA]}]}, "format-record"),
        ({"relation": [{"type": "", "args": [ADA, OWLS]}]}, "format-record"),
        ({"event": [{"type": "", "offset": [6], "text": "victory"}]}, "format-record"),
        ({"tokens": "Ada"}, "format-record"),
        ({"image_id": 1.5}, "format-record"),
    ],
)
def test_broken_uie_records_are_set_aside(
    tmp_path: Path, notes: Notes, change: dict[str, Any], code: str
) -> None:
    rows = [RECORD, {**RECORD, **change}, "text", RECORD]
    assert [d.id for d in read(tmp_path, "uie", notes, *rows)] == ["p7-1", "p7-4"]
    assert notes.codes == [code, "format-record"]


def test_instructuie(tmp_path: Path, notes: Notes) -> None:
    (document,) = read(tmp_path, "instructuie", notes, SENTENCE)
    assert [(d, document.entities[i].span.start) for i, d in enumerate(entities(document))] == [
        (("Ada Byron", "person"), 0),
        (("Turin Owls", "organization"), 16),
        # The first of two places is part of "Ada Byron", which is taken.
        (("Ada", "person"), 32),
    ]
    assert document.annotations is not None
    (relation,) = document.annotations.relations
    assert (relation.head, relation.type, relation.tail) == ("e0", "leader", "e1")
    (event,) = document.annotations.events
    assert event.trigger is not None
    assert (event.type, document.text_of(event.trigger)) == ("performance", "sings")
    assert [(a.role, a.target) for a in event.arguments] == [("artist", "e2")]
    assert "value-unlocated" in notes.kinds


@pytest.mark.parametrize("pos", [[0, 9], [0, 8], [3, 5], None, [0], ["0", "9"], [-9, 9]])
def test_offsets_that_are_wrong_are_looked_up(tmp_path: Path, notes: Notes, pos: object) -> None:
    entity = {"name": "Ada Byron", "type": "person", "pos": pos}
    row = {"sentence": SENTENCE["sentence"], "entities": [entity]}
    (document,) = read(tmp_path, "instructuie", notes, row)
    assert entities(document) == [("Ada Byron", "person")]
    assert not notes


@pytest.mark.parametrize(
    ("row", "code"),
    [
        ({"sentence": ""}, "format-record"),
        ({"text": "Ada"}, "format-record"),
        ({"sentence": "Ada", "entities": [{"name": "Ada"}]}, "format-record"),
        (
            {
                "sentence": "Ada",
                "relations": [{"head": {"name": "Ada"}, "type": "kin", "tail": {"name": "Bea"}}],
            },
            "format-record",
        ),
        ({"sentence": "Ada", "relations": [{"head": "Ada", "type": "kin"}]}, "format-record"),
        ([1], "format-record"),
    ],
)
def test_broken_instructuie_records_are_set_aside(
    tmp_path: Path, notes: Notes, row: object, code: str
) -> None:
    good = {"sentence": "Ada sings", "entities": []}
    documents = read(tmp_path, "instructuie", notes, good, row, good)
    assert [d.id for d in documents] == ["test-1", "test-3"]
    assert notes.codes == [code]
