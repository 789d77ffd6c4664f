"""Words and objects as two sets of nodes that pass gated messages across: the layer of UMGF.

Zhang, Wei, Li, Wu, Zhu, Zhou: Multi-modal Graph Fusion for Named Entity Recognition with Targeted
Visual Guidance, AAAI 2021. Each edge has a gate of its own, as wide as the states; messages are
summed, not averaged (``mean`` keeps the scale where there are many objects).

Shapes: B batch, T words, O objects, D width, F inner width.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from magpie.errors import ConfigError

__all__ = ["AddNorm", "FeedForward", "GatedGraphLayer", "PairGate", "PlainAttention"]

#: what replaces the scores of hidden keys
_HIDDEN = -1e9


class AddNorm(nn.Module):
    """LN(a + dropout(b)), with a learned scale and shift."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return cast(Tensor, self.norm(a + self.dropout(b)))


class FeedForward(nn.Module):
    """Linear, ReLU, linear."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.inner = nn.Linear(width, inner)
        self.outer = nn.Linear(inner, width)

    def forward(self, states: Tensor) -> Tensor:
        return cast(Tensor, self.outer(torch.relu(self.inner(states))))


class PlainAttention(nn.Module):
    """Multi-head self-attention; without ``values`` the raw states are what is averaged.

    Query and key projections start equal.
    """

    def __init__(self, width: int, heads: int, dropout: float, *, values: bool = True) -> None:
        super().__init__()
        if width % heads:
            raise ConfigError(f"heads ({heads}) must divide width ({width})")
        self.heads = heads
        self.dropout = dropout
        self.query = _linear(width, width)
        self.key = deepcopy(self.query)
        self.value = _linear(width, width) if values else None
        self.output = _linear(width, width) if values else None

    def forward(self, states: Tensor, mask: Tensor | None = None) -> Tensor:
        """[B, T, D]; ``mask`` [B, T] is true where a key may be seen -> [B, T, D]."""
        value = states if self.value is None else self.value(states)
        hidden = None
        if mask is not None:
            # Added, not replaced: -1e9 swallows any score in float32, and no row becomes NaN.
            hidden = (~mask.bool()).to(states.dtype)[:, None, None, :] * _HIDDEN  # B,1,1,T
        found = functional.scaled_dot_product_attention(
            self._split(self.query(states)),
            self._split(self.key(states)),
            self._split(value),
            attn_mask=hidden,
            dropout_p=self.dropout if self.training else 0.0,
        )
        found = found.transpose(1, 2).flatten(2)  # B,T,D
        return found if self.output is None else cast(Tensor, self.output(found))

    def _split(self, states: Tensor) -> Tensor:
        return states.unflatten(2, (self.heads, -1)).transpose(1, 2)


class PairGate(nn.Linear):
    """W [x_i ; o_j] + b for every word i and object j.

    Computed as W_x x_i + W_o o_j + b: each node is multiplied once instead of once a pair, which
    gives the same numbers up to rounding.
    """

    def __init__(self, width: int) -> None:
        super().__init__(2 * width, width)
        _start(self)

    def forward(self, words: Tensor, objects: Tensor) -> Tensor:  # type: ignore[override]
        """[B, T, D] and [B, O, D] -> before the sigmoid [B, T, O, D]."""
        of_words, of_objects = self.weight.chunk(2, 1)
        return functional.linear(words, of_words).unsqueeze(2) + functional.linear(
            objects, of_objects, self.bias
        ).unsqueeze(1)


class GatedGraphLayer(nn.Module):
    """Self-attention on both sides, gated messages across, a feed-forward part on both sides.

    Linear layers start Xavier-uniform with zero bias.

    Args:
        width: D.
        heads: of both attentions.
        inner: F.
        dropout: of attention probabilities and of every update.
        pooling: over the nodes of the other side; ``mean`` is over its edges.
        intra_ffn: the paper's further feed-forward part between attention and exchange.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        inner: int,
        dropout: float,
        *,
        pooling: Literal["sum", "mean"] = "sum",
        intra_ffn: bool = False,
    ) -> None:
        super().__init__()
        self.pooling = pooling
        self.attention_text = PlainAttention(width, heads, dropout)
        self.attention_objects = PlainAttention(width, heads, dropout, values=False)
        self.norm_attention_text = AddNorm(width, dropout)
        self.norm_attention_objects = AddNorm(width, dropout)
        self.intra: nn.ModuleDict | None = None
        if intra_ffn:
            self.intra = nn.ModuleDict(
                {
                    "text": FeedForward(width, inner),
                    "norm_text": AddNorm(width, dropout),
                    "objects": FeedForward(width, inner),
                    "norm_objects": AddNorm(width, dropout),
                }
            )
        self.gate_for_words = PairGate(width)
        self.gate_for_objects = PairGate(width)
        self.norm_gate_text = AddNorm(width, dropout)
        self.norm_gate_objects = AddNorm(width, dropout)
        self.ffn_text = FeedForward(width, inner)
        self.ffn_objects = FeedForward(width, inner)
        self.norm_ffn_text = AddNorm(width, dropout)
        self.norm_ffn_objects = AddNorm(width, dropout)
        for module in self.modules():
            # Queries and keys were made equal above and stay as they are.
            if isinstance(module, FeedForward):
                _start(module.inner)
                _start(module.outer)

    def forward(
        self,
        words: Tensor,
        objects: Tensor,
        mask: Tensor,
        edges: Tensor,
        seen: Tensor | None = None,
        weight: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """One layer.

        Args:
            words: x, [B, T, D].
            objects: o, [B, O, D].
            mask: [B, T], which words there are.
            edges: N, [B, T, O], 1 where a word and an object are joined.
            seen: [B, O], which objects the others may attend to; all where it is None.
            weight: [B, T], of what each word receives; 1 where it is None.

        Returns:
            Both sides anew, in their shapes.
        """
        x = self.norm_attention_text(words, self.attention_text(words, mask))  # x1: B,T,D
        o = self.norm_attention_objects(objects, self.attention_objects(objects, seen))  # o1
        if self.intra is not None:
            x = self.intra["norm_text"](x, self.intra["text"](x))
            o = self.intra["norm_objects"](o, self.intra["objects"](o))
        m, n = self.messages(x, o, edges)  # B,T,D  B,O,D
        if weight is not None:
            m = weight.unsqueeze(2) * m
        x = self.norm_gate_text(x, m)  # x2
        o = self.norm_gate_objects(o, n)  # o2
        return (
            self.norm_ffn_text(x, self.ffn_text(x)),
            self.norm_ffn_objects(o, self.ffn_objects(o)),
        )

    def messages(self, words: Tensor, objects: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        """What words receive, m [B, T, D], and what objects receive, n [B, O, D]."""
        joined = edges.to(words.dtype)
        to_words = to_objects = joined
        if self.pooling == "mean":
            to_words = joined / joined.sum(2, keepdim=True).clamp(min=1)
            to_objects = joined / joined.sum(1, keepdim=True).clamp(min=1)
        alpha = torch.sigmoid(self.gate_for_words(words, objects))  # B,T,O,D
        beta = torch.sigmoid(self.gate_for_objects(words, objects))  # B,T,O,D
        m = torch.einsum("btod,bto,bod->btd", alpha, to_words, objects)
        n = torch.einsum("btod,bto,btd->bod", beta, to_objects, words)
        return m, n


def _start(layer: nn.Linear) -> nn.Linear:
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _linear(inputs: int, outputs: int) -> nn.Linear:
    return _start(nn.Linear(inputs, outputs))
