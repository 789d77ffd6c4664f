"""What both heads of MKGformer share: settings of the towers, their picture input, their states.

Chen et al.: Hybrid Transformer with Multi-level Fusion for Multimodal Knowledge Graph Completion,
SIGIR 2022; public code zjunlp/MKGformer, folders MNER and MRE. Its third task, link prediction in
a knowledge graph, reads no documents and is not built.

Shapes: N texts, B documents, T pieces, P picture tokens, K cut-outs, D width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from magpie.backbones import TextEncoder, VisionEncoder
from magpie.errors import ConfigError
from magpie.features import Asset, Assets, Crops, Need, Pixels
from magpie.nn.lockstep import CropTokens, Judge, LockStep, TowerStates

__all__ = ["TowerConfig", "Towers", "check_kinds", "lengthened"]


# Without slots: a class can have only one base with slots, and that is the head's.
@dataclass(frozen=True, kw_only=True)
class TowerConfig:
    """Settings of both towers; the defaults are the published ones."""

    #: CLIP's vision tower, of the text encoder's width, depth and heads
    vision: str = "clip-vit-base-patch32"
    #: layers that exchange, the last ones (L_M)
    fusion_layers: int = 4
    #: false: the picture attends to padded pieces too, every text padded to max_length, as the
    #: public code does
    mask_text_prefix: bool = True
    #: also read the patches of the whole picture, as the figure of the paper has it
    use_full_image: bool = False
    #: cut-outs of grounded noun phrases: "whole", "media" or a source of boxes
    grounded: str = "whole"
    grounded_count: int = 3
    #: side in pixels
    grounded_side: int = 128
    #: cut-outs of a detector, likewise
    detector: str = "whole"
    detector_count: int = 3
    detector_side: int = 64

    def __post_init__(self) -> None:
        for name in ("grounded_count", "detector_count", "fusion_layers"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")


class Towers(nn.Module):
    """New weights of the body, and what it reads of a picture.

    Args:
        config: settings.
        text: a BERT encoder.
        vision: a CLIP encoder.

    Raises:
        ConfigError: another kind of encoder, sides that hold no whole patches, or towers that do
            not fit together.
    """

    def __init__(self, config: TowerConfig, text: TextEncoder, vision: VisionEncoder) -> None:
        super().__init__()
        check_kinds(text, vision)
        self.config = config
        self._pixels = vision.pixels
        patch = int(vision.transformer.config.patch_size)
        counts = []
        for name in ("grounded", "detector"):
            side, count = getattr(config, f"{name}_side"), getattr(config, f"{name}_count")
            if side < patch or side % patch:
                raise ConfigError(f"{name}_side must be a multiple of {patch}, got {side}")
            counts.append((count, (side // patch) ** 2))
        self.crops = CropTokens(counts[0], counts[1], vision.width)
        self.lockstep = LockStep(
            text.transformer.config, vision.transformer.config, config.fusion_layers
        )
        #: P
        self.vision_tokens = 1 + sum(count * patches for count, patches in counts)
        if config.use_full_image:
            self.vision_tokens += vision.cells - 1

    @property
    def grounded(self) -> Crops:
        """Cut-outs of grounded phrases."""
        return self._crops(self.config.grounded, self.config.grounded_count, "grounded_side")

    @property
    def detector(self) -> Crops:
        """Cut-outs of a detector."""
        return self._crops(self.config.detector, self.config.detector_count, "detector_side")

    def _crops(self, source: str, count: int, side: str) -> Crops:
        # CLIP's preprocessing: the shorter side is scaled to the square's, the middle is kept.
        spec = replace(self._pixels, side=getattr(self.config, side), fit="centre")
        return Crops(source, count, spec)

    def needs(self) -> frozenset[Need]:
        """Both kinds of cut-outs, and the whole picture where it is read."""
        return frozenset(self._inputs().values())

    def _inputs(self) -> dict[str, Need]:
        found: dict[str, Need] = {"grounded": self.grounded, "detector": self.detector}
        if self.config.use_full_image:
            found["whole"] = Pixels(self._pixels)
        return found

    def first_there(self, assets: Assets) -> Asset:
        """Of what is read of the picture, the first that is there."""
        found = [assets[need] for need in self._inputs().values()]
        return next((asset for asset in found if asset.present), found[0])

    @property
    def names(self) -> tuple[str, ...]:
        """Inputs that hold pixels, [B, ...]."""
        return tuple(self._inputs())

    def prepare(self, assets: Assets) -> dict[str, Tensor]:
        """Pixels [K, 3, side, side] of each kind; zeros stand for what is absent."""
        return {name: _pixels(need, assets[need]) for name, need in self._inputs().items()}

    def forward(
        self,
        text: TextEncoder,
        vision: VisionEncoder,
        inputs: Mapping[str, Tensor],
        owner: Tensor | None = None,
        judge: Judge | None = None,
    ) -> TowerStates:
        """States of every layer of both towers; see :class:`LockStep`."""
        bert, clip = cast(Any, text.transformer), cast(Any, vision.transformer)
        words = bert.embeddings(input_ids=inputs["input_ids"])  # N,T,D
        tokens = self.crops(clip, inputs["grounded"], inputs["detector"], inputs.get("whole"))
        return cast(
            TowerStates,
            self.lockstep(
                bert,
                clip,
                words,
                inputs["attention_mask"],
                clip.pre_layrnorm(tokens),  # B,P,D
                owner,
                mask_prefix=self.config.mask_text_prefix,
                judge=judge,
            ),
        )


def check_kinds(text: TextEncoder, vision: VisionEncoder) -> None:
    """Whether both towers are of the kinds inside whose layers the lock step works.

    Raises:
        ConfigError: another kind of encoder.
    """
    for role, encoder, wanted in (
        ("text", text, "bert"),
        ("picture", vision, "clip_vision_model"),
    ):
        kind = encoder.transformer.config.model_type
        if kind != wanted:
            raise ConfigError(
                f"the {role} tower must be of type {wanted}, got {kind!r}",
                where=encoder.name,
                mend="The towers exchange inside the layers of BERT and CLIP.",
            )


def _pixels(need: Need, asset: Asset) -> Tensor:
    if isinstance(need, Crops):
        shape: tuple[int, ...] = (need.count, 3, need.spec.side, need.spec.side)
    else:
        side = cast(Pixels, need).spec.side
        shape = (3, side, side)
    if not asset.present:
        return torch.zeros(shape)
    return torch.from_numpy(asset.arrays["pixels"].copy())


def lengthened(rows: dict[str, Tensor], names: tuple[str, ...], length: int, fill: int) -> None:
    """Pads ``rows[name]`` [N, T, ...] in place to ``length``; ``input_ids`` with ``fill``."""
    for name in names:
        if name in rows:
            missing = max(0, length - rows[name].shape[1])
            behind = (0, 0) * (rows[name].dim() - 2)
            value = fill if name == "input_ids" else 0
            rows[name] = functional.pad(rows[name], (*behind, 0, missing), value=value)
