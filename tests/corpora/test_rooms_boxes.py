"""Photographs with a text file of boxes each, from files of our own."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from magpie.corpora import load
from magpie.corpora.registry import card
from magpie.errors import FormatError, NotFoundError


def photo() -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (64, 48)).save(stream, "JPEG")
    return stream.getvalue()


def write(tmp_path: Path, **notes: str | bytes) -> Path:
    path = tmp_path / "data" / "photos" / "rooms_boxes.zip"
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in notes.items():
            archive.writestr(f"ground-truth/{name}.txt", content)
            archive.writestr(f"images-optional/{name}.jpg", photo())
    return tmp_path / "data"


def test_a_region_a_line(tmp_path: Path, notes: Any) -> None:
    root = write(tmp_path, r1="bed 1 2 30 40\n\nvase 5 5 6 6\r\n", r2="")
    first, second = load("rooms-boxes", "all", root, on_problem=notes)
    assert notes == []
    assert first.annotations is not None
    assert [(r.label, r.box.xyxy if r.box else ()) for r in first.annotations.regions] == [
        ("bed", (1, 2, 30, 40)),
        ("vase", (5, 5, 6, 6)),
    ]
    assert (first.media[0].width, first.media[0].height) == (64, 48)
    assert first.media[0].uri is not None
    assert first.media[0].uri.endswith("rooms_boxes.zip!images-optional/r1.jpg")
    assert second.annotations is not None
    assert second.annotations.regions == ()


def test_an_unpacked_copy_reads_alike(tmp_path: Path) -> None:
    root = write(tmp_path, r1="bed 1 2 30 40\n")
    with zipfile.ZipFile(root / "photos" / "rooms_boxes.zip") as archive:
        archive.extractall(tmp_path / "clone" / "rooms_boxes")
    (packed,) = load("rooms-boxes", "all", root)
    (plain,) = load("rooms-boxes", "all", tmp_path / "clone")
    assert packed.annotations == plain.annotations
    assert packed.source == plain.source


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("bed 1 2 3", "box-skipped"),
        ("bed 1 2 3 4 5", "box-skipped"),
        ("bed one two three four", "box-skipped"),
        ("bed 30 2 1 40", "box-skipped"),
        ("bed nan 2 30 40", "box-skipped"),
        ("bed 100 2 130 40", "box-skipped"),
        ("bed 1 2 30 49", "box-clipped"),
    ],
)
def test_a_bad_line_is_one_lost_box(line: str, kind: str, tmp_path: Path, notes: Any) -> None:
    root = write(tmp_path, r1=f"sofa 1 1 9 9\n{line}\nlamp 2 2 8 8\n")
    (document,) = load("rooms-boxes", "all", root, on_problem=notes)
    assert notes.kinds == [kind]
    assert ":2" in notes[0].where
    assert document.annotations is not None
    assert len(document.annotations.regions) == (3 if kind == "box-clipped" else 2)


def test_files_that_cannot_be_read(tmp_path: Path, notes: Any) -> None:
    root = write(tmp_path, r1=b"bed 1 2 3 \xff", r2="bed 1 2 3 4")
    documents = list(load("rooms-boxes", "all", root, on_problem=notes))
    assert [document.id for document in documents] == ["r2"]
    assert notes.codes == ["format-encoding"]
    with pytest.raises(FormatError, match="no record"):
        list(load("rooms-boxes", "all", write(tmp_path)))
    with pytest.raises(NotFoundError, match="no split 'test'"):
        load("rooms-boxes", "test", root)


@pytest.mark.corpus
def test_the_published_rooms(data_dir: Path) -> None:
    documents = list(load("rooms-boxes", "all", data_dir))
    labels = [r.label for d in documents if d.annotations for r in d.annotations.regions]
    assert (len(documents), len(labels)) == (85, 686)
    assert tuple(sorted(set(filter(None, labels)))) == card("rooms-boxes").labels
    assert labels.count("person") == 7
