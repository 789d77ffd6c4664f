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

from torch import Tensor, nn

from magpie.backbones import TextEncoder, VisionEncoder
from magpie.features import Assets
from magpie.methods._hvpnet import Prefixed, PrefixSettings
from magpie.methods.base import Batch, Example, ParameterGroup
from magpie.methods.labels import LabelSpace
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


class Hvpnet(Prefixed, Tagging):
    """Prefixed BERT, dropout, linear layer, chain."""

    name: ClassVar[str] = "hvpnet"
    Config: ClassVar[type[HvpnetConfig]] = HvpnetConfig
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

    def prepare(self, document: Document, assets: Assets) -> Example:
        return self.add_pictures(self.prepare_words(document), assets)

    def text_states(self, batch: Batch) -> Tensor:
        return self.ideas.add_features(self.prefixed(batch), batch.inputs)

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        states = self.dropout(self.text_states(batch))  # B,T,D
        return {"emissions": self.head(self.chain_states(states, batch))}  # B,T,L

    def groups(self) -> list[ParameterGroup]:
        head = (*self.head.parameters(), *self.crf.parameters())
        own = {id(parameter) for parameter in head}
        rest = tuple(p for p in self.parameters() if id(p) not in own)
        return [
            ParameterGroup(name="body", parameters=rest),
            ParameterGroup(name="head", parameters=head, rate=self.config.head_rate),
        ]
