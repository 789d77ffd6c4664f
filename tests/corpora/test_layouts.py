from __future__ import annotations

from pathlib import Path

import pytest

from magpie.corpora.layouts import find_beside, find_text, folders, read_members, split_spellings
from magpie.errors import FormatError, NotFoundError

from .conftest import Notes


def test_spellings_begin_with_the_own_name() -> None:
    assert split_spellings("test") == ("test",)
    assert split_spellings("dev")[0] == "dev"
    assert set(split_spellings("dev")) >= {"dev", "val", "valid"}


def test_text_is_found_by_pattern_spelling_or_outright(tmp_path: Path) -> None:
    (tmp_path / "txt").mkdir()
    for name in ("txt/ours_val.txt", "dev.txt"):
        (tmp_path / name).write_text("x")
    patterns = ("txt/ours_{}.txt", "{}.txt")
    assert find_text("dev", tmp_path, patterns).file.path == "txt/ours_val.txt"
    assert find_text("dev", tmp_path, patterns[1:]).path == tmp_path / "dev.txt"
    assert find_text("dev", tmp_path / "dev.txt", ()).path == tmp_path / "dev.txt"
    with pytest.raises(NotFoundError, match=r"txt/ours_\{\}\.txt, \{\}\.txt"):
        find_text("test", tmp_path, patterns)


def test_folders_are_named_whether_there_or_not(tmp_path: Path) -> None:
    assert folders(tmp_path, "a/{}/b", "test") == (str(tmp_path / "a/test/b"),)


def test_the_first_place_and_the_first_name_win(tmp_path: Path) -> None:
    for name in ("a/x_val", "b/x_dev", "b/y"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    places = (tmp_path / "b", tmp_path / "a")
    assert find_beside("dev", places, ("x_{}", "y")) == tmp_path / "b" / "x_dev"
    assert find_beside("test", places, ("x_{}", "y")) == tmp_path / "b" / "y"
    assert find_beside("test", places, ("x_{}",)) is None


def test_members_of_a_json_file(tmp_path: Path, notes: Notes) -> None:
    (tmp_path / "d_val.json").write_text('{"a": [1], "b": oops, "c": {"d": 2}}')
    members = read_members("dev", (tmp_path,), ("d_{}",), notes)
    assert members == {"a": [1], "c": {"d": 2}}
    assert notes.kinds == ["side-unreadable"]
    assert notes[0].record == "b"


def test_json_comes_before_a_pickle(tmp_path: Path, notes: Notes) -> None:
    (tmp_path / "d_test.json").write_text("{}")
    (tmp_path / "d_test.pth").write_bytes(b"\x80\x04.")
    assert read_members("test", (tmp_path,), ("d_{}",), notes) == {}
    assert not notes


def test_a_pickle_is_refused_with_the_line_that_converts_it(tmp_path: Path, notes: Notes) -> None:
    # Unpickling this would make a file.
    (tmp_path / "d_test.pth").write_bytes(b"cos\nsystem\n(S'touch pwned'\ntR.")
    assert read_members("test", (tmp_path,), ("d_{}",), notes) is None
    assert notes.kinds == ["pickle-refused"]
    assert "torch.load('d_test.pth', weights_only=True)" in notes[0].message
    assert "d_test.json" in notes[0].message
    assert [path.name for path in tmp_path.iterdir()] == ["d_test.pth"]


def test_nothing_there_is_nothing(tmp_path: Path, notes: Notes) -> None:
    assert read_members("test", (tmp_path,), ("d_{}",), notes) is None
    assert not notes


def test_a_list_is_no_dictionary(tmp_path: Path, notes: Notes) -> None:
    (tmp_path / "d.json").write_text("[1, 2]")
    assert read_members("test", (tmp_path,), ("d",), notes) is None
    assert notes.kinds == ["side-unreadable"]
    (tmp_path / "d.json").write_text("d = 1")
    with pytest.raises(FormatError):
        read_members("test", (tmp_path,), ("d",), notes)
