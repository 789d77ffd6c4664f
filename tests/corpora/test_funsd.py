"""FUNSD from a small archive of our own, whole and broken."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from magpie.corpora import load
from magpie.errors import AccessError, ConfigError, FormatError, NotFoundError
from magpie.vision import load_image

Make = Callable[..., Path]


def page(width: int = 120, height: int = 80) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (width, height), 255).save(stream, "PNG")
    return stream.getvalue()


def item(number: int, text: str, label: str, links: list[list[int]], **more: Any) -> dict[str, Any]:
    box = [10, 10 + 10 * number, 60, 18 + 10 * number]
    words = [{"box": box, "text": each} for each in text.split(" ")]
    base = {"box": box, "text": text, "label": label, "words": words}
    return {**base, "linking": links, "id": number, **more}


def form(*items: dict[str, Any]) -> str:
    return json.dumps({"form": list(items)})


GOOD = form(
    item(0, "Order", "header", []),
    item(1, "Colour:", "question", [[1, 2]]),
    item(2, "dark green", "answer", [[1, 2]]),
    item(3, "", "answer", []),
)


@pytest.fixture
def funsd(tmp_path: Path) -> Make:
    """Writes an archive of test forms by name and returns the corpus root."""

    def write(
        forms: dict[str, str | bytes], pages: dict[str, bytes] | None = None, **extra: bytes
    ) -> Path:
        folder = tmp_path / "data" / "forms"
        folder.mkdir(parents=True, exist_ok=True)
        pictures = {name: page() for name in forms} if pages is None else pages
        with zipfile.ZipFile(folder / "funsd.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in forms.items():
                archive.writestr(f"testing_data/annotations/{name}.json", content)
            for name, data in pictures.items():
                archive.writestr(f"testing_data/images/{name}.png", data)
            for name, data in extra.items():
                archive.writestr(name, data)
        return tmp_path / "data"

    return write


def test_a_form_with_its_page(funsd: Make, notes: Any) -> None:
    root = funsd({"a1": GOOD})
    (document,) = load("funsd", "test", root, on_problem=notes)
    assert document.id == "a1"
    assert [block.text for block in document.blocks] == ["Order", "Colour:", "dark green", ""]
    assert [(e.type, document.text_of(e)) for e in document.entities] == [
        ("header", "Order"),
        ("question", "Colour:"),
        ("answer", "dark green"),
    ]
    assert document.annotations is not None
    assert [(x.head, x.tail) for x in document.annotations.links] == [("e1", "e2")]
    assert [x.label for x in document.annotations.regions] == ["answer"]
    assert notes.kinds == ["empty-word", "empty-field"]
    (medium,) = document.media
    assert (medium.width, medium.height, medium.present) == (120, 80, True)
    assert load_image(medium).width == 120
    assert document.source is not None
    assert document.source.corpus == "funsd@1"
    assert document.source.file == "forms/funsd.zip!testing_data/annotations/a1.json"


def test_nothing_is_written_to_disk(funsd: Make) -> None:
    root = funsd({"a1": GOOD})
    list(load("funsd", "test", root))
    assert [path.name for path in root.rglob("*") if path.is_file()] == ["funsd.zip"]


def test_an_unpacked_copy_reads_alike(funsd: Make, tmp_path: Path) -> None:
    root = funsd({"a1": GOOD, "b2": GOOD})
    with zipfile.ZipFile(root / "forms" / "funsd.zip") as archive:
        archive.extractall(tmp_path / "dataset")
    packed = list(load("funsd", "test", root))
    plain = list(load("funsd", "test", tmp_path / "dataset"))
    assert [d.id for d in packed] == ["a1", "b2"]
    assert [d.blocks for d in packed] == [d.blocks for d in plain]
    assert [d.annotations for d in packed] == [d.annotations for d in plain]
    assert plain[0].media[0].uri == str(tmp_path / "dataset" / "testing_data" / "images" / "a1.png")
    digests = {d.source.digest for d in (*packed, *plain) if d.source}
    assert len(digests) == 1


def test_pages_from_a_folder_given_outright(funsd: Make, tmp_path: Path, notes: Any) -> None:
    root = funsd({"a1": GOOD, "b2": GOOD})
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "a1.png").write_bytes(page(60, 60))
    first, second = load("funsd", "test", root, images=folder, on_problem=notes)
    assert first.media[0].uri == str(folder / "a1.png")
    assert second.media[0].missing == "not in the pictures folder"
    assert notes.kinds.count("picture-missing") == 1


def test_without_its_page_a_form_is_read(funsd: Make, notes: Any) -> None:
    root = funsd({"a1": GOOD, "b2": GOOD}, pages={"b2": b"no picture"})
    first, second = load("funsd", "test", root, on_problem=notes)
    assert first.media[0].missing == "no pictures folder was given"
    assert not second.media[0].present
    assert notes.kinds.count("picture-unreadable") == 1
    assert len(first.entities) == len(second.entities) == 3


BROKEN: dict[str, tuple[str | bytes, str]] = {
    "cut off": (GOOD[: len(GOOD) // 2], "format-json"),
    "UTF-16": (GOOD.encode("utf-16"), "format-encoding"),
    "Latin-1": (GOOD.replace("green", "gr\xfcn").encode("latin-1"), "format-encoding"),
    "a list": ("[1, 2]", "format-record"),
    "another corpus": ('{"images": [], "annotations": []}', "format-record"),
    "NaN": (GOOD.replace("10", "NaN", 1), "format-json"),
    "another label": (form(item(0, "a", "PER", [])), "format-record"),
    "a NUL": (form(item(0, "a\0b", "other", [])), "schema-text"),
    "nested": ('{"form": ' + "[" * 200_000, "format-json"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_form_is_one_lost_record(name: str, funsd: Make, notes: Any) -> None:
    content, code = BROKEN[name]
    raw = content.encode() if isinstance(content, str) else content
    root = funsd({"a1": GOOD, "bad": raw.replace(b"\\u00fc", b"\xfc"), "c3": GOOD})
    documents = list(load("funsd", "test", root, on_problem=notes))
    assert [document.id for document in documents] == ["a1", "c3"]
    assert notes.codes == [code]
    lost = next(note for note in notes if note.error)
    assert "testing_data/annotations/bad.json" in lost.where
    with pytest.raises((FormatError, ValueError)):
        list(load("funsd", "test", root))


def test_oddities_name_file_and_form(funsd: Make, notes: Any) -> None:
    odd = form(
        item(0, "Who?", "question", [[0, 7]]),
        item(1, "Ada", "answer", [], box=[10, 10, 500, 20]),
        item(1, "Ann", "answer", [], box=[20, 20, 10, 30]),
    )
    (document,) = load("funsd", "test", funsd({"odd": odd}), on_problem=notes)
    assert sorted(notes.kinds) == ["box-clipped", "box-skipped", "duplicate-id", "link-dangling"]
    assert {note.record for note in notes} == {"odd"}
    assert all(note.where.endswith("odd.json") for note in notes)
    assert document.blocks[1].box is not None
    assert document.blocks[1].box.x2 == 120


def test_archives_that_cannot_be_used(funsd: Make, tmp_path: Path) -> None:
    root = funsd({"a1": GOOD})
    archive = root / "forms" / "funsd.zip"
    whole = archive.read_bytes()
    archive.write_bytes(whole[:-40])
    with pytest.raises(FormatError, match="damaged"):
        list(load("funsd", "test", root))
    funsd({"a1": GOOD}, **{"../../evil.json": b"{}"})
    with pytest.raises(AccessError, match="leads out"):
        list(load("funsd", "test", root))
    with pytest.raises(FormatError, match="no record"):
        list(load("funsd", "train", funsd({"a1": GOOD})))
    with pytest.raises(NotFoundError, match=r"funsd\.zip!testing_data"):
        load("funsd", "test", tmp_path)


def test_a_damaged_member_is_one_lost_record(funsd: Make, notes: Any) -> None:
    root = funsd({"a1": GOOD, "b2": GOOD})
    archive = root / "forms" / "funsd.zip"
    data = bytearray(archive.read_bytes())
    # the compressed bytes of the first member begin behind its 30-byte header and its name
    start = 30 + len("testing_data/annotations/a1.json") + 20
    data[start : start + 20] = bytes(20)
    archive.write_bytes(bytes(data))
    documents = list(load("funsd", "test", root, on_problem=notes))
    assert [document.id for document in documents] == ["b2"]
    assert "damaged" in next(note.message for note in notes if note.error)


def test_coarse_types_are_refused(funsd: Make) -> None:
    with pytest.raises(ConfigError, match="coarse"):
        load("funsd", "test", funsd({"a1": GOOD}), types="coarse")


@pytest.mark.corpus
@pytest.mark.slow
def test_the_published_forms(data_dir: Path) -> None:
    blocks = links = entities = 0
    pages = set()
    for split in ("train", "test"):
        for document in load("funsd", split, data_dir):
            assert document.annotations is not None
            blocks += len(document.blocks)
            links += len(document.annotations.links)
            entities += len(document.entities) + len(document.annotations.regions)
            (medium,) = document.media
            pages.add(medium.uri)
            assert medium.present
            assert medium.width is not None
            assert medium.height is not None
            assert all(b.box and b.box.x2 <= medium.width for b in document.blocks)
    assert (blocks, entities, links, len(pages)) == (9743, 9743, 5294, 199)


@pytest.mark.corpus
def test_a_published_page_opens_in_place(data_dir: Path) -> None:
    document = next(iter(load("funsd", "test", data_dir)))
    loaded = load_image(document.media[0])
    assert (loaded.width, loaded.height) == (document.media[0].width, document.media[0].height)
