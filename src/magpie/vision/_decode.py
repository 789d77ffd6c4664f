"""Encoded bytes or a Pillow image -> upright 8-bit RGB; the part of loading that needs Pillow."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from magpie.errors import MediaError
from magpie.vision.load import ACCEPTED, ImageLimits, LoadedImage

if TYPE_CHECKING:
    from magpie.vision.load import Pixels

__all__ = ["SIDEWAYS", "decode_bytes", "decode_pillow", "orientation"]

#: EXIF tag 0x0112: what turns the stored picture upright, for each value that is not 1.
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

#: EXIF orientations in which width and height change places
SIDEWAYS = (5, 6, 7, 8)

_SUFFIXES = {
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "MPO": {".jpg", ".jpeg", ".mpo"},
    "PNG": {".png", ".apng"},
    "WEBP": {".webp"},
    "GIF": {".gif"},
    "BMP": {".bmp", ".dib"},
    "TIFF": {".tif", ".tiff"},
}

#: Picture formats that people do hand in and that are not decoded: (offset, bytes, name).
_KNOWN_OTHERS = (
    (4, b"ftypavif", "AVIF"),
    (4, b"ftyphei", "HEIC"),
    (4, b"ftypmif1", "HEIC"),
    (0, b"8BPS", "Photoshop"),
    (0, b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\x00\x00\x01\x00", "icon"),
    (0, b"%PDF", "PDF"),
    (0, b"%!PS", "PostScript"),
    (0, b"<svg", "SVG"),
)

_WHITE = (255, 255, 255)


def decode_bytes(
    data: bytes,
    *,
    where: str,
    limits: ImageLimits,
    suffix: str = "",
    max_side: int | None = None,
) -> LoadedImage:
    """Decodes an encoded file.

    Args:
        data: the whole file.
        where: path, address or id for messages.
        limits: only ``max_pixels`` matters here.
        suffix: ending of the file's name, to say when it contradicts the content.
        max_side: as in :func:`~magpie.vision.load.load_image`.

    Raises:
        MediaError: as in :func:`~magpie.vision.load.load_image`.
    """
    if not data:
        raise MediaError(
            "the file is empty", where=where, mend="Fetch it again; no picture has 0 bytes."
        )
    try:
        image = Image.open(io.BytesIO(data), formats=ACCEPTED)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_many_pixels(str(error), where) from error
    except Exception as error:  # Pillow's parsers raise nearly anything on a damaged header
        raise _unrecognised(data, where, error) from error
    with image:
        notes = []
        name = image.format or ""
        if suffix and suffix.lower() not in _SUFFIXES.get(name, {suffix.lower()}):
            notes.append(f"named {suffix} but is {name}")
        return _decode(image, notes, where=where, limits=limits, max_side=max_side)


def decode_pillow(image: Any, *, limits: ImageLimits, max_side: int | None = None) -> LoadedImage:
    """As :func:`decode_bytes`, for a Pillow image, which is left as it was."""
    if not isinstance(image, Image.Image):
        raise MediaError(
            f"expected a path, bytes, a Pillow image or Media, got {type(image).__name__}",
            code="media-kind",
            where="image",
            mend="Pass the path of the picture, or its encoded bytes.",
        )
    where = getattr(image, "filename", "") or "image"
    return _decode(image, [], where=str(where), limits=limits, max_side=max_side)


def _decode(
    image: Image.Image,
    notes: list[str],
    *,
    where: str,
    limits: ImageLimits,
    max_side: int | None,
) -> LoadedImage:
    width, height = image.size
    if width < 1 or height < 1:
        raise MediaError(f"a picture of {width}x{height} pixels", where=where, mend="Check it.")
    if width * height > limits.max_pixels:
        raise _too_many_pixels(
            f"{width}x{height} pixels, at most {limits.max_pixels} are decoded", where
        )
    name = image.format or ""
    try:
        if getattr(image, "is_animated", False) and image.tell() == 0 and name != "MPO":
            notes.append("has several frames, the first is used")
        if max_side is not None:
            # JPEG can decode straight to an eighth of the size; other formats ignore this.
            image.draft(None, (min(width, max_side), min(height, max_side)))
        image.load()
        turn = _UPRIGHT.get(orientation(image))
        upright = _to_rgb(image, notes, where)
    except MediaError:
        raise
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged content
        raise MediaError(
            f"damaged or cut off: {type(error).__name__}: {error}",
            where=where,
            mend="Fetch the picture again.",
        ) from error
    if max_side is not None:
        upright.thumbnail((max_side, max_side))
    if turn is not None:
        upright = upright.transpose(turn)
        notes.append("turned upright as its EXIF orientation says")
        if turn.name in ("TRANSPOSE", "TRANSVERSE", "ROTATE_90", "ROTATE_270"):
            width, height = height, width
    pixels = np.asarray(upright)
    return LoadedImage(pixels, width, height, format=name, notes=tuple(notes))


def orientation(image: Image.Image) -> int:
    """The EXIF orientation; 1 (as stored) where there is none or EXIF is unreadable."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # a broken EXIF block is no reason to refuse a good picture
        return 1
    return value if isinstance(value, int) else 1


def _to_rgb(image: Image.Image, notes: list[str], where: str) -> Image.Image:
    """The loaded picture as a new RGB one; ``image`` itself is not changed."""
    mode = image.mode
    if mode == "RGB" and "transparency" not in image.info:
        return image.copy()
    if mode.startswith(("I", "F")):
        return _from_deep(image, notes)
    if mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layer = image.convert("RGBA")
        if layer.getchannel("A").getextrema() != (255, 255):
            notes.append("transparent parts shown on white")
        ground = Image.new("RGB", layer.size, _WHITE)
        ground.paste(layer, mask=layer.getchannel("A"))
        return ground
    if mode == "CMYK":
        notes.append("converted from CMYK without its colour profile")
    if mode in ("1", "L", "P", "RGBX", "CMYK", "YCbCr", "HSV", "RGB"):
        return image.convert("RGB")
    raise MediaError(
        f"colour model {mode} is not accepted",
        code="media-kind",
        where=where,
        mend="Convert the picture to RGB.",
    )


def _from_deep(image: Image.Image, notes: list[str]) -> Image.Image:
    """16-bit greys by their full range, 32-bit ones by the range that they use."""
    values = np.asarray(image).astype(np.float64)
    finite = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(finite.min()), float(finite.max())
    if image.mode.startswith("I") and low >= 0 and high <= 65535:
        low, high = 0.0, 65535.0
        notes.append("16-bit grey scaled to 8 bits")
    else:
        notes.append(f"{image.mode} values {low:g} to {high:g} scaled to 8 bits")
    span = (high - low) or 1.0
    grey: Pixels = np.clip(np.rint((finite - low) * (255.0 / span)), 0, 255).astype(np.uint8)
    return Image.fromarray(grey).convert("RGB")


def _too_many_pixels(message: str, where: str) -> MediaError:
    return MediaError(
        message, code="media-too-large", where=where, mend="Scale the picture down first."
    )


def _unrecognised(data: bytes, where: str, error: Exception) -> MediaError:
    for offset, magic, name in _KNOWN_OTHERS:
        if data[offset : offset + len(magic)] == magic:
            return MediaError(
                f"{name} is not accepted",
                code="media-kind",
                where=where,
                mend=f"Convert it to one of {', '.join(ACCEPTED)}.",
            )
    if isinstance(error, Image.UnidentifiedImageError):
        return MediaError(
            f"no picture: the file begins with {data[:16]!r}",
            where=where,
            mend="Check what the file is; a saved error page is a frequent reason.",
        )
    return MediaError(
        f"damaged: {type(error).__name__}: {error}", where=where, mend="Fetch the picture again."
    )
