"""`magpie doctor`: names what is there, exits with 1 where the core is broken."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

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


# checkpoints


def _checks(model: Path) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit code, and the checks of model and self-test by name."""
    result = CliRunner().invoke(app, ["doctor", "--json", "--model", str(model)])
    checks = json.loads(result.stdout)["checks"]
    return result.exit_code, {
        check["name"]: check for check in checks if check["group"] in ("model", "self-test")
    }


def test_a_checkpoint_is_examined_part_by_part(trained_run: Path) -> None:
    code, checks = _checks(trained_run)
    assert code == 0
    assert list(checks) == [
        "checkpoint", "labels", "backbone text", "model.safetensors", "loading", "one sentence",
    ]  # fmt: skip
    assert {check["status"] for check in checks.values()} == {"ok"}
    assert checks["checkpoint"]["detail"].startswith("bert-crf (ner), written by magpie ")
    assert "on dev by ner-span" in checks["checkpoint"]["detail"]
    assert checks["labels"]["detail"] == "4 entity types"
    assert "digest as named by config.json" in checks["model.safetensors"]["detail"]
    assert "parameters in" in checks["loading"]["detail"]


def _copy(run: Path, folder: Path) -> Path:
    place = folder / "copy"
    shutil.copytree(run / "best", place)
    return place


def test_a_changed_weight_is_seen_though_it_loads(trained_run: Path, tmp_path: Path) -> None:
    place = _copy(trained_run, tmp_path)
    weights = place / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    code, checks = _checks(place)
    assert code == 1
    assert checks["model.safetensors"]["status"] == "broken"
    assert "digest differs" in checks["model.safetensors"]["detail"]
    assert checks["loading"]["status"] == "ok"


def test_what_lacks_is_named(trained_run: Path, tmp_path: Path) -> None:
    place = _copy(trained_run, tmp_path)
    (place / "backbones" / "text" / "backbone.json").unlink()
    code, checks = _checks(place)
    assert code == 1
    assert checks["backbone text"]["status"] == "broken"
    assert "FileNotFoundError" in checks["backbone text"]["detail"]
    assert "description is absent" in checks["loading"]["detail"]
    assert checks["model.safetensors"]["status"] == "ok"


def test_another_method_and_a_card_that_is_none(trained_run: Path, tmp_path: Path) -> None:
    place = _copy(trained_run, tmp_path)
    card = place / "config.json"
    card.write_text(card.read_text("utf-8").replace('"bert-crf"', '"bert-crv"', 1), "utf-8")
    code, checks = _checks(place)
    assert code == 1
    assert "this release has no such method" in checks["checkpoint"]["detail"]
    card.write_text("{", "utf-8")
    code, checks = _checks(place)
    assert code == 1
    assert [check["status"] for check in checks.values()] == ["broken", "broken"]
    assert "the checkpoint cannot be used" in checks["model"]["detail"]
