"""Which words and objects stand in the same place of their graphs: alignment without training.

Heimann, Shen, Safavi, Koutra: REGAL: Representation Learning-based Graph Alignment, CIKM 2018, as
MEGA (Zheng et al., ACM MM 2021) applies it to one graph that holds the words of a post and the
objects of its picture, without an edge between both kinds. A node is described by the degrees of
the nodes around it, so that hubs are like hubs, whatever they are nodes of.

Shapes: n nodes, b bins, p landmarks, words W, objects O.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from magpie.errors import ConfigError, FormatError

__all__ = ["align", "landmark_vectors", "node_identities", "similarities", "structural_alignment"]

Floats = npt.NDArray[np.float64]

#: singular values below this share of the largest count as zero
_ZERO = 1e-13


def node_identities(
    edges: Iterable[tuple[int, int]], nodes: int, *, hops: int = 2, alpha: float = 0.01
) -> Floats:
    """f_u of every node: how many neighbours of which degree it has, hop by hop.

    Hop 0 is the node itself; nodes l hops away count alpha^l. Degrees d fall into bins
    floor(log2 d); nodes without edges count nowhere.

    Args:
        edges: undirected; doubles and loops are left out.
        nodes: n.
        hops: how far is looked.
        alpha: weight of each further hop.

    Returns:
        [n, b], b at least 1.

    Raises:
        FormatError: an edge of a node that is not there.
    """
    around: list[set[int]] = [set() for _ in range(nodes)]
    for a, b in edges:
        if not (0 <= a < nodes and 0 <= b < nodes):
            raise FormatError(f"an edge of the nodes {a} and {b}, but there are {nodes}")
        if a != b:
            around[a].add(b)
            around[b].add(a)
    degrees = [len(near) for near in around]
    bins = [degree.bit_length() - 1 for degree in degrees]  # floor(log2), -1 of degree 0
    found = np.zeros((nodes, max(bins, default=0) + 1 or 1))
    for node in range(nodes):
        seen = ring = {node}
        for hop in range(hops + 1):
            counts = np.zeros(found.shape[1])
            for other in ring:
                if degrees[other]:
                    counts[bins[other]] += 1
            found[node] += alpha**hop * counts
            ring = {far for near in ring for far in around[near]} - seen
            seen = seen | ring
    return found


def similarities(some: Floats, others: Floats) -> Floats:
    """exp(-||f_u - f_v||_2) of every two nodes: [m, b] and [n, b] -> [m, n]."""
    return np.asarray(np.exp(-np.linalg.norm(some[:, None] - others[None], axis=2)))


def landmark_vectors(identities: Floats, landmarks: npt.ArrayLike) -> Floats:
    """Vectors whose products are the similarities, by Nystrom's method: Y, [n, p].

    Exact where every node is a landmark, else an approximation through them. Only products of the
    vectors mean something: any rotation of them is as good.

    Args:
        identities: [n, b].
        landmarks: numbers of p nodes.
    """
    # Nodes in the same place get the very same vector: rounding must not tell them apart.
    kinds, which = np.unique(identities, axis=0, return_inverse=True)
    marks = identities[np.asarray(landmarks, np.int64)]
    values, vectors = np.linalg.eigh(similarities(marks, marks))
    kept = values > _ZERO * max(values.max(initial=0.0), 1.0)
    # The similarities are positive definite, so the factors of the inverse are its eigenvectors.
    found = similarities(kinds, marks) @ (vectors[:, kept] / np.sqrt(values[kept]))
    return np.asarray(found[which.reshape(-1)])


def align(vectors: Floats, words: int, *, nearest: int = 5) -> tuple[Floats, Floats]:
    """How near every word is to every object: exp(-||y_t - y_o||_2) of unit vectors.

    Args:
        vectors: [W + O, p], words first.
        words: W.
        nearest: objects that each word keeps; of equally near ones the lower numbers.

    Returns:
        all of them [W, O], and R, where the rest is 0.
    """
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = vectors / np.where(length > 0, length, 1.0)
    apart = np.linalg.norm(units[:words, None] - units[None, words:], axis=2)  # W,O
    every = np.exp(-apart)
    order = np.argsort(apart, axis=1, kind="stable")[:, :nearest]
    kept = np.zeros_like(every)
    np.put_along_axis(kept, order, np.take_along_axis(every, order, 1), 1)
    return every, kept


def structural_alignment(
    edges: Iterable[tuple[int, int]],
    words: int,
    objects: int,
    *,
    hops: int = 2,
    alpha: float = 0.01,
    nearest: int = 5,
    landmarks: int | None = None,
    seed: int = 0,
) -> Floats:
    """R of a post.

    Args:
        edges: between words 0 to W - 1, and between objects W to W + O - 1.
        words: W.
        objects: O.
        hops, alpha: see :func:`node_identities`.
        nearest: see :func:`align`.
        landmarks: p; by default int(10 log2 n), or all n where there are fewer (up to n = 58).
        seed: of the landmarks, where not every node is one.

    Returns:
        [W, O].

    Raises:
        FormatError: an edge of a node that is not there.
        ConfigError: fewer than one landmark.
    """
    nodes = words + objects
    if landmarks is not None and landmarks < 1:
        raise ConfigError(f"landmarks must be at least 1, got {landmarks}")
    if not words or not objects:
        return np.zeros((words, objects))
    identities = node_identities(edges, nodes, hops=hops, alpha=alpha)
    count = min(landmarks or int(10 * math.log2(nodes)), nodes)
    chosen = np.arange(nodes)
    if count < nodes:
        chosen = np.random.default_rng(seed).permutation(nodes)[:count]
    return align(landmark_vectors(identities, chosen), words, nearest=nearest)[1]
