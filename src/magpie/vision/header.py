"""The size of a picture, from its header alone: nothing is decoded."""

from __future__ import annotations

from io import BytesIO
from typing import BinaryIO

from magpie.errors import MediaError

__all__ = ["picture_size"]


def picture_size(source: bytes | BinaryIO, *, where: str) -> tuple[int, int]:
    """Width and height in pixels of the upright picture (EXIF orientation applied).

    Args:
        source: the encoded file or a stream of it; of a stream only the header is read.
        where: path or id for messages.

    Raises:
        MediaError: no picture of an accepted format, or a damaged header.
    """
    from PIL import Image

    from magpie.vision._decode import SIDEWAYS, orientation
    from magpie.vision.load import ACCEPTED

    stream = BytesIO(source) if isinstance(source, bytes) else source
    try:
        with Image.open(stream, formats=ACCEPTED) as image:
            width, height = image.size
            turned = orientation(image) in SIDEWAYS
    except Exception as error:  # Pillow's parsers raise nearly anything on a damaged header
        raise MediaError(
            f"damaged, or no picture of an accepted format: {type(error).__name__}",
            where=where,
            mend=f"Accepted are {', '.join(ACCEPTED)}.",
        ) from error
    if width < 1 or height < 1:
        raise MediaError(f"a picture of {width}x{height} pixels", where=where, mend="Check it.")
    return (height, width) if turned else (width, height)
