"""What one system gains and loses against another: entities corrected, and entities spoiled.

Yu et al. (ACL 2020, Figures 3 and 4) count both against a text-only tagger: equal scores can hide
that a picture helped a hundred times and misled a hundred times.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from magpie.metrics.items import Scored, pair_up

__all__ = ["Changes", "changes"]


@dataclass(frozen=True, slots=True)
class Changes:
    """Gold entities of which exactly one of two systems has span and type right."""

    #: found by the system, missed by the reference
    corrected: int = 0
    #: found by the reference, missed by the system
    spoiled: int = 0
    #: found by both, and by neither
    both: int = 0
    neither: int = 0

    def to_dict(self) -> dict[str, int]:
        """As JSON."""
        return asdict(self)


def changes(
    gold: Iterable[Scored], reference: Iterable[Scored], system: Iterable[Scored]
) -> Changes:
    """Counts over the same documents, which are paired by id.

    A document that failed counts as one in which nothing was found.

    Raises:
        ComparisonError: the three do not hold the same documents.
    """
    golds = list(gold)
    counts = {(True, True): 0, (True, False): 0, (False, True): 0, (False, False): 0}
    before = pair_up(golds, reference)
    after = pair_up(golds, system)
    for (true, old), (_, new) in zip(before, after, strict=True):
        found = [{(i.start, i.end, i.type) for i in side.items} for side in (old, new)]
        for item in true.items:
            key = (item.start, item.end, item.type)
            counts[key in found[0], key in found[1]] += 1
    return Changes(
        corrected=counts[False, True],
        spoiled=counts[True, False],
        both=counts[True, True],
        neither=counts[False, False],
    )
