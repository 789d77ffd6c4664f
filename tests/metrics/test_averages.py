"""Averages over types: the worked MNRE example with each of its listed rows."""

from __future__ import annotations

import pytest

from magpie.metrics.averages import Average, macro_average, weighted_average
from magpie.metrics.counts import Counts

#: counts of the twelve worked instances without their negative label
WORKED = {
    "member_of": Counts(3, 3, 2),
    "peer": Counts(2, 2, 1),
    "couple": Counts(1, 2, 1),
    "contain": Counts(1, 1, 1),
    "awarded": Counts(1, 0, 0),
    "present_in": Counts(0, 1, 0),
}


def about(average: Average, *values: float) -> bool:
    found = (average.precision, average.recall, average.f1)
    return found == pytest.approx(values, abs=1e-6)


def test_macro_over_gold_over_all_seen_and_over_a_whole_inventory() -> None:
    assert about(macro_average(WORKED), 0.533333, 0.633333, 0.566667)
    assert about(macro_average(WORKED, WORKED), 0.444444, 0.527778, 0.472222)
    inventory = [*WORKED, *(f"unseen {n}" for n in range(16))]
    assert about(macro_average(WORKED, inventory), 0.121212, 0.143939, 0.128788)


def test_weighted_by_gold() -> None:
    assert about(weighted_average(WORKED), 0.5625, 0.625, 0.583333)


def test_nothing_to_average() -> None:
    assert macro_average({}) == weighted_average({}) == Average(0.0, 0.0, 0.0)
    assert macro_average({"a": Counts(0, 3, 0)}) == Average(0.0, 0.0, 0.0)
    assert macro_average({"a": Counts(1, 1, 1)}).to_dict() == {
        "precision": 1.0,
        "recall": 1.0,
        "f1": 1.0,
    }
