"""Two towers run layer by layer, side by side, and the two roads between them.

Chen et al.: Hybrid Transformer with Multi-level Fusion for Multimodal Knowledge Graph Completion
(MKGformer), SIGIR 2022, which several later methods build on. Below the fusion layers a CLIP layer
and a BERT layer each go their own way. In a fusion layer the picture goes first and attends also
to the keys and values of the text layer before (prefix-guided interaction); then the text's
feed-forward part adds what its words find in the picture (correlation-aware fusion).

Layers and weights of both towers stay those of transformers; only what is new is held here. What
later methods change is a switch of :class:`LockStep`: which picture tokens count and how often, and
what happens to them before the fusion layers (MOREformer pools them to objects).

Shapes: N texts, B pictures, T pieces, P picture tokens, O what is left of them in the fusion layers
(P unless they are pooled), K cut-outs, H heads, D width of both towers, F inner width of the text's
feed-forward part, Q places of a text that are read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.masking_utils import create_bidirectional_mask

from magpie.errors import ConfigError
from magpie.nn.attention_boost import CalibratedAttention, calibrated_attention
from magpie.nn.bert_layers import bert_init

__all__ = [
    "CorrelationFusion",
    "CropTokens",
    "Judge",
    "KeysValues",
    "LockStep",
    "TowerStates",
    "correlated",
    "crop_patches",
    "prefix_guided",
    "text_keys_values",
    "text_layer",
]

#: keys and values of one layer, both [N, H, T, D / H]
KeysValues = tuple[Tensor, Tensor]
#: text [N, T, D] and picture [N, O, D] before they exchange -> weight and bias of pieces, [N, T]
Judge = Callable[[Tensor, Tensor], tuple[Tensor | None, Tensor | None]]


def _heads(states: Tensor, count: int) -> Tensor:
    """[N, T, D] -> [N, H, T, D / H]."""
    return states.unflatten(2, (count, -1)).transpose(1, 2)


def _attend(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    seen: Tensor | None,
    rate: float,
    calibration: CalibratedAttention | None = None,
) -> Any:
    """Scaled by the root of D / H; ``seen`` is true where a key may be seen -> [N, T, D]."""
    if calibration is None:
        found = functional.scaled_dot_product_attention(
            queries, keys, values, attn_mask=seen, dropout_p=rate
        )
    else:
        found = calibrated_attention(calibration, queries, keys, values, seen, rate=rate)
    return found.transpose(1, 2).flatten(2)


def prefix_guided(
    layer: Any,
    states: Tensor,
    prefix: KeysValues,
    seen: Tensor | None,
    calibration: CalibratedAttention | None = None,
) -> Tensor:
    """Text -> picture: a CLIP layer whose keys and values begin with those of a text layer.

    Z <- Z + Attn(LN1 Z; [K_text ; K], [V_text ; V]); Z <- Z + MLP(LN2 Z).

    Args:
        layer: of a CLIP vision tower.
        states: Z [N, P, D].
        prefix: K_text and V_text.
        seen: [N, 1, 1, T + P], true where a key may be seen, or what is added to the scores; None
            for everything.
        calibration: corrects the attention, where a method wants that.
    """
    own = layer.self_attn
    z = layer.layer_norm1(states)  # N,P,D
    queries, keys, values = (
        _heads(project(z), own.num_heads) for project in (own.q_proj, own.k_proj, own.v_proj)
    )
    keys, values = torch.cat([prefix[0], keys], 2), torch.cat([prefix[1], values], 2)  # N,H,T+P,.
    rate = own.dropout if layer.training else 0.0
    states = states + own.out_proj(_attend(queries, keys, values, seen, rate, calibration))
    return cast(Tensor, states + layer.mlp(layer.layer_norm2(states)))


def correlated(
    context: Tensor,
    vision: Tensor,
    bias: Tensor | None = None,
    calibration: CalibratedAttention | None = None,
) -> Tensor:
    """F = softmax(C Z^T) Z, not scaled: context C [N, T, D], vision Z [N, P, D] -> [N, T, D].

    ``bias`` [N, P] is added to the scores, minus infinity where a token does not count;
    ``calibration`` corrects the softmax.
    """
    if calibration is not None:
        hidden = None if bias is None else bias[:, None]
        return calibrated_attention(calibration, context, vision, vision, hidden, scale=1.0)
    similarity = context @ vision.transpose(1, 2)  # N,T,P
    if bias is not None:
        similarity = similarity + bias[:, None]
    return similarity.softmax(-1) @ vision


class CorrelationFusion(nn.Module):
    """Picture -> text: what is added inside the feed-forward part, W_f F + b_f.

    Args:
        width: D.
        inner: F.
        deviation: of new weights.
    """

    def __init__(self, width: int, inner: int, deviation: float) -> None:
        super().__init__()
        #: corrects what words ask, where a method wants that
        self.calibration: CalibratedAttention | None = None
        self.dense = nn.Linear(width, inner)
        bert_init(self.dense, deviation)

    def forward(self, context: Tensor, vision: Tensor, bias: Tensor | None = None) -> Tensor:
        """C [N, T, D], Z [N, P, D] -> [N, T, F]; ``bias`` as of :func:`correlated`."""
        return cast(Tensor, self.dense(correlated(context, vision, bias, self.calibration)))


def text_keys_values(layer: Any, states: Tensor) -> KeysValues:
    """Keys and values of a BERT layer, computed from its input [N, T, D]."""
    own = layer.attention.self
    count = own.num_attention_heads
    return _heads(own.key(states), count), _heads(own.value(states), count)


def text_layer(
    layer: Any,
    states: Tensor,
    keys_values: KeysValues,
    seen: Tensor | None,
    fusion: CorrelationFusion | None = None,
    vision: Tensor | None = None,
    bias: Tensor | None = None,
    weight: Tensor | None = None,
) -> Tensor:
    """A BERT layer; with a fusion its feed-forward part also reads the picture.

    C = heads side by side, before W_o; a = LN(W_o C + x);
    h = gelu(W_1 a + b_1 + W_f F + b_f); y = LN(W_2 h + b_2 + a).

    ``states`` may be those of some places only: keys and values are of all. ``bias`` is that of
    :func:`correlated`; ``weight`` [N, T] multiplies W_f F + b_f.
    """
    own = layer.attention.self
    queries = _heads(own.query(states), own.num_attention_heads)
    rate = own.dropout.p if own.training else 0.0
    context = _attend(queries, *keys_values, seen, rate)  # N,T,D
    a = layer.attention.output(context, states)
    grown = layer.intermediate.dense(a)  # N,T,F
    if fusion is not None and vision is not None:
        read = fusion(context, vision, bias)
        grown = grown + (read if weight is None else weight.unsqueeze(2) * read)
    h = layer.intermediate.intermediate_act_fn(grown)
    return cast(Tensor, layer.output(h, a))


class CropTokens(nn.Module):
    """Cut-outs of two sizes as picture tokens behind CLIP's class embedding.

    CLIP's own patch convolution reads them; each kind has a learned table of positions. The class
    token has none. Cut-outs that are absent are zeros: patches of zeros with positions.

    Args:
        grounded, detector: K and patches a cut-out of each kind.
        width: D.
        deviation: of both tables; CLIP draws its own table so.
    """

    def __init__(
        self,
        grounded: tuple[int, int],
        detector: tuple[int, int],
        width: int,
        deviation: float = 0.02,
    ) -> None:
        super().__init__()
        self.grounded_positions = nn.Parameter(torch.empty(grounded[0] * grounded[1], width))
        self.detector_positions = nn.Parameter(torch.empty(detector[0] * detector[1], width))
        for table in (self.grounded_positions, self.detector_positions):
            nn.init.normal_(table, std=deviation)

    def forward(
        self, clip: Any, grounded: Tensor, detector: Tensor, whole: Tensor | None = None
    ) -> Tensor:
        """Before the first norm: [class; patches of the whole; of the grounded; of the detector].

        Args:
            clip: the vision tower.
            grounded, detector: [B, K, 3, side, side] of each kind.
            whole: [B, 3, side, side], with CLIP's own positions.
        """
        own = clip.embeddings
        parts = [own.class_embedding.expand(len(grounded), 1, -1)]  # B,1,D
        if whole is not None:
            parts.append(_flat(own, whole[:, None]) + own.position_embedding.weight[1:])
        parts.append(_flat(own, grounded) + self.grounded_positions)
        parts.append(_flat(own, detector) + self.detector_positions)
        return torch.cat(parts, 1)  # B,P,D


def crop_patches(convolution: nn.Module, crops: Tensor) -> Tensor:
    """[B, K, C, side, side] -> [B, K, patches, D], the patches of a cut-out row by row."""
    read = convolution(crops.flatten(0, 1))  # B*K,D,rows,columns
    return cast(Tensor, read.flatten(2).transpose(1, 2).unflatten(0, crops.shape[:2]))


def _flat(embeddings: Any, crops: Tensor) -> Tensor:
    """By CLIP's own convolution: [B, K, 3, side, side] -> [B, K * patches, D]."""
    return crop_patches(embeddings.patch_embedding, crops).flatten(1, 2)


@dataclass(frozen=True, slots=True)
class TowerStates:
    """What every layer returned: ``text`` [N, T, D] (the last one [N, Q, D] where places were
    named); ``vision`` [B, P, D] below the fusion layers, [N, O, D] in them."""

    text: tuple[Tensor, ...]
    vision: tuple[Tensor, ...]


class LockStep(nn.Module):
    """The fusion weights of both towers and the order of their layers.

    Args:
        text: configuration of the BERT tower.
        vision: configuration of the CLIP tower.
        fusion_layers: how many layers, the last ones, exchange.
        every_layer: make fusion weights for all layers, as MKGformer publishes them, though only
            the last ones use theirs.

    Raises:
        ConfigError: the towers do not fit together.
    """

    def __init__(
        self, text: Any, vision: Any, fusion_layers: int = 4, *, every_layer: bool = True
    ) -> None:
        super().__init__()
        for what in ("num_hidden_layers", "hidden_size", "num_attention_heads"):
            if getattr(text, what) != getattr(vision, what):
                raise ConfigError(
                    f"both towers need the same {what}, got {getattr(text, what)} (text) and "
                    f"{getattr(vision, what)} (picture)",
                    mend="bert-base-uncased goes with clip-vit-base-patch32.",
                )
        self.depth = int(text.num_hidden_layers)
        if not 1 <= fusion_layers < self.depth:
            raise ConfigError(
                f"fusion_layers must lie in 1 to {self.depth - 1}, got {fusion_layers}",
                mend="The first fusion layer reads keys and values of the layer before.",
            )
        #: index of the first fusion layer
        self.fusion_start = self.depth - fusion_layers
        self.fusions = nn.ModuleList(
            CorrelationFusion(text.hidden_size, text.intermediate_size, text.initializer_range)
            for _ in range(self.depth if every_layer else fusion_layers)
        )
        self._head_width = int(text.hidden_size) // int(text.num_attention_heads)
        #: of the prefix-guided layers, where a method wants their attention corrected
        self.calibrations: nn.ModuleList | None = None

    def calibrate(self, make: Callable[[int], CalibratedAttention]) -> None:
        """Gives both roads of every fusion layer a calibration of their own, made by width."""
        own = cast(list[CorrelationFusion], list(self.fusions[self.fusion_start - self.depth :]))
        self.calibrations = nn.ModuleList(make(self._head_width) for _ in own)
        for fusion in own:
            fusion.calibration = make(fusion.dense.in_features)

    def forward(
        self,
        bert: Any,
        clip: Any,
        words: Tensor,
        attention_mask: Tensor,
        tokens: Tensor,
        owner: Tensor | None = None,
        *,
        mask_prefix: bool = True,
        token_bias: Tensor | None = None,
        between: Callable[[Tensor], Tensor] | None = None,
        object_bias: Tensor | None = None,
        places: Tensor | None = None,
        judge: Judge | None = None,
    ) -> TowerStates:
        """Both towers, bottom to top.

        Args:
            bert, clip: the towers.
            words: embedded pieces [N, T, D].
            attention_mask: [N, T], 1 where there is a piece.
            tokens: picture tokens behind the first norm [B, P, D].
            owner: [N], the picture of each text; None where text n has picture n.
            mask_prefix: hide padded pieces from the picture.
            token_bias: [B, P], added to the scores of picture tokens: minus infinity hides one, the
                logarithm of n counts it n times. None counts every token once.
            between: what is done to the picture's states before the fusion layers, [B, P, D] ->
                [B, O, D].
            object_bias: [B, O], as ``token_bias``, in the fusion layers.
            places: [N, Q], the only pieces that are read of the last text layer; None for all.
            judge: called once, with text [N, T, D] and picture [N, O, D] before they exchange, for
                two [N, T]: how much each piece takes of the picture, and what is added to its
                scores where the picture asks pieces; None leaves either as it is.
        """
        seen = cast(
            Tensor | None,
            create_bidirectional_mask(
                config=bert.config, inputs_embeds=words, attention_mask=attention_mask
            ),
        )
        token_seen = None if token_bias is None else token_bias[:, None, None]
        x, z = words, tokens
        texts, visions = [], []
        before: KeysValues | None = None
        prefix_seen = weight = piece_bias = None
        corrections: Any = self.calibrations or (None,) * self.depth
        for index, (text, vision) in enumerate(
            zip(bert.encoder.layer, clip.encoder.layers, strict=True)
        ):
            if before is None:
                z = vision(z, attention_mask=token_seen)
            else:
                z = prefix_guided(vision, z, before, prefix_seen, corrections[index - self.depth])
            visions.append(z)
            if index == self.fusion_start - 1:
                z = z if between is None else between(z)  # B,O,D
                # So far a picture knows nothing of its texts; from the next layer on each reads it
                # in its own way.
                if owner is not None:
                    z = z[owner]
                    object_bias = None if object_bias is None else object_bias[owner]
                if judge is not None:
                    weight, piece_bias = judge(x, z)
                prefix_seen = _prefix_seen(attention_mask, mask_prefix, object_bias, z, piece_bias)
            if index < self.fusion_start - 1:
                x = text(x, seen)
            else:
                own = text_keys_values(text, x)
                fusion = None
                if before is not None:
                    fusion = cast(CorrelationFusion, self.fusions[index - self.depth])
                if places is not None and index == self.depth - 1:
                    # Nobody asks what the other pieces have become.
                    x = x.gather(1, places.unsqueeze(2).expand(-1, -1, x.shape[2]))
                    seen = None if seen is None else seen[:, :, :1]
                    weight = None if weight is None else weight.gather(1, places)
                x = text_layer(text, x, own, seen, fusion, z, object_bias, weight)
                before = own
            texts.append(x)
        return TowerStates(tuple(texts), tuple(visions))


def _prefix_seen(
    attention_mask: Tensor,
    mask_prefix: bool,
    object_bias: Tensor | None,
    states: Tensor,
    piece_bias: Tensor | None = None,
) -> Tensor | None:
    """What the picture may see of [pieces ; objects], as :func:`prefix_guided` wants it."""
    if object_bias is None and piece_bias is None:
        if not mask_prefix:
            return None
        everything = attention_mask.new_ones(states.shape[:2])
        return torch.cat([attention_mask, everything], 1).bool()[:, None, None]
    pieces = torch.zeros_like(attention_mask, dtype=states.dtype)
    if piece_bias is not None:
        pieces = piece_bias.to(states.dtype)
    if object_bias is None:
        object_bias = states.new_zeros(states.shape[:2])
    if mask_prefix:
        pieces = pieces.masked_fill(attention_mask == 0, float("-inf"))
    return torch.cat([pieces, object_bias.to(states.dtype)], 1)[:, None, None]
