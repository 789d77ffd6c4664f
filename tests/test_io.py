"""Atomic writes, digests, line reading."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie._io import (
    atomic_write,
    dump_json,
    file_digest,
    iter_lines,
    iter_open_lines,
    iter_text_lines,
    last_complete_byte,
    parse_json,
    text_digest,
)
from magpie.errors import FormatError, NotFoundError


def test_atomic_write_replaces_and_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "a.txt"
    atomic_write(target, "one")
    atomic_write(target, b"two\n")
    assert target.read_bytes() == b"two\n"
    assert os.listdir(target.parent) == ["a.txt"]


def test_a_failed_write_keeps_the_old_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "a.txt"
    atomic_write(target, "old")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        atomic_write(target, "new")
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_digests(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    expected = hashlib.sha256(b"abc").hexdigest()
    assert file_digest(tmp_path / "a") == expected == text_digest("abc")
    assert text_digest("\ud800") != text_digest("?")
    with pytest.raises(NotFoundError):
        file_digest(tmp_path / "b")


def test_json_is_strict_both_ways() -> None:
    assert dump_json({"a": "é"}) == '{"a":"é"}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        dump_json(float("nan"))
    with pytest.raises(FormatError, match=r"x:1: NaN is not valid JSON"):
        parse_json("[NaN]", where="x:1")
    with pytest.raises(FormatError, match="column 2"):
        parse_json("{]")
    with pytest.raises(FormatError, match="nested too deeply"):
        parse_json("[" * 100_000)
    with pytest.raises(FormatError) as caught:
        parse_json(b'"\xff"')
    assert caught.value.code == "format-encoding"


def test_lines_drop_the_byte_order_mark_and_carriage_returns(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"\xef\xbb\xbfone\r\ntwo\n\nlast")
    assert list(iter_text_lines(file)) == [(1, "one"), (2, "two"), (3, ""), (4, "last")]


def test_a_long_line_is_set_aside_and_the_rest_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"x" * 100 + b"\nok\n" + b"1234567890\n" + b"y" * 11)
    lines = list(iter_lines(file, max_bytes=10))
    assert [line.number for line in lines] == [1, 2, 3, 4]
    assert [line.text for line in lines] == ["", "ok", "1234567890", ""]
    codes = [line.error.code if line.error else None for line in lines]
    assert codes == ["format-too-long", None, None, "format-too-long"]


def test_a_line_that_is_not_utf8_is_set_aside(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"ok\n\xff\xfe\nok")
    first, second, third = iter_lines(file)
    assert (first.error, third.error) == (None, None)
    assert second.error is not None
    assert second.error.code == "format-encoding"
    assert second.error.where == f"{file}:2"
    with pytest.raises(FormatError):
        list(iter_text_lines(file))


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        list(iter_lines(tmp_path / "none"))
    with pytest.raises(FormatError, match="folder"):
        list(iter_lines(tmp_path))


@given(st.lists(st.text(st.characters(exclude_characters="\n\r\ufeff", codec="utf-8"))))
def test_lines_round_trip(texts: list[str]) -> None:
    stream = io.BytesIO("".join(text + "\n" for text in texts).encode())
    assert [line.text for line in iter_open_lines(stream, name="x")] == texts


@given(st.binary(max_size=300), st.binary(max_size=40).filter(lambda tail: b"\n" not in tail))
def test_last_complete_byte(tmp_path_factory: pytest.TempPathFactory, a: bytes, b: bytes) -> None:
    file = tmp_path_factory.mktemp("lines") / "a"
    file.write_bytes(a + b"\n" + b)
    assert last_complete_byte(file) == len(a) + 1


def test_last_complete_byte_of_a_file_without_newline(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 200_000)
    assert last_complete_byte(tmp_path / "a") == 0
    (tmp_path / "b").write_bytes(b"\n" + b"x" * 200_000)
    assert last_complete_byte(tmp_path / "b") == 1
