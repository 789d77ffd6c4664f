"""Faces and people, by the classical detectors inside OpenCV: that somebody shows, never who.

Nothing here compares faces, stores them or computes anything that could tell two people apart. A
face is found by one cascade and must convince others on the same spot, because each of them
alone sees faces in curtains: the agreement, weighted by logistic regression (coefficients in
``matcher.json``, fitted by ``magpie.training.grounding``), is the face's score.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magpie.engine.grounding.geometry import Corners, clip, intersection_over_union, suppress
from magpie.vision import LoadedImage, resize_within

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Grey = npt.NDArray[np.uint8]

__all__ = ["CASCADES", "FACE_FEATURES", "Detection", "FaceFinder", "PersonFinder", "body_of_face"]

#: File names inside OpenCV's package. The first and the last propose, all of them judge.
CASCADES = {
    "alt2": "haarcascade_frontalface_alt2.xml",
    "default": "haarcascade_frontalface_default.xml",
    "alt": "haarcascade_frontalface_alt.xml",
    "profile": "haarcascade_profileface.xml",
}

#: What a face's score is computed from: each cascade's confidence, brought to about 0..1.
FACE_FEATURES = ("bias", *CASCADES, "votes")

#: Stage sums at which the cascades begin to accept, and their usual range above that.
_RANGE = {"alt2": (54.5, 3.0), "default": (0.0, 8.0), "alt": (106.0, 4.0), "profile": (-1.0, 4.0)}

_MAX_SIDE = 640
_SMALLEST = 24  # pixels of the shrunk picture; smaller faces are mostly noise
_PROFILE_SHRINK = 0.5  # profiles cost twice (both directions), so they are sought at half size


@dataclass(frozen=True, slots=True)
class Detection:
    """Something found: its box in pixels of the original picture and its score in [0, 1]."""

    box: Corners
    score: float


def _logistic(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-30.0, min(30.0, value))))


class FaceFinder:
    """Finds faces, frontal or in profile.

    Args:
        weights: coefficient of each of :data:`FACE_FEATURES`.
        min_score: faces below this are dropped.
    """

    def __init__(self, weights: Mapping[str, float], *, min_score: float = 0.5) -> None:
        self.weights = dict(weights)
        self.min_score = min_score
        # A cascade keeps its scratch memory: each thread needs its own.
        self._local = threading.local()

    def find(self, image: LoadedImage) -> list[Detection]:
        """Faces, best first."""
        return self.choose(self.propose(image))

    def choose(self, proposals: Sequence[tuple[Corners, Mapping[str, float]]]) -> list[Detection]:
        """Those of the proposals that are faces, best first, without repetitions."""
        found = []
        for box, features in proposals:
            value = sum(self.weights[name] * features[name] for name in FACE_FEATURES)
            found.append(Detection(box, round(_logistic(value), 4)))
        found = [face for face in found if face.score >= self.min_score]
        kept = suppress([face.box for face in found], [face.score for face in found], overlap=0.3)
        return [found[i] for i in kept]

    def propose(self, image: LoadedImage) -> list[tuple[Corners, dict[str, float]]]:
        """Boxes that may be faces, with what the cascades say of each; used for fitting, too."""
        grey, scale = _grey(image, _MAX_SIDE)
        proposals = [box for box, _ in self._scan("alt2", grey, _SMALLEST)]
        small, small_scale = _grey(image, round(_MAX_SIDE * _PROFILE_SHRINK))
        proposals += [
            scale.to_resized(small_scale.to_original(box))
            for box, _ in self._profiles(small, _SMALLEST)
        ]
        results = []
        for index in suppress(proposals, [_span(box) for box in proposals], overlap=0.4):
            box = proposals[index]
            results.append((scale.to_original(box), self._judge(grey, box)))
        return results

    def _judge(self, grey: Grey, box: Corners) -> dict[str, float]:
        """Each cascade's best confidence for a face about where ``box`` is."""
        height, width = grey.shape
        margin = 0.35 * _span(box)
        x1, y1, x2, y2 = (
            round(v)
            for v in clip(
                (box[0] - margin, box[1] - margin, box[2] + margin, box[3] + margin), width, height
            )
        )
        crop = grey[y1:y2, x1:x2]
        target = (box[0] - x1, box[1] - y1, box[2] - x1, box[3] - y1)
        smallest = max(20, round(0.6 * _span(box)))
        features = dict.fromkeys(FACE_FEATURES, 0.0)
        for name in CASCADES:
            scan = self._profiles if name == "profile" else None
            hits = scan(crop, smallest) if scan else self._scan(name, crop, smallest)
            low, extent = _RANGE[name]
            confidences = [
                min(1.5, max(0.05, (weight - low) / extent))
                for hit, weight in hits
                if intersection_over_union(hit, target) > 0.3
            ]
            features[name] = max(confidences, default=0.0)
        features["bias"] = 1.0
        features["votes"] = sum(features[name] > 0 for name in CASCADES) / len(CASCADES)
        return features

    def _profiles(self, grey: Grey, smallest: int) -> list[tuple[Corners, float]]:
        """Profiles looking left and, in the mirrored picture, right."""
        import cv2

        width = grey.shape[1]
        mirrored = self._scan("profile", cv2.flip(grey, 1).astype(grey.dtype), smallest)
        return self._scan("profile", grey, smallest) + [
            ((width - x2, y1, width - x1, y2), weight) for (x1, y1, x2, y2), weight in mirrored
        ]

    def _scan(self, name: str, grey: Grey, smallest: int) -> list[tuple[Corners, float]]:
        """What one cascade finds, with its stage sums."""
        if min(grey.shape) < smallest:
            return []
        boxes, _, weights = self._cascade(name).detectMultiScale3(
            grey,
            scaleFactor=1.1,
            minNeighbors=3,
            minSize=(smallest, smallest),
            outputRejectLevels=True,
        )
        return [
            ((float(x), float(y), float(x + w), float(y + h)), float(weight))
            for (x, y, w, h), weight in zip(boxes, _flat(weights), strict=True)
        ]

    def _cascade(self, name: str) -> Any:
        cascades = getattr(self._local, "cascades", None)
        if cascades is None:
            cascades = self._local.cascades = {}
        if name not in cascades:
            import cv2

            folder = Path(cv2.__file__).parent / "data"
            cascades[name] = cv2.CascadeClassifier(str(folder / CASCADES[name]))
        return cascades[name]


class PersonFinder:
    """Finds upright people seen from head to foot (histogram of oriented gradients, OpenCV).

    Args:
        min_score: smallest margin of the support vector machine that counts.
    """

    def __init__(self, *, min_score: float = 0.9) -> None:
        self.min_score = min_score
        self._local = threading.local()

    def find(self, image: LoadedImage) -> list[Detection]:
        """People, best first; the score is the margin brought to [0, 1]."""
        grey, scale = _grey(image, _MAX_SIDE)
        height, width = grey.shape
        if height < 128 or width < 64:  # the detector's window
            return []
        rects, weights = self._descriptor().detectMultiScale(
            grey, winStride=(8, 8), padding=(16, 16), scale=1.06
        )
        boxes: list[Corners] = []
        scores: list[float] = []
        for rect, weight in zip(rects, _flat(weights), strict=True):
            x, y, w, h = (float(value) for value in rect)
            if weight < self.min_score:
                continue
            # The window has a rim of about an eighth on each side around the person.
            box = (x + w / 8, y + h / 16, x + w - w / 8, y + h - h / 16)
            boxes.append(scale.to_original(clip(box, width, height)))
            scores.append(round(_logistic(2.0 * (weight - 0.5)), 4))
        return [Detection(boxes[i], scores[i]) for i in suppress(boxes, scores)]

    def _descriptor(self) -> Any:
        if not hasattr(self._local, "hog"):
            import cv2

            self._local.hog = cv2.HOGDescriptor()
            self._local.hog.setSVMDetector(cv2.HOGDescriptor.getDefaultPeopleDetector())
        return self._local.hog


def body_of_face(
    face: Corners,
    others: list[Corners],
    shape: Mapping[str, float],
    *,
    width: float,
    height: float,
) -> Corners:
    """The box of the visible person around a face: head, shoulders and what is below.

    Args:
        face: box of the face.
        others: boxes of the other faces; a body ends half-way to a neighbour of its own height.
        shape: how far it extends ``up``, ``side`` and ``down``, in widths of the face.
        width, height: of the picture, in pixels.
    """
    size = face[2] - face[0]
    middle = (face[0] + face[2]) / 2
    x1 = middle - shape["side"] * size
    x2 = middle + shape["side"] * size
    for other in others:
        centre = (other[0] + other[2]) / 2
        if abs((other[1] + other[3]) - (face[1] + face[3])) > 3.0 * size:
            continue
        if middle < centre:
            x2 = min(x2, max((middle + centre) / 2, face[2]))
        elif centre < middle:
            x1 = max(x1, min((middle + centre) / 2, face[0]))
    box = (x1, face[1] - shape["up"] * size, x2, face[3] + shape["down"] * size)
    return clip(box, width, height)


def _grey(image: LoadedImage, max_side: int) -> tuple[Grey, Any]:
    import cv2

    pixels, scale = resize_within(image, max_side)
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY).astype(pixels.dtype), scale


def _span(box: Corners) -> float:
    return box[2] - box[0]


def _flat(weights: Any) -> list[float]:
    import numpy as np

    return [float(weight) for weight in np.ravel(weights)]
