"""HVPNeT for named entities: every layer of BERT also attends to keys and values from the picture.

Chen et al.: Good Visual Guidance Makes A Better Extractor: Hierarchical Visual Prefix for
Multimodal Entity and Relation Extraction, Findings of NAACL 2022; public code zjunlp/HVPNeT.
Unusual: the prefix consists of finished keys and values, made from all blocks of a ResNet over the
picture and three cut-outs, with a gate a layer that mixes its levels; and the public code lays
them out so that each picture reaches a quarter of the heads (``prefix_layout="heads"`` does not).
:mod:`magpie.methods._hvpnet` holds the road to the text states.

Shapes: B batch, T pieces (chain positions), D width, L tags.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from magpie.backbones import TextEncoder, VisionEncoder
from magpie.errors import ConfigError
from magpie.features import Asset, Assets, Need
from magpie.methods._hvpnet import Prefixed, PrefixSettings
from magpie.methods.base import Batch, Example, ParameterGroup
from magpie.methods.labels import LabelSpace
from magpie.methods.seeing import Seeing
from magpie.methods.tagging import Tagging, TaggingConfig
from magpie.schema import Document

__all__ = ["Hvpnet", "HvpnetConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HvpnetConfig(PrefixSettings, TaggingConfig):
    """Settings of HVPNeT's tagger; the defaults are the published ones."""

    text: str = "bert-base-uncased"
    #: rate of head and chain, far above that of the rest
    head_rate: float | None = 5e-2

    def __post_init__(self) -> None:
        TaggingConfig.__post_init__(self)
        self.check_prefix()
        if self.ideas.placed and not self.visual:
            raise ConfigError(f"ideas.{self.ideas.placed[0]} needs visual=true")
        if self.ideas.text_head and self.missing != "text":
            raise ConfigError("ideas.missing_image and ideas.umt_compat need missing='text'")


class Hvpnet(Prefixed, Seeing):
    """Prefixed BERT, dropout, linear layer, chain."""

    name: ClassVar[str] = "hvpnet"
    Config: ClassVar[type[HvpnetConfig]] = HvpnetConfig
    places: ClassVar[frozenset[str]] = Seeing.places | {"attn_boost=calibrated"}
    unboosted: ClassVar[str] = "its words ask the picture, its picture asks no words"
    config: HvpnetConfig

    def __init__(
        self,
        config: HvpnetConfig,
        labels: LabelSpace,
        text: TextEncoder,
        vision: VisionEncoder | None = None,
    ) -> None:
        Tagging.__init__(
            self, config, labels, {"text": text, **({"vision": vision} if vision else {})}
        )
        self.add_prefix(text, vision)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(text.width, len(self.tag_names))
        if self.prefix is not None:
            self.add_text_head(self.widths[-1], 2 * text.width, config.dropout)
        if config.ideas.attn_boost == "calibrated":
            sizes = text.transformer.config
            width = text.width // int(sizes.num_attention_heads)
            self.calibrations = nn.ModuleList(
                self.ideas.calibrated(width) for _ in range(sizes.num_hidden_layers)
            )

    def needs(self) -> frozenset[Need]:
        return Prefixed.needs(self) | self.ideas.needs()

    def prepare(self, document: Document, assets: Assets) -> Example:
        example = self.add_pictures(self.prepare_words(document), assets)
        if self.config.visual:
            self.read_picture(example, assets, self._first_there(assets))
        return example

    def _first_there(self, assets: Assets) -> Asset:
        """Of the pictures that it reads, the first that is there."""
        if self.config.encoder == "cached":
            return assets[self._maps]
        whole = assets[self._pixels]
        crops = assets[self._crops] if self.config.crop_count else whole
        return whole if whole.present else crops

    def text_states(self, batch: Batch) -> Tensor:
        return self.ideas.add_features(self.prefixed(batch), batch.inputs)

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        if self.judges:
            return self._judged(batch)
        states = self.dropout(self.text_states(batch))  # B,T,D
        return {"emissions": self.head(self.chain_states(states, batch))}  # B,T,L

    def _judged(self, batch: Batch) -> dict[str, Tensor]:
        """With the parts of ``ideas`` that ask how much the picture may say."""
        speaks, found = self.seen(batch), dict[str, Tensor]()

        def weigh(pooled: Tensor) -> Tensor | None:
            found.update(self.judge(batch, speaks, pooled))
            return found["image_weight"] if self.ideas.weighs else None

        inputs = batch.inputs
        alone: Tensor | None = None
        if self.config.ideas.text_head:
            alone = self.text(inputs["input_ids"], inputs["attention_mask"])  # B,T,D
            alone = self.ideas.add_features(alone, inputs)
        if alone is not None and not bool(speaks.any()):
            # Nobody would see what the encoders make of no pictures at all.
            weigh(alone.new_zeros(len(batch), self.widths[-1]))
            states = alone
        else:
            read = self.prefixed(batch, speaks=speaks, weigh=weigh)
            states = self.ideas.add_features(read, inputs)  # B,T,D
        emissions = self.head(self.chain_states(self.dropout(states), batch))  # B,T,L
        if alone is None:
            return {"emissions": emissions, **found}
        evidence = self.chain_states(torch.cat([alone, states], -1), batch)  # B,T,2D
        return self.join(found, emissions, alone, evidence, batch)

    def groups(self) -> list[ParameterGroup]:
        head = (*self.head.parameters(), *self.crf.parameters(), *self.new_parameters())
        masks = self.ideas.calibration_groups(self, self.config.head_rate)
        own = {id(p) for p in (*head, *(p for group in masks for p in group.parameters))}
        rest = tuple(p for p in self.parameters() if id(p) not in own)
        return [
            ParameterGroup(name="body", parameters=rest),
            ParameterGroup(name="head", parameters=head, rate=self.config.head_rate),
            *masks,
        ]
