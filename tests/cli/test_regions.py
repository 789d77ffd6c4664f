"""``magpie regions``: tables and JSON, going on after a stop, and bad input as one error."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from magpie.cli.app import app
from magpie.schema import Block, Document

CORPUS = ["controlled@gmner:dev", "--limit", "8"]


def run(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, ["regions", *arguments, "--json"])
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def shown(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["regions", *arguments])
    assert result.exit_code == code, result.output
    return result.output


def test_recall_of_blobs() -> None:
    found = run("recall", *CORPUS, "--source", "blobs", "--count", "6", "--count", "1")
    assert (found["data"], found["source"], found["documents"]) == (
        "controlled@gmner:dev",
        "blobs",
        8,
    )
    assert (found["pictures"], found["without_regions"], found["inclusive"]) == (8, 0, False)
    cells = {(c["type"], c["iou"], c["count"]): c for c in found["recall"]}
    assert {key[1:] for key in cells} == {(0.5, 1), (0.5, 6), (0.7, 1), (0.7, 6)}
    # the first is the whole picture, and no glyph fills half of it
    assert cells["all", 0.5, 1]["targets"]["found"] == 0
    assert cells["all", 0.5, 6]["targets"]["recall"] == 1
    assert cells["all", 0.5, 6]["targets"]["gold"] == found["with_gold"] > 0


def test_recall_as_a_table() -> None:
    text = shown("recall", *CORPUS, "--source", "blobs", "--iou", "0.5", "--inclusive")
    assert "controlled@gmner:dev, blobs: IoU at least 0.5" in " ".join(text.split())
    for word in ("all", "PER", "k=1", "k=100", "100.0", "8 pictures", "0 without regions"):
        assert word in text


def test_build_then_recall_of_the_files_then_build_again(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    built = run("build", *CORPUS, "--source", "blobs", "-o", str(folder), "--count", "6")
    assert (built["documents"], built["written"], built["kept"], built["absent"]) == (8, 8, 0, 0)
    assert built["width"] == 768
    assert len(list(folder.glob("*.npz"))) == 8
    again = run("build", *CORPUS, "--source", "blobs", "-o", str(folder), "--count", "6")
    assert (again["written"], again["kept"]) == (0, 8)
    names = ["--regions", f"mine={folder}"]
    files, made = run("recall", *CORPUS, *names), run("recall", *CORPUS, "--source", "blobs")
    assert (files["source"], made["source"]) == ("mine", "blobs")
    # six of them were written: beyond that count the files hold no more
    first = [[c for c in f["recall"] if c["count"] <= 5] for f in (files, made)]
    assert first[0] == first[1]


def test_build_in_words(tmp_path: Path) -> None:
    text = shown("build", *CORPUS, "--source", "blobs@tiny-vit", "-o", str(tmp_path / "out"))
    told = " ".join(text.split())
    assert "8 files written" in told
    assert "vectors of 32 numbers" in told


def test_recall_of_a_file_of_boxes_and_of_pictures_without_any(tmp_path: Path) -> None:
    (tmp_path / "boxes.json").write_text("{}")
    found = run("recall", *CORPUS, "--source", str(tmp_path / "boxes.json"))
    assert found["without_regions"] == 8
    assert found["reasons"][0] == {"document": "dev-1", "reason": "no region was proposed"}
    cells = [c["targets"] for c in found["recall"] if c["type"] == "all"]
    assert all(c["recall"] == c["recall_with_regions"] == 0 for c in cells)
    text = shown("recall", *CORPUS, "--source", str(tmp_path / "boxes.json"), "--seen")
    assert "no regions: dev-1" in text


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["recall", "gmner", "--source", "blobs"], "config-value"),
        (["recall", *CORPUS], "config-value"),
        (["recall", *CORPUS, "--source", "nothing"], "config-value"),
        (["recall", *CORPUS, "--source", "none.json"], "not-found"),
        (["recall", *CORPUS, "--regions", "vinvl=nowhere"], "not-found"),
        (["recall", *CORPUS, "--source", "detector:facebook/detr-resnet-50"], "model-missing"),
        (["recall", "no-such-corpus:dev", "--source", "blobs"], "not-found"),
        (["build", *CORPUS, "--source", "proposals", "-o", "out"], "config-value"),
    ],
)
def test_bad_input_is_one_error(
    arguments: list[str], code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = run(*arguments, code=2)
    assert found["error"]["code"] == code
    assert not (tmp_path / "out").exists()


def test_nothing_written_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    post = Document(id="a", blocks=(Block(text="Rocky runs"),))
    (tmp_path / "data" / "train.jsonl").write_text(post.to_json() + "\n")
    arguments = ["magpie:train", "--root", str(tmp_path / "data"), "--source", "blobs"]
    found = run("build", *arguments, "-o", str(tmp_path / "out"), code=1)
    assert (found["documents"], found["written"], found["absent"]) == (1, 0, 1)
    assert found["reasons"] == [{"document": "a", "reason": "the document has no picture"}]


@pytest.mark.slow
def test_a_detector_by_name_goes_on_after_a_kill(tmp_path: Path) -> None:
    """SIGKILL leaves whole files only; the next start makes the others, the same to the bit."""
    from magpie.backbones.detector import load_detector

    detector = load_detector("tiny-detr")
    place = tmp_path / "detr"
    detector.model.save_pretrained(place)  # type: ignore[operator]
    sizes = {"size": {"shortest_edge": 64, "longest_edge": 128}}
    (place / "preprocessor_config.json").write_text(json.dumps(sizes))
    options = ["build", "controlled@gmner:train", "--limit", "60", "--source", f"detector:{place}"]
    folder = tmp_path / "out"
    command = [sys.executable, "-m", "magpie", "regions", *options, "-o", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None and not list(folder.glob("*.npz")):
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    kept = {path.name: path.read_bytes() for path in folder.glob("*.npz")}
    assert process.returncode == -signal.SIGKILL
    whole = run(*options, "-o", str(tmp_path / "whole"))
    assert (whole["documents"], whole["absent"], whole["width"]) == (60, 0, 32)
    assert 0 < len(kept) < whole["written"]
    built = run(*options, "-o", str(folder))
    assert built["written"] == whole["written"] - len(kept)
    for path in (tmp_path / "whole").glob("*.npz"):
        assert (folder / path.name).read_bytes() == path.read_bytes()
        assert kept.get(path.name, path.read_bytes()) == path.read_bytes()
    # What it was writing is left under a hidden name, which nobody reads.
    shown = [path for path in folder.iterdir() if not path.name.startswith(".")]
    assert {path.suffix for path in shown} == {".npz", ".json"}
    found = run("recall", "controlled@gmner:train", "--limit", "60", "--regions", f"mine={folder}")
    assert found["documents"] == 60
