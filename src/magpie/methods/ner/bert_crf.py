"""BERT-CRF: the text-only tagger that every multimodal one is compared with.

The row "BERT-CRF" of Yu et al., ACL 2020 (UMT), Table 2; no code of its own was published. Unusual:
``[CLS]`` and ``[SEP]`` stand inside the chain, and later pieces of a word carry the tag ``X``, so
the chain forgets an entity's type across them (``subtoken="first_only"`` does not).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from torch import Tensor, nn

from magpie.backbones import TextEncoder, load_text
from magpie.features import Assets, Need
from magpie.methods.base import Batch, Example
from magpie.methods.labels import LabelSpace
from magpie.methods.tagging import Tagging, TaggingConfig
from magpie.schema import Document

__all__ = ["BertCrf", "BertCrfConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BertCrfConfig(TaggingConfig):
    """Settings of BERT-CRF."""


class BertCrf(Tagging):
    """Encoder, dropout, linear layer, chain."""

    name: ClassVar[str] = "bert-crf"
    Config: ClassVar[type[BertCrfConfig]] = BertCrfConfig
    places: ClassVar[frozenset[str]] = frozenset({"dictionary_features"})

    def __init__(self, config: BertCrfConfig, labels: LabelSpace, text: TextEncoder) -> None:
        super().__init__(config, labels, {"text": text})
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(text.width, len(self.tag_names))
        nn.init.normal_(self.classifier.weight, std=0.02)
        nn.init.zeros_(self.classifier.bias)

    @classmethod
    def build(cls, config: BertCrfConfig, labels: LabelSpace) -> Self:
        return cls(
            config, labels, load_text(config.text, attention_dropout=config.attention_dropout)
        )

    def needs(self) -> frozenset[Need]:
        return frozenset()

    def prepare(self, document: Document, assets: Assets) -> Example:
        return self.prepare_words(document)

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        states = self.text_states(batch)  # B,T,D
        states = self.chain_states(self.dropout(states), batch)
        return {"emissions": self.classifier(states)}  # B,T,L
