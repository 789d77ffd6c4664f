"""CSV and Parquet tables: dangerous cells, documents that come back whole, broken files."""

from __future__ import annotations

import csv
import dataclasses
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.errors import ConfigError, FormatError, MagpieError
from magpie.export import ExportReport, export, read
from magpie.export._tables import TABLES
from magpie.schema import Annotations, Block, Document, Entity, Media, Span

from . import samples

BOTH = ("csv", "parquet")

FORMULAS = ["=cmd()", "+1", "-2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "'", "''=1", "＝1", "＠x"]


def documents(folder: Path | None = None) -> list[Document]:
    return samples.all_documents(folder)


def without_data(document: Document) -> Document:
    media = tuple(dataclasses.replace(medium, data=None) for medium in document.media)
    return dataclasses.replace(document, media=media)


def written(name: str, folder: Path, *given: Document, **options: Any) -> ExportReport:
    if name == "parquet":
        pytest.importorskip("pyarrow")
    return export(given, name, folder / "out", **options)


def back(name: str, folder: Path, **options: Any) -> tuple[list[Document], list[MagpieError]]:
    problems: list[MagpieError] = []
    return list(read(name, folder / "out", on_problem=problems.append, **options)), problems


def rows(folder: Path, table: str) -> list[dict[str, str]]:
    text = (folder / "out" / f"{table}.csv").read_bytes().decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def tagged(id: str, text: str, type: str = "T") -> Document:
    entity = Entity(id="e0", span=Span("b0", 0, len(text)), type=type)
    blocks = (Block(text=text),)
    return Document(id=id, blocks=blocks, annotations=Annotations(entities=(entity,)))


# what stands in them


def test_the_tables(tmp_path: Path) -> None:
    written("csv", tmp_path, samples.pictures(tmp_path), samples.plain())
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == sorted(f"{table}.csv" for table in TABLES)
    entities = rows(tmp_path, "entities")
    assert [(row["document"], row["entity"], row["text"]) for row in entities] == [
        ("pictures", "e0", "Ada"),
        ("pictures", "e1", "Turin"),
        ("plain", "e0", "Ada"),
    ]
    assert entities[0]["fine_type"] == "author"
    assert [row["grounding"] for row in entities] == ["regions", "absent", "unknown"]
    regions = rows(tmp_path, "regions")
    assert [(row["entity"], row["region"], row["x1"]) for row in regions] == [
        *(("", "dog", "5.0"), ("e0", "", "0.1"), ("e0", "hat", "3.0"), ("e0", "", repr(1 / 3)))
    ]
    assert [row["head"] for row in rows(tmp_path, "relations")] == ["e0", "e1", "dog"]
    assert rows(tmp_path, "events") == []


def test_the_bytes_of_a_small_table(tmp_path: Path) -> None:
    written("csv", tmp_path, tagged("d,1", 'say "hi"\nthere'))
    assert (tmp_path / "out" / "entities.csv").read_bytes().decode() == (
        "document,entity,block,start,end,text,type,fine_type,grounding,score,provenance\r\n"
        '"d,1",e0,b0,0,14,"say ""hi""\nthere",T,,unknown,,\r\n'
    )


def test_parquet_has_typed_columns(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    written("parquet", tmp_path, *documents(tmp_path))
    table = parquet.read_table(tmp_path / "out" / "regions.parquet")
    assert [str(kind) for kind in table.schema.types[:5]] == [*["string"] * 4, "double"]
    assert str(parquet.read_schema(tmp_path / "out" / "media.parquet").field("data").type) == (
        "binary"
    )


# formulas


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_of_a_text_begins_like_a_formula(text: str, tmp_path: Path) -> None:
    one = tagged(text, text, text)
    written("csv", tmp_path, one)
    for table in ("documents", "blocks", "entities"):
        for row in rows(tmp_path, table):
            assert row["document"] == f"'{text}"
            assert all(not (cell and cell[0] in "=+-@\t\r\n＝＋－＠") for cell in row.values())
    assert back("csv", tmp_path) == ([one], [])


def test_formulas_as_they_are(tmp_path: Path) -> None:
    one = tagged("=cmd()", "'quoted'", "@x")
    written("csv", tmp_path, one, formulas="keep")
    (row,) = rows(tmp_path, "entities")
    assert (row["document"], row["text"], row["type"]) == ("=cmd()", "'quoted'", "@x")
    assert back("csv", tmp_path, formulas="keep") == ([one], [])


def test_a_negative_number_is_a_number(tmp_path: Path) -> None:
    from magpie.schema import Box, Region

    region = Region.of_box(Box(-3.5, 1e-7, 4, 5, "m0"))
    media = (Media(uri="x.jpg", id="m0"),)
    one = Document(id="d", blocks=(), media=media, annotations=Annotations(regions=(region,)))
    written("csv", tmp_path, one)
    (row,) = rows(tmp_path, "regions")
    assert (row["x1"], row["y1"]) == ("-3.5", "1e-07")
    assert back("csv", tmp_path) == ([one], [])


def test_empty_texts_are_not_missing_ones(tmp_path: Path) -> None:
    one = Document(
        id="d",
        blocks=(Block(text=""),),
        media=(Media(id="m0", missing=""), Media(id="m1", uri="x.jpg")),
    )
    written("csv", tmp_path, one)
    found, _ = back("csv", tmp_path)
    assert found == [one]
    assert [medium.missing for medium in found[0].media] == ["", None]


# both ways


@pytest.mark.parametrize("name", BOTH)
def test_every_document_comes_back_whole(name: str, tmp_path: Path) -> None:
    given = documents(tmp_path)
    report = written(name, tmp_path, *given)
    wanted = given if name == "parquet" else [without_data(document) for document in given]
    assert back(name, tmp_path) == (wanted, [])
    lost = {kind: loss.count for kind, loss in report.losses.items()}
    assert lost == ({} if name == "parquet" else {"data": 2})


TEXT = st.text(alphabet="a,;\"'=+-@\t\r\n\u2028é😀ع \ufeff", max_size=12)


@given(st.lists(st.tuples(TEXT, TEXT), max_size=4, unique_by=lambda pair: pair[0]))
def test_any_text_comes_back(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("csv")
    given = [tagged(name, text) for name, text in pairs if name and text]
    written("csv", folder, *given)
    assert back("csv", folder) == (given, [])


@pytest.mark.parametrize("name", BOTH)
def test_more_rows_than_a_batch(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from magpie.export import parquet_tables

    monkeypatch.setattr(parquet_tables, "BATCH", 3)
    given = [tagged(f"d{n}", f"text {n}") for n in range(10)]
    written(name, tmp_path, *given)
    assert back(name, tmp_path) == (given, [])


@pytest.mark.parametrize("name", BOTH)
def test_tables_that_lack_are_empty(name: str, tmp_path: Path) -> None:
    written(name, tmp_path, samples.plain())
    for path in (tmp_path / "out").iterdir():
        if path.stem not in ("documents", "blocks"):
            path.unlink()
    (one,), problems = back(name, tmp_path)
    assert one == samples.plain().with_annotations(Annotations())
    assert problems == []


# broken ones


def broken(
    folder: Path, table: str, old: str, new: str
) -> tuple[list[Document], list[MagpieError]]:
    """Three documents of which the second's table is changed."""
    written("csv", folder, tagged("one", "Ada"), tagged("two", "Byron"), tagged("three", "Turin"))
    path = folder / "out" / f"{table}.csv"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")
    return back("csv", folder)


@pytest.mark.parametrize(
    ("table", "old", "new", "complaint"),
    [
        ("entities", "two,e0,b0,0,5", "two,e0,b0,zero,5", "expected integer in column start"),
        ("entities", "two,e0,b0,0,5", "two,e0,b0,0", "cells, came 10"),
        ("entities", "two,e0,b0,0,5", "two,e0,b0,0,9", "leaves block"),
        ("entities", "two,e0,b0,0,5", "two,e0,,0,5", "a row without block"),
        ("entities", "two,e0,b0,0,5,Byron,T,,unknown,", "two,e0,b0,0,5,Byron,T,,seen,", "seen"),
        ("entities", "two,e0,b0,0,5,Byron,T,,unknown,,", "two,e0,b0,0,5,Byron,T,,,nan,", "NaN"),
        ("blocks", "two,b0,Byron,", "two,b0,Byron,[[0", "not valid JSON"),
        ("documents", "two,Byron,ok,true", "two,Byron,ok,perhaps", "expected flag in column"),
    ],
)
def test_a_bad_row_costs_its_document_only(
    table: str, old: str, new: str, complaint: str, tmp_path: Path
) -> None:
    found, problems = broken(tmp_path, table, old, new)
    assert [document.id for document in found] == ["one", "three"]
    assert len(problems) == 1
    assert complaint.lower() in str(problems[0]).lower()
    assert str(tmp_path / "out") in str(problems[0])


def test_rows_of_nobody(tmp_path: Path) -> None:
    found, problems = broken(tmp_path, "entities", "two,e0", "nobody,e0")
    assert [len(document.entities) for document in found] == [1, 0, 0]
    assert [error.message for error in problems] == [
        "a row of document 'nobody', which is not in documents, or not in this order"
    ]
    assert problems[0].where.endswith("entities.csv")


def test_regions_of_nobody(tmp_path: Path) -> None:
    written("csv", tmp_path, samples.pictures(tmp_path))
    path = tmp_path / "out" / "entities.csv"
    path.write_text(path.read_text("utf-8").replace("pictures,e0,", "pictures,e9,"), "utf-8")
    found, problems = back("csv", tmp_path)
    assert found == []
    assert "rows of 'e0', which is no entity or event" in str(problems[0])


def test_a_spreadsheet_s_mark_and_line_ends(tmp_path: Path) -> None:
    written("csv", tmp_path, tagged("one", "Ada"))
    for path in (tmp_path / "out").iterdir():
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\r\n", b"\n"))
    assert back("csv", tmp_path) == ([tagged("one", "Ada")], [])


def test_a_line_beyond_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from magpie.export import csv_tables

    written("csv", tmp_path, tagged("one", "x" * 5000))
    monkeypatch.setattr(csv_tables, "MAX_LINE_BYTES", 1000)
    _, problems = back("csv", tmp_path)
    assert {error.code for error in problems} == {"format-too-long"}
    assert csv.field_size_limit() == 1000
    csv.field_size_limit(131072)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"a,b\n1,2\n", "format-record"),
        (b"document,text\n\xff\xfe,x\n", "format-encoding"),
        (b'document,text\n"d', "format-record"),
    ],
)
def test_a_first_table_of_something_else(content: bytes, code: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "documents.csv").write_bytes(content)
    found, problems = back("csv", tmp_path)
    assert found == []
    assert [error.code for error in problems] == [code]


def test_a_damaged_parquet_table(tmp_path: Path) -> None:
    written("parquet", tmp_path, tagged("one", "Ada"))
    path = tmp_path / "out" / "entities.parquet"
    path.write_bytes(path.read_bytes()[:-9])
    found, problems = back("parquet", tmp_path)
    assert [len(document.entities) for document in found] == [0]
    assert "not a Parquet table" in str(problems[0])


@pytest.mark.parametrize("name", BOTH)
def test_no_tables_there(name: str, tmp_path: Path) -> None:
    if name == "parquet":
        pytest.importorskip("pyarrow")
    (tmp_path / "out").mkdir()
    with pytest.raises(FormatError, match=rf"expected a folder with documents.{name} in it"):
        back(name, tmp_path)
    (tmp_path / "out").rmdir()
    (tmp_path / "out").write_text("x", "utf-8")
    with pytest.raises(FormatError, match="found a file"):
        back(name, tmp_path)


def test_impossible_options(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="formulas must be escape or keep, got 'run'"):
        written("csv", tmp_path, samples.plain(), formulas="run")
    written("csv", tmp_path, samples.plain())
    with pytest.raises(ConfigError, match="formulas must be escape or keep"):
        back("csv", tmp_path, formulas="run")
