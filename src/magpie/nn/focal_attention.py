"""Focal attention and gates of FocalMRE: text asks several views of a picture, one slot each.

FocalMRE, ACM MM 2024; public code honk2333/FocalMRE. Every slot has an attention of one head and a
gate of its own; slots are summed by source with free weights that begin at one, so that a source
of four slots has about four times the scale of the text.

Shapes: B pictures, N texts, T places, M slots, P tokens of a view, D width of the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn

from magpie.errors import ConfigError

__all__ = ["FocalAttention", "FocalFusion", "GatedResidual", "SlotNorm", "slot_shares"]

SlotNorm = Literal["none", "mean", "softmax"]


class FocalAttention(nn.Module):
    """One head as wide as the text, scaled by ``width ** -0.5``; no residual and no norm.

    Args:
        width: of the text (D).
        seen: width of what is looked at.
        dropout: of attention weights.
    """

    def __init__(self, width: int, seen: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(seen, width)
        self.value = nn.Linear(seen, width)
        self.out = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.scale = width**-0.5
        for linear in (self.query, self.key, self.value, self.out):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)

    def weights(
        self,
        words: Tensor,
        seen: Tensor,
        mask: Tensor | None = None,
        owner: Tensor | None = None,
    ) -> Tensor:
        """How much each place looks at each token, [N, T, P]; arguments as :meth:`forward`."""
        keys = self.key(seen)  # B,P,D
        if owner is not None:
            keys = keys[owner]
        scores = (self.query(words) * self.scale) @ keys.transpose(1, 2)  # N,T,P
        if mask is not None:
            shown = mask if owner is None else mask[owner]
            # Not -inf: a view without any token is left out later, and must not become NaN here.
            scores = scores.masked_fill(~shown.unsqueeze(1), torch.finfo(scores.dtype).min)
        return scores.softmax(2)

    def forward(
        self,
        words: Tensor,
        seen: Tensor,
        mask: Tensor | None = None,
        owner: Tensor | None = None,
    ) -> Tensor:
        """S, [N, T, D].

        Args:
            words: [N, T, D].
            seen: [B, P, width].
            mask: tokens that count, bool [B, P]; None for all.
            owner: the picture of each text, [N]; None where B is N.
        """
        values = self.value(seen)  # B,P,D
        if owner is not None:
            values = values[owner]
        shares = self.dropout(self.weights(words, seen, mask, owner))  # N,T,P
        return cast(Tensor, self.out(shares @ values))


class GatedResidual(nn.Module):
    """``g * S + (1 - g) * X`` with a gate for every feature, read off both."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(2 * width, width)

    def gate(self, attended: Tensor, words: Tensor) -> Tensor:
        """g in (0, 1), [N, T, D]."""
        return torch.sigmoid(self.linear(torch.cat([attended, words], -1)))

    def forward(self, attended: Tensor, words: Tensor) -> Tensor:
        """Y, [N, T, D], of S and X of that shape."""
        gate = self.gate(attended, words)
        return gate * attended + (1 - gate) * words


def slot_shares(weights: Tensor, there: Tensor, norm: SlotNorm = "none") -> Tensor:
    """What each slot of a source counts, [N, M]; zero for slots that are not there.

    Args:
        weights: learned, [M].
        there: bool [N, M].
        norm: ``none`` takes them as they are, ``mean`` divides by the number of slots that are
            there, ``softmax`` makes them add up to one.
    """
    if norm == "softmax":
        # Zeros in place of NaN where no slot is there.
        shares = weights.expand(there.shape).masked_fill(~there, torch.finfo(weights.dtype).min)
        return shares.softmax(1) * there.to(weights.dtype)
    shares = weights * there.to(weights.dtype)
    if norm == "mean":
        shares = shares / there.sum(1, keepdim=True).clamp(min=1)
    return shares


class FocalFusion(nn.Module):
    """Attention and gate of every slot, and a weighted sum for each source of slots.

    Args:
        width: of the text (D).
        seen: width of what is looked at.
        slots: how many each source has; their sum is M.
        norm: see :func:`slot_shares`.
        dropout: on text and views, drawn for each slot anew, and on attention weights.

    Raises:
        ConfigError: a source without slots, or an unknown norm.
    """

    def __init__(
        self,
        width: int,
        seen: int,
        slots: Sequence[int] = (4, 3),
        norm: SlotNorm = "none",
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        if min(slots) < 1:
            raise ConfigError(f"every source needs a slot, got {list(slots)}")
        if norm not in ("none", "mean", "softmax"):
            raise ConfigError(f"slot_norm must be none, mean or softmax, got {norm!r}")
        self.norm: SlotNorm = norm
        count = sum(slots)
        self.attentions = nn.ModuleList(FocalAttention(width, seen, dropout) for _ in range(count))
        self.gates = nn.ModuleList(GatedResidual(width) for _ in range(count))
        self.weights = nn.ParameterList(torch.ones(number) for number in slots)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        words: Tensor,
        seen: Tensor,
        there: Tensor,
        mask: Tensor | None = None,
        owner: Tensor | None = None,
    ) -> list[Tensor]:
        """H of every source, [N, T, D] each; the text itself where a source has no slot.

        Args:
            words: X, [N, T, D].
            seen: the views, [B, M, P, width].
            there: slots that take part, bool [B, M].
            mask: tokens that count, bool [B, M, P]; None for all.
            owner: the picture of each text, [N]; None where B is N.
        """
        shown = there if owner is None else there[owner]  # N,M
        found, first = [], 0
        for weights in self.weights:
            present = shown[:, first : first + len(weights)]
            shares = slot_shares(weights, present, self.norm)  # N,slots
            fused = torch.zeros_like(words)
            for slot in range(len(weights)):
                number = first + slot
                part = None if mask is None else mask[:, number]
                out = self.slot(number, words, seen[:, number], part, owner)  # N,T,D
                fused = fused + shares[:, slot, None, None].to(out.dtype) * out
            found.append(torch.where(present.any(1)[:, None, None], fused, words))
            first += len(weights)
        return found

    def slot(
        self,
        number: int,
        words: Tensor,
        seen: Tensor,
        mask: Tensor | None = None,
        owner: Tensor | None = None,
    ) -> Tensor:
        """Y of one slot, [N, T, D]; ``seen`` [B, P, width] and ``mask`` [B, P] are its own."""
        words, seen = self.dropout(words), self.dropout(seen)
        attended = self.attentions[number](words, seen, mask, owner)
        return cast(Tensor, self.gates[number](attended, words))
