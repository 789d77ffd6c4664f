"""Matchings between predictions and gold: no order of reading can change a score.

:func:`maximum_matching` makes as many pairs as possible where a pair fits or not,
:func:`cheapest_assignment` gives everybody a partner at the least total cost. Both are a page of
code; scipy, which has them too, would be a core dependency for nothing else (the tests compare).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["cheapest_assignment", "maximum_matching"]


def maximum_matching(edges: Sequence[Sequence[int]], right: int) -> list[int]:
    """Largest set of pairs in which nobody stands twice (augmenting paths).

    Args:
        edges: for each left node the right nodes it may be paired with, best liked first.
        right: number of right nodes.

    Returns:
        For each left node its partner, or -1. With L left nodes and E edges it takes O(L * E),
        and the documents scored here hold a few dozen nodes.
    """
    owner = [-1] * right

    def augment(start: int) -> bool:
        # Iterative depth-first search: a path may be as long as the document has mentions.
        parent: dict[int, int] = {}  # right node -> left node it was reached from
        stack = [start]
        while stack:
            left = stack.pop()
            for node in edges[left]:
                if node in parent:
                    continue
                parent[node] = left
                if owner[node] < 0:
                    _flip(node, parent)
                    return True
                stack.append(owner[node])
        return False

    def _flip(node: int, parent: dict[int, int]) -> None:
        while True:
            left = parent[node]
            previous = partner[left]
            owner[node], partner[left] = left, node
            if previous < 0:
                return
            node = previous

    partner = [-1] * len(edges)
    for left in range(len(edges)):
        augment(left)
    return partner


def cheapest_assignment(costs: Sequence[Sequence[float]]) -> list[int]:
    """Column of each row so that the costs add up to as little as possible (Hungarian method).

    Args:
        costs: a square matrix of finite numbers, in rows.

    Returns:
        The column of each row, each column once. N rows take O(N^3).

    Raises:
        ValueError: the matrix is not square or holds an infinite cost or NaN.
    """
    size = len(costs)
    if any(len(row) != size for row in costs):
        raise ValueError(f"expected {size} columns in each of {size} rows")
    if not all(math.isfinite(cost) for row in costs for cost in row):
        raise ValueError("costs must be finite")
    # Rows join one by one. Prices on rows and columns keep every reduced cost (cost minus both
    # prices) at 0 or above, and at 0 on pairs; the new row takes the shortest path of reduced
    # costs to a free column. Column `size` stands for "the row that is being added".
    row_price, column_price = [0.0] * size, [0.0] * (size + 1)
    owner = [-1] * (size + 1)
    for new in range(size):
        owner[size] = new
        distance = [math.inf] * size
        previous = [size] * size
        done = [False] * (size + 1)
        column = size
        while owner[column] >= 0:
            done[column] = True
            row = owner[column]
            step, following = math.inf, -1
            for j in range(size):
                if done[j]:
                    continue
                reduced = costs[row][j] - row_price[row] - column_price[j]
                if reduced < distance[j]:
                    distance[j], previous[j] = reduced, column
                if distance[j] < step:
                    step, following = distance[j], j
            for j in range(size + 1):
                if done[j]:
                    row_price[owner[j]] += step
                    column_price[j] -= step
                elif j < size:
                    distance[j] -= step
            column = following
        while column != size:
            owner[column] = owner[previous[column]]
            column = previous[column]
    rows = [0] * size
    for column in range(size):
        rows[owner[column]] = column
    return rows
