"""The tiny twin of a text-to-image pipeline: random weights from a fixed seed, built offline."""

from __future__ import annotations

import torch
from transformers import CLIPTextConfig, CLIPTextModel

from magpie._optional import require
from magpie.backbones.diffusion import TextToImage
from magpie.backbones.tiny import SEED, tiny_tokenizer
from magpie.errors import NotFoundError

__all__ = ["tiny_text_to_image"]


def tiny_text_to_image(name: str = "tiny-diffusion") -> TextToImage:
    """``tiny-diffusion``: Stable Diffusion with networks of 8 to 32 channels.

    What it draws shows nothing, but follows from prompt and seed. Sides are multiples of 8.

    Raises:
        NotFoundError: no tiny pipeline of that name.
        MissingExtraError: diffusers is not installed.
    """
    if name != "tiny-diffusion":
        raise NotFoundError(f"no tiny pipeline {name!r}", mend="There is tiny-diffusion.")
    diffusers = require("diffusers", "drawing pictures from texts")
    tokenizer = tiny_tokenizer()
    tokenizer.model_max_length = 24
    blocks = ("DownBlock2D", "CrossAttnDownBlock2D")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        text = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(tokenizer),
                hidden_size=32,
                intermediate_size=64,
                num_hidden_layers=2,
                num_attention_heads=4,
                max_position_embeddings=24,
                pad_token_id=tokenizer.pad_token_id,
                bos_token_id=tokenizer.cls_token_id,
                eos_token_id=tokenizer.sep_token_id,
                initializer_range=0.3,
            )
        )
        unet = diffusers.UNet2DConditionModel(
            sample_size=16,
            in_channels=4,
            out_channels=4,
            down_block_types=blocks,
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            block_out_channels=(8, 16),
            layers_per_block=1,
            cross_attention_dim=32,
            attention_head_dim=4,
            norm_num_groups=4,
        )
        decoder = diffusers.AutoencoderKL(
            down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
            up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
            block_out_channels=(8, 16),
            latent_channels=4,
            norm_num_groups=4,
            sample_size=32,
        )
    pipeline = diffusers.StableDiffusionPipeline(
        vae=decoder.eval(),
        text_encoder=text.eval(),
        tokenizer=tokenizer,
        unet=unet.eval(),
        scheduler=diffusers.DDIMScheduler(
            beta_start=0.00085,
            beta_end=0.012,
            beta_schedule="scaled_linear",
            clip_sample=False,
            set_alpha_to_one=False,
            steps_offset=1,
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    return TextToImage(pipeline, name)
