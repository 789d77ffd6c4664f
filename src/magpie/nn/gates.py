"""Gates that are 0 or 1 in the end and can still be learned: reparameterised draws.

A gate that is open with probability pi is drawn as a function of pi and of noise that does not
depend on it, so the loss has a gradient for pi. The relaxed gate lies between 0 and 1; the lower
its temperature tau, the nearer to one of them.

====================  ===========================================================================
binary concrete       Maddison, Mnih and Teh, The Concrete Distribution, ICLR 2017, appendix B
Gumbel-softmax        Jang, Gu and Poole, Categorical Reparameterization with Gumbel-Softmax,
                      ICLR 2017, equation 2
straight-through      Bengio, Leonard and Courville, Estimating or Propagating Gradients Through
                      Stochastic Neurons, 2013: hard forward, soft backward
====================  ===========================================================================

Draws can be handed in, so that a run is repeated number by number.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from magpie.errors import ConfigError

__all__ = [
    "FLOOR",
    "BinaryConcrete",
    "binary_concrete",
    "gumbel_softmax",
    "hard_gate",
    "log_odds",
    "straight_through",
    "symmetric",
    "uniform_draws",
]

#: how near to 0 and 1 a probability or a draw may come before its logarithm is taken
FLOOR = 1e-6


def uniform_draws(like: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draws from (0, 1), never nearer to its ends than :data:`FLOOR`, in the shape of ``like``."""
    draws = torch.rand(like.shape, dtype=like.dtype, device=like.device, generator=generator)
    return draws.clamp(FLOOR, 1 - FLOOR)


def symmetric(values: Tensor) -> Tensor:
    """[..., N, N] whose lower triangle repeats the upper one: a pair of nodes shares one draw."""
    upper = values.triu()
    return upper + values.triu(1).transpose(-1, -2)


def log_odds(probabilities: Tensor, floor: float = FLOOR) -> Tensor:
    """log pi - log(1 - pi), with pi held inside [floor, 1 - floor]."""
    return torch.logit(probabilities.clamp(floor, 1 - floor))


def binary_concrete(
    probabilities: Tensor, temperature: float, draws: Tensor | None = None
) -> Tensor:
    """A relaxed gate: sigmoid((log pi - log(1 - pi) + log eps - log(1 - eps)) / tau).

    Args:
        probabilities: pi, any shape.
        temperature: tau; the lower, the nearer to 0 or 1. At tau = 1 and eps = 0.5 it is pi itself.
        draws: eps from (0, 1), of a shape that broadcasts; fresh ones where they are left out.

    Raises:
        ConfigError: the temperature is not above 0.
    """
    _check(temperature)
    if draws is None:
        draws = uniform_draws(probabilities)
    return torch.sigmoid((log_odds(probabilities) + log_odds(draws)) / temperature)


def hard_gate(probabilities: Tensor, threshold: float = 0.5) -> Tensor:
    """1 where the probability is above the threshold, else 0, in the type of the probabilities."""
    return (probabilities > threshold).to(probabilities.dtype)


def straight_through(soft: Tensor, hard: Tensor) -> Tensor:
    """The value of ``hard`` with the gradient of ``soft``."""
    # In this order the value is exactly that of ``hard``: soft - soft is 0 without rounding.
    return hard.detach() + (soft - soft.detach())


def gumbel_softmax(
    logits: Tensor, temperature: float, draws: Tensor | None = None, *, hard: bool = False
) -> Tensor:
    """A relaxed choice among the classes of the last dimension; its shares sum to 1.

    Args:
        logits: [..., C], log probabilities up to a constant.
        temperature: tau.
        draws: uniform from (0, 1), [..., C]; they become Gumbel noise, -log(-log u). Fresh ones
            where they are left out.
        hard: a one-hot choice, with the gradient of the relaxed one.

    Raises:
        ConfigError: the temperature is not above 0.
    """
    _check(temperature)
    if draws is None:
        draws = uniform_draws(logits)
    noise = -torch.log(-torch.log(draws.clamp(FLOOR, 1 - FLOOR)))
    soft = ((logits + noise) / temperature).softmax(-1)
    if not hard:
        return soft
    chosen = torch.zeros_like(soft).scatter(-1, soft.argmax(-1, keepdim=True), 1.0)
    return straight_through(soft, chosen)


class BinaryConcrete(nn.Module):
    """Relaxed gates while training, gates of 0 or 1 in evaluation, where nothing is drawn.

    Args:
        temperature: tau.
        hard: rounded while training too, with the gradient of the relaxed gate.
        median: in evaluation the relaxed gate at eps = 0.5 in place of the hard one.

    Raises:
        ConfigError: the temperature is not above 0.
    """

    def __init__(self, temperature: float, *, hard: bool = False, median: bool = False) -> None:
        super().__init__()
        _check(temperature)
        self.temperature = temperature
        self.hard = hard
        self.median = median

    def forward(self, probabilities: Tensor, draws: Tensor | None = None) -> Tensor:
        """Gates for these probabilities, in their shape; ``draws`` count while training only."""
        if not self.training:
            if not self.median:
                return hard_gate(probabilities)
            return binary_concrete(
                probabilities, self.temperature, torch.full_like(probabilities, 0.5)
            )
        soft = binary_concrete(probabilities, self.temperature, draws)
        return straight_through(soft, hard_gate(soft)) if self.hard else soft

    def extra_repr(self) -> str:
        return f"temperature={self.temperature}, hard={self.hard}, median={self.median}"


def _check(temperature: float) -> None:
    if not temperature > 0:
        raise ConfigError(f"a temperature must be above 0, got {temperature}")
