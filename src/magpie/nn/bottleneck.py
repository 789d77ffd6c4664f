"""A vector compressed to a normal distribution: the variational information bottleneck.

Alemi et al., Deep Variational Information Bottleneck, ICLR 2017. A classifier on z bounds -I(z, Y)
from above, the divergence from N(0, I) bounds what z keeps of the input.

Shapes: B rows, D width, Z width of z.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Compressed", "GaussianBottleneck", "divergence_from_standard"]

#: sigma may come no nearer to 0 than this, where its logarithm is taken
_TINY = 1e-30


@dataclass(frozen=True, slots=True)
class Compressed:
    """``mean``, ``deviation`` and the vector ``z`` that was drawn, [B, Z] each."""

    mean: Tensor
    deviation: Tensor
    z: Tensor


def divergence_from_standard(mean: Tensor, deviation: Tensor, *, bits: bool = False) -> Tensor:
    """KL(N(mean, deviation^2) || N(0, I)) of every row, [B, Z] -> [B], in nats or bits.

    Example:
        >>> two = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 2.0]])
        >>> round(float(divergence_from_standard(*two)), 4)
        1.3069
    """
    spread = deviation**2 - 1 - 2 * deviation.clamp(min=_TINY).log()
    nats = 0.5 * (mean**2 + spread).sum(1)
    return nats / math.log(2) if bits else nats


class GaussianBottleneck(nn.Module):
    """mean = W a + b, deviation = softplus(V a + c), z = mean + deviation xi.

    Args:
        width: D.
        out: Z; D where it is left out.
    """

    def __init__(self, width: int, out: int | None = None) -> None:
        super().__init__()
        self.mean = nn.Linear(width, out or width)
        self.deviation = nn.Linear(width, out or width)

    def forward(self, vector: Tensor, draw: Tensor | None = None) -> Compressed:
        """Of [B, D]; ``draw`` is xi [B, Z]: drawn while training, 0 in evaluation, if left out."""
        mean = self.mean(vector)
        deviation = functional.softplus(self.deviation(vector))
        if draw is None:
            draw = torch.randn_like(mean) if self.training else torch.zeros_like(mean)
        return Compressed(mean, deviation, mean + deviation * draw)
