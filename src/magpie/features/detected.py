"""Regions of a detector by name, described by what the detector makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from magpie.backbones.detector import PHRASES, Detector, load_detector
from magpie.features.proposals import Proposals, Seen
from magpie.schema import Document

__all__ = ["DetectorProposer"]


class DetectorProposer:
    """See :class:`magpie.backbones.detector.Detector` for what its vectors are.

    Args:
        name: of the detector; it is loaded when first asked.
        phrases: what detectors by text look for.
        limit: most boxes of a picture.
        min_score: a box below it is dropped.
        overlap: of two boxes with a higher IoU only the better one is kept.
        device: that it runs on.
        load: finds a detector by name; replaced by those who hold it already.
    """

    batch = 8

    def __init__(
        self,
        name: str,
        *,
        phrases: Sequence[str] = PHRASES,
        limit: int = 100,
        min_score: float = 0.0,
        overlap: float = 0.8,
        device: str | torch.device = "cpu",
        load: Callable[..., Detector] = load_detector,
    ) -> None:
        self.name = name
        self._phrases = tuple(phrases)
        self._rules: dict[str, Any] = {
            "limit": limit,
            "min_score": min_score,
            "overlap": overlap,
        }
        self._device = torch.device(device)
        self._load = load
        self._loaded: tuple[Detector, str] | None = None

    def fingerprint(self) -> dict[str, Any]:
        """Weights and settings."""
        detector, digest = self._detector()
        found = {"detector": digest, "pixels": str(detector.pixels), **self._rules}
        if detector.tokenizer is not None:
            found["phrases"] = list(self._phrases)
        return found

    def depends(self, document: Document) -> Any:
        """Nothing but the picture."""
        return None

    def propose(self, seen: Sequence[Seen]) -> list[Proposals]:
        """What it finds, best first."""
        detector, _ = self._detector()
        found = detector.detect([one.image for one in seen], **self._rules)
        return [
            Proposals(
                width=one.image.width,
                height=one.image.height,
                boxes=part.boxes,
                features=part.features,
                scores=np.clip(part.scores, 0, 1),
                labels=part.labels,
            )
            for one, part in zip(seen, found, strict=True)
        ]

    def _detector(self) -> tuple[Detector, str]:
        if self._loaded is None:
            detector = self._load(self.name, phrases=self._phrases).freeze().to(self._device)
            self._loaded = (detector, detector.weights_digest())
        return self._loaded
