from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import pytest

from magpie.corpora.writing import DocumentWriter, with_absolute_paths
from magpie.schema import Document, Media, from_json


def post(*uris: str, missing: str | None = None) -> Document:
    media = tuple(Media(id=f"m{n}", uri=uri, missing=missing) for n, uri in enumerate(uris))
    return dataclasses.replace(Document.from_text("a"), media=media)


def written(document: Document, path: Path) -> tuple[list[str | None], str]:
    stream = io.BytesIO()
    writer = DocumentWriter(stream, path)
    writer.write(document)
    assert writer.documents == 1
    line = stream.getvalue()
    assert line.endswith(b"\n")
    return [medium.uri for medium in from_json(line).media], writer.pictures_root


@pytest.mark.parametrize(
    ("uri", "expected", "outside"),
    [
        ("/data/images/1.jpg", "images/1.jpg", ""),
        ("/data/x.zip!a/1.png", "x.zip!a/1.png", ""),
        ("/elsewhere/1.jpg", "/elsewhere/1.jpg", "/elsewhere"),
        ("/elsewhere/x.zip!a/1.png", "/elsewhere/x.zip!a/1.png", "/elsewhere"),
        ("/database/1.jpg", "/database/1.jpg", "/database"),
        ("1.jpg", "1.jpg", ""),
        ("https://example.org/data/1.jpg", "https://example.org/data/1.jpg", ""),
    ],
)
def test_paths(uri: str, expected: str, outside: str) -> None:
    assert written(post(uri), Path("/data/gold.jsonl")) == ([expected], outside)


def test_absent_pictures_keep_their_names() -> None:
    uris, outside = written(post("/data/1.jpg", missing="gone"), Path("/data/gold.jsonl"))
    assert (uris, outside) == (["/data/1.jpg"], "")


def test_root_holds_all_pictures_outside() -> None:
    stream = io.BytesIO()
    writer = DocumentWriter(stream, "/out/gold.jsonl")
    writer.write(post("/a/b/c/1.jpg", "/a/b/d/2.jpg"))
    assert writer.pictures_root == "/a/b"
    writer.write(post("/a/3.jpg"))
    assert writer.pictures_root == "/a"
    assert writer.documents == 2


def test_relative_paths_are_joined_to_their_folder() -> None:
    moved = with_absolute_paths(post("x/1.jpg", "/b/2.jpg", "http://c/3.jpg"), Path("/a"))
    assert [medium.uri for medium in moved.media] == ["/a/x/1.jpg", "/b/2.jpg", "http://c/3.jpg"]
    same = post("1.jpg", missing="gone")
    assert with_absolute_paths(same, Path("/a")) is same
