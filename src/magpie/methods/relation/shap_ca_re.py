"""Shap-CA for relations: two marked mentions behind a description of the picture.

Luo, Xia, Shen and Li, Shapley Value-based Contrastive Alignment for Multimodal Information
Extraction, ACM MM 2024 (arXiv 2407.17854); no public code. The fused states at both opening markers
go into one linear layer. Unusual: pairs, not documents, play the games of a batch, each with its
own post; pairs of one picture have one description and are kept out of each other's games.
:mod:`magpie.methods._shap_ca` holds the road to the fused states, and the games.

Shapes: N pairs, T pieces, D width, C relation types.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from magpie.backbones import TextEncoder, VisionEncoder
from magpie.errors import ConfigError
from magpie.features import Assets
from magpie.methods._shap_ca import Bridged, BridgeSettings
from magpie.methods.base import Batch, Example
from magpie.methods.labels import LabelSpace
from magpie.methods.relating import Relating, RelatingConfig
from magpie.schema import Document

__all__ = ["ShapCaRe", "ShapCaReConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapCaReConfig(BridgeSettings, RelatingConfig):
    """Settings of Shap-CA's relation head; all of it is reconstructed."""

    #: longest input in pieces, description included, which is cut first
    max_length: int = 256
    #: of what is read at the markers, before the classifier
    dropout: float = 0.5
    #: replaces the encoder's own on attention weights; None keeps it
    attention_dropout: float | None = None

    def __post_init__(self) -> None:
        RelatingConfig.__post_init__(self)
        self.check_bridge()
        if not 0 <= self.dropout < 1 or not 0 <= (self.attention_dropout or 0.0) < 1:
            raise ConfigError(
                f"dropout must lie in [0, 1), got {self.dropout} and {self.attention_dropout}"
            )


class ShapCaRe(Bridged, Relating):
    """Fused states of both opening markers, dropout, linear layer; two games beside it."""

    name: ClassVar[str] = "shap-ca-re"
    adjustable: ClassVar[frozenset[str]] = Relating.adjustable | {"missing_context"}
    Config: ClassVar[type[ShapCaReConfig]] = ShapCaReConfig
    config: ShapCaReConfig

    def __init__(
        self, config: ShapCaReConfig, labels: LabelSpace, text: TextEncoder, vision: VisionEncoder
    ) -> None:
        Relating.__init__(self, config, labels, {"text": text, "vision": vision})
        self.add_bridge(text, vision)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(2 * text.width, len(labels.relation_types))

    def prepare(self, document: Document, assets: Assets) -> Example:
        return self.add_context(self.prepare_pairs(document), assets)

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        owner = batch.inputs["owner"]
        reading = self.read(batch, owner)
        pairs = self.pair_states(self.fuse(reading), batch)  # N,2D
        found = {"logits": self.classifier(self.dropout(pairs))}  # N,C
        if batch.targets:
            found.update(self.vectors(reading, batch, owner))
        return found

    def extra_losses(self, scores: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        return self.alignment(scores, batch, batch.inputs["owner"])
