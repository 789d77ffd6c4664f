"""``magpie corpora`` on side sources: captions, knowledge, proposals, predictions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from magpie.cli.app import app

TWEETS = "IMGID:11\nRain\tO\nover\tO\nTurin\tB-LOC\n\nIMGID:12\nAda\tB-PER\nsings\tO\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MAGPIE_DATA", raising=False)
    folder = tmp_path / "data" / "twitter2015"
    folder.mkdir(parents=True)
    (folder / "test.txt").write_text(TWEETS, encoding="utf-8")
    captions = tmp_path / "data" / "captions" / "twitter_blip2"
    captions.mkdir(parents=True)
    (captions / "BLIP2_15.txt").write_text("11.jpg :clouds above a town\n", encoding="utf-8")
    return tmp_path / "data"


def run(*args: object, code: int = 0) -> Any:
    result = CliRunner().invoke(app, ["corpora", *map(str, args)], env={"COLUMNS": "200"})
    assert result.exit_code == code, result.output
    return result


def test_list_names_the_side_sources() -> None:
    value = json.loads(run("list", "--json").stdout)
    side = {each["name"]: each for each in value["side"]}
    assert side["pgim"]["kind"] == "note"
    assert side["pgim"]["parts"]["2015-test"] == 3256
    assert side["focalmre-detector"]["kind"] is None
    assert side["blip2"]["corpora"][0] == "twitter2015@umt"
    assert "mega-combined" in run("list").stdout


def test_info_of_a_side_source() -> None:
    value = json.loads(run("info", "mnre-blip", "--json").stdout)
    assert value["parts"]["train"]["anomalies"] == {"text-empty": 30}
    assert value["gaps"] == {"mnre@2:train": 54, "mnre@2:dev": 6, "mnre@2:test": 1}
    text = run("info", "pgim").stdout
    assert "the last tweet of each split is missing" in text
    assert "kind: note" in text
    assert "kind: no context" in run("info", "vinvl").stdout


def test_check_of_a_side_source(root: Path) -> None:
    value = json.loads(run("check", "blip2", "--root", root, "--json", code=1).stdout)
    (report,) = value["reports"]
    assert report["corpus"] == "blip2"
    assert report["splits"][0]["mismatches"]["documents"] == {"expected": 8288, "found": 1}
    (covered,) = [each for each in report["splits"] if each["split"] == "twitter2015@umt:test"]
    assert covered["anomalies"] == {"side-missing": 1}
    assert covered["examples"][0]["where"] == "twitter2015/test.txt:6"


def test_corpora_and_side_sources_in_one_check(root: Path) -> None:
    value = json.loads(
        run("check", "blip2", "twitter2015", "--root", root, "--json", code=1).stdout
    )
    assert [report["corpus"] for report in value["reports"]] == ["twitter2015@umt", "blip2"]


def test_convert_with_context(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "gold.jsonl"
    args = ("convert", "twitter2015", "--split", "test", "--root", root, "-o", out)
    value = json.loads(run(*args, "--context", "blip2", "--json").stdout)
    assert value["anomalies"]["side-missing"] == 1
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [text["text"] for text in lines[0]["context"]] == ["clouds above a town"]
    assert lines[1].get("context", []) == []


def test_a_source_that_does_not_apply_writes_nothing(root: Path, tmp_path: Path) -> None:
    out = tmp_path / "gold.jsonl"
    args = ("convert", "twitter2015", "--split", "test", "--root", root, "-o", out, "--json")
    value = json.loads(run(*args, "--context", "cogvlm", code=2).stdout)
    assert value["error"]["code"] == "not-found"
    assert "blip2, detr, pgim" in value["error"]["mend"]
    assert not out.exists()


@pytest.mark.corpus
@pytest.mark.slow
def test_published_predictions_are_scored_from_the_command_line(
    data_dir: Path, tmp_path: Path
) -> None:
    gold, predicted = tmp_path / "gold.jsonl", tmp_path / "riveg.jsonl"
    run("convert", "gmner", "--split", "test", "--root", data_dir, "-o", gold)
    run("convert", "riveg-predictions", "--split", "test", "--root", data_dir, "-o", predicted)
    result = CliRunner().invoke(
        app,
        ["score", str(gold), str(predicted), "--task", "gmner", "--mode", "riveg", "--json"],
    )
    assert result.exit_code == 0, result.output
    micro = json.loads(result.stdout)["parts"]["mner"]["micro"]
    assert (micro["correct"], micro["predicted"], micro["gold"]) == (2187, 2535, 2543)
