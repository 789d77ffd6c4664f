"""Linear-chain conditional random field.

The score of a tag path y over n positions is::

    start[y_1] + sum_t emissions[t, y_t] + sum_{t > 1} transitions[y_{t-1}, y_t] + end[y_n]

All functions are batch-first. A mask is [B, T], bool or integer, ones first: the first position of
every sequence must be one, and n is the number of ones. Whatever stands behind the mask, emissions
or tags, never changes a result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from magpie.errors import ConfigError
from magpie.nn.partition import log_partition

__all__ = ["CRF", "Marginals"]

_NEVER = -1e4
_INITIAL = 0.1


class Marginals(NamedTuple):
    """Posterior probabilities; zero where the mask is."""

    #: p(y_t = k), [B, T, L]
    unary: Tensor
    #: p(y_t = i, y_{t+1} = j), [B, T - 1, L, L]; zero where position t + 1 is padding
    pairwise: Tensor


class CRF(nn.Module):
    """Chain scores and everything computed from them.

    Args:
        labels: how many tags, or their names. Names are needed for ``constrain_bio``.
        constrain_bio: forbid, when decoding only, an ``I-X`` or ``E-X`` that follows neither
            ``B-X`` nor ``I-X``. Training stays unconstrained, as published.
        linked: False holds start, end and transitions at zero for good. Every position is then
            judged by itself: the loss is the sum of the positions' cross entropies.
    """

    def __init__(
        self, labels: int | Sequence[str], *, constrain_bio: bool = False, linked: bool = True
    ) -> None:
        super().__init__()
        names = None if isinstance(labels, int) else tuple(labels)
        count = labels if isinstance(labels, int) else len(labels)
        if count < 1:
            raise ConfigError(f"a CRF needs at least one label, got {count}", code="config-value")
        if constrain_bio and names is None:
            raise ConfigError(
                "constrain_bio needs the names of the labels",
                code="config-value",
                mend="Pass the list of label names instead of their number.",
            )
        self.constrain_bio = constrain_bio
        self._allowed_start: Tensor
        self._allowed: Tensor
        self.start: Tensor
        self.end: Tensor
        self.transitions: Tensor
        for name, shape in {
            "start": (count,),
            "end": (count,),
            "transitions": (count,) * 2,
        }.items():
            if linked:
                drawn = torch.empty(shape).uniform_(-_INITIAL, _INITIAL)
                self.register_parameter(name, nn.Parameter(drawn))
            else:
                self.register_buffer(name, torch.zeros(shape))
        allowed_start, allowed = _bio_rules(names, count)
        self.register_buffer("_allowed_start", allowed_start, persistent=False)
        self.register_buffer("_allowed", allowed, persistent=False)

    @property
    def label_count(self) -> int:
        """L."""
        return self.start.shape[0]

    def forward(
        self,
        emissions: Tensor,
        tags: Tensor,
        mask: Tensor | None = None,
        *,
        reduction: Literal["none", "sum", "mean"] = "mean",
    ) -> Tensor:
        """Negative log-likelihood of the gold paths.

        Args:
            emissions: [B, T, L].
            tags: [B, T] integer.
            mask: [B, T]; all ones if absent.
            reduction: over the batch; ``"mean"`` divides by the number of sequences, not words.

        Returns:
            A scalar, or [B] for ``"none"``.
        """
        mask = self._mask(emissions, mask)
        loss = self.log_partition(emissions, mask) - self.path_score(emissions, tags, mask)
        if reduction == "none":
            return loss
        if reduction == "sum":
            return loss.sum()
        if reduction == "mean":
            return loss.mean()
        raise ConfigError(f"reduction must be none, sum or mean, got {reduction!r}")

    def path_score(self, emissions: Tensor, tags: Tensor, mask: Tensor | None = None) -> Tensor:
        """Score of one path a sequence, [B]."""
        mask = self._mask(emissions, mask)
        # Padding may carry ids that are no labels (-100); they must not reach the gathers below.
        tags = tags.masked_fill(~mask, 0)
        own = emissions.gather(2, tags.unsqueeze(2)).squeeze(2)
        own = own.masked_fill(~mask, 0.0).sum(1)
        moves = self.transitions[tags[:, :-1], tags[:, 1:]].masked_fill(~mask[:, 1:], 0.0).sum(1)
        last = tags.gather(1, (mask.sum(1) - 1).unsqueeze(1)).squeeze(1)
        return self.start[tags[:, 0]] + own + moves + self.end[last]

    def log_partition(self, emissions: Tensor, mask: Tensor | None = None) -> Tensor:
        """Log of the summed exponentials over all paths, [B]."""
        mask = self._mask(emissions, mask)
        total = log_partition(emissions, mask, self.start, self.transitions, self.end)
        if bool(total.isfinite().all()):
            return total
        # Scores further apart than float64's range of exponents; logarithms take them, slowly.
        return torch.logsumexp(self._forward_scores(emissions, mask)[-1] + self.end, 1)

    def soft_loss(
        self,
        emissions: Tensor,
        targets: Marginals,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Cross-entropy to a distribution over paths, [B].

        For targets that are another chain's marginals this is exactly the cross-entropy between
        the two distributions over whole paths, so a teacher's uncertainty about spans carries
        over. With one-hot targets it equals the negative log-likelihood.
        """
        mask = self._mask(emissions, mask)
        rows = torch.arange(emissions.shape[0], device=emissions.device)
        last = targets.unary[rows, mask.sum(1) - 1]
        expected = (
            (targets.unary * emissions.masked_fill(~mask.unsqueeze(2), 0.0)).sum((1, 2))
            + targets.unary[:, 0] @ self.start
            + last @ self.end
            + (targets.pairwise * self.transitions).sum((1, 2, 3))
        )
        return self.log_partition(emissions, mask) - expected

    def marginals(self, emissions: Tensor, mask: Tensor | None = None) -> Marginals:
        """Posterior probabilities by the forward-backward recursions; differentiable."""
        mask = self._mask(emissions, mask)
        count, width, labels = emissions.shape
        forward = self._forward_scores(emissions, mask)
        backward = [self.end.expand(count, labels)]
        for t in range(width - 1, 0, -1):
            reach = self.transitions + (emissions[:, t] + backward[-1]).unsqueeze(1)
            step = torch.logsumexp(reach, 2)
            backward.append(torch.where(mask[:, t, None], step, backward[-1]))
        backward.reverse()
        total = torch.logsumexp(forward[-1] + self.end, 1)
        alpha, beta = torch.stack(forward, 1), torch.stack(backward, 1)  # [B, T, L]
        unary = (alpha + beta - total[:, None, None]).exp()
        after = emissions[:, 1:] + beta[:, 1:]
        pairs = alpha[:, :-1, :, None] + self.transitions + after[:, :, None, :]  # [B, T-1, L, L]
        pairwise = (pairs - total[:, None, None, None]).exp()
        # Selected, not multiplied: behind the mask the exponentials may be infinite.
        return Marginals(
            torch.where(mask[:, :, None], unary, 0.0),
            torch.where(mask[:, 1:, None, None], pairwise, 0.0),
        )

    @torch.no_grad()
    def decode(self, emissions: Tensor, mask: Tensor | None = None) -> list[list[int]]:
        """Best path of every sequence, without padding."""
        return [path for path, _ in self.decode_scored(emissions, mask)]

    @torch.no_grad()
    def decode_scored(
        self, emissions: Tensor, mask: Tensor | None = None
    ) -> list[tuple[list[int], float]]:
        """Best path of every sequence and its score (Viterbi)."""
        mask = self._mask(emissions, mask)
        start, transitions = self._decoding_scores()
        if emissions.dtype in (torch.bfloat16, torch.float16):
            emissions = emissions.float()  # half of the digits would make ties of near misses
        # Batch last, so that the maximum over the tag before runs along memory: [from, to, B].
        moves = transitions.unsqueeze(2)
        columns = emissions.permute(1, 2, 0).contiguous().unbind(0)  # T times [L, B]
        score = start.unsqueeze(1) + columns[0]
        scores = [score]
        # Behind its end a sequence runs on unseen: its best path is read from its own last place.
        for column in columns[1:]:
            score = (score.unsqueeze(1) + moves).amax(0).add_(column)
            scores.append(score)
        reached = torch.stack(scores).transpose(1, 2).contiguous()  # [T, B, L]
        lengths = mask.sum(1)
        rows = torch.arange(len(lengths), device=mask.device)
        top, last = (reached[lengths - 1, rows] + self.end).max(1)
        # Where a maximum came from is asked for on the best path alone.
        before, arriving = reached.cpu().numpy(), transitions.t().contiguous().cpu().numpy()
        ends, tags = lengths.cpu().numpy(), last.cpu().numpy()
        backwards = [tags]
        for t in range(len(scores) - 2, -1, -1):
            origins = (before[t] + arriving[tags]).argmax(1)
            tags = np.where(t < ends - 1, origins, tags)
            backwards.append(tags)
        paths = np.stack(backwards[::-1], 1).tolist()
        return [
            (path[:length], value)
            for path, length, value in zip(paths, ends.tolist(), top.tolist(), strict=True)
        ]

    def _decoding_scores(self) -> tuple[Tensor, Tensor]:
        if not self.constrain_bio:
            return self.start, self.transitions
        return (
            self.start.masked_fill(~self._allowed_start, _NEVER),
            self.transitions.masked_fill(~self._allowed, _NEVER),
        )

    def _forward_scores(self, emissions: Tensor, mask: Tensor) -> list[Tensor]:
        """Log of the summed exponentials of all prefixes, T times [B, L]."""
        scores = [self.start + emissions[:, 0]]
        for t in range(1, emissions.shape[1]):
            reach = torch.logsumexp(scores[-1].unsqueeze(2) + self.transitions, 1)
            # A finished sequence carries its last value along to the end of the batch.
            scores.append(torch.where(mask[:, t, None], reach + emissions[:, t], scores[-1]))
        return scores

    def _mask(self, emissions: Tensor, mask: Tensor | None) -> Tensor:
        if emissions.dim() != 3 or emissions.shape[2] != self.label_count:
            raise ConfigError(
                f"emissions must be [B, T, {self.label_count}], got {list(emissions.shape)}"
            )
        if mask is None:
            return torch.ones(emissions.shape[:2], dtype=torch.bool, device=emissions.device)
        if mask.shape != emissions.shape[:2]:
            raise ConfigError(
                f"the mask must be {list(emissions.shape[:2])}, got {list(mask.shape)}"
            )
        mask = mask.bool()
        if not bool(mask[:, 0].all()):
            raise ConfigError("the first position of every sequence must be unmasked")
        return mask

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return f"labels={self.label_count}, constrain_bio={self.constrain_bio}"


def _bio_rules(names: Sequence[str] | None, count: int) -> tuple[Tensor, Tensor]:
    """Which labels may open a sequence [L], which may follow which [L, L]."""
    start = torch.ones(count, dtype=torch.bool)
    moves = torch.ones(count, count, dtype=torch.bool)
    for j, label in enumerate(names or ()):
        if not label.startswith(("I-", "E-")):
            continue
        start[j] = False
        for i, before in enumerate(names or ()):
            moves[i, j] = before in (f"B-{label[2:]}", f"I-{label[2:]}")
    return start, moves
