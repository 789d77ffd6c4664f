"""What public runs do beside rates and sizes: scorer, order, decay on everything, ties, samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="training needs the extra 'train'")

import torch

from magpie.corpora.controlled import ControlledConfig, controlled
from magpie.errors import ConfigError
from magpie.features.supply import Supplier
from magpie.methods.checkpoint import read_card
from magpie.methods.labels import LabelSpace
from magpie.methods.ner.bert_crf import BertCrf, BertCrfConfig
from magpie.training.data import training_data
from magpie.training.evaluate import recipe_data
from magpie.training.examples import Examples, epoch_batches
from magpie.training.journal import read_metrics
from magpie.training.loop import LoopConfig
from magpie.training.optimisers import OptimiserConfig, make_optimiser
from magpie.training.recipe import DataConfig, SelectionConfig, parse_recipe, read_recipe
from magpie.training.run import run
from magpie.training.seeds import train

POSTS = list(controlled("train", ControlledConfig(size=24)))


@pytest.fixture(scope="module")
def method() -> BertCrf:
    return BertCrf.build(BertCrfConfig(text="tiny-bert"), LabelSpace.of(POSTS))


def evaluations(folder: Path) -> list[dict[str, Any]]:
    return [line for line in read_metrics(folder) if line["kind"] == "dev"]


@pytest.mark.parametrize("year", ["2015", "2017"])
@pytest.mark.parametrize(
    ("method", "protocol"),
    [
        ("bert-crf", "ner-umt@1"),
        ("umt", "ner-umt@1"),
        ("basic-model", "ner-umgf@1"),
        ("mmner-model", "ner-umgf@1"),
        ("umgf", "ner-umgf@1"),
        ("hvpnet", "ner-hvpnet@1"),
        ("mkgformer", "ner-hvpnet@1"),
        ("tmr-ner", "ner-hvpnet@1"),
        ("pgim", "ner-adaseq@1"),
        ("ita", "ner-adaseq@1"),
    ],
)
def test_a_recipe_is_judged_by_the_scorer_of_its_repository(
    method: str, protocol: str, year: str
) -> None:
    assert read_recipe(f"ner/{method}_twitter{year}").protocol == protocol


@pytest.mark.parametrize("name", ["ner/hvpnet_twitter2015", "ner/hvpnet_twitter2017"])
def test_hvpnet_evaluates_from_the_third_epoch_and_keeps_the_later_of_equals(name: str) -> None:
    recipe = read_recipe(name)
    assert (recipe.selection.first, recipe.selection.ties) == (3, "later")
    assert recipe.stages[0].loop.optimiser.decay_all
    relations = read_recipe("relation/hvpnet-re_mnre")
    assert (relations.selection.first, relations.selection.ties) == (1, "later")
    assert relations.stages[0].loop.optimiser.decay_all


@pytest.mark.parametrize(
    ("name", "optimiser", "rate", "eps", "everything", "ties", "first"),
    [
        ("relation/mega_mnre", "bert-adam", 2e-5, 1e-6, False, "earlier", 1),
        ("relation/tmr-re_mnre", "bert-adam", 1e-5, 1e-6, False, "earlier", 1),
        ("relation/camim_mnre", "bert-adam", 2e-5, 1e-6, False, "earlier", 1),
        ("relation/mkgformer-re_mnre", "adamw", 1e-5, 1e-8, True, "later", 1),
        ("relation/focal-mre_mnre", "adamw", 1e-5, 1e-8, True, "later", 1),
        ("relation/moreformer_more", "adamw", 1e-5, 1e-8, True, "later", 1),
        ("relation/ise-mre_mnre", "adam", 2e-4, 1e-8, True, "later", 1),
        ("ner/tmr-ner_twitter2015", "adamw", 3e-5, 1e-8, True, "later", 12),
        ("ner/tmr-ner_twitter2017", "adamw", 3e-5, 1e-8, True, "later", 12),
    ],
)
def test_steps_and_ties_of_the_public_scripts(
    name: str, optimiser: str, rate: float, eps: float, everything: bool, ties: str, first: int
) -> None:
    """None of them clips; all decay by 0.01, those of OpenNRE spare biases and norms."""
    recipe = read_recipe(name)
    for stage in recipe.stages:
        o = stage.loop.optimiser
        assert (o.name, o.rate, o.eps) == (optimiser, rate, eps)
        assert (o.decay, o.decay_all, o.clip, o.schedule) == (0.01, everything, 0.0, "linear")
    chosen = recipe.selection
    assert (chosen.ties, chosen.first, chosen.legacy_on_test) == (ties, first, False)


def test_decay_inside_the_gradient_or_beside_it(method: BertCrf) -> None:
    """Without a gradient Adam makes a whole step of the decay alone; AdamW shrinks by rate times
    decay."""
    moved = {}
    for name in ("adam", "adamw"):
        optimiser = make_optimiser(method, OptimiserConfig(name=name, rate=0.1, decay=0.01))
        (weight,) = optimiser.param_groups[0]["params"] = [torch.nn.Parameter(torch.ones(1))]
        weight.grad = torch.zeros(1)
        optimiser.step()
        moved[name] = weight.item()
    assert moved == {"adam": pytest.approx(0.9, abs=1e-5), "adamw": pytest.approx(0.999, abs=1e-6)}


def test_decay_on_everything(method: BertCrf) -> None:
    def decays(everything: bool) -> dict[float, int]:
        optimiser = make_optimiser(method, OptimiserConfig(decay=0.1, decay_all=everything))
        found: dict[float, int] = {}
        for group in optimiser.param_groups:
            key = group["weight_decay"]
            found[key] = found.get(key, 0) + sum(p.numel() for p in group["params"])
        return found

    total = sum(p.numel() for p in method.trainable())
    flat = sum(p.numel() for p in method.trainable() if p.dim() < 2)
    assert decays(True) == {0.1: total}
    assert decays(False) == {0.1: total - flat, 0.0: flat}


def test_the_order_of_the_corpus(method: BertCrf) -> None:
    examples = Examples(method, POSTS, Supplier())
    for epoch in (0, 3):
        batches = epoch_batches(examples, 10, seed=epoch, epoch=epoch, shuffle=False)
        assert batches == [list(range(10)), list(range(10, 20)), list(range(20, 24))]
    assert LoopConfig().shuffle


FLAT = """
method: bert-crf
config: {text: tiny-bert}
data: {corpus: controlled@ner, limit: 16, limit_dev: 8}
loop: {epochs: 4, batch: 16}
optimiser: {rate: 1.0e-12}
seeds: [1]
"""


def test_the_first_evaluated_epoch_and_ties(tmp_path: Path) -> None:
    """Weights that do not move score the same in every epoch."""
    settings = ["selection.first=2", "selection.ties=later", "selection.patience=2"]
    result = run(parse_recipe(FLAT, settings), tmp_path / "later")
    found = evaluations(tmp_path / "later")
    assert [line["epoch"] for line in found] == [1, 2, 3]
    assert [line["best"] for line in found] == [True, True, True]
    # An equal score is kept, and is no progress all the same.
    assert result.epoch == 3
    earlier = run(parse_recipe(FLAT, ["selection.first=9"]), tmp_path / "earlier")
    assert [line["epoch"] for line in evaluations(tmp_path / "earlier")] == [3]
    assert earlier.epoch == 3


def test_evaluations_by_steps(tmp_path: Path) -> None:
    """Four steps an epoch, sixteen in all; what lies in the first two epochs is not evaluated."""
    settings = ["loop.batch=4", "selection.steps=3", "selection.first=3"]
    run(parse_recipe(FLAT, settings), tmp_path / "steps")
    found = evaluations(tmp_path / "steps")
    assert [(line["epoch"], line["step"]) for line in found] == [(2, 9), (2, 12), (3, 15), (3, 16)]
    assert [line["best"] for line in found] == [True, False, False, False]
    stopped = parse_recipe(FLAT, ["loop.batch=4", "selection.steps=3", "selection.patience=1"])
    run(stopped, tmp_path / "stopped")
    assert [line["step"] for line in evaluations(tmp_path / "stopped")] == [3, 6]


@pytest.mark.parametrize("legacy", [False, True])
def test_weights_are_chosen_on_dev_or_as_some_published_ones_were_on_test(
    legacy: bool, tmp_path: Path
) -> None:
    settings = ["loop.epochs=1", f"selection.legacy_on_test={str(legacy).lower()}"]
    summary = train(parse_recipe(FLAT, settings), tmp_path / "run")
    card = read_card(tmp_path / "run" / "best")
    chosen = "test" if legacy else "dev"
    assert card.notes["selected"]["split"] == chosen
    assert card.notes["data"]["dev"]["ref"] == f"controlled@ner:{chosen}"
    assert summary["selection"] == (
        "best epoch on test (legacy_on_test)" if legacy else "best epoch on dev"
    )
    # The recipe that is kept still says where dev lies.
    assert recipe_data(card).ref("dev") == "controlled@ner:dev"


def test_there_must_be_a_test_split_to_choose_on() -> None:
    data = "data={train: 'controlled@ner:train', dev: 'controlled@ner:dev'}"
    with pytest.raises(ConfigError, match="no test split to select on"):
        parse_recipe(FLAT, [data, "selection.legacy_on_test=true"])
    assert not parse_recipe(FLAT, [data]).selection.legacy_on_test


def test_a_share_drawn_with_replacement() -> None:
    data = training_data(DataConfig(corpus="controlled@ner", limit=40, sample_ratio=0.5))
    again = training_data(DataConfig(corpus="controlled@ner", limit=40, sample_ratio=0.5))
    ids = [document.id for document in data.train]
    assert len(ids) == 20
    assert len(set(ids)) < 20
    assert ids == [document.id for document in again.train]
    assert len(data.dev) == 100
    assert data.fingerprint["train"]["documents"] == 20


@pytest.mark.parametrize("share", [0.0, -1.0, 1.5])
def test_an_impossible_share(share: float) -> None:
    with pytest.raises(ConfigError, match="sample_ratio"):
        DataConfig(corpus="controlled@ner", sample_ratio=share)


def test_evaluations_by_epochs_or_by_steps() -> None:
    with pytest.raises(ConfigError, match="steps must be at least 1"):
        SelectionConfig(steps=0)
    with pytest.raises(ConfigError, match="one of the two"):
        SelectionConfig(steps=50, every=2)


def test_an_impossible_first_epoch() -> None:
    with pytest.raises(ConfigError, match="first must be at least 1"):
        SelectionConfig(first=0)
