"""Confidence intervals by resampling documents (percentile bootstrap)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from magpie.errors import ConfigError
from magpie.metrics.counts import Counts, Mean, Value

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["f1_interval", "interval", "table_of"]


def table_of(documents: Sequence[Value]) -> npt.NDArray[np.float64]:
    """Numerator and denominator of the score, which both add up: one row a document."""
    import numpy as np

    rows = [
        (v.total, v.n) if isinstance(v, Mean) else (2 * v.correct, v.gold + v.predicted)
        for v in documents
    ]
    return np.array(rows, dtype=np.float64).reshape(len(rows), 2)


def interval(
    documents: Sequence[Value], *, samples: int = 1000, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Interval of the micro score when documents are drawn anew with replacement.

    The score is the F1 of counts, or the mean of means. Documents, not mentions, are drawn: the
    mentions of one tweet stand or fall together.

    Args:
        documents: counts or means of each document, one kind only.
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
    table = table_of(documents)
    rng = np.random.default_rng(seed)
    size = len(documents)
    scores = np.empty(samples)
    # In slices, so that 10,000 documents and 10,000 samples stay within some megabytes.
    step = max(1, 4_000_000 // size)
    for first in range(0, samples, step):
        count = min(step, samples - first)
        weights = rng.multinomial(size, np.full(size, 1.0 / size), size=count)
        above, below = (weights @ table).T
        scores[first : first + count] = np.divide(
            above, below, out=np.zeros(count), where=below > 0
        )
    tail = (1 - level) / 2
    low, high = np.quantile(scores, [tail, 1 - tail])
    return (float(low), float(high))


def f1_interval(
    documents: Sequence[Counts], *, samples: int = 1000, level: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """:func:`interval` of counts: that of the micro F1."""
    return interval(documents, samples=samples, level=level, seed=seed)
