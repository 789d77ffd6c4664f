"""Attention from the elements of a step to those of the steps before it.

Sequential element attention (SeqGMPER, LREC-COLING 2024)::

    A = softmax(Z_s Z_{s-1}^T)        rows: this step's elements, columns: the previous step's
    C = A Z_{s-1}
    Z'_s = Linear([Z_s ; C])

Elements are words in one stream and regions in another. The first step has nothing before it and
C = 0; so has a step behind one without any element.

Shapes: B documents, S steps, N elements of a step, M elements that are looked back at, D width.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from magpie.errors import ConfigError

__all__ = ["SequentialAttention", "look_back"]


def look_back(
    current: Tensor, previous: Tensor, mask: Tensor, *, scaled: bool = False
) -> tuple[Tensor, Tensor]:
    """What each element finds among those before it.

    Args:
        current: [B, N, D].
        previous: [B, M, D]; M may be 0.
        mask: [B, M], true where there is an element.
        scaled: divide the scores by the root of D.

    Returns:
        attention A [B, N, M], each row summing to 1, or to 0 where there is nothing before, and
        C [B, N, D].
    """
    scores = current @ previous.transpose(1, 2)  # B,N,M
    if scaled:
        scores = scores / current.shape[2] ** 0.5
    seen = mask.unsqueeze(1)  # B,1,M
    # The lowest number instead of minus infinity: a row without any element stays finite.
    shares = scores.masked_fill(~seen, torch.finfo(scores.dtype).min).softmax(2)
    shares = shares.masked_fill(~seen, 0.0)
    # What stands at masked places must not come through, and zero times infinity would.
    values = previous.masked_fill(~mask.unsqueeze(2), 0.0)
    return shares, shares @ values


class SequentialAttention(nn.Module):
    """One stream of a procedure, step by step.

    Args:
        width: D.
        window: how many steps before it a step sees, their elements side by side.
        scaled: divide the scores by the root of D.
        recurrent: look back at what the earlier steps became instead of at what they were.

    Raises:
        ConfigError: the window is empty.
    """

    def __init__(
        self, width: int, *, window: int = 1, scaled: bool = False, recurrent: bool = False
    ) -> None:
        super().__init__()
        if window < 1:
            raise ConfigError(f"a window needs at least one step, got {window}")
        self.window = window
        self.scaled = scaled
        self.recurrent = recurrent
        self.joined = nn.Linear(2 * width, width)

    def forward(self, elements: Tensor, mask: Tensor) -> Tensor:
        """Z [B, S, N, D] and where there are elements [B, S, N] -> Z' [B, S, N, D].

        Steps go in order; what comes out at places without an element means nothing.
        """
        done: list[Tensor] = []
        for step in range(elements.shape[1]):
            begin = max(0, step - self.window)
            before = elements[:, begin:step]  # B,w,N,D
            if self.recurrent and step:
                before = torch.stack(done[begin:step], 1)
            current = elements[:, step]  # B,N,D
            seen = mask[:, begin:step].flatten(1)  # B,wN
            _, found = look_back(current, before.flatten(1, 2), seen, scaled=self.scaled)
            done.append(cast(Tensor, self.joined(torch.cat([current, found], -1))))  # B,N,2D->D
        return torch.stack(done, 1)

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return f"window={self.window}, scaled={self.scaled}, recurrent={self.recurrent}"
