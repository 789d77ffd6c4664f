"""Tiny twins of the captioners: random weights from a fixed seed, built offline.

What they write makes no sense, but depends on the picture alone.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import (
    Blip2Config,
    Blip2ForConditionalGeneration,
    Blip2Processor,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)
from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil

from magpie.backbones.captioner import Captioner
from magpie.backbones.tiny import SEED, tiny_tokenizer
from magpie.backbones.tiny_seq2seq import tiny_byte_tokenizer
from magpie.errors import NotFoundError

__all__ = ["tiny_captioner"]

_SIDE = 32
_SQUARE = {"height": _SIDE, "width": _SIDE}
_IMAGE = "<image>"
#: wide enough for random networks of 32 channels to tell pictures apart
_SPREAD: dict[str, Any] = {"initializer_range": 0.3}
_SIZES: dict[str, Any] = {
    "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
}  # fmt: skip
_VISION: dict[str, Any] = {**_SIZES, **_SPREAD, "image_size": _SIDE, "patch_size": 8}
#: of LLaVA, as its later releases bring it
_TEMPLATE = (
    "{% for turn in messages %}USER: {% for part in turn['content'] %}"
    "{% if part['type'] == 'image' %}<image>\n{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endfor %} ASSISTANT:"
)


def tiny_captioner(name: str = "tiny-blip") -> Captioner:
    """``tiny-blip``, ``tiny-blip-2``, ``tiny-llava``: 32 wide, pictures of 32 pixels.

    Raises:
        NotFoundError: no tiny captioner of that name.
    """
    made = _MAKERS.get(name)
    if made is None:
        raise NotFoundError(f"no tiny captioner {name!r}", mend=f"There are {', '.join(_MAKERS)}.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model, processor = made()
    return Captioner(model, processor.image_processor, processor.tokenizer, name, processor)


def _blip() -> tuple[Any, Any]:
    tokenizer = tiny_tokenizer()
    text = {
        **_SIZES,
        **_SPREAD,
        "encoder_hidden_size": 32,
        "vocab_size": len(tokenizer),
        "max_position_embeddings": 64,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.cls_token_id,
        "eos_token_id": tokenizer.sep_token_id,
        "sep_token_id": tokenizer.sep_token_id,
    }
    config = BlipConfig(text_config=text, vision_config=_VISION, projection_dim=32)
    pixels = BlipImageProcessorPil(size=_SQUARE)
    return BlipForConditionalGeneration(config), BlipProcessor(pixels, tokenizer)


def _blip_2() -> tuple[Any, Any]:
    tokenizer, marks = _with_pictures()
    asking = {**_SIZES, **_SPREAD, "vocab_size": 30, "encoder_hidden_size": 32}
    opt = {
        **_SPREAD,
        **marks,
        "model_type": "opt",
        "hidden_size": 32,
        "word_embed_proj_dim": 32,
        "ffn_dim": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 64,
    }
    config = Blip2Config(
        vision_config=_VISION,
        qformer_config={**asking, "cross_attention_frequency": 1},
        text_config=opt,
        num_query_tokens=4,
        image_token_index=tokenizer.convert_tokens_to_ids(_IMAGE),
    )
    pixels = BlipImageProcessorPil(size=_SQUARE)
    processor = Blip2Processor(pixels, tokenizer, num_query_tokens=4)
    return Blip2ForConditionalGeneration(config), processor


def _llava() -> tuple[Any, Any]:
    tokenizer, marks = _with_pictures()
    text = LlamaConfig(**_SIZES, **_SPREAD, **marks, max_position_embeddings=128)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**_VISION),
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids(_IMAGE),
    )
    processor = LlavaProcessor(
        LlavaImageProcessorPil(size={"shortest_edge": _SIDE}, crop_size=_SQUARE),
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=_TEMPLATE,
    )
    return LlavaForConditionalGeneration(config), processor


def _with_pictures() -> tuple[Any, dict[str, Any]]:
    """BART's bytes with a piece for the picture; the ids that a decoder is configured with."""
    tokenizer = tiny_byte_tokenizer("bart")
    tokenizer.add_tokens([_IMAGE], special_tokens=True)
    return tokenizer, {
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }


_MAKERS = {"tiny-blip": _blip, "tiny-blip-2": _blip_2, "tiny-llava": _llava}
