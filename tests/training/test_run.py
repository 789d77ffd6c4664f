"""Whole runs on the controlled corpus: their folder, resuming, and what stops them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from magpie.backbones.divergence import load_estimator
from magpie.errors import ConfigError, MagpieError, MediaError, ModelError
from magpie.methods.checkpoint import load_method, read_card
from magpie.schema import from_json
from magpie.training import data as data_module
from magpie.training import run as run_module
from magpie.training.journal import read_metrics
from magpie.training.loop import DivergedError, Trainer
from magpie.training.recipe import parse_recipe
from magpie.training.run import run


@pytest.fixture(autouse=True)
def _no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take half of a tiny run's time; the finished run has its own."""
    monkeypatch.setattr(run_module, "draw_plots", lambda folder: [])


class KilledError(Exception):
    """Stands for a kill."""


def kill_after(lines: int) -> Any:
    """A listener that stops the run at its n-th step."""
    seen = 0

    def listen(line: Mapping[str, Any]) -> None:
        nonlocal seen
        seen += line["kind"] == "step"
        if seen == lines:
            raise KilledError

    return listen


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def assert_bit_equal(one: Path, other: Path) -> None:
    for part in ("best", "last"):
        left, right = tensors(one / part), tensors(other / part)
        assert left.keys() == right.keys()
        for name, tensor in left.items():
            assert torch.equal(tensor, right[name]), f"{part}: {name}"


def lines(folder: Path, kind: str) -> list[dict[str, Any]]:
    found = [line for line in read_metrics(folder) if line["kind"] == kind]
    for line in found:
        line.pop("seconds", None)
    return found


# the folder


def test_the_folder_of_a_run(trained_run: Path) -> None:
    names = {path.name for path in trained_run.iterdir()}
    assert names >= {
        "recipe.yaml",
        "metrics.jsonl",
        "best",
        "last",
        "run.json",
        "summary.json",
        "dev.predictions.jsonl",
        "dev.report.json",
        "test.predictions.jsonl",
        "test.report.json",
    }
    assert not [name for name in names if name.startswith(".")]
    card = json.loads((trained_run / "run.json").read_text())
    assert card["seed"] == 7
    assert card["data"]["train"]["documents"] == 48
    assert card["data"]["dev"]["ref"] == "controlled@ner:dev"
    assert card["pictures"]["train"] == {"documents": 48, "present": 48, "share": 1.0}
    assert "test" not in card["data"]
    report = json.loads((trained_run / "dev.report.json").read_text())
    assert report["documents"] == 16
    assert report["main_score"] == card["selected"]["score"]
    documents = (trained_run / "dev.predictions.jsonl").read_text().splitlines()
    assert [from_json(line).id for line in documents] == [f"dev-{n}" for n in range(1, 17)]


def test_metrics_hold_every_step_and_evaluation(trained_run: Path) -> None:
    steps = lines(trained_run, "step")
    assert [line["step"] for line in steps] == [1, 2, 3, 4, 5, 6]
    assert [line["epoch"] for line in steps] == [0, 0, 0, 1, 1, 1]
    assert steps[0]["losses"].keys() == {"main"}
    assert steps[-1]["loss"] < steps[0]["loss"]
    dev = lines(trained_run, "dev")
    assert [line["step"] for line in dev] == [3, 6]
    best = max(dev, key=lambda line: line["score"])
    assert read_card(trained_run / "best").notes["selected"]["score"] == best["score"]
    assert dev[0]["best"]


def test_plots_are_drawn_where_matplotlib_is(trained_run: Path) -> None:
    pytest.importorskip("matplotlib")
    for name in ("loss.svg", "dev.svg"):
        assert "<svg" in (trained_run / name).read_text()


def test_training_never_opens_the_test_split(
    tiny_recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    real = data_module.controlled

    def watched(split: str, config: Any) -> Iterator[Any]:
        opened.append(split)
        return real(split, config)

    monkeypatch.setattr(data_module, "controlled", watched)
    run(parse_recipe(tiny_recipe, ["loop.epochs=1"]), tmp_path / "run")
    assert opened == ["train", "dev"]
    # Nor could it: what opens any split by name is not within its reach.
    assert not hasattr(run_module, "evaluate")
    assert not hasattr(run_module, "read_documents")
    assert not (tmp_path / "run" / "test.report.json").exists()


# resuming


@pytest.mark.parametrize("steps", [2, 3, 4, 5])
def test_a_killed_and_resumed_run_ends_bit_equal(
    steps: int, tiny_recipe: str, tmp_path: Path
) -> None:
    recipe = parse_recipe(tiny_recipe, ["save_every=2", "loop.accumulate=1"])
    run(recipe, tmp_path / "whole")
    with pytest.raises(KilledError):
        run(recipe, tmp_path / "killed", listen=kill_after(steps))
    torch.rand(17)  # whatever happened in between
    run(recipe, tmp_path / "killed", resume=True)
    assert_bit_equal(tmp_path / "whole", tmp_path / "killed")
    assert lines(tmp_path / "whole", "step") == lines(tmp_path / "killed", "step")
    assert lines(tmp_path / "whole", "dev") == lines(tmp_path / "killed", "dev")


def test_models_that_load_when_first_asked_disturb_no_resumed_run(tmp_path: Path) -> None:
    """What the second run loads is loaded at step 4 there, and at step 1 in the first."""
    estimator = tmp_path / "estimator"
    load_estimator("tiny-vilt").save(estimator)
    recipe = parse_recipe(f"""
        method: tmr-re
        config: {{text: tiny-bert, vision: tiny-resnet, objects: whole, generated_objects: whole,
                 object_count: 1, phrases: [], scores: "estimator:{estimator}", max_length: 24}}
        data: {{corpus: controlled@mre, limit: 24, limit_dev: 8}}
        loop: {{epochs: 2, batch: 8}}
        selection: {{protocol: mre-no-none@1, steps: 2}}
    """)
    run(recipe, tmp_path / "whole")
    with pytest.raises(KilledError):
        run(recipe, tmp_path / "killed", listen=kill_after(5))
    run(recipe, tmp_path / "killed", resume=True)
    assert lines(tmp_path / "whole", "step") == lines(tmp_path / "killed", "step")
    assert_bit_equal(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.parametrize("optimiser", ["bert-adam", "adamw"])
def test_both_optimisers_resume(optimiser: str, tiny_recipe: str, tmp_path: Path) -> None:
    recipe = parse_recipe(tiny_recipe, [f"optimiser.name={optimiser}", "loop.accumulate=2"])
    run(recipe, tmp_path / "whole")
    with pytest.raises(KilledError):
        run(recipe, tmp_path / "killed", listen=kill_after(3))
    run(recipe, tmp_path / "killed", resume=True)
    assert_bit_equal(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.slow
def test_sigkill_leaves_what_resuming_takes(tiny_recipe: str, tmp_path: Path) -> None:
    recipe = parse_recipe(tiny_recipe, ["loop.epochs=4", "save_every=1"])
    (tmp_path / "r.yaml").write_text(recipe.to_yaml())
    code = (
        "import sys; from pathlib import Path\n"
        "from magpie.training.recipe import read_recipe\n"
        "from magpie.training.run import run\n"
        "run(read_recipe(sys.argv[1]), Path(sys.argv[2]), resume=True)\n"
    )
    # Both runs in processes of their own: sums depend on the number of threads, which other
    # tests may have changed in this one.
    call = [sys.executable, "-c", code, str(tmp_path / "r.yaml")]
    assert subprocess.run([*call, str(tmp_path / "whole")], check=False).returncode == 0
    command = [*call, str(tmp_path / "killed")]
    kills = 0
    for wanted in (3, 7):
        process = subprocess.Popen(command)
        deadline = time.monotonic() + 300
        while process.poll() is None and time.monotonic() < deadline:
            path = tmp_path / "killed" / "metrics.jsonl"
            done = path.read_text().count('"kind":"step"') if path.exists() else 0
            if done >= wanted:
                os.kill(process.pid, signal.SIGKILL)
                kills += 1
                break
            time.sleep(0.002)
        process.wait(timeout=300)
    assert kills >= 1
    assert subprocess.run(command, check=False).returncode == 0
    assert_bit_equal(tmp_path / "whole", tmp_path / "killed")
    assert lines(tmp_path / "whole", "step") == lines(tmp_path / "killed", "step")


def test_a_finished_run_is_left_alone(
    trained_run: Path, tiny_recipe: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Trainer) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(Trainer, "steps", fail)
    recipe = parse_recipe(tiny_recipe, ["data.limit_dev=16"])
    before = {p: p.stat().st_mtime_ns for p in trained_run.rglob("*") if p.is_file()}
    result = run(recipe, trained_run, resume=True)
    assert result.score == read_card(trained_run / "best").notes["selected"]["score"]
    assert {p: p.stat().st_mtime_ns for p in trained_run.rglob("*") if p.is_file()} == before


def test_another_recipe_or_other_data_are_refused(trained_run: Path, tiny_recipe: str) -> None:
    with pytest.raises(ConfigError, match="there is a run in this folder"):
        run(parse_recipe(tiny_recipe), trained_run)
    with pytest.raises(ConfigError, match="another loop"):
        run(parse_recipe(tiny_recipe, ["loop.epochs=5"]), trained_run, resume=True)


def test_changed_files_are_refused_on_resuming(
    tiny_recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = parse_recipe(tiny_recipe)
    with pytest.raises(KilledError):
        run(recipe, tmp_path / "run", listen=kill_after(4))
    monkeypatch.setattr(data_module, "fingerprint", lambda ref, documents: {"digest": "other"})
    with pytest.raises(ModelError, match="was trained on") as caught:
        run(recipe, tmp_path / "run", resume=True)
    assert caught.value.code == "model-mismatch"


# selection


def test_patience_stops_and_best_is_kept(tiny_recipe: str, tmp_path: Path) -> None:
    recipe = parse_recipe(
        tiny_recipe, ["loop.epochs=6", "optimiser.rate=1e-12", "selection.patience=2"]
    )
    result = run(recipe, tmp_path / "run")
    # Weights that do not move never get better than they were after the first epoch.
    assert [line["best"] for line in lines(tmp_path / "run", "dev")] == [True, False, False]
    assert result.epoch == 0


def test_evaluations_every_other_epoch_and_after_the_last(tiny_recipe: str, tmp_path: Path) -> None:
    run(parse_recipe(tiny_recipe, ["loop.epochs=3", "selection.every=2"]), tmp_path / "run")
    assert [line["epoch"] for line in lines(tmp_path / "run", "dev")] == [1, 2]


# stages


STAGES = "stages=[{name: head, train: [fusion], loop: {epochs: 1}}, {name: all, loop: {epochs: 1}}]"
TWO = """
method: mmner-model
config: {text: tiny-bert, vision: tiny-vit, width: 32, heads: 4, inner: 32, max_length: 40}
data: {corpus: controlled@ner, limit: 32, limit_dev: 8}
loop: {epochs: 2, batch: 16}
optimiser: {rate: 5.0e-3, warmup: 0.0}
seeds: [1]
"""


def test_a_stage_moves_its_groups_only(tmp_path: Path) -> None:
    recipe = parse_recipe(TWO, ["stages=[{name: head, train: [fusion]}]"])
    run(recipe, tmp_path / "run")
    method = load_method(tmp_path / "run" / "last")
    start = type(method).build(method.config, method.labels)
    for name, tensor in method.backbones["text"].state_dict().items():
        assert torch.equal(tensor, start.backbones["text"].state_dict()[name])
    with pytest.raises(ConfigError, match="no parameter group fusoin"):
        run(parse_recipe(TWO, ["stages=[{train: [fusoin]}]"]), tmp_path / "other")


def test_stages_follow_each_other_and_resume(tmp_path: Path) -> None:
    recipe = parse_recipe(TWO, [STAGES])
    run(recipe, tmp_path / "whole")
    assert [line["name"] for line in lines(tmp_path / "whole", "dev")] == ["head", "all"]
    for steps in (1, 3):
        folder = tmp_path / f"killed-{steps}"
        with pytest.raises(KilledError):
            run(recipe, folder, listen=kill_after(steps))
        run(recipe, folder, resume=True)
        assert_bit_equal(tmp_path / "whole", folder)


# what stops a run


def test_a_loss_that_is_no_number_keeps_the_last_good_checkpoint(
    tiny_recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = parse_recipe(tiny_recipe)
    with pytest.raises(KilledError):
        run(recipe, tmp_path / "run", listen=kill_after(4))
    before = tensors(tmp_path / "run" / "last")
    real = Trainer._step

    def poisoned(self: Trainer, group: list[list[int]]) -> Any:
        if self.position.step == 4:
            with torch.no_grad():
                self.method.crf.transitions.fill_(float("nan"))  # type: ignore[union-attr]
        return real(self, group)

    monkeypatch.setattr(Trainer, "_step", poisoned)
    with pytest.raises(DivergedError) as caught:
        run(recipe, tmp_path / "run", resume=True)
    assert caught.value.code == "train-diverged"
    assert caught.value.where == "epoch 1, step 4"
    named = [part for part in caught.value.message.replace(",", " ").split() if "train-" in part]
    assert len(named) == 8
    assert "and 8 more" in caught.value.message
    after = tensors(tmp_path / "run" / "last")
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(torch.isfinite(tensor).all() for tensor in tensors(tmp_path / "run/best").values())


def test_a_recipe_for_another_task(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    line = '{"format":1,"id":"%d","blocks":[{"text":"nothing here"}],"annotations":{}}\n'
    path.write_text("".join(line % n for n in range(3)))
    recipe = parse_recipe(
        f"method: bert-crf\nconfig: {{text: tiny-bert}}\n"
        f"data: {{train: 'magpie:train', dev: 'magpie:train', root: {tmp_path}}}\n"
    )
    with pytest.raises(ConfigError, match="bert-crf does ner, and magpie:train holds no entity"):
        run(recipe, tmp_path / "run")


def test_required_pictures_that_are_absent(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    line = (
        '{"format":1,"id":"%d","blocks":[{"text":"Rocky here"}],"media":[{"id":"m0","uri":"%s"}],'
        '"annotations":{"entities":[{"id":"e0","span":{"block":"b0","start":0,"end":5},'
        '"type":"PER"}]}}\n'
    )
    absent = tmp_path / "pictures" / "17.jpg"
    (tmp_path / "train.jsonl").write_text(line % (1, absent) + line % (2, absent))
    text = (
        "method: bert-crf\nconfig: {text: tiny-bert}\ndata:\n"
        f"  {{train: 'magpie:train', dev: 'magpie:train', root: {tmp_path}, pictures: required,\n"
        f"  images: {tmp_path / 'pictures'}}}\n"
    )
    with pytest.raises(MediaError) as caught:
        run(parse_recipe(text), tmp_path / "run")
    error = caught.value
    assert error.code == "media-absent"
    assert error.where == str(tmp_path / "pictures")
    assert "2 of 2 documents of magpie:train have no picture" in error.message
    assert str(absent) in error.message
    assert not (tmp_path / "run").exists()
    # The same recipe trains on what is there, and says so.
    run(parse_recipe(text, ["data.pictures=optional", "loop.epochs=1"]), tmp_path / "run")
    card = json.loads((tmp_path / "run" / "run.json").read_text())
    assert card["pictures"]["train"] == {"documents": 2, "present": 0, "share": 0.0}


def test_tensorboard_is_asked_for_and_absent(tiny_recipe: str, tmp_path: Path) -> None:
    if __import__("importlib.util").util.find_spec("tensorboard"):
        pytest.skip("TensorBoard is installed")
    with pytest.raises(MagpieError, match="tensorboard"):
        run(parse_recipe(tiny_recipe, ["tensorboard=true"]), tmp_path / "run")
