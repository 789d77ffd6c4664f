"""What methods do where a picture is absent, and the fixed foreign picture of the public code."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from magpie.backbones import load_vision
from magpie.errors import ConfigError
from magpie.features import Grid
from magpie.vision import PixelSpec, load_image, network_input

__all__ = ["check_default_image", "default_grid", "default_pixels", "where_absent"]


def check_default_image(missing: str, path: str) -> None:
    """A default picture is named exactly where it is asked for.

    Raises:
        ConfigError: it is not.
    """
    if (missing == "default_image") != bool(path):
        raise ConfigError(
            f"missing={missing!r} with default_image={path!r}",
            mend="missing='default_image' needs the path of that picture, and nothing else does.",
        )


def default_pixels(path: str, spec: PixelSpec) -> Tensor:
    """The picture that stands in for every absent one, [3, side, side].

    Raises:
        MediaError: it cannot be read.
    """
    return torch.from_numpy(network_input(load_image(Path(path)), spec)[0])


@torch.no_grad()
def default_grid(path: str, need: Grid) -> Tensor:
    """Its frozen features, [C, cells, cells].

    Raises:
        MediaError: it cannot be read.
        ModelError: the encoder is not on this machine.
    """
    encoder = load_vision(need.backbone, side=need.spec.side).eval()
    states = encoder(default_pixels(path, need.spec).unsqueeze(0))[0]  # P,C
    side = round(states.shape[0] ** 0.5)
    grid = states.T.unflatten(1, (side, side))
    return functional.adaptive_avg_pool2d(grid, need.cells)


def where_absent(values: Tensor, there: Tensor, fill: Tensor | None = None) -> Tensor:
    """``values`` [B, ...] where ``there`` [B], else ``fill`` (zeros).

    Selected before the network reads them: a NaN that is only deselected behind the network
    would still come back through the gradient.
    """
    chosen = there.view(-1, *(1,) * (values.dim() - 1))
    return torch.where(chosen, values, torch.zeros_like(values) if fill is None else fill)
