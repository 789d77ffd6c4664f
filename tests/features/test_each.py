"""A need of every picture: parts by medium, from the same entries as a need of one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from magpie.features import Pixels, RegionFeatures, Texts
from magpie.features.build import build
from magpie.features.each import PerPicture, gather, inner, picture_views
from magpie.features.needs import Asset
from magpie.features.store import Store
from magpie.features.supply import Supplier
from magpie.schema import Annotations, Block, Box, ContextText, Document, Entity, Media, Span
from magpie.vision import PixelSpec

from .samples import GREEN, RED, png

ONE = Pixels(PixelSpec(side=8))
EACH = PerPicture(ONE)


def steps(*pictures: bytes | None) -> Document:
    """A block a picture; None is a picture that is lost."""
    media = tuple(
        Media(id=f"m{i}", data=data, missing="lost" if data is None else None)
        for i, data in enumerate(pictures)
    )
    blocks = tuple(
        Block(id=f"b{i}", text=f"step {i}", step=i, media=medium.id)
        for i, medium in enumerate(media)
    )
    return Document(id="p", blocks=blocks, media=media)


RED_ONE, GREEN_ONE = png((0, 0, 9, 9, RED)), png((3, 3, 20, 15, GREEN))


def test_each_picture_has_its_own_part() -> None:
    document = steps(RED_ONE, None, GREEN_ONE)
    asset = Supplier()(document, {EACH})[EACH]
    assert asset.present
    assert list(asset.parts) == ["m0", "m1", "m2"]
    assert not asset.parts["m1"].present
    assert "lost" in asset.parts["m1"].reason
    for medium, data in (("m0", RED_ONE), ("m2", GREEN_ONE)):
        alone = Supplier()(steps(data), {ONE})[ONE]
        np.testing.assert_array_equal(asset.parts[medium].arrays["pixels"], alone.arrays["pixels"])


def test_many_documents_keep_their_pictures_apart() -> None:
    documents = [steps(RED_ONE), steps(), steps(GREEN_ONE, RED_ONE)]
    found = [assets[EACH] for assets in Supplier().many(documents, {EACH})]
    assert [list(asset.parts) for asset in found] == [["m0"], [], ["m0", "m1"]]
    assert [asset.present for asset in found] == [True, False, True]
    assert found[1].reason == "the document has no picture"
    first, second = found[2].parts.values()
    np.testing.assert_array_equal(second.arrays["pixels"], found[0].parts["m0"].arrays["pixels"])
    assert not np.array_equal(first.arrays["pixels"], second.arrays["pixels"])


def test_nothing_of_any_picture_is_absent_with_the_first_reason() -> None:
    asset = Supplier()(steps(None, b"no picture"), {EACH})[EACH]
    assert not asset.present
    assert "lost" in asset.reason
    assert gather({}).reason == "the document has no picture"
    assert gather({"m0": Asset.absent("a"), "m1": Asset()}).present


def test_regions_of_every_picture() -> None:
    need = PerPicture(RegionFeatures("blobs", 4, 768))
    parts = Supplier()(steps(RED_ONE, GREEN_ONE), {need})[need].parts
    assert [len(part.arrays["boxes"]) for part in parts.values()] == [2, 2]
    assert parts["m0"].arrays["boxes"][1].tolist() == [0, 0, 9, 9]
    assert parts["m1"].arrays["boxes"][1].tolist() == [3, 3, 20, 15]


def test_a_need_says_what_it_wraps() -> None:
    regions = PerPicture(RegionFeatures("blobs", 4, 768))
    assert EACH.describe() == {"kind": "perpicture", "of": ONE.describe()}
    assert len({EACH.digest, ONE.digest, regions.digest}) == 3
    assert inner(EACH) == inner(ONE) == ONE


def test_what_decides_the_features_is_that_of_the_wrapped_need() -> None:
    supplier = Supplier()
    (found,) = supplier.fingerprints({EACH}).values()
    (plain,) = supplier.fingerprints({ONE}).values()
    assert {**found, "need": None} == {**plain, "need": None}
    assert found["need"]["of"] == plain["need"]
    supplier.check(supplier.fingerprints({EACH}), {EACH})
    assert supplier.source(PerPicture(Texts())) is None


def test_views_show_one_picture_each() -> None:
    document = Document(
        id="p",
        blocks=(
            Block(id="b0", text="first", media="m0"),
            Block(id="b1", text="second", media="m1", box=Box(0, 0, 5, 5, "m1")),
            Block(id="b2", text="both"),
        ),
        media=(
            Media(id="m0", uri="a.png"),
            Media(id="m1", uri="b.png"),
            Media(id="v", kind="video"),
        ),
        context=(ContextText(kind="caption", source="x", text="a dog", media="m1"),),
        annotations=Annotations(entities=(Entity(id="e", span=Span("b0", 0, 5), type="X"),)),
    )
    first, second = picture_views(document)
    assert [block.id for block in first.blocks] == ["b0", "b2"]
    assert [block.id for block in second.blocks] == ["b1", "b2"]
    assert [medium.id for medium in (*first.media, *second.media)] == ["m0", "m1"]
    assert (first.context, len(second.context)) == ((), 1)
    assert first.annotations is second.annotations is None


@pytest.mark.parametrize("need", [EACH, PerPicture(RegionFeatures("blobs", 4, 768))])
def test_entries_are_shared_with_those_of_single_pictures(tmp_path: Path, need: PerPicture) -> None:
    supplier = Supplier(store=Store(tmp_path))
    (part,) = build([steps(RED_ONE, GREEN_ONE, None)], {need}, supplier).needs
    assert (part.need, part.computed, part.absent) == (need.of, 2, 1)
    (again,) = build([steps(GREEN_ONE)], {need.of}, supplier).needs
    assert (again.computed, again.kept) == (0, 1)
    kept = supplier(steps(RED_ONE, GREEN_ONE), {need})[need]
    fresh = Supplier()(steps(RED_ONE, GREEN_ONE), {need})[need]
    for medium, asset in fresh.parts.items():
        for name, array in asset.arrays.items():
            np.testing.assert_array_equal(kept.parts[medium].arrays[name], array)
