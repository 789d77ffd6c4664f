"""Shap-CA's games: their numbers, who plays, and where the losses reach."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from torch import Tensor  # noqa: E402

from magpie.corpora.controlled import without_pictures  # noqa: E402
from magpie.errors import ConfigError  # noqa: E402
from magpie.methods._shap_ca_games import AlignmentSettings, align  # noqa: E402
from magpie.methods.ner.shap_ca_ner import ShapCaNerConfig  # noqa: E402
from magpie.methods.relation.shap_ca_re import ShapCaReConfig  # noqa: E402
from magpie.schema import Media  # noqa: E402

from .shap_cas import HEADS, POSTS, Head, batch_of, made, number, said  # noqa: E402

SPEC = torch.tensor([[0.9, 0.2], [0.1, 0.8]])
PAIR = {
    "context_vector": SPEC,
    "text_vector": torch.eye(2),
    "picture_vector": torch.eye(2),
    "told": torch.tensor([True, True]),
    "seen": torch.tensor([True, True]),
}


def plain(**settings: Any) -> AlignmentSettings:
    return AlignmentSettings(**{"contrast_temperature": 1.0, "normalise": False, **settings})


def test_the_numbers_of_the_games() -> None:
    different = torch.tensor([1, 2])
    both = align(plain(), PAIR, different)
    assert float(both["semantic"]) == pytest.approx(0.1 * 0.403740, abs=1e-7)
    assert float(both["modality"]) == pytest.approx(0.1 * 0.403740, abs=1e-7)
    for sides, expected in (("context", 0.404294), ("other", 0.403186)):
        losses = align(plain(sides=sides, semantic_weight=1.0), PAIR, different)
        assert float(losses["semantic"]) == pytest.approx(expected, abs=1e-6)
    margin = plain(contrast="margin", sides="context", semantic_weight=1.0)
    assert float(align(margin, PAIR, different)["semantic"]) == pytest.approx(-0.7, abs=1e-6)
    # Of one picture they have nothing to tell apart; unless that is what is asked for.
    same = torch.tensor([1, 1])
    assert float(align(plain(), PAIR, same)["semantic"]) == 0.0
    open_ = align(plain(mask_duplicates=False), PAIR, same)
    assert float(open_["semantic"]) == pytest.approx(0.0403740, abs=1e-7)
    # Directions only: both vectors of a row are as long as one likes.
    longer = {**PAIR, "context_vector": SPEC * torch.tensor([[3.0], [0.5]])}
    one, other = (align(plain(normalise=True), v, different)["semantic"] for v in (PAIR, longer))
    assert float(one) == pytest.approx(float(other), abs=1e-6)


@HEADS
def test_nobody_plays_when_predicting(task: str) -> None:
    method = made(task)
    main = "emissions" if task == "ner" else "logits"
    assert set(method(batch_of(method, POSTS[task])).scores) == {main}
    with_gold = method(batch_of(method, POSTS[task], gold=True))
    assert set(with_gold.losses) == {"main", "semantic", "modality"}
    alone = method(batch_of(method, POSTS[task][:1], gold=True))
    assert set(alone.losses) == {"main"}
    off = made(task, semantic_weight=0.0, modality_weight=0.0)
    assert set(off(batch_of(off, POSTS[task], gold=True)).losses) == {"main"}


@HEADS
def test_posts_without_something_play_no_part(task: str) -> None:
    method = made(task)
    some = [*without_pictures(POSTS[task][:6]), *POSTS[task][6:]]
    some = [said(some[0]), *[said(d, f"a dog {n}") for n, d in enumerate(some[1:])]]
    output = method(batch_of(method, some, gold=True))
    assert output.scores["told"].tolist() == [False] + [True] * 7
    assert output.scores["seen"].tolist() == [False] * 6 + [True] * 2
    torch.manual_seed(3)
    output = method(batch_of(method, some, gold=True))
    torch.manual_seed(3)
    fewer = method(batch_of(method, some[1:], gold=True))
    for name in ("semantic", "modality"):
        assert number(output.losses[name]) == pytest.approx(number(fewer.losses[name]), abs=1e-6)
    seven = method(batch_of(method, some[:7], gold=True))
    assert set(seven.losses) == {"main", "semantic"}


def moved(method: Head, loss: Tensor) -> set[str]:
    """Parts of the method with a gradient."""
    method.zero_grad()
    loss.backward(retain_graph=True)
    named = [
        (name, p) for name, p in method.named_parameters() if p.grad is not None and p.grad.any()
    ]
    return {".".join(name.split(".")[: 2 if "." in name else 1]) for name, _ in named}


@HEADS
@pytest.mark.parametrize("separate", [False, True])
def test_where_the_losses_reach(task: str, separate: bool) -> None:
    method = made(task, separate_encoding=separate).train()
    losses = method(batch_of(method, POSTS[task], gold=True)).losses
    text, vision = "backbones.text", "backbones.vision"
    assert moved(method, losses["semantic"]) == {text, "projections.text", "projections.context"}
    picture = {"project_picture.weight", "project_picture.bias"}
    assert moved(method, losses["modality"]) == {
        text, vision, "projections.context", "projections.picture", *picture,
    }  # fmt: skip
    assert moved(method, losses["main"]) >= {text, vision, "classifier.weight", "fusion.norm"}


def test_a_frozen_picture_encoder_stays() -> None:
    method = made("ner", freeze_vision=True).train()
    losses = method(batch_of(method, POSTS["ner"], gold=True)).losses
    assert "backbones.vision" not in moved(method, losses["modality"])


def test_exact_games_do_not_depend_on_the_order_of_the_batch() -> None:
    for task in ("ner", "mre"):
        method = made(task, exact_up_to=8)
        forth, back = (
            method(batch_of(method, documents, gold=True)).losses
            for documents in (POSTS[task], POSTS[task][::-1])
        )
        for name in ("semantic", "modality"):
            assert number(forth[name]) == pytest.approx(number(back[name]), abs=1e-5)


def test_orders_are_drawn_anew_or_from_a_seed() -> None:
    batch = batch_of(made("mre"), POSTS["mre"], gold=True)

    def twice(**settings: Any) -> list[float]:
        method = made("mre", **settings)
        return [number(method(batch).losses["semantic"]) for _ in range(2)]

    torch.manual_seed(1)
    one, other = twice(samples=2)
    assert one != other
    one, other = twice(samples=2, order_seed=5)
    assert one == other


@HEADS
def test_games_are_played_in_full_precision(task: str) -> None:
    method = made(task, exact_up_to=8)
    batch = batch_of(method, POSTS[task], gold=True)
    full = method(batch).losses
    with torch.autocast("cpu", torch.bfloat16):
        half = method(batch).losses
    for name in ("semantic", "modality"):
        assert half[name].dtype == torch.float32
        assert number(half[name]) == pytest.approx(number(full[name]), abs=0.02)


def test_which_posts_have_one_picture() -> None:
    method = made("mre")
    one, other = (POSTS["mre"][n].with_annotations(None) for n in (0, 5))
    numbered = batch_of(method, [one, dataclasses.replace(other, media=one.media), other])
    first, second, third = numbered.inputs["picture"].tolist()
    assert first == second != third
    lost = Media(uri="a.jpg", missing="no such file")
    named = [dataclasses.replace(d, media=(lost,)) for d in (one, other)]
    first, second = batch_of(method, named).inputs["picture"].tolist()
    assert first == second
    bare = [dataclasses.replace(d, media=(), context=()) for d in (one, other)]
    told = [said(d, "the same") for d in bare]
    assert len(set(batch_of(method, told).inputs["picture"].tolist())) == 1
    assert len(set(batch_of(method, [said(d) for d in bare]).inputs["picture"].tolist())) == 2


def test_groups_have_their_rates() -> None:
    rates = {g.name: g.rate for g in made("mre").groups()}
    assert rates == {"encoders": None, "new": 1e-4}
    rates = {g.name: g.rate for g in made("ner").groups()}
    assert rates == {"encoders": None, "new": 1e-4, "chain": 1e-2}


def test_defaults_are_those_of_the_reconstruction() -> None:
    for config in (ShapCaNerConfig(), ShapCaReConfig()):
        assert (config.max_length, config.context_length, config.project_width) == (256, 128, 256)
        assert (config.utility_temperature, config.contrast_temperature) == (1.0, 0.1)
        assert (config.samples, config.antithetic, config.exact_up_to) == (8, True, 6)
        assert (config.semantic_weight, config.modality_weight) == (0.1, 0.1)
        assert (config.contrast, config.sides, config.players) == ("info_nce", "both", None)
        assert (config.fusion, config.heads, config.fusion_dropout) == ("bridge", 8, 0.1)
        assert not config.separate_encoding
        assert not config.detach_weights
        assert not config.freeze_vision
        assert config.mask_duplicates
    assert ShapCaReConfig().dropout == 0.5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"players": 1}, "players must be at least 2"),
        ({"samples": 0}, "at least one sample"),
        ({"utility_temperature": 0.0}, "temperature above 0"),
        ({"contrast_temperature": 0.0}, "contrast_temperature must be above 0"),
        ({"exact_up_to": 40}, "exact_up_to must lie in"),
        ({"semantic_weight": -1.0}, "weights must be from 0 on"),
        ({"context_length": 0}, "of at least 1"),
        ({"fusion_dropout": 1.0}, "fusion_dropout must lie in"),
        ({"dropout": 1.0}, "dropout must lie in"),
        ({"max_length": 2}, "max_length must be at least"),
    ],
)
def test_refusals(settings: dict[str, Any], message: str) -> None:
    for config in (ShapCaNerConfig, ShapCaReConfig):
        with pytest.raises(ConfigError, match=message):
            config(**settings)
    with pytest.raises(ConfigError, match="must divide the width"):
        made("mre", heads=5)
