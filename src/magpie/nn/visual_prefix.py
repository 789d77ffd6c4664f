"""Pictures as further keys and values in every layer of a text encoder.

Chen et al.: Good Visual Guidance Makes A Better Extractor: Hierarchical Visual Prefix for
Multimodal Entity and Relation Extraction, Findings of NAACL 2022 (HVPNeT). A prefix enters as
finished keys and values: the encoder's own projections are not applied to it, it asks nothing
itself, and positions of the text do not shift.

Shapes: B batch, T text tokens, N pictures of a text, Q slots a picture, S = N Q prefix slots,
K levels, H heads, D text width, C channels of all blocks together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel

from magpie.errors import ConfigError
from magpie.nn.attention_boost import CalibratedAttention, calibrated_attention

__all__ = [
    "Layout",
    "Prefix",
    "Pyramid",
    "VisualPrefix",
    "pool_blocks",
    "prefix_heads",
    "prefixed_states",
]

#: reshape: the public code's, which mixes slots and channels; heads: split as BERT splits its own
Layout = Literal["reshape", "heads"]
#: joined: one map over all blocks, as the public code; per_block: a map each, as the paper
Pyramid = Literal["joined", "per_block"]

#: what BERT's code adds to the scores of hidden keys
_HIDDEN = -10000.0
#: weight that no sum of float32 notices; the logarithm of 0 would have no gradient
_LEAST = 1e-30


class Prefix(NamedTuple):
    """Keys and values of one layer, [B, H, S, D / H] each."""

    keys: Tensor
    values: Tensor


def pool_blocks(blocks: Sequence[Tensor]) -> list[Tensor]:
    """Average pooling of every map [B, C_k, side, side] to [B, C_k, 2, 2].

    Kernel and stride are half the side; the last row and column of an odd side are dropped.

    Raises:
        ConfigError: a map of side 1 or 3, which no such kernel brings to 2 x 2.
    """
    pooled = []
    for block in blocks:
        side = block.shape[-1]
        found = functional.avg_pool2d(block, side // 2) if side > 1 else block
        if tuple(found.shape[2:]) != (2, 2):
            raise ConfigError(
                f"a map of {block.shape[2]}x{side} cells cannot be pooled to 2x2",
                mend="Use pictures of 49 to 64 pixels, or of at least 97.",
            )
        pooled.append(found)
    return pooled


def prefix_heads(slots: Tensor, heads: int, layout: Layout) -> Tensor:
    """[B, S, D] -> [B, H, S, D / H].

    With ``reshape`` head h, slot s, component k is the number at h S D/H + s D/H + k of the slots
    written one after the other. With as many heads as 3 N, as published, every picture reaches
    three heads only, and no head sees two pictures.
    """
    count, width = slots.shape[1], slots.shape[2]
    if layout == "reshape":
        return slots.reshape(-1, heads, count, width // heads)
    return slots.unflatten(2, (heads, width // heads)).transpose(1, 2)


class VisualPrefix(nn.Module):
    """Blocks of a convolutional encoder -> one prefix for each layer of the text encoder.

    ``joined`` (as the public code): the blocks' channels are concatenated and cut into Q groups,
    one map M mixes all of them, and its output is read as K levels. ``per_block`` (as the paper
    draws it): every block has a map of its own and is one level; its four cells are the slots.

    Args:
        channels: C_k of each block.
        width: D.
        layers: of the text encoder.
        heads: H.
        slots: Q; ``per_block`` has four, one a cell.
        hidden: inner width of M.
        layout: how keys and values are split into heads.
        pyramid: see above.
    """

    levels = 4

    def __init__(
        self,
        channels: Sequence[int],
        width: int,
        layers: int,
        heads: int,
        *,
        slots: int = 4,
        hidden: int = 800,
        layout: Layout = "reshape",
        pyramid: Pyramid = "joined",
    ) -> None:
        super().__init__()
        total = 4 * sum(channels)
        if len(channels) != self.levels:
            raise ConfigError(f"expected {self.levels} blocks, got {len(channels)}")
        if total % slots or (pyramid == "per_block" and slots != 4):
            raise ConfigError(f"{slots} slots do not fit {sum(channels)} channels of 4 cells")
        self.width, self.heads, self.slots = width, heads, slots
        self.layout: Layout = layout
        self.pyramid = pyramid
        if pyramid == "joined":
            self.project: nn.Module = nn.Sequential(
                nn.Linear(total // slots, hidden),
                nn.Tanh(),
                nn.Linear(hidden, self.levels * 2 * width),
            )
        else:
            self.project = nn.ModuleList(nn.Linear(size, 2 * width) for size in channels)
        self.gates = nn.ModuleList(nn.Linear(slots * 2 * width, self.levels) for _ in range(layers))

    def forward(self, blocks: Sequence[Tensor], pictures: int) -> list[Prefix]:
        """Maps [B N, C_k, side, side], pictures of a text after one another -> a prefix a layer."""
        levels = self.level_states(blocks)  # K x BN,Q,2D
        mean = torch.stack(levels).mean(0).flatten(1)  # BN,2QD
        prefixes = []
        for gate in self.gates:
            g = torch.softmax(functional.leaky_relu(gate(mean)), 1)  # BN,K
            mixed = sum(
                (g[:, k, None, None] * level for k, level in enumerate(levels[1:], start=1)),
                g[:, 0, None, None] * levels[0],
            )  # BN,Q,2D
            slots = mixed.reshape(-1, pictures * self.slots, 2 * self.width)  # B,S,2D
            keys, values = slots.chunk(2, 2)
            prefixes.append(
                Prefix(
                    prefix_heads(keys, self.heads, self.layout),
                    prefix_heads(values, self.heads, self.layout),
                )
            )
        return prefixes

    def level_states(self, blocks: Sequence[Tensor]) -> list[Tensor]:
        """G_1 .. G_K, [B N, Q, 2 D] each."""
        pooled = pool_blocks(blocks)
        if isinstance(self.project, nn.ModuleList):
            return [
                layer(block.flatten(2).transpose(1, 2))
                for layer, block in zip(self.project, pooled, strict=True)
            ]
        slots = self.pyramid_slots(pooled)
        return list(self.project(slots).chunk(self.levels, 2))

    def pyramid_slots(self, pooled: Sequence[Tensor]) -> Tensor:
        """Pooled blocks -> [B N, Q, 4 C / Q]: slot r holds the r-th group of channels."""
        joined = torch.cat(list(pooled), 1)  # BN,C,2,2
        return joined.reshape(joined.shape[0], self.slots, -1)


def prefixed_states(
    encoder: PreTrainedModel,
    input_ids: Tensor,
    attention_mask: Tensor,
    prefixes: Sequence[Prefix],
    prefix_mask: Tensor,
    weight: Tensor | None = None,
    calibrations: Sequence[CalibratedAttention] = (),
) -> Tensor:
    """Last states of a BERT-like encoder whose layers also attend to a prefix.

    Args:
        encoder: of transformers, with ``embeddings`` and ``encoder.layer``.
        input_ids: [B, T].
        attention_mask: [B, T], 1 where there is a token.
        prefixes: one a layer.
        prefix_mask: [B, S], 1 where a slot may be seen.
        weight: [B, T], 1 where it is None: how often a slot counts when a token spreads its
            attention; 0 hides the prefix from the token.
        calibrations: one a layer, that correct the attention; none leaves it as it is.

    Returns:
        [B, T, D].
    """
    parts = cast(Any, encoder)
    states = parts.embeddings(input_ids=input_ids)
    seen = torch.cat([prefix_mask, attention_mask], 1).to(states.dtype)
    hidden = (1.0 - seen)[:, None, None, :] * _HIDDEN  # B,1,1,S+T
    # Spread over the queries: fused attention wants no broadcast there.
    hidden = hidden.expand(-1, -1, states.shape[1], -1)
    if weight is not None:
        # A key whose score gains ln w counts w times.
        lift = weight.to(states.dtype).clamp_min(_LEAST).log()[:, None, :, None]  # B,1,T,1
        slots, own = hidden.split([prefix_mask.shape[1], attention_mask.shape[1]], -1)
        hidden = torch.cat([slots + lift, own], -1)
    for number, (layer, prefix) in enumerate(zip(parts.encoder.layer, prefixes, strict=True)):
        if calibrations:
            states = _calibrated_layer(layer, states, hidden, prefix, calibrations[number])
        else:
            states = layer(states, hidden, past_key_values=_InFront(prefix))
    return cast(Tensor, states)


def _calibrated_layer(
    layer: Any, states: Tensor, hidden: Tensor, prefix: Prefix, calibration: CalibratedAttention
) -> Tensor:
    """A BERT layer with a prefix in front of its keys and values, its attention corrected."""
    own = layer.attention.self
    queries, keys, values = (
        project(states).unflatten(2, (own.num_attention_heads, -1)).transpose(1, 2)
        for project in (own.query, own.key, own.value)
    )  # B,H,T,D/H
    keys, values = _InFront(prefix).update(keys, values)  # B,H,S+T,D/H
    context = calibrated_attention(
        calibration,
        queries,
        keys,
        values,
        hidden,
        rate=own.dropout.p if own.training else 0.0,
        # A slot that counts as good as never is not to be raised either.
        seen=hidden > math.log(_LEAST) + 1,
    )
    attended = layer.attention.output(context.transpose(1, 2).flatten(2), states)
    return cast(Tensor, layer.feed_forward_chunk(attended))


class _InFront:
    """What transformers calls a cache: puts the prefix in front of a layer's keys and values."""

    def __init__(self, prefix: Prefix) -> None:
        self.prefix = prefix

    def update(self, keys: Tensor, values: Tensor, *_: Any) -> tuple[Tensor, Tensor]:
        return (
            torch.cat([self.prefix.keys.to(keys.dtype), keys], 2),
            torch.cat([self.prefix.values.to(values.dtype), values], 2),
        )
