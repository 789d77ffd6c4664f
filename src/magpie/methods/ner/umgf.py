"""UMGF: words and four cut-outs of the picture as nodes of one graph, joined by gated edges.

Zhang, Wei, Li, Wu, Zhu, Zhou: Multi-modal Graph Fusion for Named Entity Recognition with Targeted
Visual Guidance, AAAI 2021; public code TransformersWsz/UMGF. Unusual: messages are summed over
nodes, a gate is as wide as a state, the objects' attention has no value projection, all fusion
layers start as copies of one another, and the head sees the plain BERT state beside the fused one.

Where paper and code differ the default is the code's layer; ``edges="paper"``, ``intra_ffn`` and
``position`` are what the paper draws. The public loader does not shuffle its training posts; ours
does.

Shapes: B batch, T pieces (chain positions), O objects, D fusion width, V object width, L tags.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar, Literal, Self, cast

import torch
from torch import Tensor, nn

from magpie.backbones import TextEncoder, VisionEncoder, load_text, load_vision
from magpie.errors import ConfigError
from magpie.features import Asset, Assets, Crops, Need
from magpie.methods.base import Batch, Example
from magpie.methods.labels import LabelSpace
from magpie.methods.pictures import where_absent
from magpie.methods.seeing import Seeing
from magpie.methods.tagging import TaggingConfig
from magpie.nn.gated_graph import GatedGraphLayer
from magpie.schema import Document

__all__ = ["GENERAL_WORDS", "Umgf", "UmgfConfig"]

#: what the published grounding model was asked for in every picture, in the order of its cut-outs
GENERAL_WORDS = ("person", "miscellaneous", "location", "organization")

#: in front of the text head of ``ideas``, as in BERT-CRF
_TEXT_DROPOUT = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class UmgfConfig(TaggingConfig):
    """Settings of UMGF; the defaults are the published ones where cut-outs are there."""

    tag_order: Literal["umt", "umgf"] = "umgf"
    reduction: Literal["mean", "sum"] = "sum"
    #: p: of every update, of attention probabilities and in the object map
    dropout: float = 0.4
    #: picture encoder, fine-tuned
    vision: str = "resnet-152"
    #: side of the cut-outs; None takes the encoder's own
    image_side: int | None = None
    #: where cut-outs come from: media, whole (the picture itself), or a source of boxes
    objects: str = "media"
    #: O
    object_count: int = 4
    #: V, what the encoder's pooled output is mapped to
    object_width: int = 2048
    #: D
    width: int = 512
    heads: int = 8
    #: inner width of the feed-forward parts
    inner: int = 256
    #: fusion layers
    layers: int = 6
    #: full: every word and every object are joined; paper: an object found for a phrase joins the
    #: words of the phrase only (where the cut-outs come with phrases; else as full)
    edges: Literal["full", "paper"] = "full"
    #: the paper's feed-forward part between attention and exchange
    intra_ffn: bool = False
    #: the paper's position embedding in front of the fusion
    position: bool = False
    #: keep the picture encoder as it is
    freeze_vision: bool = False
    #: batch norms of the encoder use, and move, batch statistics while training, as published
    batch_norm: Literal["batch", "running"] = "batch"

    def __post_init__(self) -> None:
        TaggingConfig.__post_init__(self)
        if self.layers < 1 or self.object_count < 1:
            raise ConfigError(
                f"layers and object_count must be at least 1, got {self.layers} and "
                f"{self.object_count}"
            )


class Umgf(Seeing):
    """Emissions from the text state and what it is after the exchange with the objects."""

    name: ClassVar[str] = "umgf"
    Config: ClassVar[type[UmgfConfig]] = UmgfConfig
    unboosted: ClassVar[str] = "gates join its words and objects, no attention"
    config: UmgfConfig

    def __init__(
        self,
        config: UmgfConfig,
        labels: LabelSpace,
        text: TextEncoder,
        vision: VisionEncoder,
    ) -> None:
        super().__init__(config, labels, {"text": text, "vision": vision})
        c = config
        if c.freeze_vision:
            vision.freeze()
        self.map_text = nn.Linear(text.width, c.width)
        self.object_vector = nn.Linear(vision.width, c.object_width)
        self.map_objects = nn.Sequential(
            nn.Linear(c.object_width, c.width),
            nn.ReLU(),
            nn.Dropout(c.dropout),
            nn.Linear(c.width, c.width),
            nn.ReLU(),
            nn.Dropout(c.dropout),
        )
        for layer in self.map_objects:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
        first = GatedGraphLayer(c.width, c.heads, c.inner, c.dropout, intra_ffn=c.intra_ffn)
        self.fusion: nn.ModuleList = nn.ModuleList(deepcopy(first) for _ in range(c.layers))
        self.head = nn.Linear(text.width + c.width, len(self.tag_names))
        self.positions = nn.Embedding(c.max_length, c.width) if c.position else None
        # The fusion's dropout is far above what the text alone is read with.
        self.add_text_head(c.object_width, text.width + c.width, min(c.dropout, _TEXT_DROPOUT))

    @classmethod
    def build(cls, config: UmgfConfig, labels: LabelSpace) -> Self:
        vision = load_vision(config.vision, side=config.image_side)
        return cls(
            config,
            labels,
            load_text(config.text, attention_dropout=config.attention_dropout),
            vision,
        )

    @property
    def vision(self) -> VisionEncoder:
        """The picture encoder."""
        return cast(VisionEncoder, self.backbones["vision"])

    def train(self, mode: bool = True) -> Self:
        """With ``batch_norm="running"`` the encoder's statistics stay as they are."""
        super().train(mode)
        if self.config.batch_norm == "running":
            for module in self.vision.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    @property
    def crops(self) -> Crops:
        """What it reads of a picture."""
        return Crops(self.config.objects, self.config.object_count, self.vision.pixels)

    def needs(self) -> frozenset[Need]:
        return frozenset({self.crops}) | self.ideas.needs()

    def prepare(self, document: Document, assets: Assets) -> Example:
        example = self.prepare_words(document)
        asset, count, side = assets[self.crops], self.config.object_count, self.vision.pixels.side
        pixels, there = torch.zeros(count, 3, side, side), torch.zeros(count, dtype=torch.bool)
        if asset.present:
            pixels = torch.from_numpy(asset.arrays["pixels"].copy())
            there = torch.from_numpy(asset.arrays["there"].copy())
        example.inputs["objects"] = pixels
        example.inputs["there"] = there
        example.inputs["edges"] = self._edges(example, asset) & there
        self.read_picture(example, assets, asset)
        return example

    def _edges(self, example: Example, asset: Asset) -> Tensor:
        """N: which pieces are joined to which objects, bool [T, O]."""
        pieces = len(example.inputs["input_ids"])
        edges = torch.ones(pieces, self.config.object_count, dtype=torch.bool)
        if self.config.edges == "full" or not asset.texts:
            return edges
        first = example.inputs["first"].tolist()
        following = [place for place in first if place >= 0] + [pieces - 1]
        ends = dict(pairwise(following))
        texts = {block.id: block.text for block in example.document.blocks}
        words = [texts[block][start:end].casefold() for block, start, end in example.notes["words"]]
        for number, phrase in enumerate(asset.texts[: self.config.object_count]):
            wanted = phrase.casefold().split()
            if not wanted or phrase.casefold() in GENERAL_WORDS:
                continue
            edges[:, number] = False
            for begin in range(len(words) - len(wanted) + 1):
                if words[begin : begin + len(wanted)] == wanted:
                    for place in first[begin : begin + len(wanted)]:
                        if place >= 0:
                            edges[place : ends[place], number] = True
        return edges

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        inputs, mask = batch.inputs, batch.inputs["attention_mask"].bool()
        states = self.text_states(batch)  # X_b: B,T,768
        x = self.map_text(states)  # x^0: B,T,D
        if self.positions is not None:
            x = x + self.positions.weight[: x.shape[1]]
        there, weight = inputs["there"], None
        found: dict[str, Tensor] = {}
        if self.judges:
            seen = self.seen(batch)
            there = there & seen.unsqueeze(1)
        vectors = self.object_vectors(inputs["objects"], there)  # B,O,V
        if self.judges:
            found = self.judge(batch, seen, vectors.mean(1))
            weight = found["image_weight"] if self.ideas.weighs else None
        o = self.map_objects(vectors)  # o^0: B,O,D
        edges = inputs["edges"] & mask.unsqueeze(2) & there.unsqueeze(1)  # B,T,O
        for layer in self.fusion:
            x, o = layer(x, o, mask, edges, there, weight)
        joined = self.chain_states(torch.cat([states, x], -1), batch)
        emissions = self.head(joined)  # B,T,L
        return self.join(found, emissions, states, joined, batch)

    def object_vectors(self, pixels: Tensor, there: Tensor) -> Tensor:
        """[B, O, 3, side, side] -> [B, O, V]; absent cut-outs are read as zeros."""
        if self.config.ideas.text_head and not bool(there.any()):
            # Nobody would see what the encoder makes of no pictures at all.
            return pixels.new_zeros(*there.shape, self.config.object_width)
        pixels = where_absent(pixels.flatten(0, 1), there.flatten())  # BO,3,side,side
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.config.freeze_vision):
            pooled = self.vision(pixels).mean(1)  # BO,C
        return cast(Tensor, self.object_vector(pooled)).unflatten(0, tuple(there.shape))
