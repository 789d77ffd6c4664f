"""Boxes as tokens: place and size in the stead of what a picture encoder would see there.

Shapes: M boxes, D width; every box becomes five tokens.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from magpie.errors import ConfigError

__all__ = ["MEASURES", "BoxTokens"]

#: what is told of a box, one token each; fractions of the picture
MEASURES = ("centre x", "centre y", "width", "height", "area")


class BoxTokens(nn.Module):
    """One token a measure of a box: its value as waves, what it measures, and who gave the box.

    Waves of several lengths (sine and cosine, as for places in a text) let one linear map tell
    boxes apart that differ little.

    Args:
        width: of the tokens (D).
        sources: how many sources boxes come from.
        bands: numbers of waves; the shortest is ``2 ** (2 - bands)`` of the picture long.

    Raises:
        ConfigError: no source or no band.
    """

    def __init__(self, width: int, sources: int = 2, bands: int = 6) -> None:
        super().__init__()
        if sources < 1 or bands < 1:
            raise ConfigError(f"need a source and a band, got {sources} and {bands}")
        self.frequencies: Tensor
        self.register_buffer("frequencies", torch.pi * 2.0 ** torch.arange(bands), persistent=False)
        self.values = nn.Linear(1 + 2 * bands, width)
        self.measures = nn.Embedding(len(MEASURES), width)
        self.sources = nn.Embedding(sources, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, boxes: Tensor, sources: Tensor) -> Tensor:
        """[..., M, 5, D].

        Args:
            boxes: (centre x, centre y, width, height) as fractions of the picture, [..., M, 4].
            sources: who gave them, [M].
        """
        area = boxes[..., 2:3] * boxes[..., 3:4]
        values = torch.cat([boxes, area], -1).unsqueeze(-1)  # ...,M,5,1
        angles = values * self.frequencies  # ...,M,5,bands
        waves = self.values(torch.cat([values, angles.sin(), angles.cos()], -1))  # ...,M,5,D
        given = self.sources(sources).unsqueeze(-2)  # M,1,D
        return cast(Tensor, self.norm(waves + self.measures.weight + given))
