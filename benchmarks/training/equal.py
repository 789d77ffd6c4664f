"""Whether both sides give the same: losses, gradients and best paths of the same posts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from benchmarks.training.public import LENGTH
from benchmarks.training.twins import MkgformerTwins, padded
from torch import Tensor

from magpie.methods.base import Batch

if TYPE_CHECKING:
    from benchmarks.training.measure import Bench

__all__ = ["compared"]

#: largest relative difference that single precision through a dozen layers may leave
_TOLERANCE = 1e-3


def compared(bench: Bench) -> dict[str, float | int]:
    """Largest relative differences of the first batch, dropout switched off.

    Raises:
        AssertionError: a difference above the tolerance.
    """
    twins = bench.twins
    twins.ours.eval()
    twins.theirs.eval()
    rows = list(range(bench.size))
    batch = bench.examples.batch(rows)
    found = {}
    if isinstance(twins, MkgformerTwins):
        # Published, the picture attends to padding. Ours does not by default: that must equal
        # the public code on texts without padding, one at a time.
        found |= _pair(bench, batch, rows, length=None)
        object.__setattr__(twins.ours.config, "mask_text_prefix", False)
        wide = padded(batch, LENGTH)
        found |= {f"padding_seen_{k}": v for k, v in _pair(bench, wide, rows, LENGTH).items()}
        object.__setattr__(twins.ours.config, "mask_text_prefix", True)
    else:
        found |= _pair(bench, batch, rows, LENGTH)
    for name, value in found.items():
        limit = 0 if name.endswith("paths_that_differ") else _TOLERANCE
        assert value <= limit, (name, value)
    return found


def _pair(
    bench: Bench, batch: Batch, rows: list[int], length: int | None
) -> dict[str, float | int]:
    """Of one batch of ours; theirs is padded to ``length``, or fed text by text without padding."""
    twins = bench.twins
    twins.ours.zero_grad(set_to_none=True)
    twins.theirs.zero_grad(set_to_none=True)
    output = twins.ours(batch)
    output.loss.backward()
    mask = batch.inputs["attention_mask"].bool()
    mine = twins.ours.crf.decode(output.scores["emissions"], mask)  # type: ignore[operator, union-attr]
    whole = torch.zeros(())
    paths: list[list[int]] = []
    for part, seen in _parts(bench, batch, rows, length):
        loss = twins.loss(part, seen, part.targets["tags"]) * len(part) / len(rows)
        loss.backward()
        whole = whole + loss.detach()
        with torch.no_grad():
            paths += twins.paths(part, seen)
    gradients = dict(twins.ours.named_parameters())
    differences = [
        _relative(_gradient(gradients[ours]), _gradient(theirs))
        for name, theirs in twins.theirs.named_parameters()
        if (ours := twins.names.get(name)) in gradients
    ]
    assert len(differences) == sum(p.requires_grad for p in twins.ours.parameters())
    return {
        "loss": _relative(output.loss.detach(), whole),
        "largest_gradient": max(differences),
        "paths_that_differ": sum(a != b for a, b in zip(mine, paths, strict=True)),
    }


def _parts(
    bench: Bench, batch: Batch, rows: list[int], length: int | None
) -> list[tuple[Batch, dict[str, Tensor]]]:
    if length is not None:
        return [(padded(batch, length), bench.seen(rows))]
    return [(bench.examples.batch([row]), bench.seen([row])) for row in rows]


def _gradient(parameter: Tensor) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def _relative(ours: Tensor, theirs: Tensor) -> float:
    """Length of the difference over the length of theirs."""
    scale = float(theirs.norm())
    gap = float((ours - theirs).norm())
    # Gradients that cancel exactly (a bias of keys moves no softmax) are rounding on both sides.
    return gap / scale if scale > 1e-5 else gap
