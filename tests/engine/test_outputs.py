"""Output formats: chosen by name or ending, written whole."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from magpie.engine.failures import error_lines, side_file
from magpie.engine.outputs import (
    json_value,
    output_format,
    picture_loader,
    write_array,
    write_failures,
    write_lines,
    write_pictures,
)
from magpie.engine.records import failed_record
from magpie.errors import ConfigError, FormatError
from magpie.schema import Document, to_dict

DOCUMENTS = [Document.from_text("one", id="1"), Document.from_text("two 🚀", id="2")]


def _png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20), "navy").save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("output", "given", "flat_lines", "terminal", "expected"),
    [
        (None, None, False, True, "table"),
        (None, None, False, False, "jsonl"),
        (None, None, True, True, "jsonl"),
        (None, "json", False, True, "json"),
        ("a.JSONL", None, False, True, "jsonl"),
        ("a.htm", None, False, True, "html"),
        ("a.png", None, False, False, "png"),
        ("a.txt", "jsonl", True, False, "jsonl"),
    ],
)
def test_format(
    output: str | None, given: str | None, flat_lines: bool, terminal: bool, expected: str
) -> None:
    assert output_format(output, given, flat_lines=flat_lines, terminal=terminal) == expected


def test_formats_that_contradict() -> None:
    for output, given, flat_lines in (
        (None, "html", False),
        ("a.jsonl", "table", False),
        ("a.html", None, True),
        (None, "x", False),
    ):
        with pytest.raises(ConfigError):
            output_format(output, given, flat_lines=flat_lines, terminal=True)
    with pytest.raises(FormatError):
        output_format("a.txt", None, flat_lines=False, terminal=True)


def test_array_and_lines(tmp_path: Path) -> None:
    write_array(tmp_path / "a.json", DOCUMENTS, flat_lines=False)
    values = json.loads((tmp_path / "a.json").read_text("utf-8"))
    assert values == [to_dict(document) for document in DOCUMENTS]
    write_array(tmp_path / "b.json", [], flat_lines=False)
    assert json.loads((tmp_path / "b.json").read_text("utf-8")) == []
    write_lines(tmp_path / "c.jsonl", DOCUMENTS, flat_lines=True)
    lines = (tmp_path / "c.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [
        json_value(document, flat_lines=True) for document in DOCUMENTS
    ]


def test_an_array_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def failing() -> object:
        yield DOCUMENTS[0]
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        write_array(tmp_path / "a.json", failing(), flat_lines=False)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_pictures_get_names_of_their_own(tmp_path: Path) -> None:
    documents = [Document.from_text("a", id=name, images=(_png(),)) for name in ("x/y", "x y")]
    documents.append(Document.from_text("a", id="bad", images=(b"no picture",)))
    documents.append(Document.from_text("a", id="none"))
    load = picture_loader(None)
    written = write_pictures(tmp_path / "o.png", documents, load, single=False)
    assert [path.name for path in written] == ["o-x_y-m0.png", "o-x_y-m0-2.png"]
    (only,) = write_pictures(tmp_path / "o.png", documents[:1], load, single=True)
    with Image.open(only) as picture:
        assert picture.size == (30, 20)


def test_failures(tmp_path: Path) -> None:
    output = tmp_path / "out.html"
    record = failed_record(3, "x", FormatError("broken", where="f:3", mend="Mend it."))
    path = write_failures(output, error_lines(record, record.document))
    assert path == tmp_path / "out.errors.jsonl" == side_file(output, "errors.jsonl")
    assert json.loads(path.read_text("utf-8")) == {
        "id": "x", "line": 3, "status": "failed", "code": "format-record",
        "reason": "broken", "where": "f:3", "mend": "Mend it.",
    }  # fmt: skip
    assert write_failures(output, []) is None
    assert not path.exists()
    assert side_file(Path("a/out"), "job.json") == Path("a/out.job.json")
