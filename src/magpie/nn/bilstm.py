"""A bidirectional LSTM over sequences of unlike length, without packing.

Both directions are run over the padded batch; the backward one reads each sequence reversed within
its own length. So padding never reaches a result, and lengths stay on the device.

Shapes: B sequences, T places, D width, H hidden width of one direction.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["BiLSTM"]


class BiLSTM(nn.Module):
    """Forward and backward states side by side.

    Args:
        width: D.
        hidden: H.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.ahead = nn.LSTM(width, hidden, batch_first=True)
        self.back = nn.LSTM(width, hidden, batch_first=True)

    def forward(self, states: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """[B, T, D] and lengths [B] from 1 to T -> states [B, T, 2H] and last states [B, 2H].

        States behind a sequence's end are zero. The last state of the backward direction is the
        one that has read the whole sequence: that of its first place.
        """
        places = torch.arange(states.shape[1], device=states.device)
        ends = lengths.unsqueeze(1)
        there = places < ends  # B,T
        # Its own inverse: what is reversed with it twice is as it was.
        mirror = torch.where(there, ends - 1 - places, places)  # B,T
        ahead, _ = self.ahead(states)  # B,T,H
        back, _ = self.back(_taken(states, mirror))
        both = torch.cat([ahead, _taken(back, mirror)], -1)  # B,T,2H
        last = torch.cat([_taken(ahead, ends - 1), _taken(back, ends - 1)], -1)  # B,1,2H
        return both.masked_fill(~there.unsqueeze(2), 0.0), last.squeeze(1)


def _taken(states: Tensor, places: Tensor) -> Tensor:
    """[B, T, D] at places [B, N] -> [B, N, D]."""
    return states.gather(1, places.unsqueeze(2).expand(-1, -1, states.shape[2]))
