"""Constrained decoding: masks of what a grammar allows next, for a batch of outputs.

A greedy decoder asks a mask before each choice and takes the best of what is allowed; what it
writes is well-formed whatever its scores. The papers decode without, so methods have it as an
option that is off.

Shapes: B batch, W words, t symbols so far, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from magpie.methods.generation.index_sequence import IndexGrammar
from magpie.methods.generation.tries import Plan, Walk

__all__ = ["IndexMask", "Mask", "PlanMask", "constrained"]


class Mask(Protocol):
    """What a decoder asks at every step."""

    def allowed(self, symbols: Tensor) -> Tensor:
        """Symbols so far [B, t] -> [B, V], True where a symbol may come next."""


def constrained(scores: Tensor, mask: Mask, symbols: Tensor) -> Tensor:
    """Scores [B, V] with minus infinity for everything that ``mask`` does not allow."""
    return scores.masked_fill(~mask.allowed(symbols), -torch.inf)


class IndexMask:
    """G1 as a finite-state machine on tensors; without memory, so it also suits beams.

    A name is a run of adjacent words by their first pieces, then a flag, then a type. Entities
    come in text order, as in every target.

    Args:
        grammar: its ``numbering`` decides the indices; symbols do not hold the start.
        starts: [B, W], source position of every word's first piece, ascending; -1 is padding.
        size: V, the number of indices: pointers end with it.
        limits: [B], symbols at most, the end included; no entity is begun that could not be
            finished.
        groundable: [B], whether there is a region to point at; everywhere unless given.
    """

    def __init__(
        self,
        grammar: IndexGrammar,
        starts: Tensor,
        size: int,
        *,
        limits: Tensor | None = None,
        groundable: Tensor | None = None,
    ) -> None:
        self.grammar = grammar
        B, W = starts.shape
        first, device = grammar.first_pointer, starts.device
        index = torch.where(starts < 0, size, starts + first)  # B,W
        word = torch.zeros(B, size + 1, dtype=torch.bool, device=device)
        self.is_word = word.scatter(1, index.clamp(max=size), True)[:, :size]  # B,V
        # The index of the word behind each word; ``size`` where there is none.
        behind = torch.full_like(word, size, dtype=torch.long)  # B,V+1
        if W > 1:
            behind.scatter_(1, index[:, :-1].clamp(max=size), index[:, 1:].clamp(max=size))
        behind[:, size] = size
        self.behind = behind
        self.limits, self.groundable = limits, groundable
        self.columns = torch.arange(size, device=device)  # V

    def allowed(self, symbols: Tensor) -> Tensor:
        """Symbols so far [B, t] -> [B, V]."""
        g, columns, size = self.grammar, self.columns, len(self.columns)
        B, t = symbols.shape
        pointers = symbols.new_full((B, 1), -1)
        known = torch.cat([pointers, symbols], 1)  # B,1+t
        last = known[:, -1:]
        furthest = known.where(known >= g.first_pointer, -1).max(1, keepdim=True).values  # B,1
        flagged = (last == g.grounded) | (last == g.ungrounded)
        pointing = last >= g.first_pointer
        ended = last == g.end
        between = ~(flagged | pointing | ended)
        left = (
            symbols.new_full((B, 1), size + 4) if self.limits is None else self.limits[:, None] - t
        )
        roomy = left >= 4  # a pointer, a flag, a type and the end

        is_end = columns == g.end  # V
        is_type = (columns >= g.first_type) & (columns < g.first_pointer)
        is_flag = (columns == g.ungrounded).expand(B, -1)  # B,V
        groundable = columns == g.grounded
        if self.groundable is not None:
            groundable = groundable & self.groundable[:, None].bool()
        is_flag = is_flag | groundable
        following = self.behind.gather(1, last.clamp(min=0, max=size))  # B,1
        return (
            (flagged & is_type)
            | (pointing & (is_flag | (roomy & (columns == following))))
            | (between & (is_end | (roomy & self.is_word & (columns > furthest))))
            | (ended & is_end)
        )


class PlanMask:
    """The text grammars: one walk an output (:mod:`magpie.methods.generation.tries`).

    It remembers what it was told: one object a batch, asked with one more symbol each time.

    Args:
        plans: one an output.
        size: V.
        end: the piece that ends an output.
        limits: pieces of each output at most, the end included.
    """

    def __init__(
        self, plans: Sequence[Plan], size: int, *, end: int, limits: Sequence[int] | None = None
    ) -> None:
        self.size, self.end = size, end
        self.walks = [
            Walk(plan, end=end, limit=None if limits is None else limits[row])
            for row, plan in enumerate(plans)
        ]
        self._told = 0
        self._done = [False] * len(self.walks)

    def allowed(self, symbols: Tensor) -> Tensor:
        """Symbols so far [B, t] -> [B, V]; what stands behind an end is not looked at."""
        for column in symbols[:, self._told :].T.tolist():
            for row, symbol in enumerate(column):
                if not self._done[row]:
                    self.walks[row].advance(symbol)
                    self._done[row] = symbol == self.end
        self._told = symbols.shape[1]
        rows: list[int] = []
        columns: list[int] = []
        for row, walk in enumerate(self.walks):
            pieces = {self.end} if self._done[row] else walk.allowed()
            rows += [row] * len(pieces)
            columns += pieces
        found = torch.zeros(len(self.walks), self.size, dtype=torch.bool, device=symbols.device)
        found[rows, columns] = True
        return found
