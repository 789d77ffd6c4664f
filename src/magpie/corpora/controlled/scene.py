"""Pictures of the controlled corpus: one telling glyph, clutter that tells nothing.

A scene's *kind* is one of four; its glyph shows the kind and nothing else does. Colour, size, place
and clutter are drawn independently of it, so that none of them gives the kind away.
"""

from __future__ import annotations

import io
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from magpie.errors import ConfigError

if TYPE_CHECKING:
    from PIL import ImageDraw

__all__ = ["KINDS", "SHAPES", "Scene", "SceneStyle", "draw_scene"]

#: how many things a picture can tell
KINDS = 4
#: the glyph of each kind, as a caption may call it
SHAPES = ("triangle", "cross", "ring", "square")

_COLOURS = (
    (214, 64, 55),
    (54, 128, 74),
    (46, 96, 178),
    (222, 164, 36),
    (128, 70, 160),
    (60, 60, 60),
)
_GROUNDS = ((246, 244, 238), (226, 236, 244), (238, 230, 242), (232, 240, 228))
#: glyphs are drawn at so many times the size and scaled down, for smooth edges
_FINER = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneStyle:
    """How much the pictures vary."""

    #: width and height, pixels
    side: int = 64
    #: glyph size as a share of the side, smallest and largest
    smallest: float = 0.34
    largest: float = 0.55
    #: dots and strokes that mean nothing, at most
    clutter: int = 5

    def __post_init__(self) -> None:
        if self.side < 16 or not 0.1 <= self.smallest <= self.largest <= 0.9:
            raise ConfigError(
                f"a scene needs side >= 16 and 0.1 <= smallest <= largest <= 0.9, got {self.side}, "
                f"{self.smallest}, {self.largest}"
            )


@dataclass(frozen=True, slots=True)
class Scene:
    """A drawn picture.

    ``box`` is the glyph's (x1, y1, x2, y2) in pixels, None when no glyph was drawn.
    """

    png: bytes
    side: int
    box: tuple[int, int, int, int] | None


def draw_scene(kind: int | None, rng: random.Random, style: SceneStyle | None = None) -> Scene:
    """Draws the glyph of a kind on a cluttered ground; None draws the clutter alone.

    Args:
        kind: 0 to 3, or None for a picture that tells nothing.
        rng: decides everything else; the same state gives the same picture.
        style: how much the pictures vary.

    Raises:
        ConfigError: there is no such kind.
    """
    from PIL import Image, ImageDraw

    style = style or SceneStyle()
    if kind is not None and not 0 <= kind < KINDS:
        raise ConfigError(f"a scene's kind is 0 to {KINDS - 1} or None, got {kind!r}")
    big = style.side * _FINER
    image = Image.new("RGB", (big, big), rng.choice(_GROUNDS))
    canvas = ImageDraw.Draw(image)
    for _ in range(rng.randint(1, style.clutter)):
        _clutter(canvas, rng, big)
    # Drawn in both cases, so that what follows does not depend on the kind.
    size = int(big * rng.uniform(style.smallest, style.largest))
    left, top = (rng.randint(0, big - size) for _ in range(2))
    colour = rng.choice(_COLOURS)
    box = None
    if kind is not None:
        _glyph(canvas, kind, left, top, size, colour)
        edges = (left, top, left + size, top + size)
        x1, y1, x2, y2 = (round(edge / _FINER) for edge in edges)
        box = (x1, y1, x2, y2)
    buffer = io.BytesIO()
    image.resize((style.side, style.side), Image.Resampling.BOX).save(buffer, "PNG")
    return Scene(buffer.getvalue(), style.side, box)


def _clutter(canvas: ImageDraw.ImageDraw, rng: random.Random, side: int) -> None:
    """A small dot or stroke."""
    x, y = rng.randint(0, side), rng.randint(0, side)
    colour = rng.choice(_COLOURS)
    reach = side // 24
    if rng.random() < 0.5:
        canvas.ellipse((x - reach, y - reach, x + reach, y + reach), fill=colour)
    else:
        end = (x + rng.randint(-side // 8, side // 8), y + rng.randint(-side // 8, side // 8))
        canvas.line((x, y, *end), fill=colour, width=max(1, side // 64))


def _glyph(
    canvas: ImageDraw.ImageDraw,
    kind: int,
    left: int,
    top: int,
    size: int,
    colour: tuple[int, int, int],
) -> None:
    right, bottom = left + size, top + size
    third = size // 3
    if SHAPES[kind] == "triangle":
        canvas.polygon([(left, bottom), (right, bottom), (left + size // 2, top)], fill=colour)
    elif SHAPES[kind] == "cross":
        canvas.rectangle((left + third, top, right - third, bottom), fill=colour)
        canvas.rectangle((left, top + third, right, bottom - third), fill=colour)
    elif SHAPES[kind] == "ring":
        canvas.ellipse((left, top, right, bottom), outline=colour, width=max(2, size // 5))
    else:
        canvas.rectangle((left, top, right, bottom), fill=colour)
