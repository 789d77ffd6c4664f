"""Draws the example poster: ``python -m magpie.examples.make_pictures [FOLDER]``.

Everything on it is ours, the names are invented, and the lettering uses the font that Pillow
carries. A test draws it again and compares it with the file that is checked in.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

__all__ = ["draw_poster", "main"]

WIDTH, HEIGHT = 480, 640
NIGHT, SEA, SUN, PAPER = "#16324f", "#2a628f", "#f2a541", "#fdf6e3"

#: text, vertical centre in pixels, letter height in pixels, colour, stroke in pixels
LETTERING = (
    ("NORAH VANCE", 84, 58, PAPER, 2),
    ("QUARTET", 146, 40, SUN, 1),
    ("LISBON", 520, 76, PAPER, 3),
    ("14 JUNE  21:00", 588, 36, SUN, 1),
)


def _scene(draw: ImageDraw.ImageDraw) -> None:
    """A low sun over the river, and the arches of a bridge."""
    draw.ellipse((150, 200, 330, 380), fill=SUN)
    draw.rectangle((0, 330, WIDTH, 450), fill=SEA)
    for row, y in enumerate(range(342, 400, 14)):
        half = 80 - 16 * row
        draw.rectangle((240 - half, y, 240 + half, y + 4), fill=SUN)
    draw.rectangle((0, 404, WIDTH, 414), fill=PAPER)
    for x in range(-30, WIDTH, 90):
        draw.arc((x, 412, x + 90, 492), 180, 360, fill=PAPER, width=5)
    draw.rectangle((0, 452, WIDTH, HEIGHT), fill=NIGHT)


def draw_poster() -> Image.Image:
    """The poster, RGB, 480 x 640 pixels."""
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.new("RGB", (WIDTH, HEIGHT), NIGHT)
    draw = ImageDraw.Draw(picture)
    _scene(draw)
    for text, y, size, colour, stroke in LETTERING:
        font = ImageFont.load_default(size)
        draw.text(
            (WIDTH // 2, y),
            text,
            font=font,
            fill=colour,
            anchor="mm",
            stroke_width=stroke,
            stroke_fill=colour,
        )
    draw.rectangle((14, 14, WIDTH - 15, HEIGHT - 15), outline=PAPER, width=3)
    return picture


def main(folder: str | None = None) -> Path:
    """Writes ``poster.png`` into the folder, by default beside this file."""
    target = Path(folder) if folder else Path(__file__).resolve().parent
    path = target / "poster.png"
    draw_poster().save(path, format="PNG", optimize=True)
    return path


if __name__ == "__main__":
    main(*sys.argv[1:2])
