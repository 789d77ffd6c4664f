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
    from collections.abc import Sequence

    from PIL import Image, ImageDraw

__all__ = ["KINDS", "SHAPES", "Scene", "SceneStyle", "draw_quarters", "draw_scene"]

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
#: how much more of its quarter than of a whole picture a glyph takes, and the free edge around it
_CLOSER = 1.5
_EDGE = 1 / 16


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
    if kind is not None:
        _check_kind(kind)
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
        box = _pixels(left, top, size)
    return Scene(_png(image, style.side), style.side, box)


def draw_quarters(
    kinds: Sequence[int], rng: random.Random, style: SceneStyle | None = None
) -> tuple[Scene, dict[int, tuple[int, int, int, int]]]:
    """Draws up to four glyphs on a cluttered ground, one a quarter, each in a colour of its own.

    Args:
        kinds: of the quarters top left, top right, bottom left, bottom right; fewer leave the last
            ones empty.
        rng: decides everything else.
        style: how much the pictures vary; sizes count from a quarter, and are half as large again.

    Returns:
        the picture, whose own ``box`` is None, and the box of each kind.

    Raises:
        ConfigError: there is no such kind, one stands twice, or there are more than four.
    """
    from PIL import Image, ImageDraw

    style = style or SceneStyle()
    for kind in kinds:
        _check_kind(kind)
    if len(set(kinds)) != len(kinds):
        raise ConfigError(f"a kind stands twice: {tuple(kinds)}")
    big = style.side * _FINER
    image = Image.new("RGB", (big, big), rng.choice(_GROUNDS))
    canvas = ImageDraw.Draw(image)
    for _ in range(rng.randint(1, style.clutter)):
        _clutter(canvas, rng, big)
    half = big // 2
    room = half - 2 * round(half * _EDGE)
    colours = rng.sample(_COLOURS, KINDS)
    boxes = {}
    for quarter, kind in enumerate(kinds):
        size = min(room, int(half * _CLOSER * rng.uniform(style.smallest, style.largest)))
        across, down = (rng.randint(0, room - size) + round(half * _EDGE) for _ in range(2))
        left, top = quarter % 2 * half + across, quarter // 2 * half + down
        _glyph(canvas, kind, left, top, size, colours[quarter])
        boxes[kind] = _pixels(left, top, size)
    return Scene(_png(image, style.side), style.side, None), boxes


def _check_kind(kind: int) -> None:
    if not 0 <= kind < KINDS:
        raise ConfigError(f"a scene's kind is 0 to {KINDS - 1} or None, got {kind!r}")


def _pixels(left: int, top: int, size: int) -> tuple[int, int, int, int]:
    """The box of a square, scaled down with its picture."""
    edges = (left, top, left + size, top + size)
    x1, y1, x2, y2 = (round(edge / _FINER) for edge in edges)
    return x1, y1, x2, y2


def _png(image: Image.Image, side: int) -> bytes:
    """The picture scaled down, encoded."""
    from PIL import Image as Pillow

    buffer = io.BytesIO()
    image.resize((side, side), Pillow.Resampling.BOX).save(buffer, "PNG")
    return buffer.getvalue()


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
