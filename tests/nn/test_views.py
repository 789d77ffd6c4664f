"""The divergence between views, on numbers worked by hand."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="layers need the extra 'train'")

from magpie.nn.crf import CRF  # noqa: E402
from magpie.nn.views import chain_log_posteriors, view_divergence  # noqa: E402

RICH = torch.tensor([[[0.8, 0.2]]]).log()
POOR = torch.tensor([[[0.6, 0.4]]]).log()
ONE = torch.ones(1, 1)


@pytest.mark.parametrize(("temperature", "value"), [(1.0, 0.091516), (2.0, 0.111892)])
def test_values_and_direction(temperature: float, value: float) -> None:
    found = view_divergence(RICH, POOR, ONE, temperature).item()
    assert found == pytest.approx(value, abs=1e-6)


def test_the_other_direction_differs() -> None:
    assert view_divergence(POOR, RICH, ONE).item() == pytest.approx(0.104650, abs=1e-6)


def test_a_constant_a_word_changes_nothing() -> None:
    found = view_divergence(RICH + 7.5, POOR - 3.0, ONE)
    assert found.item() == pytest.approx(0.091516, abs=1e-5)


def test_words_are_summed_and_divided_by_the_batch() -> None:
    rich, poor = RICH.expand(2, 3, 2), POOR.expand(2, 3, 2)
    mask = torch.tensor([[1, 1, 0], [1, 0, 0]])
    found = view_divergence(rich, poor, mask).item()
    assert found == pytest.approx(3 * 0.091516 / 2, abs=1e-5)


def test_log_posteriors_are_those_of_the_chain() -> None:
    crf = CRF(2)
    with torch.no_grad():
        crf.start.zero_()
        crf.end.zero_()
        crf.transitions.copy_(torch.tensor([[0.5, -0.5], [0.0, 1.0]]))
    emissions = torch.tensor([[[1.0, 0.0], [0.0, 2.0], [9.0, 9.0]]])
    mask = torch.tensor([[1, 1, 0]])
    found = chain_log_posteriors(crf, emissions, mask)[0, :2].exp()
    assert found[:, 0].tolist() == pytest.approx([0.441439, 0.145211], abs=1e-5)
    assert found.sum(1).tolist() == pytest.approx([1.0, 1.0], abs=1e-5)


def test_gradients_stay_finite_where_a_posterior_vanishes() -> None:
    crf = CRF(2)
    emissions = torch.tensor([[[200.0, -200.0], [200.0, -200.0]]], requires_grad=True)
    mask = torch.ones(1, 2)
    student = chain_log_posteriors(crf, emissions, mask)
    view_divergence(RICH.expand(1, 2, 2), student, mask).backward()
    assert emissions.grad is not None
    assert torch.isfinite(emissions.grad).all()
