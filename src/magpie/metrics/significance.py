"""Whether one system is better than another on the same gold: paired tests over documents.

Two tests, both on the difference of the micro score (F1 of counts, mean of means), both two-sided:

- approximate randomisation (Noreen 1989; Yeh 2000): if the systems are alike, the two results of
  a document may change places; how often does that give a difference at least as large?
- the paired bootstrap (Efron and Tibshirani 1993; Koehn 2004): documents are drawn anew with
  replacement, the same ones for both systems. The middle 95 % of the differences are the interval;
  shifted to a mean of no difference, they also give a p value.

Documents, not mentions, are swapped and drawn: the mentions of one tweet stand or fall together.
A p value is (1 + samples at least as extreme) / (1 + samples), so that it is never 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from magpie.errors import ComparisonError, ConfigError
from magpie.metrics.bootstrap import table_of
from magpie.metrics.counts import Counts, Value
from magpie.metrics.report import PartReport, Report, check_comparable

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

__all__ = [
    "Comparison",
    "Difference",
    "Versus",
    "compare",
    "compare_all",
    "holm",
    "paired_difference",
]

#: differences of fractions that are equal on paper part by rounding
_ROUNDING = 1e-12

#: cells of the largest array of random numbers, some megabytes
_CELLS = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What sets two systems apart in one score.

    Attributes:
        first, second: the micro scores, in [0, 1].
        low, high: 95 % interval of ``difference``.
        p_randomisation, p_bootstrap: two-sided p values, in (0, 1].
        first_ahead: share of the drawn sets in which the first system is strictly better.
        differing: documents whose counts are not the same for both.
    """

    first: float
    second: float
    low: float
    high: float
    p_randomisation: float
    p_bootstrap: float
    first_ahead: float
    differing: int

    @property
    def difference(self) -> float:
        """The first score minus the second, in [-1, 1]."""
        return self.first - self.second

    def to_dict(self) -> dict[str, Any]:
        """The shape of a part in ``magpie score --json`` with several predictions."""
        return {
            "first": self.first,
            "second": self.second,
            "difference": self.difference,
            "difference_interval_95": [self.low, self.high],
            "p_randomisation": self.p_randomisation,
            "p_bootstrap": self.p_bootstrap,
            "first_ahead": self.first_ahead,
            "differing": self.differing,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two systems under one protocol; a :class:`Difference` for each part of it."""

    protocol: str
    documents: int
    samples: int
    seed: int
    parts: dict[str, Difference]

    def to_dict(self) -> dict[str, Any]:
        return {
            "protocol": self.protocol,
            "documents": self.documents,
            "samples": self.samples,
            "seed": self.seed,
            "parts": {name: part.to_dict() for name, part in self.parts.items()},
        }


@dataclass(frozen=True, slots=True)
class Versus:
    """Two of several named systems; ``corrected`` are the p values of the randomisation test by
    part, corrected for the number of comparisons (empty where there is one)."""

    first: str
    second: str
    comparison: Comparison
    corrected: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """The shape of an entry of ``comparisons`` in ``magpie score --json``."""
        body = self.comparison.to_dict()
        for name, value in self.corrected.items():
            body["parts"][name]["p_randomisation_holm"] = value
        return {"first": self.first, "second": self.second, **body}


def compare_all(
    systems: Sequence[tuple[str, Report]], *, samples: int = 10_000, seed: int = 0
) -> list[Versus]:
    """Every two of several systems, in their order. Raises what :func:`compare` does."""
    pairs = list(combinations(systems, 2))
    found = [compare(one[1], other[1], samples=samples, seed=seed) for one, other in pairs]
    corrected: dict[str, list[float]] = {}
    if len(found) > 1:
        corrected = {
            part: holm([each.parts[part].p_randomisation for each in found])
            for part in found[0].parts
        }
    return [
        Versus(one[0], other[0], each, {part: values[n] for part, values in corrected.items()})
        for n, ((one, other), each) in enumerate(zip(pairs, found, strict=True))
    ]


def compare(first: Report, second: Report, *, samples: int = 10_000, seed: int = 0) -> Comparison:
    """Tests each part of two results.

    Args:
        first, second: results of :func:`magpie.metrics.score` on the same gold.
        samples: swaps, and drawn sets.
        seed: of the random numbers; the same input gives the same result.

    Raises:
        ComparisonError: they differ in protocol, options, corpus, its files or documents, or were
            not counted against the same gold.
        ConfigError: ``samples`` below 1.
    """
    check_comparable(first, second)
    for name, part in first.parts.items():
        _same_gold(name, first.document_ids, part, second.parts[name])
    return Comparison(
        protocol=first.protocol,
        documents=first.documents,
        samples=samples,
        seed=seed,
        parts={
            name: paired_difference(
                part.per_document, second.parts[name].per_document, samples=samples, seed=seed
            )
            for name, part in first.parts.items()
        },
    )


def _same_gold(name: str, ids: Sequence[str], first: PartReport, second: PartReport) -> None:
    for identifier, one, other in zip(ids, first.per_document, second.per_document, strict=True):
        if isinstance(one, Counts) and isinstance(other, Counts) and one.gold != other.gold:
            raise ComparisonError(
                f"document {identifier!r} has {one.gold} gold items for the first system and "
                f"{other.gold} for the second ({name})",
                code="compare-alignment",
                mend="Score both against one gold; with --option negative=LABEL where the label "
                "for no relation was found by itself.",
            )


def paired_difference(
    first: Sequence[Value], second: Sequence[Value], *, samples: int = 10_000, seed: int = 0
) -> Difference:
    """Both tests on the values of the same documents in the same order.

    Takes time in proportion to samples times documents; memory stays within some megabytes.

    Raises:
        ConfigError: ``samples`` below 1.
        ValueError: two lengths.
    """
    import numpy as np

    if samples < 1:
        raise ConfigError(f"need samples >= 1, got {samples}")
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} documents")
    one, other = table_of(first), table_of(second)
    scores = (_score(one.sum(axis=0)), _score(other.sum(axis=0)))
    observed = abs(scores[0] - scores[1]) - _ROUNDING
    changes = one - other
    # Documents on which the two agree change nothing when they are swapped.
    moving = changes[changes.any(axis=1)]
    swapped = np.abs(_swapped(one.sum(axis=0), other.sum(axis=0), moving, samples, seed))
    drawn = _drawn(one, other, samples, seed)
    shifted = np.abs(drawn - (scores[0] - scores[1]))
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Difference(
        first=scores[0],
        second=scores[1],
        low=float(low),
        high=float(high),
        p_randomisation=float(1 + np.sum(swapped >= observed)) / (1 + samples),
        p_bootstrap=float(1 + np.sum(shifted >= observed)) / (1 + samples),
        first_ahead=float(np.mean(drawn > _ROUNDING)),
        differing=len(moving),
    )


def _score(total: Floats) -> float:
    return float(total[0] / total[1]) if total[1] > 0 else 0.0


def _ratio(table: Floats) -> Floats:
    import numpy as np

    above, below = table[:, 0], table[:, 1]
    return np.divide(above, below, out=np.zeros(len(table)), where=below > 0)


def _swapped(one: Floats, other: Floats, changes: Floats, samples: int, seed: int) -> Floats:
    """Differences after swapping each document with a chance of one half."""
    import numpy as np

    rng = np.random.default_rng([seed, 1])
    found = np.empty(samples)
    step = max(1, _CELLS // max(1, len(changes)))
    for start in range(0, samples, step):
        count = min(step, samples - start)
        moved = rng.integers(0, 2, size=(count, len(changes)), dtype=np.int8) @ changes
        found[start : start + count] = _ratio(one - moved) - _ratio(other + moved)
    return found


def _drawn(one: Floats, other: Floats, samples: int, seed: int) -> Floats:
    """Differences on documents drawn with replacement, the same ones for both."""
    import numpy as np

    size = len(one)
    if not size:
        return np.zeros(samples)
    rng = np.random.default_rng([seed, 2])
    found = np.empty(samples)
    step = max(1, _CELLS // size)
    for start in range(0, samples, step):
        count = min(step, samples - start)
        weights = rng.multinomial(size, np.full(size, 1.0 / size), size=count)
        found[start : start + count] = _ratio(weights @ one) - _ratio(weights @ other)
    return found


def holm(values: Sequence[float]) -> list[float]:
    """p values of several comparisons, corrected for their number (Holm 1979), in their order."""
    corrected = [0.0] * len(values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(values)), key=values.__getitem__)):
        highest = max(highest, min(1.0, (len(values) - rank) * values[index]))
        corrected[index] = highest
    return corrected
