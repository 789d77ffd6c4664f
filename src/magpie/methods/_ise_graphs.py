"""The graph ISE reads: what text and picture are made of, and what is linked with what.

Scene graphs come as features (:mod:`magpie.features.scene_graph`). Here they become nodes, each
with whatever is known of it: what it is called, where it stands in the text, the cut-out that
shows it, its number and box in a published graph. Attributes are part of their thing's name and
relations label edges, as in the public code, unless :func:`spelled_out` makes nodes of both. What
the head and the tail of a pair are called is added to the text's graph where
no node is of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from magpie.features.scene_graph import SceneGraph
from magpie.methods.marking import Words

__all__ = [
    "SIMILAR",
    "Node",
    "NodeGraph",
    "edge_matrix",
    "join_visual",
    "nodes_of",
    "pair_graph",
    "spelled_out",
]

#: label of edges between text and picture
SIMILAR = "similar"
#: label of edges whose relation has no name
_BARE = "and"
#: labels of edges of nodes that stand for an attribute, or for a relation
_ATTRIBUTE, _SUBJECT, _OBJECT = "attribute", "subject", "object"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A thing: what it is called (maybe nothing), where it stands in the text (half-open word
    indices), the cut-out that shows it, its number among a picture's things, its corners as
    fractions of the picture, and the attributes that stand in front of its name."""

    text: str = ""
    words: Words | None = None
    picture: int | None = None
    number: int | None = None
    box: tuple[float, float, float, float] | None = None
    attributes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeGraph:
    """Nodes, and edges (from, to, label) by the places of nodes."""

    nodes: tuple[Node, ...] = ()
    edges: tuple[tuple[int, int, str], ...] = ()


def nodes_of(scene: SceneGraph, limit: int, *, numbered: bool = False) -> NodeGraph:
    """A scene graph's first things as nodes, attributes in front of their names.

    Args:
        scene: of a text or picture.
        limit: nodes at most.
        numbered: keep their numbers and boxes.
    """
    nodes = tuple(
        Node(
            text=" ".join((*thing.attributes, thing.name)).strip(),
            words=thing.words,
            number=number if numbered else None,
            box=thing.box if numbered else None,
            attributes=thing.attributes,
        )
        for number, thing in enumerate(scene.objects[:limit])
    )
    edges = tuple(
        (relation.subject, relation.object, relation.name or _BARE)
        for relation in scene.relations
        if max(relation.subject, relation.object) < limit
    )
    return NodeGraph(nodes, edges)


def join_visual(
    pictures: int, whole: bool, objects: NodeGraph, told: NodeGraph, limit: int
) -> NodeGraph:
    """The visual graph: the whole picture first, its objects, then things somebody told of it.

    Args:
        pictures: how many cut-outs there are; number k shows object k of ``objects``.
        whole: whether the picture itself is there, as cut-out 0 of all.
        objects: a published graph by numbers; may be empty.
        told: a graph of words; may be empty.
        limit: of all nodes.
    """
    nodes = [Node(picture=0)] if whole else []
    first = len(nodes)
    for number in range(max(pictures, len(objects.nodes))):
        known = objects.nodes[number] if number < len(objects.nodes) else Node()
        shown = number + 1 if number < pictures else None
        nodes.append(replace(known, words=None, picture=shown))
    behind = len(nodes)
    edges = [(a + first, b + first, label) for a, b, label in objects.edges]
    edges += [(a + behind, b + behind, label) for a, b, label in told.edges]
    # Things that are told stand beside no cut-out: their words' places are of another text.
    nodes += [Node(text=node.text, attributes=node.attributes) for node in told.nodes]
    inside = tuple(edge for edge in edges if max(edge[:2]) < limit)
    return NodeGraph(tuple(nodes[:limit]), inside)


def pair_graph(
    graph: NodeGraph, words: Sequence[str], head: Words, tail: Words, limit: int
) -> NodeGraph:
    """The text's graph as one pair sees it: the head is node 0, the tail node 1.

    A node that shares a word with a mention is that mention's, edges and all; the mention's own
    words name it. Other nodes follow in their order, at most ``limit`` altogether.
    """
    mentions = (head, tail)
    places: list[tuple[int, ...]] = []
    nodes = [Node(text=" ".join(words[a:b]), words=(a, b)) for a, b in mentions]
    for node in graph.nodes:
        own = tuple(
            number
            for number, (a, b) in enumerate(mentions)
            if node.words is not None and node.words[0] < b and a < node.words[1]
        )
        if not own and len(nodes) < limit:
            own = (len(nodes),)
            nodes.append(node)
        places.append(own)
        for number in set(own) & {0, 1}:
            # Its own words name a mention, so nothing stands in front of them.
            known = nodes[number].attributes
            said = tuple(dict.fromkeys((*known, *node.attributes)))
            nodes[number] = replace(nodes[number], attributes=said)
    edges = dict.fromkeys(
        (i, j, label) for a, b, label in graph.edges for i in places[a] for j in places[b] if i != j
    )
    return NodeGraph(tuple(nodes), tuple(edges))


def spelled_out(graph: NodeGraph, limit: int, mentions: int = 0) -> NodeGraph:
    """The graph with a node for every attribute and every named relation, behind all things.

    An attribute hangs on its thing; a relation stands between its two, in place of their edge. What
    finds no room among ``limit`` nodes stays as it was; the first ``mentions`` keep their words.

    Example:
        >>> man = Node(text="old man", attributes=("old",))
        >>> graph = spelled_out(NodeGraph((man, Node(text="horse")), ((0, 1, "rides"),)), 4)
        >>> [node.text for node in graph.nodes]
        ['man', 'horse', 'old', 'rides']
        >>> graph.edges
        ((0, 2, 'attribute'), (0, 3, 'subject'), (3, 1, 'object'))
    """
    nodes = list(graph.nodes)
    edges: list[tuple[int, int, str]] = []
    for number, node in enumerate(graph.nodes):
        if len(nodes) + len(node.attributes) > limit:
            continue
        if number >= mentions:
            said = " ".join(node.attributes)
            nodes[number] = replace(node, text=node.text.removeprefix(said).strip())
        for attribute in node.attributes:
            edges.append((number, len(nodes), _ATTRIBUTE))
            nodes.append(Node(text=attribute))
    for a, b, label in graph.edges:
        if label == _BARE or len(nodes) >= limit:
            edges.append((a, b, label))
            continue
        edges += [(a, len(nodes), _SUBJECT), (len(nodes), b, _OBJECT)]
        nodes.append(Node(text=label))
    return NodeGraph(tuple(nodes), tuple(edges))


def edge_matrix(graph: NodeGraph) -> tuple[Tensor, list[str]]:
    """Label numbers from 1 on, int [N, N], along both directions, and the labels themselves.

    Of several edges between two nodes the first counts.
    """
    labels = list(dict.fromkeys(label for _, _, label in graph.edges))
    size = len(graph.nodes)
    matrix = torch.zeros(size, size, dtype=torch.long)
    for a, b, label in graph.edges:
        if not matrix[a, b]:
            matrix[a, b] = matrix[b, a] = labels.index(label) + 1
    used = [number for number in range(1, len(labels) + 1) if bool((matrix == number).any())]
    # Labels that another edge of the same nodes displaced are not numbered.
    renumbered = torch.zeros(len(labels) + 1, dtype=torch.long)
    renumbered[used] = torch.arange(1, len(used) + 1)
    return renumbered[matrix], [labels[number - 1] for number in used]
