"""How much a picture may say, by its kind; and what its colours tell of that.

A meme, a cartoon or a chart seldom shows what a post is about. Three ways to tell: statistics of
the colours (here, without a network), a linear layer on the method's own picture states (needs
labelled pictures), and CLIP's vectors of picture and prompts
(:mod:`magpie.features.picture_kinds`, which also names the kinds).

Shapes: H x W pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = [
    "COEFFICIENTS",
    "colourfulness",
    "image_statistics",
    "kind_weight",
    "statistics_bad",
]

#: logistic regression on :func:`image_statistics`: constant, then one factor a statistic
COEFFICIENTS = (-3.0, 0.0, -4.0, 3.0, 4.0, 0.0)

_EDGE = 32.0


def colourfulness(picture: npt.NDArray[np.uint8]) -> float:
    """C = sqrt(var(R-G) + var((R+G)/2-B)) + 0.3 sqrt(mean(R-G)^2 + mean((R+G)/2-B)^2).

    Args:
        picture: [H, W, 3], 0 to 255.
    """
    red, green, blue = np.moveaxis(picture.astype(np.float64), 2, 0)
    first, second = red - green, (red + green) / 2 - blue
    spread = np.sqrt(first.var() + second.var())
    return float(spread + 0.3 * np.sqrt(first.mean() ** 2 + second.mean() ** 2))


def image_statistics(picture: npt.NDArray[np.uint8]) -> tuple[float, float, float, float, float]:
    """Of a picture [H, W, 3]: five numbers.

    Returns:
        Colourfulness / 100; distinct colours of 5 bits a channel over pixels; share of the eight
        most frequent ones; share of flat 3 x 3 neighbourhoods; share of pixels on an edge.
    """
    height, width = picture.shape[:2]
    coarse = (picture >> 3).astype(np.int64)
    codes = (coarse[..., 0] << 10) | (coarse[..., 1] << 5) | coarse[..., 2]
    counts = np.sort(np.bincount(codes.ravel()))[::-1]
    pixels = height * width
    grey = picture.astype(np.float64).mean(2)
    down, right = np.abs(np.diff(grey, axis=0)), np.abs(np.diff(grey, axis=1))
    edges = (np.maximum(down[:, :-1], right[:-1]) > _EDGE).mean() if min(height, width) > 1 else 0.0
    return (
        colourfulness(picture) / 100,
        float((counts > 0).sum() / pixels),
        float(counts[:8].sum() / pixels),
        _flat(picture),
        float(edges),
    )


def _flat(picture: npt.NDArray[np.uint8]) -> float:
    """Share of inner pixels whose eight neighbours have exactly their colour."""
    if min(picture.shape[:2]) < 3:
        return 0.0
    centre = picture[1:-1, 1:-1]
    same = np.ones(centre.shape[:2], dtype=bool)
    height, width = centre.shape[:2]
    for row in range(3):
        for column in range(3):
            other = picture[row : row + height, column : column + width]
            same &= (other == centre).all(2)
    return float(same.mean())


def statistics_bad(
    picture: npt.NDArray[np.uint8], coefficients: Sequence[float] = COEFFICIENTS
) -> float:
    """p_bad of a picture [H, W, 3] from its statistics: few colours on flat areas look drawn."""
    score = coefficients[0] + float(np.dot(coefficients[1:], image_statistics(picture)))
    return float(1 / (1 + np.exp(-score)))


def kind_weight(
    bad: Tensor, strength: float = 0.8, least: float = 0.0, *, hard: bool = False
) -> Tensor:
    """k = max(least, 1 - strength * p_bad), any shape; hard: least where p_bad > 0.5, else 1."""
    if hard:
        return torch.where(bad > 0.5, torch.full_like(bad, least), torch.ones_like(bad))
    return (1 - strength * bad).clamp_min(least)
