"""Shap-CA for entities: a chain over words that read a description of the picture, and itself.

Luo, Xia, Shen and Li, Shapley Value-based Contrastive Alignment for Multimodal Information
Extraction, ACM MM 2024 (arXiv 2407.17854); no public code. Linear layer and chain over the fused
states of the post's own pieces. Unusual: the description stands in front of the post, inside the
same input, and has no place in the chain. :mod:`magpie.methods._shap_ca` holds the road to the
fused states, and the games.

Shapes: N posts, T pieces, W pieces with the description's, D width, L tags.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from magpie.backbones import TextEncoder, VisionEncoder
from magpie.features import Assets
from magpie.methods._shap_ca import Bridged, BridgeSettings
from magpie.methods.base import Batch, Example, ParameterGroup
from magpie.methods.labels import LabelSpace
from magpie.methods.tagging import Tagging, TaggingConfig
from magpie.schema import Document

__all__ = ["ShapCaNer", "ShapCaNerConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapCaNerConfig(BridgeSettings, TaggingConfig):
    """Settings of Shap-CA's tagger; all of it is reconstructed."""

    #: longest input in pieces, description included, which is cut first
    max_length: int = 256
    #: of the fused states, before the linear layer
    dropout: float = 0.0
    #: rate of the chain's scores; None takes the recipe's
    crf_rate: float | None = 1e-2

    def __post_init__(self) -> None:
        TaggingConfig.__post_init__(self)
        self.check_bridge()


class ShapCaNer(Bridged, Tagging):
    """Fused states of the post, linear layer, chain; two games beside it."""

    name: ClassVar[str] = "shap-ca-ner"
    adjustable: ClassVar[frozenset[str]] = Tagging.adjustable | {"missing_context"}
    Config: ClassVar[type[ShapCaNerConfig]] = ShapCaNerConfig
    config: ShapCaNerConfig

    def __init__(
        self, config: ShapCaNerConfig, labels: LabelSpace, text: TextEncoder, vision: VisionEncoder
    ) -> None:
        Tagging.__init__(self, config, labels, {"text": text, "vision": vision})
        self.add_bridge(text, vision)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(text.width, len(self.tag_names))

    def prepare(self, document: Document, assets: Assets) -> Example:
        return self.add_context(self.prepare_words(document), assets)

    def joint_states(self, batch: Batch, joint: Tensor, read: Tensor, places: Tensor) -> Tensor:
        """The encoder's states, with the casing of the post's words where that is on."""
        if self.casing is None:
            return super().joint_states(batch, joint, read, places)
        # Description and padding have none, whose embedding is zero.
        cases = batch.inputs["case"].new_zeros(len(joint), joint.shape[1] + 1)
        cases.scatter_(1, places, batch.inputs["case"])
        states: Tensor = self.text(joint, read, self.casing(cases[:, :-1]))  # N,W,D
        return states

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        reading = self.read(batch)
        words = self.chain_states(self.dropout(self.fuse(reading)), batch)  # N,T,D
        found = {"emissions": self.classifier(words)}  # N,T,L
        if batch.targets:
            found.update(self.vectors(reading, batch))
        return found

    def extra_losses(self, scores: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        return self.alignment(scores, batch)

    def groups(self) -> list[ParameterGroup]:
        """As :class:`Bridged` has them, and the chain at ``crf_rate``."""
        encoders, new = super().groups()
        chain = tuple(self.crf.parameters())
        own = {id(parameter) for parameter in chain}
        rest = tuple(p for p in new.parameters if id(p) not in own)
        return [
            encoders,
            ParameterGroup(name="new", parameters=rest, rate=new.rate),
            ParameterGroup(name="chain", parameters=chain, rate=self.config.crf_rate),
        ]
