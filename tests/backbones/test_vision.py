"""Picture encoders: shapes, folders, inner layers, freezing, and the way through a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    ResNetConfig,
    ResNetModel,
    ViTConfig,
    ViTModel,
)

from magpie.backbones import VisionEncoder, from_folder, load_vision
from magpie.errors import ModelError, NotFoundError
from magpie.vision.pixels import CLIP, HALF, IMAGENET

SIZES: dict[str, Any] = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
    "intermediate_size": 40,
}
NAMES = ("tiny-resnet", "tiny-vit", "tiny-clip")


def resnet() -> ResNetModel:
    sizes = [8, 12, 16, 20]
    return ResNetModel(ResNetConfig(embedding_size=8, hidden_sizes=sizes, depths=[1, 2, 1, 1]))


def models() -> dict[str, Any]:
    torch.manual_seed(0)
    return {
        "resnet": resnet(),
        "vit": ViTModel(ViTConfig(image_size=48, patch_size=16, **SIZES)),
        "clip": CLIPVisionModel(CLIPVisionConfig(image_size=48, patch_size=16, **SIZES)),
    }


@pytest.mark.parametrize(
    ("kind", "side", "colours", "fit", "cells", "width"),
    [
        ("resnet", 224, IMAGENET, "crop", 49, 20),
        ("vit", 48, HALF, "squash", 10, 24),
        ("clip", 48, CLIP, "centre", 10, 24),
    ],
)
def test_a_folder_of_transformers(
    tmp_path: Path, kind: str, side: int, colours: Any, fit: str, cells: int, width: int
) -> None:
    model = models()[kind].eval()
    model.save_pretrained(tmp_path)
    encoder = load_vision(str(tmp_path))
    assert (encoder.pixels.side, encoder.pixels.normalisation) == (side, colours)
    assert (encoder.pixels.fit, encoder.cells, encoder.width) == (fit, cells, width)
    pixels = torch.randn(2, 3, side, side)
    with torch.no_grad():
        states = encoder(pixels)
        wanted = model(pixel_values=pixels).last_hidden_state
    assert states.shape == (2, cells, width)
    torch.testing.assert_close(
        states, wanted.flatten(2).transpose(1, 2) if kind == "resnet" else wanted
    )


def test_the_picture_side_of_a_whole_clip(tmp_path: Path) -> None:
    text = {"vocab_size": 40, "max_position_embeddings": 8, **SIZES}
    vision = {"image_size": 32, "patch_size": 16, **SIZES}
    whole = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)).eval()
    whole.save_pretrained(tmp_path)
    encoder = load_vision(str(tmp_path))
    pixels = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(
            encoder(pixels), whole.vision_model(pixel_values=pixels).last_hidden_state
        )


@pytest.mark.parametrize("name", NAMES)
def test_tiny_twins(name: str) -> None:
    encoder = load_vision(name)
    pixels = torch.randn(2, 3, 64, 64)
    assert encoder(pixels).shape == (2, encoder.cells, encoder.width)
    assert encoder.cells == (4 if name == "tiny-resnet" else 65)
    torch.testing.assert_close(encoder(pixels), load_vision(name)(pixels))
    small = load_vision(name, side=32)
    assert small(pixels[:, :, :32, :32]).shape == (2, small.cells, small.width)


@pytest.mark.parametrize("name", NAMES)
def test_stages_lead_to_the_last_state(name: str) -> None:
    encoder = load_vision(name)
    pixels = torch.randn(1, 3, 64, 64)
    stages = encoder.stages(pixels)
    last = encoder(pixels)
    if name == "tiny-resnet":
        assert [tuple(s.shape[1:]) for s in stages] == [
            *((16, 16, 16), (32, 8, 8), (48, 4, 4), (64, 2, 2))
        ]
        torch.testing.assert_close(stages[-1].flatten(2).transpose(1, 2), last)
    elif name == "tiny-vit":
        assert [tuple(s.shape) for s in stages] == [(1, 65, 32)] * 2
        torch.testing.assert_close(encoder.transformer.layernorm(stages[-1]), last)
    else:
        assert [tuple(s.shape) for s in stages] == [(1, 65, 32)] * 2
        torch.testing.assert_close(stages[-1], last)


@pytest.mark.parametrize("name", NAMES)
def test_through_a_checkpoint(name: str, tmp_path: Path) -> None:
    encoder = load_vision(name, side=32)
    encoder.save(tmp_path)
    again = from_folder(tmp_path)
    assert isinstance(again, VisionEncoder)
    assert again.pixels == encoder.pixels
    again.load_state_dict(encoder.state_dict())
    pixels = torch.randn(1, 3, 32, 32)
    torch.testing.assert_close(again(pixels), encoder(pixels))


def test_a_frozen_one_stays_as_it_is_whatever_is_around_it() -> None:
    encoder = load_vision("tiny-resnet").freeze()
    around = torch.nn.ModuleDict({"vision": encoder, "head": torch.nn.Linear(2, 2)})
    around.train()
    assert around["head"].training
    assert not any(module.training for module in encoder.modules())
    before = encoder.weights_digest()
    encoder(torch.randn(4, 3, 64, 64))
    assert encoder.weights_digest() == before  # batch norms kept their statistics
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


def test_an_unfrozen_one_follows_the_mode() -> None:
    encoder = load_vision("tiny-resnet").train()
    before = encoder.weights_digest()
    encoder(torch.randn(4, 3, 64, 64))
    assert encoder.weights_digest() != before
    assert not encoder.eval().transformer.training


def test_missing_and_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NotFoundError, match="tiny-resnet, tiny-vit and tiny-clip"):
        load_vision("tiny-swin")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(ModelError, match=r"hf download microsoft/resnet-152 --local-dir models/re"):
        load_vision("resnet-152")
    with pytest.raises(ModelError, match="there is no backbone at"):
        load_vision(str(tmp_path / "weights.pth"))  # no such file


def test_a_weight_file_with_torchvision_names(tmp_path: Path) -> None:
    from .test_torchvision_names import reference

    network = reference()
    torch.save(network.state_dict(), tmp_path / "resnet.pth")
    encoder = load_vision(str(tmp_path / "resnet.pth"), side=64)
    assert encoder.pixels.side == 64
    pixels = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(encoder.stages(pixels)[-1], network.stages(pixels)[-1])
