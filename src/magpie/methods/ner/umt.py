"""UMT: words and picture ask one another, a gate admits what was seen, spans are found beside.

Yu, Jiang, Yang, Xia: Improving Multimodal Named Entity Recognition via Entity Span Detection with
Unified Multimodal Transformer, ACL 2020; public code jefferyYu/UMT. Unusual: the picture asks the
words before the words ask it (a coupled attention), two separate maps of the picture feed the two
directions, and a text-only head that finds untyped spans is mixed into the scores, not into the
probabilities. Without it (``span_detection=False``) the paper calls the model MT-BERT-CRF.

Where the public code departs from the specification, the other behaviour is an option:
``bn_drift``, ``augment="umt"``, ``missing="default_image"``. The gradient clip of each tensor by
itself belongs to the optimiser's settings (``clip_each``).

Shapes: B batch, T pieces (chain positions), P cells, C channels, D width, L tags, S span tags.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self, cast

import torch
from torch import Tensor, nn

from magpie.backbones import TextEncoder, VisionEncoder, load_text, load_vision
from magpie.errors import ConfigError
from magpie.features import Assets, Grid, Need, Pixels
from magpie.methods.base import Batch, Example, Method, ParameterGroup
from magpie.methods.labels import LabelSpace
from magpie.methods.pictures import (
    check_default_image,
    default_grid,
    default_pixels,
    where_absent,
)
from magpie.methods.seeing import text_parts
from magpie.methods.tagging import Tagging, TaggingConfig
from magpie.nn.bert_layers import CrossStack, LayerSizes, SelfLayer, bert_init
from magpie.schema import Document
from magpie.vision import PixelSpec

__all__ = ["Umt", "UmtConfig", "conversion"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UmtConfig(TaggingConfig):
    """Settings of UMT; the defaults are the published ones where the pictures are there."""

    #: picture encoder; with visual="grid" its features are computed beforehand
    vision: str = "resnet-152"
    #: grid: cached features of a frozen encoder; pixels: the encoder is part of the method
    visual: Literal["grid", "pixels"] = "grid"
    #: side of the pictures; None takes the encoder's own
    image_side: int | None = None
    #: C of cached features
    grid_width: int = 2048
    #: cells a side of cached features; P is its square
    cells: int = 7
    #: visual="pixels": keep the encoder as it is
    freeze_vision: bool = True
    #: the public code's frozen encoder in training mode: batch statistics, drifting averages
    bn_drift: bool = False
    #: umt: one window of each picture, unscaled, mirrored half of the time, for testing too
    augment: Literal["none", "umt"] = "none"
    #: find untyped spans beside, and mix them in
    span_detection: bool = True
    #: share of the typed scores in the mix
    alpha: float = 0.5
    #: weight of the span loss
    beta: float = 0.5
    #: layers in which words ask the picture
    layers_words_to_image: int = 1
    #: layers in which the picture asks the words
    layers_image_to_words: int = 1
    #: layers in which words ask the picture that has asked
    layers_words_to_coupled: int = 1
    #: shortcut: a text head of its own, exactly BERT-CRF; zeros: features of zero go through the
    #: network; default_image: one fixed picture for all, as the public code has it
    missing: Literal["shortcut", "zeros", "default_image"] = "shortcut"
    #: path of that picture
    default_image: str = ""
    #: share of training posts whose picture is hidden, so that the shortcut's head learns
    drop_image: float = 0.1
    #: of the new weights; None takes that of the text encoder (BERT's 0.02)
    deviation: float | None = None

    def __post_init__(self) -> None:
        TaggingConfig.__post_init__(self)
        check_default_image(self.missing, self.default_image)
        if not 0 <= self.alpha <= 1 or self.beta < 0 or not 0 <= self.drop_image < 1:
            raise ConfigError(
                f"need alpha in [0, 1], beta >= 0 and drop_image in [0, 1), got {self.alpha}, "
                f"{self.beta}, {self.drop_image}"
            )
        if self.ideas.text_head and self.missing != "shortcut":
            raise ConfigError("ideas.missing_image and ideas.umt_compat need missing='shortcut'")
        if self.bn_drift and self.visual != "pixels":
            raise ConfigError("bn_drift needs visual='pixels': cached features cannot drift")


def conversion(tags: tuple[str, ...]) -> tuple[tuple[str, ...], Tensor]:
    """Span tags (first letters; special tags as they are) and the matrix M [S, L] to all tags.

    A span tag spreads its score evenly over the tags that it stands for; rows sum to 1.
    """
    kinds = [tag[0] if tag[1:2] == "-" else tag for tag in tags]
    names = tuple(dict.fromkeys(kinds))
    matrix = torch.tensor([[float(kind == name) for kind in kinds] for name in names])
    return names, matrix / matrix.sum(1, keepdim=True)


class Umt(Tagging):
    """Two self layers, three cross blocks, a gate, two heads, two chains."""

    name: ClassVar[str] = "umt"
    Config: ClassVar[type[UmtConfig]] = UmtConfig
    places: ClassVar[frozenset[str]] = frozenset(
        {
            "dictionary_features",
            "lower_image",
            "missing_image",
            "image_kind",
            "attn_boost=relevance",
            "attn_boost=calibrated",
            "umt_compat",
        }
    )
    config: UmtConfig

    def __init__(
        self,
        config: UmtConfig,
        labels: LabelSpace,
        text: TextEncoder,
        vision: VisionEncoder | None = None,
    ) -> None:
        if (vision is None) != (config.visual == "grid"):
            raise ConfigError(f"visual={config.visual!r} does not fit the given picture encoder")
        super().__init__(
            config, labels, {"text": text, **({} if vision is None else {"vision": vision})}
        )
        if vision is not None and config.freeze_vision:
            if config.bn_drift:
                vision.requires_grad_(False)
            else:
                vision.freeze()
        channels = config.grid_width if vision is None else vision.width
        sizes = LayerSizes.of(text.transformer.config)
        if config.deviation is not None:
            sizes = replace(sizes, deviation=config.deviation)
        width, count = sizes.width, len(self.tag_names)
        self.dropout = nn.Dropout(config.dropout)
        self.self_text = SelfLayer(sizes)
        self.image_as_keys = nn.Linear(channels, width)
        self.image_as_queries = nn.Linear(channels, width)
        self.words_ask_image = CrossStack(sizes, config.layers_words_to_image)
        self.image_asks_words = CrossStack(sizes, config.layers_image_to_words)
        self.words_ask_coupled = CrossStack(sizes, config.layers_words_to_coupled)
        self.gate = nn.Linear(2 * width, width)
        self.classifier = nn.Linear(2 * width, count)
        new = [self.image_as_keys, self.image_as_queries, self.gate, self.classifier]
        if config.span_detection:
            self.span_names, matrix = conversion(self.tag_names)
            self.self_spans = SelfLayer(sizes)
            self.span_classifier = nn.Linear(width, len(self.span_names))
            self.span_crf = type(self.crf)(len(self.span_names))
            self.conversion: Tensor
            self.register_buffer("conversion", matrix, persistent=False)
            new.append(self.span_classifier)
        if config.missing == "shortcut":
            self.text_classifier = nn.Linear(width, count)
            new.append(self.text_classifier)
        for layer in new:
            bert_init(layer, sizes.deviation)
        self.ideas.see(channels, 3 * width)
        stacks = (self.words_ask_image, self.image_asks_words, self.words_ask_coupled)
        for asks in (layer for stack in stacks for layer in stack.cross_layers()):
            asks.calibration = self.ideas.calibration(sizes.width // sizes.heads)
        if config.missing == "default_image":
            self.default_image: Tensor
            self.register_buffer("default_image", torch.zeros(self._shape))

    @classmethod
    def build(cls, config: UmtConfig, labels: LabelSpace) -> Self:
        vision = None
        if config.visual == "pixels":
            vision = load_vision(config.vision, side=config.image_side)
        made = cls(
            config,
            labels,
            load_text(config.text, attention_dropout=config.attention_dropout),
            vision,
        )
        if config.missing == "default_image":
            need = made.picture
            made.default_image.copy_(
                default_grid(config.default_image, need)
                if isinstance(need, Grid)
                else default_pixels(config.default_image, need.spec)
            )
        return made

    @property
    def vision(self) -> VisionEncoder | None:
        """The picture encoder, where it is part of the method."""
        return cast(VisionEncoder, self.backbones["vision"]) if "vision" in self.backbones else None

    @property
    def picture(self) -> Grid | Pixels:
        """What it reads of a picture."""
        side = self.config.image_side
        if self.vision is not None:
            own = self.vision.pixels
            fit, colours = own.fit, own.normalisation
            spec = PixelSpec(
                side=own.side,
                fit="window" if self.config.augment == "umt" else fit,
                normalisation=colours,
            )
            return Pixels(spec)
        fit = "window" if self.config.augment == "umt" else "crop"
        return Grid(self.config.vision, PixelSpec(side=side or 224, fit=fit), self.config.cells)

    @property
    def _shape(self) -> tuple[int, int, int]:
        """Of one picture as :attr:`picture` supplies it."""
        need = self.picture
        if isinstance(need, Grid):
            return (self.config.grid_width, need.cells, need.cells)
        return (3, need.spec.side, need.spec.side)

    def matching(self, other: Method) -> dict[str, str]:
        """BERT-CRF's for the text head."""
        return text_parts(other, "text_classifier") if self.config.missing == "shortcut" else {}

    def needs(self) -> frozenset[Need]:
        return frozenset({self.picture}) | self.ideas.needs()

    def prepare(self, document: Document, assets: Assets) -> Example:
        example = self.prepare_words(document)
        need = self.picture
        asset = assets[need]
        image = torch.zeros(self._shape)
        if asset.present:
            found = asset.arrays["grid" if isinstance(need, Grid) else "pixels"]
            if found.shape != self._shape:
                raise ConfigError(
                    f"the picture's features must have shape {list(self._shape)}, got "
                    f"{list(found.shape)}",
                    where=document.id,
                    mend="Were they computed with another encoder? Build them again.",
                )
            image = torch.from_numpy(found.copy()).float()
        example.inputs["image"] = image
        example.inputs["has_image"] = torch.tensor(self.ideas.usable(document, asset))
        self.ideas.read_picture(document, assets, example.inputs)
        return example

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        c, mask = self.config, batch.inputs["attention_mask"]
        states = self.dropout(self.text_states(batch))  # H: B,T,D
        there = self._there(batch.inputs["has_image"])
        cells = self._cells(batch.inputs["image"], there)  # V0: B,P,C
        r = self.self_text(states, mask)  # R: B,T,D
        k, kinds = self.ideas.kind(cells.mean(1), batch.inputs)  # B
        w = self.ideas.image_weight(there, k, batch.inputs)  # B,T
        # Words ask the picture: the word-aware visual representation.
        q = self.words_ask_image(r, self.image_as_keys(cells))  # B,T,D
        # The picture asks the words, then the words ask what it has found.
        asking = self.image_as_queries(cells)  # B,P,D
        coupled = self.image_asks_words(asking, r, mask, self.ideas.boost(r, asking, mask))
        a = self.words_ask_coupled(r, coupled)  # B,T,D
        g = torch.sigmoid(self.gate(torch.cat([a, q], -1)))  # B,T,D
        admitted = g * q  # B,T,D
        if self.ideas.weighs:
            admitted = w.unsqueeze(2) * admitted
        fused = torch.cat([a, admitted], -1)  # B,T,2D
        found = {"main": self.classifier(self.chain_states(fused, batch))}  # B,T,L
        emissions = found["main"]
        if c.span_detection:
            spans = self.self_spans(states, mask)  # B,T,D
            found["spans"] = self.span_classifier(self.chain_states(spans, batch))  # B,T,S
            found["converted"] = found["spans"] @ self.conversion  # B,T,L
            emissions = c.alpha * emissions + (1 - c.alpha) * found["converted"]
        if c.missing == "shortcut":
            found["text"] = self.text_classifier(self.chain_states(states, batch))  # B,T,L
            found["seen"] = emissions
            evidence = self.chain_states(torch.cat([states, a, q], -1), batch)
            at = self.chain_states(w.unsqueeze(2), batch).squeeze(2)  # B,T
            emissions = self.ideas.combine(found, there, at, evidence)
        if kinds is not None:
            found["kind"] = kinds
        return {
            "emissions": emissions,
            **found,
            "there": there,
            "kind_weight": k,
            "image_weight": w,
        }

    def extra_losses(self, scores: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        c, mask, tags = self.config, self.chain_mask(batch), batch.targets["tags"]
        terms = self.ideas.losses(self.crf, scores, tags, mask, batch.inputs, c.reduction)
        if c.span_detection:
            spans = self.span_targets(tags)
            loss = self.span_crf(scores["spans"], spans, mask, reduction=c.reduction)
            terms["spans"] = c.beta * loss
        return {**terms, **self.ideas.disturbance(self, batch)}

    def groups(self) -> list[ParameterGroup]:
        """What corrects attention learns from a loss of its own, and in a group of its own."""
        masks = self.ideas.calibration_groups(self)
        taken = {id(p) for group in masks for p in group.parameters}
        rest = tuple(p for p in self.trainable() if id(p) not in taken)
        return [ParameterGroup(name="all", parameters=rest), *masks]

    def span_targets(self, tags: Tensor) -> Tensor:
        """Tags -> span tags, any shape: the first letter stays."""
        return (self.conversion > 0).int().argmax(0)[tags]

    def _there(self, has_image: Tensor) -> Tensor:
        """Which pictures are seen, [B]."""
        if not self.training or self.config.missing != "shortcut" or not self.config.drop_image:
            return has_image
        return has_image & (torch.rand(has_image.shape[0]) >= self.config.drop_image).to(
            has_image.device
        )

    def _cells(self, image: Tensor, there: Tensor) -> Tensor:
        """V0: [B, C, rows, columns] or pixels -> [B, P, C]; absent pictures are replaced."""
        fill = self.default_image if self.config.missing == "default_image" else None
        image = where_absent(image, there, fill)
        if self.vision is None:
            return image.flatten(2).transpose(1, 2)
        if self.config.missing == "shortcut" and not bool(there.any()):
            # Nobody would see what the encoder makes of no pictures at all.
            return image.new_zeros(len(image), self.vision.cells, self.vision.width)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.config.freeze_vision):
            return cast(Tensor, self.vision(image))
