"""Picture encoders: ResNet grids, ViT and CLIP patches, behind one call.

Shapes: B batch, P cells or patches, C channels.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, CLIPVisionConfig, CLIPVisionModel, PreTrainedModel

from magpie.backbones.base import Backbone, load_local
from magpie.vision.pixels import CLIP, HALF, IMAGENET, Normalisation, PixelSpec

__all__ = ["ALIASES", "VisionEncoder", "load_vision"]

#: short names of the papers -> hub names
ALIASES = {
    "resnet-50": "microsoft/resnet-50",
    "resnet-101": "microsoft/resnet-101",
    "resnet-152": "microsoft/resnet-152",
    "vit-base": "google/vit-base-patch16-224-in21k",
    "clip-vit-base-patch32": "openai/clip-vit-base-patch32",
}


class VisionEncoder(Backbone):
    """Normalised pixels in, one vector a cell or patch out.

    Args:
        model: a transformers ResNet, ViT or CLIP vision model.
        name: what it was loaded as.
        pixels: the pixels it expects.
    """

    kind = "vision"

    def __init__(self, model: PreTrainedModel, name: str, pixels: PixelSpec) -> None:
        super().__init__(model, name)
        self.pixels = pixels
        if self.convolutional:
            # What a ReLU is given nobody reads again: its map need not be kept beside the answer.
            for part in model.modules():
                if isinstance(part, nn.ReLU):
                    part.inplace = True

    @property
    def transformer(self) -> PreTrainedModel:
        """The transformers model, for methods that need inner layers."""
        return cast(PreTrainedModel, self.model)

    @property
    def convolutional(self) -> bool:
        """Whether it returns a grid of cells; else patches, after one summary token."""
        return self.transformer.config.model_type == "resnet"

    @property
    def width(self) -> int:
        config = self.transformer.config
        return int(config.hidden_sizes[-1] if self.convolutional else config.hidden_size)

    @property
    def cells(self) -> int:
        """P: states for one picture, the summary token of ViT and CLIP included."""
        config = self.transformer.config
        if self.convolutional:
            side = -(-self.pixels.side // 32)
            return side * side
        return (self.pixels.side // int(config.patch_size)) ** 2 + 1

    def forward(self, pixels: Tensor) -> Tensor:
        """[B, 3, side, side] -> [B, P, C]."""
        states = cast(Tensor, self.transformer(pixel_values=pixels).last_hidden_state)
        return states.flatten(2).transpose(1, 2) if self.convolutional else states

    def stages(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """What each stage or layer returns, the first one first.

        [B, 3, side, side] -> of a ResNet four maps [B, C, rows, columns] (strides 4 to 32); of ViT
        and CLIP the states [B, P, D] behind every layer, before any last norm.
        """
        found = self.transformer(pixel_values=pixels, output_hidden_states=True).hidden_states
        return tuple(found[1:])

    def describe(self) -> dict[str, Any]:
        return {"config": self.transformer.config.to_dict(), "pixels": asdict(self.pixels)}

    @classmethod
    def from_description(cls, value: dict[str, Any], folder: Path) -> Self:
        given = value["pixels"]
        colours = {name: tuple(part) for name, part in given["normalisation"].items()}
        pixels = PixelSpec(
            side=given["side"], fit=given["fit"], normalisation=Normalisation(**colours)
        )
        body = dict(value["config"])
        if body["model_type"] == "clip_vision_model":
            body.pop("model_type")
            config: Any = CLIPVisionConfig(**body)
            return cls(CLIPVisionModel(config).eval(), value["name"], pixels)
        with torch.random.fork_rng(devices=[]):
            model = AutoModel.from_config(AutoConfig.for_model(**body))
        return cls(model.eval(), value["name"], pixels)


def load_vision(name: str, *, side: int | None = None) -> VisionEncoder:
    """A picture encoder by short name, hub name, folder, or ``tiny-resnet|vit|clip``.

    A file ``.pth`` or ``.safetensors`` is taken as a ResNet with torchvision's names.

    Args:
        name: see above.
        side: of the pictures, where it differs from the encoder's own.

    Raises:
        ModelError: it is not on this machine.
    """
    if name.startswith("tiny-"):
        from magpie.backbones.tiny import tiny_vision

        return tiny_vision(name, side=side)
    if name.endswith((".pth", ".safetensors")) and Path(name).is_file():
        from magpie.backbones.torchvision_names import load_torchvision_file

        return load_torchvision_file(Path(name), side=side or 224)
    place = ALIASES.get(name, name)
    config = load_local(place, AutoConfig.from_pretrained)
    if config.model_type in ("clip", "clip_vision_model"):
        model: Any = load_local(place, CLIPVisionModel.from_pretrained)
        colours, fit = CLIP, "centre"
    elif config.model_type == "resnet":
        model = load_local(place, AutoModel.from_pretrained)
        colours, fit = IMAGENET, "crop"
    else:
        model = load_local(place, AutoModel.from_pretrained)
        colours, fit = HALF, "squash"
    own = int(getattr(model.config, "image_size", 224))
    spec = PixelSpec(side=side or own, fit=cast(Any, fit), normalisation=colours)
    return VisionEncoder(model, name, spec)
