"""Contrast between paired vectors: InfoNCE in its variants, and bounds on mutual information.

A batch of B pairs (x_i, y_i) gives a matrix of scores s_ij = s(x_i, y_j): its diagonal holds the
pairs, everything else stands for two things that do not belong together. Rows are anchors.

================  ===============================================================================
InfoNCE           van den Oord et al., Representation Learning with Contrastive Predictive Coding,
                  2018, equation 4: -log of the pair's share of its row
SupCon            Khosla et al., Supervised Contrastive Learning, NeurIPS 2020, equation 2
Donsker-Varadhan  Belghazi et al., Mutual Information Neural Estimation, ICML 2018, equation 3
Jensen-Shannon    Hjelm et al., Learning Deep Representations by Mutual Information Estimation and
                  Maximization, ICLR 2019, equation 4
NWJ               Nguyen, Wainwright and Jordan, IEEE Trans. Inf. Theory 2010; as Poole et al.,
                  On Variational Bounds of Mutual Information, ICML 2019, equation 5
================  ===============================================================================

Shapes: B pairs, D width.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from magpie.errors import ConfigError

__all__ = [
    "Projection",
    "donsker_varadhan",
    "in_batch_loss",
    "info_nce",
    "info_nce_bound",
    "jensen_shannon",
    "nwj",
    "pair_scores",
    "supervised_contrast",
]


class Projection(nn.Module):
    """Into the space where vectors are compared: linear, ReLU, linear.

    Args:
        width: of the vectors.
        out: of the space; D where it is left out.
        hidden: between both; ``width`` where it is left out.
    """

    def __init__(self, width: int, out: int | None = None, hidden: int | None = None) -> None:
        super().__init__()
        self.inner = nn.Linear(width, hidden or width)
        self.outer = nn.Linear(hidden or width, out or width)

    def forward(self, vectors: Tensor) -> Tensor:
        """[..., D] -> [..., out]."""
        found: Tensor = self.outer(torch.relu(self.inner(vectors)))
        return found


def pair_scores(anchors: Tensor, others: Tensor, *, normalise: bool = True) -> Tensor:
    """Every anchor with every other: cosines, or plain products: [B, D], [C, D] -> [B, C]."""
    if normalise:
        anchors, others = functional.normalize(anchors, dim=1), functional.normalize(others, dim=1)
    return anchors @ others.T


def info_nce(
    scores: Tensor,
    temperature: float | Tensor = 1.0,
    *,
    symmetric: bool = False,
    ignored: Tensor | None = None,
) -> Tensor:
    """InfoNCE of a matrix of scores, the mean over its anchors.

    The positive stands in the denominator. With a single pair the loss is 0.

    Args:
        scores: [B, B], the pairs on the diagonal, a row an anchor.
        temperature: a number or learned scalar, or one for every score, [B, B].
        symmetric: the mean of this and of the same with columns as anchors.
        ignored: bool [B, B], scores that are neither pair nor rival (such as another post's of the
            same picture); the diagonal always counts.

    Raises:
        ConfigError: the matrix is not square, or a temperature not above 0.
    """
    _check(scores)
    if not isinstance(temperature, Tensor) and temperature <= 0:
        raise ConfigError(f"a temperature must be above 0, got {temperature}")
    logits = scores / temperature
    if ignored is not None:
        own = torch.eye(len(scores), dtype=torch.bool, device=scores.device)
        logits = logits.masked_fill(ignored & ~own, -math.inf)
    loss = _row_loss(logits)
    return (loss + _row_loss(logits.T)) / 2 if symmetric else loss


def _row_loss(logits: Tensor) -> Tensor:
    return (logits.logsumexp(1) - logits.diagonal()).mean()


def in_batch_loss(
    anchors: Tensor,
    others: Tensor,
    *,
    temperature: float | Tensor = 1.0,
    symmetric: bool = False,
    normalise: bool = True,
    projections: tuple[nn.Module, nn.Module] | None = None,
    ignored: Tensor | None = None,
) -> Tensor:
    """InfoNCE of paired vectors [B, D], the others of the batch being the rivals.

    Args:
        anchors, others: row i of one belongs to row i of the other.
        temperature, symmetric, ignored: see :func:`info_nce`.
        normalise: compare directions only.
        projections: of anchors and of others, applied first.
    """
    if projections is not None:
        anchors, others = projections[0](anchors), projections[1](others)
    scores = pair_scores(anchors, others, normalise=normalise)
    return info_nce(scores, temperature, symmetric=symmetric, ignored=ignored)


def supervised_contrast(
    vectors: Tensor, classes: Tensor, temperature: float = 0.1, *, each: bool = False
) -> Tensor:
    """SupCon: every other vector of one's class is a positive.

    L_i = -mean over positives p of [z_i z_p / tau - log sum over a != i of exp(z_i z_a / tau)].

    Args:
        vectors: [B, D]; their directions are compared.
        classes: [B].
        temperature: tau.
        each: the losses of all anchors [B] in place of their mean; 0 for an anchor alone in its
            class, which has no term and does not enter the mean.

    Raises:
        ConfigError: the temperature is not above 0.
    """
    if temperature <= 0:
        raise ConfigError(f"a temperature must be above 0, got {temperature}")
    own = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
    logits = pair_scores(vectors, vectors) / temperature
    rest = logits.masked_fill(own, -math.inf).logsumexp(1, keepdim=True)  # B,1
    positive = (classes.unsqueeze(0) == classes.unsqueeze(1)) & ~own  # B,B
    count = positive.sum(1)
    # Alone in the batch there is no rival at all: its term must be 0, not 0 times infinity.
    terms = torch.where(positive, rest - logits, torch.zeros_like(logits)).sum(1)
    losses = terms / count.clamp(min=1)
    if each:
        return losses
    return losses.sum() / (count > 0).sum().clamp(min=1)


def info_nce_bound(scores: Tensor, temperature: float | Tensor = 1.0) -> Tensor:
    """I(X; Y) >= log B - InfoNCE, in nats; never above log B."""
    return math.log(len(scores)) - info_nce(scores, temperature)


def donsker_varadhan(scores: Tensor) -> Tensor:
    """I(X; Y) >= mean of the pairs' scores - log of the mean of exp of all others, in nats (MINE).

    Args:
        scores: [B, B] with B at least 2; the critic's values, the pairs on the diagonal.

    Raises:
        ConfigError: no score stands outside the diagonal.
    """
    rivals = _rivals(scores)
    return scores.diagonal().mean() - (rivals.logsumexp(0) - math.log(len(rivals)))


def nwj(scores: Tensor) -> Tensor:
    """I(X; Y) >= mean of the pairs' scores - mean of exp(score - 1) of all others, in nats.

    Looser than :func:`donsker_varadhan` at the same critic, but its gradient has no bias in small
    batches. Arguments and errors as there.
    """
    rivals = _rivals(scores)
    return scores.diagonal().mean() - (rivals - 1).exp().mean()


def jensen_shannon(scores: Tensor) -> Tensor:
    """mean of -softplus(-score) of the pairs - mean of softplus(score) of all others.

    Grows with the divergence between joint and product of the marginals (half of it, plus log 2,
    is the Jensen-Shannon divergence); at most 0, no number of nats. Arguments and errors as in
    :func:`donsker_varadhan`.
    """
    rivals = _rivals(scores)
    return -functional.softplus(-scores.diagonal()).mean() - functional.softplus(rivals).mean()


def _check(scores: Tensor) -> None:
    if scores.dim() != 2 or scores.shape[0] != scores.shape[1]:
        raise ConfigError(f"expected a square matrix of scores, got {tuple(scores.shape)}")


def _rivals(scores: Tensor) -> Tensor:
    """Everything outside the diagonal: [B, B] -> [B (B - 1)]."""
    _check(scores)
    if len(scores) < 2:
        raise ConfigError("this bound needs at least two pairs: one alone has no rivals")
    own = torch.eye(len(scores), dtype=torch.bool, device=scores.device)
    return scores[~own]
