"""Topics that words and visual words share: a product of experts over two bags of words.

Srivastava and Sutton, Autoencoding Variational Inference for Topic Models, ICLR 2017 (the product
of experts, the logistic-normal prior by Laplace's approximation, batch norms without weights), with
a vector beside the counts as Bianchi et al., ACL 2021, have it, and a second bag: Wu et al.,
Information Screening whilst Exploiting, ACL 2023 (LAMO).

    theta = softmax(m + s xi)            m, ln s^2 from the counts and a vector
    p_T   = softmax(norm(theta beta))    words
    p_V   = softmax(norm(theta gamma))   visual words

Shapes: B rows, V words of a bag, K topics, G width of the vector, L words of a topic, U width of a
word's vector, D width of what asks.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from magpie.errors import ConfigError

__all__ = [
    "TopicAttention",
    "TopicModel",
    "TopicNorm",
    "Topics",
    "reconstruction",
    "topic_divergence",
    "weigh_words",
]


@dataclass(frozen=True, slots=True)
class Topics:
    """What a topic model says of a batch: ``mean`` and ``log_variance`` of the posterior and
    ``theta`` [B, K]; the distributions ``words`` and ``visual`` [B, V] of either bag."""

    mean: Tensor
    log_variance: Tensor
    theta: Tensor
    words: Tensor
    visual: Tensor


def topic_divergence(
    mean: Tensor, log_variance: Tensor, prior_mean: Tensor, prior_variance: Tensor
) -> Tensor:
    """KL(N(mean, variance) || N(prior)) of diagonal normals in nats, [B, K] and [K] -> [B].

    Example:
        >>> parts = [torch.tensor(v) for v in ([[1.0, 0.0]], [[1.0, 0.5]], [0.0, 0.0], [0.5, 0.5])]
        >>> round(float(topic_divergence(parts[0], parts[1].log(), *parts[2:])), 4)
        1.1534
    """
    spread = (log_variance.exp() / prior_variance).sum(1)
    shift = ((prior_mean - mean) ** 2 / prior_variance).sum(1)
    volume = prior_variance.log().sum() - log_variance.sum(1)
    return 0.5 * (spread + shift - mean.shape[1] + volume)


def reconstruction(counts: Tensor, distribution: Tensor) -> Tensor:
    """- sum over words of count ln p, both [B, V] -> [B], in nats."""
    return -(counts * torch.log(distribution + 1e-10)).sum(1)


class TopicNorm(nn.BatchNorm1d):
    """A batch norm without weights; of a single row it takes the running statistics."""

    def __init__(self, size: int) -> None:
        super().__init__(size, affine=False)

    def forward(self, rows: Tensor) -> Tensor:
        """[B, C] -> [B, C]."""
        if self.training and len(rows) == 1:
            return functional.batch_norm(rows, self.running_mean, self.running_var, eps=self.eps)
        return super().forward(rows)


class TopicModel(nn.Module):
    """Inference network, topics and prior.

    Args:
        words: V of the text's bag.
        visual: V of the picture's bag.
        vector: G, of the vector beside the counts.
        topics: K.
        hidden: widths of the inference network.
        dropout: of its last layer and of theta.
        mixture: LDA's mixture of topics, in place of the product of experts.
        always_drawn: theta is drawn in evaluation, too, as in the public code.

    Raises:
        ConfigError: a size below 1, or a single topic, whose prior would have no variance.
    """

    def __init__(
        self,
        words: int,
        visual: int,
        vector: int,
        *,
        topics: int = 10,
        hidden: Sequence[int] = (100, 100),
        dropout: float = 0.2,
        mixture: bool = False,
        always_drawn: bool = False,
    ) -> None:
        super().__init__()
        if min(words, visual, vector, *hidden) < 1 or topics < 2 or not hidden:
            raise ConfigError(
                "a topic model needs bags and layers of at least 1 and two topics, got words "
                f"{words}, visual {visual}, hidden {tuple(hidden)}, topics {topics}"
            )
        self.mixture, self.always_drawn = mixture, always_drawn
        self.adapt = nn.Linear(vector, words)
        sizes = [2 * words, *hidden]
        self.layers = nn.ModuleList(
            nn.Linear(before, after) for before, after in itertools.pairwise(sizes)
        )
        self.dropout = nn.Dropout(dropout)
        self.mean = nn.Linear(sizes[-1], topics)
        self.log_variance = nn.Linear(sizes[-1], topics)
        self.mean_norm, self.log_variance_norm = TopicNorm(topics), TopicNorm(topics)
        self.beta = nn.Parameter(torch.empty(topics, words))
        self.gamma = nn.Parameter(torch.empty(topics, visual))
        self.beta_norm, self.gamma_norm = TopicNorm(words), TopicNorm(visual)
        nn.init.xavier_uniform_(self.beta)
        nn.init.xavier_uniform_(self.gamma)
        # Of a Dirichlet with all parameters 1; the logarithm keeps the variance above 0.
        self.prior_mean = nn.Parameter(torch.zeros(topics))
        self.prior_log_variance = nn.Parameter(torch.full((topics,), 1 - 1 / topics).log())

    @property
    def prior_variance(self) -> Tensor:
        """[K]."""
        return self.prior_log_variance.exp()

    def posterior(self, counts: Tensor, vector: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and logarithm of the variance, [B, K] each, of counts [B, V] beside [B, G]."""
        states = torch.cat([counts, self.adapt(vector)], 1)  # B,2V
        for layer in self.layers:
            states = functional.softplus(layer(states))
        states = self.dropout(states)
        return (
            self.mean_norm(self.mean(states)),
            self.log_variance_norm(self.log_variance(states)),
        )

    def forward(self, counts: Tensor, vector: Tensor, draw: Tensor | None = None) -> Topics:
        """Topics of a batch.

        Args:
            counts: of the text's words, [B, V].
            vector: [B, G].
            draw: xi [B, K]; where it is left out, drawn while training and 0 in evaluation, but
                see ``always_drawn``.
        """
        mean, log_variance = self.posterior(counts, vector)
        if draw is None:
            drawn = self.training or self.always_drawn
            draw = torch.randn_like(mean) if drawn else torch.zeros_like(mean)
        theta = (mean + (0.5 * log_variance).exp() * draw).softmax(1)  # B,K
        mixed = self.dropout(theta)
        return Topics(
            mean,
            log_variance,
            theta,
            self._distribution(mixed, self.beta, self.beta_norm),
            self._distribution(mixed, self.gamma, self.gamma_norm),
        )

    def _distribution(self, theta: Tensor, topics: Tensor, norm: TopicNorm) -> Tensor:
        if self.mixture:
            return theta @ cast(Tensor, norm(topics)).softmax(1)
        return cast(Tensor, norm(theta @ topics)).softmax(1)

    def losses(self, topics: Topics, counts: Tensor, visual: Tensor) -> tuple[Tensor, ...]:
        """KL to the prior, and what it costs to write down either bag: three times [B]."""
        return (
            topic_divergence(
                topics.mean, topics.log_variance, self.prior_mean, self.prior_variance
            ),
            reconstruction(counts, topics.words),
            reconstruction(visual, topics.visual),
        )

    def top_words(
        self, theta: Tensor, count: int, bag: Literal["text", "visual"], known: int | None = None
    ) -> Tensor:
        """The ``count`` words that stand for the likeliest topic of every row: [B, L].

        Args:
            theta: [B, K].
            count: of words; fewer where the bag has no more.
            bag: which bag's.
            known: only the first so many words of the bag are words; all if left out.
        """
        topics = (self.beta if bag == "text" else self.gamma)[:, : known or None]
        best = topics.topk(min(count, topics.shape[1]), 1).indices  # K,L
        return best[theta.argmax(1)]


def weigh_words(
    words: Tensor, scores: Tensor, there: Tensor | None = None, *, sigmoid: bool = False
) -> tuple[Tensor, Tensor]:
    """Weights of a topic's words, and their weighted sum.

    Args:
        words: [B, L, U].
        scores: [B, L].
        there: bool [B, L], words that are words; a row without any sums to 0.
        sigmoid: each weight by itself, as the public code has it, in place of a softmax.

    Returns:
        weights [B, L] and sum [B, U].
    """
    if there is None:
        there = torch.ones_like(scores, dtype=torch.bool)
    if sigmoid:
        weights = torch.sigmoid(scores)
    else:
        hidden = torch.finfo(scores.dtype).min
        weights = scores.masked_fill(~there, hidden).softmax(1)
    weights = weights * there.to(weights.dtype)
    return weights, (weights.unsqueeze(2) * words).sum(1)


class TopicAttention(nn.Module):
    """o = sum of softmax(FFN([u ; z])) u over the words of a topic.

    Args:
        width: U.
        asking: D.
        hidden: of the feed-forward network.
    """

    def __init__(self, width: int, asking: int, hidden: int) -> None:
        super().__init__()
        self.first = nn.Linear(width + asking, hidden)
        self.last = nn.Linear(hidden, 1)

    def forward(
        self, words: Tensor, asking: Tensor, there: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Weights [B, L] and sum [B, U] of words [B, L, U] for z [B, D]."""
        asked = asking.unsqueeze(1).expand(-1, words.shape[1], -1)
        states = torch.tanh(self.first(torch.cat([words, asked], 2)))
        return weigh_words(words, self.last(states).squeeze(2), there)
