from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.corpora.dataset_card import Card, Counts, DataFile, SplitCard
from magpie.corpora.reader import ReadOptions
from magpie.corpora.records import (
    MAX_LITERAL,
    Raw,
    Reading,
    RecordCorpus,
    field,
    iter_json_lines,
    iter_literal_lines,
    parse_literal,
    word_list,
)
from magpie.corpora.source import Found
from magpie.errors import ConfigError, FormatError, MagpieError, NotFoundError
from magpie.schema import Annotations, Block, Document, Entity

from .conftest import Notes

LITERALS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


class Notices(RecordCorpus):
    """One notice a line: ``{'id': ..., 'token': [...], 'at': word}``."""

    card = Card(
        name="notices",
        version="1",
        title="Notices",
        task="test",
        licence="none",
        origin="here",
        citation="",
        types=("THING",),
        coarse={"THING": "OTHER"},
        splits={"test": SplitCard(DataFile("notices/test.txt"), Counts(documents=2))},
    )

    def records(self, found: Found) -> Iterator[Raw]:
        return iter_literal_lines(found)

    def document(self, raw: Raw, reading: Reading) -> Document:
        words = word_list(field(raw.value, "token", list, raw.where), "token", raw.where)
        block = Block.from_words(words)
        at = field(raw.value, "at", int, raw.where)
        entity = Entity(id="e0", span=block.word_span(at, at + 1), type=reading.type_of("THING"))
        identifier = field(raw.value, "id", str, raw.where)
        return Document(
            id=reading.ids.take(identifier, raw.where),
            blocks=(block,),
            media=(reading.pictures.media(identifier, raw.where, reading.report),),
            annotations=Annotations(entities=(entity,), provenance=reading.provenance()),
            source=reading.source(raw.line),
        )


GOOD = "{'id': 'a', 'token': ['Rain', 'today'], 'at': 0}"


def write(tmp_path: Path, *lines: str | bytes, end: str = "\n") -> Path:
    folder = tmp_path / "notices"
    folder.mkdir(exist_ok=True)
    data = [line.encode() if isinstance(line, str) else line for line in lines]
    (folder / "test.txt").write_bytes(end.encode().join(data) + end.encode())
    return tmp_path


def read(root: Path, notes: Notes, **options: Any) -> list[Document]:
    return list(Notices().read("test", root, ReadOptions(**options), notes))


def test_a_record_becomes_a_document(tmp_path: Path, notes: Notes) -> None:
    (document,) = read(write(tmp_path, GOOD), notes)
    assert document.text == "Rain today"
    assert document.source is not None
    assert document.source.corpus == "notices@1"
    assert (document.source.file, document.source.line) == ("notices/test.txt", 1)
    assert document.annotations is not None
    assert document.annotations.provenance is not None
    assert document.annotations.provenance.version == "notices@1"
    assert document.media[0].uri == "a.jpg"
    assert not notes


def test_windows_line_ends_and_blank_lines_change_nothing(tmp_path: Path, notes: Notes) -> None:
    plain = read(write(tmp_path, GOOD), notes)
    marked = "\ufeff" + GOOD
    assert read(write(tmp_path, marked, "", "  ", end="\r\n"), notes) == plain
    assert not notes


def test_bad_records_are_set_aside_with_their_line(tmp_path: Path, notes: Notes) -> None:
    root = write(
        tmp_path,
        GOOD,
        GOOD[:20],
        b"{'id': 'M\xfcnchen'}",
        "{'id': 'b', 'token': ['x'], 'at': 3}",
        "__import__('os').getcwd()",
        GOOD,
    )
    documents = read(root, notes)
    assert [d.id for d in documents] == ["a", "a#2"]
    assert notes.codes == ["format-record", "format-encoding", "schema-span", "format-record"]
    assert notes.kinds[-1] == "duplicate-id"
    places = [note.where.rpartition("test.txt:")[2] for note in notes]
    assert places == ["2", "3", "4", "5", "6"]


def test_a_line_beyond_the_limit_is_set_aside(
    tmp_path: Path, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("magpie._io.iter_open_lines.__kwdefaults__", {"max_bytes": 100})
    documents = read(write(tmp_path, "['" + "x" * 1000 + "']", GOOD), notes)
    assert [d.id for d in documents] == ["a"]
    assert notes.codes == ["format-too-long"]


def test_a_file_of_another_format_is_refused(tmp_path: Path, notes: Notes) -> None:
    root = write(tmp_path, *["Turin\tB-LOC"] * 40)
    with pytest.raises(FormatError) as caught:
        read(root, notes)
    assert caught.value.code == "format-unknown"
    assert len(notes) == 24


def test_an_empty_file_is_refused(tmp_path: Path, notes: Notes) -> None:
    with pytest.raises(FormatError, match="no record"):
        read(write(tmp_path), notes)


def test_a_missing_file_is_named_at_the_call(tmp_path: Path, notes: Notes) -> None:
    with pytest.raises(NotFoundError, match=r"notices/test\.txt"):
        Notices().read("test", tmp_path, ReadOptions(), notes)


def test_coarse_types(tmp_path: Path, notes: Notes, monkeypatch: pytest.MonkeyPatch) -> None:
    (document,) = read(write(tmp_path, GOOD), notes, types="coarse")
    assert [e.type for e in document.entities] == ["OTHER"]
    bare = Card(name="n", version="1", title="", task="", licence="", origin="", citation="")
    monkeypatch.setattr(Notices, "card", bare)
    with pytest.raises(ConfigError):
        read(tmp_path, notes, types="coarse")


def test_a_format_is_found_by_its_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare = Card(name="n", version="1", title="", task="", licence="", origin="", citation="")
    monkeypatch.setattr(Notices, "card", bare)
    (tmp_path / "valid.jsonl").write_text("{}")
    assert Notices().locate("dev", tmp_path).path == tmp_path / "valid.jsonl"
    with pytest.raises(NotFoundError):
        Notices().locate("test", tmp_path)


def test_json_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": 1}\n\n{"a": \n"\xff"\n[2]')
    rows = list(iter_json_lines(Found(DataFile("a.jsonl"), path)))
    assert [row.line for row in rows] == [1, 3, 4, 5]
    assert [row.error.code if row.error else row.value for row in rows] == [
        {"a": 1},
        "format-json",
        "format-encoding",
        [2],
    ]


@given(LITERALS)
def test_a_literal_is_read_back(value: Any) -> None:
    assert parse_literal(repr(value)) == value
    assert parse_literal(f"  {value!r} \n") == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "open('x')",
        "{'a': 1",
        "a = 1",
        "{'a': b}",
        "[].append(1)",
        "'a' * 10",
        "[" * 5000,
        "-" * 5000 + "1",
        "9" * 5000,
        "\0",
        "{[]: 1}",
        "'\ud800",
    ],
)
def test_what_is_no_literal_is_refused_and_never_run(text: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse_literal(text, where="f:1")
    assert caught.value.where == "f:1"


def test_a_literal_beyond_the_limit_is_refused() -> None:
    with pytest.raises(FormatError) as caught:
        parse_literal("'" + "x" * MAX_LITERAL + "'")
    assert caught.value.code == "format-too-long"


def test_an_odd_escape_is_read_in_silence() -> None:
    assert parse_literal(r"'\d \q'") == "\\d \\q"  # a warning would fail the test


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ([1], "expected a record with a field 'at'"),
        ({"token": 1}, "the record has token"),
        ({}, "no field at all"),
        ({"at": "2"}, "expected int in 'at', came \"2\""),
        ({"at": True}, "expected int in 'at', came true"),
        ({"at": b"2"}, "came b'2'"),
    ],
)
def test_field_says_what_came(record: object, message: str) -> None:
    with pytest.raises(MagpieError) as caught:
        field(record, "at", int, "f:3")
    assert message in caught.value.message
    assert caught.value.where == "f:3"


@pytest.mark.parametrize("value", [None, [], "ab", ["a", ""], ["a", 1]])
def test_word_list_wants_words(value: object) -> None:
    with pytest.raises(FormatError):
        word_list(value, "token", "f:1")
    assert word_list(["a", "b c"], "token", "f:1") == ["a", "b c"]
