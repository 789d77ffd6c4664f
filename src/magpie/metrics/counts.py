"""The two values from which every score here is made; both add up over documents."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Counts", "Mean", "Value", "add_up"]


@dataclass(frozen=True, slots=True)
class Counts:
    """Gold items, predicted items and the correct ones among them."""

    gold: int = 0
    predicted: int = 0
    correct: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.gold + other.gold, self.predicted + other.predicted, self.correct + other.correct
        )

    @property
    def precision(self) -> float:
        """Correct over predicted, in [0, 1]; 0 when nothing was predicted."""
        return self.correct / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """Correct over gold, in [0, 1]; 0 when there is no gold."""
        return self.correct / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, in [0, 1]; 0 when nothing is correct."""
        total = self.gold + self.predicted
        return 2 * self.correct / total if total else 0.0

    @property
    def score(self) -> float:
        """The one number that results are ranked by: the F1."""
        return self.f1

    def to_dict(self) -> dict[str, float | int]:
        """The shape of ``magpie score --json``: fractions, then the counters."""
        return {
            "precision": self.precision,
            "recall": self.recall,
            "f1": self.f1,
            "gold": self.gold,
            "predicted": self.predicted,
            "correct": self.correct,
        }


@dataclass(frozen=True, slots=True)
class Mean:
    """A sum of ``n`` values in [0, 1], such as the IoU of each gold item; its score is the mean."""

    total: float = 0.0
    n: int = 0

    def __add__(self, other: Mean) -> Mean:
        return Mean(self.total + other.total, self.n + other.n)

    @property
    def mean(self) -> float:
        """The mean, in [0, 1]; 0 of nothing."""
        return self.total / self.n if self.n else 0.0

    @property
    def score(self) -> float:
        """The one number that results are ranked by: the mean."""
        return self.mean

    def to_dict(self) -> dict[str, float | int]:
        """The shape of ``magpie score --json``."""
        return {"mean": self.mean, "n": self.n}


Value: TypeAlias = Counts | Mean


def add_up(values: Collection[Value], zero: Value) -> Value:
    """The sum; ``zero`` says of which kind, which matters where there are no values.

    Raises:
        TypeError: counts and means are mixed (a counter returns one kind for a part).
    """
    if not values:
        return zero
    if isinstance(zero, Mean):
        total, n = zero.total, zero.n
        for value in values:
            if not isinstance(value, Mean):
                raise TypeError("counts among means")
            total += value.total
            n += value.n
        return Mean(total, n)
    gold, predicted, correct = zero.gold, zero.predicted, zero.correct
    for value in values:
        if isinstance(value, Mean):
            raise TypeError("a mean among counts")
        gold += value.gold
        predicted += value.predicted
        correct += value.correct
    return Counts(gold, predicted, correct)
