"""Settings of H-Index, its markers, and the way from source positions back to characters."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor

from magpie.backbones import Seq2Seq
from magpie.errors import ConfigError
from magpie.methods.base import Example, MethodConfig
from magpie.methods.labels import LabelSpace
from magpie.schema import Span

__all__ = ["HIndexConfig", "add_markers", "marker_pieces", "pointed_span", "type_order"]

#: the published types in the order of their indices, and the words of their markers
_PUBLISHED = {"LOC": "location", "PER": "person", "OTHER": "others", "ORG": "organization"}
_FLAGS = ("<<which region>>", "<<no region>>")


@dataclass(frozen=True, slots=True, kw_only=True)
class HIndexConfig(MethodConfig):
    """Settings of H-Index; the defaults are those of the released script."""

    #: a BART: hub name, folder, or tiny-bart
    seq2seq: str = "facebook/bart-base"
    #: longest source in pieces, with the two special ones
    max_length: int = 512
    #: where regions come from: a folder's name, or a proposer such as blobs; none: text alone
    source: str = "vinvl"
    #: candidates a picture (R)
    region_count: int = 18
    #: numbers that describe a region (F)
    feature_width: int = 2048
    #: file: as the detector wrote them; score: best first
    region_order: Literal["file", "score"] = "file"
    #: divide by the Frobenius norm of all vectors of the picture
    normalise: bool = True
    #: of decoder states, of what is pointed at, and inside the map of encoder states
    dropout: float = 0.3
    #: of projected regions, before the encoder
    region_dropout: float = 0.1
    #: inside BART; None leaves its own
    backbone_dropout: float | None = None
    #: on candidates: divergence from the soft target, or one binary question a candidate
    region_loss: Literal["kl", "bce"] = "kl"
    #: lambda, in front of it
    region_weight: float = 1.0
    #: a candidate counts as the entity's where their overlap is above it
    threshold: float = 0.5
    #: indices of an output at most, its start included: this ...
    output_length: int = 30
    #: ... plus this share of the places that the decoder may attend to
    output_share: float = 0.6
    #: write only sequences that the grammar allows
    constrained: bool = False
    #: as released: the encoder hides real regions and shows empty ones
    legacy_encoder_mask: bool = False
    #: as released: read the region one step early, at the state that wrote the flag
    legacy_region_step: bool = False
    #: as released: a marker's mean also replaces the row of the marker's first piece
    legacy_markers: bool = False
    #: as released: empty regions take part in scores and loss
    legacy_padded_regions: bool = False
    #: as released: an entity whose best overlap is the threshold itself has no number as target
    legacy_half: bool = False
    #: as released: an entity whose type index is none stays, as a type that no gold has
    legacy_types: bool = False

    def __post_init__(self) -> None:
        if self.max_length < 3 or self.region_count < 1 or self.feature_width < 1:
            raise ConfigError(
                "max_length must be at least 3, region_count and feature_width at least 1, got "
                f"{self.max_length}, {self.region_count}, {self.feature_width}"
            )
        if not (0 <= self.dropout < 1 and 0 <= self.region_dropout < 1):
            raise ConfigError(
                f"dropouts must lie in [0, 1), got {self.dropout} and {self.region_dropout}"
            )
        if self.region_weight < 0 or not 0 <= self.threshold < 1:
            raise ConfigError(
                "need region_weight >= 0 and threshold in [0, 1), got "
                f"{self.region_weight} and {self.threshold}"
            )
        if self.output_length < 3 or self.output_share < 0:
            raise ConfigError(
                "need output_length >= 3 and output_share >= 0, got "
                f"{self.output_length} and {self.output_share}"
            )


def type_order(types: Sequence[str]) -> dict[str, str]:
    """Types in the order of their indices, with the words of their markers.

    The published four come first (MISC stands where OTHER does), others behind them by name.
    """
    rank = {kind: place for place, kind in enumerate(_PUBLISHED)}

    def shared(kind: str) -> str:
        return "OTHER" if kind == "MISC" and "OTHER" not in types else kind

    ordered = sorted(types, key=lambda kind: (rank.get(shared(kind), len(rank)), kind))
    return {kind: _PUBLISHED.get(shared(kind), kind.lower()) for kind in ordered}


def marker_pieces(labels: LabelSpace) -> list[str]:
    """The pieces of both flags and of all types, in the order of their indices.

    Raises:
        ConfigError: there are no types.
    """
    if not labels.entity_types:
        raise ConfigError(
            "h-index needs entity types", mend="Are there entities in the training data?"
        )
    return [*_FLAGS, *(f"<<{words}>>" for words in type_order(labels.entity_types).values())]


def add_markers(seq2seq: Seq2Seq, markers: Sequence[str], *, legacy: bool = False) -> None:
    """New rows of the token table, each the mean of the rows of its marker's words.

    Args:
        seq2seq: changed in place.
        markers: pieces such as ``<<no region>>``.
        legacy: as released, where the mean was taken in place: it also replaces the row of the
            first of several pieces.
    """
    seq2seq.add_pieces(markers)
    if not legacy:
        return
    table = cast(Tensor, seq2seq.transformer.get_input_embeddings().weight)
    tokenizer: Any = seq2seq.tokenizer
    places = tokenizer.get_vocab()
    for marker in markers:
        inner = tokenizer(marker.strip("<>"), add_special_tokens=False)["input_ids"]
        if len(inner) > 1:
            with torch.no_grad():
                table[inner[0]] = table[places[marker]]


def pointed_span(positions: Sequence[int], example: Example) -> Span | None:
    """From the first to the last word pointed at, as far as they stand in one block.

    A position inside a word counts as that word.
    """
    starts = [(place, word) for word, place in enumerate(example.notes["first"]) if place >= 0]
    words = example.notes["words"]
    touched = [max((s for s in starts if s[0] <= place), default=None) for place in positions]
    found = [words[place[1]] for place in touched if place is not None]
    inside = [word for word in found if word[0] == found[0][0]]
    return Span(inside[0][0], inside[0][1], inside[-1][2]) if inside else None
