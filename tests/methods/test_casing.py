"""Case ids stand on the pieces of their words, and a tagger with them tells Apple from apple."""

from __future__ import annotations

import pytest
import torch

from magpie.errors import ConfigError
from magpie.features.supply import Supplier
from magpie.methods.base import Method
from magpie.methods.casing import CASE_IDS, case_ids
from magpie.methods.labels import LabelSpace
from magpie.methods.registry import method_class
from magpie.schema import Block, ContextText, Document


def test_first_and_later_pieces_are_told_apart_and_specials_are_nothing():
    # [CLS] Apple(1,2) nba(3) <lost> !(4) [SEP] FIFA(6,7) [SEP]
    words = ["Apple", "nba", "x", "!", "", "FIFA"]
    ids = case_ids(words, [1, 3, -1, 4, 5, 6], 9)
    title, lower, upper, mark = 2, 1, 3, 10
    assert ids == [
        0, 2 * title - 1, 2 * title, 2 * lower - 1, 2 * mark - 1, 0, 2 * upper - 1, 2 * upper, 0,
    ]  # fmt: skip
    assert max(ids) < CASE_IDS


def test_hash_signs_and_addresses():
    ids = case_ids(["#NBA", "@you", "https://t.co/x", "#"], [1, 2, 3, 4], 6)
    assert ids == [0, 2 * 3 - 1, 2 * 1 - 1, 2 * 13 - 1, 2 * 10 - 1, 0]


def _method(name: str, **config: object) -> Method:
    cls = method_class(name)
    labels = LabelSpace(entity_types=("PER", "ORG"))
    torch.manual_seed(0)
    method: Method = cls.build(cls.Config(text="tiny-bert", casing=True, **config), labels)
    return method.eval()


def _emissions(method: Method, *texts: str) -> torch.Tensor:
    context = (ContextText(kind="note", text="An APPLE", source="pgim"),)
    documents = [
        Document(id=str(i), blocks=(Block(text=text),), context=context)
        for i, text in enumerate(texts)
    ]
    supplier = Supplier()
    rows = [method.prepare(d, supplier(d, method.needs())) for d in documents]
    return method(method.collate(rows)).scores["emissions"]


@pytest.mark.parametrize("name", ["bert-crf", "pgim"])
def test_casing_says_nothing_until_it_has_learned(name):
    method = _method(name)
    lower, title = _emissions(method, "an apple a day", "an Apple a day")
    assert torch.equal(lower, title), "the tiny tokenizer lower-cases, the new weights are zero"
    assert method.casing is not None
    with torch.no_grad():
        # Title, first piece; a constant would be taken out by the layer norm behind it.
        method.casing.weight[3] += torch.randn(method.casing.weight.shape[1])
    lower, title = _emissions(method, "an apple a day", "an Apple a day")
    assert not torch.allclose(lower, title)


def test_the_text_view_is_that_of_the_text_alone():
    method = _method("pgim", views=(0.5, 0.5, 0.5))
    assert method.casing is not None
    with torch.no_grad():
        method.casing.weight[1:] += torch.randn(CASE_IDS - 1, method.casing.weight.shape[1])
    document = Document(
        id="a",
        blocks=(Block(text="an Apple a DAY"),),
        context=(ContextText(kind="note", text="NASA and Eileen", source="pgim"),),
    )
    bare = Document(id="a", blocks=document.blocks)
    supplier = Supplier()
    rich, poor = (
        method.collate([method.prepare(d, supplier(d, method.needs()))]) for d in (document, bare)
    )
    assert rich.inputs["input_ids"].shape[1] > poor.inputs["input_ids"].shape[1]
    alone = method.text_view(rich)
    assert torch.equal(
        method(alone).scores["emissions"][:, :4], method(poor).scores["emissions"][:, :4]
    )


def test_a_method_that_walks_through_its_encoder_refuses():
    cls = method_class("hvpnet")
    with pytest.raises(ConfigError, match="no place for casing"):
        cls.build(
            cls.Config(text="tiny-bert", vision="tiny-resnet", casing=True),
            LabelSpace(entity_types=("PER",)),
        )


def test_attention_dropout_is_set_alone():
    method = method_class("bert-crf").build(
        method_class("bert-crf").Config(text="tiny-bert", attention_dropout=0.0),
        LabelSpace(entity_types=("PER",)),
    )
    config = method.text.transformer.config
    assert config.attention_probs_dropout_prob == 0.0
    assert config.hidden_dropout_prob == 0.1
    with pytest.raises(ConfigError, match="attention_dropout must lie in"):
        method_class("bert-crf").Config(attention_dropout=1.0)
