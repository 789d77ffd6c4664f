"""A picture as one vector chosen by a sentence, and a gate that mixes it into words.

Lu, Neves, Carvalho, Zhang, Ji: Visual Attention Model for Name Tagging in Multimodal Social Media,
ACL 2018, sections on visual attention and the modulation gate. No public code; the equations are
those of the reconstruction in the specification.

Shapes: B batch, P cells, C channels, Q query width, A attention width, W words, D word width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["GridAttention", "ModulationGate"]


class GridAttention(nn.Module):
    """K = tanh(W_v V), q = tanh(W_q Q), a = softmax(w_a (K + q)), v = sum_p a_p V_p.

    Because w_a is linear, q adds the same number to every cell and drops out of the softmax: as
    published, the sentence has no say in where to look. With ``joint`` it has:
    a = softmax(w_a tanh(W_v V + W_q Q)).

    Args:
        query: Q.
        channels: C.
        width: A.
        joint: see above.
    """

    def __init__(self, query: int, channels: int, width: int, *, joint: bool = False) -> None:
        super().__init__()
        self.joint = joint
        self.cells = nn.Linear(channels, width)
        self.query = nn.Linear(query, width)
        self.score = nn.Linear(width, 1)

    def forward(self, query: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
        """[B, Q] and [B, P, C] -> the picture [B, C] and the shares of its cells [B, P]."""
        k, q = self.cells(cells), self.query(query).unsqueeze(1)  # B,P,A  B,1,A
        mixed = torch.tanh(k + q) if self.joint else torch.tanh(k) + torch.tanh(q)
        shares = self.score(mixed).squeeze(2).softmax(1)  # B,P
        return (shares.unsqueeze(1) @ cells).squeeze(1), shares


class ModulationGate(nn.Module):
    """z = g_w * h + g_v * m, each word for itself.

    g_v = sigma(W_1 h + U_1 v + b_1), g_w = sigma(W_2 h + U_2 v + b_2),
    m = tanh(W_3 h + U_3 v + b_3).

    Args:
        width: D.
        channels: C.
    """

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.picture_gate = nn.Linear(width, width)
        self.picture_gate_seen = nn.Linear(channels, width, bias=False)
        self.word_gate = nn.Linear(width, width)
        self.word_gate_seen = nn.Linear(channels, width, bias=False)
        self.mixture = nn.Linear(width, width)
        self.mixture_seen = nn.Linear(channels, width, bias=False)

    def forward(self, words: Tensor, picture: Tensor) -> Tensor:
        """[B, W, D] and [B, C] -> [B, W, D]."""
        v = picture.unsqueeze(1)  # B,1,C
        g_v = torch.sigmoid(self.picture_gate(words) + self.picture_gate_seen(v))  # B,W,D
        g_w = torch.sigmoid(self.word_gate(words) + self.word_gate_seen(v))
        m = torch.tanh(self.mixture(words) + self.mixture_seen(v))
        return g_w * words + g_v * m
