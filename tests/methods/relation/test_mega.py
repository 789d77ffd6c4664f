"""MEGA: its sizes, what it reads, and what its options change."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from torch import Tensor  # noqa: E402

from magpie.corpora.controlled import ControlledConfig, controlled  # noqa: E402
from magpie.errors import ConfigError  # noqa: E402
from magpie.features import Asset  # noqa: E402
from magpie.features.supply import Supplier  # noqa: E402
from magpie.methods.base import Batch, without_gold  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.methods.relation.mega import Mega, MegaConfig  # noqa: E402
from magpie.schema import (  # noqa: E402
    Annotations,
    Block,
    Document,
    Entity,
    Relation,
    Span,
)

POSTS = list(controlled("test", ControlledConfig(task="mre", size=8, told=0.5)))
SMALL = {
    "text": "tiny-bert",
    "regions": "blobs",
    "region_width": 768,
    "object_count": 4,
    "scene": "blobs",
    "parser": "chunks",
    "max_length": 32,
    "dropout": 0.0,
    "text_dropout": 0.0,
}


def made(**options: Any) -> Mega:
    torch.manual_seed(0)
    return Mega.build(MegaConfig(**{**SMALL, **options}), LabelSpace.of(POSTS)).eval()


def batch_of(method: Mega, documents: list[Document]) -> Batch:
    supplier = Supplier()
    examples = [
        method.prepare(without_gold(d, method.given), supplier(d, method.needs()))
        for d in documents
    ]
    return method.collate(examples)


def pair(text: str, head: str, tail: str) -> Document:
    """A post without picture whose mentions are these strings."""
    spans = [Span("b0", text.index(part), text.index(part) + len(part)) for part in (head, tail)]
    entities = tuple(Entity(id=f"e{i}", span=span, type="PER") for i, span in enumerate(spans))
    relation = Relation(id="f0", head="e0", tail="e1", type="unknown")
    gold = Annotations(entities=entities, relations=(relation,))
    return Document(id="d", blocks=(Block(text=text),), annotations=gold)


def test_defaults_are_the_published_ones() -> None:
    c = MegaConfig()
    assert (c.text, c.max_length, c.dropout) == ("bert-base-uncased", 128, 0.5)
    assert (c.object_count, c.region_width) == (10, 4096)
    assert (c.hops, c.alpha, c.nearest) == (2, 0.01, 5)
    assert not any(getattr(c, f.name) for f in dataclasses.fields(c) if "legacy" in f.name)


def test_sizes_of_the_published_model() -> None:
    """Numbers of the parameters at D = 768, F = 4096; the same layers at our own small width."""

    def count(*layers: tuple[int, int]) -> int:
        return sum(a * b + b for a, b in layers)

    assert count((4096, 1536)) == 6_292_992
    assert count((768, 1536)) == 1_181_184
    assert count(*[(1536, 1536)] * 3) == 7_082_496
    assert count(*[(3072, 1536)] * 2) == 9_440_256
    assert count((1536, 23)) == 35_351
    method = made(object_count=10)
    e = 2 * method.text.width
    for part, expected in (
        (method.object_map, count((768, e))),
        (method.text_map, count((method.text.width, e))),
        (method.query, count((e, e))),
        (method.join, count((2 * e, e))),
        (method.final, count((2 * e, e))),
        (method.classifier, count((e, len(method.labels.relation_types)))),
    ):
        assert sum(p.numel() for p in part.parameters()) == expected
    # Nothing else but the encoder: layers that the public code builds and never uses are not here.
    own = {name.split(".")[0] for name, _ in method.named_parameters()}
    assert own == {
        "backbones", "object_map", "text_map", "query", "key", "value", "join", "final",
        "classifier",
    }  # fmt: skip


def test_shapes_and_the_range_of_the_semantic_part() -> None:
    method = made(object_count=10)
    batch = batch_of(method, POSTS[:3])
    e, types = 2 * method.text.width, len(method.labels.relation_types)
    assert batch.inputs["objects"].shape == (3, 10, 768)
    states = method.text(batch.inputs["input_ids"], batch.inputs["attention_mask"])
    lifted = method.text_map(states)
    s = method.semantic(lifted, method.object_map(torch.zeros(3, 10, 768)), None)
    assert s.shape == (3, 10, e)
    assert bool(((s > 0) & (s < 1)).all())
    g = method.structural(lifted, batch.inputs["alignment"])
    assert g.shape == (3, 10, e)
    assert method.pair_states(states, batch).shape == (3, e)
    assert method.representation(batch).shape == (3, e)
    assert method(batch).scores["logits"].shape == (3, types)


def test_turning_is_no_reshaping() -> None:
    alignment = torch.arange(6.0).reshape(1, 3, 2)
    eye = torch.eye(3).unsqueeze(0)  # words as they are: G is the turned alignment itself
    for options, expected in (
        ({}, [[0.0, 2.0, 4.0], [1.0, 3.0, 5.0]]),
        ({"legacy_reshape": True}, [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]),
    ):
        assert made(**options).structural(eye, alignment)[0].tolist() == expected


def test_reading_a_post_twice_gives_the_same_alignment() -> None:
    """The public loader changes its cached matrix each time it is read."""
    method, supplier = made(), Supplier()
    assets = supplier(POSTS[0], method.needs())
    document = without_gold(POSTS[0], method.given)
    rows = [method.prepare(document, assets).inputs["alignment"].clone() for _ in range(3)]
    assert rows[0].any()
    assert torch.equal(rows[0], rows[1])
    assert torch.equal(rows[0], rows[2])


def test_a_tail_that_comes_first_keeps_its_own_markers() -> None:
    method = made()
    batch = batch_of(method, [pair("London greets Anna today", "Anna", "London")])
    ids, ends = batch.inputs["input_ids"][0].tolist(), batch.inputs["ends"][0].tolist()
    assert ids[ends[0]] == method.markers["<s>"]
    assert ids[ends[1]] == method.markers["<o>"]
    assert ends[1] < ends[0]


def words_of(method: Mega, document: Document, words: Tensor) -> tuple[Tensor, list[int]]:
    """The rows of a pair where the alignment of the words is the given one."""
    assets = {need: Asset.absent("not asked for") for need in method.needs()}
    assets[method._alignment] = Asset({"alignment": words.numpy()})
    example = method.prepare(without_gold(document, method.given), assets)
    return example.inputs["alignment"][0], example.inputs["input_ids"][0].tolist()


def test_every_piece_of_a_word_gets_its_row_and_markers_get_none() -> None:
    method = made()
    document = pair("Zqxvy greets Bo", "Zqxvy", "Bo")
    words = torch.arange(1.0, 4.0).unsqueeze(1).expand(3, 4).contiguous()
    rows, ids = words_of(method, document, words)
    cut = method.text.tokenizer(["Zqxvy", "greets", "Bo"], add_special_tokens=False)
    pieces = [len(word) for word in cut["input_ids"]]
    assert pieces[0] > 1
    expected = [0, 0, *[1] * pieces[0], 0, *[2] * pieces[1], 0, *[3] * pieces[2], 0, 0]
    assert rows[:, 0].tolist() == expected
    assert len(ids) == len(expected)
    # As published: a row a word, so a split word moves all that follow.
    moved, _ = words_of(made(legacy_no_expand=True), document, words)
    plain = [0, 0, 1, 0, 2, 0, 3, 0]
    assert moved[:, 0].tolist() == [*plain, *[0] * (len(expected) - len(plain))][: len(expected)]


def test_the_bias_of_the_join_counts_once_an_object() -> None:
    method = made(object_count=10)
    e = method.join.out_features
    method.join.weight.data.zero_()
    s, g = torch.rand(1, 10, e), torch.rand(1, 10, e)
    there = torch.tensor([[True] * 3 + [False] * 7])
    assert torch.allclose(method.object_sum(s, g, there)[0], 10 * method.join.bias)
    hidden = made(object_count=10, mask_padding=True)
    hidden.load_state_dict(method.state_dict())
    assert torch.allclose(hidden.object_sum(s, g, there)[0], 3 * method.join.bias)


def test_summing_first_is_joining_each() -> None:
    method = made()
    e = method.join.out_features
    s, g = torch.rand(2, 4, e), torch.rand(2, 4, e)
    there = torch.ones(2, 4, dtype=torch.bool)
    one_by_one = method.join(torch.cat([s, g], 2)).sum(1)
    assert torch.allclose(method.object_sum(s, g, there), one_by_one, atol=1e-5)


def test_hidden_padding_takes_no_part() -> None:
    """With ``mask_padding`` longer padding changes nothing; as published it is looked at."""
    documents = [POSTS[0], POSTS[1]]
    hidden, published = made(mask_padding=True), made()
    for method, same in ((hidden, True), (published, False)):
        longer = made(max_length=48, mask_padding=method.config.mask_padding)
        longer.load_state_dict(method.state_dict())
        with torch.no_grad():
            one, other = (m(batch_of(m, documents)).scores["logits"] for m in (method, longer))
        assert torch.allclose(one, other, atol=1e-5) is same


def test_objects_and_their_graph_both_have_a_say() -> None:
    method = made()
    batch = batch_of(method, POSTS[:1])
    with torch.no_grad():
        logits = method(batch).scores["logits"]
        for name in ("objects", "alignment"):
            assert batch.inputs[name].any()
            kept = batch.inputs[name]
            batch.inputs[name] = torch.zeros_like(kept)
            assert not torch.allclose(method(batch).scores["logits"], logits, atol=1e-6), name
            batch.inputs[name] = kept


def test_objects_may_be_no_more_than_their_places() -> None:
    method = made(objects="boxes")
    assert method.object_map.in_features == 4
    batch = batch_of(method, POSTS[:2])
    boxes = batch.inputs["objects"]
    assert boxes.shape == (2, 4, 4)
    assert boxes[0, 0].tolist() == [0.5, 0.5, 1.0, 1.0]
    assert batch.inputs["there"][:, 0].all()
    assert torch.isfinite(method(batch).scores["logits"]).all()


def test_a_post_without_picture_has_no_objects_and_no_alignment() -> None:
    method = made()
    batch = batch_of(method, [pair("Anna meets Bo", "Anna", "Bo")])
    assert not batch.inputs["objects"].any()
    assert not batch.inputs["there"].any()
    assert not batch.inputs["alignment"].any()
    assert torch.isfinite(method(batch).scores["logits"]).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"object_count": 0}, "at least 1, got 4096 and 0"),
        ({"dropout": 1.0}, r"in \[0, 1\), got 1.0 and None"),
        ({"legacy_reshape": True, "mask_padding": True}, "cannot go with mask_padding"),
    ],
)
def test_impossible_settings_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MegaConfig(**options)
