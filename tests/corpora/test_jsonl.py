from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from magpie.corpora import convert, load
from magpie.errors import ConfigError, FormatError
from magpie.schema import Document

from .conftest import XML_11, Notes

Write = Callable[..., Path]


def test_what_convert_writes_is_read_back_unchanged(gmner: Write, tmp_path: Path) -> None:
    root = gmner(boxes={"11": XML_11})
    gold = tmp_path / "gold.jsonl"
    convert("gmner", "test", gold, root)
    assert list(load("magpie", "test", gold)) == list(load("gmner", "test", root))


def test_orphans_can_be_dropped_later(gmner: Write, tmp_path: Path) -> None:
    root = gmner(boxes={"11": XML_11})
    gold = tmp_path / "test.jsonl"
    convert("gmner", "test", gold, root)
    dropped = load("magpie", "test", tmp_path, orphans="drop")
    assert [len(d.entities) for d in dropped] == [0, 2]


def test_bad_lines_are_set_aside(tmp_path: Path, notes: Notes) -> None:
    good = Document.from_text("Ada in Turin", id="a").to_json()
    lines = [good, '{"id": ', "", '{"id": "b", "blocks": [{"txt": "x"}]}', good, '["x"]']
    path = tmp_path / "mine.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    documents = list(load("magpie", "train", path, on_problem=notes))
    assert [d.id for d in documents] == ["a", "a#2"]
    assert notes.codes == ["format-json", "schema-type", "format-record"]
    assert [a.where.partition("mine.jsonl:")[2][:1] for a in notes] == ["2", "4", "5", "6"]
    assert documents[0].source is not None
    assert (documents[0].source.corpus, documents[0].source.line) == ("magpie@1", 1)


def test_column_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("a\tO\n", encoding="utf-8")
    with pytest.raises(FormatError):
        list(load("magpie", "train", path))


@pytest.mark.parametrize("option", [{"types": "coarse"}, {"images": "."}])
def test_options_that_mean_nothing_here(tmp_path: Path, option: dict[str, str]) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("{}\n", encoding="utf-8")
    with pytest.raises(ConfigError):
        load("magpie", "train", path, **option)  # type: ignore[arg-type]
