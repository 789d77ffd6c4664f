"""Captioners: pictures in, a sentence about each out.

Whatever transformers loads as "image and text to text" is taken with the processor it was published
with: BLIP and vision encoder-decoders write of their own accord, BLIP-2 as well, and models that
were trained on conversations (LLaVA and its like) are asked. Decoding is greedy or by beams, never
sampled, so that a picture has one caption.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import torch
from PIL import Image
from torch import Tensor
from transformers import (
    AutoImageProcessor,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    PreTrainedModel,
)

from magpie._io import dump_json, text_digest
from magpie.backbones.base import load_local, weights_digest
from magpie.errors import ConfigError, ModelError
from magpie.vision import LoadedImage

__all__ = ["PROMPT", "Captioner", "load_captioner"]

#: what models that answer questions are asked, where nobody says otherwise
PROMPT = "Describe the picture in one sentence."


class Captioner:
    """A model with what prepares its pictures and reads its pieces.

    Args:
        model: a transformers model that writes text about pictures.
        images: its image processor.
        tokenizer: its tokenizer.
        name: what it was loaded as.
        processor: both in one, where a prompt has to make room for the picture.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        images: Any,
        tokenizer: Any,
        name: str,
        processor: Any = None,
    ) -> None:
        self.model = model.eval().requires_grad_(False)
        self.images = images
        self.tokenizer = tokenizer
        self.name = name
        self.processor = processor

    @property
    def family(self) -> str:
        """transformers' name of the architecture."""
        return str(self.model.config.model_type)

    def to(self, device: str | torch.device) -> Captioner:
        """On that device."""
        cast(torch.nn.Module, self.model).to(device)
        return self

    def fingerprint(self) -> dict[str, str]:
        """Digests of the weights, and of what pictures and prompts are turned into."""
        settings = {**self.images.to_dict(), "template": self._template}
        return {
            "weights": weights_digest(self.model),
            "processor": text_digest(dump_json({k: str(v) for k, v in settings.items()})),
        }

    @torch.no_grad()
    def caption(
        self,
        images: Sequence[LoadedImage],
        *,
        prompt: str = "",
        length: int = 40,
        beams: int = 1,
    ) -> list[str]:
        """A caption a picture, without prompt and special pieces; perhaps an empty one.

        Pictures go through the model together where they come to the same shapes, so that no
        caption depends on padding, and none on its neighbours.

        Args:
            images: decoded pictures.
            prompt: a question, or the beginning of the caption; empty takes :data:`PROMPT` of
                models that have to be asked, and none of the others.
            length: new pieces at most.
            beams: 1 is greedy.

        Raises:
            ConfigError: a length or number of beams below 1.
            ModelError: the model cannot be used in this way.
        """
        if length < 1 or beams < 1:
            raise ConfigError(f"length and beams must be at least 1, got {length} and {beams}")
        groups: dict[Any, list[tuple[int, dict[str, Tensor]]]] = {}
        for index, image in enumerate(images):
            given = self._given(Image.fromarray(image.pixels), prompt)
            shapes = tuple((name, tuple(value.shape)) for name, value in sorted(given.items()))
            groups.setdefault(shapes, []).append((index, given))
        found = [""] * len(images)
        for rows in groups.values():
            whole = {name: torch.cat([given[name] for _, given in rows]) for name in rows[0][1]}
            written = self._written(whole, length, beams)
            for (index, given), pieces in zip(rows, written, strict=True):
                found[index] = self._text(pieces, given.get("input_ids"))
        return found

    @property
    def _template(self) -> str | None:
        found = getattr(self.processor, "chat_template", None)
        return found if isinstance(found, str) else None

    def _given(self, image: Image.Image, prompt: str) -> dict[str, Tensor]:
        """Tensors of one row: pixels, and the prompt's pieces where there is one."""
        text = self._asked(prompt)
        device, kind = self.model.device, self.model.dtype
        if text is None:
            made: Mapping[str, Tensor] = self.images(images=image, return_tensors="pt")
        elif self.processor is None:
            raise ModelError(
                f"{self.name} takes no prompt: it was published without a processor",
                code="model-mismatch",
                where=self.name,
                mend="Leave the prompt empty.",
            )
        else:
            made = self.processor(images=image, text=text, return_tensors="pt")
        return {
            name: value.to(device, kind if value.is_floating_point() else None)
            for name, value in made.items()
        }

    def _asked(self, prompt: str) -> str | None:
        if self._template is not None:
            words = {"type": "text", "text": prompt or PROMPT}
            turn = {"role": "user", "content": [{"type": "image"}, words]}
            return str(self.processor.apply_chat_template([turn], add_generation_prompt=True))
        mark = getattr(self.processor, "image_token", None)
        if mark is not None and self.family.startswith(("llava", "vipllava")):
            # The form of the first releases, which brought no template.
            return f"USER: {mark}\n{prompt or PROMPT} ASSISTANT:"
        return prompt or None

    def _written(self, given: Mapping[str, Tensor], length: int, beams: int) -> list[list[int]]:
        try:
            pieces = cast(Any, self.model).generate(
                **given, max_new_tokens=length, num_beams=beams, do_sample=False
            )
        except (TypeError, ValueError) as error:
            raise ModelError(
                f"{self.name} ({self.family}) cannot caption a picture: {error}",
                code="model-mismatch",
                where=self.name,
                mend="Take BLIP, BLIP-2, LLaVA, or another captioner of transformers.",
            ) from error
        return cast(list[list[int]], pieces.tolist())

    def _text(self, pieces: list[int], asked: Tensor | None) -> str:
        if asked is not None:
            row = asked[0].tolist()
            # BLIP puts a mark of its own first, and drops the last piece of a prompt.
            if pieces[1 : len(row)] == row[1:]:
                pieces = pieces[len(row) :]
            elif pieces[1 : len(row) - 1] == row[1:-1]:
                pieces = pieces[len(row) - 1 :]
        text = self.tokenizer.decode(pieces, skip_special_tokens=True)
        return " ".join(text.replace("\0", " ").split())


def load_captioner(name: str) -> Captioner:
    """A captioner by hub name, folder, or ``tiny-blip``, ``tiny-blip-2``, ``tiny-llava``.

    Raises:
        ModelError: it is not on this machine.
    """
    if name.startswith("tiny-"):
        from magpie.backbones.tiny_captioners import tiny_captioner

        return tiny_captioner(name)
    model = load_local(name, AutoModelForImageTextToText.from_pretrained)
    processor: Any = load_local(name, AutoProcessor.from_pretrained)
    if hasattr(processor, "image_processor"):
        return Captioner(model, processor.image_processor, processor.tokenizer, name, processor)
    images = load_local(name, AutoImageProcessor.from_pretrained)
    return Captioner(model, images, load_local(name, AutoTokenizer.from_pretrained), name)
