from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from magpie.corpora import load
from magpie.corpora.anomaly import ignore
from magpie.corpora.pictures import Pictures, picture_name
from magpie.errors import AccessError
from magpie.schema import Media

from .conftest import Notes

Write = Callable[..., Path]


def test_no_folder_gives_a_reason_and_keeps_the_id(twitter2015: Write, notes: Notes) -> None:
    first = next(load("twitter2015", "test", twitter2015(), on_problem=notes))
    (medium,) = first.media
    assert (medium.id, medium.uri, medium.present) == ("m0", "11.jpg", False)
    assert medium.missing == "no pictures folder was given"
    assert "picture-missing" not in notes.kinds


def test_folder_in_the_layout_is_found(twitter2015: Write, notes: Notes) -> None:
    root = twitter2015()
    folder = root / "images" / "twitter2015"
    folder.mkdir(parents=True)
    (folder / "12.jpg").write_bytes(b"never opened")
    first, second = load("twitter2015", "test", root, on_problem=notes)
    assert first.media[0].missing == "not in the pictures folder"
    assert second.media[0].present
    assert second.media[0].uri == str(folder / "12.jpg")
    assert "picture-missing" not in notes.kinds


def test_given_folder_reports_each_missing_picture(
    twitter2015: Write, tmp_path: Path, notes: Notes
) -> None:
    (tmp_path / "11.jpg").write_bytes(b"")
    list(load("twitter2015", "test", twitter2015(), images=tmp_path, on_problem=notes))
    missing = [a for a in notes if a.kind == "picture-missing"]
    assert [(a.record, a.message) for a in missing] == [("12", "no picture 12.jpg")]
    assert missing[0].where.endswith("test.txt:6")


@pytest.mark.parametrize("identifier", ["", ".", "..", "a/b", "..\\x", "/etc/passwd"])
def test_ids_that_are_paths(tmp_path: Path, identifier: str) -> None:
    pictures = Pictures((), tmp_path, tmp_path)
    with pytest.raises(AccessError):
        pictures.media(identifier, "f:1", print)


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("17_06_1.jpg", "17_06_1"),
        ("/a/b/O_12.jpg", "O_12"),
        ("a\\b.v2.png", "b.v2"),
        ("https://example.org/x/7.jpeg", "7"),
    ],
)
def test_picture_name(uri: str, name: str) -> None:
    assert picture_name(Media(uri=uri)) == name
    assert picture_name(Media(data=b"x")) is None


def test_several_folders_are_searched_the_first_wins(tmp_path: Path) -> None:
    for folder, names in {"a": ["1.jpg", "2.jpg"], "b": ["2.jpg", "3.png"]}.items():
        (tmp_path / "images" / folder).mkdir(parents=True)
        for name in names:
            (tmp_path / "images" / folder / name).write_bytes(b"x")
    candidates = ("images/none", "images/a", "images/b")
    for pictures in (
        Pictures(candidates, tmp_path, None),
        Pictures(candidates, tmp_path / "elsewhere", tmp_path / "images"),
    ):
        found = [pictures.media(name, "f:1", ignore).uri for name in ("1", "2")]
        assert found == [str(tmp_path / "images" / "a" / f"{name}.jpg") for name in ("1", "2")]
        png = pictures.media("3", "f:1", ignore, suffix=".png", medium="m7")
        assert (png.id, png.uri) == ("m7", str(tmp_path / "images" / "b" / "3.png"))
        assert not pictures.media("3", "f:1", ignore).present
