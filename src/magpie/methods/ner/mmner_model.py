"""MMNerModel: BERT, ViT and a chain; the text asks the picture, the raw text state stays beside.

Reconstructed: a row of a published results table ("bert+crf+ViT", 2022) without code or
description. What is certain are its three ingredients and its scores; the fusion is a switch
(mmner_model.md). Unusual: the head sees [X ; F], so a road without the picture always exists, and
without a picture F is exactly zero.

Shapes: B batch, T pieces, P patches with the summary token first, D text width, V picture width,
K fusion width, L tags.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self, cast

import torch
from torch import Tensor, nn

from magpie.backbones import TextEncoder, VisionEncoder, load_text, load_vision
from magpie.errors import ConfigError
from magpie.features import Assets, Need, Pixels
from magpie.methods.base import Batch, Example, ParameterGroup
from magpie.methods.labels import LabelSpace
from magpie.methods.pictures import check_default_image, default_pixels, where_absent
from magpie.methods.seeing import Seeing
from magpie.methods.tagging import TaggingConfig
from magpie.nn.attention_boost import CalibratedAttention, calibrated_multihead
from magpie.nn.gated_graph import GatedGraphLayer
from magpie.schema import Document

__all__ = ["MMNerModel", "MMNerModelConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MMNerModelConfig(TaggingConfig):
    """Settings of MMNerModel; all of it is reconstructed."""

    tag_order: Literal["umt", "umgf"] = "umgf"
    reduction: Literal["mean", "sum"] = "sum"
    #: picture encoder
    vision: str = "google/vit-base-patch16-224"
    #: side of its pictures; None takes the encoder's own
    image_side: int | None = None
    #: crop: shorter side to 256 of 224, centre; squash: both sides; None takes the encoder's own
    resize: Literal["crop", "squash"] | None = None
    #: keep the picture encoder as it is, in evaluation mode
    freeze_vit: bool = True
    #: how text and patches meet; umgf is UMGF's layer with the patches in place of its objects,
    #: which takes B x T x P x K numbers twice
    fusion: Literal["cross_attn", "gated", "concat_cls", "umgf"] = "cross_attn"
    #: fusion="umgf": over the patches; UMGF itself sums over its four objects
    pooling: Literal["mean", "sum"] = "mean"
    #: K
    width: int = 512
    heads: int = 8
    #: inner width of the feed-forward part
    inner: int = 256
    #: cross-attention layers
    layers: int = 1
    fusion_dropout: float = 0.4
    #: without a picture. zero_fusion: F is exactly zero; zero_pixels: pixels of zero go through the
    #: network; default_image: one fixed picture for all
    missing: Literal["zero_fusion", "zero_pixels", "default_image"] = "zero_fusion"
    #: path of that picture
    default_image: str = ""
    #: rate of the text encoder; None takes the recipe's
    text_rate: float | None = None
    #: rate of the picture encoder where it is not frozen
    vision_rate: float | None = 1e-5
    #: where the description comes from
    status: Literal["reconstructed"] = "reconstructed"

    def __post_init__(self) -> None:
        # Named, because dataclass(slots=True) makes a new class that bare super() does not know.
        TaggingConfig.__post_init__(self)
        check_default_image(self.missing, self.default_image)
        if self.width % self.heads:
            raise ConfigError(f"heads ({self.heads}) must divide width ({self.width})")
        asks = self.fusion in ("cross_attn", "gated")
        if self.ideas.attn_boost == "calibrated" and not asks:
            raise ConfigError(
                f"fusion={self.fusion!r} has no attention between words and patches, so "
                "ideas.attn_boost=calibrated has no place in it",
                mend="Take fusion cross_attn or gated.",
            )


class CrossAttention(nn.Module):
    """The text asks the patches: attention, then a feed-forward part, each with add and norm."""

    def __init__(self, width: int, heads: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        #: corrects the attention, where ``ideas`` want that
        self.calibration: CalibratedAttention | None = None
        self.norm_attention = nn.LayerNorm(width)
        self.inner = nn.Linear(width, inner)
        self.outer = nn.Linear(inner, width)
        self.norm_output = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, v: Tensor) -> Tensor:
        """x [B, T, K], v [B, P, K] -> [B, T, K]."""
        asked = _asked(self.attention, self.calibration, x, v)
        a = self.norm_attention(x + self.dropout(asked))
        return cast(
            Tensor, self.norm_output(a + self.dropout(self.outer(torch.relu(self.inner(a)))))
        )


class Gated(nn.Module):
    """What the text finds passes a gate of text and finding."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)
        #: as of :class:`CrossAttention`
        self.calibration: CalibratedAttention | None = None
        self.gate = nn.Linear(2 * width, width)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, v: Tensor) -> Tensor:
        """x [B, T, K], v [B, P, K] -> [B, T, K]."""
        c = _asked(self.attention, self.calibration, x, v)
        g = torch.sigmoid(self.gate(torch.cat([x, c], -1)))
        return cast(Tensor, self.norm(x + self.dropout(g * c)))


def _asked(
    attention: nn.MultiheadAttention, calibration: CalibratedAttention | None, x: Tensor, v: Tensor
) -> Tensor:
    """x [B, T, K] asks v [B, P, K] -> [B, T, K]."""
    if calibration is not None:
        return calibrated_multihead(calibration, attention, x, v)
    return attention(x, v, v, need_weights=False)[0]


class ConcatSummary(nn.Module):
    """Every word gets the picture's summary token."""

    def forward(self, x: Tensor, v: Tensor) -> Tensor:
        """x [B, T, K], v [B, P, K] -> [B, T, K]."""
        return v[:, :1].expand(-1, x.shape[1], -1)


class MMNerModel(Seeing):
    """Emissions from the text state and what it found in the picture."""

    name: ClassVar[str] = "mmner-model"
    Config: ClassVar[type[MMNerModelConfig]] = MMNerModelConfig
    places: ClassVar[frozenset[str]] = Seeing.places | {"attn_boost=calibrated"}
    unboosted: ClassVar[str] = "its words ask the picture, its picture asks no words"
    config: MMNerModelConfig

    def __init__(
        self,
        config: MMNerModelConfig,
        labels: LabelSpace,
        text: TextEncoder,
        vision: VisionEncoder,
    ) -> None:
        super().__init__(config, labels, {"text": text, "vision": vision})
        if config.freeze_vit:
            vision.freeze()
        self.project_text = nn.Linear(text.width, config.width)
        self.project_image = nn.Linear(vision.width, config.width)
        self.fusion: nn.ModuleList = nn.ModuleList(self._fusion() for _ in range(config.layers))
        self.head = nn.Linear(text.width + config.width, len(self.tag_names))
        self.add_text_head(vision.width, text.width + config.width, config.dropout)
        for layer in self.fusion:
            if isinstance(layer, CrossAttention | Gated):
                layer.calibration = self.ideas.calibration(config.width // config.heads)
        if config.missing == "default_image":
            side = vision.pixels.side
            self.default_image: Tensor
            self.register_buffer("default_image", torch.zeros(3, side, side))

    def _fusion(self) -> nn.Module:
        c = self.config
        if c.fusion == "cross_attn":
            return CrossAttention(c.width, c.heads, c.inner, c.fusion_dropout)
        if c.fusion == "gated":
            return Gated(c.width, c.heads, c.fusion_dropout)
        if c.fusion == "umgf":
            return GatedGraphLayer(c.width, c.heads, c.inner, c.fusion_dropout, pooling=c.pooling)
        return ConcatSummary()

    @classmethod
    def build(cls, config: MMNerModelConfig, labels: LabelSpace) -> Self:
        vision = load_vision(config.vision, side=config.image_side)
        if config.resize is not None:
            vision.pixels = replace(vision.pixels, fit=config.resize)
        made = cls(
            config,
            labels,
            load_text(config.text, attention_dropout=config.attention_dropout),
            vision,
        )
        if config.missing == "default_image":
            made.default_image.copy_(default_pixels(config.default_image, vision.pixels))
        return made

    @property
    def vision(self) -> VisionEncoder:
        """The picture encoder."""
        return cast(VisionEncoder, self.backbones["vision"])

    def needs(self) -> frozenset[Need]:
        return frozenset({self._pixels}) | self.ideas.needs()

    @property
    def _pixels(self) -> Pixels:
        return Pixels(self.vision.pixels)

    def prepare(self, document: Document, assets: Assets) -> Example:
        example = self.prepare_words(document)
        asset = assets[self._pixels]
        side = self.vision.pixels.side
        pixels = torch.zeros(3, side, side)
        if asset.present:
            pixels = torch.from_numpy(asset.arrays["pixels"].copy())
        example.inputs["pixels"] = pixels
        example.inputs["has_image"] = torch.tensor(self.ideas.usable(document, asset))
        self.ideas.read_picture(document, assets, example.inputs)
        return example

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        inputs = batch.inputs
        c = self.config
        there = self.ideas.there(inputs["has_image"], self.training)
        states = self.text_states(batch)  # B,T,D
        fill = self.default_image if c.missing == "default_image" else None
        pixels = where_absent(inputs["pixels"], there, fill)
        if c.missing == "zero_fusion" and not bool(there.any()):
            # Nobody would see what the encoder makes of no pictures at all.
            patches = states.new_zeros(len(batch), self.vision.cells, self.vision.width)
        else:
            with torch.set_grad_enabled(torch.is_grad_enabled() and not c.freeze_vit):
                patches = self.vision(pixels)  # B,P,V
        x, v = self.project_text(states), self.project_image(patches)  # B,T,K  B,P,K
        fused = x
        for layer in self.fusion:
            if isinstance(layer, GatedGraphLayer):
                mask = inputs["attention_mask"]
                edges = mask.unsqueeze(2).expand(-1, -1, v.shape[1])  # B,T,P
                fused, v = layer(fused, v, mask, edges)
            else:
                fused = layer(fused, v)
        if c.missing == "zero_fusion":
            # Selected, not multiplied: without a picture the road below is exactly the text's own.
            fused = where_absent(fused, there)
        found = self.judge(batch, there, patches[:, 0])
        if self.ideas.weighs:
            fused = found["image_weight"].unsqueeze(2) * fused
        joined = self.chain_states(torch.cat([states, fused], -1), batch)
        return self.join(found, self.head(joined), states, joined, batch)  # B,T,L

    def groups(self) -> list[ParameterGroup]:
        encoders = {"text": self.config.text_rate, "vision": self.config.vision_rate}
        own = {role: tuple(self.backbones[role].parameters()) for role in encoders}
        masks = self.ideas.calibration_groups(self)
        parts = (*own.values(), *(group.parameters for group in masks))
        taken = {id(p) for parameters in parts for p in parameters}
        rest = tuple(p for p in self.parameters() if id(p) not in taken)
        return [
            *(ParameterGroup(name=r, parameters=own[r], rate=encoders[r]) for r in encoders),
            ParameterGroup(name="fusion", parameters=rest),
            *masks,
        ]
