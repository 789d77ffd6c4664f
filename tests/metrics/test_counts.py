"""Counters and the three ratios made of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.metrics.counts import Counts, Mean, Value, add_up


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


def test_means_add_up_to_the_mean_of_all_values() -> None:
    total = Mean(1.5, 2) + Mean(0.0, 1)
    assert total == Mean(1.5, 3)
    assert (total.mean, total.score) == (0.5, 0.5)
    assert total.to_dict() == {"mean": 0.5, "n": 3}
    assert Mean().mean == 0.0


def test_the_score_of_counts_is_their_f1() -> None:
    assert Counts(4, 2, 1).score == Counts(4, 2, 1).f1 == pytest.approx(1 / 3)


@pytest.mark.parametrize("zero", [Counts(), Mean()])
def test_the_sum_of_nothing_is_of_the_kind_asked_for(zero: Value) -> None:
    assert add_up([], zero) == zero


@given(st.lists(st.builds(Counts, *[st.integers(0, 9)] * 3)))
def test_adding_up_is_adding_one_by_one(values: list[Counts]) -> None:
    assert add_up(values, Counts()) == sum(values, Counts())


def test_kinds_do_not_mix() -> None:
    assert add_up([Mean(1.0, 2), Mean(0.5, 1)], Mean(0.5, 1)) == Mean(2.0, 4)
    with pytest.raises(TypeError):
        add_up([Counts(1, 1, 1), Mean(1.0, 1)], Counts())
    with pytest.raises(TypeError):
        add_up([Mean(1.0, 1), Counts(1, 1, 1)], Mean())
