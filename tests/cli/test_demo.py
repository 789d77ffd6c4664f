"""`magpie demo`: the files it writes, what it prints, and its JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from magpie.cli.demo import write_demo
from magpie.examples import example_documents
from magpie.schema import (
    Annotations,
    Box,
    Document,
    Entity,
    Grounding,
    Region,
    Span,
    from_json,
)
from magpie.vision import load_image


def documents() -> list[Document]:
    """The shipped posts with one entity each, found by hand."""
    found = []
    for document, text in zip(
        example_documents(), ("Eileen Collins", "Lisbon", "Paris"), strict=True
    ):
        start = document.text.index(text)
        grounding = Grounding()
        if document.media:
            grounding = Grounding.in_regions(Region.of_box(Box(160, 60, 290, 190, "m0")))
        span = Span("b0", start, start + len(text))
        entity = Entity(id="e0", span=span, type="PER", grounding=grounding, score=0.9)
        found.append(document.with_annotations(Annotations(entities=(entity,))))
    return found


def test_files_are_written_and_belong_together(tmp_path: Path) -> None:
    files = write_demo(documents(), tmp_path / "out")
    lines = files.jsonl.read_text("utf-8").splitlines()
    assert [from_json(line) for line in lines] == documents()
    # Pictures are named relative to the file, so they must lie beside it.
    for document in documents():
        for medium in document.media:
            assert load_image(medium, root=files.jsonl.parent).width > 0
    page = files.report.read_text("utf-8")
    assert page.count("<img ") == 2
    assert all(document.id in page for document in documents())


def test_annotated_picture_differs_from_the_portrait_in_the_box_only(tmp_path: Path) -> None:
    files = write_demo(documents(), tmp_path)
    with Image.open(files.picture) as drawn:
        plain = Image.fromarray(load_image(tmp_path / "portrait.jpg").pixels)
        assert drawn.size == plain.size
        assert drawn.convert("RGB").getpixel((225, 61)) != plain.getpixel((225, 61))
        below = (0, 200, 512, 512)
        assert drawn.convert("RGB").crop(below).tobytes() == plain.crop(below).tobytes()


def test_again_gives_the_same_bytes(tmp_path: Path) -> None:
    first = write_demo(documents(), tmp_path)
    before = [path.read_bytes() for path in (first.jsonl, first.picture, first.report)]
    again = write_demo(documents(), tmp_path)
    assert before == [path.read_bytes() for path in (again.jsonl, again.picture, again.report)]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "magpie", "demo", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


@pytest.mark.slow
def test_demo_finds_the_astronaut_and_her_face(tmp_path: Path) -> None:
    result = run("--output", str(tmp_path / "out"), "--json")
    assert result.returncode == 0, result.stderr
    shown = json.loads(result.stdout)
    assert set(shown) == {"files", "documents"}
    assert all(Path(path).is_file() for path in shown["files"].values())
    portrait, poster, note = shown["documents"]
    (collins,) = [e for e in portrait["entities"] if e["text"] == "Eileen Collins"]
    assert collins["type"] == "PER"
    assert collins["grounding"] == "regions"
    face = Box(*collins["boxes"][0], "m0")
    # Measured by eye on the portrait: her face lies around (225, 125).
    assert face.x1 < 225 < face.x2
    assert face.y1 < 125 < face.y2
    assert {e["text"] for e in poster["entities"]} >= {"Norah Vance", "Lisbon"}
    assert all(e["grounding"] == "unknown" for e in note["entities"])


@pytest.mark.slow
def test_demo_prints_the_table_and_where_things_are(tmp_path: Path) -> None:
    result = run("--output", str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert "Eileen Collins" in result.stdout
    for name in ("demo.jsonl", "demo.png", "report.html"):
        assert str(tmp_path / name) in result.stdout
