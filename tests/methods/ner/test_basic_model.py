"""BasicModel: BERT-CRF under UMGF's settings, an adapter and a global picture on request."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from torch import nn  # noqa: E402

from magpie.backbones import VisionEncoder  # noqa: E402
from magpie.errors import ConfigError  # noqa: E402
from magpie.features import Pixels  # noqa: E402
from magpie.methods.ner.basic_model import BasicModel, BasicModelConfig  # noqa: E402
from magpie.methods.ner.bert_crf import BertCrf, BertCrfConfig  # noqa: E402
from magpie.vision import PixelSpec  # noqa: E402

from .samples import (  # noqa: E402
    FOUR,
    bare,
    batch_of,
    bert_base,
    count,
    meta_batch,
    pictured,
    post,
    shake,
)


def basic(**settings: Any) -> BasicModel:
    torch.manual_seed(0)
    settings = {"text": "tiny-bert", "vision": "tiny-resnet", "adapter_width": 16, **settings}
    method = BasicModel.build(BasicModelConfig(**settings), FOUR)
    shake(method)
    return method.eval()


def test_with_umts_order_it_is_bert_crf() -> None:
    mine = basic()
    theirs = BertCrf.build(BertCrfConfig(text="tiny-bert"), FOUR).eval()
    theirs.text.load_state_dict(mine.text.state_dict())
    # Where each of BERT-CRF's tags stands in UMGF's order.
    short = {"[CLS]": "CLS", "[SEP]": "SEP"}
    order = torch.tensor([mine.tag_ids[short.get(n, n)] for n in theirs.tag_names])
    assert sorted(order.tolist()) == list(range(13))
    with torch.no_grad():
        theirs.classifier.weight.copy_(mine.head.weight[order])
        theirs.classifier.bias.copy_(mine.head.bias[order])
        theirs.crf.start.copy_(mine.crf.start[order])
        theirs.crf.end.copy_(mine.crf.end[order])
        theirs.crf.transitions.copy_(mine.crf.transitions[order][:, order])
    documents = pictured(4)
    ours, other = batch_of(mine, documents), batch_of(theirs, documents)
    here, there = mine(ours), theirs(other)
    torch.testing.assert_close(here.scores["emissions"][:, :, order], there.scores["emissions"])
    paths = mine.crf.decode(here.scores["emissions"], ours.inputs["attention_mask"])
    theirs_paths = theirs.crf.decode(there.scores["emissions"], other.inputs["attention_mask"])
    assert paths == [[int(order[tag]) for tag in path] for path in theirs_paths]
    # Summed here, averaged there.
    torch.testing.assert_close(here.loss, there.loss * len(documents))


def test_without_visual_no_bit_depends_on_the_picture() -> None:
    method = basic()
    documents = pictured(4)
    assert method.needs() == frozenset()
    assert method.vision is None
    before = method(batch_of(method, documents)).scores["emissions"]
    assert torch.equal(before, method(batch_of(method, bare(documents))).scores["emissions"])


def test_the_head_beside_a_global_picture() -> None:
    config = BasicModelConfig(visual="resnet_global")
    with torch.device("meta"):
        resnet = basic(visual="resnet_global").vision
        assert resnet is not None
        method = BasicModel(config, FOUR, bert_base(), resnet)
    assert tuple(method.head.weight.shape) == (13, 1536)
    assert count(method.head) == 19_981


def test_the_image_half_at_zero_leaves_the_text() -> None:
    seeing, blind = basic(visual="resnet_global"), basic()
    nn.init.zeros_(seeing.head.weight[:, 32:])
    blind.text.load_state_dict(seeing.text.state_dict())
    with torch.no_grad():
        blind.head.weight.copy_(seeing.head.weight[:, :32])
        blind.head.bias.copy_(seeing.head.bias)
    documents = pictured(4)
    torch.testing.assert_close(
        seeing(batch_of(seeing, documents)).scores["emissions"],
        blind(batch_of(blind, documents)).scores["emissions"],
        rtol=0,
        atol=1e-5,
    )


def test_the_picture_counts_once_per_piece_and_its_encoder_never_learns() -> None:
    method = basic(visual="resnet_global")
    assert method.needs() == {Pixels(PixelSpec(side=64))}
    documents = pictured(4)
    batch = batch_of(method, documents)
    shown = method(batch).scores["emissions"]
    without = method(batch_of(method, bare(documents))).scores["emissions"]
    difference = shown - without
    # The same vector beside every piece moves every piece's scores alike.
    torch.testing.assert_close(
        difference, difference[:, :1].expand_as(difference), rtol=1e-4, atol=1e-4
    )
    assert difference.abs().max() > 1e-3
    method.train()
    assert isinstance(method.vision, VisionEncoder)
    assert not method.vision.training
    method(batch).loss.backward()
    assert all(p.grad is None for p in method.vision.parameters())
    assert method.project_image.weight.grad is not None


def test_absent_pictures_are_zero_whatever_stands_in_their_place() -> None:
    method = basic(visual="resnet_global")
    batch = batch_of(method, bare(pictured(4)))
    before = method(batch).scores["emissions"]
    batch.inputs["pixels"].fill_(float("nan"))
    assert torch.equal(method(batch).scores["emissions"], before)


@pytest.mark.parametrize(("adapter", "parameters"), [("linear", 528), ("self_attn", 528 + 1120)])
def test_adapters(adapter: str, parameters: int) -> None:
    method = basic(adapter=adapter)
    own = count(method, without=["backbones.", "head.", "crf."])
    # 32 x 16 + 16; then four projections of 16 x 16 + 16 and a norm of 32.
    assert own == parameters
    assert method.dropout.p == 0.4
    assert basic().dropout.p == 0.1
    output = method(batch_of(method, [post(["dog"]), post(["we", "saw", "xyz"])]))
    assert tuple(output.scores["emissions"].shape) == (2, 7, 13)


def test_what_stands_behind_the_mask_does_not_reach_the_adapters_attention() -> None:
    method = basic(adapter="self_attn")
    alone = method(batch_of(method, [post(["dog"])])).scores["emissions"]
    beside = method(batch_of(method, [post(["dog"]), post(["we", "saw", "xyz"])]))
    torch.testing.assert_close(beside.scores["emissions"][:1, :3], alone, rtol=0, atol=1e-5)


def test_the_loss_is_summed() -> None:
    documents = [post(["dog"], ("PER", 0, 1)), post(["city"])]
    summed, averaged = basic(), basic(reduction="mean")
    averaged.load_state_dict(summed.state_dict())
    batch = batch_of(summed, documents)
    torch.testing.assert_close(summed(batch).loss, 2 * averaged(batch).loss)
    assert BasicModelConfig().reduction == "sum"


def test_shapes_of_the_published_size() -> None:
    with torch.device("meta"):
        method = BasicModel(BasicModelConfig(), FOUR, bert_base()).eval()
    scores = method(meta_batch(2, 128)).scores
    assert tuple(scores["emissions"].shape) == (2, 128, 13)


def test_paths_are_as_long_as_their_posts() -> None:
    method = basic()
    batch = batch_of(method, [post(["dog"]), post(["we", "saw", "xyz"])])
    mask = batch.inputs["attention_mask"]
    paths = method.crf.decode(method(batch).scores["emissions"], mask)
    assert [len(path) for path in paths] == mask.sum(1).tolist() == [3, 7]


@pytest.mark.parametrize("special", ["X", "SEP", "PAD"])
def test_a_special_tag_on_a_word_means_none(special: str) -> None:
    method = basic()
    nn.init.zeros_(method.head.weight)
    with torch.no_grad():
        method.head.bias.zero_()
        method.head.bias[method.tag_ids[special]] = 99.0
    (found,) = method.predict([post(["dog", "city"])], [{}])
    assert found.entities == ()


def test_what_a_checkpoint_says_about_it() -> None:
    dump = BasicModelConfig(recipe="umt", adapter="linear").to_dict()
    assert dump["recipe"] == "umt"
    assert dump["adapter"] == "linear"
    assert dump["visual"] == "none"
    assert dump["scorer"] == "ner-umgf@1"
    assert "reconstructed" in dump.values()


def test_impossible_settings() -> None:
    with pytest.raises(ConfigError, match=r"heads \(3\) must divide adapter_width \(512\)"):
        BasicModelConfig(heads=3)
    with pytest.raises(ConfigError, match="visual='resnet_global' does not fit"):
        BasicModel(BasicModelConfig(visual="resnet_global"), FOUR, basic().text)
