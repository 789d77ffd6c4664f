"""From the tagger's scores to entities, in numpy: Viterbi, marginals, fine types.

Arrays are batches: emissions [B, W, L], mask [B, W] with the real words first, transitions
[L, L] (row = from, column = to), start and end [L]. The loops run over word positions only; all
texts of a batch advance together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Chain", "Chunk", "chunks", "fine_type", "marginals", "viterbi"]

FloatArray = npt.NDArray[np.floating]
_NEVER = -1e4


class Chain(NamedTuple):
    """Scores of a linear chain over L labels."""

    start: FloatArray
    transitions: FloatArray
    end: FloatArray

    def constrained(self, labels: Sequence[str]) -> Chain:
        """The same chain with everything that is not BIO forbidden.

        An ``I-X`` may only follow ``B-X`` or ``I-X``.
        """
        start, transitions = self.start.copy(), self.transitions.copy()
        for j, label in enumerate(labels):
            if not label.startswith("I-"):
                continue
            start[j] = _NEVER
            for i, before in enumerate(labels):
                if before == "O" or before[2:] != label[2:]:
                    transitions[i, j] = _NEVER
        return Chain(start, transitions, self.end)


class Chunk(NamedTuple):
    """A typed run of words, half-open."""

    type: str
    start: int
    end: int


def viterbi(emissions: FloatArray, mask: npt.NDArray[np.bool_], chain: Chain) -> list[list[int]]:
    """Best label path of every text; an empty list where a text has no words."""
    count, width, _ = emissions.shape
    lengths = mask.sum(1)
    score = chain.start + emissions[:, 0]
    back: list[npt.NDArray[np.intp]] = []
    for t in range(1, width):
        reach = score[:, :, None] + chain.transitions
        best = reach.argmax(1)
        back.append(best)
        step = np.take_along_axis(reach, best[:, None, :], 1)[:, 0] + emissions[:, t]
        score = np.where(mask[:, t, None], step, score)
    last = (score + chain.end).argmax(1)
    paths: list[list[int]] = []
    for row in range(count):
        if not lengths[row]:
            paths.append([])
            continue
        path = [int(last[row])]
        for t in range(int(lengths[row]) - 2, -1, -1):
            path.append(int(back[t][row, path[-1]]))
        paths.append(path[::-1])
    return paths


def marginals(
    emissions: FloatArray, mask: npt.NDArray[np.bool_], chain: Chain, *, temperature: float = 1.0
) -> FloatArray:
    """Probability of every label at every word, [B, W, L]; zero on padding.

    ``temperature`` divides all scores of the chain. Values above 1 soften an overconfident model;
    ``config.json`` holds the one fitted on development data.
    """
    width = emissions.shape[1]
    chain = Chain(*(part / temperature for part in chain))
    emissions = emissions / temperature
    forward = [chain.start + emissions[:, 0]]
    for t in range(1, width):
        step = _logsumexp(forward[-1][:, :, None] + chain.transitions, 1) + emissions[:, t]
        forward.append(np.where(mask[:, t, None], step, forward[-1]))
    backward = [np.broadcast_to(chain.end, forward[0].shape)]
    for t in range(width - 1, 0, -1):
        reach = chain.transitions + (emissions[:, t] + backward[-1])[:, None, :]
        backward.append(np.where(mask[:, t, None], _logsumexp(reach, 2), backward[-1]))
    total = _logsumexp(forward[-1] + chain.end, 1)
    joint = np.stack(forward, 1) + np.stack(backward[::-1], 1) - total[:, None, None]
    probabilities: FloatArray = np.exp(joint) * mask[:, :, None]
    return probabilities


def _logsumexp(scores: FloatArray, axis: int) -> FloatArray:
    top = scores.max(axis, keepdims=True)
    total: FloatArray = np.log(np.exp(scores - top).sum(axis)) + np.squeeze(top, axis)
    return total


def chunks(tags: Sequence[str]) -> list[Chunk]:
    """Typed runs of a tag sequence by the CoNLL scorer's rule.

    A chunk ends at ``O``, at ``B-`` or when the type changes; a chunk begins at any other tag when
    none is open, so an ``I-`` without its ``B-`` opens one.

    Example:
        >>> chunks(["O", "I-PER", "I-PER", "B-PER"])
        [Chunk(type='PER', start=1, end=3), Chunk(type='PER', start=3, end=4)]
    """
    found: list[Chunk] = []
    begun, kind = -1, ""
    for index, tag in enumerate((*tags, "O")):
        if begun >= 0 and (tag[0] in "OB" or tag[2:] != kind):
            found.append(Chunk(kind, begun, index))
            begun = -1
        if tag != "O" and begun < 0:
            begun, kind = index, tag[2:]
    return found


def fine_type(
    logits: FloatArray, parents: npt.NDArray[np.str_], coarse: str, *, temperature: float = 1.0
) -> tuple[int, float]:
    """Best fine type of one entity and its probability.

    Args:
        logits: [w, F], the fine logits of the entity's words; their mean decides.
        parents: [F], the coarse type of every fine type.
        coarse: the entity's coarse type; only its own fine types compete, so that the two levels
            cannot contradict each other.
        temperature: softens the probability.
    """
    scores = np.where(parents == coarse, logits.mean(0) / temperature, -np.inf)
    weights = np.exp(scores - scores.max())
    best = int(weights.argmax())
    return best, float(weights[best] / weights.sum())
