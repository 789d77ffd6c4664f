"""Matchings against brute force, and against scipy where it is there."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.metrics.matching import cheapest_assignment, maximum_matching


def brute_force(edges: list[list[int]], right: int) -> int:
    """Size of the largest matching, by trying every way to hand out the right nodes."""
    places = [*range(right), *[-1] * len(edges)]
    best = 0
    for choice in permutations(places, len(edges)):
        best = max(best, sum(node in edges[left] for left, node in enumerate(choice)))
    return best


def check(edges: list[list[int]], partners: list[int]) -> None:
    assert len(partners) == len(edges)
    used = [node for node in partners if node >= 0]
    assert len(set(used)) == len(used)
    assert all(node < 0 or node in edges[left] for left, node in enumerate(partners))


def test_greed_would_lose_a_pair() -> None:
    assert maximum_matching([[0, 1], [0]], 2) == [1, 0]


def test_a_chain_of_moves() -> None:
    # Each new one pushes all before it one further.
    edges = [[0, 1], [0, 1, 2], [0, 1, 2, 3], [0]]
    partners = maximum_matching(edges, 4)
    check(edges, partners)
    assert sorted(partners) == [0, 1, 2, 3]


def test_nobody_to_pair_with() -> None:
    assert maximum_matching([], 3) == []
    assert maximum_matching([[], []], 0) == [-1, -1]
    assert sorted(maximum_matching([[0], [0]], 1)) == [-1, 0]


def test_a_long_path_needs_no_recursion() -> None:
    size = 3000
    edges = [[left, left + 1] for left in range(size)] + [[0]]
    partners = maximum_matching(edges, size + 1)
    check(edges, partners)
    assert -1 not in partners


@given(st.lists(st.lists(st.integers(0, 3), unique=True), max_size=4))
def test_equals_brute_force(edges: list[list[int]]) -> None:
    partners = maximum_matching(edges, 4)
    check(edges, partners)
    assert sum(node >= 0 for node in partners) == brute_force(edges, 4)


@given(st.lists(st.lists(st.integers(0, 6), unique=True), max_size=8), st.randoms())
def test_the_order_of_predictions_changes_nothing(edges: list[list[int]], random: object) -> None:
    shuffled = sorted(edges, key=lambda _: random.random())  # type: ignore[attr-defined]
    sizes = {sum(n >= 0 for n in maximum_matching(e, 7)) for e in (edges, shuffled)}
    assert len(sizes) == 1


# the cheapest assignment

MATRICES = st.tuples(st.integers(1, 4), st.integers(0, 2)).flatmap(
    lambda size: st.lists(
        st.lists(
            st.one_of(st.integers(-4, 4), st.floats(-1e3, 1e3)),
            min_size=sum(size),
            max_size=sum(size),
        ),
        min_size=size[0],
        max_size=size[0],
    )
)


def total(costs: list[list[float]], columns: list[int]) -> float:
    return sum(row[column] for row, column in zip(costs, columns, strict=True))


def test_the_cheapest_first_would_be_dearer() -> None:
    # Taking 1 for the first row leaves 100 for the second.
    assert cheapest_assignment([[1, 2], [2, 100]]) == [1, 0]


def test_no_rows() -> None:
    assert cheapest_assignment([]) == []
    assert cheapest_assignment([[7.5]]) == [0]
    assert cheapest_assignment([[3, 1, 2]]) == [1]


@pytest.mark.parametrize("costs", [[[1], [2]], [[1, 2], [3]], [[]], [[math.nan]], [[math.inf, 1]]])
def test_a_matrix_that_is_none(costs: list[list[float]]) -> None:
    with pytest.raises(ValueError, match=r"expected|finite"):
        cheapest_assignment(costs)


@given(MATRICES)
def test_the_assignment_equals_brute_force(costs: list[list[float]]) -> None:
    columns = cheapest_assignment(costs)
    assert len(set(columns)) == len(costs)
    ways = permutations(range(len(costs[0])), len(costs))
    best = min(total(costs, list(way)) for way in ways)
    assert total(costs, columns) == pytest.approx(best, abs=1e-9)


def test_the_assignment_equals_scipys() -> None:
    optimize = pytest.importorskip("scipy.optimize")
    rng = np.random.default_rng(5)
    for size, width in ((1, 1), (2, 9), (30, 30), (60, 61), (100, 100)):
        costs = rng.random((size, width))
        if size == 30:
            costs = costs.round(1)  # many ties
        rows, columns = optimize.linear_sum_assignment(costs)
        expected = costs[rows, columns].sum()
        found = costs[range(size), cheapest_assignment(costs.tolist())].sum()
        assert found == pytest.approx(expected)
