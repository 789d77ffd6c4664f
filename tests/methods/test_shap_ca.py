"""Shap-CA, both heads: what is read together, who plays, and where the losses reach."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from torch import Tensor, nn  # noqa: E402

from magpie.corpora.controlled import ControlledConfig, controlled, without_pictures  # noqa: E402
from magpie.errors import ConfigError  # noqa: E402
from magpie.features.supply import Supplier  # noqa: E402
from magpie.methods._shap_ca_games import AlignmentSettings, align  # noqa: E402
from magpie.methods.base import Batch, without_gold  # noqa: E402
from magpie.methods.context import context_pieces  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.methods.ner.shap_ca_ner import ShapCaNer, ShapCaNerConfig  # noqa: E402
from magpie.methods.relation.shap_ca_re import ShapCaRe, ShapCaReConfig  # noqa: E402
from magpie.schema import ContextText, Document, Entity, Media, Relation  # noqa: E402

TINY: dict[str, Any] = {
    "text": "tiny-bert",
    "vision": "tiny-vit",
    "max_length": 48,
    "context_length": 16,
    "project_width": 16,
    "dropout": 0.0,
    "fusion_dropout": 0.0,
    "attention_dropout": 0.0,
}
POSTS = {
    task: list(controlled("train", ControlledConfig(task=task, size=8, seed=2)))
    for task in ("ner", "mre")
}
HEADS = pytest.mark.parametrize("task", ["ner", "mre"])
Head = ShapCaNer | ShapCaRe


def made(task: str, **settings: Any) -> Head:
    torch.manual_seed(0)
    labels = LabelSpace.of(POSTS[task])
    options = {**TINY, **settings}
    if task == "ner":
        return ShapCaNer.build(ShapCaNerConfig(**options), labels).eval()
    return ShapCaRe.build(ShapCaReConfig(**options), labels).eval()


def batch_of(method: Head, documents: list[Document], *, gold: bool = False) -> Batch:
    supplier = Supplier()
    examples = [
        method.prepare(without_gold(d, method.given), supplier(d, method.needs()))
        for d in documents
    ]
    aims = [method.targets(d, e) for d, e in zip(documents, examples, strict=True)]
    return method.collate(examples, aims if gold else ())


def reading_of(method: Head, batch: Batch) -> Any:
    with torch.no_grad():
        return method.read(batch, batch.inputs.get("owner"))


def said(document: Document, *texts: str) -> Document:
    context = tuple(
        ContextText(kind="caption", text=t, source=f"s{n}") for n, t in enumerate(texts)
    )
    return dataclasses.replace(document, context=context)


def read_ids(method: Head, batch: Batch) -> list[list[int]]:
    """What the text encoder is handed, without padding."""
    seen: list[list[int]] = []

    def note(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        seen.extend(i[m.bool()].tolist() for i, m in zip(given[0], given[1], strict=True))

    hook = method.backbones["text"].register_forward_pre_hook(note)
    reading_of(method, batch)
    hook.remove()
    return seen


@HEADS
def test_the_description_stands_in_front_of_the_post(task: str) -> None:
    method = made(task)
    documents = [said(POSTS[task][0], "a red dog", "here"), said(POSTS[task][1]), POSTS[task][2]]
    batch = batch_of(method, documents)
    tokenizer = method.text.tokenizer
    rows = read_ids(method, batch)
    own = [i[m.bool()].tolist() for i, m in _rows(batch)]
    context = tokenizer("a red dog here", add_special_tokens=False)["input_ids"]
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    assert rows[0] == [cls, *context, sep, *own[0][1:]]
    # Without a description the post is read as it is alone.
    assert rows[1] == own[1]
    third = context_pieces([c.text for c in documents[2].context], method.text, 16)
    assert rows[2] == [cls, *third, sep, *own[2][1:]]
    reading = reading_of(method, batch)
    assert reading.context_mask.sum(1).tolist() == [len(context), 0, len(third)]
    assert reading.text_mask.sum(1).tolist() == [len(row) - 2 for row in own]
    assert reading.patches.shape[1:] == (64, method.text.width)


def _rows(batch: Batch) -> list[tuple[Tensor, Tensor]]:
    return list(zip(batch.inputs["input_ids"], batch.inputs["attention_mask"], strict=True))


@HEADS
def test_states_are_those_of_the_joint_input(task: str) -> None:
    method = made(task)
    batch = batch_of(method, [said(POSTS[task][0], "a red dog"), said(POSTS[task][1])])
    reading = reading_of(method, batch)
    joint = torch.tensor([read_ids(method, batch)[0]])
    with torch.no_grad():
        states = method.text(joint, torch.ones_like(joint))[0]
    length = int(batch.inputs["attention_mask"][0].sum())
    count = int(reading.context_mask[0].sum())
    assert torch.allclose(reading.context[0, :count], states[1 : 1 + count], atol=1e-5)
    assert torch.allclose(reading.text[0, 0], states[0], atol=1e-5)
    assert torch.allclose(reading.text[0, 1:length], states[count + 2 :], atol=1e-5)


@HEADS
def test_the_description_is_cut_and_the_post_is_not(task: str) -> None:
    document = said(POSTS[task][0], "red dog " * 100)
    method = made(task, max_length=24)
    batch = batch_of(method, [document])
    (row,) = read_ids(method, batch)
    ids, mask = _rows(batch)[0]
    assert len(row) == 24
    assert row[-(int(mask.sum()) - 1) :] == ids[mask.bool()].tolist()[1:]
    short = made(task, context_length=3)
    assert int(reading_of(short, batch_of(short, [document])).context_mask.sum()) == 3
    # A post that fills the input leaves no place for a description.
    full = made(task, max_length=int(mask.sum()))
    (row,) = read_ids(full, batch_of(full, [document]))
    assert row == ids[mask.bool()].tolist()


@HEADS
def test_without_description_and_picture_the_words_are_alone(task: str) -> None:
    method = made(task)
    document = said(without_pictures([POSTS[task][0]])[0])
    batch = batch_of(method, [document])
    reading = reading_of(method, batch)
    with torch.no_grad():
        fused = method.fuse(reading)
        assert torch.allclose(fused, method.fusion.norm(reading.text), atol=1e-6)
    refusing = made(task, missing_context="refuse")
    with pytest.raises(ConfigError, match="no description") as caught:
        batch_of(refusing, [document])
    assert caught.value.where == document.id


def test_pieces_of_a_description() -> None:
    encoder = made("ner").text
    whole = encoder.tokenizer("a red dog today", add_special_tokens=False)["input_ids"]
    assert context_pieces([" a  red\n", "", "dog today"], encoder, 99) == whole
    assert context_pieces(["a red dog", "today"], encoder, 2) == whole[:2]
    assert context_pieces([" ", ""], encoder, 9) == []


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


def number(loss: Tensor) -> float:
    return float(loss.detach())


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


@HEADS
def test_vectors_are_means_of_projected_states(task: str) -> None:
    method = made(task)
    batch = batch_of(method, POSTS[task][:3], gold=True)
    owner = batch.inputs.get("owner")
    reading = reading_of(method, batch)
    with torch.no_grad():
        found = method.vectors(reading, batch, owner)
        for name, states, mask in (
            ("text", reading.text, reading.text_mask),
            ("context", reading.context, reading.context_mask),
            ("picture", reading.patches, torch.ones(3, 64, dtype=torch.bool)),
        ):
            rows = torch.stack([s[m].mean(0) for s, m in zip(states, mask, strict=True)])
            expected = method.projections[name](rows)
            assert torch.allclose(found[f"{name}_vector"], expected, atol=1e-5)
        top = made(task, pooling="max")
        highest = torch.stack(
            [s[m].amax(0) for s, m in zip(reading.text, reading.text_mask, strict=True)]
        )
        expected = top.projections["text"](highest)
        assert torch.allclose(
            top.vectors(reading, batch, owner)["text_vector"], expected, atol=1e-5
        )


@HEADS
def test_read_together_a_description_has_seen_its_post(task: str) -> None:
    one = said(POSTS[task][0], "a red dog")
    other = said(POSTS[task][4], "a red dog")
    for separate in (False, True):
        method = made(task, separate_encoding=separate)
        batch = batch_of(method, [one, other], gold=True)
        with torch.no_grad():
            scores = method(batch).scores
        vectors = scores["context_vector"]
        assert torch.allclose(vectors[0], vectors[1], atol=1e-5) is separate
    words = said(POSTS[task][0], "one green cat")
    with torch.no_grad():
        vectors = method(batch_of(method, [one, words], gold=True)).scores["text_vector"]
    assert torch.allclose(vectors[0], vectors[1], atol=1e-5)


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


def test_pairs_of_a_document_are_no_rivals() -> None:
    """Two pairs of one post share picture and description; only the other post is a rival."""
    post = POSTS["mre"][0]
    gold = post.annotations
    assert gold is not None
    entities: tuple[Entity, ...] = gold.entities[:2]
    kind = gold.relations[0].type
    both = tuple(
        Relation(id=f"p{n}", head=a.id, tail=b.id, type=kind)
        for n, (a, b) in enumerate((entities, entities[::-1]))
    )
    double = post.with_annotations(dataclasses.replace(gold, entities=entities, relations=both))
    method = made("mre", exact_up_to=8)
    alone = method(batch_of(method, [double], gold=True))
    assert len(alone.scores["logits"]) == 2
    assert number(alone.losses["semantic"]) == 0.0
    rivals = made("mre", exact_up_to=8, mask_duplicates=False)
    assert number(rivals(batch_of(rivals, [double], gold=True)).losses["semantic"]) > 0.0


def test_relations_are_read_at_both_markers_of_the_fused_states() -> None:
    method = made("mre")
    assert isinstance(method, ShapCaRe)
    batch = batch_of(method, POSTS["mre"][:2])
    ends = batch.inputs["ends"]
    markers = [method.markers["<s>"], method.markers["<o>"]]
    assert batch.inputs["input_ids"].gather(1, ends).tolist() == [markers, markers]
    fused = method.fuse(reading_of(method, batch))
    rows = torch.arange(2)
    read = torch.cat([fused[rows, ends[:, 0]], fused[rows, ends[:, 1]]], 1)
    assert torch.allclose(method(batch).scores["logits"], method.classifier(read), atol=1e-6)
    assert method.classifier.in_features == 2 * method.text.width


def test_the_chain_runs_over_the_post_alone() -> None:
    for subtoken in ("x_tag", "first_only"):
        method = made("ner", subtoken=subtoken)
        assert isinstance(method, ShapCaNer)
        batch = batch_of(method, POSTS["ner"][:1], gold=True)
        places = batch.inputs["first" if subtoken == "first_only" else "input_ids"]
        output = method(batch)
        assert output.scores["emissions"].shape[1] == places.shape[1]
        assert output.loss.isfinite()


def test_casing_reaches_the_posts_own_pieces() -> None:
    method = made("ner", casing=True)
    assert isinstance(method, ShapCaNer)
    batch = batch_of(method, [said(POSTS["ner"][0], "a red dog")])
    before = reading_of(method, batch)
    assert method.casing is not None
    with torch.no_grad():
        method.casing.weight[1:].normal_()
    seen: list[Tensor] = []
    hook = method.backbones["text"].register_forward_pre_hook(lambda _, g: seen.append(g[2]))
    after = reading_of(method, batch)
    hook.remove()
    cased = seen[0][0].any(1).long().tolist()
    description = 1 + int(after.context_mask.sum()) + 1
    assert not any(cased[:description])
    assert cased[description:] == (batch.inputs["case"][0] > 0).long().tolist()[1:]
    assert any(cased)
    assert not torch.allclose(before.text, after.text, atol=1e-3)


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
