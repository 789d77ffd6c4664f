"""HVPNeT for relations: the prefixed BERT of the tagger, read at the two opening markers.

Chen et al., Findings of NAACL 2022; public code zjunlp/HVPNeT. Unusual: the marked head and tail
are read where their opening markers stand, not at ``[CLS]`` as some drawings of the model have it;
and the public optimiser leaves the classifier out, which so keeps its random weights
(``freeze_re_head=True``). :mod:`magpie.methods._hvpnet` holds the road to the text states.

Shapes: N pairs, T pieces, D width, C relation types.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from magpie.backbones import TextEncoder, VisionEncoder
from magpie.features import Assets
from magpie.methods._hvpnet import Prefixed, PrefixSettings
from magpie.methods.base import Batch, Example
from magpie.methods.labels import LabelSpace
from magpie.methods.relating import Relating, RelatingConfig
from magpie.schema import Document

__all__ = ["HvpnetRe", "HvpnetReConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HvpnetReConfig(PrefixSettings, RelatingConfig):
    """Settings of HVPNeT's relation head; the defaults are the published ones."""

    #: leave the classifier as it was drawn, as the public optimiser does
    freeze_re_head: bool = False

    def __post_init__(self) -> None:
        RelatingConfig.__post_init__(self)
        self.check_prefix()


class HvpnetRe(Prefixed, Relating):
    """Prefixed BERT, the states of both opening markers, linear layer."""

    name: ClassVar[str] = "hvpnet-re"
    Config: ClassVar[type[HvpnetReConfig]] = HvpnetReConfig
    config: HvpnetReConfig

    def __init__(
        self,
        config: HvpnetReConfig,
        labels: LabelSpace,
        text: TextEncoder,
        vision: VisionEncoder | None = None,
    ) -> None:
        Relating.__init__(
            self, config, labels, {"text": text, **({"vision": vision} if vision else {})}
        )
        self.add_prefix(text, vision)
        self.classifier = nn.Linear(2 * text.width, len(labels.relation_types))
        self.classifier.requires_grad_(not config.freeze_re_head)

    def prepare(self, document: Document, assets: Assets) -> Example:
        return self.add_pictures(self.prepare_pairs(document), assets)

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        states = self.prefixed(batch, batch.inputs["owner"])  # N,T,D
        return {"logits": self.classifier(self.pair_states(states, batch))}  # N,C
