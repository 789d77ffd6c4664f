"""Two streams between a text and a picture, mixed by how the two relate (TMR; read by CAMIM, too).

Zheng et al., Rethinking Multimodal Entity and Relation Extraction from a Translation Point of
View, ACL 2023. Patches ask words, regions ask phrases; each stream is a bare single-head attention
whose outputs go through tanh and are summed, beside the plain sum of those that asked. How much of
either stream enters is given from outside: the scores of a divergence estimator.

Shapes: M rows, Q askers, K asked, D width, P patches, R regions, T words.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["MultiGrained", "Stream", "attend", "divergence_scores", "mix"]


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """softmax(q k^T / sqrt(D)) v, single head: [M, Q, D], [M, K, D], [M, K, E] -> [M, Q, E].

    Args:
        query, key, value: see above.
        mask: [M, K], true where a key may be looked at; a row without any looks at all alike.
    """
    scores = query @ key.transpose(1, 2) / query.shape[2] ** 0.5  # M,Q,K
    if mask is not None:
        hidden = torch.finfo(scores.dtype).min
        scores = scores.masked_fill(~mask.bool().unsqueeze(1), hidden)
    return scores.softmax(2) @ value


class Stream(nn.Module):
    """Askers look at what is asked; tanh of the answers, summed over the askers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)

    def forward(self, asking: Tensor, asked: Tensor, mask: Tensor | None = None) -> Tensor:
        """[M, Q, D] and [M, K, D] -> [M, D]; ``mask`` [M, K] as in :func:`attend`."""
        found = attend(self.query(asking), self.key(asked), self.value(asked), mask)  # M,Q,D
        return torch.tanh(found).sum(1)


class MultiGrained(nn.Module):
    """m = strong (f + sum of patches) + weak (c + sum of regions)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.word_patch = Stream(width)
        self.phrase_region = Stream(width)

    def forward(
        self,
        patches: Tensor,
        regions: Tensor,
        words: Tensor,
        phrases: Tensor,
        scores: Tensor,
        word_mask: Tensor | None = None,
        phrase_mask: Tensor | None = None,
    ) -> Tensor:
        """One picture's part, [M, D].

        Args:
            patches: [M, P, D].
            regions: [M, R, D].
            words: states of the text, [M, T, D].
            phrases: states of the phrases, [M, K, D].
            scores: strong and weak, [M, 2].
            word_mask, phrase_mask: [M, T] and [M, K]; None looks at padding, too, as published.
        """
        fine = self.word_patch(patches, words, word_mask) + patches.sum(1)  # M,D
        coarse = self.phrase_region(regions, phrases, phrase_mask) + regions.sum(1)  # M,D
        return mix(fine, coarse, scores)


def mix(fine: Tensor, coarse: Tensor, scores: Tensor) -> Tensor:
    """The divergence-aware sum: [M, D], [M, D] and (strong, weak) [M, 2] -> [M, D]."""
    return scores[:, :1] * fine + scores[:, 1:] * coarse


def divergence_scores(logits: Tensor) -> Tensor:
    """(strong, weak) of logits over (weaken, complement, strengthen): [M, 3] -> [M, 2].

    The share of "weaken" is dropped by renormalising, so both add up to 1 for every pair.
    """
    return logits[:, 1:].softmax(1).flip(1)
