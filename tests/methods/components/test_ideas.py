"""The switchable parts inside taggers: neutral when off, exact at their limits."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from magpie.corpora.controlled import without_pictures  # noqa: E402
from magpie.errors import ConfigError  # noqa: E402
from magpie.methods.components.ideas import IdeasConfig  # noqa: E402
from magpie.methods.ner.pgim import Pgim, PgimConfig  # noqa: E402
from magpie.methods.ner.umt import Umt, UmtConfig  # noqa: E402
from magpie.schema import Annotations, Block, ContextText, Document  # noqa: E402

from .samples import (  # noqa: E402
    LABELS,
    NAMES,
    SEES,
    TINY,
    ask,
    batch_of,
    bert,
    emissions,
    hvpnet,
    like_bert,
    mkgformer,
    mmner,
    posts,
    umgf,
    umt,
)

SOME: list[dict[str, Any]] = [
    {"dictionary": NAMES, "bias_emissions": False, "lower_image": False},
    {"dictionary": NAMES, "bias_emissions": False, "kappa": 0.0},
    {"dictionary": NAMES, "bias_emissions": False, "dictionary_features": True, "kappa": 0.0},
    {"image_kind": "stats", "kind_strength": 0.0},
    {"attn_boost": "relevance", "gamma": 0.0},
]


@pytest.mark.parametrize("make", [bert, mmner, umt])
def test_off_is_neutral(make: Any) -> None:
    method, documents = make(), posts()
    assert list(method.ideas.parameters()) == []
    assert torch.equal(emissions(method, documents), emissions(make(), documents))
    assert "kb_sure" not in batch_of(method, documents).inputs


@pytest.mark.parametrize("make", [bert, mmner, umt, umgf, hvpnet, mkgformer])
def test_settings_of_parts_that_are_off_change_nothing(make: Any) -> None:
    others = IdeasConfig()
    changed = {
        "kappa": 0.3, "beta": 2.0, "learn_beta": True, "lower_image": True, "drop_image": 0.9,
        "aux_text_loss": 3.0, "min_side": 9999, "kind_strength": 1.0, "k_min": 0.5, "gamma": 9.0,
        "kind_hard": True, "kind_model": "nobody", "boost_share": 1.0, "boost_merge": "gate",
        "reliability_bias": -9.0, "compat_loss": 5.0,
    }  # fmt: skip
    assert all(getattr(others, name) != value for name, value in changed.items())
    torch.manual_seed(0)
    host = make().train()
    torch.manual_seed(0)
    method = make(**changed).train()
    assert list(method.ideas.parameters()) == []
    for each in (method, host):
        for name in ("text", "vision"):
            if name in each.backbones:
                each.backbones[name].eval()
    assert method.needs() == host.needs()
    torch.manual_seed(3)
    expected = host(batch_of(host, posts()))
    torch.manual_seed(3)
    found = method(batch_of(method, posts()))
    assert torch.equal(found.scores["emissions"], expected.scores["emissions"])
    assert set(found.losses) == set(expected.losses)
    assert torch.equal(found.loss, expected.loss)


@pytest.mark.parametrize("ideas", SOME)
def test_parts_at_their_zero_are_neutral(ideas: dict[str, Any]) -> None:
    documents = [ask(), *posts()]
    host, method = umt(), umt(**ideas)
    method.load_state_dict(host.state_dict(), strict=False)
    assert torch.equal(emissions(method, documents), emissions(host, documents))


def test_what_the_dictionary_says_of_each_piece() -> None:
    method = bert(dictionary=NAMES, eps=0.0)
    batch = batch_of(method, [ask()])
    first = batch.inputs["first"][0].tolist()
    sure = batch.inputs["kb_sure"][0]
    assert sure[first[1] : first[2]].tolist() == [1.0] * (first[2] - first[1])  # siri, all pieces
    assert sure[: first[1]].sum() == 0.0
    assert sure[first[2]] == 0.0
    assert sure[-1] == 0.0  # [SEP]
    types, inside = batch.inputs["kb_types"][0], batch.inputs["kb_inside"][0]
    assert types[first[1]].tolist()[3] == pytest.approx(math.log(4))
    assert inside[first[4]].tolist()[1] == pytest.approx(math.log(4))  # york goes on
    assert types[first[4]].sum() == 0.0
    features = batch.inputs["kb_features"][0]
    assert features[0].tolist() == [1.0, *[0.0] * 8]
    assert features[first[1]].tolist() == [0, 0, 0, 0, 1, 0, 0, 0, 0]
    assert features[first[4]].tolist() == [0, 0, 0, 0, 0, 0, 1, 0, 0]


def test_emissions_move_by_the_logarithm_of_the_share() -> None:
    document = dataclasses.replace(
        ask(), blocks=(Block.from_words(["Rocky", "runs"]),), annotations=Annotations()
    )
    plain, biased = bert(), bert(dictionary=NAMES, eps=0.0)
    moved = (emissions(biased, [document]) - emissions(plain, [document]))[0].detach()
    row = dict(zip(plain.tag_names, moved[1].tolist(), strict=True))
    assert row["B-PER"] == pytest.approx(0.514810, abs=1e-5)
    for name in ("B-LOC", "B-ORG", "B-OTHER"):
        assert row[name] == pytest.approx(-0.458145, abs=1e-5)
    for name in ("O", "X", "PAD", "CLS", "SEP", "I-PER"):
        assert row[name] == 0.0
    assert moved[2:].abs().sum() == 0.0
    assert moved[0].abs().sum() == 0.0


def test_a_learned_beta_starts_where_it_is_set_and_stays_positive() -> None:
    method = bert(dictionary=NAMES, learn_beta=True, beta=0.5)
    assert method.ideas.strength.item() == pytest.approx(0.5)
    method(batch_of(method, [ask()])).loss.backward()
    assert method.ideas.raw_beta.grad is not None
    assert method.ideas.raw_beta.grad.abs() > 0


def test_dictionary_features_learn_from_zero() -> None:
    method = bert(dictionary=NAMES, dictionary_features=True, bias_emissions=False)
    method.load_state_dict(bert().state_dict(), strict=False)
    assert torch.equal(emissions(method, [ask()]), emissions(bert(), [ask()]))
    method(batch_of(method, [ask()])).loss.backward()
    assert method.ideas.features.weight.grad.abs().sum() > 0


def test_a_sure_word_does_not_look() -> None:
    method = umt(
        dictionary=NAMES,
        eps=0.0,
        bias_emissions=False,
        umt_compat=True,
        learn_reliability=False,
    )
    batch = batch_of(method, [ask()])
    scores = method(batch).scores
    first = batch.inputs["first"][0].tolist()
    weight = scores["image_weight"][0]
    assert weight[first[1]] == 0.0
    assert weight[first[0]] == weight[first[2]] == 1.0
    assert torch.equal(scores["emissions"][0, first[1]], scores["text"][0, first[1]])
    assert not torch.equal(scores["emissions"][0, first[0]], scores["text"][0, first[0]])


@pytest.mark.parametrize(
    ("make", "ideas"),
    [
        (mmner, {"missing_image": True}),
        (mmner, {"umt_compat": True}),
        (umt, {"missing_image": True}),
        (umt, {"umt_compat": True}),
    ],
)
def test_without_a_picture_everything_is_bert_crf(make: Any, ideas: dict[str, Any]) -> None:
    method = make(**ideas, aux_text_loss=0.0)
    plain = like_bert(method)
    documents = list(without_pictures(posts()))
    ours, theirs = batch_of(method, documents), batch_of(plain, documents)
    mine, other = method(ours), plain(theirs)
    assert torch.equal(mine.scores["emissions"], other.scores["emissions"])
    assert torch.equal(mine.losses["main"], other.losses["main"])
    assert [a.entities for a in method.decode(mine, ours)] == [
        a.entities for a in plain.decode(other, theirs)
    ]
    mine.losses["main"].backward()
    other.losses["main"].backward()
    for name, parameter in plain.backbones["text"].named_parameters():
        grown = dict(method.backbones["text"].named_parameters())[name].grad
        if parameter.grad is not None:
            assert torch.equal(grown, parameter.grad), name
    for name, parameter in method.named_parameters():
        if not name.startswith(("backbones.text.", "text_head.", "text_classifier.", "crf.")):
            assert parameter.grad is None or not parameter.grad.any(), name


@pytest.mark.parametrize("make", [mmner, umt])
def test_pixels_of_an_absent_picture_may_be_anything(make: Any) -> None:
    method = make(missing_image=True, drop_image=0.0).train()
    batch = batch_of(method, posts())
    name = "pixels" if "pixels" in batch.inputs else "image"
    clean = method(batch).losses["main"]
    batch.inputs["has_image"][1] = False
    batch.inputs[name][1] = math.nan
    output = method(batch)
    assert torch.isfinite(output.scores["emissions"]).all()
    assert not torch.equal(output.losses["main"], clean)
    output.loss.backward()
    for parameter in method.parameters():
        assert parameter.grad is None or torch.isfinite(parameter.grad).all()


def test_features_of_zero_alone_are_not_enough() -> None:
    torch.manual_seed(0)
    method = Umt.build(
        UmtConfig(**SEES, tag_order="umgf", visual="pixels", missing="zeros"), LABELS
    ).eval()
    documents = list(without_pictures(posts()))
    scores = method(batch_of(method, documents)).scores
    whole = umt()
    whole.load_state_dict(method.state_dict(), strict=False)
    text = whole(batch_of(whole, documents)).scores["text"]
    assert (scores["emissions"] - text).abs().max() > 0


def test_hidden_pictures_and_the_text_heads_own_loss() -> None:
    method = mmner(missing_image=True, drop_image=0.5).train()
    torch.manual_seed(0)
    there = torch.stack([method.ideas.there(torch.ones(64, dtype=torch.bool), True)]).float()
    assert 0.3 < there.mean() < 0.7
    assert method.ideas.there(torch.ones(64, dtype=torch.bool), False).all()
    method.eval()
    batch = batch_of(method, posts())
    output = method(batch)
    loss = method.crf(output.scores["text"], batch.targets["tags"], method.chain_mask(batch))
    torch.testing.assert_close(output.losses["text"], 0.5 * loss)


def test_tiny_and_one_coloured_pictures_count_as_absent() -> None:
    from io import BytesIO

    from PIL import Image

    from magpie.schema import Media

    def with_picture(side: int, colour: bool) -> Document:
        image = Image.new("RGB", (side, side), (20, 90, 20))
        if colour:
            image.putpixel((0, 0), (255, 0, 0))
        data = BytesIO()
        image.save(data, "PNG")
        media = Media(data=data.getvalue(), width=side, height=side)
        return dataclasses.replace(posts()[0], media=(media,), annotations=Annotations())

    documents = [with_picture(64, True), with_picture(64, False), with_picture(16, True)]
    there = batch_of(mmner(missing_image=True), documents).inputs["has_image"]
    assert there.tolist() == [True, False, False]
    assert batch_of(mmner(), documents).inputs["has_image"].all()


def test_explanations_are_json() -> None:
    method = umt(dictionary=NAMES, image_kind="stats", umt_compat=True)
    batch = batch_of(method, [ask(), posts()[1]])
    found = method(batch).scores
    told = method.ideas.explain(found, batch.inputs, 0, batch.examples[0].notes)
    assert json.loads(json.dumps(told)) == told
    assert [m["surface"] for m in told["matches"]] == ["siri", "new york"]
    assert told["matches"][0]["confidence"] == pytest.approx(0.629158, abs=1e-6)
    assert set(told) == {"matches", "m", "k", "c", "w", "r"}
    assert len(told["c"]) == len(told["w"]) == int(batch.inputs["attention_mask"][0].sum())


def test_the_dictionary_speaks_in_taggers_that_read_context_too() -> None:
    def pgim(**ideas: Any) -> Pgim:
        torch.manual_seed(0)
        return Pgim.build(
            PgimConfig(**TINY, ideas=IdeasConfig(**ideas), views=(1.0, 1.0, 1.0)), LABELS
        ).eval()

    note = ContextText(kind="note", text="siri is a thing", source="pgim")
    document = dataclasses.replace(ask(), context=(note,))
    plain, biased = pgim(), pgim(dictionary=NAMES, eps=0.0)
    moved = (emissions(biased, [document]) - emissions(plain, [document]))[0].detach()
    places = [
        name for name, value in zip(plain.tag_names, moved[1].tolist(), strict=True) if value > 0
    ]
    assert places == ["B-OTHER", "S-OTHER"]
    assert [n for n, v in zip(plain.tag_names, moved[4].tolist(), strict=True) if v > 0] == [
        "I-LOC",
        "E-LOC",
    ]
    assert torch.isfinite(biased(batch_of(biased, [document])).loss)


@pytest.mark.parametrize(
    "ideas",
    [
        {"kappa": 2.0},
        {"eps": -1.0},
        {"drop_image": 1.0},
        {"dictionary": NAMES, "learn_beta": True, "beta": 0.0},
    ],
)
def test_impossible_settings_are_refused(ideas: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        IdeasConfig(**ideas)


def test_parts_without_a_place_are_refused() -> None:
    with pytest.raises(ConfigError, match="missing_image"):
        bert(missing_image=True)
    with pytest.raises(ConfigError, match="attn_boost"):
        mmner(attn_boost="relevance")
    with pytest.raises(ConfigError, match="shortcut"):
        UmtConfig(missing="zeros", ideas=IdeasConfig(umt_compat=True))


def test_lowering_a_weight_that_there_is_not_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"bert-crf has no place for ideas\.lower_image"):
        bert(dictionary=NAMES, lower_image=True)
    # Left unset it is where it can be, and asking for it without a dictionary asks for nothing.
    assert not bert(dictionary=NAMES).config.ideas.placed
    assert not bert(lower_image=True).config.ideas.placed
    documents = [ask(), *posts()]
    unset, on, off = (umt(dictionary=NAMES, lower_image=value) for value in (None, True, False))
    for method in (on, off):
        method.load_state_dict(unset.state_dict())
    assert torch.equal(emissions(unset, documents), emissions(on, documents))
    assert not torch.equal(emissions(unset, documents), emissions(off, documents))


@pytest.mark.parametrize("boost", ["relevance", "calibrated"])
def test_a_checkpoint_keeps_the_parts(tmp_path: Path, boost: str) -> None:
    from magpie.methods.checkpoint import load_method, save_method

    method = umt(
        dictionary=NAMES,
        learn_beta=True,
        dictionary_features=True,
        missing_image=True,
        image_kind="linear",
        attn_boost=boost,
        umt_compat=True,
    )
    save_method(method, tmp_path / "saved")
    again = load_method(tmp_path / "saved")
    assert again.config == method.config
    documents = [ask(), *posts()]
    assert torch.equal(emissions(again, documents), emissions(method, documents))
