"""An output layer that points: its classes are a few markers and the positions of the source.

Yan et al., A Unified Generative Framework for Various NER Subtasks, ACL 2021 (BARTNER): a decoder
state is compared with the encoder's states and with embeddings, so that what it writes are places
in its input. H-Index compares it with regions of a picture in the same way.

Shapes: B batch, L target positions, S source positions, M places of any kind, D width, K markers.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["PointerLayer"]

#: score of the start index, which no step may choose
_NEVER = -1e24
#: score of source positions that cannot be pointed at
_HIDDEN = -1e32


class PointerLayer(nn.Module):
    """Scores of the indices: 0 start, 1 end, then the markers, then the source's positions.

    Args:
        width: D.
        dropout: of decoder states, embeddings and inside the map of encoder states.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.map = nn.Sequential(
            nn.Linear(width, width), nn.Dropout(dropout), nn.ReLU(), nn.Linear(width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def memory(self, states: Tensor, embedded: Tensor) -> Tensor:
        """What is pointed at: encoder states and embeddings [B, M, D] of the same places, half of
        each -> [B, M, D]."""
        return cast(Tensor, (self.map(states) + self.dropout(embedded)) / 2)

    def scores(self, states: Tensor, special: Tensor, words: Tensor, mask: Tensor) -> Tensor:
        """Scores of every index at every step.

        Args:
            states: decoder states, their dropout done, [B, L, D].
            special: embeddings of the end and of the markers, [1 + K, D].
            words: :meth:`memory` of the source, [B, S, D].
            mask: [B, S], true where a position may be pointed at.

        Returns:
            [B, L, 2 + K + S]; -1e24 at index 0 and -1e32 at masked positions.
        """
        start = states.new_full((*states.shape[:2], 1), _NEVER)  # B,L,1
        closed = functional.linear(states, self.dropout(special))  # B,L,1+K
        pointed = states @ words.transpose(1, 2)  # B,L,S
        pointed = pointed.masked_fill(~mask.bool().unsqueeze(1), _HIDDEN)
        return torch.cat([start, closed, pointed], 2)
