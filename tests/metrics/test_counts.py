"""Counters and the three ratios made of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.metrics.counts import Counts


def test_ratios_of_a_worked_example() -> None:
    counts = Counts(gold=5, predicted=6, correct=2)
    assert counts.precision == pytest.approx(0.3333, abs=1e-4)
    assert counts.recall == pytest.approx(0.4)
    assert counts.f1 == pytest.approx(0.3636, abs=1e-4)


@pytest.mark.parametrize("counts", [Counts(), Counts(gold=3), Counts(predicted=3), Counts(2, 2)])
def test_ratios_are_zero_where_they_are_undefined(counts: Counts) -> None:
    assert (counts.precision, counts.recall, counts.f1) == (0.0, 0.0, 0.0)


def test_counts_add_up() -> None:
    parts = [Counts(1, 2, 1), Counts(3, 0, 0), Counts(1, 4, 1)]
    assert sum(parts, Counts()) == Counts(gold=5, predicted=6, correct=2)


def test_json_shape() -> None:
    assert Counts(gold=4, predicted=2, correct=1).to_dict() == {
        "precision": 0.5,
        "recall": 0.25,
        "f1": pytest.approx(1 / 3),
        "gold": 4,
        "predicted": 2,
        "correct": 1,
    }


@given(st.integers(1, 99), st.integers(1, 99), st.data())
def test_f1_is_the_harmonic_mean(gold: int, predicted: int, data: st.DataObject) -> None:
    counts = Counts(gold, predicted, data.draw(st.integers(1, min(gold, predicted))))
    p, r = counts.precision, counts.recall
    assert counts.f1 == pytest.approx(2 * p * r / (p + r))
    assert min(p, r) - 1e-12 <= counts.f1 <= max(p, r) + 1e-12
