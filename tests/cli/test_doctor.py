"""`magpie doctor`: names what is there, exits with 1 where the core is broken."""

from __future__ import annotations

import json
import os
from pathlib import Path

from typer.testing import CliRunner

from magpie.cli.app import app

MODEL = os.environ.get("MAGPIE_MODEL", "embedded")


def test_healthy_installation() -> None:
    result = CliRunner().invoke(app, ["doctor", "--json", "--model", MODEL])
    assert result.exit_code == 0
    value = json.loads(result.stdout)
    assert list(value) == ["ok", "version", "checks"]
    assert value["ok"] is True
    by_name = {check["name"]: check for check in value["checks"]}
    assert by_name["onnxruntime"]["status"] == "ok"
    assert "Paris" in by_name["one sentence"]["detail"]
    assert by_name["MAGPIE_OFFLINE"]["detail"].startswith("set")
    for check in value["checks"]:
        assert list(check) == ["group", "name", "status", "core", "detail", "mend"]
        assert check["status"] == "ok" or check["mend"]


def test_missing_model_is_told_not_raised(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["doctor", "--model", str(tmp_path / "none")])
    assert result.exit_code == 1
    assert "no such model folder" in result.stdout
    assert "missing" in result.stdout


def test_damaged_model_is_told_not_raised(tmp_path: Path) -> None:
    for name in ("model.onnx", "tokenizer.json", "config.json"):
        (tmp_path / name).write_text("{}", "utf-8")
    result = CliRunner().invoke(app, ["doctor", "--json", "--model", str(tmp_path)])
    assert result.exit_code == 1
    broken = [c for c in json.loads(result.stdout)["checks"] if c["status"] == "broken"]
    assert {check["group"] for check in broken} == {"model", "self-test"}
    assert "lacks 'spec'" in broken[0]["detail"]
