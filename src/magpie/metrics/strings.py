"""Generated strings scored as strings, as UMIE and MQA do: no offsets within a text.

A generated entity is a type and a spelling. The default counts occurrences: two mentions of one
spelling ask for two predictions. The repositories count in ways of their own, which the option
``legacy`` names.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

from magpie.metrics.counts import Counts
from magpie.metrics.declare import Prepared
from magpie.metrics.documents import Keyed, add, count_equal
from magpie.metrics.gmner import types_at
from magpie.metrics.items import Scored, need_spellings

__all__ = ["count_ner", "count_spellings", "count_strings", "prepare_ner"]


def prepare_ner(
    gold: Sequence[Scored], predicted: Sequence[Scored], options: Mapping[str, Any]
) -> Prepared:
    """MISC and OTHER are one type, under the gold's name.

    Raises:
        ComparisonError: a mention has no spelling.
    """
    need_spellings((*gold, *predicted))
    return Prepared(options={"type_of": types_at("type", gold)})


def count_ner(
    part: str, gold: Scored, predicted: Scored, options: Mapping[str, Any]
) -> dict[str, Counts]:
    """Parts ``entities`` (type and spelling) and ``spans`` (lower-cased spellings as sets).

    Option ``legacy``: None, ``umie`` (:func:`count_strings`) or ``mqa`` (:func:`count_spellings`
    of the lower-cased spellings).
    """
    sides = gold.items, predicted.items
    if part == "spans":
        return count_equal(*({("span", item.text.lower()) for item in side} for side in sides))
    legacy, type_of = options.get("legacy"), options["type_of"]
    wanted, found = (
        [(type_of(item), item.text.lower() if legacy == "mqa" else item.text) for item in side]
        for side in sides
    )
    if legacy == "mqa":
        return count_spellings(wanted, found)
    return count_strings(wanted, found, legacy=legacy == "umie")


def count_strings(
    gold: Iterable[Keyed], predicted: Iterable[Keyed], *, legacy: bool = False
) -> dict[str, Counts]:
    """Counts by type of tuples of strings.

    Args:
        legacy: UMIE's count: a gold item is missed only when its value is never predicted, so
            that one prediction is enough for equal gold items.
    """
    wanted, found = list(gold), list(predicted)
    if legacy:
        right = Counter(wanted) & Counter(found)
        missed = [item for item in wanted if item not in right]
        wanted = [*right.elements(), *missed]
    return count_equal(wanted, found)


def count_spellings(gold: Iterable[Keyed], predicted: Iterable[Keyed]) -> dict[str, Counts]:
    """MQA's count: the gold keeps one type a spelling, the last, and is not used up.

    All mentions count in the gold, so that a text in which one spelling has two types cannot be
    answered perfectly, and each prediction of a known spelling and its type is right.
    """
    wanted = list(gold)
    known: dict[Hashable, str] = {key: kind for kind, key in wanted}
    counts: dict[str, Counts] = {}
    for kind, _ in wanted:
        add(counts, kind, Counts(gold=1))
    for kind, key in predicted:
        add(counts, kind, Counts(predicted=1, correct=known.get(key) == kind))
    return counts
