"""Confidence intervals by resampling documents (percentile bootstrap)."""

from __future__ import annotations

from collections.abc import Sequence

from magpie.errors import ConfigError
from magpie.metrics.counts import Counts

__all__ = ["f1_interval"]


def f1_interval(
    documents: Sequence[Counts], *, samples: int = 1000, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Interval of the micro F1 when documents are drawn anew with replacement.

    Documents, not mentions, are drawn: the mentions of one tweet stand or fall together.

    Args:
        documents: counts of each document.
        samples: number of drawn sets.
        level: share of them inside the interval.
        seed: of the random numbers; the same input gives the same interval.

    Raises:
        ConfigError: samples or level out of range.
    """
    import numpy as np

    if samples < 1 or not 0 < level < 1:
        raise ConfigError(f"need samples >= 1 and 0 < level < 1, got {samples} and {level}")
    if not documents:
        return (0.0, 0.0)
    table = np.array([(c.gold, c.predicted, c.correct) for c in documents], dtype=np.float64)
    rng = np.random.default_rng(seed)
    size = len(documents)
    scores = np.empty(samples)
    # In slices, so that 10,000 documents and 10,000 samples stay within some megabytes.
    step = max(1, 4_000_000 // size)
    for first in range(0, samples, step):
        count = min(step, samples - first)
        weights = rng.multinomial(size, np.full(size, 1.0 / size), size=count)
        gold, predicted, correct = (weights @ table).T
        total = gold + predicted
        scores[first : first + count] = np.divide(
            2 * correct, total, out=np.zeros(count), where=total > 0
        )
    tail = (1 - level) / 2
    low, high = np.quantile(scores, [tail, 1 - tail])
    return (float(low), float(high))
