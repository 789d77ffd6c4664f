"""Fine-grained grounded NER (FMNERG): the 51 fine types and the 8 coarse ones of its tree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from magpie.metrics.counts import Counts
from magpie.metrics.declare import Prepared
from magpie.metrics.gmner import Part, pair_items, prepare_regions, score_part
from magpie.metrics.items import Item, Scored
from magpie.metrics.pairing import EntityPairing

__all__ = ["PARTS", "count", "pair", "prepare"]

#: part -> (what must agree, whether types are the fine ones)
PARTS: dict[str, tuple[Part, bool]] = {
    "fmnerg": ("gmner", True),
    "fmner": ("mner", True),
    "eeg": ("eeg", True),
    "coarse-gmner": ("gmner", False),
    "coarse-mner": ("mner", False),
}


def prepare(
    gold: Sequence[Scored], predicted: Sequence[Scored], options: Mapping[str, Any]
) -> Prepared:
    """The tree of the types; a fine type that it lacks keeps its entity's own coarse type."""
    from magpie.corpora.fmnerg import FINE_TYPES

    parents = {fine: coarse for coarse, fines in FINE_TYPES.items() for fine in fines}

    def coarse(item: Item) -> str:
        return parents.get(item.fine_type or "", item.type)

    def fine(item: Item) -> str:
        return item.fine_type or "none"

    prepared = prepare_regions(gold)
    without = sum(item.fine_type is None for document in gold for item in document.items)
    notes = {"gold mentions without a fine type": without} if without else {}
    return replace(
        prepared,
        options={"fine_type_of": fine, "coarse_type_of": coarse},
        notes={**prepared.notes, **notes},
    )


def count(
    part: str, gold: Scored, predicted: Scored, options: Mapping[str, Any]
) -> Mapping[str, Counts]:
    """Counter of each part."""
    agree, fine = PARTS[part]
    type_of = options["fine_type_of"] if fine else options["coarse_type_of"]
    return score_part(agree, gold.items, predicted.items, type_of, inclusive=options["inclusive"])


def pair(
    part: str, gold: Scored, predicted: Scored, options: Mapping[str, Any]
) -> EntityPairing | None:
    """The items that :func:`count` counts."""
    agree, fine = PARTS[part]
    type_of = options["fine_type_of"] if fine else options["coarse_type_of"]
    return pair_items(agree, gold.items, predicted.items, type_of, inclusive=options["inclusive"])
