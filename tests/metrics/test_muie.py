"""Extraction from several media: items, and mean IoU of masks, frames and time ranges."""

from __future__ import annotations

import math
import random
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.metrics.counts import Counts, Mean
from magpie.metrics.muie import count_muie, mean_iou
from magpie.metrics.places import Place, overlap
from magpie.schema import (
    Annotations,
    Block,
    Box,
    Document,
    Mask,
    Media,
    Region,
    TimeRange,
)

from .builders import Builder, counted, scores, total
from .test_places import grid, mask_of

# mean IoU of one medium

A = grid("##..", "##..", "....", "....")
B = grid("....", "....", "..##", "..##")
LEFT_OF_A = grid("#...", "#...", "....", "....")
STRAY = grid("...#", "....", "....", "....")
EMPTY = grid("....", "....", "....", "....")


def test_masks_of_the_specification() -> None:
    found = [B, LEFT_OF_A, STRAY]
    assert mean_iou([A, B], found) == pytest.approx(0.5)
    assert mean_iou([A, B], found, by_gold=True) == pytest.approx(0.75)
    for way in permutations(found):
        assert mean_iou([A, B], way) == pytest.approx(0.5)
        assert mean_iou([B, A], way) == pytest.approx(0.5)


def test_nothing_to_find_and_nothing_found_is_right() -> None:
    assert mean_iou([], []) == 1
    assert mean_iou([], [], by_gold=True) == 1
    assert mean_iou([EMPTY], []) == mean_iou([], [EMPTY, EMPTY]) == 1


def test_one_side_empty_is_wrong() -> None:
    for by_gold in (False, True):
        assert mean_iou([A], [], by_gold=by_gold) == 0
        assert mean_iou([], [A], by_gold=by_gold) == 0
        assert mean_iou([A], [EMPTY], by_gold=by_gold) == 0


def test_time_ranges_of_the_specification() -> None:
    def time(start: float, end: float) -> Place:
        return Place("a0", time=(start, end))

    assert mean_iou([time(1, 3)], [time(2, 4)]) == pytest.approx(1 / 3)
    assert mean_iou([time(1, 2)], [time(3, 4)]) == 0
    # The first range lies nearer to the second gold, which the third one fits exactly.
    found = [time(4, 6), time(0, 1), time(5, 7)]
    assert mean_iou([time(0, 2), time(5, 7)], found) == pytest.approx((0.5 + 1) / 3)


def test_boxes_where_nobody_knows_the_pictures_size() -> None:
    gold = [Place("m0", box=(0, 0, 10, 10)), Place("m0", box=(20, 0, 30, 10))]
    found = [Place("m0", box=(20, 0, 30, 8)), Place("m0", box=(0, 0, 10, 5))]
    assert mean_iou(gold, found) == pytest.approx((0.8 + 0.5) / 2)
    assert mean_iou(gold, found, size=(100, 100)) == pytest.approx((0.8 + 0.5) / 2)


def test_the_pairing_costs_least_even_where_another_has_more_iou() -> None:
    """Cost counts pixels: the strip goes to the square it fills a tenth of, not to its twin."""
    gold = [grid_at(0, 0, 10, 10), grid_at(0, 0, 1, 2)]
    assert mean_iou(gold, [grid_at(0, 0, 1, 10)]) == pytest.approx((10 / 100 + 0) / 2)


def grid_at(top: int, left: int, height: int, width: int) -> Place:
    pixels = np.zeros((10, 40), dtype=bool)
    pixels[top : top + height, left : left + width] = True
    return Place("m0", mask=mask_of(pixels))


def test_equal_gold_masks_in_any_order() -> None:
    gold, found = [A, A], [A, LEFT_OF_A]
    values = {mean_iou(g, f) for g in permutations(gold) for f in permutations(found)}
    assert values == {0.75}


MASKS = st.lists(
    st.lists(st.booleans(), min_size=6, max_size=6).map(
        lambda pixels: Place("m0", mask=mask_of(np.array(pixels).reshape(2, 3)))
    ),
    max_size=4,
)
RANGES = st.lists(
    st.tuples(st.integers(0, 8), st.integers(1, 5)).map(
        lambda pair: Place("a0", time=(float(pair[0]), float(pair[0] + pair[1])))
    ),
    max_size=4,
)
BOXES = st.lists(
    st.tuples(*[st.integers(0, 6)] * 2, *[st.integers(1, 6)] * 2).map(
        lambda b: Place("m0", box=(b[0], b[1], b[0] + b[2], b[1] + b[3]))
    ),
    max_size=4,
)


@pytest.mark.parametrize("places", [MASKS, RANGES, BOXES])
def test_mean_iou_holds_its_promises(places: Any) -> None:
    @given(places, places, st.integers(0, 20))
    def check(gold: list[Place], found: list[Place], seed: int) -> None:
        value = mean_iou(gold, found)
        assert math.isfinite(value)
        assert 0 <= value <= 1
        assert mean_iou(gold, gold) == pytest.approx(1)
        mixed = random.Random(seed).sample(found, len(found))
        assert mean_iou(gold, mixed) == pytest.approx(value)
        assert mean_iou(found, gold) == pytest.approx(value)

    check()


def pixels_of(place: Place | None) -> np.ndarray[Any, Any]:
    """The six pixels of a mask of 3 x 2, column by column."""
    if place is None or place.mask is None:
        return np.zeros(6, dtype=bool)
    counts = place.mask.counts
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts)


@given(MASKS, MASKS)
def test_the_pairing_is_the_cheapest_of_all(gold: list[Place], found: list[Place]) -> None:
    """Cross-entropy and Dice loss from pixels, every pairing tried."""
    one = [pixels_of(p) for p in gold if pixels_of(p).any()]
    other = [pixels_of(p) for p in found if pixels_of(p).any()]
    longer = max(len(one), len(other))
    for side in (one, other):
        side.extend([np.zeros(6, dtype=bool)] * (longer - len(side)))

    def cost(a: Any, b: Any) -> float:
        entropy = np.where(a == b, 0.0, 100.0).mean()
        return float(entropy + 1 - (2 * (a & b).sum() + 1) / (a.sum() + b.sum() + 1))

    def iou(a: Any, b: Any) -> float:
        return float((a & b).sum() / (a | b).sum()) if (a | b).any() else 0.0

    ways = []
    for way in permutations(other):
        pairs = list(zip(one, way, strict=True))
        ways.append((round(sum(cost(*p) for p in pairs), 6), -sum(iou(*p) for p in pairs)))
    expected = -min(ways)[1] / longer if longer else 1.0
    assert mean_iou(gold, found) == pytest.approx(expected)


@given(BOXES)
def test_a_wrong_region_never_raises_the_mean(boxes: list[Place]) -> None:
    gold = [Place("m0", box=(0, 0, 4, 4)), Place("m0", box=(6, 6, 9, 9))]
    far = Place("m0", box=(90, 90, 99, 99))
    assert all(overlap(g, far).iou == 0 for g in gold)
    size = (100, 100)
    assert mean_iou(gold, [*boxes, far], size=size) <= mean_iou(gold, boxes, size=size) + 1e-12


# documents


def seen(*regions: Region, media: tuple[Media, ...]) -> Document:
    return Document(
        id="d",
        blocks=(Block(text="x"),),
        media=media,
        annotations=Annotations(regions=regions),
    )


def draw(place: Place, media: str = "m0", **fields: Any) -> Region:
    return Region(media=media, mask=place.mask, **fields)


IMAGE = (Media(id="m0", width=4, height=4),)


def test_pictures() -> None:
    gold = seen(draw(A), draw(B), media=IMAGE)
    found = seen(draw(B), draw(LEFT_OF_A), draw(STRAY), media=IMAGE)
    assert scores("muie-ner@1", gold, found)["i-seg"] == Mean(pytest.approx(0.5), 1)
    by_gold = scores("muie-ner@1", gold, found, average="gold")["i-seg"]
    assert by_gold == Mean(pytest.approx(0.75), 1)
    assert scores("muie-ner@1", gold, found)["v-trck"] == Mean(0, 0)


def test_a_box_among_masks_covers_its_pixels() -> None:
    gold = seen(draw(A), media=IMAGE)
    found = seen(Region.of_box(Box(0, 0, 2, 2, "m0")), media=IMAGE)
    assert scores("muie-ner@1", gold, found)["i-seg"].score == 1


def test_nothing_to_find_is_reported_apart() -> None:
    empty = Builder(media=IMAGE)
    assert counted(count_muie, "i-seg", empty, empty) == {
        "nothing to find, nothing found": Mean(1.0, 1)
    }
    assert counted(count_muie, "i-seg", Builder(media=()), Builder(media=())) == {}
    found = Builder(media=IMAGE)
    found.region(0, 0, 2, 2)
    assert counted(count_muie, "i-seg", empty, found) == {"regions": Mean(0.0, 1)}


def test_frames_of_a_clip() -> None:
    media = (
        Media(id="v", kind="video"),
        *(Media(id=f"v#{n}", width=4, height=4) for n in range(3)),
        Media(id="other#1"),
    )
    gold = seen(draw(A, "v#0"), draw(A, "v#1"), draw(A, "v#2"), media=media)
    found = seen(draw(LEFT_OF_A, "v#0"), draw(A, "v#1"), draw(B, "v#2"), media=media)
    result = scores("muie-ee@1", gold, found)
    assert result["v-trck"] == Mean(pytest.approx(0.5), 1)
    assert result["i-seg"] == Mean(1.0, 1)  # the picture that is no frame
    assert result["a-seg"] == Mean(0, 0)


def test_a_clip_without_frames_is_one_picture() -> None:
    clip = (Media(id="v", kind="video", width=4, height=4),)
    gold, found = seen(draw(A, "v"), media=clip), seen(draw(LEFT_OF_A, "v"), media=clip)
    assert scores("muie-ee@1", gold, found)["v-trck"] == Mean(0.5, 1)
    empty = seen(media=clip)
    assert scores("muie-ee@1", empty, empty)["v-trck"] == Mean(0, 0)


def test_recordings() -> None:
    media = (Media(id="a", kind="audio", duration=8.0), Media(id="v", kind="video"))

    def heard(*ranges: tuple[str, float, float]) -> Document:
        regions = [Region(media=m, time=TimeRange(start, end)) for m, start, end in ranges]
        return seen(*regions, media=media)

    gold = heard(("a", 1, 3))
    assert scores("muie-ner@1", gold, heard(("a", 2, 4)))["a-seg"].score == pytest.approx(1 / 3)
    assert scores("muie-ner@1", gold, heard(("a", 4, 5)))["a-seg"].score == 0
    both = scores("muie-ner@1", heard(("a", 1, 3), ("v", 0, 2)), gold)
    assert both["a-seg"] == Mean(0.5, 1)
    assert both["v-trck"] == Mean(0, 0)
    whole = seen(Region(media="a"), media=media)
    assert scores("muie-ner@1", heard(("a", 0, 4)), whole)["a-seg"].score == 0.5


def test_a_region_that_shows_two_entities_counts_once() -> None:
    gold, found = Builder(media=IMAGE), Builder(media=IMAGE)
    shared = Region.of_box(Box(0, 0, 2, 2, "m0"), id="both")
    for side in (gold, found):
        side.entity(0, 1, "PER", shared)
        side.entity(2, 3, "PER", shared)
    found.entities.pop()
    assert total_mean("i-seg", gold, found) == 1
    # Without a name they are two predictions, of which one is too many.
    twice = Builder(media=IMAGE)
    for start in (0, 2):
        twice.entity(start, start + 1, "PER", Region.of_box(Box(0, 0, 2, 2, "m0")))
    assert total_mean("i-seg", gold, twice) == 0.5


def total_mean(part: str, gold: Builder, predicted: Builder) -> float:
    (value,) = counted(count_muie, part, gold, predicted).values()
    assert isinstance(value, Mean)
    return value.mean


def test_a_picture_of_the_predictions_own_is_a_wrong_one() -> None:
    gold = seen(draw(A), media=IMAGE)
    found = seen(draw(A), draw(A, "m9"), media=(*IMAGE, Media(id="m9", width=4, height=4)))
    assert scores("muie-ner@1", gold, found)["i-seg"] == Mean(0.5, 1)


# what is extracted

NEAR = (0.0, 0.0, 10.0, 8.0)
BOX = (0.0, 0.0, 10.0, 10.0)
FAR = (50.0, 50.0, 60.0, 60.0)


def test_entities_with_and_without_their_place() -> None:
    gold, found = Builder(), Builder()
    for start, kind, box in ((0, "PER", BOX), (4, "ORG", BOX), (8, "LOC", None)):
        gold.entity(start, start + 2, kind, *([box] if box else []))
    for start, kind, box in (
        (0, "PER", NEAR),
        (4, "ORG", FAR),
        (8, "LOC", None),
        (12, "LOC", None),
    ):
        found.entity(start, start + 2, kind, *([box] if box else []))
    result = scores("muie-ner@1", gold, found)
    assert (result["ner"], result["grounded"]) == (Counts(3, 4, 3), Counts(3, 4, 2))
    # An IoU of exactly 0.5 is enough.
    half = Builder()
    half.entity(0, 2, "PER", (0, 0, 10, 5))
    assert total(count_muie, "grounded", gold, half, grounded="ner") == Counts(3, 1, 1)


def test_an_entity_that_is_heard() -> None:
    media = (Media(id="a", kind="audio"),)

    def said(start: float, end: float) -> Builder:
        found = Builder(media=media)
        found.entity(0, 2, "PER", Region(media="a", time=TimeRange(start, end)))
        return found

    assert total(count_muie, "grounded", said(1, 3), said(1, 3.5), grounded="ner").correct == 1
    assert total(count_muie, "grounded", said(1, 3), said(2, 4), grounded="ner").correct == 0
    assert total(count_muie, "ner", said(1, 3), said(2, 4)).correct == 1


def relation(head: tuple[int, Any], kind: str, tail: tuple[int, Any]) -> Builder:
    found = Builder()
    ends = [found.entity(at, at + 2, "X", *([box] if box else [])) for at, box in (head, tail)]
    found.relate(ends[0], kind, ends[1])
    return found


def test_relations() -> None:
    gold = relation((0, BOX), "peer", (4, None))
    for found, plain, grounded in (
        (relation((0, NEAR), "peer", (4, None)), 1, 1),
        (relation((0, FAR), "peer", (4, None)), 1, 0),
        (relation((0, NEAR), "peer", (4, BOX)), 1, 0),
        (relation((4, None), "peer", (0, BOX)), 0, 0),
        (relation((0, BOX), "member", (4, None)), 0, 0),
        (relation((0, BOX), "peer", (6, None)), 0, 0),
    ):
        result = scores("muie-re@1", gold, found)
        assert (result["re"], result["grounded"]) == (Counts(1, 1, plain), Counts(1, 1, grounded))


def test_a_pair_that_is_not_related_is_no_item() -> None:
    gold = relation((0, None), "None", (4, None))
    found = relation((0, None), "no_relation", (4, None))
    assert total(count_muie, "re", gold, found) == Counts(0, 0, 0)


def test_relations_of_things_that_only_a_picture_shows() -> None:
    def scene(box: Any, label: str | None) -> Builder:
        found = Builder()
        found.relate(found.region(*BOX, label="man"), "rides", found.region(*box, label=label))
        return found

    gold = scene(FAR, "horse")
    assert total(count_muie, "re", gold, scene((50, 50, 60, 58), "horse")).correct == 1
    assert total(count_muie, "re", gold, scene(FAR, None)).correct == 1
    assert total(count_muie, "re", gold, scene(FAR, "dog")).correct == 0
    assert total(count_muie, "re", gold, scene((90, 90, 99, 99), "horse")).correct == 0
    mixed = Builder()
    mixed.relate(mixed.entity(0, 2, "X", BOX), "rides", mixed.region(*FAR, label="horse"))
    assert total(count_muie, "re", gold, mixed).correct == 0


def test_events() -> None:
    gold, found = Builder(), Builder()
    gold.event("opening", (0, 4), agent=gold.entity(5, 7, "X", BOX), object=gold.region(*FAR))
    found.event("Opening", (0, 4), Agent=found.entity(5, 7, "X"), Object=found.region(*FAR))
    found.event("opening", agent=found.entity(9, 11))
    assert scores("muie-ee@1", gold, found) == {
        "et": Counts(1, 1, 1),
        "ea": Counts(2, 3, 2),
        "grounded": Counts(2, 3, 1),
        "i-seg": Mean(pytest.approx((0.5 + 1) / 2), 1),  # nothing to find in the second picture
        "v-trck": Mean(0, 0),
        "a-seg": Mean(0, 0),
    }


def test_empty_masks_are_no_place() -> None:
    gold, found = Builder(media=IMAGE), Builder(media=IMAGE)
    gold.entity(0, 2, "PER")
    found.entity(0, 2, "PER", draw(EMPTY))
    assert total(count_muie, "grounded", gold, found, grounded="ner").correct == 1
    lone, other = Builder(media=IMAGE), Builder(media=IMAGE)
    for side in (lone, other):
        side.regions.append(Region(media="m0", mask=Mask(4, 4, (16,)), id="r"))
        side.relate("r", "near", "r")
    assert total(count_muie, "re", lone, other).correct == 1


ENTITIES = st.lists(
    st.tuples(
        st.integers(0, 2), st.sampled_from(["PER", "ORG"]), st.sampled_from([None, BOX, NEAR, FAR])
    ),
    max_size=4,
)
RELATIONS = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(["peer", "none", "part"]), st.integers(0, 5)),
    max_size=3,
)


def drawn(entities: list[Any], relations: list[Any]) -> Builder:
    found = Builder()
    ids = [found.entity(at, at + 1, kind, *([box] if box else [])) for at, kind, box in entities]
    for head, kind, tail in relations if ids else ():
        found.relate(ids[head % len(ids)], kind, ids[tail % len(ids)])
        found.event(kind, (40 + head, 41 + head), agent=ids[tail % len(ids)])
    return found


NAMES = ("muie-ner@1", "muie-re@1", "muie-ee@1")


@given(ENTITIES, RELATIONS, ENTITIES, RELATIONS)
def test_items_hold_their_promises(one: Any, ones: Any, other: Any, others: Any) -> None:
    gold, found = drawn(one, ones), drawn(other, others)
    worse = drawn(other, others)
    extra = worse.entity(55, 57, "ODD")
    worse.relate(extra, "odd", extra)
    worse.event("odd", (55, 57), agent=extra)
    for name in NAMES:
        there, back = scores(name, gold, found), scores(name, found, gold)
        spoiled = scores(name, gold, worse)
        for part, value in scores(name, gold, gold).items():
            if isinstance(value, Mean):
                assert value.n == 0 or value.mean == pytest.approx(1)
                assert there[part].score == pytest.approx(back[part].score)
                continue
            assert value.gold == value.predicted == value.correct
            first, second, third = there[part], back[part], spoiled[part]
            assert isinstance(first, Counts)
            assert isinstance(second, Counts)
            assert isinstance(third, Counts)
            assert (first.gold, first.correct) == (second.predicted, second.correct)
            assert third.precision <= first.precision


@given(ENTITIES, ENTITIES, st.integers(0, 9))
def test_the_order_of_entities_changes_nothing(gold: Any, found: Any, seed: int) -> None:
    mixed = random.Random(seed).sample(found, len(found))
    one, other = (scores("muie-ner@1", drawn(gold, []), drawn(f, [])) for f in (found, mixed))
    assert {part: value.score for part, value in one.items()} == pytest.approx(
        {part: value.score for part, value in other.items()}
    )
