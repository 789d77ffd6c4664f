"""`magpie train`, `evaluate`, `predict`, `methods` and `recipes`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from magpie.cli.app import app
from magpie.methods.registry import METHODS


def invoke(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result


def value(*arguments: str, code: int = 0) -> Any:
    return json.loads(invoke(*arguments, "--json", code=code).stdout)


def test_methods_are_the_registry() -> None:
    body = value("methods")
    assert [each["name"] for each in body["methods"]] == list(METHODS)
    for each in body["methods"]:
        assert {"name", "family", "tasks", "needs", "spec", "status"} <= each.keys()
        assert each["tasks"]
    assert "bert-crf" in invoke("methods").stdout


def test_recipes_are_listed() -> None:
    names = [each["name"] for each in value("recipes")["recipes"]]
    assert "ner/bert-crf_twitter2017" in names
    assert "ner/bert-crf_twitter2017" in invoke("recipes").stdout


@pytest.mark.parametrize("command", ["methods", "recipes"])
def test_lists_and_help_need_no_torch(command: str) -> None:
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom magpie.cli.app import app\n"
        f"for words in (['{command}'], ['train', '--help'], ['--help']):\n"
        "    assert CliRunner().invoke(app, words).exit_code == 0\n"
        "assert not {'torch', 'transformers', 'accelerate'} & set(sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_train_resume_and_report(tiny_recipe: str, tmp_path: Path) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text(tiny_recipe)
    out = str(tmp_path / "run")
    more = ["--set", "loop.epochs=1", "--set", "data.limit=16", "--seed", "3", "--out", out]
    result = invoke("train", str(recipe), *more)
    assert "training: bert-crf, seed 3, 16 documents, text only" in result.stderr
    assert "seed 3: dev " in result.stdout
    assert ", test " in result.stdout
    body = value("train", str(recipe), *more, "--resume")
    assert body["runs"][0]["seed"] == 3
    assert body["protocol"] == "ner-span-conll@1"
    again = value("train", str(recipe), *more, code=2)
    assert again["error"]["code"] == "config-value"
    assert "--resume" in again["error"]["mend"]


def test_a_start_is_set_and_said(trained_run: Path, tiny_recipe: str, tmp_path: Path) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text(tiny_recipe)
    less = ["--set", "loop.epochs=1", "--set", "data.limit=16", "--no-test"]
    more = ["--set", f"start={trained_run}", *less, "--out", str(tmp_path / "run")]
    said = f"started from bert-crf {trained_run / 'best'} ("
    rest = "): laid backbones.text, crf, classifier; new nothing; left behind nothing"
    result = invoke("train", str(recipe), *more)
    assert result.stderr.count(said) == 1
    assert rest in result.stderr
    body = value("train", str(recipe), *more, "--resume")
    assert body["runs"][0]["start"]["folder"] == str(trained_run / "best")
    wrong = [*more[2:-1], str(tmp_path / "other"), "--set", "start=nowhere"]
    assert value("train", str(recipe), *wrong, code=2)["error"]["code"] == "model-missing"
    assert not (tmp_path / "other").exists()


def test_the_share_of_pictures_is_said(tmp_path: Path) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        "method: mmner-model\nconfig: {text: tiny-bert, vision: tiny-vit, width: 32, heads: 4}\n"
        "data: {train: controlled@ner, dev: controlled@ner, limit: 8, limit_dev: 4}\n"
        "loop: {epochs: 1, batch: 8}\n"
    )
    result = invoke("train", str(recipe), "--out", str(tmp_path / "run"))
    assert "mmner-model, seed 0, 8 documents, trained with 100 % images" in result.stderr


def test_train_refuses_with_place_and_nearest_match(tiny_recipe: str, tmp_path: Path) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text(tiny_recipe.replace("epochs", "epoch"))
    error = value("train", str(recipe), code=2)["error"]
    assert error["where"] == f"{recipe}:5 loop.epoch"
    assert "Did you mean 'epochs'?" in error["mend"]
    assert value("train", "ner/bert-crf_twiter2017", code=2)["error"]["code"] == "not-found"
    assert not (tmp_path / "runs").exists()


def test_a_backbone_that_is_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "empty"))
    more = ["--set", "data.corpus=controlled@ner", "--set", "config.text=no/such-encoder"]
    error = value(
        "train", "ner/bert-crf_twitter2017", *more, "--out", str(tmp_path / "run"), code=2
    )["error"]
    assert error["code"] == "model-missing"
    assert "hf download no/such-encoder" in error["mend"]
    assert not (tmp_path / "run").exists()


def test_evaluate(trained_run: Path, tmp_path: Path) -> None:
    body = value("evaluate", str(trained_run), "--limit", "12", "-o", str(tmp_path / "out"))
    assert body["documents"] == 12
    assert body["evaluated_on"]["ref"] == "controlled@ner:test"
    report = json.loads((tmp_path / "out" / "test.report.json").read_text())
    assert report["main_score"] == body["micro"]["f1"]
    shown = invoke("evaluate", str(trained_run / "best"), "--split", "dev", "--limit", "8")
    assert "100 % of 8 documents had their picture" in shown.stdout
    error = value("evaluate", str(trained_run), "--protocol", "mre-no-none@1", code=2)["error"]
    assert "bert-crf does ner" in error["message"]
    other = ["--corpus", "magpie", "--root", str(trained_run / "test.predictions.jsonl")]
    assert value("evaluate", str(trained_run), *other)["micro"]["f1"] == 1.0


def test_predict(trained_run: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"id":"a","text":"we saw Rocky today"}\n{"id":"b"}\n')
    output = tmp_path / "out.jsonl"
    body = value("predict", str(trained_run), str(source), "-o", str(output), code=1)
    assert body["summary"]["documents"] == 1
    assert body["summary"]["failed"] == 1
    (line,) = output.read_text().splitlines()
    document = json.loads(line)
    assert document["annotations"]["provenance"]["method"] == "bert-crf"
    error = value("predict", str(tmp_path), str(source), "-o", str(output), code=2)["error"]
    assert error["code"] == "model-missing"


def test_extract_takes_a_checkpoint_as_its_model(trained_run: Path) -> None:
    body = value("extract", "we saw Rocky today", "--model", str(trained_run))
    (document,) = body["documents"]
    assert document["annotations"]["provenance"]["method"] == "bert-crf"
