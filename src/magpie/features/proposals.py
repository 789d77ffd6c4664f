"""Regions that are made from the picture, by whatever can propose them: one interface for all."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from magpie.errors import FormatError
from magpie.features.blobs import WIDTH, blobs, thumbnails
from magpie.features.boxes import Boxes
from magpie.schema import Box, Document
from magpie.vision import LoadedImage

__all__ = [
    "BlobProposer",
    "BoxProposer",
    "Proposals",
    "ProposedBoxes",
    "Proposer",
    "Seen",
    "tidied",
]

#: pixels by which a box may leave its picture for rounding
_ROUNDING = 1e-3

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Proposals:
    """The regions of one picture, in the proposer's own order.

    Shapes: ``boxes`` [n, 4], corners in pixels of a picture of ``width`` x ``height``; ``features``
    [n, F], F being 0 where nobody described the boxes; ``scores`` [n] in [0, 1]; ``labels`` are n
    names, or none at all. ``clipped`` boxes were cut to the picture, ``outside`` left out.
    """

    width: int
    height: int
    boxes: Floats
    features: Floats
    scores: Floats
    labels: tuple[str, ...] = ()
    clipped: int = 0
    outside: int = 0

    def __len__(self) -> int:
        return len(self.boxes)

    def to_boxes(self, media: str) -> list[Box]:
        """The boxes, of the picture ``media``."""
        return [Box(x1, y1, x2, y2, media) for x1, y1, x2, y2 in self.boxes.tolist()]


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


class BoxProposer:
    """Boxes that nobody described: their vectors have no numbers.

    Scores and labels are taken from ``boxes.regions`` where there is one; otherwise every score
    is 1, and the order says what is best.
    """

    batch = 1

    def __init__(self, boxes: Boxes) -> None:
        self.boxes = boxes

    def fingerprint(self) -> dict[str, Any]:
        """Nothing: what the boxes are stands in :meth:`depends`."""
        return {}

    def depends(self, document: Document) -> Any:
        """What the boxes depend on."""
        return self.boxes.depends(document)

    def propose(self, seen: Sequence[Seen]) -> list[Proposals]:
        """Boxes that leave the picture are cut to it, those outside are left out."""
        return [tidied(self._of(one)) for one in seen]

    def _of(self, seen: Seen) -> Proposals:
        of = getattr(self.boxes, "regions", None)
        regions = of(seen.document, seen.media, seen.image) if of is not None else None
        if regions is None:
            boxes = self.boxes(seen.document, seen.media, seen.image)
            scores, labels = [1.0] * len(boxes), [""] * len(boxes)
        else:
            boxes = [region.box for region in regions]
            scores = [1.0 if region.score is None else region.score for region in regions]
            labels = [region.label or "" for region in regions]
        return Proposals(
            width=seen.image.width,
            height=seen.image.height,
            boxes=np.array([box.xyxy for box in boxes], np.float32).reshape(-1, 4),
            features=np.zeros((len(boxes), 0), np.float32),
            scores=np.array(scores, np.float32),
            labels=tuple(labels),
        )


class ProposedBoxes:
    """What a proposer finds, as boxes for cut-outs."""

    def __init__(self, proposer: Proposer) -> None:
        self._proposer = proposer

    def depends(self, document: Document) -> Any:
        """The proposer's fingerprint, and what it depends on."""
        return [self._proposer.fingerprint(), self._proposer.depends(document)]

    def __call__(self, document: Document, media: str, image: LoadedImage) -> list[Box]:
        """In the proposer's order."""
        (found,) = self._proposer.propose([Seen(document, media, image)])
        return tidied(found).to_boxes(media)


def tidied(found: Proposals) -> Proposals:
    """Every box cut to its picture, those that show nothing of it left out, and counted.

    Raises:
        FormatError: a box, score or feature is NaN or infinite, or their numbers differ.
    """
    count = len(found)
    rows = {"features": len(found.features), "scores": len(found.scores)}
    if found.labels:
        rows["labels"] = len(found.labels)
    for name, number in rows.items():
        if number != count:
            raise FormatError(f"{count} regions have {number} {name}")
    for name in ("boxes", "scores", "features"):
        array = getattr(found, name)
        if not np.isfinite(array).all():
            bad = int(np.argmin(np.isfinite(array).reshape(count, -1).all(axis=1)))
            raise FormatError(f"{name} of region {bad} hold NaN or infinity")
    limits = np.array([found.width, found.height] * 2, np.float32)
    inside = np.clip(found.boxes, 0, limits)
    beyond = np.abs(inside - found.boxes).max(axis=1, initial=0) > _ROUNDING
    shown = (inside[:, 2] > inside[:, 0]) & (inside[:, 3] > inside[:, 1])
    labels = tuple(name for name, there in zip(found.labels, shown, strict=False) if there)
    return dataclasses.replace(
        found,
        boxes=np.where(beyond[:, None], inside, found.boxes)[shown],
        features=found.features[shown],
        scores=found.scores[shown],
        labels=labels,
        clipped=found.clipped + int((beyond & shown).sum()),
        outside=found.outside + int((~shown).sum()),
    )
