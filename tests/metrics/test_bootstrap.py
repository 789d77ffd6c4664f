"""Bootstrap intervals: known cases, coverage of the point, seeds."""

from __future__ import annotations

import numpy as np
import pytest

from magpie.errors import ConfigError
from magpie.metrics.bootstrap import f1_interval, interval
from magpie.metrics.counts import Counts, Mean


def documents(size: int, seed: int = 3) -> list[Counts]:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(size):
        gold, predicted = (int(n) for n in rng.integers(0, 4, 2))
        found.append(Counts(gold, predicted, int(rng.integers(0, min(gold, predicted) + 1))))
    return found


def test_documents_that_are_all_alike_have_no_spread() -> None:
    low, high = f1_interval([Counts(2, 2, 1)] * 20)
    assert low == pytest.approx(0.5)
    assert high == pytest.approx(0.5)


def test_nothing_to_draw_from() -> None:
    assert f1_interval([]) == (0.0, 0.0)
    assert f1_interval([Counts()]) == (0.0, 0.0)


def test_two_documents_show_all_four_draws() -> None:
    # One wholly right, one wholly wrong: the drawn F1 is 0, 1/2 or 1.
    pair = [Counts(1, 1, 1), Counts(1, 1, 0)]
    assert f1_interval(pair, samples=400, level=0.99) == (0.0, 1.0)
    assert f1_interval(pair, samples=400, level=0.2) == (0.5, 0.5)


def test_the_interval_holds_the_score_and_widens_with_its_level() -> None:
    drawn = documents(300)
    f1 = sum(drawn, Counts()).f1
    low90, high90 = f1_interval(drawn, level=0.9)
    low99, high99 = f1_interval(drawn, level=0.99)
    assert low99 < low90 < f1 < high90 < high99


def test_it_agrees_with_drawing_one_by_one() -> None:
    drawn = documents(40)
    rng = np.random.default_rng(11)
    slow = [sum((drawn[i] for i in rng.integers(0, 40, 40)), Counts()).f1 for _ in range(1500)]
    low, high = f1_interval(drawn, samples=3000)
    assert low == pytest.approx(np.quantile(slow, 0.025), abs=0.02)
    assert high == pytest.approx(np.quantile(slow, 0.975), abs=0.02)


def test_more_documents_narrow_it() -> None:
    widths = []
    for size in (50, 5000):
        low, high = f1_interval(documents(size))
        widths.append(high - low)
    assert widths[1] < widths[0] / 5


def test_the_seed_decides() -> None:
    drawn = documents(60)
    assert f1_interval(drawn, seed=1) == f1_interval(drawn, seed=1)
    assert f1_interval(drawn, seed=1) != f1_interval(drawn, seed=2)


@pytest.mark.parametrize("bad", [{"samples": 0}, {"level": 0.0}, {"level": 1.0}])
def test_impossible_options(bad: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="need samples >= 1"):
        f1_interval([Counts()], **bad)  # type: ignore[arg-type]


def test_the_interval_of_a_mean() -> None:
    pair = [Mean(2.0, 2), Mean(0.0, 2)]
    assert interval(pair, samples=400, level=0.99) == (0.0, 1.0)
    assert interval(pair, samples=400, level=0.2) == (0.5, 0.5)
    assert interval([Mean()]) == (0.0, 0.0)


def test_the_interval_of_counts_is_that_of_their_f1() -> None:
    drawn = documents(50)
    assert interval(drawn, seed=2) == f1_interval(drawn, seed=2)
