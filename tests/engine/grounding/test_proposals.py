"""The engine's proposals: people, faces, lettering and the whole picture, the best first."""

from __future__ import annotations

import numpy as np
import pytest

from magpie.engine.grounding.ocr import TextLine
from magpie.engine.grounding.people import Detection
from magpie.engine.grounding.proposals import PROPOSALS, LocalProposals, local_boxes
from magpie.errors import MediaError
from magpie.schema import Block, Box, Document
from magpie.vision import LoadedImage

WIDE, HIGH = 400, 300
IMAGE = LoadedImage(np.zeros((HIGH, WIDE, 3), np.uint8), WIDE, HIGH)
POST = Document(id="a", blocks=(Block(text="x"),))


def line(x1: float, y1: float, x2: float, y2: float, score: float) -> TextLine:
    return TextLine("GO", score, ((x1, y1), (x2, y1), (x2, y2), (x1, y2)))


@pytest.fixture
def proposals(monkeypatch: pytest.MonkeyPatch) -> LocalProposals:
    made = LocalProposals()
    look = made._look
    face = Detection((180.0, 40.0, 220.0, 80.0), 0.7)
    person = Detection((10.0, 20.0, 60.0, 200.0), 0.8)
    lines = [line(0, 250, 100, 270, 0.9), line(0, 275, 150, 295, 0.75)]
    monkeypatch.setattr(look._faces, "find", lambda image: [face])
    monkeypatch.setattr(look._people, "find", lambda image: [person])
    monkeypatch.setattr(look._reader, "read", lambda image: lines)
    return made


def test_what_was_seen_best_first_and_the_whole_last(proposals: LocalProposals) -> None:
    found = proposals.regions(POST, "m3", IMAGE)
    shown = [(region.label, round(region.score or 0.0, 3)) for region in found]
    assert shown == [
        ("lettering", 0.9),
        ("lettering", 0.825),
        ("person", 0.8),
        ("lettering", 0.75),
        ("person", 0.7),
        ("face", 0.7),
        ("picture", 0.0),
    ]
    boxes = [region.box for region in found]
    assert boxes[0] == Box(0, 250, 100, 270, "m3")
    assert boxes[1] == Box(0, 250, 150, 295, "m3")  # both lines
    assert boxes[2] == Box(10, 20, 60, 200, "m3")
    # head, shoulders and what is below the face, within the picture
    body = proposals._look.coefficients.body
    grown = (200 - 40 * body["side"], 40 - 40 * body["up"], 200 + 40 * body["side"])
    assert boxes[4] is not None
    assert boxes[4].xyxy[:3] == pytest.approx(grown)
    assert boxes[5] == Box(180, 40, 220, 80, "m3")
    assert boxes[6] == Box(0, 0, WIDE, HIGH, "m3")
    assert proposals(POST, "m3", IMAGE) == boxes


def test_a_detector_that_fails_is_no_empty_picture(
    proposals: LocalProposals, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(image: LoadedImage) -> list[Detection]:
        raise ValueError("boom")

    monkeypatch.setattr(proposals._look._faces, "find", fail)
    with pytest.raises(MediaError, match="a detector failed: ValueError: boom"):
        proposals(POST, "m0", IMAGE)


def test_the_key_holds_what_decides() -> None:
    keys = [
        each.depends(POST)
        for each in (LocalProposals(), LocalProposals(ocr=False), LocalProposals(people=False))
    ]
    assert keys[0] == LocalProposals(threads=0).depends(POST)
    assert keys[0] != keys[1] != keys[2] != keys[0]
    assert len(str(keys[0]["fit"])) > 8


def test_a_plain_picture_has_the_whole_only() -> None:
    made = LocalProposals(ocr=False)
    assert made(POST, "m0", IMAGE) == [Box(0, 0, WIDE, HIGH, "m0")]


def test_under_the_name_that_crops_ask_for() -> None:
    from magpie.features import Crops

    assert set(local_boxes()) == {PROPOSALS} == {Crops().source}
