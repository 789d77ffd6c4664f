"""MKGformer's relation head: what is read, what is trained, and pairs that share a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from magpie.corpora.controlled import ControlledConfig, controlled  # noqa: E402
from magpie.errors import ConfigError  # noqa: E402
from magpie.features.supply import Supplier  # noqa: E402
from magpie.methods.base import Batch, without_gold  # noqa: E402
from magpie.methods.checkpoint import load_method, save_method  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.methods.relation.mkgformer_re import MkgformerRe, MkgformerReConfig  # noqa: E402
from magpie.schema import Annotations, Block, Document, Entity, Relation, Span  # noqa: E402

TINY: dict[str, Any] = {
    "text": "tiny-bert",
    "vision": "tiny-clip",
    "fusion_layers": 1,
    "grounded_count": 2,
    "grounded_side": 32,
    "detector_count": 1,
    "detector_side": 16,
    "max_length": 40,
}
LABELS = LabelSpace(
    relation_types=("held_on", "member_of", "none", "parent", "peer"), null_relation="none"
)


def mkgformer(**settings: Any) -> MkgformerRe:
    torch.manual_seed(0)
    method = MkgformerRe.build(MkgformerReConfig(**{**TINY, **settings}), LABELS)
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return method.eval()


def posts(size: int = 4) -> list[Document]:
    return list(controlled("train", ControlledConfig(task="mre", size=size, seed=2)))


def three_pairs() -> Document:
    """One picture, three pairs."""
    post = posts()[0]
    text = "Rocky met Jordan and Paris"
    spans = {"a": (0, 5), "b": (10, 16), "c": (21, 26)}
    entities = tuple(
        Entity(id=name, span=Span("b0", *place), type="PER") for name, place in spans.items()
    )
    pairs = (("a", "b", "peer"), ("b", "c", "none"), ("c", "a", "member_of"))
    relations = tuple(
        Relation(id=f"r{i}", head=head, tail=tail, type=kind)
        for i, (head, tail, kind) in enumerate(pairs)
    )
    gold = Annotations(entities=entities, relations=relations)
    blocks = (Block(id="b0", text=text),)
    return Document(id="three", blocks=blocks, media=post.media, annotations=gold)


def batch_of(method: MkgformerRe, documents: list[Document]) -> Batch:
    supplier, needs = Supplier(), method.needs()
    examples = [
        method.prepare(without_gold(d, method.given), supplier(d, needs)) for d in documents
    ]
    return method.collate(
        examples, [method.targets(d, e) for d, e in zip(documents, examples, strict=True)]
    )


def test_published_settings() -> None:
    c = MkgformerReConfig()
    assert (c.text, c.vision, c.max_length) == ("bert-base-uncased", "clip-vit-base-patch32", 80)
    assert (c.re_repr, c.freeze_re_head, c.mask_text_prefix) == ("markers", False, True)
    assert (c.grounded_count, c.grounded_side) == (3, 128)
    assert (c.detector_count, c.detector_side) == (3, 64)


def test_both_opening_markers_are_read() -> None:
    method = mkgformer()
    batch = batch_of(method, [three_pairs()])
    seen: list[Any] = []
    method.classifier.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    assert method(batch).scores["logits"].shape == (3, 5)
    states = method.towers(method.text, method.vision, batch.inputs, batch.inputs["owner"]).text[-1]
    for row in range(3):
        ids = batch.inputs["input_ids"][row]
        head, tail = (int((ids == method.markers[m]).nonzero()) for m in ("<s>", "<o>"))
        assert batch.inputs["ends"][row].tolist() == [head, tail]
        wanted = torch.cat([states[row, head], states[row, tail]])
        assert torch.allclose(seen[0][row], wanted, atol=1e-6)


def test_the_figure_reads_the_first_state() -> None:
    method = mkgformer(re_repr="cls")
    batch = batch_of(method, [three_pairs()])
    states = method.towers(method.text, method.vision, batch.inputs, batch.inputs["owner"]).text[-1]
    assert method.classifier.in_features == method.text.width
    assert torch.allclose(method(batch).scores["logits"], method.classifier(states[:, 0]))


def test_pairs_of_a_picture_are_read_as_if_each_had_its_own() -> None:
    method = mkgformer()
    documents = [posts()[1], three_pairs()]
    batch = batch_of(method, documents)
    assert batch.inputs["owner"].tolist() == [0, 1, 1, 1]
    assert batch.inputs["grounded"].shape == (2, 2, 3, 32, 32)
    together = method(batch).scores["logits"]
    gold = documents[1].annotations
    assert gold is not None
    for row, relation in enumerate(gold.relations, 1):
        alone = documents[1].with_annotations(
            Annotations(entities=gold.entities, relations=(relation,))
        )
        assert torch.allclose(
            method(batch_of(method, [alone])).scores["logits"][0], together[row], atol=1e-5
        )


def test_the_picture_of_the_document_is_the_one_that_is_read() -> None:
    method = mkgformer()
    batch = batch_of(method, [posts()[1], three_pairs()])
    before = method(batch).scores["logits"]
    batch.inputs["grounded"][0] = 0
    after = method(batch).scores["logits"]
    assert not torch.allclose(after[0], before[0], atol=1e-3)
    assert torch.allclose(after[1:], before[1:], atol=1e-6)


@pytest.mark.parametrize("frozen", [True, False])
def test_the_public_classifier_is_never_trained(frozen: bool) -> None:
    method = mkgformer(freeze_re_head=frozen)
    method.train()
    before = method.classifier.weight.detach().clone()
    optimiser = torch.optim.SGD(method.trainable(), 0.1)
    method(batch_of(method, posts())).loss.backward()
    optimiser.step()
    assert torch.equal(method.classifier.weight, before) == frozen
    listed = {id(p) for group in method.groups() for p in group.parameters}
    assert (id(method.classifier.weight) in listed) != frozen


def test_seen_padding_is_of_full_length_and_trained() -> None:
    shown, hidden = mkgformer(mask_text_prefix=False), mkgformer()
    for method, trained in ((shown, True), (hidden, False)):
        batch = batch_of(method, [posts()[0], three_pairs()])
        full = batch.inputs["input_ids"].shape[1] == method.config.max_length
        assert full == trained
        assert (batch.inputs["attention_mask"] == 0).any()
        method(batch).loss.backward()
        table = method.text.transformer.get_input_embeddings().weight.grad
        assert table is not None
        assert bool(table[method.text.pad_id].any()) == trained


def test_who_receives_no_gradient() -> None:
    method = mkgformer()
    method.train()
    method(batch_of(method, posts())).loss.backward()
    without = {name for name, p in method.named_parameters() if p.grad is None}
    assert without == {
        "backbones.text.model.pooler.dense.weight",
        "backbones.text.model.pooler.dense.bias",
        "backbones.vision.model.embeddings.position_embedding.weight",
        "backbones.vision.model.post_layernorm.weight",
        "backbones.vision.model.post_layernorm.bias",
        "towers.lockstep.fusions.0.dense.weight",
        "towers.lockstep.fusions.0.dense.bias",
    }


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"vision": "tiny-resnet"}, "must be of type clip_vision_model, got 'resnet'"),
        ({"max_length": 7}, "max_length must be at least 8, got 7"),
        ({"detector_side": 20}, "detector_side must be a multiple of 8, got 20"),
    ],
)
def test_impossible_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        mkgformer(**settings)


@pytest.mark.parametrize("mask", [True, False])
def test_saved_and_loaded_it_says_the_same(mask: bool, tmp_path: Path) -> None:
    method = mkgformer(mask_text_prefix=mask)
    save_method(method, tmp_path / "saved")
    loaded = load_method(tmp_path / "saved")
    assert isinstance(loaded, MkgformerRe)
    assert loaded.config == method.config
    assert loaded.markers == method.markers
    ours, theirs = (
        m(batch_of(m, [posts()[0], three_pairs()])).scores["logits"] for m in (method, loaded)
    )
    assert torch.equal(ours, theirs)
    table = cast(Any, loaded.text.transformer.get_input_embeddings())
    assert (table.padding_idx is None) != mask
