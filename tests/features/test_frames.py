"""Frames drawn on copies of a picture, and the geometry of boxes without one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from magpie.errors import ConfigError
from magpie.features.boxes import PublishedBoxes, SideBoxes
from magpie.features.frames import BLUE, RED, Frames, framed
from magpie.features.geometry import BoxGeometry
from magpie.features.needs import Need
from magpie.features.store import Store
from magpie.features.supply import Supplier
from magpie.schema import Block, Box, Document, Media, Region
from magpie.schema.document import Source
from magpie.vision import LoadedImage, PixelSpec, load_image, network_input
from magpie.vision.pixels import Normalisation

from .samples import GREEN, png, post

#: pixels as they are in the file, from 0 to 1
PLAIN = Normalisation((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


def scene(width: int, height: int) -> LoadedImage:
    noise = np.random.default_rng(0).integers(20, 90, (height, width, 3))
    return LoadedImage(noise.astype(np.uint8), width, height)


@pytest.mark.parametrize("colour", [RED, BLUE])
def test_a_frame_of_three_pixels_inside_its_box(colour: tuple[int, int, int]) -> None:
    image = scene(800, 600)
    box = Box.from_cxcywh(0.5 * 800, 0.4 * 600, 0.2 * 800, 0.3 * 600, "m0")
    assert box.xyxy == (320, 150, 480, 330)
    found = framed(image, box, colour).pixels
    rows, columns = np.nonzero((found != image.pixels).any(2))
    assert (columns.min(), rows.min(), columns.max(), rows.max()) == (320, 150, 480, 330)
    drawn = np.zeros((600, 800), bool)
    drawn[150:331, 320:481] = True
    drawn[153:328, 323:478] = False
    assert (found[drawn] == colour).all()
    assert np.array_equal(found[~drawn], image.pixels[~drawn])
    assert (image.pixels < 90).all(), "the picture itself was drawn on"


def test_boxes_are_in_pixels_of_the_file() -> None:
    half = replace(scene(40, 30), width=80, height=60)  # shrunk while it was read
    found = framed(half, Box(40, 20, 70, 50, "m0"), RED).pixels
    rows, columns = np.nonzero((found == RED).all(2))
    assert (columns.min(), rows.min(), columns.max(), rows.max()) == (20, 10, 35, 25)


@pytest.mark.parametrize("box", [(-9e9, -5, 20, 20), (30, 20, 9e9, 9e9), (10, 10, 11, 11)])
def test_odd_boxes_are_drawn_as_far_as_they_show(box: tuple[float, ...]) -> None:
    image = scene(40, 30)
    found = framed(image, Box(*box, "m0"), BLUE).pixels
    assert found.shape == image.pixels.shape
    changed = (found != image.pixels).any(2)
    assert 0 < changed.sum() < 200
    assert (found[changed] == BLUE).all()


BOXES = PublishedBoxes(
    {"p": [Region.of_box(Box(*corners, "m0")) for corners in ((2, 2, 18, 18), (22, 2, 38, 18))]}
)


def supplied(need: Need, document: Document, **options: object) -> npt.NDArray[np.float32]:
    found = Supplier(boxes={"own": BOXES}, **options)(document, {need})[need]  # type: ignore[arg-type]
    assert found.present, found.reason
    return next(iter(found.arrays.values()))  # type: ignore[return-value]


def own(**settings: object) -> Frames:
    spec = PixelSpec(side=20, normalisation=PLAIN)
    return Frames(**{"source": "own", "spec": spec, **settings})  # type: ignore[arg-type]


def test_a_copy_a_box_each_with_one_frame() -> None:
    data = png((0, 0, 40, 20, GREEN))
    need, image = own(), load_image(data)
    found = supplied(need, post("x", data, uri="p.jpg"))
    assert found.shape == (2, 3, 20, 20)
    for copy, corners in zip(found, ((2, 2, 18, 18), (22, 2, 38, 18)), strict=True):
        expected, _ = network_input(framed(image, Box(*corners, "m0"), RED), need.spec)
        assert np.array_equal(copy, expected)
    # Inside one box there is no frame of the other.
    assert found[0, :, 10, 15].tolist() == found[1, :, 10, 5].tolist() == [0, 1, 0]
    assert found[0, 0, 10, 1] > 0.5 > found[1, 0, 10, 1]


def test_the_first_boxes_are_taken_and_other_colours_are_other_copies(tmp_path: Path) -> None:
    document = post("x", png((0, 0, 40, 20, GREEN)), uri="p.jpg")
    store = Store(tmp_path)
    red, blue = (supplied(own(count=1, colour=c), document, store=store) for c in (RED, BLUE))
    assert red.shape == (1, 3, 20, 20)
    assert np.array_equal(red[:, ::-1], blue)
    again = supplied(own(count=1), document, store=store)
    assert np.array_equal(red, again)


def test_the_whole_picture_may_be_framed() -> None:
    found = supplied(own(source="whole", stroke=1), post("x", png((0, 0, 40, 20, GREEN))))
    assert found.shape == (1, 3, 20, 20)
    assert found[0, :, 0, 5].tolist() == [1, 0, 0]
    assert found[0, :, 10, 10].tolist() == [0, 1, 0]


def test_nothing_to_frame() -> None:
    assert supplied(own(), post("x", png(), uri="other.jpg")).shape == (0, 3, 20, 20)
    need = own()
    for document in (post("x"), post("x", b"no picture", uri="p.jpg")):
        assert not Supplier(boxes={"own": BOXES})(document, {need})[need].present


@pytest.mark.parametrize("need", [Frames("nobody's"), BoxGeometry("nobody's")])
def test_a_name_that_nobody_gives(need: Need) -> None:
    with pytest.raises(ConfigError, match='nobody gives boxes called "nobody\'s"'):
        Supplier()(post("x", png()), {need})


@pytest.mark.parametrize(
    "settings", [{"count": 0}, {"stroke": 0}, {"colour": (256, 0, 0)}, {"colour": (1, 2)}]
)
def test_impossible_frames(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        Frames(**settings)  # type: ignore[arg-type]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "grounding" / "focalmre"
    folder.mkdir(parents=True)
    grounded = {
        "4_pred_yolo_crop_1.png": [0.5, 0.25, 1.0, 0.5, 0.5],
        "4_pred_yolo_crop_0.png": [0.25, 0.5, 0.5, 1.0, 0.5],
    }
    (folder / "dev_vg_box_dict.json").write_text(json.dumps(grounded))
    return tmp_path


def row(line: int, medium: Media, split: str = "dev") -> Document:
    return Document(
        id=f"d{line}",
        blocks=(Block(text="Rocky runs"),),
        media=(medium,),
        source=Source(corpus="mnre@2", split=split, file="x", line=line),
    )


GONE = Media(missing="the recipe takes pictures away")


def test_published_fractions_need_no_picture(root: Path) -> None:
    for medium in (GONE, Media(uri="a.jpg", data=png(size=(80, 40)))):
        found = supplied(BoxGeometry("focalmre-grounding"), row(5, medium), corpora=root)
        assert found.tolist() == [[0.25, 0.5, 0.5, 1.0], [0.5, 0.25, 1.0, 0.5]]
    need = BoxGeometry("focalmre-grounding", count=1)
    assert supplied(need, row(5, GONE), corpora=root).tolist() == [[0.25, 0.5, 0.5, 1.0]]
    assert supplied(need, row(9, GONE), corpora=root).shape == (0, 4)
    # Frames do need one.
    frames = Frames("focalmre-grounding")
    assert not Supplier(corpora=root)(row(5, GONE), {frames})[frames].present


def test_geometry_of_boxes_that_are_made_from_the_picture() -> None:
    document = post("x", png(), uri="p.jpg")
    assert supplied(BoxGeometry("own"), document) == pytest.approx(
        np.array([[0.25, 0.5, 0.4, 0.8], [0.75, 0.5, 0.4, 0.8]])
    )
    need = BoxGeometry("own")
    gone = replace(document, media=(replace(GONE, uri=None),))
    assert not Supplier(boxes={"own": BOXES})(gone, {need})[need].present


def test_geometry_of_the_whole() -> None:
    assert supplied(BoxGeometry(), row(1, GONE)).tolist() == [[0.5, 0.5, 1, 1]]
    need = BoxGeometry()
    assert Supplier()(post("x"), {need})[need].reason == "the document has no picture"
    with pytest.raises(ConfigError, match="count must be at least 1"):
        BoxGeometry(count=0)


def test_only_fractions_are_known_without_a_picture(root: Path) -> None:
    assert SideBoxes("focalmre-grounding", root).in_fractions
    pixels = SideBoxes("tmr-generated-mnre", root)
    assert not pixels.in_fractions
    with pytest.raises(ConfigError, match="written in pixels"):
        pixels.fractions(row(5, GONE))
