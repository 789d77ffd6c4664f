"""Graph attention over dense adjacency: hand-made numbers, labels, weights and what is hidden."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="layers need the extra 'train'")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch.nn import functional  # noqa: E402

from magpie.errors import ConfigError  # noqa: E402
from magpie.nn.graph_attention import (  # noqa: E402
    EdgeLabels,
    GraphAttention,
    neighbour_softmax,
    with_self_loops,
)

#: 0 hears 0 and 1, 1 hears 0, 2 hears nobody
EDGES = torch.tensor([[[1, 1, 0], [1, 0, 0], [0, 0, 0]]])


def plain_layer(**options: bool) -> GraphAttention:
    """W is the identity of two dimensions; a reads dimension 0 of i and dimension 1 of j."""
    layer = GraphAttention(2, 2, **options)
    layer.linear.weight.data = torch.eye(2)
    layer.attention.data = torch.tensor([[1.0, 0.0, 0.0, 1.0]])
    return layer


NODES = torch.tensor([[[1.0, -3.0], [0.0, 1.0], [5.0, 5.0]]])


def test_the_numbers_of_three_nodes() -> None:
    layer = plain_layer()
    scores = layer.scores(NODES.unsqueeze(1))
    # a[i, j] = x_i[0] + x_j[1], LeakyReLU with slope 0.2
    assert scores[0, 0].tolist() == [
        pytest.approx([-0.4, 2.0, 6.0]),
        pytest.approx([-0.6, 1.0, 5.0]),
        pytest.approx([2.0, 6.0, 10.0]),
    ]
    share = 1 / (1 + math.exp(-2.4))
    shares = layer.shares(scores, EDGES)[0, 0]
    assert shares[0].tolist() == pytest.approx([1 - share, share, 0.0])
    assert shares[1].tolist() == [1.0, 0.0, 0.0]
    assert shares[2].tolist() == [0.0, 0.0, 0.0]
    out = layer(NODES, EDGES)[0]
    mixed = [1 - share, -3 * (1 - share) + share]
    assert out[0].tolist() == pytest.approx(
        [value if value > 0 else math.expm1(value) for value in mixed]
    )
    assert out[1].tolist() == pytest.approx([1.0, math.expm1(-3)])
    assert out[2].tolist() == [0.0, 0.0]


def test_without_activation_the_sum_comes_out_as_it_is() -> None:
    assert plain_layer(activate=False)(NODES, EDGES)[0, 1].tolist() == [1.0, -3.0]


def test_a_label_joins_the_score_before_the_leaky_step() -> None:
    layer = plain_layer()
    labels = torch.zeros(1, 3, 3)
    labels[0, 0, 0] = 2.5
    scores = layer.scores(NODES.unsqueeze(1), labels)
    assert float(scores[0, 0, 0, 0].detach()) == pytest.approx(0.5)  # 1 - 3 + 2.5, now above 0
    # One scalar for a whole row changes no share where all stay on one side of 0.
    shifted = layer.shares(scores + 1.0, EDGES)
    assert torch.allclose(shifted, layer.shares(scores, EDGES), atol=1e-6)


def test_label_vectors_become_scalars_and_no_label_none() -> None:
    table = EdgeLabels(2, heads=2)
    table.score.weight.data = torch.tensor([[1.0, 0.0], [0.0, 10.0]])
    vectors = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    labels = torch.tensor([[[0, 1], [2, 0]]])
    found = table(vectors, labels)
    assert found.tolist() == [[[[0.0, 1.0], [3.0, 0.0]], [[0.0, 20.0], [40.0, 0.0]]]]


def test_weights_scale_the_terms_of_the_softmax() -> None:
    scores = torch.zeros(1, 2, 2)
    edges = torch.ones(1, 2, 2, dtype=torch.bool)
    weights = torch.tensor([[[0.36, 0.36], [0.9, 0.1]]])
    shares = neighbour_softmax(scores, edges, weights)
    assert shares[0, 0].tolist() == pytest.approx([0.5, 0.5])
    assert shares[0, 1].tolist() == pytest.approx([0.9, 0.1])


@given(st.integers(0, 2**31 - 1), st.integers(1, 4))
def test_a_node_of_weight_zero_is_as_good_as_deleted(seed: int, heads: int) -> None:
    torch.manual_seed(seed)
    layer = GraphAttention(4, 3, heads).double()
    nodes = torch.randn(2, 5, 4, dtype=torch.float64)
    edges = torch.rand(2, 5, 5) > 0.4
    labels = torch.randn(2, 5, 5, dtype=torch.float64)
    kept = torch.tensor([1.0, 1.0, 0.0, 1.0, 1.0], dtype=torch.float64)
    rest = [0, 1, 3, 4]
    whole = layer(nodes, edges, labels=labels, weights=kept[:, None] * kept[None, :] + 0 * labels)
    part = layer(nodes[:, rest], edges[:, rest][:, :, rest], labels=labels[:, rest][:, :, rest])
    assert torch.allclose(whole[:, rest], part, atol=1e-12)
    assert torch.equal(whole[:, 2], torch.zeros_like(whole[:, 2]))


@given(st.integers(0, 2**31 - 1))
def test_whole_weights_are_no_weights_and_nodes_may_be_in_any_order(seed: int) -> None:
    torch.manual_seed(seed)
    layer = GraphAttention(4, 3, 2).double()
    nodes = torch.randn(1, 6, 4, dtype=torch.float64)
    edges = torch.rand(1, 6, 6) > 0.5
    labels = torch.randn(1, 6, 6, dtype=torch.float64)
    out = layer(nodes, edges, labels=labels)
    same = layer(nodes, edges.long(), labels=labels, weights=torch.ones(1, 6, 6).double())
    assert torch.allclose(out, same, atol=1e-12)
    order = torch.randperm(6)
    turned = layer(
        nodes[:, order], edges[:, order][:, :, order], labels=labels[:, order][:, :, order]
    )
    assert torch.allclose(turned, out[:, order], atol=1e-12)


@given(st.integers(0, 2**31 - 1), st.floats(-30, 0))
def test_very_small_weights_and_large_scores_stay_exact(seed: int, power: float) -> None:
    torch.manual_seed(seed)
    scores = torch.randn(1, 3, 3) * 40
    edges = torch.ones(1, 3, 3, dtype=torch.bool)
    weights = torch.rand(1, 3, 3) * 10**power + 1e-35
    expected = (scores.double() + weights.double().log()).softmax(-1)
    assert torch.allclose(neighbour_softmax(scores, edges, weights).double(), expected, atol=1e-4)


def test_a_closed_gate_has_a_gradient_and_a_missing_edge_has_none() -> None:
    scores = torch.tensor([[[0.0, 90.0, 3.0]]])
    edges = torch.tensor([[[True, True, False]]])
    weights = torch.tensor([[[1.0, 0.0, 1.0]]], requires_grad=True)
    shares = neighbour_softmax(scores, edges, weights)
    assert shares.tolist() == [[[1.0, 0.0, 0.0]]]
    shares[0, 0, 1].backward()
    assert weights.grad is not None
    # Counted as strong as the winner, not e^90 times as strong.
    assert weights.grad.tolist() == [[[0.0, 1.0, 0.0]]]


def test_padding_gets_no_loop_and_real_nodes_get_one() -> None:
    edges = torch.zeros(1, 3, 3, dtype=torch.bool)
    edges[0, 0, 1] = True
    looped = with_self_loops(edges, torch.tensor([[True, True, False]]))
    assert looped.tolist() == [[[True, True, False], [False, True, False], [False, False, False]]]
    weighted = with_self_loops(torch.full((1, 2, 2), 0.5))
    assert weighted.tolist() == [[[1.0, 0.5], [0.5, 1.0]]]


def test_heads_stand_side_by_side_or_are_averaged() -> None:
    torch.manual_seed(0)
    beside = GraphAttention(4, 3, 2, activate=False)
    averaged = GraphAttention(4, 3, 2, activate=False, average=True)
    averaged.load_state_dict(beside.state_dict())
    nodes, edges = torch.randn(1, 5, 4), torch.rand(1, 5, 5) > 0.5
    both = beside(nodes, edges).unflatten(2, (2, 3))
    assert torch.allclose(averaged(nodes, edges), both.mean(2), atol=1e-6)


def test_dropout_takes_shares_while_training_only() -> None:
    layer = GraphAttention(2, 2, dropout=1.0)
    nodes, edges = torch.randn(1, 3, 2), torch.ones(1, 3, 3)
    assert float(layer(nodes, edges).detach().abs().sum()) == 0.0
    assert float(layer.eval()(nodes, edges).detach().abs().sum()) > 0.0


def test_the_public_axis_spreads_columns_and_leaks_from_nodes_without_edges() -> None:
    layer = plain_layer(legacy_axis=True)
    scores = layer.scores(NODES.unsqueeze(1))
    shares = layer.shares(scores, EDGES)[0, 0]
    assert shares.sum(0).tolist() == pytest.approx([1.0, 1.0, 1.0])
    # Nobody hears node 2, so all hear it a third.
    assert shares[:, 2].tolist() == pytest.approx([1 / 3] * 3)
    assert shares[:, 0].tolist() == pytest.approx(
        [*functional.softmax(torch.tensor([-0.4, -0.6]), 0).tolist(), 0.0]
    )
    with pytest.raises(ConfigError, match="legacy_axis"):
        layer(NODES, EDGES, weights=torch.ones(1, 3, 3))


def test_no_head_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least one head, got 0"):
        GraphAttention(2, 2, 0)
