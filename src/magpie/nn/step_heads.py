"""Two heads: tags of a step's words behind a BiLSTM, and scores of regions that entities ask.

Shapes: N steps, T pieces, W words, E entities, Q queries of one, K regions, M keys, D width,
L tags.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from magpie.nn.bilstm import BiLSTM

__all__ = ["RegionHead", "WordTagger"]


class WordTagger(nn.Module):
    """BiLSTM over the pieces of a step, read at the first piece of each word.

    Args:
        width: D; half of it in each direction.
        tags: L.
    """

    def __init__(self, width: int, tags: int) -> None:
        super().__init__()
        self.lstm = BiLSTM(width, width // 2)
        self.classifier = nn.Linear(width, tags)

    def forward(self, pieces: Tensor, lengths: Tensor, first: Tensor) -> Tensor:
        """[N, T, D], their number [N], first pieces [N, W] (-1: no word) -> [N, W, L].

        Zero where no word is; what stands behind the pieces of a step is not read.
        """
        states, _ = self.lstm(pieces, lengths)  # N,T,D
        at = first.clamp(min=0).unsqueeze(2).expand(-1, -1, states.shape[2])
        scores = self.classifier(states.gather(1, at))  # N,W,L
        return cast(Tensor, scores.masked_fill((first < 0).unsqueeze(2), 0.0))


class RegionHead(nn.Module):
    """Entities ask regions, and each region has a score of its own.

    Args:
        width: D.
        heads: of the attention.
        dropout: on its shares.
        places: read K scores off the entity alone, one a place in the list of regions, as the
            survey of the paper has it: ``W m`` with W of K rows. It learns which place an entity
            takes, so that another order of the regions gives other answers. None scores each
            region by its own vector: ``w . tanh(W_1 m + W_2 o_k)``.
    """

    def __init__(self, width: int, heads: int, dropout: float, *, places: int | None) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.norm = nn.LayerNorm(width)
        self.places = places
        if places is None:
            self.of_entity = nn.Linear(width, width)
            self.of_region = nn.Linear(width, width, bias=False)
        self.classifier = nn.Linear(width, 1 if places is None else places)

    def attend(self, queries: Tensor, keys: Tensor, there: Tensor) -> Tensor:
        """Queries [E, Q, D], keys [E, M, D] and where there are any [E, M] -> m [E, Q, D]."""
        if not len(queries):
            return cast(Tensor, self.norm(queries))
        # A softmax over nothing has no value: where no key is, none is hidden, and what comes of
        # it is not read.
        hidden = ~there & there.any(1, keepdim=True)
        found, _ = self.attention(queries, keys, keys, key_padding_mask=hidden, need_weights=False)
        return cast(Tensor, self.norm(queries + found))

    def scores(self, m: Tensor, objects: Tensor) -> Tensor:
        """m [E, D] and the regions [E, K, D] -> logits [E, K]."""
        if self.places is not None:
            return cast(Tensor, self.classifier(m))
        joined = torch.tanh(self.of_entity(m).unsqueeze(1) + self.of_region(objects))  # E,K,D
        return cast(Tensor, self.classifier(joined).squeeze(2))
