"""BART's encoder over text with something beside it, such as regions of a picture.

What stands beside the text gets no position and no norm of its own: it enters the first layer as it
is, and text and neighbours attend to each other from there on.

Shapes: B batch, R places beside the text, S source positions, D width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from magpie.backbones.seq2seq import Seq2Seq
from magpie.errors import ConfigError

__all__ = ["check_bart", "encode_beside"]


def check_bart(backbone: Seq2Seq) -> None:
    """Whether it is built as BART is.

    Raises:
        ConfigError: it is of another family.
    """
    family = backbone.transformer.config.model_type
    if family != "bart":
        raise ConfigError(
            f"expected a BART, got {backbone.name!r}, which is of the family {family!r}",
            mend="Name facebook/bart-base, facebook/bart-large, tiny-bart, or a folder with one.",
        )


def encode_beside(backbone: Seq2Seq, beside: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
    """Memory of ``[beside ; text]``.

    Args:
        backbone: a BART, see :func:`check_bart`.
        beside: [B, R, D].
        ids: pieces of the text, [B, S].
        mask: [B, R + S], true where a place may be attended to.

    Returns:
        [B, R + S, D].
    """
    encoder: Any = backbone.transformer.get_encoder()
    text = encoder.embed_tokens(ids) + encoder.embed_positions(ids)  # B,S,D
    text = encoder.layernorm_embedding(text)
    text = functional.dropout(text, encoder.dropout, backbone.training)
    states: Tensor = torch.cat([beside.to(text.dtype), text], 1)  # B,R+S,D
    hidden = torch.finfo(states.dtype).min
    allowed = torch.zeros_like(mask, dtype=states.dtype).masked_fill(~mask.bool(), hidden)
    for layer in encoder.layers:
        states = layer(states, allowed[:, None, None, :])
    return states
