"""Monocular depth estimators: a picture in, a map of depths out.

Models of the kind "relative" answer with an inverse depth of unknown scale, near things being
large. It is divided by the picture's largest and turned into a depth from 0 (nearest) to
:data:`FARTHEST`; models of the kind "metric" answer in metres and are left as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForDepthEstimation, PreTrainedModel
from transformers.image_processing_base import ImageProcessingMixin

from magpie.backbones.base import Backbone, load_local
from magpie.errors import ModelError
from magpie.vision import LoadedImage, PixelSpec, network_input
from magpie.vision.pixels import HALF, IMAGENET, Normalisation

__all__ = ["FARTHEST", "DepthEstimator", "load_depth"]

#: depth of what a relative model holds to be infinitely far; MOREformer's channel is 0 there
FARTHEST = 2.55
#: families, and whether their answers are metres; None where a model's own settings say so
_METRIC: dict[str, bool | None] = {
    "depth_anything": None, "dpt": False, "glpn": True, "zoedepth": True,
}  # fmt: skip
#: pixels as they are, in [0, 1]
_PLAIN = Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


class DepthEstimator(Backbone):
    """DPT, Depth Anything, GLPN or ZoeDepth.

    Args:
        model: a transformers model for depth estimation.
        name: what it was loaded as.
        pixels: how it reads pictures.
    """

    kind = "depth"

    def __init__(self, model: PreTrainedModel, name: str, pixels: PixelSpec) -> None:
        super().__init__(model, name)
        self.pixels = pixels

    @property
    def metric(self) -> bool:
        """Whether it answers in metres."""
        config = cast(PreTrainedModel, self.model).config
        known = _METRIC[config.model_type]
        return config.depth_estimation_type == "metric" if known is None else known

    @property
    def width(self) -> int:
        """One number a place."""
        return 1

    @torch.no_grad()
    def estimate(self, images: Sequence[LoadedImage]) -> list[npt.NDArray[np.float32]]:
        """A map [rows, columns] of each picture, of whatever size; it covers the whole picture."""
        if not images:
            return []
        read = [torch.from_numpy(network_input(image, self.pixels)[0]) for image in images]
        device = next(self.parameters()).device
        found = cast(Tensor, self.model(pixel_values=torch.stack(read).to(device)).predicted_depth)
        maps = found.float().reshape(len(images), *found.shape[-2:])
        if not self.metric:
            near = maps.clamp(min=0)
            largest = near.amax((1, 2), keepdim=True)
            # Where nothing is near, all is equally far.
            maps = FARTHEST * (1 - near / torch.where(largest > 0, largest, 1.0))
        return [np.asarray(row, np.float32) for row in maps.cpu().numpy()]

    def describe(self) -> dict[str, Any]:
        config = cast(PreTrainedModel, self.model).config
        return {"config": config.to_dict(), "pixels": asdict(self.pixels)}

    @classmethod
    def from_description(cls, value: dict[str, Any], folder: Path) -> Self:
        given = dict(value["pixels"])
        colours = {name: tuple(part) for name, part in given.pop("normalisation").items()}
        with torch.random.fork_rng(devices=[]):
            config = AutoConfig.for_model(**value["config"])
            model = AutoModelForDepthEstimation.from_config(config)
        pixels = PixelSpec(normalisation=Normalisation(**colours), **given)
        return cls(model.eval(), value["name"], pixels)


def load_depth(name: str) -> DepthEstimator:
    """An estimator by hub name, folder, or ``tiny-depth|tiny-metric-depth``.

    Raises:
        ModelError: it is not on this machine, or of another family.
    """
    if name.startswith("tiny-"):
        from magpie.backbones.tiny_depth import tiny_depth

        return tiny_depth(name)
    config = load_local(name, AutoConfig.from_pretrained)
    if config.model_type not in _METRIC:
        raise ModelError(
            f"{name} is a {config.model_type}, no depth estimator that is known here",
            where=name,
            mend=f"There are: {', '.join(_METRIC)}.",
        )
    model = load_local(name, AutoModelForDepthEstimation.from_pretrained)
    return DepthEstimator(model.eval(), name, _pixels(name, config.model_type))


def _pixels(name: str, family: str) -> PixelSpec:
    """From the release's own settings: the square nearest to its size, whatever a picture's shape.

    Squashing gives the network every part of the picture, and the map is read by shares anyhow.
    """
    place = Path(name).expanduser()
    read = ImageProcessingMixin.get_image_processor_dict
    try:
        given = read(str(place) if place.is_dir() else name, local_files_only=True)[0]
    except OSError:
        given = {}
    mean, std = given.get("image_mean"), given.get("image_std")
    own = {"depth_anything": IMAGENET, "glpn": _PLAIN}.get(family, HALF)
    colours = Normalisation(tuple(mean), tuple(std)) if mean and std else own
    if not given.get("do_normalize", family != "glpn"):
        colours = _PLAIN
    step = int(given.get("ensure_multiple_of") or given.get("size_divisor") or 1)
    size = given.get("size")
    sides = [s for s in size.values() if isinstance(s, int)] if isinstance(size, dict) else [size]
    whole = [int(side) for side in sides if isinstance(side, int) and side > 0]
    side = max(step, round(max(whole, default=480) / step) * step)
    return PixelSpec(side=side, fit="squash", normalisation=colours)
