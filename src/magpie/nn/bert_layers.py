"""One BERT layer whose queries may come from elsewhere than its keys and values.

Multimodal methods stack such layers on BERT (UMT, Yu et al., ACL 2020, and its successors): the
layer is BERT's own, post-norm, but words may ask picture cells and cells may ask words. The
residual always comes from the side that asks.

Shapes: B batch, Q queries, K keys, D width, F inner width.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from magpie.errors import ConfigError
from magpie.nn.attention_boost import CalibratedAttention, calibrated_attention

__all__ = ["HIDDEN", "CrossLayer", "CrossStack", "LayerSizes", "SelfLayer", "bert_init"]

#: what BERT's code adds to the scores of hidden keys; its exponential is exactly zero in float32
HIDDEN = -10000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSizes:
    """Sizes and rates of a BERT layer; the defaults are those of BERT-base.

    Raises:
        ConfigError: the heads do not divide the width.
    """

    #: D
    width: int = 768
    heads: int = 12
    #: F
    inner: int = 3072
    #: on both outputs
    dropout: float = 0.1
    #: on attention probabilities
    attention_dropout: float = 0.1
    norm_eps: float = 1e-12
    #: of new weights; 0.02 suits hundreds of channels, tens of them need more to start learning
    deviation: float = 0.02

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise ConfigError(f"heads ({self.heads}) must divide width ({self.width})")

    @classmethod
    def of(cls, config: Any) -> Self:
        """Those of a transformers encoder, so that new layers look like its own."""
        return cls(
            width=config.hidden_size,
            heads=config.num_attention_heads,
            inner=config.intermediate_size,
            dropout=config.hidden_dropout_prob,
            attention_dropout=config.attention_probs_dropout_prob,
            norm_eps=config.layer_norm_eps,
            deviation=config.initializer_range,
        )


class CrossLayer(nn.Module):
    """A = LN(q + drop(W_o MHA(q, kv, kv))); out = LN(A + drop(W_2 gelu(W_1 A))), erf form of gelu.

    Weights start as BERT's do: normal, biases zero.
    """

    def __init__(self, sizes: LayerSizes) -> None:
        super().__init__()
        self.sizes = sizes
        #: corrects the attention, where a method wants that
        self.calibration: CalibratedAttention | None = None
        self.query = nn.Linear(sizes.width, sizes.width)
        self.key = nn.Linear(sizes.width, sizes.width)
        self.value = nn.Linear(sizes.width, sizes.width)
        self.attended = nn.Linear(sizes.width, sizes.width)
        self.norm_attended = nn.LayerNorm(sizes.width, eps=sizes.norm_eps)
        self.inner = nn.Linear(sizes.width, sizes.inner)
        self.outer = nn.Linear(sizes.inner, sizes.width)
        self.norm_output = nn.LayerNorm(sizes.width, eps=sizes.norm_eps)
        self.dropout = nn.Dropout(sizes.dropout)
        self.apply(partial(bert_init, deviation=sizes.deviation))

    def forward(
        self,
        queries: Tensor,
        keys: Tensor,
        mask: Tensor | None = None,
        bias: Tensor | None = None,
    ) -> Tensor:
        """[B, Q, D] asks [B, K, D]; ``mask`` [B, K] is 1 where a key may be seen -> [B, Q, D].

        ``bias`` [B, K] is added to the scores of the keys.
        """
        hidden = None
        if mask is not None:
            hidden = (1.0 - mask.to(queries.dtype))[:, None, None, :] * HIDDEN  # B,1,1,K
        if bias is not None:
            hidden = bias[:, None, None, :] if hidden is None else hidden + bias[:, None, None, :]
        q, k, v = (
            self._heads(part) for part in (self.query(queries), self.key(keys), self.value(keys))
        )
        rate = self.sizes.attention_dropout if self.training else 0.0
        if self.calibration is None:
            found = functional.scaled_dot_product_attention(
                q, k, v, attn_mask=hidden, dropout_p=rate
            )
        else:
            found = calibrated_attention(self.calibration, q, k, v, hidden, rate=rate)
        found = found.transpose(1, 2).flatten(2)  # B,Q,D
        a = self.norm_attended(queries + self.dropout(self.attended(found)))
        grown = self.outer(functional.gelu(self.inner(a)))
        return cast(Tensor, self.norm_output(a + self.dropout(grown)))

    def _heads(self, states: Tensor) -> Tensor:
        """[B, T, D] -> [B, heads, T, D / heads]."""
        return states.unflatten(2, (self.sizes.heads, -1)).transpose(1, 2)


class SelfLayer(CrossLayer):
    """The same layer asking itself: a standard BERT layer."""

    def forward(self, states: Tensor, mask: Tensor | None = None) -> Tensor:  # type: ignore[override]
        """[B, T, D], mask [B, T] -> [B, T, D]."""
        return super().forward(states, states, mask)


class CrossStack(nn.Module):
    """Cross layers one after the other: what asks is replaced by the answer, what is asked stays.

    Args:
        sizes: of every layer.
        count: layers; at least one.
    """

    def __init__(self, sizes: LayerSizes, count: int = 1) -> None:
        super().__init__()
        if count < 1:
            raise ConfigError(f"a stack needs at least one layer, got {count}")
        self.layers = nn.ModuleList(CrossLayer(sizes) for _ in range(count))

    def cross_layers(self) -> tuple[CrossLayer, ...]:
        """Its layers, the first one first."""
        return tuple(cast(CrossLayer, layer) for layer in self.layers)

    def forward(
        self,
        queries: Tensor,
        keys: Tensor,
        mask: Tensor | None = None,
        bias: Tensor | None = None,
    ) -> Tensor:
        """[B, Q, D], [B, K, D], mask and bias [B, K] -> [B, Q, D]."""
        for layer in self.layers:
            queries = layer(queries, keys, mask, bias)
        return queries


@torch.no_grad()
def bert_init(module: nn.Module, deviation: float = 0.02) -> None:
    """Weights of linear layers N(0, deviation), biases 0, norms 1 and 0: for ``Module.apply``."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=deviation)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.LayerNorm):
        module.reset_parameters()
