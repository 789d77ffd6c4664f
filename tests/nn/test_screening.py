"""Cross-modal edges, neighbourhoods, gates of nodes and edges, and the public filters."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="layers need the extra 'train'")

from magpie.nn.graph_attention import GraphAttention  # noqa: E402
from magpie.nn.screening import (  # noqa: E402
    EdgeGate,
    FeatureMask,
    NodeGate,
    PairEdges,
    PerspectiveEdges,
    cosine_edges,
    join_graphs,
    kept_edges,
    neighbourhood,
    pool_neighbours,
    public_cross_edges,
)

YES = torch.ones(1, 1, dtype=torch.bool)


def test_the_cosine_decides_about_cross_edges() -> None:
    one = torch.tensor([[[1.0, 0.0]]])
    for other, linked in (([0.2, 0.98], False), ([0.3, 0.954], True)):
        visual = torch.tensor([[other]])
        alike = float(torch.cosine_similarity(one[0], visual[0]))
        assert alike == pytest.approx(0.29998 if linked else 0.19996, abs=1e-5)
        assert bool(cosine_edges(one, visual, YES, YES, 0.25)) is linked
    joined = join_graphs(torch.zeros(1, 1, 1).int(), torch.zeros(1, 1, 1).int(), YES.view(1, 1, 1))
    assert joined.tolist() == [[[0, 1], [1, 0]]]


def test_padding_is_linked_by_the_public_code_only() -> None:
    torch.manual_seed(0)
    text, visual = torch.randn(2, 3, 8), torch.randn(2, 4, 8)
    real = torch.tensor([[True, True, False], [True, True, True]])
    seen = torch.tensor([[True, False, False, False], [True, True, True, True]])
    own = cosine_edges(text, visual, real, seen, -1.1)
    assert torch.equal(own, real.unsqueeze(2) & seen.unsqueeze(1))
    assert public_cross_edges(text, visual, real, seen, 0.2).all()
    assert public_cross_edges(text, visual, real, seen, 0.4999).all()
    assert not public_cross_edges(text, visual, real, seen, 0.9).all()


def test_labels_of_both_graphs_are_kept_apart() -> None:
    text = torch.tensor([[[0, 2], [1, 0]]])
    visual = torch.tensor([[[0, 1], [0, 0]]])
    cross = torch.tensor([[[True, False], [False, False]]])
    assert join_graphs(text, visual, cross).tolist() == [
        [[0, 2, 3, 0], [1, 0, 0, 0], [3, 0, 0, 4], [0, 0, 0, 0]]
    ]


def test_neighbourhoods_by_steps() -> None:
    chain = torch.zeros(1, 4, 4)
    for i in range(3):
        chain[0, i, i + 1] = chain[0, i + 1, i] = 1
    assert neighbourhood(chain, 1)[0, 0].tolist() == [True, True, False, False]
    assert neighbourhood(chain, 2)[0, 0].tolist() == [True, True, True, False]
    assert neighbourhood(chain, 3).all()
    states = torch.tensor([[[1.0], [5.0], [7.0], [9.0]]])
    assert pool_neighbours(states, neighbourhood(chain, 2))[0, :, 0].tolist() == [7, 9, 9, 9]


def test_gates_of_edges_are_those_of_the_written_equation() -> None:
    torch.manual_seed(0)
    gate = EdgeGate(5, 6)
    states, ends = torch.randn(2, 3, 5), torch.randn(2, 10)
    found = gate(states, ends)
    for i in range(3):
        for j in range(3):
            both = [torch.cat([states[:, a], states[:, b], ends], 1) for a, b in ((i, j), (j, i))]
            each = [torch.sigmoid(gate.last(torch.relu(gate.first(row)))) for row in both]
            assert torch.allclose(found[:, i, j], sum(each).squeeze(1) / 2, atol=1e-6)
    assert torch.equal(found, found.transpose(1, 2))


def test_gates_of_nodes_look_at_state_neighbours_and_ends() -> None:
    torch.manual_seed(0)
    gate = NodeGate(5)
    states, around, ends = torch.randn(2, 3, 5), torch.randn(2, 3, 5), torch.randn(2, 10)
    found = gate(states, around, ends)
    assert found.shape == (2, 3)
    assert ((found > 0) & (found < 1)).all()
    for changed in (
        gate(states + 1, around, ends),
        gate(states, around + 1, ends),
        gate(states, around, ends + 1),
    ):
        assert not torch.allclose(found, changed, atol=1e-4)
    open_at_first = NodeGate(5, bias=4.0)
    assert (open_at_first(states, around, ends) > 0.9).all()


def test_an_edge_is_kept_as_far_as_both_its_ends() -> None:
    edges, nodes = torch.full((1, 2, 2), 0.5), torch.tensor([[0.9, 0.8]])
    assert float(kept_edges(edges, nodes)[0, 0, 1]) == pytest.approx(0.36)
    gone = kept_edges(torch.ones(1, 3, 3), torch.tensor([[1.0, 0.0, 1.0]]))
    assert not gone[0, 1].any()
    assert not gone[0, :, 1].any()
    assert gone[0, 0, 2] == 1


def test_dropping_a_node_is_deleting_it() -> None:
    torch.manual_seed(0)
    layer = GraphAttention(4, 4).eval()
    nodes, gates = torch.randn(1, 4, 4), torch.tensor([[1.0, 1.0, 0.0, 1.0]])
    weights = kept_edges(torch.ones(1, 4, 4), gates)
    edges = torch.ones(1, 4, 4, dtype=torch.bool)
    kept = [0, 1, 3]
    dropped = layer(nodes, edges, weights=weights)[:, kept]
    deleted = layer(nodes[:, kept], edges[:, kept][:, :, kept])
    assert torch.allclose(dropped, deleted, atol=1e-6)


def test_the_feature_mask_mixes_in_noise() -> None:
    mask = FeatureMask(2)
    nodes, noise = torch.tensor([[[2.0, 4.0]]]), torch.tensor([[[1.0, -1.0]]])
    assert mask(nodes, noise).tolist() == [[[1.25, 1.75]]]
    mask.eval()
    assert not torch.equal(mask(nodes), mask(nodes))


def test_the_public_edge_learner_cuts_nothing_but_padding() -> None:
    torch.manual_seed(0)
    learner = PerspectiveEdges(6, 4)
    nodes, real = 3 * torch.randn(2, 5, 6), torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    found = learner(nodes, real)
    both = real.unsqueeze(1) & real.unsqueeze(2)
    assert torch.equal(found > -1, both)
    assert (found[both] >= 0.6224).all()
    assert (found[both] <= 0.7311).all()


def test_drawn_edges_can_be_cut() -> None:
    torch.manual_seed(0)
    nodes, draw = torch.randn(1, 4, 6), torch.full((1, 4, 4), 0.01)
    pairs = PairEdges(6)
    assert not pairs(nodes, None, draw).any()
    assert pairs(nodes, None, 1 - draw).all()
    real = torch.tensor([[True, True, True, False]])
    assert not pairs(nodes, real, torch.full((1, 4, 4), 0.5))[0, 3].any()
    perspectives = PerspectiveEdges(6, 2, temperature=0.1)
    assert not perspectives(nodes, None, torch.full((1, 4, 4), 1e-5)).all()
