"""TMR for entities: every place of the text gets an image vector of its own, from two pictures.

Zheng et al., Rethinking Multimodal Entity and Relation Extraction from a Translation Point of
View, ACL 2023; public code thecharm/TMR. Unusual: one linear layer turns a picture's vector m into
T vectors, one a position, so the number of positions is part of the weights (73 million of them for
T = 70 and BERT-large); and the public optimiser leaves out all but BERT, the last layer and the
chain (``legacy_groups``). :mod:`magpie.methods._tmr` holds the road to m and m'.

Shapes: B batch, T pieces (always ``max_length``), K phrase pieces, D width, L tags.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from magpie.backbones import TextEncoder, VisionEncoder
from magpie.errors import ConfigError
from magpie.features import Assets
from magpie.methods._tmr import Translated, TranslationSettings
from magpie.methods.base import Batch, Example, ParameterGroup
from magpie.methods.labels import LabelSpace
from magpie.methods.tagging import Tagging, TaggingConfig
from magpie.schema import Document

__all__ = ["TmrNer", "TmrNerConfig"]

#: place of the generated picture among the two
_GENERATED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TmrNerConfig(TranslationSettings, TaggingConfig):
    """Settings of TMR's tagger; the defaults are the published ones."""

    text: str = "bert-large-uncased"
    max_length: int = 70
    vision: str = "resnet-101"
    #: no cut-outs of the posts' own pictures are published with their places
    objects: str = "whole"
    generated_objects: str = "tmr-generated"
    phrases: tuple[str, ...] = ("tmr-phrases",)
    phrase_length: int = 5
    #: the public head declares a dropout of 0.4 and never calls it
    dropout: float = 0.0
    #: inner width of the head
    hidden: int = 1000
    #: rate of the last layer and the chain, far above that of the rest
    head_rate: float | None = 5e-2
    reduction: Literal["mean", "sum"] = "sum"
    #: only text encoder, last layer and chain are in an optimiser group; the rest stays as drawn
    legacy_groups: bool = False
    #: objects of the generated picture are black, as the public loader hands them over
    legacy_zero_objects: bool = False

    def __post_init__(self) -> None:
        TaggingConfig.__post_init__(self)
        self.check_translation()
        if self.hidden < 1 or self.phrase_length < 3:
            raise ConfigError(
                f"need hidden >= 1 and phrase_length >= 3, got {self.hidden} and "
                f"{self.phrase_length}"
            )


class TmrNer(Translated, Tagging):
    """[X ; I ; I'] of every position -> W_m -> W_o, chain."""

    name: ClassVar[str] = "tmr-ner"
    Config: ClassVar[type[TmrNerConfig]] = TmrNerConfig
    framed_phrases = True
    config: TmrNerConfig

    def __init__(
        self, config: TmrNerConfig, labels: LabelSpace, text: TextEncoder, vision: VisionEncoder
    ) -> None:
        if config.max_length > text.max_positions:
            raise ConfigError(
                f"max_length is {config.max_length}, and {config.text} has "
                f"{text.max_positions} positions",
                mend="Every one of max_length positions has weights of its own: set it lower.",
            )
        Tagging.__init__(self, config, labels, {"text": text, "vision": vision})
        self.add_streams(text, vision)
        width = text.width
        self.spread = nn.Linear(width, config.max_length * width)
        self.combine = nn.Linear(3 * width, config.hidden)
        self.head = nn.Linear(config.hidden, len(self.tag_names))
        self.dropout = nn.Dropout(config.dropout)

    def prepare(self, document: Document, assets: Assets) -> Example:
        example = self.prepare_words(document)
        texts = {block.id: block.text for block in document.blocks}
        words = [texts[block][start:end] for block, start, end in example.notes["words"]]
        ids, mask = self.phrase_pieces(
            self.phrases_named(assets) or words[: self.config.phrase_length]
        )
        example.inputs.update(phrase_ids=torch.tensor(ids), phrase_mask=torch.tensor(mask))
        return self.add_views(example, assets)

    def reads_objects(self, view: int) -> bool:
        return not (self.config.legacy_zero_objects and view == _GENERATED)

    def text_states(self, batch: Batch) -> Tensor:
        """X at all ``max_length`` positions, as the streams look at it."""
        return self.padded_states(batch.inputs["input_ids"], batch.inputs["attention_mask"])

    def token_images(self, fused: Tensor) -> Tensor:
        """I: m [B, D] -> [B, max_length, D]."""
        return torch.tanh(self.spread(fused).unflatten(1, (self.config.max_length, -1)))

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        states = self.text_states(batch)  # B,T,D
        own, made = self.fused(states, self.phrase_states(batch), batch)  # B,D
        length = batch.inputs["input_ids"].shape[1]
        images = [self.token_images(m)[:, :length] for m in (own, made)]  # B,T,D
        joined = torch.cat([self.dropout(states[:, :length]), *images], 2)  # B,T,3D
        inner = torch.relu(self.combine(joined))  # B,T,H
        return {"emissions": self.head(self.chain_states(inner, batch))}  # B,T,L

    def groups(self) -> list[ParameterGroup]:
        """Text encoder, head with chain, and the rest, which ``legacy_groups`` leaves out."""
        text = tuple(p for p in self.text.parameters() if p.requires_grad)
        head = (*self.head.parameters(), *self.crf.parameters())
        own = {id(parameter) for parameter in (*text, *head)}
        rest = tuple(p for p in self.trainable() if id(p) not in own)
        groups = [
            ParameterGroup(name="text", parameters=text),
            ParameterGroup(name="head", parameters=head, rate=self.config.head_rate),
        ]
        if not self.config.legacy_groups:
            groups.append(ParameterGroup(name="pictures", parameters=rest))
        return groups
