"""What public runs do beside rates and sizes: scorer, order, decay on everything, ties, samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="training needs the extra 'train'")

from magpie.corpora.controlled import ControlledConfig, controlled
from magpie.errors import ConfigError
from magpie.features.supply import Supplier
from magpie.methods.labels import LabelSpace
from magpie.methods.ner.bert_crf import BertCrf, BertCrfConfig
from magpie.training.data import training_data
from magpie.training.examples import Examples, epoch_batches
from magpie.training.journal import read_metrics
from magpie.training.loop import LoopConfig
from magpie.training.optimisers import OptimiserConfig, make_optimiser
from magpie.training.recipe import DataConfig, SelectionConfig, parse_recipe, read_recipe
from magpie.training.run import run

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


def test_an_impossible_first_epoch() -> None:
    with pytest.raises(ConfigError, match="first must be at least 1"):
        SelectionConfig(first=0)
