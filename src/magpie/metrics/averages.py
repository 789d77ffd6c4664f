"""Averages over types, beside the micro score; a type's own value is that of its counts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from magpie.metrics.counts import Counts

__all__ = ["Average", "macro_average", "weighted_average"]


@dataclass(frozen=True, slots=True)
class Average:
    """Mean precision, recall and F1 over types, each in [0, 1]; 0 over no types."""

    precision: float
    recall: float
    f1: float

    def to_dict(self) -> dict[str, float]:
        return {"precision": self.precision, "recall": self.recall, "f1": self.f1}


def macro_average(per_type: Mapping[str, Counts], labels: Collection[str] | None = None) -> Average:
    """Plain mean over types.

    Args:
        per_type: counts by type.
        labels: the types to average over; one that ``per_type`` lacks counts as 0, so that the
            mean over all classes of a corpus stays below 1 where its test split lacks some.
            By default the types that the gold has.
    """
    if labels is None:
        labels = [kind for kind, counts in per_type.items() if counts.gold]
    return _mean([(per_type.get(label, Counts()), 1) for label in labels])


def weighted_average(per_type: Mapping[str, Counts]) -> Average:
    """Mean over types, each weighted by its number of gold items."""
    return _mean([(counts, counts.gold) for counts in per_type.values()])


def _mean(rows: list[tuple[Counts, int]]) -> Average:
    total = sum(weight for _, weight in rows) or 1
    return Average(
        sum(counts.precision * weight for counts, weight in rows) / total,
        sum(counts.recall * weight for counts, weight in rows) / total,
        sum(counts.f1 * weight for counts, weight in rows) / total,
    )
