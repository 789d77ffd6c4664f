"""MKGformer for named entities: two towers that exchange in their last layers, and a chain.

Chen et al.: Hybrid Transformer with Multi-level Fusion for Multimodal Knowledge Graph Completion,
SIGIR 2022; public code zjunlp/MKGformer, folder MNER. Unusual: the picture enters as cut-outs of
two sizes, the whole picture does not (``use_full_image``); a picture layer reads the keys and
values of the text layer before; a word finds its picture tokens by an unscaled product, so that
the softmax is peaked. The published runs pad every text to ``max_length`` and let the picture
attend to the padding (``mask_text_prefix=False``).

Shapes: B batch, T pieces, D width, L tags.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self, cast

import torch
from torch import Tensor, nn

from magpie.backbones import TextEncoder, VisionEncoder, load_text, load_vision
from magpie.errors import ConfigError
from magpie.features import Assets, Need
from magpie.methods._mkgformer import TowerConfig, Towers, lengthened
from magpie.methods.base import Batch, Example, ParameterGroup
from magpie.methods.labels import LabelSpace
from magpie.methods.pictures import where_absent
from magpie.methods.seeing import Seeing
from magpie.methods.tagging import TaggingConfig
from magpie.schema import Document

__all__ = ["Mkgformer", "MkgformerConfig"]

#: inputs [B, T, ...]; the last four are a dictionary's, where one is on
_BY_PIECE = (
    "input_ids",
    "attention_mask",
    "kb_sure",
    "kb_types",
    "kb_inside",
    "kb_features",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class MkgformerConfig(TowerConfig, TaggingConfig):
    """Settings of MKGformer's tagger; the defaults are the published ones."""

    text: str = "bert-base-uncased"
    #: rate of the linear layer and the chain; None takes the recipe's
    head_rate: float | None = 5e-2

    def __post_init__(self) -> None:
        TaggingConfig.__post_init__(self)
        TowerConfig.__post_init__(self)
        if self.head_rate is not None and self.head_rate <= 0:
            raise ConfigError(f"head_rate must be positive, got {self.head_rate}")


class Mkgformer(Seeing):
    """Emissions from the last text states."""

    name: ClassVar[str] = "mkgformer"
    Config: ClassVar[type[MkgformerConfig]] = MkgformerConfig
    places: ClassVar[frozenset[str]] = Seeing.places | {
        "attn_boost=relevance",
        "attn_boost=calibrated",
    }
    config: MkgformerConfig

    def __init__(
        self,
        config: MkgformerConfig,
        labels: LabelSpace,
        text: TextEncoder,
        vision: VisionEncoder,
    ) -> None:
        super().__init__(config, labels, {"text": text, "vision": vision})
        self.towers = Towers(config, text, vision)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(text.width, len(self.tag_names))
        self.add_text_head(vision.width, 2 * text.width, config.dropout)
        if config.ideas.attn_boost == "calibrated":
            self.towers.lockstep.calibrate(self.ideas.calibrated)

    @classmethod
    def build(cls, config: MkgformerConfig, labels: LabelSpace) -> Self:
        return cls(config, labels, load_text(config.text), load_vision(config.vision))

    @property
    def vision(self) -> VisionEncoder:
        """The picture tower."""
        return cast(VisionEncoder, self.backbones["vision"])

    def needs(self) -> frozenset[Need]:
        return self.towers.needs() | self.ideas.needs()

    def prepare(self, document: Document, assets: Assets) -> Example:
        example = self.prepare_words(document)
        example.inputs.update(self.towers.prepare(assets))
        self.read_picture(example, assets, self.towers.first_there(assets))
        return example

    def collate(
        self, examples: Sequence[Example], targets: Sequence[Mapping[str, Tensor]] = ()
    ) -> Batch:
        """As of every method; where the picture sees padding, its length must be that of T."""
        batch = super().collate(examples, targets)
        if not self.config.mask_text_prefix:
            lengthened(batch.inputs, _BY_PIECE, self.room, self.text.pad_id)
            if self.config.subtoken == "x_tag":
                lengthened(batch.targets, ("tags",), self.room, 0)
        return batch

    def text_states(self, batch: Batch) -> Tensor:
        states = self.towers(self.text, self.vision, batch.inputs).text[-1]
        return self.ideas.add_features(states, batch.inputs)

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        if self.judges or self.config.ideas.attn_boost == "relevance":
            return self._judged(batch)
        states = self.text_states(batch)  # B,T,D
        return {"emissions": self.head(self.dropout(self.chain_states(states, batch)))}  # B,T,L

    def _judged(self, batch: Batch) -> dict[str, Tensor]:
        """With the parts of ``ideas`` that ask how much the picture may say."""
        inputs, found = batch.inputs, dict[str, Tensor]()
        mask = inputs["attention_mask"]
        everything = torch.ones(len(batch), dtype=torch.bool, device=mask.device)
        speaks = self.seen(batch) if self.judges else everything

        def judge(x: Tensor, z: Tensor) -> tuple[Tensor | None, Tensor | None]:
            found.update(self.judge(batch, speaks, z.mean(1)))
            weight = found["image_weight"] if self.ideas.weighs else None
            return weight, self.ideas.boost(x, z, mask)

        alone: Tensor | None = None
        if self.config.ideas.text_head:
            alone = self.ideas.add_features(self.text(inputs["input_ids"], mask), inputs)  # B,T,D
        if alone is not None and not bool(speaks.any()):
            # Nobody would see what the towers make of no pictures at all.
            states = alone
            judge(states, states.new_zeros(len(batch), 1, self.vision.width))
        else:
            read = {name: where_absent(inputs[name], speaks) for name in self.towers.names}
            towers = self.towers(self.text, self.vision, {**inputs, **read}, judge=judge)
            states = self.ideas.add_features(towers.text[-1], inputs)  # B,T,D
        emissions = self.head(self.dropout(self.chain_states(states, batch)))  # B,T,L
        if alone is None:
            return {"emissions": emissions, **found}
        evidence = self.chain_states(torch.cat([alone, states], -1), batch)  # B,T,2D
        return self.join(found, emissions, alone, evidence, batch)

    def groups(self) -> list[ParameterGroup]:
        head = (*self.head.parameters(), *self.crf.parameters(), *self.new_parameters())
        masks = self.ideas.calibration_groups(self, self.config.head_rate)
        taken = {id(p) for p in (*head, *(p for group in masks for p in group.parameters))}
        towers = tuple(p for p in self.trainable() if id(p) not in taken)
        return [
            ParameterGroup(name="towers", parameters=towers),
            ParameterGroup(name="head", parameters=head, rate=self.config.head_rate),
            *masks,
        ]
