"""TMR for relations: the mentions, the phrases, and what two pictures say of the text.

Zheng et al., Rethinking Multimodal Entity and Relation Extraction from a Translation Point of
View, ACL 2023; public code thecharm/TMR. Unusual: the second picture is generated from the text,
so text and picture are compared in the picture's language, too; and how far they agree is decided
beforehand, by a frozen estimator (:mod:`magpie.methods.divergence`), not learnt along.
:mod:`magpie.methods._tmr` holds the road to m and m', :mod:`magpie.methods._tmr_relations` the
readout, which CAMIM shares.

Shapes: N pairs, T pieces, K phrase pieces, D width, C relation types.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from magpie.backbones import TextEncoder, VisionEncoder
from magpie.methods._tmr_relations import TranslatedPairs, TranslatedPairsConfig
from magpie.methods.base import Batch
from magpie.methods.labels import LabelSpace
from magpie.methods.relating import Relating

__all__ = ["TmrRe", "TmrReConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TmrReConfig(TranslatedPairsConfig):
    """Settings of TMR's relation head; the defaults are the published ones."""


class TmrRe(TranslatedPairs):
    """[head ; tail ; phrases ; own picture ; generated picture] -> W_f -> W_c."""

    name: ClassVar[str] = "tmr-re"
    Config: ClassVar[type[TmrReConfig]] = TmrReConfig
    config: TmrReConfig

    def __init__(
        self, config: TmrReConfig, labels: LabelSpace, text: TextEncoder, vision: VisionEncoder
    ) -> None:
        Relating.__init__(self, config, labels, {"text": text, "vision": vision})
        self.add_streams(text, vision)
        self.add_readout(text.width)

    def representation(self, batch: Batch) -> Tensor:
        """[x ; h_ph ; u ; u'] -> rep, [N, 2 D]."""
        i = batch.inputs
        states, phrases = self.read_texts(batch)  # N,T,D and N,K,D
        fused = self.fused(states, phrases, batch, i["owner"])  # N,D of both pictures
        pictures = [torch.tanh(self.picture_map(m)) for m in fused]  # N,D
        return self.read_out(states, phrases, batch, pictures)

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        return {"logits": self.classifier(self.dropout(self.representation(batch)))}  # N,C
