"""The single items behind a score, and which predicted one belongs to which of the gold.

A counter needs sums only. Breakdowns and error categories need the items: they come from a
protocol's ``pairing``, which pairs as its counter does, so that both give the same totals.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar

from magpie.metrics.items import Item

__all__ = ["EntityPairing", "Fact", "FactPairing", "Pairing"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fact:
    """A label on an ordered pair of places, and the types of the two ends ("" of a region)."""

    head: Hashable
    tail: Hashable
    type: str
    types: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sides(Generic[T]):
    """Items of both sides with their types at the level that is scored.

    ``partner`` holds for each prediction its gold item's position, or -1 where it is wrong.
    """

    gold: Sequence[T]
    predicted: Sequence[T]
    gold_types: Sequence[str]
    predicted_types: Sequence[str]
    partner: Sequence[int]

    def __post_init__(self) -> None:
        if not (
            len(self.gold) == len(self.gold_types)
            and len(self.predicted) == len(self.predicted_types) == len(self.partner)
        ):
            raise ValueError("as many types as items, and as many partners as predictions")


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityPairing(_Sides[Item]):
    """Mentions. ``by_text`` compares spellings, not places; ``region_fits(gold, predicted)`` is
    None where the score does not look at regions."""

    by_text: bool = False
    region_fits: Callable[[Item, Item], bool] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FactPairing(_Sides[Fact]):
    """Relations. ``same_place(gold, predicted)`` compares one end with another."""

    same_place: Callable[[Hashable, Hashable], bool] = lambda one, other: one == other


Pairing: TypeAlias = EntityPairing | FactPairing
