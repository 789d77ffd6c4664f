"""Published crops against the grounder, on cases small enough to count by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from magpie.engine import Extractor
from magpie.engine.grounding.coefficients import load_coefficients
from magpie.engine.grounding.matcher import PictureEvidence
from magpie.engine.grounding.ocr import TextLine
from magpie.engine.grounding.people import Detection
from magpie.training.grounding.crops import crops, found_again, proposals, tweets, typed
from magpie.training.grounding.share import share

ROW = {
    "token": ["Ada", "Byron", "sings", "in", "Turin"],
    "h": {"name": "Ada Byron", "pos": [0, 2]},
    "t": {"name": "Turin", "pos": [4, 5]},
    "img_id": "11.jpg",
    "relation": "/per/loc/place_of_residence",
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """MNRE with one picture of a test tweet that has two rows, and one tweet without picture."""
    from PIL import Image

    text = tmp_path / "mnre" / "v2"
    text.mkdir(parents=True)
    rows = [
        ROW | {"img_id": "10.jpg"},
        ROW,
        ROW | {"h": ROW["t"], "t": ROW["h"], "relation": "None"},
    ]
    for split in ("train", "val"):
        (text / f"mnre_{split}.txt").write_text(f"{rows[0]}\n")
    (text / "mnre_test.txt").write_text("".join(f"{row}\n" for row in rows))
    pictures = tmp_path / "images" / "mnre" / "test"
    pictures.mkdir(parents=True)
    Image.new("RGB", (800, 600), "white").save(pictures / "11.jpg")
    focal = tmp_path / "grounding" / "focalmre"
    focal.mkdir(parents=True)
    whole = [0.5, 0.5, 1.0, 1.0, 1.0]
    corner = [0.05, 0.05, 0.1, 0.1, 0.01]
    for split in ("train", "dev", "test"):
        detected = {"11_crop_0.jpg": whole, "11_crop_1.jpg": corner}
        grounded = {"1_pred_yolo_crop_0.png": whole, "2_pred_yolo_crop_1.png": corner}
        (focal / f"{split}_detect_box_dict.json").write_text(json.dumps(detected))
        (focal / f"{split}_vg_box_dict.json").write_text(json.dumps(grounded))
    return tmp_path


def test_a_tweet_gathers_its_rows_and_mentions_once(data: Path) -> None:
    (tweet,) = tweets(data)
    texts = [tweet.document.text_of(entity) for entity in tweet.document.entities]
    assert texts == ["Ada Byron", "Turin"]
    assert tweet.rows == (
        ((0, 1), ((0.0, 0.0, 800.0, 600.0),)),
        ((1, 0), ((0.0, 0.0, 80.0, 60.0),)),
    )
    assert tweet.detected == ((0.0, 0.0, 800.0, 600.0), (0.0, 0.0, 80.0, 60.0))


def test_types_come_from_the_tagger(data: Path) -> None:
    (tweet,) = tweets(data)
    document, known = typed(tweet.document, Extractor(threads=1, ground=False))
    types = {document.text_of(entity): entity.type for entity in document.entities}
    assert set(types) == {"Ada Byron", "Turin"}
    assert set(types.values()) <= {"PER", "LOC", "ORG", "OTHER"}
    assert known <= 2
    assert [entity.id for entity in document.entities] == ["e0", "e1"]


def test_proposals_by_kind() -> None:
    line = TextLine("TURIN", 0.9, ((10, 10), (60, 10), (60, 20), (10, 20)))
    face = Detection((40.0, 20.0, 60.0, 40.0), 0.9)
    found = PictureEvidence(
        media="m0", width=200, height=100, faces=[face], persons=[], lines=[line]
    )
    offered = proposals(found, load_coefficients())
    assert offered["faces"] == [(40.0, 20.0, 60.0, 40.0)]
    assert offered["lettering"] == [(10.0, 10.0, 60.0, 20.0)]
    assert len(offered["people"]) == 1
    assert len(offered["all of these"]) == 3
    assert offered["whole picture"] == [(0.0, 0.0, 200.0, 100.0)]


def test_detectors_that_did_not_run_propose_nothing() -> None:
    found = PictureEvidence(media="m0", width=20, height=10)
    assert proposals(found, load_coefficients())["all of these"] == []


def test_found_again_asks_for_more_than_half() -> None:
    wanted = [(0.0, 0.0, 100.0, 100.0), (0.0, 0.0, 10.0, 10.0)]
    assert found_again(wanted, [(0.0, 0.0, 100.0, 50.0)]) == 0  # exactly one half
    assert found_again(wanted, [(0.0, 0.0, 100.0, 51.0)]) == 1
    assert found_again(wanted, [*wanted, *wanted]) == 2
    assert found_again([], wanted) == 0


def test_an_empty_picture_is_found_as_a_whole_only(data: Path) -> None:
    report = crops(data)
    numbers = report["numbers"]
    assert (numbers["pictures"], numbers["rows"], numbers["mentions"]) == (1, 2, 2)
    assert numbers["grounded"] == 0
    assert report["recall"]["detector"]["whole picture"]["right"] == 1
    assert report["recall"]["detector"]["all of these"]["total"] == 2
    assert report["recall"]["grounding"]["FocalMRE's detector crops"]["right"] == 2
    assert report["chosen"] == {}


def test_shares_have_an_interval() -> None:
    row: dict[str, Any] = share(6, 12)
    assert (row["percent"], row["low"], row["high"]) == (50.0, 25.4, 74.6)
