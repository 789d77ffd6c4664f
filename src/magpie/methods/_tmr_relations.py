"""What relation methods in TMR's line share: how they read phrases and pictures, and the readout.

Zheng et al., ACL 2023 (TMR); Zhang et al., ACM MM 2024 (CAMIM), which replaces what stands between
pictures and text and keeps the rest. :mod:`magpie.methods._tmr` reads the two pictures.

Shapes: N pairs, T pieces, K phrase pieces, D width, C relation types.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from magpie.errors import ConfigError
from magpie.features import Assets, Pixels
from magpie.methods._tmr import BYTES, Translated, TranslationSettings
from magpie.methods.base import Batch, Example
from magpie.methods.relating import Relating, RelatingConfig
from magpie.schema import Document

__all__ = ["TranslatedPairs", "TranslatedPairsConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslatedPairsConfig(TranslationSettings, RelatingConfig):
    """Settings of the readout and of what the public code does to the input."""

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


class TranslatedPairs(Translated, Relating):
    """[head ; tail ; phrases ; own picture ; generated picture] -> W_f -> W_c."""

    fit: Literal["squash", "crop"] = "squash"
    # The mentions stand in for phrases nobody named: every pair's its own.
    by_pair: ClassVar[frozenset[str]] = Relating.by_pair | {"phrase_ids", "phrase_mask"}
    config: Any

    def add_readout(self, width: int) -> None:
        """Builds the head; called at the end of the constructor."""
        self.phrase_map = nn.Linear(width, 2 * width)
        self.picture_map = nn.Linear(width, width)
        self.final = nn.Linear(6 * width, 2 * width)
        self.classifier = nn.Linear(2 * width, len(self.labels.relation_types))
        self.dropout = nn.Dropout(self.config.dropout)

    @property
    def draws_with_replacement(self) -> bool:
        """Whether training sees a sample of the documents, drawn once with replacement."""
        return bool(self.config.legacy_bootstrap)

    @property
    def whole(self) -> Pixels:
        spec = replace(self._spec, fit=self.fit)
        return Pixels(replace(spec, normalisation=BYTES) if self.config.legacy_bgr else spec)

    def read_whole(self, pixels: Tensor) -> Tensor:
        return pixels.flip(0) if self.config.legacy_bgr else pixels

    def prepare(self, document: Document, assets: Assets) -> Example:
        example = self.add_views(self.prepare_pairs(document), assets)
        texts = {block.id: block.text for block in document.blocks}
        spans = {entity.id: entity.span for entity in document.entities}
        mentions = {n: texts[span.block][span.start : span.end] for n, span in spans.items()}
        named = self.phrases_named(assets)
        rows = [
            self.phrase_pieces(named or f"{mentions[head]} {mentions[tail]}".split())
            for head, tail in example.notes["pairs"]
        ]
        shape = (len(rows), self.config.phrase_length)
        for at, name in enumerate(("phrase_ids", "phrase_mask")):
            values = torch.tensor([row[at] for row in rows], dtype=torch.long)
            example.inputs[name] = values.view(shape)
        return example

    def phrase_pieces(self, words: Sequence[str]) -> tuple[list[int], list[int]]:
        length, tokenizer = self.config.phrase_length, self.text.tokenizer
        if self.config.legacy_phrase_lookup:
            known = tokenizer.get_vocab()
            unknown = int(tokenizer.unk_token_id)
            ids, mask = self.filled([known.get(word, unknown) for word in words[:length]])
        else:
            ids, mask = super().phrase_pieces(words)
        return ids, [1] * length if self.config.legacy_all_visible else mask

    def read_out(
        self, states: Tensor, phrases: Tensor, batch: Batch, pictures: Sequence[Tensor]
    ) -> Tensor:
        """[x ; h_ph ; u ; u'] -> rep, [N, 2 D].

        Args:
            states: X, [N, T, D].
            phrases: Ph, [N, K, D].
            batch: names pairs, phrases and owners.
            pictures: u and u', [N, D] each.
        """
        i = batch.inputs
        if self.config.mask_padding:
            phrases = phrases * i["phrase_mask"].unsqueeze(2).to(phrases.dtype)
        said = self.phrase_map(phrases.sum(1))  # N,2D
        parts = [self.pair_states(states, batch), said, *pictures]
        rep: Tensor = self.final(self.dropout(torch.cat(parts, 1)))
        return rep
