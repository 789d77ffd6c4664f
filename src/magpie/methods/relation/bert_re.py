"""BERT-RE: the text-only relation classifier that every multimodal one is compared with.

Entity markers read at their openings, as Baldini Soares et al.: Matching the Blanks: Distributional
Similarity for Relation Learning, ACL 2019 (the variant "entity markers, entity start"), Section 3;
the row "MTB" of the tables on MNRE. No code of its own was published. Unusual: nothing but the two
marker states is read, neither ``[CLS]`` nor the pooler, and the state of a pair is not normalised.

Shapes: N pairs, T pieces, D width, C relation types.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from torch import Tensor, nn

from magpie.backbones import TextEncoder, load_text
from magpie.errors import ConfigError
from magpie.features import Assets, Need
from magpie.methods.base import Batch, Example
from magpie.methods.labels import LabelSpace
from magpie.methods.relating import Relating, RelatingConfig
from magpie.schema import Document

__all__ = ["BertRe", "BertReConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BertReConfig(RelatingConfig):
    """Settings of BERT-RE."""

    #: markers: the states at both opening markers; cls: the state at [CLS]
    read: Literal["markers", "cls"] = "markers"
    #: of what is read, before the classifier
    dropout: float = 0.1
    #: replaces the encoder's own on attention weights; None keeps it
    attention_dropout: float | None = None

    def __post_init__(self) -> None:
        RelatingConfig.__post_init__(self)
        if not 0 <= self.dropout < 1 or not 0 <= (self.attention_dropout or 0.0) < 1:
            raise ConfigError(
                f"dropout must lie in [0, 1), got {self.dropout} and {self.attention_dropout}"
            )


class BertRe(Relating):
    """Encoder, states of both opening markers, dropout, linear layer."""

    name: ClassVar[str] = "bert-re"
    Config: ClassVar[type[BertReConfig]] = BertReConfig
    config: BertReConfig

    def __init__(self, config: BertReConfig, labels: LabelSpace, text: TextEncoder) -> None:
        super().__init__(config, labels, {"text": text})
        width = text.width * (2 if config.read == "markers" else 1)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(width, len(labels.relation_types))
        nn.init.normal_(self.classifier.weight, std=0.02)
        nn.init.zeros_(self.classifier.bias)

    @classmethod
    def build(cls, config: BertReConfig, labels: LabelSpace) -> Self:
        return cls(
            config, labels, load_text(config.text, attention_dropout=config.attention_dropout)
        )

    def needs(self) -> frozenset[Need]:
        return frozenset()

    def prepare(self, document: Document, assets: Assets) -> Example:
        return self.prepare_pairs(document)

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        states = self.text(batch.inputs["input_ids"], batch.inputs["attention_mask"])  # N,T,D
        read = self.pair_states(states, batch) if self.config.read == "markers" else states[:, 0]
        return {"logits": self.classifier(self.dropout(read))}  # N,C
