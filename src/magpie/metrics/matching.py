"""Maximum matching between predictions and gold: no order of reading can change a score."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["maximum_matching"]


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
