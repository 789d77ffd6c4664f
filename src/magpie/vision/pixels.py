"""Pictures as networks read them: one square of normalised channels, and the way back for boxes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from magpie.errors import ConfigError, MediaError
from magpie.vision.resize import BoxMap

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from magpie.vision.load import LoadedImage

__all__ = [
    "CLIP",
    "HALF",
    "IMAGENET",
    "Normalisation",
    "PixelSpec",
    "network_input",
    "network_square",
    "normalise",
]

Colour = tuple[float, float, float]

#: what the centre crop of ``fit="crop"`` leaves of the shorter side (224 of 256)
_KEPT = 224 / 256
#: a scaled picture longer than so many times the square is cut before it is scaled
_STRIP = 16


@dataclass(frozen=True, slots=True)
class Normalisation:
    """Channel means and deviations, of values in [0, 1]."""

    mean: Colour
    std: Colour


IMAGENET = Normalisation((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CLIP = Normalisation((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
HALF = Normalisation((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelSpec:
    """The square that an encoder wants.

    ``fit``: ``squash`` scales both sides to ``side``; ``crop`` scales the shorter side to
    ``side / 0.875`` and cuts the centre, as the classification networks were evaluated; ``centre``
    scales it to ``side`` itself, as CLIP reads pictures; ``window``
    cuts without scaling at a place drawn from the picture's content and mirrors half of the
    pictures, as UMT's features were made: the same picture always gives the same window, and one
    that is smaller than ``side`` cannot be used.

    Raises:
        ConfigError: the side is not positive, or ``fit`` another word.
    """

    side: int = 224
    fit: Literal["squash", "crop", "centre", "window"] = "squash"
    normalisation: Normalisation = IMAGENET

    def __post_init__(self) -> None:
        if self.side < 1:
            raise ConfigError(f"side must be at least 1, got {self.side}")
        if self.fit not in ("squash", "crop", "centre", "window"):
            raise ConfigError(f"fit must be squash, crop, centre or window, got {self.fit!r}")


def network_input(image: LoadedImage, spec: PixelSpec) -> tuple[npt.NDArray[np.float32], BoxMap]:
    """Scales, cuts and normalises: :func:`network_square`, then :func:`normalise`.

    Returns:
        float32 [3, side, side], and the map between its boxes and the original's.
    """
    square, boxes = network_square(image, spec)
    return normalise(square, spec), boxes


def network_square(image: LoadedImage, spec: PixelSpec) -> tuple[npt.NDArray[np.uint8], BoxMap]:
    """Scales and cuts; a quarter of the bytes of what a network reads.

    Returns:
        uint8 [side, side, 3], and the map between its boxes and the original's.

    Raises:
        MediaError: the picture is smaller than a ``window``.
    """
    import numpy as np
    from PIL import Image

    rows, columns = image.pixels.shape[:2]
    side = spec.side
    if spec.fit == "window":
        return _window(image, side)
    if spec.fit == "squash":
        size, left, top = (side, side), 0, 0
    else:
        factor = side / (_KEPT if spec.fit == "crop" else 1.0) / min(rows, columns)
        size = (max(side, round(columns * factor)), max(side, round(rows * factor)))
        left, top = (size[0] - side) // 2, (size[1] - side) // 2
    boxes = BoxMap(
        size[0] / image.width, size[1] / image.height, image.width, image.height, -left, -top
    )
    picture = Image.fromarray(image.pixels)
    if max(size) > _STRIP * side:
        # Scaling the whole of a thin strip would take gigabytes for pixels that are cut off.
        x, y = columns / size[0], rows / size[1]
        part = (left * x, top * y, (left + side) * x, (top + side) * y)
        return np.asarray(
            picture.resize((side, side), Image.Resampling.BILINEAR, box=part), np.uint8
        ), boxes
    scaled = picture.resize(size, Image.Resampling.BILINEAR)
    return np.asarray(scaled.crop((left, top, left + side, top + side)), np.uint8), boxes


def _window(image: LoadedImage, side: int) -> tuple[npt.NDArray[np.uint8], BoxMap]:
    """A square as it is, its place and whether it is mirrored drawn from the content."""
    rows, columns = image.pixels.shape[:2]
    if min(rows, columns) < side:
        raise MediaError(
            f"a window of {side} pixels does not fit into {columns} x {rows} pixels",
            mend="Take such pictures as absent, or scale them with fit='crop'.",
        )
    drawn = int.from_bytes(hashlib.sha256(image.pixels.tobytes()).digest())
    drawn, left = divmod(drawn, columns - side + 1)
    drawn, top = divmod(drawn, rows - side + 1)
    square = image.pixels[top : top + side, left : left + side]
    x, y = columns / image.width, rows / image.height
    if drawn % 2:
        return square[:, ::-1], BoxMap(-x, y, image.width, image.height, side + left, -top)
    return square, BoxMap(x, y, image.width, image.height, -left, -top)


def normalise(squares: npt.NDArray[np.uint8], spec: PixelSpec) -> npt.NDArray[np.float32]:
    """uint8 [..., side, side, 3] -> float32 [..., 3, side, side] with the spec's colours."""
    import numpy as np

    mean = np.array(spec.normalisation.mean, np.float32)
    std = np.array(spec.normalisation.std, np.float32)
    values = (squares.astype(np.float32) / 255.0 - mean) / std
    return np.ascontiguousarray(np.moveaxis(values, -1, -3))
