"""TMR for relations: the mentions, the phrases, and what two pictures say of the text.

Zheng et al., Rethinking Multimodal Entity and Relation Extraction from a Translation Point of
View, ACL 2023; public code thecharm/TMR. Unusual: the second picture is generated from the text,
so text and picture are compared in the picture's language, too; and how far they agree is decided
beforehand, by a frozen estimator (:mod:`magpie.methods.divergence`), not learnt along.
:mod:`magpie.methods._tmr` holds the road to m and m'.

Shapes: N pairs, T pieces, K phrase pieces, D width, C relation types.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from magpie.backbones import TextEncoder, VisionEncoder
from magpie.errors import ConfigError
from magpie.features import Assets, Pixels
from magpie.methods._tmr import BYTES, Translated, TranslationSettings
from magpie.methods.base import Batch, Example
from magpie.methods.labels import LabelSpace
from magpie.methods.relating import Relating, RelatingConfig
from magpie.schema import Document

__all__ = ["TmrRe", "TmrReConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TmrReConfig(TranslationSettings, RelatingConfig):
    """Settings of TMR's relation head; the defaults are the published ones."""

    max_length: int = 128
    #: before and behind W_f
    dropout: float = 0.5
    #: every phrase place is attended to, as the public mask comes to, padding included
    legacy_all_visible: bool = False
    #: phrases are looked up word by word as they are written: cased and rare words become unknown
    legacy_phrase_lookup: bool = False
    #: whole pictures in blue, green, red from 0 to 255, objects normalised
    legacy_bgr: bool = False
    #: training documents are drawn once with replacement: about 63% of them are ever seen
    legacy_bootstrap: bool = False

    def __post_init__(self) -> None:
        RelatingConfig.__post_init__(self)
        self.check_translation()
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must lie in [0, 1), got {self.dropout}")


class TmrRe(Translated, Relating):
    """[head ; tail ; phrases ; own picture ; generated picture] -> W_f -> W_c."""

    name: ClassVar[str] = "tmr-re"
    Config: ClassVar[type[TmrReConfig]] = TmrReConfig
    fit: Literal["squash", "crop"] = "squash"
    config: TmrReConfig

    def __init__(
        self, config: TmrReConfig, labels: LabelSpace, text: TextEncoder, vision: VisionEncoder
    ) -> None:
        Relating.__init__(self, config, labels, {"text": text, "vision": vision})
        self.add_streams(text, vision)
        width = text.width
        self.phrase_map = nn.Linear(width, 2 * width)
        self.picture_map = nn.Linear(width, width)
        self.final = nn.Linear(6 * width, 2 * width)
        self.classifier = nn.Linear(2 * width, len(labels.relation_types))
        self.dropout = nn.Dropout(config.dropout)

    @property
    def draws_with_replacement(self) -> bool:
        """Whether training sees a sample of the documents, drawn once with replacement."""
        return self.config.legacy_bootstrap

    @property
    def whole(self) -> Pixels:
        need = self.scaled
        return Pixels(replace(need.spec, normalisation=BYTES)) if self.config.legacy_bgr else need

    def read_whole(self, pixels: Tensor) -> Tensor:
        return pixels.flip(0) if self.config.legacy_bgr else pixels

    def prepare(self, document: Document, assets: Assets) -> Example:
        example = self.prepare_pairs(document)
        texts = {block.id: block.text for block in document.blocks}
        mentions = [
            texts[entity.span.block][entity.span.start : entity.span.end]
            for entity in document.entities
        ]
        return self.add_views(example, assets, " ".join(mentions).split())

    def phrase_pieces(self, words: Sequence[str]) -> tuple[list[int], list[int]]:
        length, tokenizer = self.config.phrase_length, self.text.tokenizer
        if self.config.legacy_phrase_lookup:
            known = tokenizer.get_vocab()
            unknown = int(tokenizer.unk_token_id)
            ids, mask = self.filled([known.get(word, unknown) for word in words[:length]])
        else:
            ids, mask = Translated.phrase_pieces(self, words)
        return ids, [1] * length if self.config.legacy_all_visible else mask

    def representation(self, batch: Batch) -> Tensor:
        """[x ; h_ph ; u ; u'] -> rep, [N, 2 D]."""
        i = batch.inputs
        states = self.padded_states(i["input_ids"], i["attention_mask"])  # N,T,D
        phrases = self.phrase_states(batch)  # B,K,D
        own, made = self.fused(states, phrases, batch, i["owner"])  # N,D
        said = phrases
        if self.config.mask_padding:
            said = phrases * i["phrase_mask"].unsqueeze(2).to(phrases.dtype)
        parts = [
            self.pair_states(states, batch),  # N,2D
            self.phrase_map(said.sum(1))[i["owner"]],  # N,2D
            torch.tanh(self.picture_map(own)),  # N,D
            torch.tanh(self.picture_map(made)),  # N,D
        ]
        found: Tensor = self.final(self.dropout(torch.cat(parts, 1)))
        return found

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        return {"logits": self.classifier(self.dropout(self.representation(batch)))}  # N,C
