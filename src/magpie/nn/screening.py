"""Screening a graph: which nodes stay, and which edges there are, under an information bottleneck.

Wu et al., Information Screening whilst Exploiting! Multimodal Relation Extraction with Feature
Denoising and Multimodal Topic Modeling, ACL 2023; public code ChocoWu/MRE-ISE. A gate for every
node, from its state, its neighbourhood and the two ends of the relation asked about; a gate for
every pair of nodes, so that edges may vanish or appear. The gates are drawn
(:mod:`magpie.nn.gates`) and weigh the edges of a graph attention
(:mod:`magpie.nn.graph_attention`).

What the public code does in their place (a mask over features, an edge learner that cuts nothing)
is here, too, under names with "feature" and "perspective".

Shapes: B graphs, N nodes, D width, T text nodes, V visual nodes, P perspectives.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from magpie.nn.gates import binary_concrete

__all__ = [
    "EdgeGate",
    "FeatureMask",
    "NodeGate",
    "PairEdges",
    "PerspectiveEdges",
    "cosine_edges",
    "join_graphs",
    "kept_edges",
    "neighbourhood",
    "pool_neighbours",
    "public_cross_edges",
]

#: the public edge learner's value for padding
_NEVER = -1e20


def cosine_edges(
    text: Tensor, visual: Tensor, text_real: Tensor, visual_real: Tensor, threshold: float = 0.25
) -> Tensor:
    """Which text node is linked with which visual node: cos > threshold, padding never.

    Args:
        text, visual: node vectors [B, T, D] and [B, V, D].
        text_real, visual_real: bool [B, T] and [B, V].
        threshold: lambda.

    Returns:
        bool [B, T, V].
    """
    one, other = (functional.normalize(nodes, dim=2) for nodes in (text, visual))
    alike = one @ other.transpose(1, 2)
    return (alike > threshold) & text_real.unsqueeze(2) & visual_real.unsqueeze(1)


def public_cross_edges(
    text: Tensor, visual: Tensor, text_real: Tensor, visual_real: Tensor, threshold: float = 0.2
) -> Tensor:
    """The same as the public code decides it: sigmoid(ReLU(x) . ReLU(y)) > threshold, which no
    pair fails below a threshold of 0.5; padding counts as the least alike pair of the batch.

    ``text`` and ``visual`` are the mapped nodes, before the ReLU.
    """
    alike = torch.sigmoid(torch.relu(text) @ torch.relu(visual).transpose(1, 2))
    both = text_real.unsqueeze(2) & visual_real.unsqueeze(1)
    return torch.where(both, alike, alike.min()) > threshold


def join_graphs(text: Tensor, visual: Tensor, cross: Tensor) -> Tensor:
    """One graph of two: edge labels from 1 on, 0 where there is no edge.

    The labels of a text graph stay, "similar" comes behind them, those of the visual graph behind
    that one.

    Args:
        text, visual: int [B, T, T] and [B, V, V].
        cross: bool [B, T, V].

    Returns:
        int [B, T + V, T + V].
    """
    similar = text.amax((1, 2)).view(-1, 1, 1) + 1
    across = cross * similar
    beyond = torch.where(visual > 0, visual + similar, visual)
    above = torch.cat([text, across], 2)
    below = torch.cat([across.transpose(1, 2), beyond], 2)
    return torch.cat([above, below], 1)


def neighbourhood(edges: Tensor, hops: int) -> Tensor:
    """Who can be reached from whom in at most so many steps, oneself included: bool [B, N, N]."""
    loops = torch.eye(edges.shape[1], dtype=torch.bool, device=edges.device)
    step = ((edges != 0) | loops).to(torch.float32)
    reached = step
    for _ in range(hops - 1):
        reached = (reached @ step).clamp(max=1.0)
    return reached > 0


def pool_neighbours(states: Tensor, reached: Tensor) -> Tensor:
    """phi: the maximum over everybody reached, [B, N, D]."""
    hidden = torch.finfo(states.dtype).min
    spread = states.unsqueeze(1).masked_fill(~reached.unsqueeze(3), hidden)  # B,N,N,D
    return spread.amax(2)


class NodeGate(nn.Module):
    """pi_i = sigmoid(FFN([h_i ; phi(i) ; h_s ; h_o])).

    Args:
        width: D.
        hidden: of the feed-forward network; D if left out.
        bias: of its last layer at first: above 0 nodes start as kept.
    """

    def __init__(self, width: int, hidden: int | None = None, bias: float = 0.0) -> None:
        super().__init__()
        self.first = nn.Linear(4 * width, hidden or width)
        self.last = nn.Linear(hidden or width, 1)
        nn.init.constant_(self.last.bias, bias)

    def forward(self, states: Tensor, around: Tensor, ends: Tensor) -> Tensor:
        """Probabilities [B, N] for states and phi [B, N, D] and both ends [B, 2 D]."""
        asked = ends.unsqueeze(1).expand(-1, states.shape[1], -1)
        inner = torch.relu(self.first(torch.cat([states, around, asked], 2)))
        return torch.sigmoid(self.last(inner).squeeze(2).float())


class EdgeGate(nn.Module):
    """pi_ij = sigmoid(FFN([h_i ; h_j ; h_s ; h_o])), the mean of both directions.

    Args:
        width: D.
        hidden: of the feed-forward network; D if left out.
        bias: of its last layer at first.
    """

    def __init__(self, width: int, hidden: int | None = None, bias: float = 0.0) -> None:
        super().__init__()
        self.first = nn.Linear(4 * width, hidden or width)
        self.last = nn.Linear(hidden or width, 1)
        nn.init.constant_(self.last.bias, bias)

    def forward(self, states: Tensor, ends: Tensor) -> Tensor:
        """Probabilities [B, N, N], symmetric, for states [B, N, D] and both ends [B, 2 D]."""
        width = states.shape[2]
        # The first layer part by part: no [B, N, N, 4 D] has to be made.
        one, other, asked = self.first.weight.split([width, width, 2 * width], 1)
        mine = functional.linear(states, one)  # B,N,H
        theirs = functional.linear(states, other)
        told = functional.linear(ends, asked, self.first.bias)  # B,H
        inner = torch.relu(mine.unsqueeze(2) + (theirs + told.unsqueeze(1)).unsqueeze(1))
        found = torch.sigmoid(self.last(inner).squeeze(3).float())  # B,N,N
        return (found + found.transpose(1, 2)) / 2


def kept_edges(edges: Tensor, nodes: Tensor) -> Tensor:
    """e_ij = rho_ij rho_i rho_j of gates [B, N, N] and [B, N]."""
    return edges * nodes.unsqueeze(2) * nodes.unsqueeze(1)


class FeatureMask(nn.Module):
    """The public "node filter": one learned mask over features, m x + (1 - m) xi / 2.

    It mixes every node with N(-x, 1/4) noise, in evaluation, too.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mask = nn.Parameter(torch.zeros(width))

    def forward(self, nodes: Tensor, draw: Tensor | None = None) -> Tensor:
        """[B, N, D]; ``draw`` is xi, standard normal, of the same shape."""
        share = torch.sigmoid(self.mask)
        noise = torch.randn_like(nodes) if draw is None else draw
        return share * nodes + 0.5 * (1 - share) * noise


class PerspectiveEdges(nn.Module):
    """The public edge learner: the mean of P sigmoids of dot products of ReLU features.

    Each lies in [0.5, 1); through another sigmoid all lie in [0.62, 0.73], above the threshold, so
    nothing but padding is ever cut. With ``temperature`` edges are drawn instead; padding, whose
    probability is then no probability, must be left to the caller.

    Args:
        width: D.
        perspectives: P.
        threshold: below it an edge is cut.
        temperature: of the relaxed draw; None takes the second sigmoid.
    """

    def __init__(
        self,
        width: int,
        perspectives: int = 16,
        threshold: float = 0.3,
        temperature: float | None = None,
    ) -> None:
        super().__init__()
        self.threshold, self.temperature = threshold, temperature
        self.first = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(perspectives))
        self.second = nn.ModuleList(
            nn.Linear(width, width, bias=False) for _ in range(perspectives)
        )

    def forward(
        self, nodes: Tensor, real: Tensor | None = None, draw: Tensor | None = None
    ) -> Tensor:
        """Values [B, N, N] of nodes [B, N, D]; ``real`` bool [B, N], ``draw`` in (0, 1)."""
        found = nodes.new_zeros(())
        for first, second in zip(self.first, self.second, strict=True):
            inner = torch.relu(second(torch.relu(first(nodes))))
            found = found + torch.sigmoid(inner @ inner.transpose(1, 2))
        found = found / len(self.first)
        if self.temperature is not None:
            return _drawn(found, self.temperature, self.threshold, draw)
        if real is not None:
            found = found.masked_fill(~(real.unsqueeze(1) & real.unsqueeze(2)), _NEVER)
        found = torch.sigmoid(found)
        return torch.where(found > self.threshold, found, torch.full_like(found, _NEVER))


class PairEdges(nn.Module):
    """The public edge learner with the scorer "mlp": one linear map of [h_j ; h_i], drawn.

    Args:
        width: D.
        threshold: below it an edge is cut.
        temperature: of the relaxed draw.
    """

    def __init__(self, width: int, threshold: float = 0.1, temperature: float = 0.1) -> None:
        super().__init__()
        self.threshold, self.temperature = threshold, temperature
        self.score = nn.Linear(2 * width, 1)

    def forward(
        self, nodes: Tensor, real: Tensor | None = None, draw: Tensor | None = None
    ) -> Tensor:
        """Values [B, N, N] of nodes [B, N, D]; ``real`` bool [B, N], ``draw`` in (0, 1)."""
        sender, receiver = self.score.weight.chunk(2, 1)
        theirs = functional.linear(nodes, sender).transpose(1, 2)  # B,1,N
        mine = functional.linear(nodes, receiver, self.score.bias)  # B,N,1
        found = torch.sigmoid(mine + theirs)
        if real is not None:
            found = found * (real.unsqueeze(1) & real.unsqueeze(2)).to(found.dtype)
        return _drawn(found, self.temperature, self.threshold, draw)


def _drawn(
    probabilities: Tensor, temperature: float, threshold: float, draw: Tensor | None
) -> Tensor:
    found = binary_concrete(probabilities, temperature, draw)
    return torch.where(found > threshold, found, torch.zeros_like(found))
