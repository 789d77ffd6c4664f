"""Graph attention over dense masked adjacency: nodes attend to their neighbours only.

Velickovic et al., Graph Attention Networks, ICLR 2018, equations 1-6. Two additions that pruned,
labelled graphs ask for: a scalar of an edge's label joins its score, and a weight of the edge
joins its share (1 changes nothing, 0 is as good as no edge).

    h_i' = ELU( sum over neighbours j of a_ij W h_j )
    a_ij = w_ij exp(s_ij) / sum over neighbours k of w_ik exp(s_ik)
    s_ij = LeakyReLU( a . [W h_i ; W h_j] + e_ij )

Entry (i, j) of every matrix belongs to the edge along which i receives from j. A node without
neighbours receives nothing: zeros. Self-loops are edges like others, added by the caller.

Shapes: B batch, N nodes, D width, H heads, F width of a head, K labels.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from magpie.errors import ConfigError

__all__ = ["EdgeLabels", "GraphAttention", "neighbour_softmax", "with_self_loops"]

#: stands for minus infinity where a whole row may be hidden
_HIDDEN = -9e15


def with_self_loops(edges: Tensor, real: Tensor | None = None) -> Tensor:
    """The same edges [B, N, N] with every node its own neighbour.

    Args:
        edges: true or above 0 where there is one; its type is kept.
        real: bool [B, N]; only these nodes get a loop. All where it is left out.
    """
    size = edges.shape[-1]
    loops = torch.eye(size, dtype=torch.bool, device=edges.device).expand(edges.shape)
    if real is not None:
        loops = loops & real.unsqueeze(-1)
    return torch.where(loops, torch.ones_like(edges), edges)


def neighbour_softmax(scores: Tensor, edges: Tensor, weights: Tensor | None = None) -> Tensor:
    """Shares of the neighbours: softmax over the last dimension, each term times its weight.

    Args:
        scores: [..., N, N], any finite values.
        edges: bool, broadcasts to ``scores``: which entries take part.
        weights: at least 0, broadcasts to ``scores``. A weight of 0 is as good as no edge, but has
            a gradient, so a gate that closed can open again.

    Returns:
        [..., N, N]; rows sum to 1, or are all 0 where no neighbour has a weight above 0.
    """
    heard = edges if weights is None else edges & (weights > 0)
    heard = heard.expand(scores.shape)
    shifted = scores if weights is None else scores + _log(weights)
    # The largest term of a row becomes 1 exactly, however small its weight is.
    top = shifted.masked_fill(~heard, -torch.inf).amax(-1, keepdim=True)
    top = torch.where(top.isinf(), torch.zeros_like(top), top).detach()
    apart = scores - top
    # Where a term counts for nothing its exponential must stay finite: 0 times infinity is NaN.
    apart = torch.where(heard, apart, apart.clamp(max=0.0))
    terms = apart.exp() * edges.to(scores.dtype)
    if weights is not None:
        terms = terms * weights
    total = terms.sum(-1, keepdim=True)
    return terms / torch.where(total > 0, total, torch.ones_like(total))


def _log(weights: Tensor) -> Tensor:
    tiny = torch.finfo(weights.dtype).tiny
    return weights.detach().clamp(min=tiny).log()


class EdgeLabels(nn.Module):
    """One scalar a head from the vector of an edge's label: e_ij.

    Args:
        width: of the label vectors.
        heads: H.
    """

    def __init__(self, width: int, heads: int = 1) -> None:
        super().__init__()
        self.score = nn.Linear(width, heads, bias=False)

    def forward(self, vectors: Tensor, labels: Tensor) -> Tensor:
        """Scores of labelled edges.

        Args:
            vectors: [B, K, width], one vector a label of this graph.
            labels: int [B, N, N], 1 .. K for the label of an edge, 0 for none (scores 0).

        Returns:
            [B, H, N, N].
        """
        found = self.score(vectors).transpose(1, 2)  # B,H,K
        found = functional.pad(found, (1, 0))  # B,H,K+1: number 0 has no label
        heads, size = found.shape[1], labels.shape[-1]
        where = labels.flatten(1).unsqueeze(1).expand(-1, heads, -1)  # B,H,N*N
        return cast(Tensor, found.gather(2, where.long()).unflatten(2, (size, size)))


class GraphAttention(nn.Module):
    """One layer of graph attention, its heads side by side or averaged.

    Args:
        width: D of the nodes.
        out: F of every head.
        heads: H.
        slope: of LeakyReLU below 0.
        dropout: of the shares.
        average: the mean of the heads in place of their concatenation.
        activate: ELU at the end.
        legacy_axis: a public implementation normalises over the RECEIVING nodes (columns sum to 1)
            and lets a column without edges be uniform; edge weights do not fit it.

    Raises:
        ConfigError: no head.
    """

    def __init__(
        self,
        width: int,
        out: int,
        heads: int = 1,
        *,
        slope: float = 0.2,
        dropout: float = 0.0,
        average: bool = False,
        activate: bool = True,
        legacy_axis: bool = False,
    ) -> None:
        super().__init__()
        if heads < 1:
            raise ConfigError(f"graph attention needs at least one head, got {heads}")
        self.heads = heads
        self.slope = slope
        self.average = average
        self.activate = activate
        self.legacy_axis = legacy_axis
        self.linear = nn.Linear(width, heads * out, bias=False)
        #: a of every head: first the part for the receiving node, then the one for its neighbour
        self.attention = nn.Parameter(torch.empty(heads, 2 * out))
        self.dropout = nn.Dropout(dropout)
        nn.init.xavier_uniform_(self.linear.weight, gain=1.414)
        nn.init.xavier_uniform_(self.attention, gain=1.414)

    def forward(
        self,
        nodes: Tensor,
        edges: Tensor,
        *,
        labels: Tensor | None = None,
        weights: Tensor | None = None,
    ) -> Tensor:
        """What every node is after listening to its neighbours.

        Args:
            nodes: [B, N, D].
            edges: [B, N, N], true (or not 0) where i hears j.
            labels: e_ij, [B, N, N] or one for every head [B, H, N, N].
            weights: w_ij of at least 0, in the same shapes.

        Returns:
            [B, N, H * F], or [B, N, F] where heads are averaged.

        Raises:
            ConfigError: weights for the legacy axis.
        """
        states = self.linear(nodes).unflatten(2, (self.heads, -1)).transpose(1, 2)  # B,H,N,F
        shares = self.dropout(self.shares(self.scores(states, labels), edges, weights))  # B,H,N,N
        heard = shares @ states  # B,H,N,F
        found = heard.mean(1) if self.average else heard.transpose(1, 2).flatten(2)
        return functional.elu(found) if self.activate else found

    def scores(self, states: Tensor, labels: Tensor | None = None) -> Tensor:
        """s_ij of states W h [B, H, N, F] -> [B, H, N, N]."""
        receiver, sender = self.attention.chunk(2, 1)  # H,F each
        mine = torch.einsum("bhnf,hf->bhn", states, receiver)
        theirs = torch.einsum("bhnf,hf->bhn", states, sender)
        found = mine.unsqueeze(3) + theirs.unsqueeze(2)  # B,H,N,N
        if labels is not None:
            found = found + _by_head(labels)
        return functional.leaky_relu(found, self.slope)

    def shares(self, scores: Tensor, edges: Tensor, weights: Tensor | None = None) -> Tensor:
        """a_ij, before dropout: [B, H, N, N]."""
        there = _by_head(edges != 0)
        if not self.legacy_axis:
            return neighbour_softmax(scores, there, None if weights is None else _by_head(weights))
        if weights is not None:
            raise ConfigError("edge weights cannot be used with legacy_axis: leave one of them out")
        return scores.masked_fill(~there, _HIDDEN).softmax(-2)


def _by_head(matrix: Tensor) -> Tensor:
    return matrix.unsqueeze(1) if matrix.dim() == 3 else matrix
