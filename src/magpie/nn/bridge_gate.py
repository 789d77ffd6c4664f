"""Shap-CA's fusion: words ask picture and context, and gates decide how much of either enters.

Luo et al., Shapley Value-based Contrastive Alignment for Multimodal Information Extraction, ACM MM
2024. Only that the fusion selects is published; the form is reconstructed (shap_ca.md, section 5):

    A = MultiHead(Q = H_t, K = V = patches),   g_v = sigmoid(W_v [H_t ; A ; c])   a gate a feature
    B = MultiHead(Q = H_t, K = V = H_c),       g_c = sigmoid(W_c [H_t ; B])
    F = LayerNorm(H_t + g_v A + g_c B)

Unusual: the mean c of the context opens the picture's gate, since the context is what tells
whether the picture has to do with the text.

Shapes: N texts, T pieces, P patches, C context pieces, D width.
"""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn

from magpie.errors import ConfigError

__all__ = ["BridgeGate", "Fusion"]

#: bridge: as above; gated: the picture's gate does not see the context; add: both gates are open;
#: none: the text alone
Fusion = Literal["bridge", "gated", "add", "none"]


class BridgeGate(nn.Module):
    """F of text, patches and context.

    Args:
        width: D.
        heads: of both attentions.
        dropout: of what they find.
        form: see :data:`Fusion`.

    Raises:
        ConfigError: ``heads`` do not divide ``width``.
    """

    def __init__(
        self, width: int, heads: int = 8, dropout: float = 0.1, form: Fusion = "bridge"
    ) -> None:
        super().__init__()
        if width % heads:
            raise ConfigError(f"heads ({heads}) must divide the width of the text ({width})")
        self.form = form
        if form == "none":
            return
        self.picture = nn.MultiheadAttention(width, heads, batch_first=True)
        self.context = nn.MultiheadAttention(width, heads, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width)
        if form != "add":
            self.picture_gate = nn.Linear((3 if form == "bridge" else 2) * width, width)
            self.context_gate = nn.Linear(2 * width, width)

    def forward(
        self,
        text: Tensor,
        patches: Tensor,
        seen: Tensor,
        context: Tensor,
        context_mask: Tensor,
        context_mean: Tensor,
    ) -> Tensor:
        """F, [N, T, D].

        Args:
            text: H_t, [N, T, D].
            patches: V, [N, P, D].
            seen: bool [N], whether there is a picture; else A is 0.
            context: H_c, [N, C, D] with C at least 1.
            context_mask: bool [N, C]; where a row is empty B is 0.
            context_mean: c, [N, D].
        """
        if self.form == "none":
            return text
        told = context_mask.any(1)
        a = self.picture(text, patches, patches, need_weights=False)[0]
        # Somebody has to be looked at, or the softmax has nothing to share out.
        hidden = ~context_mask & told.unsqueeze(1)
        b = self.context(text, context, context, key_padding_mask=hidden, need_weights=False)[0]
        a, b = (
            self.dropout(torch.where(there.view(-1, 1, 1), found, torch.zeros_like(found)))
            for there, found in ((seen, a), (told, b))
        )
        if self.form != "add":
            asked = [text, a]
            if self.form == "bridge":
                asked.append(context_mean.unsqueeze(1).expand_as(text))
            a = torch.sigmoid(self.picture_gate(torch.cat(asked, 2))) * a  # N,T,D
            b = torch.sigmoid(self.context_gate(torch.cat([text, b], 2))) * b
        return cast(Tensor, self.norm(text + a + b))
