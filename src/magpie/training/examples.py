"""Documents with their assets as a training set, and batches of like length in a fixed order."""

from __future__ import annotations

import random
from collections.abc import Sequence

from torch import Tensor

from magpie.features.supply import Supplier
from magpie.methods.base import Batch, Example, Method, without_gold
from magpie.schema import Document

__all__ = ["Examples", "epoch_batches"]

#: so many batches share a pool that is sorted by length
_POOL = 40


class Examples:
    """Documents prepared for a method, when they are asked for.

    Args:
        method: prepares input and targets.
        documents: with gold annotations.
        supplier: of the method's needs.
        keep: keep prepared examples in memory. Prepared pixels are large: a thousand pictures of
            224 pixels take 600 MB.
    """

    def __init__(
        self,
        method: Method,
        documents: Sequence[Document],
        supplier: Supplier,
        *,
        keep: bool = True,
    ) -> None:
        self.method = method
        self.documents = list(documents)
        if method.draws_with_replacement:
            # One draw a run, from a seed of its own: a run that goes on sees the same sample.
            drawn = random.Random(f"replacement:{len(self.documents)}")
            self.documents = drawn.choices(self.documents, k=len(self.documents))
        self.supplier = supplier
        self.needs = method.needs()
        self._kept: dict[int, tuple[Example, dict[str, Tensor]]] | None = {} if keep else None

    def __len__(self) -> int:
        return len(self.documents)

    def __getitem__(self, index: int) -> tuple[Example, dict[str, Tensor]]:
        """Input and targets of one document."""
        if self._kept is not None and index in self._kept:
            return self._kept[index]
        document = self.documents[index]
        assets = self.supplier(document, self.needs)
        example = self.method.prepare(without_gold(document, self.method.given), assets)
        pair = (example, self.method.targets(document, example))
        if self._kept is not None:
            self._kept[index] = pair
        return pair

    def batch(self, indices: Sequence[int]) -> Batch:
        """These documents, collated with their targets."""
        pairs = [self[index] for index in indices]
        return self.method.collate([pair[0] for pair in pairs], [pair[1] for pair in pairs])

    def length(self, index: int) -> int:
        """Characters of the text: what batches are sorted by, known without preparing."""
        return sum(len(block.text) for block in self.documents[index].blocks)


def epoch_batches(
    examples: Examples,
    size: int,
    *,
    seed: int,
    epoch: int,
    bucket: bool = True,
    shuffle: bool = True,
) -> list[list[int]]:
    """The batches of an epoch, as indices; a function of seed and epoch alone.

    So a run that was killed goes on with the very batches it would have seen.

    Args:
        examples: the training set.
        size: documents a batch; the last one may be smaller.
        seed, epoch: decide the order.
        bucket: put texts of like length together, which wastes little on padding.
        shuffle: else the documents come as they stand, whatever ``bucket`` says.
    """
    rng = random.Random(f"{seed}:{epoch}")
    order = list(range(len(examples)))
    if shuffle:
        rng.shuffle(order)
    if not (bucket and shuffle):
        return [order[i : i + size] for i in range(0, len(order), size)]
    batches: list[list[int]] = []
    for begin in range(0, len(order), _POOL * size):
        pool = sorted(order[begin : begin + _POOL * size], key=examples.length)
        batches.extend(pool[i : i + size] for i in range(0, len(pool), size))
    rng.shuffle(batches)
    return batches
