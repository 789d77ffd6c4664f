"""Any boxes, each described by what a picture network sees in its cut-out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from magpie.backbones import VisionEncoder, load_vision
from magpie.features.cuts import cut_out
from magpie.features.proposals import Proposals, Proposer, Seen, tidied
from magpie.schema import Document
from magpie.vision import network_input

__all__ = ["DescribedProposer"]


class DescribedProposer:
    """Replaces a proposer's vectors by states of a frozen picture network.

    A cut-out is scaled as the network wants its pictures. Of a ResNet the mean over the cells of
    its last grid is taken (VinVL's vectors are such means, of a region of its own grid); of ViT and
    CLIP the last state of the summary token.

    Args:
        boxes: who finds the boxes.
        backbone: name of the network; it is loaded when first asked.
        crops: cut-outs at once.
        device: that it runs on.
        load: finds a backbone by name; replaced by those who hold it already.
    """

    batch = 1

    def __init__(
        self,
        boxes: Proposer,
        backbone: str,
        *,
        crops: int = 32,
        device: str | torch.device = "cpu",
        load: Callable[..., VisionEncoder] = load_vision,
    ) -> None:
        self.boxes = boxes
        self.backbone = backbone
        self._crops = crops
        self._device = torch.device(device)
        self._load = load
        self._loaded: tuple[VisionEncoder, str] | None = None

    def fingerprint(self) -> dict[str, Any]:
        """The boxes' own, and the network's weights."""
        return {"boxes": self.boxes.fingerprint(), "backbone": self._encoder()[1]}

    def depends(self, document: Document) -> Any:
        """What the boxes depend on."""
        return self.boxes.depends(document)

    def propose(self, seen: Sequence[Seen]) -> list[Proposals]:
        """The boxes in their order, with vectors [n, C] of the network."""
        found = [tidied(one) for one in self.boxes.propose(seen)]
        return [self._described(one, part) for one, part in zip(seen, found, strict=True)]

    @torch.no_grad()
    def _described(self, seen: Seen, found: Proposals) -> Proposals:
        encoder, _ = self._encoder()
        rows: list[Tensor] = []
        for box in found.to_boxes(seen.media):
            cut = cut_out(seen.image, box) or seen.image
            rows.append(torch.from_numpy(network_input(cut, encoder.pixels)[0]))
        vectors = [np.zeros((0, encoder.width), np.float32)]
        for begin in range(0, len(rows), self._crops):
            pixels = torch.stack(rows[begin : begin + self._crops]).to(self._device)
            states = encoder(pixels)  # crops,P,C
            pooled = states.mean(1) if encoder.convolutional else states[:, 0]
            vectors.append(pooled.float().cpu().numpy())
        return dataclasses.replace(found, features=np.concatenate(vectors))

    def _encoder(self) -> tuple[VisionEncoder, str]:
        if self._loaded is None:
            encoder = self._load(self.backbone).freeze().to(self._device)
            self._loaded = (encoder, encoder.weights_digest())
        return self._loaded
