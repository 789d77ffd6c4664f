"""ISE's network on one graph a pair: encode it, screen it, compress what is left of it.

    h     = GAT2(x, A)                                    nodes beside their neighbours
    rho_i = concrete(FFN([h_i ; phi(i) ; h_s ; h_o]))     which nodes stay
    rho_ij = concrete(FFN([h_i ; h_j ; h_s ; h_o]))       which edges there are
    h-    = GAT2(rho h, rho_ij rho_i rho_j)
    a     = [h-_s ; h-_o ; mean h-],  z ~ N(W a, softplus(V a))

Node 0 is the head, node 1 the tail; they are never dropped.

Shapes: N pairs, M nodes of a graph, D width, E width of label vectors, K labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from magpie.nn.bottleneck import Compressed, GaussianBottleneck
from magpie.nn.gates import BinaryConcrete, symmetric, uniform_draws
from magpie.nn.graph_attention import EdgeLabels, GraphAttention, with_self_loops
from magpie.nn.screening import (
    EdgeGate,
    FeatureMask,
    NodeGate,
    PerspectiveEdges,
    kept_edges,
    neighbourhood,
    pool_neighbours,
)

__all__ = ["Graphs", "Screened", "ScreeningNetwork"]


@dataclass(frozen=True, slots=True)
class Graphs:
    """A batch of graphs: ``nodes`` [N, M, D], ``real`` bool [N, M], ``labels`` int [N, M, M] (0 no
    edge), ``vectors`` [N, K, D] of the labels, and ``text`` nodes before all others."""

    nodes: Tensor
    real: Tensor
    labels: Tensor
    vectors: Tensor
    text: int

    @property
    def both(self) -> Tensor:
        """Pairs of real nodes, bool [N, M, M]."""
        return self.real.unsqueeze(2) & self.real.unsqueeze(1)


@dataclass(frozen=True, slots=True)
class Screened:
    """What came of a batch: ``encoded`` and ``refined`` nodes [N, M, D]; the probabilities
    ``node_chance`` [N, M] and ``edge_chance`` [N, M, M] with the gates ``nodes`` and ``edges``
    drawn from them, an edge's gate times those of its ends; ``summary`` a [N, 3 D]."""

    encoded: Tensor
    refined: Tensor
    node_chance: Tensor
    edge_chance: Tensor
    nodes: Tensor
    edges: Tensor
    summary: Tensor


class ScreeningNetwork(nn.Module):
    """Graph attention, gates, graph attention, bottleneck.

    Args:
        width: D.
        layers: of graph attention, before and behind the gates.
        hops: of a node's neighbourhood.
        temperature: tau.
        dropout: of attention.
        kept_first: what the gates' last layers add at first; above 0 all is kept at the beginning.
        perspectives: of the public edge learner.
        legacy_refine: the public feature mask and edge learner in place of the gates.
        legacy_attention: the public attention: over the wrong axis, slope 0, without labels.
        legacy_text_rows: text nodes hear nobody while the graph is refined.
    """

    def __init__(
        self,
        width: int,
        *,
        layers: int = 2,
        hops: int = 2,
        temperature: float = 0.1,
        dropout: float = 0.5,
        kept_first: float = 0.0,
        perspectives: int = 16,
        legacy_refine: bool = False,
        legacy_attention: bool = False,
        legacy_text_rows: bool = False,
    ) -> None:
        super().__init__()
        self.hops = hops
        self.legacy_attention = legacy_attention
        self.legacy_text_rows = legacy_text_rows
        slope = 0.0 if legacy_attention else 0.2

        def attention() -> nn.ModuleList:
            return nn.ModuleList(
                GraphAttention(
                    width, width, slope=slope, dropout=dropout, legacy_axis=legacy_attention
                )
                for _ in range(layers)
            )

        self.encoder, self.refiner = attention(), attention()
        self.label_scores = nn.ModuleList(EdgeLabels(width) for _ in range(layers))
        self.node_gate: NodeGate | None = None
        self.edge_gate: EdgeGate | None = None
        self.feature_mask: FeatureMask | None = None
        self.edge_learner: PerspectiveEdges | None = None
        if legacy_refine:
            self.feature_mask = FeatureMask(width)
            self.edge_learner = PerspectiveEdges(width, perspectives)
        else:
            self.node_gate = NodeGate(width, bias=kept_first)
            self.edge_gate = EdgeGate(width, bias=kept_first)
        self.gate = BinaryConcrete(temperature)
        self.bottleneck = GaussianBottleneck(3 * width)

    def encode(self, graphs: Graphs) -> Tensor:
        """h, [N, M, D]."""
        states = graphs.nodes
        edges = with_self_loops(graphs.labels > 0, graphs.real)
        for layer, scores in zip(self.encoder, self.label_scores, strict=True):
            # The public code adds labels where there is NO edge, in shapes that do not fit.
            said = None if self.legacy_attention else scores(graphs.vectors, graphs.labels)
            states = layer(states, edges, labels=said)
        return states

    def forward(self, graphs: Graphs, draws: tuple[Tensor, Tensor] | None = None) -> Screened:
        """Everything up to a; ``draws`` from (0, 1) for nodes [N, M] and pairs [N, M, M], or for
        the feature mask a standard normal draw of every layer [layers, N, M, D] and nothing."""
        encoded = self.encode(graphs)
        if self.edge_learner is not None:
            return self._refine_publicly(graphs, encoded, None if draws is None else draws[0])
        ends = encoded[:, :2].flatten(1)  # N,2D
        around = pool_neighbours(encoded, self._reached(graphs))
        node_chance = cast(NodeGate, self.node_gate)(encoded, around, ends)  # N,M
        edge_chance = cast(EdgeGate, self.edge_gate)(encoded, ends)  # N,M,M
        for_nodes, for_pairs = draws or (None, uniform_draws(edge_chance))
        nodes = self.gate(node_chance, for_nodes)
        pairs = self.gate(edge_chance, symmetric(for_pairs))
        return self.refine(graphs, encoded, node_chance, edge_chance, nodes, pairs)

    def refine(
        self,
        graphs: Graphs,
        encoded: Tensor,
        node_chance: Tensor,
        edge_chance: Tensor,
        nodes: Tensor,
        pairs: Tensor,
    ) -> Screened:
        """What is left of a graph by gates of nodes [N, M] and pairs [N, M, M].

        The gates of head and tail, and those of a node with itself, are 1 whatever is given.
        """
        real = graphs.real.to(nodes.dtype)
        ends = torch.zeros_like(real)
        ends[:, :2] = 1
        nodes = torch.where(ends > 0, torch.ones_like(nodes), nodes) * real
        loops = torch.eye(pairs.shape[1], dtype=torch.bool, device=pairs.device)
        pairs = torch.where(loops, torch.ones_like(pairs), pairs)
        edges = kept_edges(pairs, nodes)  # N,M,M
        states = nodes.unsqueeze(2).to(encoded.dtype) * encoded
        for layer in self.refiner:
            if self.legacy_attention:
                states = layer(states, (edges > 0.5) & self._heard(graphs))
            else:
                states = layer(states, self._heard(graphs), weights=edges.to(states.dtype))
        share = (nodes / nodes.sum(1, keepdim=True).clamp(min=1e-6)).unsqueeze(2)
        mean = (share.to(states.dtype) * states).sum(1)
        summary = torch.cat([states[:, :2].flatten(1), mean], 1)  # N,3D
        return Screened(encoded, states, node_chance, edge_chance, nodes, edges, summary)

    def compress(self, summary: Tensor, draw: Tensor | None = None) -> Compressed:
        """z of a [N, 3 D]."""
        return cast(Compressed, self.bottleneck(summary, draw))

    def _reached(self, graphs: Graphs) -> Tensor:
        near = neighbourhood(graphs.labels, self.hops)
        # Padding is near itself alone, so that its maximum is finite.
        return near & (graphs.both | torch.eye(near.shape[1], dtype=torch.bool, device=near.device))

    def _heard(self, graphs: Graphs) -> Tensor:
        """Who may hear whom while the graph is refined."""
        heard = graphs.both
        if self.legacy_text_rows:
            heard = heard.clone()
            heard[:, : graphs.text] = False
        return heard

    def _refine_publicly(self, graphs: Graphs, encoded: Tensor, draws: Tensor | None) -> Screened:
        """Mask and learner before every layer; the learner's values count as above 0.5 or not."""
        mask, learner = cast(FeatureMask, self.feature_mask), cast(nn.Module, self.edge_learner)
        heard = self._heard(graphs)
        loops = torch.eye(encoded.shape[1], device=encoded.device)
        states, values = encoded, loops
        for number, each in enumerate(self.refiner):
            layer = cast(GraphAttention, each)
            states = mask(states, None if draws is None else draws[number])
            values = (learner(states, graphs.real) + loops) * heard
            heard_by = values > 0.5
            found = layer(states, heard_by)
            if not self.legacy_attention:
                # Whoever hears nobody gets the mean of all, as a softmax over nothing has it.
                alone = ~heard_by.any(2, keepdim=True)
                mean = functional.elu(layer.linear(states).mean(1, keepdim=True))
                found = torch.where(alone, mean, found)
            states = found
        real = graphs.real.to(states.dtype)
        mean = (real.unsqueeze(2) * states).sum(1) / real.sum(1, keepdim=True)
        summary = torch.cat([states[:, :2].flatten(1), mean], 1)
        kept = (values > 0.5).to(states.dtype)
        return Screened(encoded, states, real, values, real, kept, summary)
