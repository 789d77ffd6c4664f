"""Paired tests: known cases, exact enumeration, symmetry, refusals with their reason."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magpie.errors import ComparisonError, ConfigError
from magpie.metrics import Counts, Item, Mean, Scored, score
from magpie.metrics.bootstrap import interval
from magpie.metrics.counts import Value, add_up
from magpie.metrics.data import Data
from magpie.metrics.report import Report
from magpie.metrics.significance import compare, holm, paired_difference


@st.composite
def systems(draw: st.DrawFn, most: int = 7) -> tuple[list[Counts], list[Counts]]:
    """Counts of two systems on the same gold."""
    sides: tuple[list[Counts], list[Counts]] = ([], [])
    for _ in range(draw(st.integers(1, most))):
        gold = draw(st.integers(0, 3))
        for side in sides:
            predicted = draw(st.integers(0, 3))
            side.append(Counts(gold, predicted, draw(st.integers(0, min(gold, predicted)))))
    return sides


def exact(first: Sequence[Value], second: Sequence[Value]) -> float:
    """p of the randomisation test by writing out every swap."""
    zero: Value = Mean() if isinstance(first[0], Mean) else Counts()

    def gap(one: Sequence[Value], other: Sequence[Value]) -> float:
        return abs(add_up(one, zero).score - add_up(other, zero).score)

    observed, hits = gap(first, second) - 1e-12, 0
    for swaps in itertools.product((False, True), repeat=len(first)):
        pairs = [(b, a) if s else (a, b) for a, b, s in zip(first, second, swaps, strict=True)]
        hits += gap([a for a, _ in pairs], [b for _, b in pairs]) >= observed
    return hits / 2 ** len(first)


@settings(max_examples=60, deadline=None)
@given(systems())
def test_randomisation_agrees_with_every_swap_written_out(
    both: tuple[list[Counts], list[Counts]],
) -> None:
    found = paired_difference(*both, samples=4000)
    # Four standard errors of 4000 throws.
    assert found.p_randomisation == pytest.approx(exact(*both), abs=0.033)


def test_means_agree_with_every_swap_written_out() -> None:
    first = [Mean(0.9, 1), Mean(1.5, 2), Mean(0.2, 1), Mean(0.8, 1)]
    second = [Mean(0.1, 1), Mean(1.0, 2), Mean(0.3, 1), Mean(0.0, 1)]
    found = paired_difference(first, second, samples=20_000)
    assert found.first == pytest.approx(3.4 / 5)
    assert found.second == pytest.approx(1.4 / 5)
    # Only all or none of the documents but the third reach 2.0 / 5: 4 of 16 ways.
    assert exact(first, second) == pytest.approx(0.25)
    assert found.p_randomisation == pytest.approx(0.25, abs=0.013)


@settings(max_examples=40, deadline=None)
@given(systems())
def test_a_system_against_itself(both: tuple[list[Counts], list[Counts]]) -> None:
    found = paired_difference(both[0], both[0], samples=200)
    assert (found.p_randomisation, found.p_bootstrap) == (1.0, 1.0)
    assert (found.difference, found.low, found.high, found.first_ahead) == (0, 0, 0, 0)
    assert found.differing == 0


@settings(max_examples=40, deadline=None)
@given(systems(most=20), st.integers(0, 5))
def test_changing_places_mirrors(both: tuple[list[Counts], list[Counts]], seed: int) -> None:
    here = paired_difference(*both, samples=300, seed=seed)
    there = paired_difference(*both[::-1], samples=300, seed=seed)
    assert there.difference == -here.difference
    assert (there.low, there.high) == (pytest.approx(-here.high), pytest.approx(-here.low))
    assert there.p_randomisation == here.p_randomisation
    assert there.p_bootstrap == here.p_bootstrap
    assert here.first_ahead + there.first_ahead <= 1
    assert there.differing == here.differing


def test_p_is_never_zero_and_small_for_a_clear_winner() -> None:
    good, bad = [Counts(1, 1, 1)] * 60, [Counts(1, 1, 0)] * 60
    found = paired_difference(good, bad, samples=999)
    # No throw of 60 coins lands on one side in 999 throws: (1 + 0) / (1 + 999).
    assert found.p_randomisation == 0.001
    # Every drawn set has the difference 1, so that shifted ones never reach it.
    assert found.p_bootstrap == 0.001
    assert (found.low, found.high, found.first_ahead, found.differing) == (1, 1, 1, 60)


def test_false_alarms_stay_at_their_rate() -> None:
    rng = np.random.default_rng(5)
    rejected = {"randomisation": 0, "bootstrap": 0}
    for trial in range(200):
        sides = [[Counts(1, 1, int(hit)) for hit in rng.random(60) < 0.6] for _ in range(2)]
        found = paired_difference(sides[0], sides[1], samples=300, seed=trial)
        rejected["randomisation"] += found.p_randomisation <= 0.05
        rejected["bootstrap"] += found.p_bootstrap <= 0.05
    # 10 of 200 are expected; 22 lie four standard errors above.
    assert 1 <= rejected["randomisation"] <= 22
    assert 1 <= rejected["bootstrap"] <= 22


def test_against_a_system_that_is_always_wrong_it_is_the_plain_interval() -> None:
    rng = np.random.default_rng(3)
    first = [Counts(2, 2, int(n)) for n in rng.integers(0, 3, 200)]
    second = [Counts(2, 0, 0)] * 200
    found = paired_difference(first, second, samples=8000)
    low, high = interval(first, samples=8000)
    assert (found.low, found.high) == (
        pytest.approx(low, abs=0.005),
        pytest.approx(high, abs=0.005),
    )


def test_the_seed_decides() -> None:
    rng = np.random.default_rng(1)
    sides = [[Counts(2, 2, int(n)) for n in rng.integers(0, 3, 30)] for _ in range(2)]
    one = paired_difference(*sides, samples=500, seed=1)
    assert one == paired_difference(*sides, samples=500, seed=1)
    assert one != paired_difference(*sides, samples=500, seed=2)


def test_nothing_to_compare() -> None:
    found = paired_difference([], [], samples=10)
    assert (found.difference, found.p_randomisation, found.p_bootstrap) == (0, 1, 1)


def test_impossible_input() -> None:
    with pytest.raises(ConfigError, match="samples >= 1"):
        paired_difference([Counts()], [Counts()], samples=0)
    with pytest.raises(ValueError, match="1 and 2 documents"):
        paired_difference([Counts()], [Counts()] * 2)


# whole results


def report(
    right: int, *, gold: int = 6, protocol: str = "gmner-iou50@1", **options: bool
) -> Report:
    """Documents with one mention each, the first ``right`` of which are found."""
    mention = (Item("Ada", 0, 3, "PER"),)
    wanted = [Scored(f"d{n}", mention) for n in range(gold)]
    found = [Scored(f"d{n}", mention if n < right else ()) for n in range(gold)]
    return score(wanted, found, protocol, options=options)


def test_every_part_is_tested() -> None:
    found = compare(report(6), report(3), samples=400)
    assert list(found.parts) == ["gmner", "mner", "eeg"]
    assert found.parts["mner"].first == 1.0
    assert found.parts["mner"].second == pytest.approx(2 / 3)
    assert found.parts["mner"].differing == 3
    body = found.to_dict()
    assert (body["protocol"], body["documents"], body["samples"]) == ("gmner-iou50@1", 6, 400)
    assert body["parts"]["eeg"]["difference"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (report(3, protocol="ner-span-conll@1"), "differ in protocol"),
        (report(3, inclusive=True), "differ in options"),
        (report(3, gold=7), "differ in documents"),
        (replace(report(3), sources=("elsewhere@1:test",)), "differ in sources"),
        (replace(report(3), data=(Data("a:test", "0" * 64, "known"),)), "differ in data"),
        (replace(report(3), document_ids=("d0", "d1", "x", "d3", "d4", "d5")), "'d2' and 'x'"),
    ],
)
def test_results_of_two_kinds_are_refused(other: Report, reason: str) -> None:
    with pytest.raises(ComparisonError, match=reason):
        compare(report(6), other)


def test_another_gold_under_the_same_ids_is_refused() -> None:
    mention = Item("Ada", 0, 3, "PER")
    wanted = [Scored(f"d{n}", (mention, mention)) for n in range(6)]
    with pytest.raises(ComparisonError, match="'d0' has 1 gold items for the first system and 2"):
        compare(report(6), score(wanted, wanted, "gmner-iou50@1"))


def test_holm() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []
