"""MKGformer for relations: two towers that exchange in their last layers, read at both mentions.

Chen et al.: Hybrid Transformer with Multi-level Fusion for Multimodal Knowledge Graph Completion,
SIGIR 2022; public code zjunlp/MKGformer, folder MRE. The body is that of ``mkgformer``. The paper's
figure reads ``[CLS]`` (``re_repr="cls"``), the code the two opening markers. The public optimiser
never receives the classifier, which stays as it was drawn (``freeze_re_head=True``).

Shapes: N pairs, T pieces, D width, C relation types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self, cast

from torch import Tensor, nn

from magpie.backbones import TextEncoder, VisionEncoder, load_text, load_vision
from magpie.features import Assets, Need
from magpie.methods._mkgformer import TowerConfig, Towers, lengthened
from magpie.methods.base import Batch, Example
from magpie.methods.labels import LabelSpace
from magpie.methods.relating import Relating, RelatingConfig
from magpie.schema import Document

__all__ = ["MkgformerRe", "MkgformerReConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MkgformerReConfig(TowerConfig, RelatingConfig):
    """Settings of MKGformer's relation head; the defaults are the published ones."""

    #: markers: the states at both opening markers; cls: the state at [CLS]
    re_repr: Literal["markers", "cls"] = "markers"
    #: the classifier stays as it was drawn, as in the public code
    freeze_re_head: bool = False

    def __post_init__(self) -> None:
        RelatingConfig.__post_init__(self)
        TowerConfig.__post_init__(self)


class MkgformerRe(Relating):
    """Relation types from the last text states of a pair."""

    name: ClassVar[str] = "mkgformer-re"
    Config: ClassVar[type[MkgformerReConfig]] = MkgformerReConfig
    config: MkgformerReConfig

    def __init__(
        self,
        config: MkgformerReConfig,
        labels: LabelSpace,
        text: TextEncoder,
        vision: VisionEncoder,
    ) -> None:
        super().__init__(config, labels, {"text": text, "vision": vision})
        self.towers = Towers(config, text, vision)
        if not config.mask_text_prefix:
            # The public code's table, enlarged for the markers, has forgotten which row is
            # padding. That row is seen here, so it is trained.
            cast(nn.Embedding, text.transformer.get_input_embeddings()).padding_idx = None
        width = text.width * (2 if config.re_repr == "markers" else 1)
        self.classifier = nn.Linear(width, len(labels.relation_types))
        self.classifier.requires_grad_(not config.freeze_re_head)

    @classmethod
    def build(cls, config: MkgformerReConfig, labels: LabelSpace) -> Self:
        return cls(config, labels, load_text(config.text), load_vision(config.vision))

    @property
    def vision(self) -> VisionEncoder:
        """The picture tower."""
        return cast(VisionEncoder, self.backbones["vision"])

    def needs(self) -> frozenset[Need]:
        return self.towers.needs()

    def prepare(self, document: Document, assets: Assets) -> Example:
        example = self.prepare_pairs(document)
        example.inputs.update(self.towers.prepare(assets))
        return example

    def collate(
        self, examples: Sequence[Example], targets: Sequence[Mapping[str, Tensor]] = ()
    ) -> Batch:
        """As of every relation method; where the picture sees padding, its length must be T."""
        batch = super().collate(examples, targets)
        if not self.config.mask_text_prefix:
            room = min(self.config.max_length, self.text.max_positions)
            lengthened(batch.inputs, ("input_ids", "attention_mask"), room, self.text.pad_id)
        return batch

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        inputs = batch.inputs
        states = self.towers(self.text, self.vision, inputs, inputs["owner"]).text[-1]  # N,T,D
        read = self.pair_states(states, batch) if self.config.re_repr == "markers" else states[:, 0]
        return {"logits": self.classifier(read)}  # N,C
