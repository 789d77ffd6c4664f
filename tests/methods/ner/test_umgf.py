"""UMGF: counts, start values, the text's own road, edges, and pictures that are not there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from torch import Tensor  # noqa: E402
from transformers import BertConfig, BertModel, ResNetConfig, ResNetModel  # noqa: E402

from magpie.backbones import TextEncoder, VisionEncoder  # noqa: E402
from magpie.backbones.tiny import tiny_tokenizer  # noqa: E402
from magpie.corpora.controlled import ControlledConfig, controlled, without_pictures  # noqa: E402
from magpie.errors import ConfigError  # noqa: E402
from magpie.features import Asset  # noqa: E402
from magpie.features.supply import Supplier  # noqa: E402
from magpie.methods.base import Batch, without_gold  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.methods.ner.umgf import Umgf, UmgfConfig  # noqa: E402
from magpie.schema import Block, Document  # noqa: E402
from magpie.training.optimisers import OptimiserConfig, make_optimiser, set_rates  # noqa: E402
from magpie.vision import PixelSpec  # noqa: E402

POSTS = list(controlled("test", ControlledConfig(size=4)))


def made(**options: Any) -> Umgf:
    torch.manual_seed(0)
    settings = {
        "text": "tiny-bert",
        "vision": "tiny-resnet",
        "objects": "whole",
        "object_width": 24,
        "width": 16,
        "heads": 2,
        "inner": 8,
        "layers": 3,
        "dropout": 0.0,
        **options,
    }
    labels = LabelSpace(entity_types=("PER", "LOC", "ORG", "OTHER"))
    return Umgf.build(UmgfConfig(**settings), labels)


def batch_of(method: Umgf, documents: list[Document], *, targets: bool = False) -> Batch:
    supplier = Supplier()
    examples = [method.prepare(without_gold(d), supplier(d, method.needs())) for d in documents]
    aims = [method.targets(d, e) for d, e in zip(documents, examples, strict=True)]
    return method.collate(examples, aims if targets else ())


def emissions(method: Umgf, batch: Batch) -> Tensor:
    with torch.no_grad():
        return method.eval()(batch).scores["emissions"]


def test_parameters_of_the_published_sizes() -> None:
    with torch.device("meta"):
        bert = BertModel(
            BertConfig(vocab_size=150, num_hidden_layers=1, intermediate_size=8), False
        )
        sizes = ResNetConfig(hidden_sizes=[8, 8, 8, 2048], depths=[1, 1, 1, 1])
        vision = VisionEncoder(ResNetModel(sizes), "r", PixelSpec(side=224, fit="crop"))
        labels = LabelSpace(entity_types=("PER", "LOC", "ORG", "OTHER"))
        method = Umgf(UmgfConfig(), labels, TextEncoder(bert, tiny_tokenizer(), "b"), vision)

    def count(*names: str) -> int:
        parts = [method.get_submodule(name) for name in names]
        return sum(p.numel() for part in parts for p in part.parameters())

    assert count("fusion") == 18_945_024
    assert count("map_text") == 393_728
    assert count("map_objects") == 1_311_744
    assert count("object_vector") == 4_196_352
    assert count("head") == 16_653
    assert count("crf") == 195
    new = sum(p.numel() for n, p in method.named_parameters() if not n.startswith("backbones."))
    assert new == 24_863_696


def test_layers_start_as_copies_and_part_after_a_step() -> None:
    method = made()
    first = dict(method.fusion[0].named_parameters())
    for layer in list(method.fusion)[1:]:
        assert all(torch.equal(first[n], p) for n, p in layer.named_parameters())
        assert all(first[n] is not p for n, p in layer.named_parameters())
        assert torch.equal(layer.attention_text.query.weight, layer.attention_text.key.weight)
    optimiser = torch.optim.Adam(method.trainable(), lr=1e-3)
    method.train()(batch_of(method, POSTS, targets=True)).loss.backward()
    optimiser.step()
    last = dict(method.fusion[2].named_parameters())
    # A softmax does not see what all keys share: key biases have next to no gradient.
    alike = [n for n in first if torch.equal(first[n], last[n]) and not n.endswith("key.bias")]
    assert not alike, alike


def test_the_text_has_a_road_of_its_own_in_the_head() -> None:
    method = made().eval()
    batch = batch_of(method, POSTS)
    with torch.no_grad():
        method.head.weight[:, method.text.width :] = 0
        states = method.text(batch.inputs["input_ids"], batch.inputs["attention_mask"])
        plain = states @ method.head.weight[:, : method.text.width].T + method.head.bias
    one = emissions(method, batch)
    assert torch.allclose(one, plain, atol=1e-6)
    batch.inputs["objects"] = torch.randn_like(batch.inputs["objects"])
    assert torch.equal(emissions(method, batch), one)


def test_the_loss_of_a_batch_is_the_sum_over_its_sentences() -> None:
    method = made().eval()
    with torch.no_grad():
        whole = method(batch_of(method, POSTS, targets=True)).loss
        alone = [method(batch_of(method, [post], targets=True)).loss for post in POSTS]
    assert torch.isclose(whole, torch.stack(alone).sum(), rtol=1e-5)
    assert UmgfConfig().reduction == "sum"
    assert method.tag_names[:3] == ("PAD", "B-PER", "I-PER")


def test_without_a_picture_nothing_reaches_the_text() -> None:
    method = made()
    batch = batch_of(method, without_pictures(POSTS))
    assert not batch.inputs["edges"].any()
    one = emissions(method, batch)
    batch.inputs["objects"] = torch.full_like(batch.inputs["objects"], float("nan"))
    assert torch.equal(emissions(method, batch), one)
    assert not torch.allclose(emissions(method, batch_of(method, POSTS)), one, atol=1e-4)


def test_gradients_are_finite_beside_a_post_without_picture() -> None:
    method = made().train()
    documents = [POSTS[0], *without_pictures(POSTS[1:])]
    batch = batch_of(method, documents, targets=True)
    batch.inputs["objects"][1:] = float("nan")
    method(batch).loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in method.parameters())


def test_an_absent_object_is_left_out_and_order_does_not_matter() -> None:
    method = made()
    batch = batch_of(method, POSTS)
    batch.inputs["objects"] = torch.randn_like(batch.inputs["objects"])
    order = torch.tensor([3, 1, 0, 2])
    one = emissions(method, batch)
    moved = batch_of(method, POSTS)
    moved.inputs["objects"] = batch.inputs["objects"][:, order]
    assert torch.allclose(emissions(method, moved), one, atol=1e-5)
    batch.inputs["there"][:, 3] = False
    batch.inputs["edges"][:, :, 3] = False
    less = emissions(method, batch)
    batch.inputs["objects"][:, 3] = 7.0
    assert torch.equal(emissions(method, batch), less)
    assert not torch.allclose(less, one, atol=1e-4)


def edges(method: Umgf, text: str, phrases: tuple[str, ...]) -> Tensor:
    side, count = method.vision.pixels.side, method.config.object_count
    asset = Asset(
        {
            "pixels": np.ones((count, 3, side, side), np.float32),
            "there": np.arange(count) < len(phrases),
        },
        texts=phrases,
    )
    document = Document(id="x", blocks=(Block(id="b0", text=text),))
    return method.prepare(document, {method.crops: asset}).inputs["edges"].int()


def test_edges_of_the_paper_join_a_phrase_with_its_words() -> None:
    method = made(edges="paper")
    found = edges(method, "the big dog met Cat", ("big dog", "person", "met cat"))
    pieces = method.text.tokenizer("the big dog met Cat")["input_ids"]
    names = method.text.tokenizer.convert_ids_to_tokens(pieces)
    assert names == ["[CLS]", "the", "big", "dog", "met", "cat", "[SEP]"]
    assert found.T.tolist() == [
        [0, 0, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 1, 1, 1],  # a general word: all of them
        [0, 0, 0, 0, 1, 1, 0],
        [0, 0, 0, 0, 0, 0, 0],  # there is no such object
    ]
    # z ##o ##o: an object of a word is joined to all of its pieces.
    assert edges(method, "so zoo dog", ("zoo",))[:, 0].tolist() == [0, 0, 1, 1, 1, 0, 0]
    assert edges(method, "the dog", ("horse",)).sum() == 0
    assert edges(made(), "the dog", ("dog",))[:, 0].all(), "full joins all words"


@pytest.mark.parametrize("option", [{"intra_ffn": True}, {"position": True}])
def test_what_the_paper_draws_changes_the_scores(option: dict[str, bool]) -> None:
    plain, other = made(), made(**option)
    own = plain.state_dict()
    other.load_state_dict({**other.state_dict(), **own})
    one, two = (emissions(m, batch_of(m, POSTS)) for m in (plain, other))
    assert one.shape == two.shape
    assert not torch.allclose(one, two, atol=1e-4)


def test_one_of_a_batch_is_a_batch_of_one() -> None:
    method = made(subtoken="first_only")
    together = emissions(method, batch_of(method, POSTS))
    for row, document in enumerate(POSTS):
        alone = emissions(method, batch_of(method, [document]))[0]
        assert torch.allclose(together[row, : len(alone)], alone, atol=1e-5)


def test_the_rate_falls_every_second_epoch() -> None:
    config = OptimiserConfig(
        rate=1e-4, decay=0.0, warmup=0.0, schedule="step", step_count=15, step_factor=0.8
    )
    optimiser = make_optimiser(made(), config)
    rates = []
    for epoch in range(6):
        set_rates(optimiser, config, (10 * epoch) / (10 * 30))
        rates.append(optimiser.param_groups[0]["lr"])
    assert rates == pytest.approx([1e-4, 1e-4, 8e-5, 8e-5, 6.4e-5, 6.4e-5])
    # Everything moves at one rate, the picture encoder included.
    assert {group["peak"] for group in optimiser.param_groups} == {1e-4}
    assert len(made().trainable()) == len(list(made().parameters()))


def test_bare_text_and_settings_that_do_not_fit() -> None:
    method = made()
    document = Document(id="x", blocks=(Block(id="b0", text="no picture"),))
    (found,) = method.predict([document], [Supplier()(document, method.needs())])
    assert all(entity.span.end <= 10 for entity in found.entities)
    with pytest.raises(ConfigError, match="at least 1"):
        made(layers=0)
    with pytest.raises(ConfigError, match="must divide"):
        made(heads=3)
