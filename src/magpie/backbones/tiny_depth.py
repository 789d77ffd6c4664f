"""Tiny twins of the depth estimators: random weights from a fixed seed, built offline."""

from __future__ import annotations

from typing import Any

import torch
from transformers import (
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    Dinov2Config,
    GLPNConfig,
    GLPNForDepthEstimation,
)

from magpie.backbones.depth import DepthEstimator
from magpie.backbones.tiny import SEED
from magpie.errors import NotFoundError
from magpie.vision import PixelSpec

__all__ = ["tiny_depth"]


def tiny_depth(name: str) -> DepthEstimator:
    """``tiny-depth`` (relative, as Depth Anything), ``tiny-metric-depth`` (metres, as GLPN).

    Raises:
        NotFoundError: no tiny estimator of that name.
    """
    made = _MAKERS.get(name)
    if made is None:
        raise NotFoundError(
            f"no tiny depth estimator {name!r}", mend=f"There are {', '.join(_MAKERS)}."
        )
    build, side = made
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model: Any = build()
    return DepthEstimator(model.eval(), name, PixelSpec(side=side))


_STAGES: dict[str, Any] = {"out_features": [f"stage{n}" for n in range(1, 5)]}


def _relative() -> DepthAnythingForDepthEstimation:
    body = Dinov2Config(
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=4,
        mlp_ratio=2,
        image_size=56,
        patch_size=14,
        reshape_hidden_states=False,
        **_STAGES,
    )
    config = DepthAnythingConfig(
        backbone_config=body,
        patch_size=14,
        reassemble_hidden_size=32,
        neck_hidden_sizes=[8, 8, 16, 16],
        fusion_hidden_size=8,
        head_hidden_size=4,
        # With the usual 0.02 so few channels would answer with zeros throughout.
        initializer_range=0.3,
    )
    return DepthAnythingForDepthEstimation(config)


def _metric() -> GLPNForDepthEstimation:
    config = GLPNConfig(
        hidden_sizes=[8, 16, 16, 32],
        depths=[1, 1, 1, 1],
        num_attention_heads=[1, 2, 2, 4],
        decoder_hidden_size=16,
        initializer_range=0.3,
    )
    return GLPNForDepthEstimation(config)


_MAKERS: dict[str, tuple[Any, int]] = {
    "tiny-depth": (_relative, 56),
    "tiny-metric-depth": (_metric, 64),
}
