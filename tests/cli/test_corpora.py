from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from magpie.cli.app import app
from magpie.schema import from_json

TWEETS = "IMGID:11\nRain\tO\nTurin\tI-LOC\n\nIMGID:12\nAda\tB-PER\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MAGPIE_DATA", raising=False)
    folder = tmp_path / "data" / "twitter2015"
    folder.mkdir(parents=True)
    for name in ("train", "valid", "test"):
        (folder / f"{name}.txt").write_text(TWEETS, encoding="utf-8")
    return tmp_path / "data"


def run(*args: object, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["corpora", *map(str, args)])
    assert result.exit_code == code, result.output
    return result.stdout


def test_list() -> None:
    value = json.loads(run("list", "--json"))
    refs = [item["ref"] for item in value["corpora"]]
    assert refs[0] == "twitter2015@umt"
    assert value["corpora"][0]["splits"] == {"train": 4000, "dev": 1000, "test": 3257}
    table = run("list")
    assert all(ref in table for ref in refs)


def test_info() -> None:
    value = json.loads(run("info", "fmnerg", "--json"))
    assert value["splits"]["test"]["fine_types"]["politician"] == 178
    assert value["hierarchy"]["politician"] == "person"
    assert value["splits"]["test"]["boxes"] == 1242
    assert "11779" in run("info", "gmner")


def test_check_reports_and_strict_fails(root: Path) -> None:
    value = json.loads(run("check", "twitter2015", "--root", root, "--json"))
    (report,) = value["reports"]
    assert report["clean"] is False
    assert report["splits"][2]["mismatches"]["documents"] == {"expected": 3257, "found": 2}
    assert report["splits"][2]["anomalies"] == {"orphan-tag": 1}
    assert report["files"][0]["status"] == "unknown"
    text = run("check", "twitter2015", "--root", root, "--strict", code=1)
    assert "expected 3257" in text


def test_check_shows_file_and_line_of_what_is_new(root: Path) -> None:
    (root / "twitter2015" / "test.txt").write_text(TWEETS + "\nIMGID:13\ncut\n", encoding="utf-8")
    text = run("check", "twitter2015", "--root", root).replace("\n", "")
    assert "test.txt:9" in text


def test_check_of_a_missing_split_fails(root: Path) -> None:
    (root / "twitter2015" / "test.txt").unlink()
    assert "could not be read" in run("check", "twitter2015", "--root", root, code=1)


def test_check_needs_a_name() -> None:
    assert json.loads(run("check", "--json", code=2))["error"]["code"] == "config-value"


def test_convert_writes_documents(root: Path, tmp_path: Path) -> None:
    output = tmp_path / "gold.jsonl"
    args = ("convert", "twitter2015", "--split", "test", "--root", root, "-o", output)
    value = json.loads(run(*args, "--json"))
    assert (value["documents"], value["unreadable"]) == (2, 0)
    documents = [from_json(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [len(d.entities) for d in documents] == [1, 1]
    run(*args, "--orphans", "drop")
    documents = [from_json(line) for line in output.read_text(encoding="utf-8").splitlines()]
    assert [len(d.entities) for d in documents] == [0, 1]


def test_convert_with_unreadable_records_exits_with_1(root: Path, tmp_path: Path) -> None:
    (root / "twitter2015" / "test.txt").write_text(TWEETS + "\nIMGID:13\ncut\n", encoding="utf-8")
    output = tmp_path / "gold.jsonl"
    args = ("convert", "twitter2015", "--split", "test", "--root", root, "-o", output)
    value = json.loads(run(*args, "--json", code=1))
    assert (value["documents"], value["unreadable"]) == (2, 1)
    assert value["errors"][0]["code"] == "format-record"
    assert len(output.read_bytes().splitlines()) == 2


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("convert", "twitter2015", "--split", "tset", "-o", "x"), "not-found"),
        (("convert", "twitter2015", "--split", "test", "-o", "x", "--to", "csv"), "config-value"),
        (("convert", "twitter2015", "--split", "test", "-o", "x", "--types", "y"), "config-value"),
        (("info", "twiter2015"), "not-found"),
        (("overlap", "twitter2015:tset", "gmner"), "not-found"),
    ],
)
def test_mistakes_exit_with_2(
    args: tuple[str, ...], code: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAGPIE_DATA", str(root))
    assert json.loads(run(*args, "--json", code=2))["error"]["code"] == code


def test_overlap(root: Path) -> None:
    args = ("overlap", "twitter2015:train", "twitter2015:test", "--root", root)
    value = json.loads(run(*args, "--json"))
    assert (value["shared_a"], value["documents_a"]) == (2, 2)
    assert value["by"] == {"picture": 0, "text": 0, "both": 2}
    assert value["pairs"][0] == {"a": "train/11", "b": "test/11", "by": "both"}
    text = run(*args, "--limit", "1")
    assert "train/11" in text
    assert "and 1 more pairs" in text
