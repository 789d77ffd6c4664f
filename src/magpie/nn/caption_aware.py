"""A picture's rows and the words that belong to them, looking at themselves and at one another.

Zhang et al., Caption-Aware Multimodal Relation Extraction with Mutual Information Maximization,
ACM MM 2024 (CAMIM); public code zefanZhang-cn/CAMIM. A sentence vector is laid beside every row of
the picture, both sides pass through an MLP each, and four single-head attentions run: rows to
rows, rows to words, words to rows, words to words. What comes back is one list of rows and words;
nothing of the input is added to it. Several images (a picture and its objects) share their words,
so everything that concerns the words alone is computed once for all of them.

Shapes: B rows of the batch, I images, P rows of an image, L words, D width.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from magpie.nn.multigrained import attend

__all__ = ["CaptionAware", "Crossed", "normed"]


class Crossed(NamedTuple):
    """Rows [B, I, P, D] and words [B, I, L, D] behind the four attentions."""

    rows: Tensor
    words: Tensor


def normed(values: Tensor) -> Tensor:
    """Layer norm over the last dimension without scale or shift."""
    return functional.layer_norm(values, values.shape[-1:], eps=1e-5)


class CaptionAware(nn.Module):
    """The module with everything that all streams share.

    Args:
        width: D.
        dropout: behind every projection and behind the last map.
        swap: in the attention of words to words keys ask and queries are asked, as the public code
            has it.
    """

    def __init__(self, width: int, dropout: float = 0.3, *, swap: bool = False) -> None:
        super().__init__()
        self.swap = swap
        self.join = nn.Linear(2 * width, width)
        self.row_map = _mlp(width)
        self.word_map = _mlp(width)
        self.row_query, self.row_key, self.row_value = (nn.Linear(width, width) for _ in "qkv")
        self.word_query, self.word_key, self.word_value = (nn.Linear(width, width) for _ in "qkv")
        self.merge = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, rows: Tensor, sentence: Tensor, words: Tensor, mask: Tensor | None = None
    ) -> Tensor:
        """Z: rows of every image, then its words, [B, I, P + L, D].

        Args:
            rows: [B, I, P, D].
            sentence: laid beside every row, [B, D].
            words: [B, L, D].
            mask: [B, L], true on words that are there; padded places of Z are zeros.
        """
        crossed = self.cross(self.joined(rows, sentence), self.word_map(words), mask)
        merged = functional.elu(self.dropout(self.merge(torch.cat(crossed, 2))))  # B,I,P+L,D
        if mask is None:
            return merged
        places = self.places(mask, rows.shape[2])
        return merged * places[:, None, :, None].to(merged.dtype)

    @staticmethod
    def places(mask: Tensor, rows: int) -> Tensor:
        """Which places of Z are there: [B, L] -> bool [B, P + L]."""
        return torch.cat([mask.new_ones(len(mask), rows), mask], 1).bool()

    def joined(self, rows: Tensor, sentence: Tensor) -> Tensor:
        """V^b: the sentence beside every row, mapped to D, and the MLP; [B, I, P, D]."""
        width = rows.shape[-1]
        # W [v ; s] = W_v v + W_s s, so the sentence's part is computed once, not row by row.
        own, said = self.join.weight[:, :width], self.join.weight[:, width:]
        beside = functional.linear(sentence, said, self.join.bias)  # B,D
        return cast(Tensor, self.row_map(rows @ own.T + beside[:, None, None]))

    def cross(self, rows: Tensor, words: Tensor, mask: Tensor | None = None) -> Crossed:
        """The four attentions: a = LN(o1 + o2), b = LN(o3 + o4).

        Args:
            rows: x, [B, I, P, D].
            words: y, [B, L, D].
            mask: [B, L], true on words that may be looked at.
        """
        batch, images, places = rows.shape[:3]
        q_x, k_x, v_x = self._parts(rows, self.row_query, self.row_key, self.row_value)
        q_y, k_y, v_y = self._parts(words, self.word_query, self.word_key, self.word_value)
        flat = (batch * images, places, -1)
        o1 = attend(q_x.view(flat), k_x.view(flat), v_x.view(flat)).view_as(rows)
        o2 = attend(q_x.flatten(1, 2), k_y, v_y, mask).view_as(rows)
        # Words ask every image on its own: the same questions, other keys.
        asked = q_y.unsqueeze(1) @ k_x.transpose(2, 3) / rows.shape[3] ** 0.5  # B,I,L,P
        o3 = asked.softmax(3) @ v_x  # B,I,L,D
        ask, told = (k_y, q_y) if self.swap else (q_y, k_y)
        o4 = attend(ask, told, v_y, mask).unsqueeze(1)  # B,1,L,D
        return Crossed(normed(o1 + o2), normed(o3 + o4))

    def _parts(self, values: Tensor, *maps: nn.Module) -> tuple[Tensor, ...]:
        return tuple(self.dropout(part(values)) for part in maps)


def _mlp(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, 2 * width), nn.Tanh(), nn.Linear(2 * width, width))
