"""Regions by name: detectors, described boxes, files; and what is cut, left out or refused."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from magpie.backbones import load_vision
from magpie.errors import ConfigError, FormatError, MediaError, ModelError
from magpie.features import Asset, Crops, RegionFeatures
from magpie.features.blobs import WIDTH
from magpie.features.boxes import BoxesOf
from magpie.features.cuts import cut_out
from magpie.features.described import DescribedProposer
from magpie.features.detected import DetectorProposer
from magpie.features.proposals import BlobProposer, BoxProposer, Proposals, Seen, tidied
from magpie.features.region_names import RegionNames
from magpie.features.regions import RegionSource
from magpie.features.store import Store
from magpie.features.supply import Supplier
from magpie.schema import Box, Document
from magpie.vision import PixelSpec, load_image, network_input
from magpie.vision.pixels import HALF

from .samples import GREEN, RED, png, post

PICTURE = png((2, 3, 20, 17, RED), (24, 4, 38, 12, GREEN))


def proposals(at: Any, **changes: Any) -> Proposals:
    corners = np.array(at, np.float32).reshape(-1, 4)
    count = len(corners)
    value = Proposals(
        width=40,
        height=20,
        boxes=corners,
        features=np.arange(2 * count, dtype=np.float32).reshape(count, 2),
        scores=np.linspace(0.9, 0.1, count, dtype=np.float32),
        labels=tuple("abcdefgh"[:count]),
    )
    return dataclasses.replace(value, **changes)


class Given:
    """Proposes what it was given."""

    batch = 1

    def __init__(self, found: Proposals | Exception) -> None:
        self.found = found
        self.asked = 0

    def fingerprint(self) -> dict[str, Any]:
        return {"given": 1}

    def depends(self, document: Document) -> Any:
        return None

    def propose(self, seen: Sequence[Seen]) -> list[Proposals]:
        self.asked += len(seen)
        if isinstance(self.found, Exception):
            raise self.found
        return [self.found for _ in seen]


def test_boxes_are_cut_to_their_picture_and_counted() -> None:
    found = tidied(
        proposals([[1, 1, 9, 9], [-5, 2, 50, 19], [40, 0, 60, 9], [3, 3, 3, 9], [0, 0, 40.0005, 9]])
    )
    assert (found.clipped, found.outside) == (1, 2)
    assert found.labels == ("a", "b", "e")
    np.testing.assert_allclose(found.boxes, [[1, 1, 9, 9], [0, 2, 40, 19], [0, 0, 40.0005, 9]])
    np.testing.assert_array_equal(found.features, [[0, 1], [2, 3], [8, 9]])
    again = tidied(found)
    assert (again.clipped, again.outside, len(again)) == (1, 2, 3)
    assert len(tidied(proposals([]))) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"features": np.array([[1, 2], [np.nan, 3]], np.float32)}, "features of region 1 hold"),
        ({"scores": np.array([np.inf, 0], np.float32)}, "scores of region 0 hold"),
        ({"boxes": np.array([[0, 0, 1, 1], [0, 0, 1, np.nan]])}, "boxes of region 1 hold"),
        ({"features": np.zeros((3, 2), np.float32)}, "2 regions have 3 features"),
        ({"labels": ("a",)}, "2 regions have 1 labels"),
    ],
)
def test_regions_that_are_none(changes: Any, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        tidied(proposals([[1, 1, 9, 9], [2, 2, 9, 9]], **changes))


def test_a_proposer_handed_in(tmp_path: Path) -> None:
    given = Given(proposals([[1, 1, 9, 9], [-5, 2, 50, 19], [40, 0, 60, 9]]))
    store = Store(tmp_path)
    supplier = Supplier(proposers={"mine": given}, store=store)
    need = RegionFeatures("mine", 1, 2)
    for _ in range(2):
        asset = supplier(post("a", PICTURE), [need])[need]
        assert asset.present
        assert set(asset.arrays) == {"boxes", "features", "scores", "size", "norm"}
        np.testing.assert_array_equal(asset.arrays["boxes"], [[1, 1, 9, 9]])
        np.testing.assert_allclose(asset.arrays["norm"], np.sqrt(0 + 1 + 4 + 9))
        assert asset.reason == (
            "1 regions left the picture and were cut to it; "
            "1 regions outside the picture were left out"
        )
    assert given.asked == 1  # the second time it is read
    wide = RegionFeatures("mine", 1, 3)
    with pytest.raises(ConfigError, match="vectors of 2 numbers, the method wants 3"):
        supplier(post("a", PICTURE), [wide])


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (
            proposals([[1, 1, 9, 9]], features=np.full((1, 2), np.nan, np.float32)),
            "features of region 0 hold NaN or infinity",
        ),
        (MediaError("the finder failed"), "the finder failed"),
    ],
)
def test_one_bad_picture_is_absent(found: Any, reason: str) -> None:
    need = RegionFeatures("mine", 3, 2)
    supplier = Supplier(proposers={"mine": Given(found)})
    asset = supplier(post("a", PICTURE), [need])[need]
    assert not asset.present
    assert reason in asset.reason


def test_a_picture_without_any_region() -> None:
    need = RegionFeatures("mine", 3, 2)
    asset = Supplier(proposers={"mine": Given(proposals([]))})(post("a", PICTURE), [need])[need]
    assert asset.present
    assert asset.arrays["features"].shape == (0, 2)
    assert asset.arrays["norm"] == 0


def test_described_by_a_picture_network() -> None:
    need = RegionFeatures("blobs@tiny-vit", 2, 32)
    asset = Supplier()(post("a", PICTURE), [need])[need]
    image = load_image(PICTURE)
    encoder = load_vision("tiny-vit").freeze()
    np.testing.assert_array_equal(asset.arrays["boxes"], [[0, 0, 40, 20], [2, 3, 20, 17]])
    import torch

    with torch.no_grad():
        for row, box in enumerate(asset.arrays["boxes"].tolist()):
            cut = cut_out(image, Box(*box, "m0"))
            assert cut is not None
            pixels = torch.from_numpy(network_input(cut, encoder.pixels)[0])[None]
            wanted = encoder(pixels)[0, 0].numpy()  # of the summary token
            np.testing.assert_allclose(asset.arrays["features"][row], wanted, atol=1e-5)


def test_cells_of_a_convolutional_network_are_averaged_in_portions() -> None:
    boxes = BoxProposer(BoxesOf(lambda media, image: [Box(0, 0, 9, 9, media)] * 3, version="1"))
    seen = [Seen(post("a", PICTURE), "m0", load_image(PICTURE))]
    (one,) = DescribedProposer(boxes, "tiny-resnet", crops=2).propose(seen)
    assert one.features.shape == (3, 64)
    np.testing.assert_allclose(one.features[0], one.features[2], atol=1e-6)
    encoder = load_vision("tiny-resnet").freeze()
    import torch

    cut = cut_out(seen[0].image, Box(0, 0, 9, 9, "m0"))
    assert cut is not None
    with torch.no_grad():
        states = encoder(torch.from_numpy(network_input(cut, encoder.pixels)[0])[None])
    np.testing.assert_allclose(one.features[0], states[0].mean(0).numpy(), atol=1e-5)
    nothing = BoxProposer(BoxesOf(lambda media, image: [], version="1"))
    (none,) = DescribedProposer(nothing, "tiny-resnet").propose(seen)
    assert none.features.shape == (0, 64)


@pytest.mark.parametrize("name", ["tiny-detr", "tiny-owlvit"])
def test_a_detector_by_name(name: str, tmp_path: Path) -> None:
    need = RegionFeatures(f"detector:{name}", 5, 32)
    supplier = Supplier(store=Store(tmp_path))
    first = supplier(post("a", PICTURE), [need])[need]
    assert first.present
    assert 1 <= len(first.arrays["boxes"]) <= 5
    assert first.arrays["features"].shape == (len(first.arrays["boxes"]), 32)
    again = Supplier(store=Store(tmp_path))(post("b", PICTURE), [need])[need]
    np.testing.assert_array_equal(again.arrays["features"], first.arrays["features"])
    (kept,) = supplier.fingerprints([need]).values()
    assert kept["proposer"]["detector"] == DetectorProposer(name).fingerprint()["detector"]
    assert ("phrases" in kept["proposer"]) == (name == "tiny-owlvit")


def test_what_decides_a_detector_enters_its_fingerprint() -> None:
    base = DetectorProposer("tiny-owlvit")
    others = [
        DetectorProposer("tiny-detr"),
        DetectorProposer("tiny-owlvit", phrases=("a dog",)),
        DetectorProposer("tiny-owlvit", limit=5),
        DetectorProposer("tiny-owlvit", min_score=0.5),
        DetectorProposer("tiny-owlvit", overlap=0.5),
    ]
    prints = [json.dumps(each.fingerprint(), sort_keys=True) for each in (base, *others)]
    assert len(set(prints)) == 6
    assert prints[0] == json.dumps(DetectorProposer("tiny-owlvit").fingerprint(), sort_keys=True)


def test_boxes_of_a_file_are_cut_out_and_described(tmp_path: Path) -> None:
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps({"a": [[2, 3, 20, 17], [24, 4, 90, 12]]}))
    document = post("a", PICTURE, uri="a.png")
    need = RegionFeatures(f"{path}@tiny-vit", 9, 32)
    asset = Supplier()(document, [need])[need]
    np.testing.assert_array_equal(asset.arrays["boxes"], [[2, 3, 20, 17], [24, 4, 40, 12]])
    assert asset.reason == "1 regions left the picture and were cut to it"
    crops = Crops(str(path), 3, PixelSpec(side=8, normalisation=HALF))
    cut = Supplier()(document, [crops])[crops]
    assert cut.arrays["there"].tolist() == [True, True, False]
    np.testing.assert_array_equal(cut.arrays["pixels"][0, :, 4, 4], [1, -1, -1])
    bare = RegionFeatures(str(path), 9, 32)
    with pytest.raises(ConfigError, match="nobody gives region features called") as caught:
        Supplier()(document, [bare])
    assert f"{path}@BACKBONE" in caught.value.mend


def test_what_a_proposer_finds_can_be_cut_out() -> None:
    need = Crops("blobs", 2, PixelSpec(side=8, normalisation=HALF))
    asset = Supplier()(post("a", PICTURE), [need])[need]
    assert asset.arrays["there"].tolist() == [True, True]
    np.testing.assert_array_equal(asset.arrays["pixels"][1, :, 4, 4], [1, -1, -1])


def test_bare_boxes_have_scores_where_somebody_scored_them(tmp_path: Path) -> None:
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps({"a": [{"box": [2, 3, 20, 17], "score": 0.5, "label": "dog"}]}))
    plain = BoxesOf(lambda media, image: [Box(0, 0, 9, 9, media)], version="1")
    source = RegionSource(names=RegionNames({"plain": plain}))
    document = post("a", PICTURE, uri="a.png")
    (scored,) = source.regions([document], str(path))
    (found,) = source.regions([document], "plain")
    assert isinstance(scored, Proposals)
    assert isinstance(found, Proposals)
    assert (scored.scores.tolist(), scored.labels) == ([0.5], ("dog",))
    assert (found.scores.tolist(), found.features.shape) == ([1.0], (1, 0))
    (absent,) = source.regions([post("b")], "plain")
    assert isinstance(absent, Asset)


def test_names_that_lead_nowhere() -> None:
    names = RegionNames(proposers={"mine": BlobProposer()})
    assert names.boxes("nothing") is None
    assert names.known == ("blobs", "mine")
    for name in ("nothing", "detector:", "@tiny-vit", "blobs@"):
        with pytest.raises(ConfigError, match="nobody gives region features"):
            names.proposer(name, bare=True)
    with pytest.raises(ModelError, match="not on this machine"):
        names.proposer("detector:facebook/detr-resnet-50").fingerprint()
    assert names.proposer("blobs").fingerprint() == {"blobs": 1, "width": WIDTH}
    assert names.proposer("blobs@tiny-vit") is names.proposer("blobs@tiny-vit")
