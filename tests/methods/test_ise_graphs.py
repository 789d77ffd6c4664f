"""ISE's graphs: nodes from scene graphs, the two mentions among them, and the matrix of labels."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from magpie.features.scene_graph import SceneGraph, SceneObject, SceneRelation  # noqa: E402
from magpie.methods._ise_evidence import evidence_of  # noqa: E402
from magpie.methods._ise_graphs import (  # noqa: E402
    Node,
    NodeGraph,
    edge_matrix,
    join_visual,
    nodes_of,
    pair_graph,
    spelled_out,
)

WORDS = ["an", "old", "man", "rides", "a", "brown", "horse", "near", "Anna", "Lee"]
SCENE = SceneGraph(
    (
        SceneObject("man", ("old",), (2, 3)),
        SceneObject("horse", ("brown",), (6, 7)),
        SceneObject("Anna Lee", (), (8, 10)),
    ),
    (SceneRelation(0, 1, "ride"), SceneRelation(1, 2), SceneRelation(1, 0, "carry")),
)


def test_attributes_are_part_of_the_name() -> None:
    graph = nodes_of(SCENE, 10)
    assert [node.text for node in graph.nodes] == ["old man", "brown horse", "Anna Lee"]
    assert graph.edges == ((0, 1, "ride"), (1, 2, "and"), (1, 0, "carry"))
    assert graph.nodes[0].number is None
    few = nodes_of(SCENE, 2, numbered=True)
    assert [node.number for node in few.nodes] == [0, 1]
    assert few.edges == ((0, 1, "ride"), (1, 0, "carry"))


def test_a_thing_that_shares_a_word_is_the_mention() -> None:
    graph = pair_graph(nodes_of(SCENE, 10), WORDS, (9, 10), (2, 3), 10)
    assert [node.text for node in graph.nodes] == ["Lee", "man", "brown horse"]
    assert set(graph.edges) == {(1, 2, "ride"), (2, 0, "and"), (2, 1, "carry")}


def test_attributes_and_relations_as_nodes_of_their_own() -> None:
    graph = spelled_out(nodes_of(SCENE, 10), 20)
    called = [node.text for node in graph.nodes]
    assert called == ["man", "horse", "Anna Lee", "old", "brown", "ride", "carry"]
    # A relation without a name has nothing to stand for: it stays an edge.
    assert set(graph.edges) == {
        (0, 3, "attribute"), (1, 4, "attribute"), (1, 2, "and"),
        (0, 5, "subject"), (5, 1, "object"), (1, 6, "subject"), (6, 0, "object"),
    }  # fmt: skip
    few = spelled_out(nodes_of(SCENE, 10), 4)
    assert [node.text for node in few.nodes] == ["man", "brown horse", "Anna Lee", "old"]
    assert set(few.edges) == {(0, 3, "attribute"), *nodes_of(SCENE, 10).edges}
    # A mention keeps its words, and has the attributes of its thing.
    pair = pair_graph(nodes_of(SCENE, 10), WORDS, (1, 3), (8, 10), 10)
    spelled = spelled_out(pair, 10, mentions=2)
    assert [node.text for node in spelled.nodes[:2]] == ["old man", "Anna Lee"]
    assert (0, [node.text for node in spelled.nodes].index("old"), "attribute") in spelled.edges


def test_a_mention_that_nobody_parsed_is_added() -> None:
    graph = pair_graph(nodes_of(SCENE, 10), WORDS, (3, 4), (2, 3), 10)
    assert [node.text for node in graph.nodes] == ["rides", "man", "brown horse", "Anna Lee"]
    assert not any(0 in edge[:2] for edge in graph.edges)


def test_two_mentions_inside_one_thing_both_have_its_edges() -> None:
    graph = pair_graph(nodes_of(SCENE, 10), WORDS, (8, 9), (9, 10), 10)
    assert [node.text for node in graph.nodes[:2]] == ["Anna", "Lee"]
    horse = [node.text for node in graph.nodes].index("brown horse")
    assert {(horse, 0, "and"), (horse, 1, "and")} <= set(graph.edges)


@given(
    st.lists(st.tuples(st.integers(0, 8), st.integers(1, 3)), max_size=6),
    st.tuples(st.integers(0, 9), st.integers(0, 9)),
    st.integers(2, 6),
)
def test_head_and_tail_come_first_and_nothing_points_beyond(
    spans: list[tuple[int, int]], ends: tuple[int, int], limit: int
) -> None:
    nodes = tuple(Node(text=str(n), words=(a, a + size)) for n, (a, size) in enumerate(spans))
    edges = tuple((a, b, "x") for a in range(len(nodes)) for b in range(len(nodes)) if a < b)
    mentions = [(place, place + 1) for place in ends]
    graph = pair_graph(NodeGraph(nodes, edges), WORDS, *mentions, limit)
    assert [node.words for node in graph.nodes[:2]] == mentions
    assert len(graph.nodes) <= limit
    for a, b, _ in graph.edges:
        assert a != b
        assert max(a, b) < len(graph.nodes)


def test_labels_are_numbered_from_one_and_stand_both_ways() -> None:
    matrix, labels = edge_matrix(nodes_of(SCENE, 10))
    # The way back was labelled by the first edge already, so "carry" has no number.
    assert labels == ["ride", "and"]
    assert matrix.tolist() == [[0, 1, 0], [1, 0, 2], [0, 2, 0]]
    empty, none = edge_matrix(NodeGraph())
    assert empty.shape == (0, 0)
    assert none == []


def test_cut_outs_show_the_things_of_their_number() -> None:
    objects = nodes_of(SCENE, 10, numbered=True)
    told = NodeGraph((Node(text="sea", words=(3, 4)), Node(text="sky")), ((0, 1, "below"),))
    graph = join_visual(2, True, objects, told, 10)
    assert [node.picture for node in graph.nodes] == [0, 1, 2, None, None, None]
    assert [node.number for node in graph.nodes] == [None, 0, 1, 2, None, None]
    assert graph.nodes[4] == Node(text="sea")
    assert (1, 2, "ride") in graph.edges
    assert (4, 5, "below") in graph.edges
    assert len(join_visual(2, True, objects, told, 3).nodes) == 3
    assert join_visual(0, False, NodeGraph(), NodeGraph(), 3) == NodeGraph()


def test_the_evidence_in_words() -> None:
    text = NodeGraph((Node(text="Rocky"), Node(text="Jordan")))
    visual = NodeGraph((Node(picture=0), Node(number=3), Node(text="sky")))
    # Three text places, of which the last is padding.
    nodes = torch.tensor([1.0, 1.0, 0.0, 1.0, 0.9, 0.2])
    edges = torch.zeros(6, 6)
    edges[0, 4] = edges[4, 0] = 0.8
    edges[0, 5] = edges[5, 0] = 0.3
    assert evidence_of(text, visual, 3, nodes, edges, ["game", "team"]) == [
        "kept: Rocky, Jordan, the picture, object 3",
        "dropped: sky",
        "edge: Rocky - object 3",
        "topic: game, team",
    ]
    many = evidence_of(text, visual, 3, torch.ones(6), torch.ones(6, 6), [])
    assert sum(line.startswith("edge: ") for line in many) == 10
