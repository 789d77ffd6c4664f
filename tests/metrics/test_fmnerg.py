"""Fine-grained grounded NER: the fine types, and the coarse ones that their tree gives."""

from __future__ import annotations

import pytest

from magpie.metrics import score
from magpie.metrics.counts import Counts
from magpie.metrics.items import XYXY, Item, Scored

BOX: XYXY = (0.0, 0.0, 10.0, 10.0)
HALF: XYXY = (0.0, 0.0, 10.0, 5.0)


def doc(*entities: tuple[int, str, str | None, XYXY | None]) -> Scored:
    """Mentions of two characters: start, coarse type of four, fine type, box."""
    return Scored(
        "1",
        tuple(
            Item(
                "xx",
                start,
                start + 2,
                kind,
                fine,
                grounding="regions" if box else "absent",
                boxes=(("m0", box),) if box else (),
            )
            for start, kind, fine, box in entities
        ),
    )


GOLD = doc(
    (0, "LOC", "sports_facility", BOX), (3, "LOC", "city", None), (6, "OTHER", "music", None)
)
PREDICTED = doc(
    (0, "LOC", "cultural_place", BOX), (3, "LOC", "city", BOX), (6, "OTHER", "music", None)
)


def test_each_part() -> None:
    report = score([GOLD], [PREDICTED], "fmnerg-iou50@1")
    assert {name: part.micro for name, part in report.parts.items()} == {
        "fmnerg": Counts(3, 3, 1),
        "fmner": Counts(3, 3, 2),
        "eeg": Counts(3, 3, 2),
        "coarse-gmner": Counts(3, 3, 2),
        "coarse-mner": Counts(3, 3, 3),
    }
    # A building is no location among the eight, though both are LOC among the four.
    assert dict(report.parts["coarse-mner"].per_type) == {
        "art": Counts(1, 1, 1),
        "building": Counts(1, 1, 1),
        "location": Counts(1, 1, 1),
    }
    assert dict(report.notes) == {}


def test_a_building_is_no_location() -> None:
    gold, predicted = doc((0, "LOC", "city", None)), doc((0, "LOC", "sports_facility", None))
    parts = score([gold], [predicted], "fmnerg-iou50@1").parts
    assert parts["coarse-mner"].micro == Counts(1, 1, 0)
    assert score([gold], [predicted], "gmner-iou50@1").main.micro == Counts(1, 1, 1)


@pytest.mark.parametrize(("inclusive", "right"), [(False, 0), (True, 1)])
def test_a_box_of_exactly_half(inclusive: bool, right: int) -> None:
    gold, predicted = doc((0, "LOC", "city", BOX)), doc((0, "LOC", "city", HALF))
    report = score([gold], [predicted], "fmnerg-iou50@1", inclusive=inclusive)
    assert report.main.micro == Counts(1, 1, right)


def test_without_a_fine_type() -> None:
    plain = doc((0, "LOC", None, None))
    report = score([plain], [plain], "fmnerg-iou50@1")
    assert dict(report.main.per_type) == {"none": Counts(1, 1, 1)}
    assert dict(report.parts["coarse-mner"].per_type) == {"LOC": Counts(1, 1, 1)}
    assert dict(report.notes) == {"gold mentions without a fine type": 1}
