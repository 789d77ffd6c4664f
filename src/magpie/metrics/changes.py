"""What one system gains and loses against another: entities corrected, and entities spoiled.

Yu et al. (ACL 2020, Figures 3 and 4) count both against a text-only tagger: equal scores can hide
that a picture helped a hundred times and misled a hundred times.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from magpie.metrics.items import Scored, pair_up

if TYPE_CHECKING:
    from magpie.metrics.analysis import Analysis

__all__ = ["ALL", "Changed", "Changes", "changes", "changes_between"]

#: the row of all documents
ALL = "all"


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


@dataclass(frozen=True, slots=True)
class Changed:
    """What ``system`` gains and loses against ``reference``, over all documents and over groups."""

    reference: str
    system: str
    part: str
    groups: Mapping[str, Changes]

    def to_dict(self) -> dict[str, Any]:
        """The shape of an entry of ``changes`` in ``magpie score --json``."""
        groups = {name: each.to_dict() for name, each in self.groups.items()}
        body = {"reference": self.reference, "system": self.system, "part": self.part}
        return {**body, "groups": groups}


def changes_between(
    reference: tuple[str, Analysis], system: tuple[str, Analysis], groups: Mapping[str, str]
) -> Changed | None:
    """As :func:`changes`, by what the protocol of both analyses holds right in its main score.

    Args:
        reference, system: name and analysis, over the same gold.
        groups: of each document by id; where there are several, each is counted beside all.

    Returns:
        None where the protocol pairs no items.
    """
    (old_name, old), (new_name, new) = reference, system
    if old.errors is None or new.errors is None:
        return None
    gold: Counter[tuple[str, Hashable]] = Counter()
    before: Counter[tuple[str, Hashable]] = Counter()
    after: Counter[tuple[str, Hashable]] = Counter()
    for each in old.errors.cases:
        if each.case.gold is not None:
            gold[each.document, each.case.gold] += 1
    for right, errors in ((before, old.errors), (after, new.errors)):
        for each in errors.cases:
            if each.case.gold is not None and each.case.category == "correct":
                right[each.document, each.case.gold] += 1

    def count(name: str | None) -> Changes:
        def size(items: Counter[tuple[str, Hashable]]) -> int:
            return sum(n for (own, _), n in items.items() if name in (None, groups.get(own)))

        return Changes(
            corrected=size(after - before),
            spoiled=size(before - after),
            both=size(before & after),
            neither=size(gold - (before | after)),
        )

    names = sorted(set(groups.values()))
    every = {ALL: count(None), **({name: count(name) for name in names} if len(names) > 1 else {})}
    return Changed(old_name, new_name, old.errors.part, every)
