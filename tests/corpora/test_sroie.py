"""SROIE from small receipts of our own: lines, boxes, and key values put back into the text."""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from magpie.corpora import load
from magpie.corpora.sroie import KEYS, _spans
from magpie.errors import FormatError
from magpie.schema import Block, Document

Make = Callable[..., Path]


def line(number: int, text: str) -> str:
    top, bottom = 10 * number, 10 * number + 8
    return f"5,{top},95,{top},95,{bottom},5,{bottom},{text}"


def box_file(*texts: str) -> str:
    return "\n".join(line(number, text) for number, text in enumerate(texts)) + "\n\n"


BOXES = box_file("HARBOUR BOOKS LTD", "12, QUAY ROAD,", "TURIN", "DATE: 03/04/2018", "TOTAL 9.00")
VALUES = {
    "company": "HARBOUR BOOKS LTD",
    "date": "03/04/2018",
    "address": "12, QUAY ROAD, TURIN",
    "total": "9.00",
}


@pytest.fixture
def sroie(tmp_path: Path) -> Make:
    """Writes receipts as id -> (lines, values) and returns the corpus root."""

    def write(
        receipts: dict[str, tuple[str | bytes, Any]], pictures: dict[str, bytes] | None = None
    ) -> Path:
        folder = tmp_path / "data" / "forms"
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(folder / "sroie_annotations.zip", "w") as archive:
            for name, (boxes, values) in receipts.items():
                archive.writestr(f"test/box/{name}.txt", boxes)
                if values is not None:
                    text = values if isinstance(values, str) else json.dumps(values)
                    archive.writestr(f"test/entities/{name}.txt", text)
        if pictures:
            with zipfile.ZipFile(folder / "sroie_images_sample.zip", "w") as archive:
                for name, data in pictures.items():
                    archive.writestr(f"test/img/{name}.jpg", data)
        return tmp_path / "data"

    return write


def found(document: Document) -> list[tuple[str, str]]:
    return [(entity.type, document.text_of(entity)) for entity in document.entities]


def test_lines_values_and_places(sroie: Make, notes: Any) -> None:
    (document,) = load("sroie", "test", sroie({"X1": (BOXES, VALUES)}), on_problem=notes)
    assert notes == []
    assert document.id == "X1"
    assert [block.text for block in document.blocks][1:3] == ["12, QUAY ROAD,", "TURIN"]
    assert document.blocks[3].box is not None
    assert document.blocks[3].box.xyxy == (5, 30, 95, 38)
    assert found(document) == [
        ("company", "HARBOUR BOOKS LTD"),
        ("date", "03/04/2018"),
        ("address", "12, QUAY ROAD,"),
        ("address", "TURIN"),
        ("total", "9.00"),
    ]
    address = document.entities[2]
    assert address.provenance is not None
    assert address.provenance.evidence == ("12, QUAY ROAD, TURIN", "normalised")
    assert document.entities[0].provenance is not None
    assert document.entities[0].provenance.evidence == ("HARBOUR BOOKS LTD", "exact")
    assert document.source is not None
    assert document.source.file == "forms/sroie_annotations.zip!test/box/X1.txt"


def test_every_place_of_a_value_is_an_entity(sroie: Make) -> None:
    boxes = box_file("9.00", "PEN 9.00", "19.00", "9.001", "TOTAL 9.00")
    (document,) = load("sroie", "test", sroie({"X1": (boxes, {"total": "9.00"})}))
    assert [(e.span.block, e.span.start) for e in document.entities] == [
        ("b0", 0),
        ("b1", 4),
        ("b4", 6),
    ]


def test_names_may_be_misread_by_a_letter_and_numbers_may_not(sroie: Make, notes: Any) -> None:
    boxes = box_file("HARB0UR BOCKS LTD", "03/04/2019", "TOTAL 8.00")
    values = {**VALUES, "company": "HARBOUR BOOKS LTD"}
    values = {**values, "company": "HARBOUR BOOKS LTDS", "address": "NOWHERE STREET 5"}
    boxes = boxes.replace("HARB0UR BOCKS", "HARBOUR BOCKS")
    (document,) = load("sroie", "test", sroie({"X1": (boxes, values)}), on_problem=notes)
    assert found(document) == [("company", "HARBOUR BOCKS LTD")]
    assert document.entities[0].provenance is not None
    assert document.entities[0].provenance.evidence[1] == "fuzzy"
    assert notes.kinds == ["value-unlocated"] * 3
    assert [note.message.split()[0] for note in notes] == ["date", "address", "total"]


def test_values_that_are_missing_or_empty(sroie: Make, notes: Any) -> None:
    some = {"company": "HARBOUR BOOKS LTD", "total": " ", "date": "03/04/2018"}
    root = sroie({"X1": (BOXES, some), "X2": (BOXES, None)})
    first, second = load("sroie", "test", root, on_problem=notes)
    assert Counter(kind for kind, _ in found(first)) == {"company": 1, "date": 1}
    assert second.annotations is None
    assert [note.message for note in notes] == ["no address", "no total", "no file of key values"]
    assert set(notes.kinds) == {"value-missing"}


def test_four_corners_become_the_upright_box_round_them(sroie: Make, notes: Any) -> None:
    turned = "10,12,90,8,92,20,12,24,SLANTED\n5,5,5,5,5,5,5,5,POINT\nnan,0,1,0,1,1,0,1,ODD\n"
    (document,) = load("sroie", "test", sroie({"X1": (turned, {})}), on_problem=notes)
    assert [block.text for block in document.blocks] == ["SLANTED", "POINT", "ODD"]
    assert document.blocks[0].box is not None
    assert document.blocks[0].box.xyxy == (10, 8, 92, 24)
    assert document.blocks[1].box is None
    assert document.blocks[2].box is None
    assert Counter(notes.kinds) == {"box-turned": 1, "box-skipped": 2, "value-missing": 4}
    assert notes[0].where.endswith("X1.txt:1")


def test_line_ends_commas_and_blank_lines(sroie: Make) -> None:
    text = line(0, "A, B, C") + "\r\n\r\n" + line(1, " ") + "\r\n" + line(2, " D ") + "\r\n"
    (document,) = load("sroie", "test", sroie({"X1": ("\ufeff" + text, {})}))
    assert [(b.id, b.text) for b in document.blocks] == [("b0", "A, B, C"), ("b1", "D")]


def test_bytes_of_another_encoding_are_replaced_and_reported(sroie: Make, notes: Any) -> None:
    raw = (line(0, "FINE") + "\n" + line(1, "BAR")).encode() + b"\xa3\xac\n"
    (document,) = load("sroie", "test", sroie({"X1": (raw, {})}), on_problem=notes)
    assert [block.text for block in document.blocks] == ["FINE", "BAR\ufffd\ufffd"]
    replaced = next(note for note in notes if note.kind == "bytes-replaced")
    assert replaced.where.endswith("X1.txt:2")


def test_pictures_and_their_edges(sroie: Make, notes: Any) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (80, 60)).save(stream, "JPEG")
    root = sroie({"X1": (BOXES, VALUES), "X2": (BOXES, VALUES)}, {"X1": stream.getvalue()})
    first, second = load("sroie", "test", root, on_problem=notes)
    assert (first.media[0].width, first.media[0].height) == (80, 60)
    assert first.media[0].uri is not None
    assert first.media[0].uri.endswith("sroie_images_sample.zip!test/img/X1.jpg")
    assert notes.kinds == ["box-clipped"] * 5
    assert first.blocks[0].box is not None
    assert first.blocks[0].box.x2 == 80
    assert not second.media[0].present
    assert second.blocks[0].box is not None
    assert second.blocks[0].box.x2 == 95


BROKEN: dict[str, tuple[str | bytes, Any, str]] = {
    "cut line": (BOXES + "72,25,326,25,32", VALUES, "format-record"),
    "words, no numbers": (BOXES + "a,b,c,d,e,f,g,h,text", VALUES, "format-record"),
    "another corpus": ("IMGID:1\nAda\tB-PER\n", VALUES, "format-record"),
    "UTF-16": (BOXES.encode("utf-16"), VALUES, "format-record"),
    "cut values": (BOXES, '{"company": "x', "format-json"),
    "values of another corpus": (BOXES, {"form": []}, "format-record"),
    "values that are a list": (BOXES, ["x"], "format-record"),
    "a value that is no text": (BOXES, {"total": 9.0}, "format-record"),
    "a NUL": (line(0, "a\0b"), VALUES, "schema-text"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_receipt_is_one_lost_record(name: str, sroie: Make, notes: Any) -> None:
    boxes, values, code = BROKEN[name]
    good = (BOXES, VALUES)
    root = sroie({"X1": good, "X2": (boxes, values), "X3": good})
    documents = list(load("sroie", "test", root, on_problem=notes))
    assert [document.id for document in documents] == ["X1", "X3"]
    assert notes.codes == [code]
    assert "X2.txt" in next(note for note in notes if note.error).where


def test_an_archive_of_something_else_holds_no_receipt(tmp_path: Path) -> None:
    (tmp_path / "forms").mkdir()
    with zipfile.ZipFile(tmp_path / "forms" / "sroie_annotations.zip", "w") as archive:
        archive.writestr("test/readme.md", "nothing")
    with pytest.raises(FormatError, match="no record"):
        list(load("sroie", "test", tmp_path))


@given(st.lists(st.text(alphabet="ab \u3000", min_size=1, max_size=6), max_size=5), st.data())
def test_ranges_of_the_joined_text_come_back_line_by_line(
    lines: list[str], data: st.DataObject
) -> None:
    blocks = tuple(Block(id=f"b{n}", text=text) for n, text in enumerate(lines))
    joined = "\n".join(lines)
    start = data.draw(st.integers(0, len(joined)))
    end = data.draw(st.integers(start, len(joined)))
    spans = list(_spans(start, end, blocks))
    texts = {block.id: block.text for block in blocks}
    pieces = [texts[span.block][span.start : span.end] for span in spans]
    assert pieces == [piece.strip() for piece in joined[start:end].split("\n") if piece.strip()]


@pytest.mark.corpus
@pytest.mark.slow
def test_the_published_receipts(data_dir: Path) -> None:
    located: Counter[str] = Counter()
    counts = []
    for split in ("train", "test"):
        documents = list(load("sroie", split, data_dir, on_problem=lambda _: None))
        counts.append((len(documents), sum(len(d.blocks) for d in documents)))
        for document in documents:
            located.update({entity.type for entity in document.entities})
    assert counts == [(626, 33626), (347, 18705)]
    assert located == {"company": 971, "date": 964, "address": 960, "total": 966}
    assert set(located) == set(KEYS)
