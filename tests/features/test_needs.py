"""Needs are values, and their digests never change unnoticed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from magpie.errors import ConfigError
from magpie.features import Asset, Crops, Grid, Need, Pixels, RegionFeatures, Texts
from magpie.vision import PixelSpec
from magpie.vision.pixels import CLIP

#: whoever changes one of these makes every cache and checkpoint out there miss
GOLDEN = {
    "pixels": (Pixels(), "ec547a5248fec282"),
    "pixels-clip": (
        Pixels(PixelSpec(side=128, fit="crop", normalisation=CLIP)),
        "4296e4bfc6f7cf47",
    ),
    "grid": (Grid(), "a06e4d1ce58de798"),
    "grid-vit": (Grid("google/vit-base-patch16-224", PixelSpec(), 14), "a55816b8910087b9"),
    "crops": (Crops(), "1c2b707583a1dc90"),
    "crops-whole": (Crops("whole", 4, PixelSpec(side=64)), "1d96026d5c878a97"),
    "regions": (RegionFeatures(), "2626ecf52c6c90b7"),
    "regions-blobs": (RegionFeatures("blobs", 6, 768, "score"), "e64a3e975ef43dfa"),
    "texts": (Texts(), "df4745db53b26de9"),
    "texts-named": (Texts(("pgim", "blip2"), ()), "00b498639fecb371"),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_digests_are_stable(name: str) -> None:
    need, digest = GOLDEN[name]
    assert need.digest == digest


def test_digests_differ() -> None:
    assert len({need.digest for need, _ in GOLDEN.values()}) == len(GOLDEN)


def test_equal_needs_are_one_need() -> None:
    assert Pixels(PixelSpec(side=64)) == Pixels(PixelSpec(side=64))
    assert len({Grid(), Grid(), Grid(cells=3)}) == 2
    assert Grid().digest == Grid().digest != Grid(cells=3).digest


def test_every_setting_enters_the_digest() -> None:
    base = Crops()
    others = [
        replace(base, source="whole"),
        replace(base, count=4),
        replace(base, spec=PixelSpec(side=128)),
        replace(base, spec=PixelSpec(fit="crop")),
        replace(base, spec=PixelSpec(normalisation=CLIP)),
    ]
    assert len({need.digest for need in (base, *others)}) == 6


def test_a_need_says_what_it_is() -> None:
    assert RegionFeatures(count=10).describe() == {
        "kind": "regionfeatures",
        "source": "vinvl",
        "count": 10,
        "width": 2048,
        "order": "file",
    }
    assert Need().describe() == {"kind": "need"}


def test_an_absent_asset() -> None:
    asset = Asset.absent("no picture")
    assert (asset.present, asset.reason, dict(asset.arrays)) == (False, "no picture", {})


@pytest.mark.parametrize("wrong", [{"side": 0}, {"fit": "stretch"}])
def test_impossible_pixels_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        PixelSpec(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"order": "size"}, {"count": 0}, {"width": 0}])
def test_impossible_regions_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        RegionFeatures(**wrong)  # type: ignore[arg-type]
