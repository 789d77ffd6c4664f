"""The pointing output layer, on numbers worked by hand."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="layers need the extra 'train'")

from magpie.nn.pointer import PointerLayer  # noqa: E402


def identity(dropout: float = 0.0) -> PointerLayer:
    """A layer whose map is a ReLU."""
    layer = PointerLayer(2, dropout)
    with torch.no_grad():
        for index in (0, 3):
            layer.map[index].weight.copy_(torch.eye(2))
            layer.map[index].bias.zero_()
    return layer.eval()


def test_half_state_half_embedding() -> None:
    states = torch.tensor([[[2.0, -4.0]]])
    embedded = torch.tensor([[[1.0, 1.0]]])
    assert identity().memory(states, embedded).tolist() == [[[1.5, 0.5]]]


def test_columns() -> None:
    layer = identity()
    states = torch.tensor([[[1.0, 2.0]]])
    special = torch.tensor([[3.0, 0.0], [0.0, 5.0]])
    words = torch.tensor([[[1.0, 1.0], [2.0, 0.0], [0.0, -1.0]]])
    mask = torch.tensor([[False, True, True]])
    found = layer.scores(states, special, words, mask)
    assert found.shape == (1, 1, 1 + 2 + 3)
    assert found[0, 0, 0].item() == pytest.approx(-1e24)
    assert found[0, 0, 1:3].tolist() == [3, 10]
    assert found[0, 0, 3].item() == pytest.approx(-1e32)
    assert found[0, 0, 4:].tolist() == [2, -2]


def test_scores_that_nothing_may_choose_keep_the_loss_finite() -> None:
    layer = identity()
    states = torch.zeros(1, 1, 2, requires_grad=True)
    found = layer.scores(
        states, torch.ones(1, 2), torch.ones(1, 2, 2), torch.tensor([[False, True]])
    )
    loss = torch.nn.functional.cross_entropy(found[0], torch.tensor([1]))
    loss.backward()
    # Two usable classes of equal score.
    assert loss.item() == pytest.approx(0.693147, abs=1e-6)
    assert states.grad is not None
    assert bool(states.grad.isfinite().all())


def test_dropout_is_on_embeddings_too() -> None:
    torch.manual_seed(0)
    layer = identity(0.5).train()
    found = layer.memory(torch.zeros(1, 200, 2), torch.ones(1, 200, 2))
    assert set(found.flatten().tolist()) == {0.0, 1.0}
