"""Two encoders, of pictures and of texts, that answer with vectors of one space: CLIP and its like.

Shapes: B pictures or texts, D width of the shared space.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from PIL import Image
from torch import Tensor
from transformers import AutoConfig, AutoImageProcessor, AutoModel, AutoTokenizer, PreTrainedModel

from magpie._io import dump_json, text_digest
from magpie.backbones.base import load_local, weights_digest
from magpie.backbones.vision import ALIASES
from magpie.errors import ModelError
from magpie.vision import LoadedImage

__all__ = ["FAMILIES", "DualEncoder", "load_dual"]

#: transformers' names of the architectures that are known to answer in one way
FAMILIES = ("clip", "metaclip_2", "chinese_clip", "altclip", "groupvit", "siglip")


class DualEncoder:
    """A model with what prepares its pictures and cuts its texts.

    Args:
        model: a transformers model of :data:`FAMILIES`.
        images: its image processor.
        tokenizer: its tokenizer.
        name: what it was loaded as.
    """

    def __init__(self, model: PreTrainedModel, images: Any, tokenizer: Any, name: str) -> None:
        self.model = model.eval().requires_grad_(False)
        self.images = images
        self.tokenizer = tokenizer
        self.name = name

    def to(self, device: str | torch.device) -> DualEncoder:
        """On that device."""
        cast(torch.nn.Module, self.model).to(device)
        return self

    def fingerprint(self, texts: Sequence[str] = ()) -> dict[str, str]:
        """Digests of the weights, of what is done to pictures, and of the pieces of some texts."""
        settings = {name: str(value) for name, value in self.images.to_dict().items()}
        pieces = self._pieces(texts)["input_ids"].tolist() if texts else []
        return {
            "weights": weights_digest(self.model),
            "processor": text_digest(dump_json(settings)),
            "pieces": text_digest(dump_json(pieces)),
        }

    @torch.no_grad()
    def pictures(self, images: Sequence[LoadedImage]) -> Tensor:
        """[B, D], of any length; at least one picture."""
        read = self.images(
            images=[Image.fromarray(image.pixels) for image in images], return_tensors="pt"
        )
        pixels = read["pixel_values"].to(self.model.device, self.model.dtype)
        return _vectors(cast(Any, self.model).get_image_features(pixel_values=pixels))

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> Tensor:
        """[B, D], of any length; at least one text, the end of a long one being cut off."""
        pieces = {name: value.to(self.model.device) for name, value in self._pieces(texts).items()}
        return _vectors(cast(Any, self.model).get_text_features(**pieces))

    def _pieces(self, texts: Sequence[str]) -> dict[str, Tensor]:
        config = cast(Any, self.model.config)
        room = min(self.tokenizer.model_max_length, config.text_config.max_position_embeddings)
        # SigLIP was trained on texts that fill its length, without a mask.
        whole = config.model_type == "siglip"
        cut = self.tokenizer(
            list(texts),
            padding="max_length" if whole else True,
            truncation=True,
            max_length=room,
            return_tensors="pt",
        )
        return {name: cut[name] for name in ("input_ids", "attention_mask")[: 1 if whole else 2]}


def _vectors(found: Any) -> Tensor:
    return cast(Tensor, found if isinstance(found, Tensor) else found.pooler_output).float()


def load_dual(name: str) -> DualEncoder:
    """Both encoders by short name, hub name, folder, or ``tiny-clip``.

    Raises:
        ModelError: it is not on this machine, or of another family.
    """
    if name.startswith("tiny-"):
        from magpie.backbones.tiny_contrastive import tiny_dual

        return tiny_dual(name)
    place = ALIASES.get(name, name)
    family = load_local(place, AutoConfig.from_pretrained).model_type
    if family not in FAMILIES:
        raise ModelError(
            f"{name} is a {family}, which does not compare pictures with texts",
            code="model-mismatch",
            where=name,
            mend=f"There are: {', '.join(FAMILIES)}.",
        )
    return DualEncoder(
        load_local(place, AutoModel.from_pretrained),
        load_local(place, AutoImageProcessor.from_pretrained),
        load_local(place, AutoTokenizer.from_pretrained),
        name,
    )
