"""Boxes and labels drawn on a picture, for files and notebooks; the input is never changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magpie.schema import Document
from magpie.schema._show import type_colour
from magpie.vision import ImageSource, LoadedImage, load_image
from magpie.viz._places import Place, fit_text, label_positions, places

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

    Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

__all__ = ["draw_boxes"]

_INK = "#16181d"
_REGION_COLOUR = "#dfe3e8"


def draw_boxes(
    image: ImageSource | LoadedImage, document: Document, media: str = "m0"
) -> Image.Image:
    """A copy of the picture with the regions of ``document`` that lie on it.

    Each region is outlined in its type's colour (whole pictures and masks by the rectangle around
    them) and carries the mention, or the type where the built-in font lacks its letters. Sizes
    follow the picture's. A picture of another size than the document states is taken for a scaled
    copy.

    Args:
        image: a path, bytes, a Pillow image or what ``vision.load_image`` gave.
        document: whose annotations are drawn.
        media: id of the medium that ``image`` shows.

    Returns:
        RGB, as large as ``image`` (upright).

    Raises:
        SchemaError: the document has no such medium.
        MediaError: the picture cannot be loaded.
    """
    from PIL import Image, ImageDraw, ImageFont

    medium = document.medium(media)
    loaded = image if isinstance(image, LoadedImage) else load_image(image)
    # fromarray may share memory with a picture somebody else holds; drawing needs its own.
    canvas = Image.fromarray(loaded.pixels).copy()
    width, height = medium.width or loaded.width, medium.height or loaded.height
    scale = (canvas.width / width, canvas.height / height)
    found = [
        place
        for place in places(document, media, width, height)
        if _scaled(place, scale, canvas.size)
    ]
    draw = ImageDraw.Draw(canvas)
    line = max(1, round(max(canvas.size) / 170))
    for place in found:
        _outline(draw, place, line)
    font = ImageFont.load_default(max(9, min(72, round(max(canvas.size) / 34))))
    _label(draw, found, document, font, canvas.size)
    return canvas


def _scaled(place: Place, scale: tuple[float, float], size: tuple[int, int]) -> bool:
    """Moves the place into the canvas; False when nothing of it is left there."""
    x1, y1, x2, y2 = place.box
    left, right = max(0.0, x1 * scale[0]), min(float(size[0]), x2 * scale[0])
    top, bottom = max(0.0, y1 * scale[1]), min(float(size[1]), y2 * scale[1])
    place.box = (left, top, right, bottom)
    return left < right and top < bottom


def _colour(place: Place) -> str:
    return type_colour(place.entities[0][1].type) if place.entities else _REGION_COLOUR


def _outline(draw: ImageDraw.ImageDraw, place: Place, line: int) -> None:
    """A coloured line inside a dark one, so that it shows on any ground; stays in the box."""
    x1, y1 = int(place.box[0]), int(place.box[1])
    # Pillow's corners are both inside, ours are half-open.
    x2, y2 = max(x1, round(place.box[2]) - 1), max(y1, round(place.box[3]) - 1)
    draw.rectangle((x1, y1, x2, y2), outline=_INK, width=line + 2)
    if x2 - x1 >= 2 and y2 - y1 >= 2:
        draw.rectangle((x1 + 1, y1 + 1, x2 - 1, y2 - 1), outline=_colour(place), width=line)


def _label(
    draw: ImageDraw.ImageDraw,
    found: list[Place],
    document: Document,
    font: Font,
    size: tuple[int, int],
) -> None:
    padding = max(2, round(0.25 * _height(font)))
    high = _height(font) + 2 * padding
    rows = [_lines(place, document, font, size[0] - 2 * padding) for place in found]
    # What does not fit above one another is left out, never pushed out of the picture.
    rows = [lines[: max(0, int(size[1] // high))] for lines in rows]
    sizes = [
        (
            max((font.getlength(text) + 2 * padding for text, _ in lines), default=0.0),
            high * len(lines),
        )
        for lines in rows
    ]
    positions = label_positions([place.box for place in found], sizes, *size)
    for lines, (left, top) in zip(rows, positions, strict=True):
        for row, (text, colour) in enumerate(lines):
            x, y = int(left), int(top + row * high)
            wide = int(font.getlength(text)) + 2 * padding
            corners = (x, y, min(size[0], x + wide) - 1, int(min(size[1], y + high)) - 1)
            draw.rectangle(corners, fill=colour, outline=_INK)
            middle = (x + padding, (corners[1] + corners[3]) / 2)
            draw.text(middle, text, font=font, fill=_INK, anchor="lm")


def _height(font: Font) -> int:
    """Height of a line of letters with ascenders and descenders, in pixels."""
    return int(font.getbbox("Ágj")[3] - font.getbbox("Ágj")[1])


def _lines(place: Place, document: Document, font: Font, width: float) -> list[tuple[str, str]]:
    """(text, colour) of each line of a place's label."""
    named = [
        (_legible(document.text_of(entity), entity.type, font), type_colour(entity.type))
        for _, entity in place.entities
    ]
    if not named:
        labels = dict.fromkeys(region.label for region in place.regions if region.label)
        named = [(_legible(label, "", font), _REGION_COLOUR) for label in labels]
    fitted = [(fit_text(text, width, font.getlength), colour) for text, colour in named]
    return [(text, colour) for text, colour in fitted if text]


def _legible(text: str, fallback: str, font: Font) -> str:
    """The text without line breaks, or ``fallback`` where the font would draw empty squares."""
    text = " ".join(text.split())
    missing = _shape("\U0010fffd", font)
    drawn = all(character == " " or _shape(character, font) != missing for character in set(text))
    return text if drawn else fallback


def _shape(character: str, font: Font) -> bytes:
    return bytes(font.getmask(character))
