"""Regions that are made from the picture, by whatever can propose them: one interface for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from magpie.features.blobs import WIDTH, blobs, thumbnails
from magpie.schema import Document
from magpie.vision import LoadedImage

__all__ = ["BlobProposer", "Proposals", "Proposer", "Seen"]

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Proposals:
    """The regions of one picture, in the proposer's own order.

    Shapes: ``boxes`` [n, 4], corners in pixels of a picture of ``width`` x ``height``; ``features``
    [n, F]; ``scores`` [n] in [0, 1]; ``labels`` are n names, or none at all.
    """

    width: int
    height: int
    boxes: Floats
    features: Floats
    scores: Floats
    labels: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A picture to propose regions for, and the document it belongs to."""

    document: Document
    media: str
    image: LoadedImage


class Proposer(Protocol):
    """Proposes regions and describes each by a feature vector."""

    #: pictures at once that it likes best
    batch: int

    def fingerprint(self) -> dict[str, Any]:
        """What decides the result beside the picture, as JSON: versions, weights.

        Raises:
            ModelError: a network is not on this machine.
        """
        ...

    def depends(self, document: Document) -> Any:
        """What else of the document the result depends on, as JSON; None for the picture alone."""
        ...

    def propose(self, seen: Sequence[Seen]) -> list[Proposals]:
        """The regions of each picture."""
        ...


class BlobProposer:
    """See :mod:`magpie.features.blobs`; needs nothing that must be fetched."""

    batch = 1

    def fingerprint(self) -> dict[str, Any]:
        """Its version."""
        return {"blobs": 1, "width": WIDTH}

    def depends(self, document: Document) -> Any:
        """Nothing but the picture."""
        return None

    def propose(self, seen: Sequence[Seen]) -> list[Proposals]:
        """Whole picture and patches, with thumbnails [n, 768]."""
        return [_blobs(one) for one in seen]


def _blobs(seen: Seen) -> Proposals:
    boxes, scores = blobs(seen.media, seen.image)
    return Proposals(
        width=seen.image.width,
        height=seen.image.height,
        boxes=np.array([box.xyxy for box in boxes], np.float32),
        features=thumbnails(seen.image, boxes),
        scores=np.array(scores, np.float32),
    )
