"""Pictures: decoding that survives hostile files, and resizing that can be undone for boxes.

Importing this package loads neither Pillow nor numpy; the functions do.
"""

from magpie.vision.load import (
    ACCEPTED,
    ImageLimits,
    ImageSource,
    LoadedImage,
    load_image,
    read_picture,
)
from magpie.vision.pixels import PixelSpec, network_input, network_square, normalise
from magpie.vision.resize import BoxMap, resize_within

__all__ = [
    "ACCEPTED",
    "BoxMap",
    "ImageLimits",
    "ImageSource",
    "LoadedImage",
    "PixelSpec",
    "load_image",
    "network_input",
    "network_square",
    "normalise",
    "read_picture",
    "resize_within",
]
