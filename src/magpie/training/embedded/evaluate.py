"""Scores of a tagger: chunks by the lenient rule, fine types, bootstrap intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from magpie.engine.embedded.decode import chunks, fine_type

__all__ = ["TYPES", "Scores", "bootstrap", "fine_report", "score"]

#: of the tweet corpora
TYPES = ("PER", "LOC", "ORG", "OTHER")


@dataclass(frozen=True, slots=True)
class Scores:
    """Percentages."""

    precision: float
    recall: float
    f1: float
    by_type: dict[str, float]


def _counts(
    gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], types: Sequence[str]
) -> npt.NDArray[np.int64]:
    """Correct, predicted and gold chunks by text and type: [N, types, 3]."""
    counts = np.zeros((len(gold), len(types), 3), np.int64)
    for row, (want, have) in enumerate(zip(gold, predicted, strict=True)):
        wanted, had = set(chunks(want)), set(chunks(have))
        for column, found in enumerate((wanted & had, had, wanted)):
            for chunk in found:
                if chunk.type in types:
                    counts[row, types.index(chunk.type), column] += 1
    return counts


def _scores(counts: npt.NDArray[np.int64], types: Sequence[str]) -> Scores:
    correct, predicted, gold = (int(n) for n in counts.sum(0))
    by_type = {
        kind: 200.0 * row[0] / max(row[1] + row[2], 1)
        for kind, row in zip(types, counts.tolist(), strict=True)
    }
    return Scores(
        100.0 * correct / max(predicted, 1),
        100.0 * correct / max(gold, 1),
        200.0 * correct / max(predicted + gold, 1),
        by_type,
    )


def score(
    gold: Sequence[Sequence[str]],
    predicted: Sequence[Sequence[str]],
    types: Sequence[str] = TYPES,
) -> Scores:
    """Micro F1 over exact chunks; an inside tag without a beginning opens a chunk."""
    return _scores(_counts(gold, predicted, types).sum(0), types)


def bootstrap(
    gold: Sequence[Sequence[str]],
    predicted: Sequence[Sequence[str]],
    *,
    types: Sequence[str] = TYPES,
    draws: int = 1000,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % interval of the micro F1, by resampling texts."""
    totals = _counts(gold, predicted, types).sum(1)  # [N, 3]
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        correct, had, wanted = totals[rng.integers(0, len(totals), len(totals))].sum(0)
        found.append(200.0 * correct / max(had + wanted, 1))
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class FineReport:
    """Fine types of gold spans with their gold coarse type."""

    accuracy: float
    #: at the threshold
    coverage: float
    accuracy_covered: float
    threshold: float
    temperature: float
    entities: int


def fine_report(
    cases: Sequence[tuple[npt.NDArray[np.floating], str, int]],
    parents: npt.NDArray[np.str_],
    *,
    threshold: float,
    temperature: float,
) -> FineReport:
    """Accuracy of all, and of those whose probability reaches the threshold.

    Args:
        cases: per entity, the fine logits of its words, its coarse type and its gold fine index.
        parents: coarse type of every fine type.
        threshold: see above.
        temperature: of the probability.
    """
    found = [fine_type(c[0], parents, c[1], temperature=temperature) for c in cases]
    right = np.array([best == c[2] for (best, _), c in zip(found, cases, strict=True)])
    sure = np.array([p >= threshold for _, p in found])
    return FineReport(
        100.0 * float(right.mean()),
        100.0 * float(sure.mean()),
        100.0 * float(right[sure].mean()) if sure.any() else 0.0,
        threshold,
        temperature,
        len(cases),
    )
