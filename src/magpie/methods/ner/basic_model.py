"""BasicModel: the tagger of the UMGF harness without its picture encoder.

Reconstructed throughout: a row of a published results table (2022) without code or description
(basic_model.md). It is BERT-CRF with UMGF's tag order, summed loss and recipe; the adapter, which
repeats what the multimodal model does to the text, and the global picture vector are switches,
because the notes do not exclude them.

Shapes: B batch, T pieces, D text width, K adapter width, C picture channels, L tags.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, cast

import torch
from torch import Tensor, nn

from magpie.backbones import TextEncoder, VisionEncoder, load_text, load_vision
from magpie.errors import ConfigError
from magpie.features import Assets, Need, Pixels
from magpie.methods.base import Batch, Example
from magpie.methods.labels import LabelSpace
from magpie.methods.pictures import where_absent
from magpie.methods.tagging import Tagging, TaggingConfig
from magpie.schema import Document

__all__ = ["BasicModel", "BasicModelConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicModelConfig(TaggingConfig):
    """Settings of BasicModel; all of it is reconstructed."""

    tag_order: Literal["umt", "umgf"] = "umgf"
    reduction: Literal["mean", "sum"] = "sum"
    #: what stands between the encoder and the head
    adapter: Literal["none", "linear", "self_attn"] = "none"
    #: K
    adapter_width: int = 512
    #: attention heads of the adapter
    heads: int = 8
    #: dropout in front of the head where there is an adapter, as in UMGF
    adapter_dropout: float = 0.4
    #: resnet_global: the pooled vector of the whole picture beside every piece
    visual: Literal["none", "resnet_global"] = "none"
    #: picture encoder; always frozen
    vision: str = "resnet-152"
    #: side of its pictures; None takes the encoder's own
    image_side: int | None = None
    #: whose training settings a run follows; a score is stated with it
    recipe: Literal["umgf", "umt"] = "umgf"
    #: protocol of the scores next to which the published ones stand
    scorer: str = "ner-umgf@1"
    #: where the description comes from
    status: Literal["reconstructed"] = "reconstructed"

    def __post_init__(self) -> None:
        TaggingConfig.__post_init__(self)
        if self.adapter_width % self.heads:
            raise ConfigError(
                f"heads ({self.heads}) must divide adapter_width ({self.adapter_width})"
            )


class BasicModel(Tagging):
    """Encoder, adapter, linear layer, chain."""

    name: ClassVar[str] = "basic-model"
    Config: ClassVar[type[BasicModelConfig]] = BasicModelConfig
    config: BasicModelConfig

    def __init__(
        self,
        config: BasicModelConfig,
        labels: LabelSpace,
        text: TextEncoder,
        vision: VisionEncoder | None = None,
    ) -> None:
        if (vision is None) != (config.visual == "none"):
            raise ConfigError(f"visual={config.visual!r} does not fit the given picture encoder")
        parts: dict[str, Any] = {"text": text}
        if vision is not None:
            parts["vision"] = vision.freeze()
        super().__init__(config, labels, parts)
        width = text.width
        if config.adapter != "none":
            self.adapter = nn.Linear(text.width, config.adapter_width)
            width = config.adapter_width
        if config.adapter == "self_attn":
            self.attention = nn.MultiheadAttention(
                width, config.heads, dropout=config.adapter_dropout, batch_first=True
            )
            self.norm = nn.LayerNorm(width)
        if vision is not None:
            self.project_image = nn.Linear(vision.width, text.width)
            width += text.width
        self.dropout = nn.Dropout(
            config.dropout if config.adapter == "none" else config.adapter_dropout
        )
        self.head = nn.Linear(width, len(self.tag_names))

    @classmethod
    def build(cls, config: BasicModelConfig, labels: LabelSpace) -> Self:
        vision = None
        if config.visual == "resnet_global":
            vision = load_vision(config.vision, side=config.image_side)
        return cls(
            config,
            labels,
            load_text(config.text, attention_dropout=config.attention_dropout),
            vision,
        )

    @property
    def vision(self) -> VisionEncoder | None:
        """The picture encoder, where there is one."""
        return cast(VisionEncoder, self.backbones["vision"]) if "vision" in self.backbones else None

    def needs(self) -> frozenset[Need]:
        return frozenset() if self.vision is None else frozenset({Pixels(self.vision.pixels)})

    def prepare(self, document: Document, assets: Assets) -> Example:
        example = self.prepare_words(document)
        if self.vision is not None:
            spec = self.vision.pixels
            asset = assets[Pixels(spec)]
            pixels = torch.zeros(3, spec.side, spec.side)
            if asset.present:
                pixels = torch.from_numpy(asset.arrays["pixels"].copy())
            example.inputs["pixels"] = pixels
            example.inputs["has_image"] = torch.tensor(asset.present)
        return example

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        mask = batch.inputs["attention_mask"]
        x = self.text(batch.inputs["input_ids"], mask)  # B,T,D
        if self.config.adapter != "none":
            x = self.adapter(x)  # B,T,K
        if self.config.adapter == "self_attn":
            hidden = ~mask.bool()
            asked = self.attention(x, x, x, key_padding_mask=hidden, need_weights=False)[0]
            x = self.norm(x + asked)
        if self.vision is not None:
            x = torch.cat([x, self._picture(batch).unsqueeze(1).expand(-1, x.shape[1], -1)], -1)
        return {"emissions": self.head(self.chain_states(self.dropout(x), batch))}  # B,T,L

    def _picture(self, batch: Batch) -> Tensor:
        """v = W_v pooled(ResNet): [B, D]; exactly zero where there is no picture."""
        there = batch.inputs["has_image"]
        with torch.no_grad():
            pixels = where_absent(batch.inputs["pixels"], there)
            cells = cast(VisionEncoder, self.vision)(pixels)  # B,P,C
        return where_absent(self.project_image(cells.mean(1)), there)
