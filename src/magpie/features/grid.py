"""Frozen features of a picture's cells, made in batches by a backbone in evaluation mode."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, cast

import torch
from torch import Tensor
from torch.nn import functional

from magpie.backbones import VisionEncoder, load_vision
from magpie.errors import ConfigError, MagpieError
from magpie.features.needs import Asset, Grid, Need
from magpie.features.source import Arrays, Ask, Picture, Pictures, Source
from magpie.schema import Document
from magpie.vision import network_input

__all__ = ["GridSource", "grid_of"]


class GridSource(Source):
    """Grids of backbones that are loaded when first asked for.

    Batch norms use their running statistics: the public code of UMT let them drift, and its
    features changed from epoch to epoch.

    Args:
        pictures: where pictures are read from.
        device: that the backbones run on.
        batch: pictures at once.
        load: finds a backbone by name; replaced by those who hold it already.
    """

    kind: ClassVar[type[Need]] = Grid

    def __init__(
        self,
        pictures: Pictures,
        *,
        device: str | torch.device = "cpu",
        batch: int = 16,
        load: Callable[..., VisionEncoder] = load_vision,
    ) -> None:
        self.pictures = pictures
        self.device = torch.device(device)
        self.batch = batch
        self._load = load
        self._loaded: dict[tuple[str, int], tuple[VisionEncoder, str]] = {}

    def ask(self, document: Document, need: Grid) -> Ask | Asset:
        picture = self.pictures.first(document)
        if isinstance(picture, Asset):
            return picture
        return Ask({"picture": picture.digest}, picture)

    def compute(self, asks: Sequence[Ask], need: Grid) -> list[Arrays | Asset]:
        encoder, _ = self._encoder(need)
        made: list[Arrays | Asset] = []
        rows: list[Tensor] = []
        for ask in asks:
            try:
                pixels = network_input(cast(Picture, ask.payload).load(), need.spec)[0]
            except MagpieError as error:
                made.append(Asset.absent(str(error)))
                continue
            rows.append(torch.from_numpy(pixels))
            made.append({})
        if not rows:
            return made
        grids = iter(grid_of(encoder, torch.stack(rows).to(self.device), need.cells).cpu().numpy())
        # Copies: a slice would keep the whole batch alive.
        return [m if isinstance(m, Asset) else {"grid": next(grids).copy()} for m in made]

    def fingerprint(self, need: Grid) -> dict[str, Any]:
        return {"version": self.version, "backbone": self._encoder(need)[1]}

    def _encoder(self, need: Grid) -> tuple[VisionEncoder, str]:
        place = (need.backbone, need.spec.side)
        if place not in self._loaded:
            encoder = self._load(need.backbone, side=need.spec.side).freeze().to(self.device)
            _check_side(encoder, need)
            self._loaded[place] = (encoder, encoder.weights_digest())
        return self._loaded[place]


def _check_side(encoder: VisionEncoder, need: Grid) -> None:
    own = getattr(encoder.transformer.config, "image_size", None)
    if not encoder.convolutional and own != need.spec.side:
        raise ConfigError(
            f"{need.backbone} reads pictures of {own} pixels, the grid asks for {need.spec.side}",
            mend=f"Set the side to {own}.",
        )


@torch.no_grad()
def grid_of(encoder: VisionEncoder, pixels: Tensor, cells: int) -> Tensor:
    """The last states of an encoder as a square of cells.

    A summary token is left out; a grid of another size is averaged down or repeated up (adaptive
    pooling, as UMT does).

    Args:
        encoder: in evaluation mode.
        pixels: [B, 3, side, side].
        cells: rows and columns of the result.

    Returns:
        float32 [B, C, cells, cells].
    """
    states = encoder(pixels)  # B,P,C
    if not encoder.convolutional:
        states = states[:, 1:]
    side = math.isqrt(states.shape[1])
    grid = states.transpose(1, 2).reshape(len(pixels), -1, side, side)  # B,C,side,side
    if side != cells:
        grid = functional.adaptive_avg_pool2d(grid, cells)
    return cast(Tensor, grid.float())
