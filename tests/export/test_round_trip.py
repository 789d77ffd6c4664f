"""Every format that can be read: what its report says was written comes back, and nothing else."""

from __future__ import annotations

import contextlib
import importlib.util
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from magpie.errors import FormatError, MagpieError
from magpie.export import FORMATS, PARTS, ExportReport, export, read
from magpie.schema import Box, Document

from . import samples

#: COCO reads pictures, not texts: tests/export/test_coco.py
READABLE = [n for n, row in FORMATS.items() if "read" in row.ways and "documents" in row.keeps]

#: formats that lose nothing of any document
EXACT = ("spacy", "datasets", "parquet")


def made(name: str, documents: list[Document], folder: Path) -> tuple[ExportReport, list[Document]]:
    """The documents written and read again."""
    row = FORMATS[name]
    if row.needs:
        pytest.importorskip(row.needs)
    if importlib.util.find_spec(row.module) is None:
        pytest.fail(f"the table names {row.module}, which is not there")
    report = export(documents, name, folder / "out", root=folder)
    assert report.failed == []
    return report, list(read(name, folder / "out"))


def close(one: Any, other: Any) -> bool:
    """Equal, boxes up to the stated tolerance of a billionth of a pixel."""
    if isinstance(one, Box) and isinstance(other, Box):
        return one.media == other.media and one.xyxy == pytest.approx(other.xyxy, abs=1e-9)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(close, one, other))
    return bool(one == other)


@pytest.mark.parametrize("name", READABLE)
def test_counts_of_the_report_come_back(name: str, tmp_path: Path) -> None:
    report, back = made(name, samples.all_documents(tmp_path), tmp_path)
    found: Counter[str] = Counter()
    for document in back:
        for part in FORMATS[name].keeps:
            found[part] += len(list(PARTS[part].of(document)))
    written = report.written
    for part in FORMATS[name].keeps - {"ids"}:
        readable = found[part]
        # A file that was read is annotated; only a format that keeps the difference can tell.
        assert readable == written.get(part, 0), part
    assert set(written) <= FORMATS[name].keeps


@pytest.mark.parametrize("name", READABLE)
def test_what_is_not_kept_is_among_the_losses(name: str, tmp_path: Path) -> None:
    documents = samples.all_documents(tmp_path)
    report, _ = made(name, documents, tmp_path)
    held = {part for part in PARTS for d in documents if list(PARTS[part].of(d))}
    lost = {loss.part for loss in report.losses.values()}
    assert held - FORMATS[name].keeps <= lost


@pytest.mark.parametrize("name", READABLE)
def test_one_plain_document_comes_back_whole(name: str, tmp_path: Path) -> None:
    report, (back,) = made(name, [samples.plain()], tmp_path)
    assert back.text == "Ada left"
    assert [(back.text_of(e), e.type) for e in back.entities] == [("Ada", "PER")]
    assert {loss.part for loss in report.losses.values()} <= {"ids", "unannotated"}


@pytest.mark.parametrize("name", EXACT)
def test_exact_formats_lose_nothing(name: str, tmp_path: Path) -> None:
    documents = samples.all_documents(tmp_path)
    report, back = made(name, documents, tmp_path)
    assert back == documents
    # the pictures that are not there are said, though their paths are kept
    assert all(kind.startswith("media: picture not read") for kind in report.losses)


@pytest.mark.parametrize("name", READABLE)
@pytest.mark.parametrize("text", sorted(samples.TEXTS))
def test_texts_come_back_to_the_character(name: str, text: str, tmp_path: Path) -> None:
    (document,) = (d for d in samples.text_documents() if d.id == f"text {text}")
    report, back = made(name, [document], tmp_path)
    if "documents" not in report.written:
        pytest.skip("the format says that it cannot hold this text")
    assert back[0].text == document.text
    found = Counter((e.span.start, e.span.end, e.type) for e in back[0].entities)
    wanted = Counter((e.span.start, e.span.end, e.type) for e in document.entities)
    assert sum((wanted - found).values()) == wanted.total() - report.written.get("entities", 0)
    assert not found - wanted


@pytest.mark.parametrize("name", READABLE)
def test_no_documents(name: str, tmp_path: Path) -> None:
    report, back = made(name, [], tmp_path)
    assert back == []
    assert report.written == {}
    assert report.losses == {}


@pytest.mark.parametrize("name", READABLE)
def test_a_malicious_name_stays_inside(name: str, tmp_path: Path) -> None:
    inner = tmp_path / "deep" / "down"
    inner.mkdir(parents=True)
    made(name, [samples.evil()], inner)
    assert [path.name for path in inner.iterdir()] == ["out"]
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_dir())[
        :2
    ] == ["deep", "deep/down"]
    assert not list(tmp_path.glob("*script*"))


@pytest.mark.parametrize("name", READABLE)
@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfenonsense\n", b'{"a": 1}\n', b"[1, 2"])
def test_other_files_are_refused_or_hold_nothing(name: str, content: bytes, tmp_path: Path) -> None:
    row = FORMATS[name]
    if row.needs:
        pytest.importorskip(row.needs)
    target = tmp_path / "other"
    if row.target == "folder":
        target.mkdir()
        (target / "tasks.json").write_bytes(content)
        (target / "dataset_info.json").write_bytes(content)
        (target / "state.json").write_bytes(content)
    else:
        target.write_bytes(content)
    problems: list[MagpieError] = []
    found: list[Document] = []
    with contextlib.suppress(FormatError):
        found.extend(read(name, target, on_problem=problems.append))
    assert all(not document.entities for document in found)
    assert all(str(target) in str(problem) for problem in problems)
