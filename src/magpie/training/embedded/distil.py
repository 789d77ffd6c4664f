"""An ensemble of teachers labels posts; the student learns from its beliefs.

Beliefs are averaged label marginals, single and in pairs. Trained on with
:meth:`magpie.nn.crf.CRF.soft_loss`, they carry the teachers' doubts about whole spans rather than
about single words.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from magpie.training.embedded.batches import Item, Soft
from magpie.training.embedded.finetune import beliefs
from magpie.training.embedded.network import Tagger

__all__ = ["label"]


def label(teachers: Sequence[Tagger], items: Sequence[Item]) -> list[Item]:
    """The items that have at least two words, with the ensemble's mean beliefs attached."""
    items = [item for item in items if item.width > 1]
    sums: list[list[torch.Tensor]] = []
    for teacher in teachers:
        for row, (_, marginals, fine) in enumerate(beliefs(teacher, items)):
            parts = [marginals.unary, marginals.pairwise, fine]
            if row < len(sums):
                sums[row] = [a + b for a, b in zip(sums[row], parts, strict=True)]
            else:
                sums.append(parts)
    for item, parts in zip(items, sums, strict=True):
        mean = [(part / len(teachers)).numpy().astype(np.float16) for part in parts]
        item.soft = Soft(*mean)
    return items
