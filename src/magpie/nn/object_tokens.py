"""Objects of a picture as tokens: colours and depth under one table of positions, then one state
an object, which knows where the object stands.

He et al.: MORE: A Multimodal Object-Entity Relation Extraction Dataset with a Benchmark Evaluation,
ACM MM 2023 (MOREformer). Unusual: no class token; the depth kernel starts as the mean of the colour
kernels; the order of the objects enters nowhere.

Shapes: B pictures, R objects, C channels, P patches of an object's cut-out, K tokens of an object
(P, or 2 P with depth), D width.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from magpie.nn.lockstep import crop_patches

__all__ = ["ObjectPlaces", "ObjectTokens", "object_place"]


def object_place(cx: float, cy: float, width: float, height: float) -> tuple[float, ...]:
    """The position features of a box given by centre and size as shares of the picture.

    Example:
        >>> object_place(0.5, 0.4, 0.2, 0.3)
        (0.5, 0.4, 0.2, 0.3, 0.06)
    """
    return cx, cy, width, height, width * height


class ObjectTokens(nn.Module):
    """Cut-outs -> tokens, of each object first the patches of its colours, then those of its depth.

    CLIP's own convolution reads the colours.

    Args:
        colours: that convolution, kernel [D, 3, patch, patch] without bias.
        patches: P.
        depth: read a depth channel.
        deviation: of the table of positions, which is drawn anew.
    """

    def __init__(
        self, colours: nn.Conv2d, patches: int, *, depth: bool = True, deviation: float = 0.02
    ) -> None:
        super().__init__()
        width = colours.out_channels
        self.positions = nn.Parameter(torch.empty(patches, width))
        nn.init.normal_(self.positions, std=deviation)
        self.depth: nn.Conv2d | None = None
        if depth:
            size: Any = colours.kernel_size
            self.depth = nn.Conv2d(1, width, size, stride=size, bias=False)
            with torch.no_grad():
                self.depth.weight.copy_(colours.weight.mean(1, keepdim=True))

    def forward(self, colours: nn.Module, pixels: Tensor, depth: Tensor | None = None) -> Tensor:
        """Before the first norm: [B, R K, D].

        Args:
            colours: the convolution of the constructor.
            pixels: [B, R, 3, side, side].
            depth: [B, R, 1, side, side]; left aside by a module without depth.
        """
        parts = [crop_patches(colours, pixels) + self.positions]  # B,R,P,D
        if self.depth is not None and depth is not None:
            parts.append(crop_patches(self.depth, depth) + self.positions)
        return torch.cat(parts, 2).flatten(1, 2)  # B,RK,D


class ObjectPlaces(nn.Module):
    """O = mean over the K tokens of an object; O <- dropout(LN(O + W p + b)).

    W and b are drawn as torch draws linear layers, as in the public code.

    Args:
        width: D.
        placed: without it objects are pooled only.
        dropout: of the published size by default.
    """

    def __init__(self, width: int, *, placed: bool = True, dropout: float = 0.1) -> None:
        super().__init__()
        self.placed = placed
        if placed:
            self.place = nn.Linear(5, width)
            self.norm = nn.LayerNorm(width, eps=1e-12)
            self.dropout = nn.Dropout(dropout)

    def forward(
        self, tokens: Tensor, each: int, places: Tensor, slots: Tensor | None = None
    ) -> Tensor:
        """One state an object, [B, R, D].

        Args:
            tokens: [B, M K, D] of M objects.
            each: K.
            places: p, [B, R, 5]: centre, size and area as shares of the picture.
            slots: [B, R], which of the M objects each of the R is; None where M is R.
        """
        pooled = tokens.unflatten(1, (-1, each)).mean(2)  # B,M,D
        if slots is not None:
            pooled = pooled.gather(1, slots.unsqueeze(2).expand(-1, -1, pooled.shape[2]))  # B,R,D
        if not self.placed:
            return pooled
        return cast(Tensor, self.dropout(self.norm(pooled + self.place(places))))
