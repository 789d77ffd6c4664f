"""Inputs: every format, told by its ending; bad records keep their place."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from magpie.engine.inputs import InputFile, looks_like_path
from magpie.engine.records import Columns, Record
from magpie.errors import ConfigError, FormatError, NotFoundError


def _write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def _brief(records: list[Record]) -> list[tuple[int, str | None, str]]:
    """(line, id, text or code of the first problem) of each."""
    return [
        (line, identifier, doc.problems[0].code if doc.problems else doc.text)
        for line, identifier, doc in records
    ]


def _read(path: Path, **options: object) -> list[tuple[int, str | None, str]]:
    return _brief(list(InputFile(str(path), **options)))  # type: ignore[arg-type]


def test_json_lines(tmp_path: Path) -> None:
    path = _write(
        tmp_path / "a.jsonl",
        b'\xef\xbb\xbf{"id":"1","text":"one"}\r\n\n[1]\n{"id":"2","text":"\xff"}\nnot json\n'
        b'{"id":"1","text":"twice"}\n{"id":"3","text":"NaN","image":NaN}\n{"id":"4","text":"four"}',
    )
    assert _read(path) == [
        (1, "1", "one"),
        (3, None, "format-record"),
        (4, None, "format-encoding"),
        (5, None, "format-json"),
        (6, "1", "schema-id"),
        (7, None, "format-json"),
        (8, "4", "four"),
    ]


def test_table(tmp_path: Path) -> None:
    path = _write(
        tmp_path / "a.csv",
        b"\xef\xbb\xbfid,text,image,more\n"
        b'1,"two\nlines, one cell",a.jpg,x\n'
        b"2,short\n"
        b"3,caf\xe9,,\n"
        b"\n"
        b"4,plain,,\n",
    )
    assert _read(path) == [
        (2, "1", "two\nlines, one cell"),
        (4, "2", "format-record"),
        (5, "3", "format-encoding"),
        (7, "4", "plain"),
    ]
    first = next(iter(InputFile(str(path)))).document
    assert [medium.uri for medium in first.media] == ["a.jpg"]


def test_table_with_tabs_and_other_names(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.tsv", "nr\ttweet\n5\ta, b\n")
    assert _read(path, columns=Columns(id="nr", text="tweet")) == [(2, "5", "a, b")]
    with pytest.raises(FormatError, match="no column 'id', only nr, tweet"):
        _read(path)
    assert _read(_write(tmp_path / "b.csv", "")) == []


def test_an_unclosed_quote_does_not_eat_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("magpie.engine.readers._MAX_CELL", 100)
    path = _write(tmp_path / "a.csv", 'id,text\n1,"' + "x\n" * 80 + "2,good\n")
    found = _read(path)
    assert found[0] == (2, None, "format-record")
    assert found[-1][2] in ("good", "format-record")


def test_text_file_with_its_picture(tmp_path: Path) -> None:
    path = _write(tmp_path / "post.txt", "\ufeffline one\r\nline two\n")
    _write(tmp_path / "post.jpg", b"")
    _write(tmp_path / "post.png", b"")
    (record,) = InputFile(str(path))
    assert (record.id, record.document.text) == ("post", "line one\r\nline two\n")
    assert [medium.uri for medium in record.document.media] == ["post.jpg", "post.png"]
    bad = _write(tmp_path / "bad.txt", b"\xff\xfe")
    assert _read(bad) == [(1, "bad", "format-encoding")]
    assert _read(_write(tmp_path / "empty.txt", "")) == [(1, "empty", "")]


def test_lines_of_plain_text(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.txt", "one\n\nthree\n")
    assert _read(path, given="lines") == [(1, "line-1", "one"), (3, "line-3", "three")]


def test_folder(tmp_path: Path) -> None:
    folder = tmp_path / "posts"
    _write(folder / "b.txt", "second")
    _write(folder / "a.txt", "first")
    _write(folder / "sub" / "c.txt", "third")
    _write(folder / "sub" / "c.jpeg", b"")
    _write(folder / "lonely.jpg", b"")
    _write(folder / "other.jsonl", '{"id":"x","text":"not mixed in"}\n')
    outside = _write(tmp_path / "outside.txt", "secret")
    os.symlink(outside, folder / "z.txt")
    source = InputFile(str(folder))
    records = list(source)
    assert _brief(records) == [
        (1, "a", "first"),
        (2, "b", "second"),
        (3, "sub/c", "third"),
        (4, "z", "access-outside-root"),
    ]
    assert [medium.uri for medium in records[2].document.media] == ["sub/c.jpeg"]
    assert source.root == folder
    assert source.count() == 4
    before = source.digest()
    _write(folder / "b.txt", "second, longer")
    assert source.digest() != before


def test_folder_without_texts(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"no \.txt file"):
        list(InputFile(str(tmp_path)))


class _Stdin:
    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", _Stdin(b'{"id":"1","text":"one"}\n'))
    source = InputFile("-")
    assert source.is_stdin
    assert source.count() is None
    assert source.digest() == ""
    assert _brief(list(source)) == [(1, "1", "one")]
    monkeypatch.setattr(sys, "stdin", _Stdin(b"a whole text\n"))
    assert _brief(list(InputFile("-", "text"))) == [(1, "stdin", "a whole text\n")]
    with pytest.raises(ConfigError, match="no folder"):
        InputFile("-", "folder")


def test_count_and_digest_of_a_file(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.jsonl", '{"id":"1","text":"one"}\n{"id":"2","text":"two"}\n')
    source = InputFile(str(path))
    assert source.count() == 2
    assert len(source.digest()) == 64
    assert source.root == tmp_path


def test_what_cannot_be_an_input(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such file or folder"):
        InputFile(str(tmp_path / "none.jsonl"))
    with pytest.raises(FormatError, match=r"ending '\.doc'") as unknown:
        InputFile(str(_write(tmp_path / "a.doc", "")))
    assert unknown.value.code == "format-unknown"
    with pytest.raises(FormatError, match="--image"):
        InputFile(str(_write(tmp_path / "a.jpg", "")))
    with pytest.raises(FormatError, match="found a folder"):
        InputFile(str(tmp_path), "csv")
    with pytest.raises(FormatError, match="found a file"):
        InputFile(str(tmp_path / "a.doc"), "folder")
    with pytest.raises(ConfigError, match="one of jsonl"):
        InputFile(str(tmp_path / "a.doc"), "xlsx")


def test_what_looks_like_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _write(tmp_path / "Paris", "a file without an ending")
    for argument in (
        "-",
        "posts.jsonl",
        "a/b.CSV",
        "photo.jpg",
        "posts.json",
        "Paris",
        str(tmp_path),
    ):
        assert looks_like_path(argument), argument
    for argument in (
        "",
        "Marie Curie",
        "see posts.jsonl",
        "London",
        "e.g.",
        "x" * 10_000,
        "a\0.txt",
    ):
        assert not looks_like_path(argument), argument
