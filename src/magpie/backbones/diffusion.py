"""Pictures drawn from texts by a diffusers pipeline."""

from __future__ import annotations

import io
from typing import Any

import torch

from magpie._io import dump_json, text_digest
from magpie._optional import require
from magpie.backbones.base import load_local, weights_digest
from magpie.errors import ConfigError, ModelError

__all__ = ["TextToImage", "load_text_to_image"]


class TextToImage:
    """A text-to-image pipeline that draws the same picture of the same words.

    Args:
        pipeline: of diffusers: Stable Diffusion, and whatever else takes a prompt, a generator and
            a number of steps.
        name: what it was loaded as.
    """

    def __init__(self, pipeline: Any, name: str) -> None:
        self.pipeline = pipeline
        self.name = name
        pipeline.set_progress_bar_config(disable=True)

    def to(self, device: str | torch.device) -> TextToImage:
        """On that device; the noise still comes from the processor, so it is the same there."""
        self.pipeline.to(device)
        return self

    def fingerprint(self) -> dict[str, str]:
        """Digests of all weights, and of the settings of the other parts."""
        weights: dict[str, str] = {}
        settings: dict[str, str] = {"pipeline": type(self.pipeline).__name__}
        for name, part in sorted(self.pipeline.components.items()):
            if isinstance(part, torch.nn.Module):
                weights[name] = weights_digest(part)
            elif hasattr(part, "config"):
                settings[name] = dump_json({k: str(v) for k, v in dict(part.config).items()})
        return {
            "weights": text_digest(dump_json(weights)),
            "settings": text_digest(dump_json(settings)),
        }

    @torch.no_grad()
    def draw(
        self, prompt: str, *, seed: int, side: int = 512, steps: int = 30, guidance: float = 7.5
    ) -> bytes | None:
        """One picture as PNG; None where the pipeline's safety checker holds it back.

        Args:
            prompt: what it shows; what the text encoder has no room for is cut off.
            seed: of the noise.
            side: width and height in pixels.
            steps: of the scheduler.
            guidance: weight of the prompt against no prompt; 1 is none.

        Raises:
            ConfigError: the pipeline cannot draw pictures of that size.
            ModelError: it takes no prompt.
        """
        noise = torch.Generator("cpu").manual_seed(seed)
        try:
            found = self.pipeline(
                prompt,
                height=side,
                width=side,
                num_inference_steps=steps,
                guidance_scale=guidance,
                generator=noise,
            )
        except ValueError as error:
            raise ConfigError(
                f"{self.name} cannot draw a picture of {side} pixels in {steps} steps: {error}",
                where=self.name,
            ) from error
        except TypeError as error:
            raise ModelError(
                f"{self.name} draws no pictures from texts: {error}",
                code="model-mismatch",
                where=self.name,
                mend="Name a text-to-image pipeline, such as Stable Diffusion.",
            ) from error
        held = getattr(found, "nsfw_content_detected", None)
        if held and held[0]:
            return None
        stream = io.BytesIO()
        found.images[0].save(stream, "PNG")
        return stream.getvalue()


def load_text_to_image(name: str) -> TextToImage:
    """A pipeline by hub name, folder, or ``tiny-diffusion``.

    Raises:
        MissingExtraError: diffusers is not installed.
        ModelError: it is not on this machine, or has no safetensors weights.
    """
    diffusers = require("diffusers", "drawing pictures from texts")
    if name.startswith("tiny-"):
        from magpie.backbones.tiny_diffusion import tiny_text_to_image

        return tiny_text_to_image(name)
    diffusers.utils.logging.disable_progress_bar()

    def load(place: str, **options: Any) -> Any:
        return diffusers.DiffusionPipeline.from_pretrained(place, use_safetensors=True, **options)

    return TextToImage(load_local(name, load), name)
