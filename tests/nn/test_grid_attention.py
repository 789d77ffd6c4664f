"""GVATT's two blocks at worked values."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from torch import nn  # noqa: E402

from magpie.nn.grid_attention import GridAttention, ModulationGate  # noqa: E402


def attention(*, joint: bool = False) -> GridAttention:
    torch.manual_seed(0)
    return GridAttention(3, 2, 4, joint=joint)


def test_shares_and_picture_by_hand() -> None:
    block = GridAttention(1, 2, 1)
    with torch.no_grad():
        block.cells.weight.copy_(torch.tensor([[1.0, 0.0]]))
        block.cells.bias.zero_()
        block.score.weight.fill_(math.log(3) / math.tanh(1.0))
        block.score.bias.zero_()
    cells = torch.tensor([[[1.0, 8.0], [0.0, 4.0]]])
    picture, shares = block(torch.zeros(1, 1), cells)
    # tanh(1) w = ln 3 against 0: three to one.
    torch.testing.assert_close(shares, torch.tensor([[0.75, 0.25]]))
    torch.testing.assert_close(picture, torch.tensor([[0.75, 7.0]]))


def test_as_published_the_sentence_has_no_say() -> None:
    cells = torch.randn(1, 5, 2)
    one, other = torch.randn(1, 3), torch.randn(1, 3)
    published, joint = attention(), attention(joint=True)
    torch.testing.assert_close(published(one, cells)[1], published(other, cells)[1])
    assert not torch.allclose(joint(one, cells)[1], joint(other, cells)[1], atol=1e-3)


def test_cells_have_no_order() -> None:
    block = attention(joint=True)
    query, cells, order = torch.randn(2, 3), torch.randn(2, 5, 2), torch.tensor([3, 0, 4, 1, 2])
    picture, shares = block(query, cells)
    again, moved = block(query, cells[:, order])
    torch.testing.assert_close(again, picture)
    torch.testing.assert_close(moved, shares[:, order])


def test_an_open_word_gate_that_sees_nothing_adds_to_the_word() -> None:
    torch.manual_seed(0)
    gate = ModulationGate(3, 2)
    for layer in (gate.picture_gate_seen, gate.word_gate_seen, gate.mixture_seen):
        nn.init.zeros_(layer.weight)
    words, picture = torch.randn(2, 4, 3), torch.randn(2, 2)
    with torch.no_grad():
        gate.word_gate.weight.zero_()
        gate.word_gate.bias.fill_(200.0)  # W_2 to infinity: its sigmoid is one
    z = gate(words, picture)
    admitted = torch.sigmoid(gate.picture_gate(words))
    torch.testing.assert_close(z, words + admitted * torch.tanh(gate.mixture(words)))
    assert torch.equal(z, gate(words, picture + 5.0))


def test_the_gates_see_the_picture() -> None:
    torch.manual_seed(0)
    gate = ModulationGate(3, 2)
    words = torch.randn(1, 4, 3)
    one, other = gate(words, torch.zeros(1, 2)), gate(words, torch.ones(1, 2))
    assert not torch.allclose(one, other, atol=1e-3)
