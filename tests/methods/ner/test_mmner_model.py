"""MMNerModel: the worked values of its specification for every fusion and missing picture."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from PIL import Image  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from transformers import ViTConfig, ViTModel  # noqa: E402

from magpie.backbones import VisionEncoder  # noqa: E402
from magpie.errors import ConfigError  # noqa: E402
from magpie.features import Pixels  # noqa: E402
from magpie.methods.ner.basic_model import BasicModel, BasicModelConfig  # noqa: E402
from magpie.methods.ner.mmner_model import (  # noqa: E402
    CrossAttention,
    Gated,
    MMNerModel,
    MMNerModelConfig,
)
from magpie.vision import PixelSpec  # noqa: E402

from .samples import (  # noqa: E402
    FOUR,
    bare,
    batch_of,
    bert_base,
    count,
    meta_batch,
    pictured,
    shake,
)

FUSIONS = ("cross_attn", "gated", "concat_cls", "umgf")


def mmner(**settings: Any) -> MMNerModel:
    torch.manual_seed(0)
    settings = {"width": 16, "heads": 4, "inner": 24, **settings}
    config = MMNerModelConfig(text="tiny-bert", vision="tiny-vit", **settings)
    method = MMNerModel.build(config, FOUR)
    shake(method, 0.2)
    return method.eval()


class SizedViT(VisionEncoder):
    """The shape of ViT-B/16's answer, on the meta device."""

    def forward(self, pixels: Tensor) -> Tensor:
        return torch.zeros(len(pixels), self.cells, self.width, device="meta")


def test_shapes_and_parameters_of_the_published_size() -> None:
    with torch.device("meta"):
        vit = SizedViT(ViTModel(ViTConfig()), "vit", PixelSpec(side=224))
        method = MMNerModel(MMNerModelConfig(missing="zero_pixels"), FOUR, bert_base(), vit).eval()
    assert vit.cells == 197
    joined: list[Tensor] = []
    method.head.register_forward_pre_hook(lambda _, given: joined.append(given[0]))
    scores = method(meta_batch(2, 128, pixels=(3, 224, 224))).scores
    assert tuple(joined[0].shape) == (2, 128, 768 + 512)
    assert tuple(scores["emissions"].shape) == (2, 128, 13)
    assert count(method.head) == 16_653
    assert count(method.fusion) == 1_315_584
    layer = cast(CrossAttention, method.fusion[0])
    assert count(layer.inner) + count(layer.outer) == 262_912


def test_a_frozen_encoder_neither_learns_nor_drops() -> None:
    torch.manual_seed(0)
    method = mmner()
    batch = batch_of(method, pictured(4))
    quiet = method.vision(batch.inputs["pixels"])
    method.train()
    assert torch.equal(method.vision(batch.inputs["pixels"]), quiet)
    method(batch).loss.backward()
    assert all(p.grad is None for p in method.vision.parameters())
    assert {group.name for group in method.groups()} == {"text", "vision", "fusion"}
    learning = mmner(freeze_vit=False)
    learning.train()
    learning(batch).loss.backward()
    gradients = [p.grad for p in learning.vision.parameters() if p.grad is not None]
    assert sum(float(g.abs().sum()) for g in gradients) > 0


class Given(nn.Module):
    """Patches in place of a picture encoder's."""

    def __init__(self, patches: Tensor) -> None:
        super().__init__()
        self.patches = patches

    def forward(self, pixel_values: Tensor) -> Any:
        return type("Answer", (), {"last_hidden_state": self.patches})


@pytest.mark.parametrize("fusion", FUSIONS)
def test_the_order_of_the_patches(fusion: str) -> None:
    method = mmner(fusion=fusion, missing="zero_pixels")
    batch = batch_of(method, pictured(4))
    patches = method.vision(batch.inputs["pixels"])
    config = method.vision.transformer.config

    def emissions(order: list[int]) -> Tensor:
        stand_in = Given(patches[:, order])
        stand_in.config = config
        method.vision.model = stand_in
        return method(batch).scores["emissions"]

    places = list(range(patches.shape[1]))
    before = emissions(places)
    rest = emissions([0, *reversed(places[1:])])
    torch.testing.assert_close(rest, before, rtol=0, atol=1e-4)
    moved = emissions([5, *places[1:5], 0, *places[6:]])
    assert torch.allclose(moved, before, atol=1e-4) is (fusion != "concat_cls")


@pytest.mark.parametrize("fusion", FUSIONS)
def test_without_a_picture_only_the_text_speaks(fusion: str) -> None:
    method = mmner(fusion=fusion)
    documents = pictured(4)
    batch = batch_of(method, [*documents[:2], *bare(documents[2:])])
    assert batch.inputs["has_image"].tolist() == [True, True, False, False]
    found = method(batch)
    states = method.text(batch.inputs["input_ids"], batch.inputs["attention_mask"])
    nothing = torch.zeros(*states.shape[:2], 16)
    alone = method.head(torch.cat([states, nothing], -1))
    assert torch.equal(found.scores["emissions"][2:], alone[2:])
    split = nn.functional.linear(states, method.head.weight[:, :32], method.head.bias)
    torch.testing.assert_close(found.scores["emissions"][2:], split[2:], rtol=0, atol=2e-5)
    assert not torch.allclose(found.scores["emissions"][:2], alone[:2], atol=1e-3)
    # Whatever pixels stand there, and without harm to any gradient.
    batch.inputs["pixels"][2:] = math.nan
    again = method(batch)
    assert torch.equal(again.scores["emissions"], found.scores["emissions"])
    again.loss.backward()
    assert all(bool(p.grad.isfinite().all()) for p in method.parameters() if p.grad is not None)


def test_an_open_gate_admits_half() -> None:
    layer = Gated(8, 2, 0.4).eval()
    nn.init.zeros_(layer.gate.weight)
    nn.init.zeros_(layer.gate.bias)
    x, v = torch.randn(2, 3, 8), torch.randn(2, 5, 8)
    c = layer.attention(x, v, v, need_weights=False)[0]
    torch.testing.assert_close(layer(x, v), layer.norm(x + 0.5 * c))


def test_without_output_weights_cross_attention_is_two_norms() -> None:
    layer = CrossAttention(8, 2, 6, 0.4).eval()
    shake(layer)
    for part in (layer.attention.out_proj, layer.outer):
        nn.init.zeros_(part.weight)
        nn.init.zeros_(part.bias)
    x, v = torch.randn(2, 3, 8), torch.randn(2, 5, 8)
    torch.testing.assert_close(layer(x, v), layer.norm_output(layer.norm_attention(x)))


def test_a_head_that_ignores_the_fusion_is_basic_model() -> None:
    method = mmner()
    basic = BasicModel.build(BasicModelConfig(text="tiny-bert"), FOUR).eval()
    basic.text.load_state_dict(method.text.state_dict())
    nn.init.zeros_(method.head.weight[:, 32:])
    with torch.no_grad():
        basic.head.weight.copy_(method.head.weight[:, :32])
        basic.head.bias.copy_(method.head.bias)
    documents = pictured(4)
    torch.testing.assert_close(
        method(batch_of(method, documents)).scores["emissions"],
        basic(batch_of(basic, documents)).scores["emissions"],
        rtol=0,
        atol=2e-5,
    )


def test_layers_and_pooling_of_the_graph() -> None:
    deep = mmner(fusion="umgf", layers=2)
    assert len(deep.fusion) == 2
    batch = batch_of(deep, pictured(4))
    mean = deep(batch).scores["emissions"]
    summed = mmner(fusion="umgf", layers=2, pooling="sum")
    summed.load_state_dict(deep.state_dict())
    assert not torch.allclose(summed(batch).scores["emissions"], mean, atol=1e-3)


def test_zero_pixels_go_through_the_network() -> None:
    method = mmner(missing="zero_pixels")
    batch = batch_of(method, bare(pictured(4)))
    before = method(batch).scores["emissions"]
    batch.inputs["pixels"] += 3.0
    assert torch.equal(method(batch).scores["emissions"], before)
    zero_fusion = mmner()
    zero_fusion.load_state_dict(method.state_dict())
    assert not torch.allclose(zero_fusion(batch).scores["emissions"], before, atol=1e-3)


def test_one_fixed_picture_for_all_absent_ones(tmp_path: Path) -> None:
    path = tmp_path / "fixed.png"
    pixels = np.random.default_rng(0).integers(0, 256, (80, 70, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    method = mmner(missing="default_image", default_image=str(path))
    batch = batch_of(method, bare(pictured(4)))
    found = method(batch).scores["emissions"]
    batch.inputs["pixels"] = method.default_image.expand(4, -1, -1, -1).clone()
    batch.inputs["has_image"][:] = True
    assert torch.equal(method(batch).scores["emissions"], found)
    assert "default_image" in method.state_dict()


def test_how_pictures_are_fitted() -> None:
    assert mmner().needs() == {Pixels(PixelSpec(side=64))}
    assert mmner(resize="crop").needs() == {Pixels(PixelSpec(side=64, fit="crop"))}
    assert mmner(resize="crop", image_side=32).needs() == {Pixels(PixelSpec(side=32, fit="crop"))}


def test_what_a_checkpoint_says_about_it() -> None:
    dump = MMNerModelConfig(fusion="gated").to_dict()
    assert dump["fusion"] == "gated"
    assert "reconstructed" in dump.values()
    assert dump["reduction"] == "sum"
    assert dump["tag_order"] == "umgf"


def test_impossible_settings() -> None:
    with pytest.raises(ConfigError, match=r"heads \(7\) must divide width \(512\)"):
        MMNerModelConfig(heads=7)
    with pytest.raises(ConfigError, match="needs the path"):
        MMNerModelConfig(missing="default_image")
