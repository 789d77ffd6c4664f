"""Boxes published beside the corpora find their documents and their scale."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from magpie.corpora import load
from magpie.errors import ConfigError, NotFoundError
from magpie.features import Crops
from magpie.features.boxes import BoxesOf, SideBoxes, by_picture
from magpie.features.supply import Supplier
from magpie.schema import Block, Box, Document, Media
from magpie.schema.document import Source
from magpie.vision import LoadedImage, PixelSpec
from magpie.vision.pixels import HALF

from .samples import GREEN, RED, png, post

WIDE, HIGH = 80, 60


def mnre(line: int, picture: str, data: bytes | None = None, split: str = "dev") -> Document:
    return Document(
        id=f"d{line}",
        blocks=(Block(text="Rocky runs"),),
        media=(Media(uri=f"{picture}.jpg", data=data),),
        source=Source(corpus="mnre@2", split=split, file="x", line=line),
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "grounding" / "focalmre"
    folder.mkdir(parents=True)
    detected = {
        "twitter_1_crop_1.jpg": [0.75, 0.5, 0.5, 1.0, 0.5],
        "twitter_1_crop_0.jpg": [0.25, 0.5, 0.5, 1.0, 0.5],
    }
    grounded = {"4_pred_yolo_crop_0.png": [0.5, 0.25, 1.0, 0.5, 0.5]}
    (folder / "dev_detect_box_dict.json").write_text(json.dumps(detected))
    (folder / "dev_vg_box_dict.json").write_text(json.dumps(grounded))
    return tmp_path


def blank() -> LoadedImage:
    return LoadedImage(np.zeros((HIGH, WIDE, 3), np.uint8), WIDE, HIGH)


def test_by_picture_in_the_scale_of_the_picture_at_hand(root: Path) -> None:
    boxes = SideBoxes("focalmre-detector", root)
    document = mnre(1, "twitter_1")
    assert boxes.depends(document) == [[0, 0, 400, 600], [400, 0, 800, 600]]  # of 800 x 600
    found = boxes(document, "m0", blank())
    assert found == [Box(0, 0, 40, 60, "m0"), Box(40, 0, 80, 60, "m0")]
    assert boxes(mnre(2, "twitter_2"), "m0", blank()) == []


def test_by_row(root: Path) -> None:
    boxes = SideBoxes("focalmre-grounding", root)
    assert boxes(mnre(5, "any"), "m0", blank()) == [Box(0, 0, 80, 30, "m0")]
    assert boxes(mnre(4, "any"), "m0", blank()) == []


def test_cut_outs_by_the_name_of_a_side_source(root: Path) -> None:
    need = Crops("focalmre-detector", 3, PixelSpec(side=8, normalisation=HALF))
    picture = png((0, 0, 40, HIGH, RED), (40, 0, WIDE, HIGH, GREEN), size=(WIDE, HIGH))
    asset = Supplier(corpora=root)(mnre(1, "twitter_1", picture), {need})[need]
    assert asset.arrays["there"].tolist() == [True, True, False]
    np.testing.assert_array_equal(asset.arrays["pixels"][0, 0], np.ones((8, 8)))
    np.testing.assert_array_equal(asset.arrays["pixels"][1, 1], np.ones((8, 8)))


def test_documents_that_the_source_does_not_know(root: Path) -> None:
    boxes = SideBoxes("focalmre-detector", root)
    assert boxes(post("a", png()), "m0", blank()) == []
    other = Document(
        id="a",
        blocks=(Block(text="x"),),
        media=(Media(uri="a.jpg"),),
        source=Source(corpus="twitter2017@umt", split="dev"),
    )
    with pytest.raises(ConfigError, match="says nothing of twitter2017@umt:dev"):
        boxes(other, "m0", blank())
    with pytest.raises(NotFoundError, match="train_detect_box_dict"):
        boxes(mnre(1, "twitter_1", split="train"), "m0", blank())  # its file is not there
    with pytest.raises(NotFoundError, match="no side source"):
        SideBoxes("focalmre-detected")


def test_a_function_of_the_picture() -> None:
    boxes = BoxesOf(lambda media, image: [Box(0, 0, image.width, 1, media)], version="v3")
    assert boxes.depends(post("a")) == "v3"
    assert boxes(post("a"), "m0", blank()) == [Box(0, 0, WIDE, 1, "m0")]


def test_the_key_of_a_picture() -> None:
    assert by_picture(post("a", png(), uri="folder/17_06_1.jpg")) == "17_06_1"
    assert by_picture(post("a", png())) is None
    assert by_picture(post("a")) is None


@pytest.mark.corpus
def test_published_crops_of_mnre(data_dir: Path) -> None:
    boxes = SideBoxes("focalmre-detector", data_dir)
    rows = SideBoxes("focalmre-grounding", data_dir)
    counts = []
    for document in load("mnre@2", "dev", data_dir):
        picture = Media(uri=document.media[0].uri, data=png())
        shown = Document(
            id=document.id, blocks=document.blocks, media=(picture,), source=document.source
        )
        counts.append((len(boxes.depends(shown)), len(rows.depends(shown))))
    assert len(counts) == 1624
    assert max(count for count, _ in counts) == 3
    # 4,344 grounded crops are published; a box that stands twice in a row counts once
    assert 4000 < sum(count for _, count in counts) <= 4344
