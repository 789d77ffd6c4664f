"""The tiny twin of CLIP with both its encoders: random weights from a fixed seed, built offline."""

from __future__ import annotations

from typing import Any

import torch
from transformers import CLIPConfig, CLIPModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from magpie.backbones.contrastive import DualEncoder
from magpie.backbones.tiny import SEED, tiny_tokenizer
from magpie.errors import NotFoundError

__all__ = ["tiny_dual"]

_SIDE = 32
_SIZES: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
}  # fmt: skip


def tiny_dual(name: str = "tiny-clip") -> DualEncoder:
    """``tiny-clip``: 32 wide, pictures of 32 pixels, a shared space of 16.

    Raises:
        NotFoundError: no tiny twin of that name.
    """
    if name != "tiny-clip":
        raise NotFoundError(f"no tiny dual encoder {name!r}", mend="There is tiny-clip.")
    tokenizer = tiny_tokenizer()
    text = {
        **_SIZES,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 64,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.cls_token_id,
        "eos_token_id": tokenizer.sep_token_id,
    }
    vision = {**_SIZES, "image_size": _SIDE, "patch_size": 8}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        # Far from where CLIP starts, so that a random network tells pictures apart.
        model = CLIPModel(
            CLIPConfig(
                text_config=text, vision_config=vision, projection_dim=16, initializer_factor=3.0
            )
        )
    size = {"height": _SIDE, "width": _SIDE}
    images = CLIPImageProcessorPil(size={"shortest_edge": _SIDE}, crop_size=size)
    return DualEncoder(model, images, tokenizer, name)
