from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from magpie.corpora import convert
from magpie.errors import NotFoundError
from magpie.schema import from_json

from .conftest import TWEETS

Write = Callable[..., Path]


def test_one_document_a_line_in_file_order(twitter2015: Write, tmp_path: Path) -> None:
    output = tmp_path / "deep" / "gold.jsonl"
    result = convert("twitter2015", "test", output, twitter2015())
    documents = [from_json(line) for line in output.read_bytes().splitlines()]
    assert [d.id for d in documents] == ["11", "12"]
    assert [e.type for e in documents[1].entities] == ["PER", "LOC"]
    (warning,) = result.warnings
    assert "does not know" in warning
    assert result.to_dict() == {
        "output": str(output),
        "documents": 2,
        "unreadable": 0,
        "anomalies": {"orphan-tag": 1, "unknown-digest": 1},
        "errors": [],
        "warnings": [warning],
        "pictures_root": "",
    }


def test_twice_gives_the_same_bytes(twitter2015: Write, tmp_path: Path) -> None:
    root = twitter2015()
    for name in ("a", "b"):
        convert("twitter2015", "test", tmp_path / name, root)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert str(tmp_path).encode() not in (tmp_path / "a").read_bytes()


def test_unreadable_records_are_counted_and_listed(twitter2015: Write, tmp_path: Path) -> None:
    bad = "".join(f"\nIMGID:9{n}\ncut\n" for n in range(5))
    result = convert(
        "twitter2015", "test", tmp_path / "o", twitter2015(TWEETS + bad), keep_errors=2
    )
    assert (result.documents, result.unreadable, len(result.errors)) == (2, 5, 2)
    assert result.to_dict()["errors"][0]["code"] == "format-record"
    assert result.to_dict()["errors"][0]["where"].endswith("test.txt:13")


def test_a_failure_leaves_the_old_file(twitter2015: Write, tmp_path: Path) -> None:
    output = tmp_path / "gold.jsonl"
    output.write_text("old")
    with pytest.raises(NotFoundError):
        convert("twitter2015", "train", output, twitter2015())
    with pytest.raises(Exception, match="no record"):
        convert("twitter2015", "test", output, twitter2015(""))
    assert output.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["gold.jsonl"]


def test_pictures_are_found_from_where_the_file_lies(twitter2015: Write, tmp_path: Path) -> None:
    root = twitter2015()
    folder = root / "images" / "twitter2015"
    folder.mkdir(parents=True)
    (folder / "11.jpg").write_bytes(b"x")
    result = convert("twitter2015", "test", root / "gold.jsonl", root)
    first, second = map(from_json, (root / "gold.jsonl").read_bytes().splitlines())
    assert first.media[0].uri == "images/twitter2015/11.jpg"
    assert second.media[0].uri == "12.jpg"  # absent: only its name
    assert result.pictures_root == ""
    result = convert("twitter2015", "test", tmp_path / "out" / "gold.jsonl", root)
    (first, _) = map(from_json, (tmp_path / "out" / "gold.jsonl").read_bytes().splitlines())
    assert first.media[0].uri == str(folder / "11.jpg")
    assert result.pictures_root == str(folder)


def test_converted_documents_can_be_extracted_from(twitter2015: Write) -> None:
    from magpie.vision import load_image

    root = twitter2015()
    folder = root / "images" / "twitter2015"
    folder.mkdir(parents=True)
    Image.new("RGB", (3, 2)).save(folder / "11.jpg")
    convert("twitter2015", "test", root / "gold.jsonl", root)
    document = from_json((root / "gold.jsonl").read_bytes().splitlines()[0])
    assert load_image(document.media[0], root=root).width == 3
