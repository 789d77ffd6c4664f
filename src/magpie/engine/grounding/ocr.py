"""Lettering in a picture: lines with their boxes, read by rapidocr's models inside its package."""

from __future__ import annotations

import functools
import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from magpie.engine.grounding.geometry import Corners, clip, union
from magpie.vision import LoadedImage, resize_within

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from magpie.vision.load import Pixels

__all__ = ["MAX_SIDE", "Point", "TextLine", "TextReader", "shared_reader"]

Point = tuple[float, float]

#: Pictures are shrunk to this before reading: it bounds time and memory, and leaves lettering of
#: 1/100 of the picture's side readable.
MAX_SIDE = 1280

#: Lines below this mean recognition score are noise more often than text.
_MIN_SCORE = 0.6


#: Lettering in a picture of fewer rows or columns (at reading size) is illegible.
_SMALLEST = 12

#: The detector enlarges the shorter side to 736 pixels; without a bound, a strip of 1280x12
#: would become 58 megapixels.
_SLIMMEST = 4


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line as read: its text, its score in [0, 1] and its corners.

    ``corners`` are top-left, top-right, bottom-right, bottom-left *of the text*, in pixels of the
    original picture; for slanted text they are no axis-parallel rectangle.
    """

    text: str
    score: float
    corners: tuple[Point, Point, Point, Point]

    @property
    def box(self) -> Corners:
        """The axis-parallel box around the line."""
        return self.part(0, len(self.text))

    def part(self, start: int, end: int) -> Corners:
        """The box around characters ``start`` to ``end``, taking all to be equally wide."""
        count = max(1, len(self.text))
        top_left, top_right, bottom_right, bottom_left = self.corners
        points = [
            _between(left, right, share)
            for share in (start / count, end / count)
            for left, right in ((top_left, top_right), (bottom_left, bottom_right))
        ]
        return union((x, y, x, y) for x, y in points)


def _between(a: Point, b: Point, share: float) -> Point:
    return (a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share)


class TextReader:
    """Reads lines of lettering; one instance keeps its models and serves several threads in turn.

    Args:
        threads: of the inference engine; 0 leaves the choice to it.
        max_side: longer side in pixels at which pictures are read.
        min_score: lines with a lower recognition score are dropped.
    """

    def __init__(
        self, *, threads: int = 0, max_side: int = MAX_SIDE, min_score: float = _MIN_SCORE
    ) -> None:
        self.max_side = max_side
        self.min_score = min_score
        self._threads = threads
        self._engine: Any = None
        self._lock = threading.Lock()

    def read(self, image: LoadedImage) -> list[TextLine]:
        """The lines of a picture in reading order (top to bottom, then left to right)."""
        import numpy as np

        pixels, scale = resize_within(image, self.max_side)
        if min(pixels.shape[:2]) < _SMALLEST:
            return []
        bgr = np.ascontiguousarray(_padded(pixels)[:, :, ::-1])
        with self._lock:
            result = self._loaded()(bgr)
        if result.txts is None or result.boxes is None:
            return []
        lines = [
            TextLine(text.strip(), float(score), _corners(quad, scale.scale_x, scale.scale_y))
            for text, score, quad in zip(result.txts, result.scores, result.boxes, strict=True)
            if text.strip() and score >= self.min_score
        ]
        lines = [_clipped(line, image) for line in lines]
        return sorted(lines, key=lambda line: (line.box[1], line.box[0], line.text))

    def _loaded(self) -> Any:
        if self._engine is None:
            self._engine = _quiet_engine(self._threads)
        return self._engine


def _padded(pixels: Pixels) -> Pixels:
    """The picture at the upper left of a canvas of at most 1 : 4, so that boxes stay valid."""
    import numpy as np

    height, width = pixels.shape[:2]
    shortest = max(width, height) // _SLIMMEST
    if min(width, height) >= shortest:
        return pixels
    canvas = np.empty((max(height, shortest), max(width, shortest), 3), dtype=np.uint8)
    canvas[:] = pixels.mean(axis=(0, 1)).astype(np.uint8)
    canvas[:height, :width] = pixels
    return canvas


def _quiet_engine(threads: int) -> Any:
    # The library writes to standard error from its own logger while loading and when it finds no
    # text; nothing there concerns a user.
    logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)
    from rapidocr import RapidOCR

    count = threads if threads > 0 else -1
    return RapidOCR(
        params={
            "Global.log_level": "critical",
            "EngineConfig.onnxruntime.intra_op_num_threads": count,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1 if threads > 0 else -1,
        }
    )


def _corners(
    quad: npt.NDArray[np.float32], scale_x: float, scale_y: float
) -> tuple[Point, Point, Point, Point]:
    a, b, c, d = ((float(x) / scale_x, float(y) / scale_y) for x, y in quad)
    return (a, b, c, d)


def _clipped(line: TextLine, image: LoadedImage) -> TextLine:
    def inside(point: Point) -> Point:
        x, y, _, _ = clip((*point, *point), image.width, image.height)
        return (x, y)

    a, b, c, d = (inside(point) for point in line.corners)
    return TextLine(line.text, line.score, (a, b, c, d))


@functools.lru_cache(maxsize=4)
def shared_reader(threads: int) -> TextReader:
    """One reader per number of threads for the whole process: its models take 0.3 s to load."""
    return TextReader(threads=threads)
