"""Posts -> model inputs, targets and batches of similar length."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from magpie.engine.embedded.features import Encoded, Featuriser, pad
from magpie.nn.crf import Marginals
from magpie.training.embedded.data import Post
from magpie.training.embedded.network import Inputs
from magpie.training.embedded.settings import HEADS, LABELS

__all__ = ["Item", "Soft", "Targets", "batches", "inputs_of", "items_of", "targets_of"]

_TAG = {label: index for index, label in enumerate(LABELS)}


@dataclass(slots=True)
class Soft:
    """A teacher's beliefs about one post, in half precision."""

    unary: npt.NDArray[np.float16]  # [w, L]
    pairwise: npt.NDArray[np.float16]  # [w - 1, L, L]
    fine: npt.NDArray[np.float16]  # [w, F]


@dataclass(slots=True)
class Item:
    """One post, ready for batching; w words survived the cut at the piece limit."""

    words: list[str]
    encoded: Encoded
    head: int
    tags: list[str] | None = None
    #: index of the fine type of every word, -1 where there is none
    fine: npt.NDArray[np.int64] | None = None
    soft: Soft | None = None

    @property
    def width(self) -> int:
        """w."""
        return len(self.encoded.first)


@dataclass(slots=True)
class Targets:
    """What a batch should predict."""

    tags: Marginals
    fine: Tensor  # [B, W], -1 = nothing to learn
    soft_fine: Tensor | None  # [B, W, F], zero rows = nothing to learn


def items_of(
    posts: Sequence[Post],
    head: str,
    featurise: Featuriser,
    fine_index: dict[str, int],
) -> list[Item]:
    """Posts of one guideline as items; posts without words are left out."""
    items = []
    for post in posts:
        if not post.words:
            continue
        encoded = featurise(post.words)
        width = len(encoded.first)
        fine = None
        if post.fine is not None:
            names = post.fine[:width]
            fine = np.array([fine_index[n[2:]] if n != "O" else -1 for n in names], np.int64)
        items.append(Item(list(post.words), encoded, HEADS[head], post.tags, fine))
    return items


def batches(items: Sequence[Item], size: int, rng: random.Random) -> Iterator[list[Item]]:
    """Shuffled batches whose members are of similar length, so that little is padding."""
    order = list(items)
    rng.shuffle(order)
    found = []
    for begin in range(0, len(order), size * 40):
        pool = sorted(order[begin : begin + size * 40], key=lambda item: len(item.encoded.pieces))
        found += [pool[i : i + size] for i in range(0, len(pool), size)]
    rng.shuffle(found)
    yield from found


def inputs_of(items: Sequence[Item]) -> tuple[Inputs, Tensor]:
    """The model's inputs and the word mask [B, W]."""
    arrays, mask = pad([item.encoded for item in items])
    inputs = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return inputs, torch.from_numpy(mask)


def targets_of(items: Sequence[Item], width: int, fine_types: int) -> Targets:
    """Gold tags as one-hot marginals, or the teacher's marginals where an item carries them."""
    B, L = len(items), len(LABELS)
    unary = np.zeros((B, width, L), np.float32)
    pairwise = np.zeros((B, max(width - 1, 0), L, L), np.float32)
    fine = np.full((B, width), -1, np.int64)
    soft_fine: npt.NDArray[np.float32] | None = None
    for row, item in enumerate(items):
        w = item.width
        if item.soft is not None:
            unary[row, :w] = item.soft.unary
            pairwise[row, : max(w - 1, 0)] = item.soft.pairwise
            if soft_fine is None:
                soft_fine = np.zeros((B, width, fine_types), np.float32)
            soft_fine[row, :w] = item.soft.fine
            continue
        assert item.tags is not None
        tags = np.array([_TAG[tag] for tag in item.tags[:w]], np.int64)
        unary[row, np.arange(w), tags] = 1
        pairwise[row, np.arange(w - 1), tags[:-1], tags[1:]] = 1
        if item.fine is not None:
            fine[row, :w] = item.fine
    return Targets(
        Marginals(torch.from_numpy(unary), torch.from_numpy(pairwise)),
        torch.from_numpy(fine),
        None if soft_fine is None else torch.from_numpy(soft_fine),
    )
