"""Pairs for TMR's divergence estimator, and its training.

Zheng et al., ACL 2023, section 3.2; the estimator itself is :mod:`magpie.backbones.divergence`.
:mod:`magpie.training.divergence` reads what it is trained on; saved, it is named where scores are
(``estimator:FOLDER``).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from magpie.backbones.divergence import CLASSES, DivergenceEstimator, Stage
from magpie.errors import ConfigError

__all__ = ["Divergence", "balanced_batches", "draw_pairs", "fit_estimator"]


@dataclass(frozen=True, slots=True)
class Divergence:
    """A text beside a picture, and the place of its class in :data:`CLASSES`."""

    text: str
    picture: str
    kind: int


def draw_pairs(
    strengthen: Sequence[tuple[str, str]],
    complement: Sequence[tuple[str, str]],
    steps: int,
    *,
    seed: int = 0,
) -> list[Divergence]:
    """Training pairs, three a step: one of each source, and one whose picture was swapped.

    Args:
        strengthen: (text, picture id) of captions, such as those of MSCOCO.
        complement: of pairs from the open web, such as LAION's.
        steps: how often all three are drawn.
        seed: decides what is drawn.

    Raises:
        ConfigError: a source has not two different pictures, so none can be swapped.
    """
    sources = (complement, strengthen)
    for source in sources:
        if len({picture for _, picture in source}) < 2:
            raise ConfigError("a source of pairs needs at least two different pictures")
    rng = random.Random(f"divergence:{seed}")
    found = []
    for _ in range(steps):
        for kind, source in ((2, strengthen), (1, complement)):
            found.append(Divergence(*rng.choice(source), kind))
        source = rng.choice(sources)
        text, own = rng.choice(source)
        other = own
        while other == own:
            other = rng.choice(source)[1]
        found.append(Divergence(text, other, 0))
    return found


def balanced_batches(pairs: Sequence[Divergence], steps: int = 2) -> Iterator[list[Divergence]]:
    """Batches of so many steps of :func:`draw_pairs`; an incomplete last one is left out.

    Each holds every class at least twice, so that every anchor has a positive.

    Raises:
        ConfigError: fewer than two steps a batch.
    """
    if steps < 2:
        raise ConfigError(f"a batch needs at least 2 steps, got {steps}")
    size = steps * len(CLASSES)
    for begin in range(0, len(pairs) - size + 1, size):
        yield list(pairs[begin : begin + size])


def fit_estimator(
    estimator: DivergenceEstimator,
    pairs: Sequence[Divergence],
    read: Callable[[str], Tensor],
    *,
    steps: int = 8,
    rate: float = 1e-4,
    stage: Stage = "joint",
) -> Iterator[dict[str, float]]:
    """Trains in place, a batch at a time; yields the terms of its loss.

    Args:
        estimator: trained in place.
        pairs: as drawn.
        read: picture id -> pixels [3, side, side] as :attr:`DivergenceEstimator.pixels` has them.
        steps: of :func:`draw_pairs` in a batch.
        rate: of AdamW; none was published.
        stage: see :meth:`DivergenceEstimator.losses`.
    """
    estimator.train()
    device = estimator.model.device
    optimiser = torch.optim.AdamW(estimator.parameters(), lr=rate)
    for batch in balanced_batches(pairs, steps):
        pixels = torch.stack([read(pair.picture) for pair in batch]).to(device)
        classes = torch.tensor([pair.kind for pair in batch], device=device)
        terms = estimator.losses([pair.text for pair in batch], pixels, classes, stage)
        optimiser.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        optimiser.step()
        yield {name: float(term.detach()) for name, term in terms.items()}
    estimator.eval()
