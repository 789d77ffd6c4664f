"""Tiny twins of the detectors: random weights from a fixed seed, built offline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import (
    DetrConfig,
    DetrForObjectDetection,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    OwlViTConfig,
    OwlViTForObjectDetection,
    ResNetConfig,
    RTDetrConfig,
    RTDetrForObjectDetection,
    RTDetrResNetConfig,
    SwinConfig,
)

from magpie.backbones.detector import PHRASES, Detector, DetectorPixels
from magpie.backbones.tiny import SEED, tiny_tokenizer
from magpie.errors import NotFoundError
from magpie.vision.pixels import CLIP

__all__ = ["tiny_detector"]

_CLASSES = {0: "person", 1: "place", 2: "group", 3: "thing"}
_HEADS: dict[str, Any] = {"encoder_attention_heads": 4, "decoder_attention_heads": 4}
_LAYERS: dict[str, Any] = {
    "encoder_layers": 1, "decoder_layers": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64,
}  # fmt: skip
_STAGE: dict[str, Any] = {"out_features": ["stage4"]}
_STAGES: dict[str, Any] = {"out_features": ["stage2", "stage3", "stage4"]}
_TRANSFORMER: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
}  # fmt: skip


def tiny_detector(name: str, *, phrases: Sequence[str] = PHRASES) -> Detector:
    """``tiny-detr``, ``tiny-rt-detr``, ``tiny-owlvit``, ``tiny-grounding-dino``: 32 wide.

    They look at pictures of 64 pixels with 12 queries (OWL-ViT: 16 patches).

    Raises:
        NotFoundError: no tiny detector of that name.
    """
    made = _MAKERS.get(name)
    if made is None:
        raise NotFoundError(f"no tiny detector {name!r}", mend=f"There are {', '.join(_MAKERS)}.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model: Any = made()
    tokenizer = tiny_tokenizer() if name in ("tiny-owlvit", "tiny-grounding-dino") else None
    return Detector(model.eval(), name, _PIXELS[name], tokenizer, phrases)


def _detr() -> DetrForObjectDetection:
    resnet = ResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 16, 16, 16],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        **_STAGE,
    )
    sizes = {**_LAYERS, **_HEADS, "d_model": 32, "num_queries": 12, "id2label": _CLASSES}
    return DetrForObjectDetection(DetrConfig(backbone_config=resnet, **sizes))


def _rt_detr() -> RTDetrForObjectDetection:
    resnet = RTDetrResNetConfig(
        embedding_size=16,
        hidden_sizes=[16, 16, 32, 32],
        depths=[1, 1, 1, 1],
        layer_type="basic",
        **_STAGES,
    )
    config = RTDetrConfig(
        backbone_config=resnet,
        encoder_in_channels=[16, 32, 32],
        encoder_hidden_dim=32,
        decoder_in_channels=[32, 32, 32],
        d_model=32,
        num_queries=12,
        num_denoising=0,
        id2label=_CLASSES,
        **_LAYERS,
        **_HEADS,
    )
    return RTDetrForObjectDetection(config)


def _owlvit() -> OwlViTForObjectDetection:
    tokenizer = tiny_tokenizer()
    text = {
        **_TRANSFORMER,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 32,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.cls_token_id,
        "eos_token_id": tokenizer.sep_token_id,
    }
    vision = {**_TRANSFORMER, "image_size": 64, "patch_size": 16}
    return OwlViTForObjectDetection(
        OwlViTConfig(text_config=text, vision_config=vision, projection_dim=32)
    )


def _grounding_dino() -> GroundingDinoForObjectDetection:
    swin = SwinConfig(
        image_size=64,
        patch_size=4,
        embed_dim=8,
        depths=[1, 1, 1, 1],
        num_heads=[1, 2, 2, 2],
        window_size=4,
        **_STAGES,
    )
    text = {**_TRANSFORMER, "model_type": "bert", "vocab_size": len(tiny_tokenizer())}
    config = GroundingDinoConfig(
        backbone_config=swin,
        text_config=text,
        d_model=32,
        num_queries=12,
        disable_custom_kernels=True,
        **_LAYERS,
        **_HEADS,
    )
    return GroundingDinoForObjectDetection(config)


_MAKERS = {
    "tiny-detr": _detr,
    "tiny-rt-detr": _rt_detr,
    "tiny-owlvit": _owlvit,
    "tiny-grounding-dino": _grounding_dino,
}
_PIXELS = {
    "tiny-detr": DetectorPixels(shortest=64, longest=128),
    "tiny-rt-detr": DetectorPixels(shortest=64, longest=0, normalisation=None),
    "tiny-owlvit": DetectorPixels(shortest=64, longest=0, normalisation=CLIP, resample="bicubic"),
    "tiny-grounding-dino": DetectorPixels(shortest=64, longest=128),
}
