"""``magpie features``: JSON shapes, exit codes, and going on where a build stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from magpie.cli.app import app

TINY = ["text=tiny-bert", "vision=tiny-vit", "width=32", "heads=4", "inner=32"]
ONLY = ["--set", "data.limit=8", "--set", "data.limit_dev=4", "--split", "train", "--split", "dev"]


def run(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, ["features", *arguments, "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def build(store: Path, *more: str, code: int = 0) -> Any:
    settings = [part for pair in TINY for part in ("--set", f"config.{pair}")]
    method = ["controlled@ner", "--method", "mmner-model", *settings]
    return run("build", *method, "--store", str(store), *more, code=code)


def test_build_then_info_then_verify_then_prune(tmp_path: Path) -> None:
    found = build(tmp_path, *ONLY)
    assert found["store"] == str(tmp_path)
    assert found["method"] == "mmner-model"
    assert list(found["splits"]) == ["train", "dev"]
    (part,) = found["splits"]["train"]["needs"]
    assert found["splits"]["train"]["documents"] == 8
    assert part["need"]["kind"] == "pixels"
    assert part["need"]["spec"]["side"] == 64
    assert part["computed"] + part["kept"] + part["absent"] == 8
    entries = sum(s["needs"][0]["computed"] for s in found["splits"].values())

    again = build(tmp_path, *ONLY)
    assert [s["needs"][0]["computed"] for s in again["splits"].values()] == [0, 0]

    told = run("info", "--store", str(tmp_path))
    assert told["entries"] == entries
    assert told["needs"][0]["need"] == part["need"]
    assert told["bytes"] == sum(p.stat().st_size for p in tmp_path.rglob("*.safetensors"))

    assert run("verify", "--store", str(tmp_path)) == {
        "store": str(tmp_path),
        "checked": entries,
        "damaged": [],
    }
    victim = next(iter(tmp_path.rglob("*.safetensors")))
    victim.write_bytes(victim.read_bytes()[:-1])
    damaged = run("verify", "--store", str(tmp_path), code=1)["damaged"]
    assert [d["key"].split("/")[1] for d in damaged] == [victim.stem]
    mended = build(tmp_path, *ONLY)
    assert sum(s["needs"][0]["computed"] for s in mended["splits"].values()) == 1

    pruned = run("prune", "--max-bytes", "0", "--store", str(tmp_path))
    assert (pruned["entries"], pruned["bytes"]) == (0, 0)
    assert pruned["removed"] == entries + 1  # and the one set aside
    assert run("info", "--store", str(tmp_path))["entries"] == 0


def test_tables_for_people(tmp_path: Path) -> None:
    runner = CliRunner()
    build(tmp_path, *ONLY)
    told = runner.invoke(app, ["features", "info", "--store", str(tmp_path)])
    assert told.exit_code == 0
    assert "pixels-" in told.stdout
    assert "squash 64" in told.stdout
    empty = runner.invoke(app, ["features", "info", "--store", str(tmp_path / "none")])
    assert "0 entries, 0.0 MB" in empty.stdout
    checked = runner.invoke(app, ["features", "verify", "--store", str(tmp_path)])
    assert "0 damaged" in checked.stdout
    words = [part for pair in TINY for part in ("--set", f"config.{pair}")]
    arguments = ["features", "build", "controlled@ner", "--method", "mmner-model", *words, *ONLY]
    shown = runner.invoke(app, [*arguments, "--store", str(tmp_path)])
    assert shown.exit_code == 0
    assert "train" in shown.stdout
    assert f"kept in {tmp_path}" in shown.stdout.replace("\n", "")


def test_a_method_that_reads_words_only(tmp_path: Path) -> None:
    arguments = [
        "build",
        "controlled@ner",
        "--method",
        "bert-crf",
        "--set",
        "config.text=tiny-bert",
    ]
    found = run(*arguments, "--store", str(tmp_path), *ONLY)
    assert found["splits"]["train"]["needs"] == []
    words = CliRunner().invoke(app, ["features", *arguments, "--store", str(tmp_path), *ONLY])
    assert "train: the method reads nothing that could be kept" in words.stdout


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["build", "no-such-recipe"], "not-found"),
        (["build", "controlled@ner", "--method", "no-such-method"], "not-found"),
        (
            [
                *("build", "controlled@ner", "--method", "bert-crf", "--split", "exam"),
                *("--set", "config.text=tiny-bert"),
            ],
            "config-value",
        ),
        (["build", "controlled@ner", "--method", "bert-crf"], "model-missing"),
        (["prune", "--max-bytes", "lots"], "config-value"),
        (["prune", "--max-bytes", "-1"], "config-value"),
    ],
)
def test_bad_input_is_one_error(tmp_path: Path, arguments: list[str], code: str) -> None:
    found = run(*arguments, "--store", str(tmp_path / "store"), code=2)
    assert found["error"]["code"] == code
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("12", 12), ("1.5KB", 1500), ("2 gb", 2 * 10**9), ("7B", 7)]
)
def test_sizes(text: str, size: int) -> None:
    from magpie.cli.features import _bytes

    assert _bytes(text) == size


def test_captions_are_built_for_a_method_that_reads_them(tmp_path: Path) -> None:
    """Named among a method's sources or in the recipe's context: one entry a picture."""
    settings = ["text=tiny-bert", "sources=[captioner:tiny-blip]"]
    pairs = [part for pair in settings for part in ("--set", f"config.{pair}")]
    method = ["controlled@ner", "--method", "pgim", *pairs, "--store", str(tmp_path)]
    found = run("build", *method, *ONLY)
    (part,) = found["splits"]["train"]["needs"]
    assert (part["need"]["kind"], part["need"]["captioner"]) == ("captions", "tiny-blip")
    assert part["computed"] > 0
    assert part["computed"] + part["kept"] + part["absent"] == 8
    joined = ["--set", "data.context=[captioner:tiny-blip]"]
    tagger = ["controlled@ner", "--method", "bert-crf", "--set", "config.text=tiny-bert"]
    again = run("build", *tagger, *joined, *ONLY, "--store", str(tmp_path))
    assert [s["needs"][0]["computed"] for s in again["splits"].values()] == [0, 0]
