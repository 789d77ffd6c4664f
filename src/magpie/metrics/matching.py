"""Matchings between predictions and gold: no order of reading can change a score.

:func:`maximum_matching` makes as many pairs as possible where a pair fits or not,
:func:`cheapest_assignment` gives everybody a partner at the least total cost. Both are a page of
code; scipy, which has them too, would be a core dependency for nothing else (the tests compare).
"""

from __future__ import annotations

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
        costs: a matrix of finite numbers, in rows; at least as many columns as rows.

    Returns:
        The column of each row, no column twice. R rows and C columns take at most O(R * R * C).

    Raises:
        ValueError: more rows than columns, rows of several lengths, an infinite cost or NaN.
    """
    import numpy as np

    size = len(costs)
    if not size:
        return []
    width = len(costs[0])
    if size > width or any(len(row) != width for row in costs):
        raise ValueError(f"expected {size} rows of one length, {size} or more")
    table = np.array(costs, dtype=np.float64)
    if not np.isfinite(table).all():
        raise ValueError("costs must be finite")
    # Rows join one by one. Prices on rows and columns keep every reduced cost (cost minus both
    # prices) at 0 or above, and at 0 on pairs; the new row takes the shortest path of reduced
    # costs to a free column, and the pairs on it move up by one.
    row_price, column_price = np.zeros(size), np.zeros(width)
    owner = np.full(width, -1)
    for new in range(size):
        distance, previous = np.full(width, np.inf), np.full(width, -1)
        done = np.zeros(width, dtype=bool)
        row, column, reached = new, -1, 0.0
        while row >= 0:
            reduced = reached + table[row] - row_price[row] - column_price
            nearer = ~done & (reduced < distance)
            distance[nearer] = reduced[nearer]
            previous[nearer] = column
            column = int(np.argmin(np.where(done, np.inf, distance)))
            reached, row = float(distance[column]), int(owner[column])
            done[column] = True
        done[column] = False
        row_price[new] += reached
        row_price[owner[done]] += reached - distance[done]
        column_price[done] -= reached - distance[done]
        while column >= 0:
            before = int(previous[column])
            owner[column] = owner[before] if before >= 0 else new
            column = before
    columns = np.flatnonzero(owner >= 0)
    found = np.empty(size, dtype=np.int64)
    found[owner[columns]] = columns
    return [int(column) for column in found]
