"""Runs that begin with a trained checkpoint: recorded, laid once, and not again on resuming."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra 'train'")

from safetensors.torch import load_file  # noqa: E402

from magpie.errors import ConfigError, ModelError  # noqa: E402
from magpie.methods.checkpoint import load_method, read_card, save_method  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.schema import from_json  # noqa: E402
from magpie.training import run as run_module  # noqa: E402
from magpie.training.journal import read_metrics  # noqa: E402
from magpie.training.recipe import parse_recipe  # noqa: E402
from magpie.training.run import run  # noqa: E402

UMT = """
method: umt
config:
  {text: tiny-bert, vision: tiny-vit, visual: pixels, max_length: 40, dropout: 0.0, drop_image: 0.0,
   ideas: {umt_compat: true, reliability_bias: -1000.0}}
data: {corpus: controlled@ner, limit: 48, limit_dev: 16}
loop: {epochs: 1, batch: 16}
optimiser: {rate: 1.0e-12}
seeds: [3]
"""


@pytest.fixture(autouse=True)
def _no_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "draw_plots", lambda folder: [])


class KilledError(Exception):
    """Stands for a kill."""


def kill_after(steps: int) -> Any:
    """A listener that stops the run at its n-th step."""
    seen = 0

    def listen(line: Mapping[str, Any]) -> None:
        nonlocal seen
        seen += line["kind"] == "step"
        if seen == steps:
            raise KilledError

    return listen


def first_loss(folder: Path) -> float:
    return next(float(line["loss"]) for line in read_metrics(folder) if line["kind"] == "step")


def entities(folder: Path) -> list[Any]:
    lines = (folder / "dev.predictions.jsonl").read_text().splitlines()
    return [from_json(line).entities for line in lines]


def test_a_start_is_recorded_and_begins_where_the_other_ended(
    trained_run: Path, tiny_recipe: str, tmp_path: Path
) -> None:
    """Of one method: the first loss is that of the trained weights, to the bit."""
    for name, start in (("run", trained_run), ("checkpoint", trained_run / "best")):
        more = [f"start={start}", "config.dropout=0.0", "loop.epochs=1"]
        result = run(parse_recipe(tiny_recipe, more), tmp_path / name)
        card = json.loads((tmp_path / name / "run.json").read_text())
        assert card["start"] == {
            "folder": str(trained_run / "best"),
            "method": "bert-crf",
            "digest": read_card(trained_run / "best").digest,
            "laid": ["backbones.text", "crf", "classifier"],
            "new": [],
            "left": [],
        }
        assert result.to_dict()["start"] == card["start"]
        assert read_card(tmp_path / name / "last").notes["start"] == card["start"]
    assert first_loss(tmp_path / "run") == first_loss(tmp_path / "checkpoint")
    run(parse_recipe(tiny_recipe, more[1:]), tmp_path / "plain")
    assert first_loss(tmp_path / "run") < first_loss(tmp_path / "plain")
    assert "start" not in json.loads((tmp_path / "plain" / "run.json").read_text())


def test_the_first_loss_is_that_of_the_trained_method(
    trained_run: Path, tiny_recipe: str, tmp_path: Path
) -> None:
    """No step was taken: the same seed draws the same batch and the same dropout."""
    recipe = parse_recipe(tiny_recipe, [f"start={trained_run}", "loop.epochs=1"])
    run(recipe, tmp_path / "begun")
    # The same weights, put in place by hand where the method is built.
    trained = load_method(trained_run / "best").state_dict()
    real = run_module.method_class

    class ByHand:
        @staticmethod
        def build(config: Any, labels: LabelSpace) -> Any:
            method = real("bert-crf").build(config, labels)
            method.load_state_dict(trained)
            return method

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_module, "method_class", lambda name: ByHand)
        run(parse_recipe(tiny_recipe, ["loop.epochs=1"]), tmp_path / "by hand")
    losses = [
        [line["loss"] for line in read_metrics(folder) if line["kind"] == "step"]
        for folder in (tmp_path / "begun", tmp_path / "by hand")
    ]
    assert losses[0] == losses[1]


def test_umt_begins_with_the_scores_of_bert_crf(tiny_recipe: str, tmp_path: Path) -> None:
    """r = 0, and a rate that moves nothing: the development scores are those of its start."""
    longer = ["loop.epochs=12", "selection.every=12"]
    run(parse_recipe(tiny_recipe, longer), tmp_path / "text")
    run(parse_recipe(UMT, [f"start={tmp_path / 'text'}"]), tmp_path / "umt")
    ours, theirs = (
        json.loads((folder / "dev.report.json").read_text())
        for folder in (tmp_path / "umt", tmp_path / "text")
    )
    assert theirs["micro"]["predicted"] > 0
    assert ours["micro"] == theirs["micro"]
    assert entities(tmp_path / "umt") == entities(tmp_path / "text")
    card = json.loads((tmp_path / "umt" / "run.json").read_text())
    assert set(card["start"]["laid"]) == {"backbones.text", "text_classifier", "crf"}
    assert {"backbones.vision", "classifier", "ideas.reliability"} <= set(card["start"]["new"])


def test_resuming_does_not_load_it_again(
    trained_run: Path, tiny_recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = tmp_path / "start"
    save_method(load_method(trained_run / "best"), start)
    digest = read_card(start).digest
    recipe = parse_recipe(tiny_recipe, [f"start={start}", "save_every=1"])
    run(recipe, tmp_path / "whole")
    with pytest.raises(KilledError):
        run(recipe, tmp_path / "killed", listen=kill_after(3))

    def fail(*_: Any) -> None:
        raise AssertionError("laid again")

    monkeypatch.setattr(run_module, "start_from", fail)
    for path in start.rglob("*.safetensors"):
        path.unlink()  # nor is it looked at
    result = run(recipe, tmp_path / "killed", resume=True)
    whole, killed = (
        load_file(tmp_path / name / "last" / "model.safetensors") for name in ("whole", "killed")
    )
    for name, tensor in whole.items():
        assert torch.equal(tensor, killed[name]), name
    assert result.start is not None
    assert result.start["digest"] == digest
    for other_start in ("null", str(trained_run)):
        other_recipe = parse_recipe(tiny_recipe, [f"start={other_start}", "save_every=1"])
        with pytest.raises(ConfigError, match="has another start"):
            run(other_recipe, tmp_path / "killed", resume=True)


def test_what_does_not_fit_is_refused_before_a_folder_is_made(
    trained_run: Path, tiny_recipe: str, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    numbered = [f"start={trained_run}", "config.tag_order=umgf"]
    with pytest.raises(ConfigError, match="other tags"):
        run(parse_recipe(tiny_recipe, numbered), out)
    with pytest.raises(ModelError, match="no checkpoint here"):
        run(parse_recipe(tiny_recipe, [f"start={tmp_path}"]), out)
    with pytest.raises(ConfigError, match="start names no folder"):
        parse_recipe(tiny_recipe, ["start=''"])
    with pytest.raises(ConfigError) as caught:
        parse_recipe(tiny_recipe, ["start=3"])
    assert "start" in caught.value.where
    assert not out.exists()
