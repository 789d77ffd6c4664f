"""Frozen pooled maps of all stages of a ResNet, for a picture and its cut-outs together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from magpie.backbones import VisionEncoder, load_vision
from magpie.errors import ConfigError
from magpie.features.needs import Asset, Crops, Need, Pixels, Pyramid
from magpie.features.pixels import CropSource, PixelSource
from magpie.features.source import Arrays, Ask, Source
from magpie.nn.visual_prefix import pool_blocks
from magpie.schema import Document

__all__ = ["PyramidSource", "pyramid_of"]

#: cut-outs that are the whole picture again need no pass of their own
_WHOLE = "whole"


class PyramidSource(Source):
    """Maps of backbones that are loaded when first asked for, in evaluation mode.

    Kept are ``maps`` [K, C, 2, 2] of the pictures that differ, at most 2 + count with the black one
    that stands for what is absent; ``row`` [1 + count], which of them each picture is; ``there``
    [1 + count].

    Args:
        pixels: supplies the whole picture.
        crops: supplies its cut-outs.
        device: that the backbones run on.
        load: finds a backbone by name; replaced by those who hold it already.
    """

    kind: ClassVar[type[Need]] = Pyramid

    def __init__(
        self,
        pixels: PixelSource,
        crops: CropSource,
        *,
        device: str | torch.device = "cpu",
        load: Callable[..., VisionEncoder] = load_vision,
    ) -> None:
        self.pixels = pixels
        self.crops = crops
        self.device = torch.device(device)
        # Of four pictures each, as published.
        self.batch = 4
        self._load = load
        self._loaded: dict[tuple[str, int], tuple[VisionEncoder, str]] = {}
        self._black: dict[tuple[str, int], Tensor] = {}

    def ask(self, document: Document, need: Pyramid) -> Ask | Asset:
        whole = self.pixels.ask(document, Pixels(need.spec))
        crops = self._ask_crops(document, need)
        if isinstance(whole, Asset) and not isinstance(crops, Ask):
            return whole
        parts = {"whole": whole, "crops": crops}
        depends = {
            name: dict(part.depends) if isinstance(part, Ask) else None
            for name, part in parts.items()
        }
        return Ask(depends, parts)

    def _ask_crops(self, document: Document, need: Pyramid) -> Ask | Asset | None:
        if not need.count or need.crops == _WHOLE:
            return None
        return self.crops.ask(document, _cuts(need))

    def compute(self, asks: Sequence[Ask], need: Pyramid) -> list[Arrays | Asset]:
        encoder, _ = self._encoder(need)
        made: list[Arrays | Asset] = []
        pictures: list[Tensor] = []
        counts: list[int] = []
        for ask in asks:
            found = self._pictures(ask.payload, need)
            if isinstance(found, Asset):
                made.append(found)
                continue
            rows, arrays = found
            made.append(arrays)
            pictures += rows
            counts.append(len(rows))
        if not pictures:
            return made
        maps = pyramid_of(encoder, torch.stack(pictures).to(self.device)).cpu()
        parts = iter(maps.split(counts))
        for entry in made:
            if isinstance(entry, Asset):
                continue
            own = next(parts)
            if not entry["there"].all():
                own = torch.cat([own, self._black_maps(need, encoder)])
            entry["maps"] = own.numpy().copy()
        return made

    def _pictures(
        self, parts: Mapping[str, Any], need: Pyramid
    ) -> tuple[list[Tensor], Arrays] | Asset:
        """The pictures to be encoded, and ``row`` and ``there``; absent where none can be read."""
        there = np.zeros(1 + need.count, bool)
        rows: list[Tensor] = []
        whole = _made(self.pixels, parts["whole"], Pixels(need.spec))
        if whole.present:
            rows.append(torch.from_numpy(whole.arrays["pixels"]))
            there[0] = True
            there[1:] = need.crops == _WHOLE
        if parts["crops"] is not None:
            crops = _made(self.crops, parts["crops"], _cuts(need))
            if crops.present:
                there[1:] = crops.arrays["there"]
                rows += torch.from_numpy(crops.arrays["pixels"])[torch.from_numpy(there[1:])]
        if not rows:
            return whole if not whole.present else Asset.absent("no picture and no cut-out")
        if need.crops == _WHOLE:
            row = np.zeros(1 + need.count, np.int64)
        else:
            row = np.where(there, np.cumsum(there) - 1, len(rows))
        return rows, {"row": row, "there": there}

    def finish(self, arrays: Arrays, need: Pyramid) -> Asset:
        return Asset({"maps": arrays["maps"][arrays["row"]], "there": arrays["there"]})

    def fingerprint(self, need: Pyramid) -> dict[str, Any]:
        return {
            "version": self.version,
            "pixels": self.pixels.version,
            "crops": self.crops.version,
            "backbone": self._encoder(need)[1],
        }

    def _encoder(self, need: Pyramid) -> tuple[VisionEncoder, str]:
        place = (need.backbone, need.spec.side)
        if place not in self._loaded:
            encoder = self._load(need.backbone, side=need.spec.side).freeze().to(self.device)
            _check(encoder, need.backbone)
            self._loaded[place] = (encoder, encoder.weights_digest())
        return self._loaded[place]

    def _black_maps(self, need: Pyramid, encoder: VisionEncoder) -> Tensor:
        place = (need.backbone, need.spec.side)
        if place not in self._black:
            zeros = torch.zeros(1, 3, need.spec.side, need.spec.side, device=self.device)
            self._black[place] = pyramid_of(encoder, zeros).cpu()
        return self._black[place]


@torch.no_grad()
def pyramid_of(encoder: VisionEncoder, pixels: Tensor) -> Tensor:
    """Maps of all stages, pooled and side by side: [B, 3, side, side] -> float32 [B, C, 2, 2].

    Raises:
        ConfigError: the encoder has no stages, or its maps cannot be pooled so.
    """
    _check(encoder, encoder.name)
    return torch.cat(pool_blocks(encoder.stages(pixels)), 1).float()


def _check(encoder: VisionEncoder, name: str) -> None:
    if not encoder.convolutional:
        raise ConfigError(
            f"a pyramid holds the four blocks of a ResNet, {name!r} is none",
            mend="Name a ResNet, such as resnet-50.",
        )


def _cuts(need: Pyramid) -> Crops:
    return Crops(need.crops, need.count, need.spec)


def _made(source: Source, ask: Ask | Asset, need: Need) -> Asset:
    if isinstance(ask, Asset):
        return ask
    arrays = source.compute([ask], need)[0]
    return arrays if isinstance(arrays, Asset) else source.finish(arrays, need)
