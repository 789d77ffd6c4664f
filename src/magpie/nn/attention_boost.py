"""More attention for the words that matter: a bias by relevance, or a learned correction.

``relevance`` adds ln(1 + gamma r) to the scores before the softmax, so that attention stays
normalised and gamma = 0 changes nothing. ``calibrated`` follows the idea of correcting attention by
what a small disturbance of it would harm (shown for machine translation, ACL 2021): a network
learns a mask m whose disturbance hurts most, and weights with low m gain.

Shapes: B batch, heads, Q queries, K keys, D width of a head.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from magpie.errors import ConfigError

__all__ = [
    "CalibratedAttention",
    "Merge",
    "calibrated_attention",
    "calibrated_multihead",
    "corrected",
    "perturbed",
    "relevance",
    "relevance_bias",
]

Merge = Literal["fixed", "gate", "anneal"]


def relevance_bias(r: Tensor, gamma: float = 1.0) -> Tensor:
    """ln(1 + gamma r), any shape, to be added to attention scores; r in [0, 1], gamma >= 0."""
    return torch.log1p(gamma * r)


def relevance(words: Tensor, patches: Tensor, mask: Tensor) -> Tensor:
    """Largest dot product of a word with a patch, rescaled to [0, 1] in each sentence.

    Args:
        words: [B, T, D]; patches: [B, P, D]; mask: [B, T].

    Returns:
        [B, T]; 0 behind the mask, and everywhere where all words are alike.
    """
    scores = (words @ patches.transpose(1, 2)).amax(2)  # B,T
    there = mask.bool()
    low = scores.masked_fill(~there, math.inf).amin(1, keepdim=True)
    high = scores.masked_fill(~there, -math.inf).amax(1, keepdim=True)
    width = high - low
    scaled = (scores - low) / torch.where(width > 0, width, torch.ones_like(width))
    return scaled.masked_fill(~there, 0.0)


def perturbed(a: Tensor, m: Tensor, keys: Tensor | None = None) -> Tensor:
    """a^p = m a + (1 - m) mean(a), renormalised over the last dimension.

    Args:
        a: attention; m: mask in (0, 1), of its shape.
        keys: where a key may be seen, broadcastable; the mean is over those.
    """
    if keys is None:
        keys = torch.ones_like(a)
    keys = keys.to(a.dtype)
    mean = (a * keys).sum(-1, keepdim=True) / keys.sum(-1, keepdim=True)
    moved = (m * a + (1 - m) * mean) * keys
    return moved / moved.sum(-1, keepdim=True)


def corrected(a: Tensor, m: Tensor) -> Tensor:
    """a^c = a exp(1 - m), renormalised: what must not be disturbed gains."""
    raised = a * (1 - m).exp()
    return raised / raised.sum(-1, keepdim=True)


class CalibratedAttention(nn.Module):
    """Turns attention into its corrected form.

    m = sigmoid((K U_k)(Q U_q)^T / sqrt(D)). ``U`` learns from the perturbation loss alone: in the
    corrected attention m is a constant, and while ``disturbing`` the caller holds the rest fixed.

    Args:
        width: D.
        merge: how original and corrected attention meet.
        share: l of ``fixed``.
        steps: S of ``anneal``: training steps after which the original has fallen to 1/e.
    """

    def __init__(
        self, width: int, merge: Merge = "fixed", *, share: float = 0.5, steps: int = 10_000
    ) -> None:
        super().__init__()
        if not 0 <= share <= 1 or steps < 1:
            raise ConfigError(f"need share in [0, 1] and steps >= 1, got {share} and {steps}")
        self.merge: Merge = merge
        self.share = share
        self.steps = steps
        self.keys = nn.Linear(width, width, bias=False)
        self.queries = nn.Linear(width, width, bias=False)
        self.gate = nn.Linear(width, 1, bias=False) if merge == "gate" else None
        #: set while the harm of a disturbance is measured: :meth:`forward` then disturbs
        self.disturbing = False
        #: m of the last disturbance; None where attention was not asked since it was cleared
        self.last: Tensor | None = None
        self.step: Tensor
        self.register_buffer("step", torch.zeros((), dtype=torch.long))

    def mask(self, queries: Tensor, keys: Tensor) -> Tensor:
        """m of [B, heads, Q, D] and [B, heads, K, D] -> [B, heads, Q, K]."""
        scores = self.queries(queries) @ self.keys(keys).transpose(-1, -2)
        return torch.sigmoid(scores / math.sqrt(queries.shape[-1]))

    def forward(
        self, a: Tensor, queries: Tensor, keys: Tensor, seen: Tensor | None = None
    ) -> Tensor:
        """Attention [B, heads, Q, K] with its queries and keys -> a*, of its shape.

        In training each call counts as a step of ``anneal``. While ``disturbing``, a^p instead,
        over the keys that are ``seen`` (those of any weight where it is None).
        """
        if self.disturbing:
            # Only U learns what hurts: queries and keys are constants here.
            self.last = self.mask(queries.detach(), keys.detach())
            return perturbed(a, self.last, a > 0 if seen is None else seen)
        merged = self.merged(a, corrected(a, self.mask(queries, keys).detach()), queries)
        if self.training:
            self.step += 1
        return merged

    def masks(self) -> tuple[nn.Parameter, ...]:
        """U."""
        return (*self.keys.parameters(), *self.queries.parameters())

    def merged(self, a: Tensor, fixed: Tensor, queries: Tensor) -> Tensor:
        """a* of original and corrected attention."""
        if self.merge == "fixed":
            return (1 - self.share) * a + self.share * fixed
        if self.gate is not None:
            g = torch.sigmoid(self.gate(queries))  # B,heads,Q,1
            return g * a + (1 - g) * fixed
        kept = torch.exp(-self.step / self.steps)
        return kept * a + (1 - kept) * fixed

    def penalty(self, m: Tensor, rho: float = 1.0) -> Tensor:
        """rho mean((1 - m)^2), a scalar: the disturbance is to be small."""
        return rho * ((1 - m) ** 2).mean()


def calibrated_attention(
    calibration: CalibratedAttention,
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    hidden: Tensor | None = None,
    *,
    rate: float = 0.0,
    scale: float | None = None,
    seen: Tensor | None = None,
) -> Tensor:
    """As ``scaled_dot_product_attention``, by corrected weights.

    Args:
        calibration: of this attention.
        queries: [B, heads, Q, D]; keys, values: [B, heads, K, D].
        hidden: true where a key may be seen, or what is added to the scores; broadcastable.
        rate: of the dropout on the weights.
        scale: of the scores; None takes 1 / sqrt(D).
        seen: keys that a disturbance may raise, broadcastable; None takes those of any weight.

    Returns:
        [B, heads, Q, D].
    """
    scale = queries.shape[-1] ** -0.5 if scale is None else scale
    scores = (queries @ keys.transpose(-1, -2)) * scale  # B,heads,Q,K
    if hidden is not None and hidden.dtype == torch.bool:
        scores = scores.masked_fill(~hidden, -math.inf)
    elif hidden is not None:
        scores = scores + hidden
    shares = calibration(scores.softmax(-1), queries, keys, seen)
    return functional.dropout(shares, rate, training=rate > 0) @ values


def calibrated_multihead(
    calibration: CalibratedAttention,
    attention: nn.MultiheadAttention,
    queries: Tensor,
    keys: Tensor,
) -> Tensor:
    """torch's attention with its own weights, corrected: [B, Q, E] asks [B, K, E] -> [B, Q, E].

    Args:
        calibration: of width E / heads.
        attention: of one width for queries, keys and values, with ``batch_first``.
        queries, keys: see above; values are the keys.
    """
    maps = zip(attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3), strict=True)
    q, k, v = (
        functional.linear(states, weight, bias)
        .unflatten(2, (attention.num_heads, -1))
        .transpose(1, 2)
        for states, (weight, bias) in zip((queries, keys, keys), maps, strict=True)
    )  # B,heads,.,D
    rate = attention.dropout if attention.training else 0.0
    found = calibrated_attention(calibration, q, k, v, rate=rate)
    projected: Tensor = attention.out_proj(found.transpose(1, 2).flatten(2))
    return projected
