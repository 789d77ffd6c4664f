"""Boxes drawn on pictures: the right pixels, nothing outside, the input untouched."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from magpie.errors import MediaError, SchemaError
from magpie.schema import Annotations, Box, Document, Entity, Grounding, Media, Region, Span
from magpie.schema._show import type_colour
from magpie.viz import draw_boxes
from magpie.viz._places import Corners, fit_text, label_positions

GREY = (90, 90, 90)


def document(
    *boxes: tuple[float, float, float, float],
    text: str = "Ada",
    type: str = "PER",
    size: tuple[int, int] | None = None,
) -> Document:
    grounding = Grounding.in_regions(*(Region.of_box(Box(*box, "m0")) for box in boxes))
    entity = Entity(id="e0", span=Span("b0", 0, len(text)), type=type, grounding=grounding)
    base = Document.from_text(text)
    medium = Media(width=size and size[0], height=size and size[1])
    return Document(
        id="d", blocks=base.blocks, media=(medium,), annotations=Annotations(entities=(entity,))
    )


def picture(width: int = 300, height: int = 200, mode: str = "RGB") -> Image.Image:
    return Image.new("RGB", (width, height), GREY).convert(mode)


def changed(result: Image.Image) -> np.ndarray:
    """Which pixels are no longer the ground's."""
    return (np.asarray(result) != np.array(GREY)).any(axis=2)


def colour(type: str) -> tuple[int, ...]:
    name = type_colour(type)
    return tuple(int(name[i : i + 2], 16) for i in (1, 3, 5))


def test_outline_has_the_colour_of_the_type() -> None:
    result = draw_boxes(picture(), document((100, 100, 200, 180)))
    row = [result.getpixel((150, y)) for y in range(175, 180)]
    assert colour("PER") in row
    assert row[-1] == (0x16, 0x18, 0x1D)
    assert result.getpixel((150, 140)) == GREY


def test_outline_stays_inside_the_half_open_box() -> None:
    result = changed(draw_boxes(picture(), document((100, 60, 200, 180), text=" ")))
    rows, columns = np.nonzero(result)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (60, 179, 100, 199)


def test_input_is_not_touched() -> None:
    before = picture()
    draw_boxes(before, document((10, 10, 90, 90)))
    assert before.getpixel((10, 10)) == GREY
    assert not changed(before).any()


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_any_mode_gives_rgb_of_the_same_size(mode: str) -> None:
    result = draw_boxes(picture(mode=mode), document((10, 10, 90, 90)))
    assert (result.mode, result.size) == ("RGB", (300, 200))


def test_scaled_copy_gets_scaled_boxes() -> None:
    doc = document((400, 240, 800, 720), text=" ", size=(1200, 800))
    rows, columns = np.nonzero(changed(draw_boxes(picture(), doc)))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (60, 179, 100, 199)


def test_part_outside_is_cut_and_whole_outside_is_left_out() -> None:
    assert changed(draw_boxes(picture(), document((250, 150, 900, 900)))).any()
    assert not changed(draw_boxes(picture(), document((500, 500, 900, 900)))).any()


def test_nothing_to_draw_leaves_the_picture() -> None:
    assert not changed(draw_boxes(picture(), document())).any()
    assert not changed(draw_boxes(picture(), Document.from_text("x", images=("a.png",)))).any()


def test_label_carries_the_mention() -> None:
    named = draw_boxes(picture(), document((100, 100, 200, 180), text="Ada"))
    other = draw_boxes(picture(), document((100, 100, 200, 180), text="Bob"))
    assert changed(named)[60:100].any()
    assert np.asarray(named)[60:100].tobytes() != np.asarray(other)[60:100].tobytes()


def test_letters_the_font_lacks_are_replaced_by_the_type() -> None:
    box = (100, 100, 200, 180)
    arabic = draw_boxes(picture(), document(box, text="محمد", type="PER"))
    assert arabic.tobytes() == draw_boxes(picture(), document(box, text="PER")).tobytes()


def test_shared_region_stacks_the_labels() -> None:
    region = Region.of_box(Box(100, 100, 200, 180, "m0"))
    base = Document.from_text("Ada Bob", images=("a.png",))
    entities = tuple(
        Entity(id=t, span=Span("b0", at, at + 3), type=t, grounding=Grounding.in_regions(region))
        for at, t in [(0, "PER"), (4, "LOC")]
    )
    annotated = base.with_annotations(Annotations(entities=entities))
    pixels = np.asarray(draw_boxes(picture(), annotated))
    per, loc = ((pixels[:100] == np.array(colour(t))).all(axis=2) for t in ("PER", "LOC"))
    assert per.any()
    assert loc.any()
    assert np.nonzero(per)[0].max() < np.nonzero(loc)[0].min()


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3), (12, 9)])
def test_tiny_pictures_are_drawn(size: tuple[int, int]) -> None:
    result = draw_boxes(picture(*size), document((0, 0, *size), text="Wolfgang Amadeus"))
    assert result.size == size


def test_same_input_same_pixels() -> None:
    doc = document((10, 10, 90, 90), (50, 20, 250, 190))
    assert draw_boxes(picture(), doc).tobytes() == draw_boxes(picture(), doc).tobytes()


def test_unknown_picture_and_damaged_file_are_refused() -> None:
    with pytest.raises(SchemaError):
        draw_boxes(picture(), document((0, 0, 9, 9)), "m7")
    with pytest.raises(MediaError):
        draw_boxes(b"no picture", document((0, 0, 9, 9)))


# placing labels

corner = st.floats(0, 900)
boxes = st.builds(
    lambda x, y, w, h: (x, y, x + w, y + h), corner, corner, st.floats(1, 300), st.floats(1, 300)
)


@settings(deadline=None)
@given(st.lists(st.tuples(boxes, st.floats(1, 400), st.floats(1, 60)), max_size=12))
def test_labels_never_leave_the_picture(items: list[tuple[Corners, float, float]]) -> None:
    sizes = [(wide, high) for _, wide, high in items]
    positions = label_positions([box for box, _, _ in items], sizes, 500.0, 400.0)
    for (x, y), (wide, high) in zip(positions, sizes, strict=True):
        assert 0 <= x <= 500 - wide + 1e-6
        assert 0 <= y <= 400 - high + 1e-6


def test_label_goes_above_then_inside_then_elsewhere() -> None:
    middle = (100.0, 100.0, 200.0, 180.0)
    assert label_positions([middle], [(50, 20)], 300, 200) == [(100, 80)]
    assert label_positions([(100.0, 5.0, 200.0, 180.0)], [(50, 20)], 300, 200) == [(100, 5)]
    two = label_positions([middle, middle], [(50, 20), (50, 20)], 300, 200)
    assert two == [(100, 80), (100, 100)]


def test_label_moves_left_rather_than_out() -> None:
    assert label_positions([(280.0, 100.0, 300.0, 150.0)], [(50, 20)], 300, 200) == [(250, 80)]


@given(st.text(max_size=30), st.integers(0, 30))
def test_fitted_text_fits_and_begins_alike(text: str, width: int) -> None:
    fitted = fit_text(text, width, lambda part: float(len(part)))
    assert len(fitted) <= width or not fitted
    assert text.startswith(fitted.removesuffix("…")) or fitted == text
    if len(text) <= width:
        assert fitted == text
