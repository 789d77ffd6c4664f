"""Gates drawn as functions of their probabilities, against hand-made numbers."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="layers need the extra 'train'")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from magpie.errors import ConfigError  # noqa: E402
from magpie.nn.gates import (  # noqa: E402
    BinaryConcrete,
    binary_concrete,
    gumbel_softmax,
    hard_gate,
    log_odds,
    straight_through,
    symmetric,
    uniform_draws,
)


@pytest.mark.parametrize(
    ("draw", "temperature", "expected"),
    [(0.5, 0.1, 0.9999990), (0.2, 0.1, 0.5), (0.1, 0.1, 0.000301), (0.5, 1.0, 0.8)],
)
def test_the_numbers_of_a_gate_open_at_four_in_five(
    draw: float, temperature: float, expected: float
) -> None:
    pi, eps = torch.tensor(0.8, dtype=torch.float64), torch.tensor(draw, dtype=torch.float64)
    assert float(binary_concrete(pi, temperature, eps)) == pytest.approx(expected, abs=5e-7)


def test_certain_gates_stay_finite_and_have_a_gradient_inside() -> None:
    pi = torch.tensor([0.0, 1.0, 0.6], requires_grad=True)
    assert log_odds(pi).detach().tolist() == pytest.approx(
        [-math.log(1e6 - 1), math.log(1e6 - 1), math.log(1.5)], rel=2e-2
    )
    gates = binary_concrete(pi, 0.1, torch.tensor([0.3, 0.3, 0.3]))
    gates.sum().backward()
    assert pi.grad is not None
    assert pi.grad.isfinite().all()
    # d gate / d pi = gate (1 - gate) / (tau pi (1 - pi))
    gate = float(gates[2].detach())
    assert float(pi.grad[2]) == pytest.approx(gate * (1 - gate) / (0.1 * 0.24), rel=1e-4)
    assert pi.grad[:2].tolist() == [0.0, 0.0]


@given(st.floats(0.05, 0.95), st.integers(0, 1000))
def test_a_cold_gate_is_open_as_often_as_its_probability(pi: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    draws = uniform_draws(torch.empty(4000, dtype=torch.float64), generator)
    gates = binary_concrete(torch.full((4000,), pi, dtype=torch.float64), 0.01, draws)
    # Open exactly where eps > 1 - pi, at any temperature.
    assert torch.equal(gates > 0.5, draws > 1 - pi)
    assert float((gates > 0.5).double().mean()) == pytest.approx(pi, abs=0.05)


def test_draws_repeat_with_their_generator_and_keep_off_the_ends() -> None:
    shape = torch.empty(3, 4)
    one = uniform_draws(shape, torch.Generator().manual_seed(3))
    assert torch.equal(one, uniform_draws(shape, torch.Generator().manual_seed(3)))
    assert not torch.equal(one, uniform_draws(shape, torch.Generator().manual_seed(4)))
    many = uniform_draws(torch.empty(200_000))
    assert float(many.min()) > 0
    assert float(many.max()) < 1


def test_a_pair_shares_one_draw() -> None:
    values = torch.arange(9.0).reshape(1, 3, 3)
    assert symmetric(values).tolist() == [[[0.0, 1.0, 2.0], [1.0, 4.0, 5.0], [2.0, 5.0, 8.0]]]


def test_straight_through_has_the_hard_value_and_the_soft_gradient() -> None:
    soft = torch.tensor([0.3, 0.7], requires_grad=True)
    gate = straight_through(soft * 2, hard_gate(soft))
    assert gate.tolist() == [0.0, 1.0]
    gate.sum().backward()
    assert soft.grad is not None
    assert soft.grad.tolist() == [2.0, 2.0]


def test_the_module_draws_while_training_and_decides_in_evaluation() -> None:
    pi = torch.tensor([0.2, 0.5, 0.51])
    draws = torch.tensor([0.9, 0.5, 0.1])
    gate = BinaryConcrete(0.5)
    assert torch.equal(gate(pi, draws), binary_concrete(pi, 0.5, draws))
    assert not torch.equal(gate(pi), gate(pi))
    gate.eval()
    assert gate(pi).tolist() == [0.0, 0.0, 1.0]
    assert torch.equal(gate(pi), gate(pi, draws))
    median = BinaryConcrete(1.0, median=True).eval()
    assert torch.allclose(median(pi), pi)
    rounded = BinaryConcrete(0.5, hard=True)(pi, draws)
    # eps > 1 - pi opens: 0.9 > 0.8, 0.5 > 0.5 does not, 0.1 > 0.49 does not
    assert rounded.tolist() == [1.0, 0.0, 0.0]


def test_gumbel_shares_of_two_classes_are_a_concrete_gate() -> None:
    # The difference of two Gumbel draws is a logistic draw, so both views must agree.
    draws = torch.tensor([0.3, 0.6], dtype=torch.float64)
    logits = torch.tensor([0.8, 0.2], dtype=torch.float64).log()
    shares = gumbel_softmax(logits, 0.5, draws)
    noise = -(-draws.log()).log()
    first = torch.sigmoid((math.log(4) + noise[0] - noise[1]) / 0.5)
    assert torch.allclose(shares, torch.stack([first, 1 - first]), atol=1e-12)


def test_a_hard_choice_is_one_hot_with_the_gradient_of_the_shares() -> None:
    logits = torch.tensor([[1.0, 0.0, -1.0]], requires_grad=True)
    draws = torch.full((1, 3), 0.5)
    chosen = gumbel_softmax(logits, 1.0, draws, hard=True)
    assert chosen.detach().tolist() == [[1.0, 0.0, 0.0]]
    chosen[0, 0].backward()
    share = float(logits.detach().softmax(1)[0, 0])
    assert logits.grad is not None
    assert float(logits.grad[0, 0]) == pytest.approx(share * (1 - share), abs=1e-6)
    assert float(gumbel_softmax(logits.detach(), 0.7).sum()) == pytest.approx(1.0)


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan])
def test_a_temperature_not_above_zero_is_refused(temperature: float) -> None:
    half = torch.tensor([0.5])
    for call in (
        lambda: binary_concrete(half, temperature),
        lambda: gumbel_softmax(half, temperature),
        lambda: BinaryConcrete(temperature),
    ):
        with pytest.raises(ConfigError, match="temperature must be above 0"):
            call()
