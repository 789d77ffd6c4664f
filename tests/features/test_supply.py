"""What a document yields for each need: values, and reasons where there is nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from magpie.backbones import VisionEncoder, load_vision
from magpie.corpora.side import VinvlRegions, write_vinvl
from magpie.errors import ConfigError, ModelError
from magpie.features import Asset, Crops, Grid, Need, Pixels, RegionFeatures, Texts
from magpie.features.boxes import BoxesOf, PublishedBoxes
from magpie.features.grid import GridSource, grid_of
from magpie.features.source import Arrays, Ask, Pictures
from magpie.features.store import Store
from magpie.features.supply import Supplier
from magpie.schema import Block, Box, Document, Media, Region
from magpie.vision import LoadedImage, PixelSpec, load_image, network_input
from magpie.vision.pixels import HALF

from .samples import GREEN, RED, png, post

SMALL = PixelSpec(side=8, normalisation=HALF)
TINY_GRID = Grid("tiny-resnet", PixelSpec(side=64, fit="crop"), 2)


def half_red(size: tuple[int, int] = (40, 20)) -> bytes:
    width, height = size
    return png((0, 0, width // 2, height, RED), (width // 2, 0, width, height, GREEN), size=size)


def test_pixels_are_those_of_network_input() -> None:
    data = half_red()
    asset = Supplier()(post("a", data), {Pixels(SMALL)})[Pixels(SMALL)]
    wanted = network_input(load_image(data), SMALL)[0]
    assert asset.present
    np.testing.assert_array_equal(asset.arrays["pixels"], wanted)
    # left half red: +1 in the red channel, -1 in the others
    np.testing.assert_array_equal(asset.arrays["pixels"][:, 4, 1], [1, -1, -1])
    np.testing.assert_array_equal(asset.arrays["pixels"][:, 4, 6], [-1, 1, -1])


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (post("a"), "the document has no picture"),
        (
            Document(id="a", blocks=(Block(text="x"),), media=(Media(uri="a", missing="gone"),)),
            "gone",
        ),
        (post("a", b"no picture"), "m0: "),
    ],
)
@pytest.mark.parametrize("need", [Pixels(SMALL), Crops("whole", 2, SMALL), TINY_GRID])
def test_what_cannot_be_had_is_absent_with_its_reason(
    document: Document, reason: str, need: Need
) -> None:
    asset = Supplier()(document, {need})[need]
    assert not asset.present
    assert reason in asset.reason
    assert not asset.arrays


def test_paths_start_from_the_root_and_stay_below_it(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(half_red())
    (tmp_path / "b.png").write_bytes(half_red())
    supply = Supplier(root=tmp_path / "in")
    need = Pixels(SMALL)

    def of(uri: str) -> Asset:
        media = (Media(uri=uri),)
        return supply(Document(id="a", blocks=(Block(text="x"),), media=media), {need})[need]

    assert of("a.png").present
    assert "media-absent" in of("c.png").reason
    assert "access-outside-root" in of("../b.png").reason


def test_texts_follow_the_order_of_the_need() -> None:
    document = post("a")
    assert Supplier()(document, {Texts()})[Texts()].texts == ("a dog",)
    named = Texts(("pgim", "blip2"), ())
    assert Supplier()(document, {named})[named].texts == ("a dog",)
    other = Texts((), ("knowledge",))
    assert Supplier()(document, {other})[other].reason == "the document has no text of knowledge"


def test_several_needs_and_documents_at_once() -> None:
    needs = (Pixels(SMALL), Texts(), Crops("whole", 2, SMALL))
    documents = [post("a", half_red()), post("b"), post("c", png(size=(8, 8)))]
    many = Supplier().many(documents, needs)
    assert [row[Pixels(SMALL)].present for row in many] == [True, False, True]
    for document, row in zip(documents, many, strict=True):
        one = Supplier()(document, needs)
        assert set(row) == set(needs)
        for need in needs:
            assert one[need].texts == row[need].texts
            for name, array in one[need].arrays.items():
                np.testing.assert_array_equal(array, row[need].arrays[name])
    streamed = list(Supplier().stream(documents, needs))
    assert [d.id for d, _ in streamed] == ["a", "b", "c"]


def test_a_need_that_nobody_supplies() -> None:
    class Odd(Need):
        pass

    with pytest.raises(ConfigError, match="nobody supplies Odd"):
        Supplier()(post("a"), {Odd()})
    made = Supplier(suppliers={Odd: lambda document, need: Asset(texts=(document.id,))})
    assert made(post("a"), {Odd()})[Odd()].texts == ("a",)


# Crops


def test_whole_picture_repeated() -> None:
    need = Crops("whole", 3, SMALL)
    asset = Supplier()(post("a", half_red()), {need})[need]
    one = network_input(load_image(half_red()), SMALL)[0]
    assert asset.arrays["pixels"].shape == (3, 3, 8, 8)
    for row in asset.arrays["pixels"]:
        np.testing.assert_array_equal(row, one)
    assert asset.arrays["there"].tolist() == [True] * 3


def test_cut_outs_in_the_order_of_their_boxes() -> None:
    def halves(media: str, image: LoadedImage) -> list[Box]:
        middle = image.width / 2
        return [
            Box(middle, 0, image.width, image.height, media),
            Box(0, 0, middle, image.height, media),
            Box(image.width + 5, 0, image.width + 9, 4, media),  # outside
        ]

    need = Crops("halves", 3, SMALL)
    supply = Supplier(boxes={"halves": BoxesOf(halves, version="halves-1")})
    asset = supply(post("a", half_red()), {need})[need]
    assert asset.arrays["there"].tolist() == [True, True, False]
    pixels = asset.arrays["pixels"]
    np.testing.assert_array_equal(pixels[0], np.broadcast_to([[[-1]], [[1]], [[-1]]], (3, 8, 8)))
    np.testing.assert_array_equal(pixels[1], np.broadcast_to([[[1]], [[-1]], [[-1]]], (3, 8, 8)))
    assert not pixels[2].any()
    first = Crops("halves", 1, SMALL)
    np.testing.assert_array_equal(
        supply(post("a", half_red()), {first})[first].arrays["pixels"][0], pixels[0]
    )


def test_a_box_thinner_than_a_pixel_still_has_one() -> None:
    thin = BoxesOf(lambda media, image: [Box(3.2, 4.1, 3.4, 4.2, media)], version="1")
    need = Crops("thin", 1, SMALL)
    data = png((3, 4, 4, 5, RED))
    asset = Supplier(boxes={"thin": thin})(post("a", data), {need})[need]
    np.testing.assert_array_equal(asset.arrays["pixels"][0, 0], np.ones((8, 8)))


def test_no_box_gives_zeros_and_says_so() -> None:
    need = Crops("none", 2, SMALL)
    nothing = BoxesOf(lambda media, image: [], version="1")
    asset = Supplier(boxes={"none": nothing})(post("a", half_red()), {need})[need]
    assert asset.present
    assert asset.arrays["there"].tolist() == [False, False]
    assert not asset.arrays["pixels"].any()


def test_published_boxes_by_picture() -> None:
    regions = {
        "17_1": (Region.of_box(Box(20, 0, 40, 20, "m0")),),
        "17_2": (
            Region.of_box(Box(0, 0, 20, 20, "generated")),  # of another picture
            Region.of_box(Box(0, 0, 20, 20, "m0")),
            Region(media="m0"),
        ),
    }
    need = Crops("focalmre", 2, SMALL)
    supply = Supplier(boxes={"focalmre": PublishedBoxes(regions)})
    green = supply(post("a", half_red(), uri="x/17_1.jpg"), {need})[need].arrays
    assert green["there"].tolist() == [True, False]
    np.testing.assert_array_equal(green["pixels"][0, 1], np.ones((8, 8)))
    red = supply(post("a", half_red(), uri="17_2.jpg"), {need})[need].arrays
    assert red["there"].tolist() == [True, False]
    np.testing.assert_array_equal(red["pixels"][0, 0], np.ones((8, 8)))
    unknown = supply(post("a", half_red(), uri="17_3.jpg"), {need})[need].arrays
    assert unknown["there"].tolist() == [False, False]
    by_id = PublishedBoxes({"a": regions["17_1"]}, key=lambda document: document.id)
    found = Supplier(boxes={"focalmre": by_id})(post("a", half_red()), {need})[need].arrays
    np.testing.assert_array_equal(found["pixels"], green["pixels"])


def test_further_pictures_of_the_document_are_its_cut_outs() -> None:
    need = Crops("media", 3, SMALL)
    document = post("a", png(), half_red(), png((0, 0, 40, 20, GREEN)))
    asset = Supplier()(document, {need})[need]
    assert asset.arrays["there"].tolist() == [True, True, False]
    np.testing.assert_array_equal(asset.arrays["pixels"][1, 1], np.ones((8, 8)))
    none = Supplier()(post("b", png()), {need})[need]
    assert none.reason == "the document has no further pictures"


def test_boxes_that_nobody_gives() -> None:
    with pytest.raises(ConfigError, match=r"'proposals'.*There are: whole, media"):
        Supplier()(post("a", half_red()), {Crops()})


# Grids


def test_grid_is_the_backbone_in_evaluation_mode() -> None:
    data = half_red((80, 64))
    asset = Supplier()(post("a", data), {TINY_GRID})[TINY_GRID]
    assert asset.arrays["grid"].shape == (64, 2, 2)
    assert asset.arrays["grid"].dtype == np.float32
    encoder = load_vision("tiny-resnet", side=64).eval()
    pixels = torch.from_numpy(network_input(load_image(data), TINY_GRID.spec)[0])[None]
    with torch.no_grad():
        wanted = encoder.stages(pixels)[-1][0]
    np.testing.assert_allclose(asset.arrays["grid"], wanted, atol=1e-5)


def test_batches_change_nothing_and_damaged_pictures_do_not_stop_them() -> None:
    documents = [
        post(str(i), png((0, 0, i + 1, 10, RED))) if i != 4 else post("4", b"broken")
        for i in range(9)
    ]
    source = GridSource(Pictures(), batch=4)
    many = Supplier(sources=[source]).many(documents, [TINY_GRID])
    assert [row[TINY_GRID].present for row in many] == [i != 4 for i in range(9)]
    for document, row in zip(documents, many, strict=True):
        one = Supplier(sources=[source])(document, [TINY_GRID])[TINY_GRID]
        for name, array in one.arrays.items():
            np.testing.assert_allclose(array, row[TINY_GRID].arrays[name], atol=1e-5)


def test_cells_are_averaged_down_or_repeated_up() -> None:
    encoder = load_vision("tiny-vit", side=32)  # 4 x 4 patches and a summary
    pixels = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        states = encoder(pixels)[:, 1:].transpose(1, 2).reshape(2, 32, 4, 4)
    torch.testing.assert_close(grid_of(encoder, pixels, 4), states)
    torch.testing.assert_close(
        grid_of(encoder, pixels, 2)[:, :, 0, 1], states[:, :, :2, 2:].mean((2, 3))
    )
    torch.testing.assert_close(
        grid_of(encoder, pixels, 8), states.repeat_interleave(2, 2).repeat_interleave(2, 3)
    )


def test_a_vit_reads_only_its_own_side() -> None:
    def load(name: str, *, side: int) -> VisionEncoder:
        return load_vision("tiny-vit", side=64)

    supply = Supplier(sources=[GridSource(Pictures(), load=load)])
    need = Grid("some-vit", PixelSpec(side=32), 4)
    with pytest.raises(ConfigError, match="reads pictures of 64 pixels, the grid asks for 32"):
        supply(post("a", half_red()), {need})


def test_a_missing_backbone_is_one_clear_sentence() -> None:
    need = Grid("nobody/no-such-net")
    with pytest.raises(ModelError, match="hf download nobody/no-such-net --local-dir"):
        Supplier()(post("a", half_red()), {need})


def test_features_of_another_backbone_are_refused() -> None:
    def scaled(name: str, *, side: int) -> VisionEncoder:
        encoder = load_vision("tiny-resnet", side=side)
        with torch.no_grad():
            next(encoder.parameters()).mul_(1.001)
        return encoder

    needs = [TINY_GRID, Pixels(SMALL), Texts()]
    trained = Supplier().fingerprints(needs)
    assert set(trained) == {TINY_GRID.digest, Pixels(SMALL).digest}
    Supplier().check(trained, needs)
    other = Supplier(sources=[GridSource(Pictures(), load=scaled)])
    with pytest.raises(ModelError, match=r"features of another backbone: trained on backbone "):
        other.check(trained, needs)
    other.check({}, needs)  # a checkpoint without record has nothing to compare


# Region features


def write_regions(path: Path, scores: list[float], *, broken: bool = False) -> np.ndarray:
    count = len(scores)
    rng = np.random.default_rng(0)
    features = rng.random((count, 2048), dtype=np.float32)
    corner = np.arange(count, dtype=np.float32)
    value = VinvlRegions(
        width=100,
        height=50,
        boxes=np.stack([corner, corner, corner + 5, corner + 7], 1),
        features=features,
        scores=np.array(scores, np.float32),
        objects=("dog",) * count,
        attributes=("black dog",) * count,
        attribute_scores=np.full((count, 1), 0.5, np.float32),
        class_scores=np.zeros((count, 1595)),
    )
    if broken:
        features[0, 0] = np.nan
    write_vinvl(path, value)
    return features


def test_regions_come_best_first(tmp_path: Path) -> None:
    features = write_regions(tmp_path / "17_1.jpg.npz", [0.2, 0.9, 0.5, 0.9])
    need = RegionFeatures(count=3, order="score")
    document = post("a", uri=None)
    document = Document(
        id="a", blocks=document.blocks, media=(Media(uri="17_1.jpg", missing="not here"),)
    )
    found = Supplier(regions={"vinvl": tmp_path})(document, {need})[need].arrays
    np.testing.assert_allclose(found["scores"], [0.9, 0.9, 0.5])
    np.testing.assert_array_equal(found["features"], features[[1, 3, 2]])
    np.testing.assert_array_equal(found["boxes"][0], [1, 1, 6, 8])
    np.testing.assert_array_equal(found["size"], [100, 50])


def test_regions_that_cannot_be_used(tmp_path: Path) -> None:
    write_regions(tmp_path / "nan.jpg.npz", [0.5, 0.4], broken=True)
    (tmp_path / "cut.jpg.npz").write_bytes((tmp_path / "nan.jpg.npz").read_bytes()[:500])
    supply = Supplier(regions={"vinvl": tmp_path})
    need = RegionFeatures()

    def of(uri: str) -> Asset:
        media = (Media(uri=uri, missing="x"),)
        return supply(Document(id="a", blocks=(Block(text="x"),), media=media), {need})[need]

    assert "NaN" in of("nan.jpg").reason
    assert "no readable archive" in of("cut.jpg").reason
    assert "no region features of 'other'" in of("other.jpg").reason
    assert supply(post("a"), {need})[need].reason == "the document names no picture"
    with pytest.raises(ConfigError, match="nobody gives region features called 'vinvl'"):
        Supplier()(post("a"), {need})
    write_regions(tmp_path / "good.jpg.npz", [0.5])
    narrow = RegionFeatures(width=1024)
    media = (Media(uri="good.jpg", missing="x"),)
    with pytest.raises(ConfigError, match="vectors of 2048 numbers, the method wants 1024"):
        supply(Document(id="a", blocks=(Block(text="x"),), media=media), {narrow})


@pytest.mark.corpus
def test_the_published_regions(data_dir: Path) -> None:
    folder = data_dir / "images" / "gmner_vinvl"
    need = RegionFeatures(count=10)
    paths = sorted(folder.glob("*.npz"))
    assert len(paths) == 6
    for path in paths:
        media = (Media(uri=path.name.removesuffix(".npz"), missing="not needed"),)
        document = Document(id=path.stem, blocks=(Block(text="x"),), media=media)
        asset = Supplier(regions={"vinvl": folder})(document, {need})[need]
        assert asset.present, asset.reason
        scores = asset.arrays["scores"]
        assert asset.arrays["features"].shape == (10, 2048)
        assert (np.diff(scores) <= 0).all()


def test_regions_come_as_published_and_with_the_norm_of_all(tmp_path: Path) -> None:
    features = write_regions(tmp_path / "17_1.jpg.npz", [0.2, 0.9, 0.5, 0.9])
    need = RegionFeatures(count=2)
    document = Document(
        id="a", blocks=(Block(text="x"),), media=(Media(uri="17_1.jpg", missing="not here"),)
    )
    supplier = Supplier(regions={"vinvl": tmp_path}, store=Store(tmp_path / "store"))
    for _ in range(2):  # made, then read
        found = supplier(document, {need})[need].arrays
        np.testing.assert_array_equal(found["features"], features[:2])
        np.testing.assert_allclose(found["scores"], [0.2, 0.9])
        assert found["norm"].shape == ()
        np.testing.assert_allclose(found["norm"], np.linalg.norm(features), rtol=1e-6)


def test_a_picture_without_any_region(tmp_path: Path) -> None:
    write_regions(tmp_path / "a.jpg.npz", [])
    need = RegionFeatures()
    document = Document(
        id="a", blocks=(Block(text="x"),), media=(Media(uri="a.jpg", missing="not here"),)
    )
    asset = Supplier(regions={"vinvl": tmp_path})(document, {need})[need]
    assert asset.present
    assert asset.arrays["boxes"].shape == (0, 4)
    assert asset.arrays["features"].shape == (0, 2048)
    assert asset.arrays["norm"] == 0


def test_what_a_source_draws_changes_no_random_number_outside() -> None:
    class Drawing(GridSource):
        """As one that builds a model when it is first asked."""

        def compute(self, asks: Sequence[Ask], need: Grid) -> list[Arrays | Asset]:
            torch.rand(3)
            return super().compute(asks, need)

        def fingerprint(self, need: Grid) -> dict[str, Any]:
            torch.rand(3)
            return super().fingerprint(need)

    supplier = Supplier(sources=[Drawing(Pictures())])
    before = torch.random.get_rng_state()
    assert supplier(post("a", half_red()), {TINY_GRID})[TINY_GRID].present
    supplier.fingerprints([TINY_GRID])
    assert torch.equal(torch.random.get_rng_state(), before)
