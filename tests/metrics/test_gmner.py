"""GMNER, MNER and EEG: the worked example in every mode, the region rule, and invariants."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.metrics import score
from magpie.metrics.counts import Counts
from magpie.metrics.gmner import PARTS, Mode, iou, match_items, region_matches, score_part
from magpie.metrics.items import XYXY, Item, Scored

MODES: tuple[Mode, ...] = (None, "gmner", "fmnerg", "riveg")


def item(text: str, start: int, kind: str, *boxes: XYXY, fine: str | None = None) -> Item:
    places = tuple(("m0", box) for box in boxes)
    status: Any = "regions" if boxes else "absent"
    return Item(text, start, start + len(text), kind, fine, status, places)


def kind_of(entity: Item) -> str:
    return entity.type


def total(part: Any, gold: list[Item], predicted: list[Item], **options: Any) -> Counts:
    return sum(score_part(part, gold, predicted, kind_of, **options).values(), Counts())


#: five gold entities of one post; the third's box is covered by no candidate
GOLD = [
    item("Ada Ray", 0, "PER", (10, 10, 110, 210), (200, 10, 300, 210)),
    item("Otters", 10, "ORG"),
    item("Faro", 20, "LOC", (300, 300, 400, 400)),
    item("Volt", 30, "ORG", (50, 50, 90, 70)),
    item("Plume", 40, "OTHER"),
]
PREDICTED = [
    item("Ada Ray", 0, "PER", (205, 20, 300, 210)),
    item("Otters", 10, "ORG"),
    item("Faro", 20, "LOC"),
    item("Volt", 30, "OTHER", (50, 50, 90, 70)),
    item("Plume", 40, "OTHER", (0, 0, 50, 50)),
    item("Herons", 50, "ORG"),
]
EXPECTED = {"gmner": Counts(5, 6, 2), "mner": Counts(5, 6, 4), "eeg": Counts(5, 6, 3)}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("part", PARTS)
def test_the_worked_example_in_every_mode(part: Any, mode: Mode) -> None:
    assert total(part, GOLD, PREDICTED, mode=mode) == EXPECTED[part]


def test_the_worked_example_in_percent() -> None:
    report = score([Scored("1", (*GOLD,))], [Scored("1", (*PREDICTED,))], "gmner-iou50@1")
    rounded = {
        name: tuple(
            round(100 * value, 2)
            for value in (part.micro.precision, part.micro.recall, part.micro.f1)
        )
        for name, part in report.parts.items()
    }
    assert rounded == {
        "gmner": (33.33, 40.0, 36.36),
        "mner": (66.67, 80.0, 72.73),
        "eeg": (50.0, 60.0, 54.55),
    }


def test_the_third_gold_box_of_the_example_is_matched_as_stated() -> None:
    assert iou((205, 20, 300, 210), (200, 10, 300, 210)) == pytest.approx(0.9025)


def test_counts_by_type() -> None:
    assert score_part("gmner", GOLD, PREDICTED, kind_of) == {
        "PER": Counts(1, 1, 1),
        "ORG": Counts(2, 2, 1),
        "LOC": Counts(1, 1, 0),
        "OTHER": Counts(1, 2, 0),
    }
    # EEG counts a find under the gold's type, whatever type was predicted, so that no type's
    # precision passes 1: Volt, found as OTHER, is one of ORG's three.
    by_type = score_part("eeg", GOLD, PREDICTED, kind_of)
    assert by_type["ORG"] == Counts(2, 3, 2)
    assert by_type["OTHER"] == Counts(1, 1, 0)
    assert all(counts.correct <= counts.predicted for counts in by_type.values())


# -- the region rule


def test_half_overlap_is_right_only_when_inclusive() -> None:
    gold = item("Faro", 0, "LOC", (0, 0, 100, 100))
    half = item("Faro", 0, "LOC", (0, 0, 100, 50))
    assert iou(gold.boxes[0][1], half.boxes[0][1]) == 0.5
    assert not region_matches(gold, half)
    assert region_matches(gold, half, inclusive=True)
    assert total("gmner", [gold], [half]) == Counts(1, 1, 0)
    assert total("gmner", [gold], [half], inclusive=True) == Counts(1, 1, 1)
    assert total("gmner", [gold], [half], mode="riveg") == Counts(1, 1, 1)
    assert total("gmner", [gold], [half], mode="fmnerg") == Counts(1, 1, 0)


def test_any_gold_box_will_do() -> None:
    gold = item("Faro", 0, "LOC", (0, 0, 10, 10), (50, 50, 90, 90))
    assert region_matches(gold, item("Faro", 0, "LOC", (50, 50, 90, 88)))
    assert not region_matches(gold, item("Faro", 0, "LOC", (100, 100, 110, 110)))
    # And any predicted one, where a method gives several.
    assert region_matches(gold, item("Faro", 0, "LOC", (100, 100, 110, 110), (0, 0, 10, 10)))


def test_none_wants_none() -> None:
    absent, seen = item("Faro", 0, "LOC"), item("Faro", 0, "LOC", (0, 0, 9, 9))
    assert region_matches(absent, absent)
    assert not region_matches(absent, seen)
    assert not region_matches(seen, absent)
    unknown = Item("Faro", 0, 4, "LOC")
    assert unknown.grounding == "unknown"
    assert region_matches(absent, unknown)


def test_boxes_of_two_pictures_never_overlap() -> None:
    box = (0.0, 0.0, 9.0, 9.0)
    first, second, unnamed = (
        Item("Faro", 0, 4, "LOC", None, "regions", ((medium, box),)) for medium in ("a", "b", "")
    )
    assert region_matches(first, first)
    assert not region_matches(first, second)
    assert region_matches(first, unnamed)


BOXES = st.tuples(*[st.integers(0, 40)] * 2, *[st.integers(1, 40)] * 2).map(
    lambda v: (float(v[0]), float(v[1]), float(v[0] + v[2]), float(v[1] + v[3]))
)


@given(BOXES, BOXES)
def test_iou_by_counting_pixels(a: XYXY, b: XYXY) -> None:
    def pixels(box: XYXY) -> set[tuple[int, int]]:
        x1, y1, x2, y2 = map(int, box)
        return {(x, y) for x in range(x1, x2) for y in range(y1, y2)}

    both, either = pixels(a) & pixels(b), pixels(a) | pixels(b)
    assert iou(a, b) == pytest.approx(len(both) / len(either))
    assert iou(a, b) == iou(b, a)
    assert iou(a, a) == 1.0


# -- repeated mentions, and how the public evaluators treat them


def test_two_mentions_of_one_text() -> None:
    gold = [item("Ada", 0, "PER"), item("Ada", 9, "PER")]
    assert total("gmner", gold, gold) == Counts(2, 2, 2)
    assert total("gmner", gold, gold, mode="riveg") == Counts(2, 2, 2)
    assert total("gmner", gold, gold, mode="gmner") == Counts(2, 2, 2)
    assert total("gmner", gold, gold, mode="fmnerg") == Counts(1, 1, 1)


def test_doubled_predictions() -> None:
    gold, twice = [item("Ada", 0, "PER")], [item("Ada", 0, "PER"), item("Ada", 0, "ORG")]
    assert total("mner", gold, twice) == Counts(1, 2, 1)
    # H-Index keeps the last one of a span, here the wrong one.
    assert total("mner", gold, twice, mode="gmner") == Counts(1, 1, 0)
    assert total("mner", gold, twice[::-1], mode="gmner") == Counts(1, 1, 1)
    # TIGER's EEG does not use gold up: both predictions of one entity score.
    assert total("eeg", gold, twice, mode="fmnerg") == Counts(1, 2, 2)
    assert total("eeg", gold, twice) == Counts(1, 2, 1)


def test_false_in_a_name_is_right_whatever_the_region() -> None:
    gold = [item("False Dawn", 0, "OTHER", (0, 0, 9, 9))]
    astray = [item("False Dawn", 0, "OTHER", (50, 50, 60, 60))]
    assert total("gmner", gold, astray, mode="fmnerg") == Counts(1, 1, 1)
    assert total("gmner", gold, astray) == Counts(1, 1, 0)


def test_a_flag_inside_a_name_is_lost_in_the_fmner_evaluator() -> None:
    gold, predicted = [item("Be True", 0, "OTHER")], [item("Be", 0, "OTHER")]
    assert total("mner", gold, predicted, mode="fmnerg") == Counts(1, 1, 1)
    assert total("gmner", gold, predicted, mode="fmnerg") == Counts(1, 1, 0)


def test_text_and_place_may_be_compared() -> None:
    gold, elsewhere = [item("Ada", 0, "PER")], [item("Ada", 9, "PER")]
    assert match_items("mner", gold, elsewhere, kind_of) == [-1]
    assert match_items("mner", gold, elsewhere, kind_of, by_text=True) == [0]
    assert total("mner", gold, elsewhere, mode="riveg") == Counts(1, 1, 1)


def test_swapped_names_are_kept_apart_from_the_true_ones() -> None:
    sides = [Scored("1", (*GOLD,))], [Scored("1", (*PREDICTED,))]
    report = score(*sides, "gmner-iou50@1", mode="fmnerg")
    assert report.main.micro.precision == pytest.approx(1 / 3)
    assert report.main.published == pytest.approx((0.4, 1 / 3))
    assert report.main.to_dict()["as_published"] == pytest.approx(
        {"precision": 0.4, "recall": 1 / 3}
    )
    assert report.parts["mner"].published == pytest.approx((4 / 6, 4 / 5))
    assert "as_published" not in score(*sides, "gmner-iou50@1").to_dict()


def test_an_empty_post_counts_only_in_the_scorer_inside_training() -> None:
    gold = [Scored("1", (*GOLD,)), Scored("2", ())]
    predicted = [Scored("1", (*PREDICTED,)), Scored("2", ())]
    for mode in MODES:
        assert score(gold, predicted, "gmner-iou50@1", mode=mode).main.micro == EXPECTED["gmner"]
    legacy = score(gold, predicted, "gmner-iou50@1", mode="fmnerg", legacy_train_scorer=True)
    assert legacy.main.micro == Counts(gold=4, predicted=7, correct=2)
    assert legacy.main.published == pytest.approx((2 / 7, 0.5))


# -- invariants

ITEMS = st.lists(
    st.builds(
        lambda start, kind, boxes: item("ab", start, kind, *boxes),
        st.integers(0, 3),
        st.sampled_from(["PER", "LOC"]),
        st.lists(st.sampled_from([(0, 0, 10, 10), (0, 0, 10, 8), (5, 5, 30, 30)]), max_size=2),
    ),
    max_size=5,
)


@given(ITEMS, ITEMS)
def test_eeg_does_not_see_types(gold: list[Item], predicted: list[Item]) -> None:
    relabelled = [item("ab", p.start, "ORG", *(box for _, box in p.boxes)) for p in predicted]
    assert total("eeg", gold, predicted) == total("eeg", gold, relabelled)


@given(ITEMS, ITEMS, st.booleans())
def test_the_whole_is_never_more_than_its_parts(
    gold: list[Item], predicted: list[Item], inclusive: bool
) -> None:
    found = {part: total(part, gold, predicted, inclusive=inclusive) for part in PARTS}
    assert found["gmner"].correct <= min(found["mner"].correct, found["eeg"].correct)
    for counts in found.values():
        assert (counts.gold, counts.predicted) == (len(gold), len(predicted))
        assert counts.correct <= min(len(gold), len(predicted))


@given(ITEMS)
def test_gold_against_itself_is_perfect(gold: list[Item]) -> None:
    for part in PARTS:
        assert total(part, gold, gold) == Counts(len(gold), len(gold), len(gold))
