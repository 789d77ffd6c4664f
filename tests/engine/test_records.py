"""Records: whole documents, simple objects, and what is said about bad ones."""

from __future__ import annotations

from typing import Any

import pytest

from magpie.engine.records import (
    Columns,
    document_of,
    failed_record,
    made_record,
    unreadable,
)
from magpie.errors import FormatError, MagpieError
from magpie.schema import Document, to_dict


def test_simple_record() -> None:
    document = document_of({"id": "a", "text": "Hello", "other": [1]})
    assert document == Document.from_text("Hello", id="a")


def test_pictures_and_caption() -> None:
    document = document_of({"id": 7, "text": "", "image": ["a.jpg", "b.png"], "caption": "a cat"})
    assert document.id == "7"
    assert [(medium.id, medium.uri) for medium in document.media] == [
        ("m0", "a.jpg"),
        ("m1", "b.png"),
    ]
    assert [(note.kind, note.text) for note in document.context] == [("caption", "a cat")]
    for nothing in (None, "", []):
        assert document_of({"id": "a", "text": "", "image": nothing}).media == ()


def test_other_names() -> None:
    columns = Columns(id="nr", text="tweet", image="photo")
    document = document_of({"nr": "1", "tweet": "Hi", "photo": "x.jpg"}, columns=columns)
    assert (document.id, document.text, document.media[0].uri) == ("1", "Hi", "x.jpg")


def test_whole_document() -> None:
    document = Document.from_text("Hello", id="a", images=("a.jpg",))
    assert document_of(to_dict(document)) == document


@pytest.mark.parametrize(
    ("value", "code", "words"),
    [
        ({"text": "a"}, "format-record", "expected a string as 'id', found nothing"),
        ({"id": "a"}, "format-record", "expected a string as 'text', found nothing"),
        ({"id": True, "text": "a"}, "format-record", "found True"),
        ({"id": "a", "text": 5}, "format-record", "found 5"),
        ({"id": "a", "text": "b", "image": 5}, "format-record", "list of paths"),
        ({"id": "a", "text": "b", "image": [None]}, "format-record", "list of paths"),
        ({"id": "", "text": "b"}, "schema-id", "empty"),
        ({"id": "a", "text": "\0"}, "schema-text", "NUL"),
        ({"id": "a", "text": "\udfff"}, "schema-text", "lone surrogate"),
        ({"id": "a", "blocks": [{"text": 1}]}, "schema-type", "string"),
        ({"id": "a", "blocks": [], "format": 99}, "schema-version", "99"),
    ],
)
def test_what_is_wrong(value: dict[str, Any], code: str, words: str) -> None:
    with pytest.raises(MagpieError, match=words) as error:
        document_of(value, where="f:3")
    assert error.value.code == code
    assert error.value.where.startswith("f:3")


def test_made_record_keeps_the_id_of_what_failed() -> None:
    good = made_record(4, {"id": "a", "text": "b"}, "f:4")
    assert (good.line, good.id, good.document.status) == (4, "a", "ok")
    bad = made_record(5, {"id": "a", "text": "\0"}, "f:5")
    assert (bad.line, bad.id, bad.document.status) == (5, "a", "failed")
    assert bad.document.problems[0].code == "schema-text"
    assert made_record(6, {"text": "b"}, "f:6").id is None
    assert made_record(7, {"n": 3}, "f:7", Columns(id="n")).id == "3"


def test_failed_record_without_a_usable_id() -> None:
    for identifier in (None, "", "\ud800"):
        record = failed_record(9, identifier, FormatError("broken"))
        assert record.id is None
        assert record.document.id == "line-9"
        assert unreadable(record.document)
    assert not unreadable(Document.from_text(""))
