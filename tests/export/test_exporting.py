"""The way out and in, whatever the format: options, atomic results, counts and losses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from magpie.errors import (
    ConfigError,
    FormatError,
    MissingExtraError,
    NotFoundError,
    SchemaError,
)
from magpie.export import (
    FORMATS,
    PARTS,
    ExportReport,
    Format,
    export,
    export_file,
    format_named,
    formats,
    import_file,
    read,
    read_documents,
)
from magpie.schema import Annotations, Document, Entity, Region, Span

from . import samples

#: a format of our own, so that no library is needed: this module
PLAIN = Format(module=__name__, title="ids", keeps=frozenset({"documents"}))
FOLDER = Format(module=__name__, title="ids", keeps=frozenset({"documents"}), target="folder")


def write(
    documents: Iterator[Document],
    path: Path,
    report: ExportReport,
    *,
    root: Path | None = None,
    fail: bool = False,
    end: str = "\n",
) -> None:
    """The writer of the formats above."""
    file = path / "ids.txt" if path.is_dir() else path
    with open(file, "w", encoding="utf-8") as stream:
        stream.write(f"{root}{end}")
        for document in documents:
            stream.write(document.id + end)
        if fail:
            raise FormatError("as asked")


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "plain", PLAIN)
    monkeypatch.setitem(FORMATS, "plain-folder", FOLDER)


def documents(count: int = 2) -> list[Document]:
    return [Document.from_text(f"text {n}", id=f"d{n}") for n in range(count)]


# the table


def test_the_table() -> None:
    """A golden list: names are public, and removing one breaks somebody."""
    assert formats() == [
        "conll",
        "spacy",
        "datasets",
        "coco",
        "label-studio",
        "gliner",
        "gliner2",
        "chat",
        "csv",
        "parquet",
        "supervision",
    ]


@pytest.mark.parametrize("name", formats())
def test_rows_are_consistent(name: str) -> None:
    row = FORMATS[name]
    assert row.keeps <= PARTS.keys()
    assert row.title
    assert bool(row.ways) == (row.target != "values")


def test_nearest_name_is_suggested() -> None:
    with pytest.raises(NotFoundError, match=r"Did you mean label-studio\?"):
        format_named("label-studo")


def test_the_docs_show_the_table(root: Path) -> None:
    page = (root / "docs" / "export.md").read_text("utf-8")
    rows = re.findall(
        r"^\| `([\w-]+)` \| (.+?) \| (file|folder|values) \|.*\| (.+) \|$", page, re.M
    )
    assert [name for name, *_ in rows] == formats()
    for name, title, target, lost in rows:
        row = FORMATS[name]
        assert (title, target) == (row.title, row.target)
        named = set(re.findall(r"`(\w+)`", lost))
        assert named == (row.keeps if lost.startswith("all but") else PARTS.keys() - row.keeps)
    parts = re.findall(r"^\| `(\w+)` \| ([^|]+) \|$", page, re.M)
    shown = {name: meaning for name, meaning in parts if name in PARTS}
    assert shown == {name: part.meaning for name, part in PARTS.items()}


# options and what stands at the path


@pytest.mark.usefixtures("plain")
def test_unknown_option_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no option 'ned'.*root, fail, end"):
        export(documents(), "plain", tmp_path / "out", ned=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("plain")
def test_root_is_handed_on_as_a_path(tmp_path: Path) -> None:
    export(documents(), "plain", tmp_path / "out", root=str(tmp_path))
    assert (tmp_path / "out").read_text("utf-8") == f"{tmp_path}\nd0\nd1\n"


def test_only_python_values_are_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be written.*magpie\.export\.detections"):
        export(documents(), "supervision", tmp_path / "out")
    with pytest.raises(ConfigError, match="cannot be read"):
        read("supervision", tmp_path)


@pytest.mark.usefixtures("plain")
def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    row = Format(module=__name__, title="x", keeps=frozenset(), needs="spacy_not_there")
    monkeypatch.setitem(FORMATS, "absent", row)
    with pytest.raises(MissingExtraError, match="the format absent needs"):
        export(documents(), "absent", tmp_path / "out")


@pytest.mark.usefixtures("plain")
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.write_text("old", encoding="utf-8")
    with pytest.raises(FormatError, match="as asked"):
        export(documents(), "plain", target, fail=True)
    assert target.read_text("utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.usefixtures("plain")
def test_a_failing_source_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[Document]:
        yield documents(1)[0]
        raise KeyboardInterrupt

    for name in ("plain", "plain-folder"):
        with pytest.raises(KeyboardInterrupt):
            export(broken(), name, tmp_path / "out")
        assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("plain")
def test_a_file_is_replaced_and_folders_are_made(tmp_path: Path) -> None:
    target = tmp_path / "new" / "deep" / "out"
    export(documents(1), "plain", target)
    export(documents(3), "plain", target, end=";")
    assert target.read_text("utf-8") == "None;d0;d1;d2;"
    assert [path.name for path in target.parent.iterdir()] == ["out"]
    other = tmp_path / "other"
    other.touch()
    assert target.stat().st_mode == other.stat().st_mode


@pytest.mark.usefixtures("plain")
def test_folders_must_be_new_or_empty(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    export(documents(), "plain-folder", target)
    assert [path.name for path in target.iterdir()] == ["ids.txt"]
    with pytest.raises(ConfigError, match="new or empty folder"):
        export(documents(), "plain-folder", target)
    with pytest.raises(ConfigError, match="found a folder"):
        export(documents(), "plain", target)
    file = tmp_path / "file"
    file.write_text("mine", encoding="utf-8")
    with pytest.raises(ConfigError, match="new or empty folder"):
        export(documents(), "plain-folder", file)
    assert file.read_text("utf-8") == "mine"


def test_reading_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such file or folder"):
        read("coco", tmp_path / "nothing")
    with pytest.raises(FormatError, match="found a folder"):
        read("coco", tmp_path)


# counts and losses


@pytest.mark.usefixtures("plain")
def test_everything_is_either_written_or_lost(tmp_path: Path) -> None:
    given = samples.all_documents(tmp_path)
    report = export(given, "plain", tmp_path / "out")
    assert report.written == {"documents": len(given)}
    lost = {kind: loss.count for kind, loss in report.losses.items()}
    counted = {part: sum(len(list(PARTS[part].of(d))) for d in given) for part in PARTS}
    assert lost == {part: n for part, n in counted.items() if n and part != "documents"}
    assert report.seen == {part: n for part, n in counted.items() if n}


@pytest.mark.usefixtures("plain")
def test_examples_are_the_first_ids(tmp_path: Path) -> None:
    given = [
        Document.from_text("abcdefg", id=f"d{n}").with_annotations(
            Annotations(
                entities=tuple(
                    Entity(id=f"e{i}", span=Span("b0", i, i + 1), type="T") for i in range(4)
                )
            )
        )
        for n in range(3)
    ]
    loss = export(given, "plain", tmp_path / "out").losses["entities"]
    assert (loss.count, loss.examples) == (12, ["d0/e0", "d0/e1", "d0/e2", "d0/e3", "d1/e0"])


def test_partial_losses_stay_written() -> None:
    report = ExportReport(format="x", path="y")
    document = samples.plain()
    report.seen.update(entities=3, media=1)
    report.lose("entities", document, "e0", why="moved", partly=True)
    report.lose("entities", document, "e1", why="overlaps")
    report.lose("media", document, "m0")
    assert report.written == {"entities": 2}
    assert report.to_dict()["losses"] == {
        "media": {"count": 1, "examples": ["plain/m0"]},
        "entities: moved": {"count": 1, "examples": ["plain/e0"]},
        "entities: overlaps": {"count": 1, "examples": ["plain/e1"]},
    }
    with pytest.raises(AssertionError):
        report.lose("entity", document)


@pytest.mark.usefixtures("plain")
def test_duplicate_documents_are_set_aside(tmp_path: Path) -> None:
    report = export([*documents(2), *documents(1)], "plain", tmp_path / "out")
    assert report.written["documents"] == 2
    assert [error.code for error in report.failed] == ["schema-id"]
    assert (tmp_path / "out").read_text("utf-8") == "None\nd0\nd1\n"


def test_report_as_a_table(tmp_path: Path) -> None:
    from rich.console import Console

    report = export([samples.pictures()], "coco", tmp_path / "out")
    console = Console(width=120)
    with console.capture() as capture:
        console.print(report)
    lines = capture.get().splitlines()
    assert any("boxes" in line and " 4 " in line for line in lines)
    assert any("entities" in line and "pictures/e0, pictures/e1" in line for line in lines)


def test_nan_scores_never_get_here() -> None:
    with pytest.raises(SchemaError, match="must be finite"):
        Region(media="m0", score=float("nan"))


# files of documents


def test_from_file_to_file(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    good = [samples.plain(), samples.pictures(tmp_path)]
    lines = [good[0].to_json(), "{broken", good[1].to_json(), "", '{"id": "x"}']
    source.write_text("\n".join(lines), encoding="utf-8")
    report = export_file(source, "label-studio", tmp_path / "out", pictures="embed")
    assert report.written["documents"] == 2
    assert [error.code for error in report.failed] == ["format-json", "schema-type"]
    assert all(str(source) in error.where for error in report.failed)
    # first.png lies beside the documents
    tasks = json.loads((tmp_path / "out" / "tasks.json").read_text("utf-8"))
    assert tasks[1]["data"]["images"][0].startswith("data:image/png;base64,")
    back = import_file(tmp_path / "out", "label-studio", tmp_path / "back.jsonl")
    assert (back.documents, back.entities, back.partial) == (2, 3, 0)
    problems: list[Any] = []
    read_back = list(read_documents(tmp_path / "back.jsonl", problems.append))
    assert problems == []
    assert [d.id for d in read_back] == ["plain", "pictures"]
    assert back.to_dict() == {
        "format": "label-studio",
        "path": str(tmp_path / "back.jsonl"),
        "documents": 2,
        "entities": 3,
        "partial": 0,
        "failed": [],
    }


def test_nothing_is_written_for_a_missing_source(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        export_file(tmp_path / "no.jsonl", "label-studio", tmp_path / "out")
    with pytest.raises(NotFoundError):
        import_file(tmp_path / "no.json", "label-studio", tmp_path / "out.jsonl")
    assert list(tmp_path.iterdir()) == []
