"""Entities of procedures: spans, their visibility, and both with regions."""

from __future__ import annotations

import random
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.metrics.counts import Counts
from magpie.metrics.procedures import count_procedure
from magpie.schema import (
    Annotations,
    Block,
    Box,
    Document,
    Entity,
    Grounding,
    Mask,
    Media,
    Region,
    Span,
)

from .builders import Builder, counted, scores, total

BOX = (0.0, 0.0, 10.0, 10.0)
NEAR = (0.0, 0.0, 10.0, 8.0)
FAR = (50.0, 50.0, 60.0, 60.0)


def steps(*mentions: tuple[Any, ...]) -> Builder:
    """(first, end) and the boxes that show the entity."""
    found = Builder()
    for start, end, *boxes in mentions:
        found.entity(start, end, "whatever", *boxes)
    return found


def test_three_scores() -> None:
    gold = steps((0, 2, BOX), (4, 6), (8, 9, BOX), (10, 12))
    found = steps((0, 2, NEAR), (4, 6), (8, 9), (10, 12, FAR), (20, 22))
    assert scores("procedure-gmper@1", gold, found) == {
        "gmper": Counts(4, 5, 2),
        "per": Counts(4, 5, 4),
        "groundable": Counts(4, 4, 2),
    }
    assert counted(count_procedure, "groundable", gold, found) == {
        "visible": Counts(2, 2, 1),
        "not visible": Counts(2, 2, 1),
    }


def test_types_do_not_matter() -> None:
    gold, found = Builder(), Builder()
    gold.entity(0, 2, "tool")
    found.entity(0, 2, "food")
    assert total(count_procedure, "per", gold, found) == Counts(1, 1, 1)


@pytest.mark.parametrize(
    ("gold", "found", "correct"),
    [
        ((), (), 1),
        ((), (BOX,), 0),
        ((BOX,), (), 0),
        ((BOX,), (NEAR,), 1),
        ((BOX,), (FAR,), 0),
        ((BOX,), ((0, 0, 10, 5),), 0),  # exactly 0.5
        ((BOX,), ((0, 0, 10, 5.01),), 1),
        ((FAR, BOX), (NEAR,), 1),
        ((BOX,), (FAR, NEAR), 1),
    ],
)
def test_the_region_rule(gold: Any, found: Any, correct: int) -> None:
    one, other = steps((0, 2, *gold)), steps((0, 2, *found))
    assert total(count_procedure, "gmper", one, other) == Counts(1, 1, correct)


def test_every_box_must_meet_its_like() -> None:
    gold = steps((0, 2, BOX, FAR))
    for boxes, correct in (((NEAR,), 0), ((NEAR, FAR), 1), ((NEAR, FAR, (80, 80, 90, 90)), 0)):
        found = steps((0, 2, *boxes))
        assert total(count_procedure, "gmper", gold, found, every_box=True).correct == correct
        assert total(count_procedure, "gmper", gold, found).correct == 1
    assert total(count_procedure, "gmper", steps((0, 2)), steps((0, 2)), every_box=True).correct


def test_several_entities_on_one_span() -> None:
    gold = steps((0, 2, BOX), (0, 2, FAR), (0, 2))
    assert (
        total(count_procedure, "gmper", gold, steps((0, 2), (0, 2, FAR), (0, 2, BOX))).correct == 3
    )
    doubled = steps((0, 2, BOX), (0, 2, BOX))
    assert total(count_procedure, "gmper", gold, doubled) == Counts(3, 2, 1)
    assert counted(count_procedure, "groundable", gold, doubled) == {"visible": Counts(2, 2, 2)}


def test_a_mask_without_pixels_shows_nothing() -> None:
    found = Builder()
    found.entity(0, 2, "x", Region(media="m0", mask=Mask(4, 4, (16,))))
    assert total(count_procedure, "gmper", steps((0, 2)), found).correct == 1
    assert total(count_procedure, "groundable", steps((0, 2)), found) == Counts(1, 1, 1)


def test_a_step_is_a_place_in_the_text_and_a_picture_of_its_own() -> None:
    def recipe(block: str, media: str) -> Document:
        grounding = Grounding.in_regions(Region.of_box(Box(0, 0, 9, 9, media)))
        entity = Entity(id="e", span=Span(block, 0, 3), type="x", grounding=grounding)
        return Document(
            id="d",
            blocks=tuple(
                Block(id=f"s{step}", text="mix it", step=step, media=f"m{step}") for step in (1, 2)
            ),
            media=(Media(id="m1"), Media(id="m2")),
            annotations=Annotations(entities=(entity,)),
        )

    gold = recipe("s1", "m1")
    assert scores("procedure-gmper@1", gold, recipe("s1", "m1"))["gmper"] == Counts(1, 1, 1)
    assert scores("procedure-gmper@1", gold, recipe("s2", "m2"))["per"] == Counts(1, 1, 0)
    wrong = scores("procedure-gmper@1", gold, recipe("s1", "m2"))
    assert (wrong["per"], wrong["gmper"]) == (Counts(1, 1, 1), Counts(1, 1, 0))


MENTIONS = st.lists(
    st.tuples(st.integers(0, 2), st.lists(st.sampled_from([BOX, NEAR, FAR]), max_size=2)),
    max_size=5,
)


def drawn(mentions: list[Any]) -> Builder:
    return steps(*((place, place + 1, *boxes) for place, boxes in mentions))


@given(MENTIONS, MENTIONS, st.integers(0, 9), st.booleans())
def test_invariants(gold: Any, found: Any, seed: int, every: bool) -> None:
    mixed = random.Random(seed).sample(found, len(found))
    options = {"every_box": every}
    there = scores("procedure-gmper@1", drawn(gold), drawn(found), **options)
    assert there == scores("procedure-gmper@1", drawn(gold), drawn(mixed), **options)
    back = scores("procedure-gmper@1", drawn(found), drawn(gold), **options)
    for part, counts in scores("procedure-gmper@1", drawn(gold), drawn(gold), **options).items():
        assert isinstance(counts, Counts)
        assert counts.gold == counts.predicted == counts.correct
        assert there[part].score == back[part].score
    worse = scores("procedure-gmper@1", drawn(gold), drawn([*found, (9, [BOX])]), **options)
    for part, counts in worse.items():
        earlier = there[part]
        assert isinstance(counts, Counts)
        assert isinstance(earlier, Counts)
        assert counts.precision <= earlier.precision


@given(MENTIONS, MENTIONS)
def test_visibility_equals_trying_every_pairing(gold: Any, found: Any) -> None:
    """Best agreement over all ways to pair equal spans, as many pairs as there can be."""
    best = pairs = 0
    for place in range(3):
        one = [bool(boxes) for at, boxes in gold if at == place]
        other = [bool(boxes) for at, boxes in found if at == place]
        short, long = sorted((one, other), key=len)
        pairs += len(short)
        best += max(
            sum(a == b for a, b in zip(short, way, strict=True))
            for way in permutations(long, len(short))
        )
    counts = total(count_procedure, "groundable", drawn(gold), drawn(found))
    assert counts == Counts(pairs, pairs, best)
