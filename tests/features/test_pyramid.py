"""Pooled maps of a frozen ResNet: equal to the encoder's own, computed once, black where absent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="backbones need the extra 'train'")

from magpie.backbones import load_vision  # noqa: E402
from magpie.errors import ConfigError  # noqa: E402
from magpie.features import Asset, Crops, Pixels, Pyramid  # noqa: E402
from magpie.features.pixels import CropSource, PixelSource  # noqa: E402
from magpie.features.pyramid import PyramidSource, pyramid_of  # noqa: E402
from magpie.features.source import Pictures  # noqa: E402
from magpie.features.store import Store  # noqa: E402
from magpie.features.supply import Supplier  # noqa: E402
from magpie.nn.visual_prefix import pool_blocks  # noqa: E402
from magpie.schema import Document  # noqa: E402
from magpie.vision import PixelSpec  # noqa: E402

from .samples import GREEN, RED, png, post  # noqa: E402

SPEC = PixelSpec(side=64, fit="crop")
WHOLE = png((0, 0, 20, 20, RED))
CUTS = (png((0, 0, 20, 10, GREEN)), png((10, 5, 30, 15, RED)))


def need(crops: str = "media", count: int = 3) -> Pyramid:
    return Pyramid("tiny-resnet", SPEC, crops, count)


def wanted(document: Document, crops: str, count: int) -> Any:
    """Maps of the very pixels that the two other needs supply, picture by picture."""
    pixels, cuts = Pixels(SPEC), Crops(crops, count, SPEC)
    assets = Supplier()(document, {pixels, cuts})
    rows = np.zeros((1 + count, 3, 64, 64), np.float32)
    if assets[pixels].present:
        rows[0] = assets[pixels].arrays["pixels"]
    if assets[cuts].present:
        rows[1:] = assets[cuts].arrays["pixels"]
    encoder = load_vision("tiny-resnet", side=64).freeze()
    with torch.no_grad():
        return torch.cat(
            [torch.cat(pool_blocks(encoder.stages(row[None])), 1) for row in torch.from_numpy(rows)]
        ).numpy()


@pytest.mark.parametrize(
    ("document", "crops", "there"),
    [
        (post("a", WHOLE, *CUTS), "media", [True, True, True, False]),
        (post("b", WHOLE), "media", [True, False, False, False]),
        (post("c", WHOLE), "whole", [True, True, True, True]),
        (post("d", b"no picture", *CUTS), "media", [False, True, True, False]),
    ],
)
def test_the_maps_are_those_of_the_encoder(
    document: Document, crops: str, there: list[bool]
) -> None:
    asset = Supplier()(document, {need(crops)})[need(crops)]
    assert asset.present
    assert asset.arrays["there"].tolist() == there
    assert asset.arrays["maps"].shape == (4, 16 + 32 + 48 + 64, 2, 2)
    np.testing.assert_allclose(asset.arrays["maps"], wanted(document, crops, 3), atol=1e-5)


def test_no_cut_outs_are_asked_for() -> None:
    asset = Supplier()(post("a", WHOLE, *CUTS), {need(count=0)})[need(count=0)]
    assert asset.arrays["maps"].shape[0] == 1
    assert asset.arrays["there"].tolist() == [True]


@pytest.mark.parametrize("document", [post("a"), post("b", b"no picture")])
def test_nothing_to_see_is_absent(document: Document) -> None:
    for crops in ("media", "whole"):
        asset = Supplier()(document, {need(crops)})[need(crops)]
        assert not asset.present
        assert asset.reason


def test_batches_change_nothing_and_pictures_are_encoded_once(tmp_path: Path) -> None:
    encoded: list[int] = []

    def counting(name: str, **options: Any) -> Any:
        encoder = load_vision(name, **options)
        encoder.register_forward_pre_hook(lambda _, given: encoded.append(len(given[0])))
        stages = encoder.stages

        def count(pixels: Any) -> Any:
            encoded.append(len(pixels))
            return stages(pixels)

        encoder.stages = count
        return encoder

    pictures = Pictures()
    source = PyramidSource(PixelSource(pictures), CropSource(pictures), load=counting)
    supply = Supplier(store=Store(tmp_path), sources=[source])
    documents = [post("a", WHOLE, *CUTS), post("b", CUTS[0]), post("c"), post("d", WHOLE, *CUTS)]
    first = supply.many(documents, {need()})
    # Three and one that differ, and the black one; the last document is the first one again.
    assert sorted(encoded) == [1, 4]
    again = supply.many(documents, {need()})
    assert sorted(encoded) == [1, 4]
    for once, twice, document in zip(first, again, documents, strict=True):
        alone = Supplier()(document, {need()})[need()]
        assert once[need()].present == twice[need()].present == alone.present
        for name, value in alone.arrays.items():
            np.testing.assert_allclose(once[need()].arrays[name], value, atol=1e-5)
            np.testing.assert_array_equal(once[need()].arrays[name], twice[need()].arrays[name])


def test_the_whole_picture_is_encoded_once_however_often_it_is_repeated() -> None:
    pictures = Pictures()
    source = PyramidSource(PixelSource(pictures), CropSource(pictures))
    wish = need("whole")
    ask = source.ask(post("a", WHOLE), wish)
    assert not isinstance(ask, Asset)
    (arrays,) = source.compute([ask], wish)
    assert not isinstance(arrays, Asset)
    assert len(arrays["maps"]) == 1
    assert arrays["row"].tolist() == [0, 0, 0, 0]


def test_what_has_no_stages_is_refused() -> None:
    with pytest.raises(ConfigError, match="four blocks of a ResNet"):
        Supplier()(post("a", WHOLE), {Pyramid("tiny-vit", SPEC, "whole", 1)})
    with pytest.raises(ConfigError, match="four blocks of a ResNet"):
        pyramid_of(load_vision("tiny-vit"), torch.zeros(1, 3, 64, 64))
