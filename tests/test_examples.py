"""The shipped posts: readable, complete, attributed, and the poster is what its script draws."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from magpie import examples
from magpie.errors import FormatError
from magpie.examples import example_documents, example_folder, make_pictures
from magpie.vision import load_image


def test_three_posts_one_without_picture() -> None:
    documents = example_documents()
    assert [document.id for document in documents] == ["portrait", "poster", "note"]
    assert [len(document.media) for document in documents] == [1, 1, 0]
    assert all(document.annotations is None for document in documents)
    assert "Eileen Collins" in documents[0].text


@pytest.mark.parametrize(
    ("name", "size"), [("portrait.jpg", (512, 512)), ("poster.png", (480, 640))]
)
def test_pictures_are_there_and_small(name: str, size: tuple[int, int]) -> None:
    path = example_folder() / name
    loaded = load_image(path)
    assert (loaded.width, loaded.height) == size
    assert path.stat().st_size < 100_000


def test_every_named_picture_exists_and_every_picture_is_named() -> None:
    named = {medium.uri for document in example_documents() for medium in document.media}
    pictures = {path.name for path in example_folder().iterdir() if path.suffix in {".jpg", ".png"}}
    assert named == pictures


def test_every_picture_is_attributed(root: Path) -> None:
    attribution = (example_folder() / "ATTRIBUTION.md").read_text("utf-8")
    notice = (root / "NOTICE").read_text("utf-8")
    for document in example_documents():
        for medium in document.media:
            assert f"`{medium.uri}`" in attribution
            assert f"src/magpie/examples/{medium.uri}" in notice


def test_poster_is_what_the_script_draws(tmp_path: Path) -> None:
    path = make_pictures.main(str(tmp_path))
    drawn = np.asarray(Image.open(path).convert("RGB"), dtype=int)
    shipped = load_image(example_folder() / "poster.png").pixels.astype(int)
    # Letters may be smoothed a little differently by another FreeType.
    assert np.abs(drawn - shipped).mean() < 1.0


def test_posts_have_the_simple_shape_that_extract_reads() -> None:
    lines = (example_folder() / "posts.jsonl").read_text("utf-8").splitlines()
    assert all(set(json.loads(line)) <= {"id", "text", "image"} for line in lines)


@pytest.mark.parametrize("line", ["[]", '{"id": "x"}', "{"])
def test_damaged_posts_are_located(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "posts.jsonl").write_text(f"{line}\n", "utf-8")
    monkeypatch.setattr(examples, "example_folder", lambda: tmp_path)
    with pytest.raises(FormatError) as caught:
        example_documents()
    assert caught.value.where == "posts.jsonl:1"


def test_portrait_has_no_metadata() -> None:
    data = (example_folder() / "portrait.jpg").read_bytes()
    assert not Image.open(io.BytesIO(data)).getexif()
