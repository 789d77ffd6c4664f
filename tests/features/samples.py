"""Small pictures and documents."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from magpie.schema import Block, ContextText, Document, Media


def png(*blocks: tuple[int, int, int, int, tuple[int, int, int]], size=(40, 20)) -> bytes:  # type: ignore[no-untyped-def]
    """A black picture with blocks (x1, y1, x2, y2, colour)."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    for x1, y1, x2, y2, colour in blocks:
        pixels[y1:y2, x1:x2] = colour
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


RED = (255, 0, 0)
GREEN = (0, 255, 0)


def post(identifier: str, *pictures: bytes, text: str = "Rocky runs", uri: str | None = None):  # type: ignore[no-untyped-def]
    """A document with these pictures as m0, m1, ..."""
    media = tuple(Media(id=f"m{i}", data=data, uri=uri) for i, data in enumerate(pictures))
    return Document(
        id=identifier,
        blocks=(Block(text=text),),
        media=media,
        context=(ContextText(kind="caption", source="blip2", text="a dog"),),
    )
