"""Given objects as pixels and places, and their depth from files and estimators."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="estimators need the extra 'train'")

from PIL import Image

from magpie.backbones.depth import FARTHEST, load_depth
from magpie.errors import FormatError, ModelError, NotFoundError
from magpie.features.depth import ObjectDepth, read_depth_map, sample_depth
from magpie.features.objects import ObjectCrops, box_in, given_objects, relative_place
from magpie.features.store import Store
from magpie.features.supply import Supplier
from magpie.schema import (
    Annotations,
    Block,
    Box,
    Document,
    Entity,
    Grounding,
    Media,
    Region,
    Relation,
    Span,
)
from magpie.vision import LoadedImage, PixelSpec

SPEC = PixelSpec(side=8, fit="centre")


def png(width: int = 100, height: int = 50) -> bytes:
    """The left half red, the right half green."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = 255
    pixels[:, width // 2 :, 1] = 255
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def region(name: str, *corners: float, media: str = "m0") -> Region:
    box = Box(*corners, media=media) if corners else None
    return Region(media=media, box=box, id=name)


def post(*regions: Region, **changes: Any) -> Document:
    entity = Entity(id="e0", span=Span("b0", 0, 5), type="PER")
    parts: dict[str, Any] = {
        "blocks": (Block(id="b0", text="Rocky today"),),
        "media": (Media(id="m0", data=png(), uri="one.jpg", width=100, height=50),),
        "annotations": Annotations(entities=(entity,), regions=regions),
    }
    return Document(id="d", **{**parts, **changes})


def image(width: int = 100, height: int = 50) -> LoadedImage:
    return LoadedImage(np.zeros((height, width, 3), np.uint8), width, height)


def test_objects_are_those_of_pictures_in_order_each_once() -> None:
    shown = region("r1", 0, 0, 10, 10)
    entity = Entity(
        id="e0", span=Span("b0", 0, 5), type="PER", grounding=Grounding("regions", (shown,))
    )
    elsewhere = region("r2", 0, 0, 10, 10, media="clip")
    document = post(
        media=(*post().media, Media(id="clip", kind="video", uri="a.mp4")),
        annotations=Annotations(
            entities=(entity,), regions=(region("r0", 5, 5, 9, 9), shown, elsewhere)
        ),
    )
    assert [r.id for r in given_objects(document, 10)] == ["r0", "r1"]
    assert given_objects(document.with_annotations(None), 10) == []


def test_with_too_many_objects_those_that_are_asked_for_stay() -> None:
    regions = [region(f"o{n}", n, 0, n + 5, 5) for n in range(6)]
    document = post(*regions)
    assert [r.id for r in given_objects(document, 3)] == ["o0", "o1", "o2"]
    given = document.annotations
    assert given is not None
    asked = dataclasses.replace(
        given, relations=(Relation(id="f", head="e0", tail="o5", type="x"),)
    )
    assert [r.id for r in given_objects(document.with_annotations(asked), 3)] == ["o0", "o1", "o5"]


def test_a_box_as_corners_and_as_a_place() -> None:
    """Centre (0.5, 0.4), size (0.2, 0.3) of a picture of 100 x 200."""
    box = Box.from_cxcywh(50, 80, 20, 60, media="m0")
    found = box_in(Region(media="m0", box=box), 100, 200)
    assert found is not None
    shares = (found.x1 / 100, found.y1 / 200, found.x2 / 100, found.y2 / 200)
    assert shares == pytest.approx((0.4, 0.25, 0.6, 0.55))
    place = relative_place(Region(media="m0", box=box), (100, 200))
    assert place == pytest.approx((0.5, 0.4, 0.2, 0.3, 0.06))
    # Boxes that leave the picture are cut first; without box it is the whole.
    outside = Region(media="m0", box=Box(-50, 0, 50, 200, media="m0"))
    assert relative_place(outside, (100, 200)) == pytest.approx((0.25, 0.5, 0.5, 1.0, 0.5))
    assert relative_place(region("w"), (100, 200)) == (0.5, 0.5, 1.0, 1.0, 1.0)
    assert relative_place(region("w"), None) == (0.0,) * 5


def test_crops_and_places() -> None:
    document = post(region("a", 0, 0, 50, 50), region("b", 50, 0, 100, 50), region("c"))
    need = ObjectCrops(10, SPEC)
    found = Supplier()(document, {need})[need]
    assert found.present
    pixels, places = found.arrays["pixels"], found.arrays["places"]
    assert pixels.shape == (3, 3, 8, 8)
    red, green = SPEC.normalisation.mean[0], SPEC.normalisation.mean[1]
    std = SPEC.normalisation.std
    assert pixels[0, :, 4, 4] == pytest.approx(
        [(1 - red) / std[0], -green / std[1], -0.406 / 0.225], abs=1e-4
    )
    assert pixels[1, :2, 4, 4] == pytest.approx([-red / std[0], (1 - green) / std[1]], abs=1e-4)
    assert places[0] == pytest.approx([0.25, 0.5, 0.5, 1.0, 0.5])
    assert places[2] == pytest.approx([0.5, 0.5, 1, 1, 1])


def test_objects_of_several_pictures_are_cut_from_their_own() -> None:
    media = (*post().media, Media(id="m1", data=png(20, 20)), Media(id="m2", missing="lost"))
    document = post(
        region("a", 0, 0, 50, 50),
        region("b", 10, 0, 20, 20, media="m1"),
        region("c", 0, 0, 5, 5, media="m2"),
        media=media,
    )
    need = ObjectCrops(10, SPEC)
    found = Supplier()(document, {need})[need].arrays
    assert found["pixels"][0, 0, 4, 4] > 0 > found["pixels"][1, 0, 4, 4]
    assert found["places"][1] == pytest.approx([0.75, 0.5, 0.5, 1, 0.5])
    assert not found["pixels"][2].any()
    assert not found["places"][2].any()


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (post(), "names no objects"),
        (post(region("a"), media=(Media(id="m0", missing="lost"),)), "lost"),
        (post(region("a"), media=(Media(id="m0", data=b"none"),)), "media"),
    ],
    ids=["no objects", "no picture", "no image"],
)
def test_what_cannot_be_had_says_why(document: Document, reason: str) -> None:
    for need in (ObjectCrops(10, SPEC), ObjectDepth("tiny-depth", 10, 8)):
        found = Supplier()(document, {need})[need]
        assert not found.present
        assert reason in found.reason


def ramp(rows: int = 5, columns: int = 10) -> np.ndarray:
    """Depth is the number of the column."""
    return np.tile(np.arange(columns, dtype=np.float32), (rows, 1))


def test_depth_sees_what_colours_see() -> None:
    """A box of 60 x 20: colours keep the middle 20 x 20, so does depth."""
    wide = region("a", 20, 0, 80, 20)
    found = sample_depth(ramp(50, 100), image(), wide, 20)
    assert found is not None
    assert found[0].tolist() == list(range(40, 60))
    squashed = sample_depth(ramp(50, 100), image(), wide, 20, squash=True)
    assert squashed is not None
    assert squashed[0].tolist() == list(range(20, 80, 3))
    # A map of another size than the picture's is read by shares.
    coarse = sample_depth(ramp(5, 10), image(), wide, 20)
    assert coarse is not None
    assert coarse[0].tolist() == [4.0] * 10 + [5.0] * 10


def test_boxes_that_leave_the_picture_or_are_thin_give_no_empty_slice() -> None:
    for squash in (False, True):
        outside = sample_depth(ramp(), image(), region("a", -40, -40, 30, 30), 4, squash=squash)
        assert outside is not None
        assert outside.max() <= 2
        thin = sample_depth(ramp(), image(), region("a", 99.5, 49.5, 99.9, 49.9), 4, squash=squash)
        assert thin is not None
        assert (thin == 9).all()
        gone = sample_depth(ramp(), image(), region("a", 200, 0, 210, 10), 4, squash=squash)
        assert gone is None


def test_published_maps(tmp_path) -> None:
    np.savez(tmp_path / "one.npz", depth_map=ramp())
    document = post(region("a", 0, 0, 50, 50), region("b", 50, 0, 100, 50))
    need = ObjectDepth(f"npz:{tmp_path}", 10, 5)
    store = Store(tmp_path / "store")
    for _ in range(2):
        found = Supplier(store=store)(document, {need})[need]
        assert found.arrays["depth"].shape == (2, 1, 5, 5)
        assert found.arrays["depth"][0, 0, 0].tolist() == [0, 1, 2, 3, 4]
        assert found.arrays["there"].tolist() == [True, True]
    # The folder's name is no part of the key: the maps' own digests are.
    assert str(tmp_path) not in str(need.describe())
    np.savez(tmp_path / "one.npz", depth_map=ramp() + 1)
    found = Supplier(store=store)(document, {need})[need]
    assert found.arrays["depth"][0, 0, 0, 0] == 1
    other = post(region("a"), media=(Media(id="m0", data=png(), uri="two.jpg"),))
    assert "no depth map" in Supplier()(other, {need})[need].reason


@pytest.mark.parametrize(
    "content",
    [
        {"other": np.zeros((2, 2))},
        {"depth_map": np.zeros((2, 2, 2))},
        {"depth_map": np.zeros((0, 2))},
        {"depth_map": np.array([[np.nan]])},
        {"depth_map": np.array([["a"]])},
        {"depth_map": np.array([[None]], dtype=object)},
    ],
    ids=["name", "rank", "empty", "nan", "text", "pickled"],
)
def test_damaged_maps_are_absent_with_a_reason(tmp_path, content) -> None:
    path = tmp_path / "one.npz"
    np.savez(path, **content)
    with pytest.raises(FormatError):
        read_depth_map(path)
    need = ObjectDepth(f"npz:{tmp_path}", 10, 5)
    assert "depth_map" in Supplier()(post(region("a")), {need})[need].reason
    path.write_bytes(b"no archive")
    with pytest.raises(FormatError):
        read_depth_map(path)


def test_estimators() -> None:
    relative, metric = load_depth("tiny-depth"), load_depth("tiny-metric-depth")
    assert (relative.metric, metric.metric) == (False, True)
    pictures = [LoadedImage(np.full((30, 40, 3), v, np.uint8), 40, 30) for v in (10, 200)]
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3)).astype(np.uint8)
    pictures.append(LoadedImage(noise, 40, 30))
    assert relative.estimate([]) == []
    for found in relative.estimate(pictures):
        assert found.shape == (56, 56)
        assert found.dtype == np.float32
        # The nearest place has depth 0, the farthest at most that of infinity.
        assert 0 <= found.min() < 1e-6 or (found == FARTHEST).all()
        assert found.max() <= FARTHEST + 1e-6
    own = metric.estimate(pictures[:1])[0]
    raw = metric.model.config.max_depth
    assert 0 <= own.min() <= own.max() <= raw
    again = type(metric).from_description({**metric.describe(), "name": "x"}, None)
    again.load_state_dict(metric.state_dict())
    assert np.array_equal(again.estimate(pictures[:1])[0], own)
    with pytest.raises(NotFoundError, match="tiny-metric-depth"):
        load_depth("tiny-other")


def test_a_model_of_another_kind_is_refused(tmp_path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ModelError, match="no depth estimator"):
        load_depth(str(tmp_path))


def test_a_saved_estimator_reads_pictures_as_its_release_says(tmp_path) -> None:
    made = load_depth("tiny-depth")
    made.model.save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(
        '{"size": {"height": 70, "width": 42}, "ensure_multiple_of": 14, "do_normalize": true,'
        ' "image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25]}'
    )
    found = load_depth(str(tmp_path))
    assert found.pixels.side == 70
    assert found.pixels.fit == "squash"
    assert found.pixels.normalisation.std == (0.25, 0.25, 0.25)


def test_a_picture_is_estimated_once_for_all_its_objects() -> None:
    asked = []

    def load(name: str):
        found = load_depth(name)
        estimate = found.estimate
        found.estimate = lambda images: (asked.append(len(images)), estimate(images))[1]
        return found

    from magpie.features.depth import DepthSource
    from magpie.features.source import Pictures

    source = DepthSource(Pictures(), load=load)
    need = ObjectDepth("tiny-depth", 10, 5)
    several = [post(region("a", 0, 0, 50, 50)), post(region("b", 50, 0, 100, 50), region("c"))]
    found = Supplier(sources=[source]).many(several, {need})
    assert [one[need].arrays["depth"].shape[0] for one in found] == [1, 2]
    assert asked == [1]
