"""Events in text, pictures and both: worked values, the public code's counts, invariants."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.corpora import load
from magpie.metrics import score
from magpie.metrics.counts import Counts
from magpie.metrics.events import count_image, count_multimedia, count_text
from magpie.metrics.items import Scored, items_of
from magpie.schema import Document, Mask, Region

from .builders import Builder, counted, scores, total

ATTACK, DIE, MEET = "Conflict:Attack", "Life:Die", "Contact:Meet"


def text(*events: tuple[Any, ...]) -> Builder:
    """(first, end, type) and the arguments as (role, first, end)."""
    found = Builder()
    for start, end, kind, *arguments in events:
        roles: dict[str, list[str]] = {}
        for name, first, last in arguments:
            roles.setdefault(name, []).append(found.entity(first, last))
        found.event(kind, (start, end), **roles)
    return found


def picture(kind: str, *, media: str = "m0", **roles: Any) -> Builder:
    """One event in a picture; each role has boxes."""
    found = Builder()
    named = {
        name: [found.region(*box, media=media) for box in boxes] for name, boxes in roles.items()
    }
    found.event(kind, media=media, **named)
    return found


# text


def test_text_events_of_the_specification() -> None:
    gold = text((3, 4, ATTACK), (7, 8, DIE))
    counts = total(count_text, "events", gold, text((3, 4, ATTACK), (7, 8, ATTACK)))
    assert counts == Counts(2, 2, 1)
    assert (counts.precision, counts.recall, counts.f1) == (0.5, 0.5, 0.5)


def test_a_trigger_must_be_the_same_characters() -> None:
    assert total(count_text, "events", text((3, 5, ATTACK)), text((3, 4, ATTACK))).correct == 0
    assert total(
        count_text, "events", text((3, 5, ATTACK)), text((3, 5, "CONFLICT.ATTACK"))
    ).correct


def test_types_are_shown_as_the_corpus_spells_them() -> None:
    found = counted(count_text, "events", text((0, 1, "CONTACT||PHONE|WRITE")), text())
    assert found == {"Contact:Phone-Write": Counts(1, 0, 0)}


def test_several_events_on_one_trigger() -> None:
    gold = text((3, 4, ATTACK), (3, 4, DIE), (3, 4, DIE))
    assert total(count_text, "events", gold, gold) == Counts(3, 3, 3)
    assert total(count_text, "events", gold, text((3, 4, DIE))) == Counts(3, 1, 1)
    doubled = text((3, 4, ATTACK), (3, 4, ATTACK))
    assert total(count_text, "events", gold, doubled) == Counts(3, 2, 1)


def test_a_text_argument_needs_type_characters_and_role() -> None:
    gold = text((0, 1, ATTACK, ("Attacker", 2, 4), ("Target", 6, 9)))
    for arguments, correct in (
        ([("Attacker", 2, 4), ("Target", 6, 9)], 2),
        ([("Target", 6, 9), ("Attacker", 2, 4)], 2),
        ([("Attacker", 2, 5), ("Target", 6, 9)], 1),
        ([("Target", 2, 4), ("Attacker", 6, 9)], 0),
        ([("attacker", 2, 4), ("TARGET", 6, 9)], 2),
    ):
        found = total(count_text, "arguments", gold, text((0, 1, ATTACK, *arguments)))
        assert found == Counts(2, 2, correct), arguments


def test_a_wrong_type_makes_every_argument_wrong() -> None:
    arguments = (("Agent", 2, 4), ("Victim", 6, 9))
    gold = text((0, 1, DIE, *arguments))
    assert total(count_text, "arguments", gold, text((0, 1, MEET, *arguments))) == Counts(2, 2, 0)


def test_the_trigger_of_an_argument_does_not_matter() -> None:
    gold = text((0, 1, DIE, ("Victim", 6, 9)))
    assert total(count_text, "arguments", gold, text((3, 5, DIE, ("Victim", 6, 9)))).correct == 1


def test_time_is_left_out_on_both_sides_and_place_is_not() -> None:
    arguments = (("Place", 2, 4), ("Time", 6, 9), ("Time-Within", 10, 12))
    gold = text((0, 1, DIE, *arguments))
    assert total(count_text, "arguments", gold, gold) == Counts(1, 1, 1)


def test_an_event_without_trigger_has_arguments_only() -> None:
    gold = text((0, 1, DIE, ("Victim", 6, 9)))
    found = Builder()
    found.event(DIE, Victim=found.entity(6, 9))
    assert total(count_text, "events", gold, found) == Counts(1, 0, 0)
    assert total(count_text, "arguments", gold, found) == Counts(1, 1, 1)


def test_pairs_that_share_a_trigger_are_one_mention_of_the_text() -> None:
    gold = Builder()
    who = gold.entity(6, 9)
    for medium in ("m0", "m1"):
        gold.event(DIE, (0, 1), medium, Victim=who)
    assert total(count_text, "events", gold, text((0, 1, DIE))) == Counts(1, 1, 1)
    assert total(count_text, "arguments", gold, text((0, 1, DIE, ("Victim", 6, 9)))) == Counts(
        1, 1, 1
    )
    assert total(count_image, "events", gold, gold) == Counts(2, 2, 2)
    assert total(count_multimedia, "events", gold, gold) == Counts(2, 2, 2)
    assert total(count_multimedia, "arguments", gold, gold) == Counts(1, 1, 1)


# text by position, as the public code


def position(gold: Builder, predicted: Builder) -> Counts:
    return total(count_text, "arguments", gold, predicted, position=True)


def test_by_position_a_shifted_list_scores_nothing() -> None:
    gold = text((0, 1, ATTACK, ("Attacker", 2, 4), ("Target", 6, 9)))
    shifted = text((0, 1, ATTACK, ("Place", 0, 1), ("Attacker", 2, 4), ("Target", 6, 9)))
    assert position(gold, shifted) == Counts(2, 3, 0)
    assert total(count_text, "arguments", gold, shifted) == Counts(2, 3, 2)


def test_by_position_characters_do_not_matter() -> None:
    gold = text((0, 1, ATTACK, ("Attacker", 2, 4)))
    wrong = text((0, 1, ATTACK, ("Attacker", 20, 24)))
    assert position(gold, wrong) == Counts(1, 1, 1)
    assert total(count_text, "arguments", gold, wrong) == Counts(1, 1, 0)


def test_by_position_the_trigger_must_be_right() -> None:
    gold = text((0, 1, ATTACK, ("Attacker", 2, 4)))
    assert position(gold, text((0, 2, ATTACK, ("Attacker", 2, 4)))) == Counts(1, 1, 0)


def test_by_position_time_counts_in_the_gold_only() -> None:
    gold = text((0, 1, DIE, ("Time", 2, 4), ("Victim", 6, 9)))
    assert position(gold, gold) == Counts(2, 1, 1)


def test_by_position_the_last_of_equal_mentions_counts() -> None:
    gold = text((0, 1, DIE, ("Victim", 6, 9)))
    twice = text((0, 1, DIE, ("Victim", 6, 9)), (0, 1, DIE, ("Place", 2, 3)))
    assert position(gold, twice) == Counts(1, 1, 0)


def test_by_position_keeps_the_order_of_repeated_roles() -> None:
    gold = Builder()
    a, b, c = gold.entity(0, 1), gold.entity(2, 3), gold.entity(4, 5)
    gold.event(DIE, (6, 7), Victim=[a, b], Agent=[c])
    found = Builder()
    a, b, c = found.entity(0, 1), found.entity(2, 3), found.entity(4, 5)
    found.event(DIE, (6, 7), Victim=[a], Agent=[c, b])
    assert position(gold, found) == Counts(3, 3, 2)


# pictures

TARGETS = [(0, 0, 10, 10), (20, 0, 30, 10)]


def arguments(gold: Builder, predicted: Builder, **options: Any) -> Counts:
    return total(count_image, "arguments", gold, predicted, **options)


def test_picture_arguments_of_the_specification() -> None:
    gold = picture(ATTACK, Target=TARGETS)
    near = picture(ATTACK, Target=[(0, 0, 10, 8)])
    assert arguments(gold, near) == Counts(2, 1, 1)  # IoU 0.8
    far = picture(ATTACK, Target=[(0, 0, 4, 10)])
    assert arguments(gold, far) == Counts(2, 1, 0)  # IoU 0.4
    assert arguments(gold, far, inside=True) == Counts(2, 1, 1)


def test_union_of_the_specification() -> None:
    gold = picture(ATTACK, Target=TARGETS)
    assert arguments(gold, gold, boxes="union") == Counts(1, 1, 1)
    assert arguments(gold, picture(ATTACK, Target=TARGETS[:1]), boxes="union") == Counts(1, 1, 0)
    one = picture(ATTACK, Target=[(0, 0, 30, 10)])
    assert arguments(gold, one, boxes="union") == Counts(1, 1, 1)
    assert arguments(gold, one) == Counts(2, 1, 0)


def test_an_iou_of_exactly_a_half_is_enough() -> None:
    gold = picture(ATTACK, Target=TARGETS[:1])
    assert arguments(gold, picture(ATTACK, Target=[(0, 0, 10, 5)])).correct == 1


def test_inside_asks_for_nine_tenths() -> None:
    gold = picture(ATTACK, Target=[(0, 0, 10, 10)])
    found = picture(ATTACK, Target=[(8, 0, 10.2, 2)])
    assert arguments(gold, found, inside=True).correct == 1  # 2.0 / 2.2
    found = picture(ATTACK, Target=[(8, 0, 10.3, 2)])
    assert arguments(gold, found, inside=True).correct == 0


def test_several_boxes_on_one_gold_box() -> None:
    gold = picture(ATTACK, Target=TARGETS)
    twice = picture(ATTACK, Target=[TARGETS[0], TARGETS[0]])
    assert arguments(gold, twice) == Counts(2, 2, 1)
    assert arguments(gold, twice, many_to_one=True) == Counts(2, 2, 2)


def test_matching_is_not_greedy() -> None:
    # The wide box fits both, the other only the first: in file order greed would lose one.
    gold = picture(ATTACK, Target=[(0, 0, 10, 10), (2, 0, 12, 10)])
    found = picture(ATTACK, Target=[(1, 0, 11, 10), (-3, 0, 7, 10)])
    assert arguments(gold, found) == Counts(2, 2, 2)


def test_type_role_and_picture_of_a_box_must_be_right() -> None:
    gold = picture(ATTACK, Target=TARGETS[:1])
    assert arguments(gold, picture(DIE, Target=TARGETS[:1])) == Counts(1, 1, 0)
    assert arguments(gold, picture(ATTACK, Attacker=TARGETS[:1])) == Counts(1, 1, 0)
    assert arguments(gold, picture(ATTACK, media="m1", Target=TARGETS[:1])) == Counts(1, 1, 0)


def test_a_place_is_neither_right_nor_wrong_in_a_picture() -> None:
    gold = picture(ATTACK, Target=TARGETS[:1], Place=TARGETS[1:])
    found = picture(ATTACK, Target=TARGETS[:1], Place=[(50, 50, 60, 60)], Time=[(0, 0, 1, 1)])
    assert arguments(gold, found) == Counts(1, 1, 1)
    assert arguments(gold, picture(ATTACK, Place=TARGETS[1:])) == Counts(1, 0, 0)


def test_picture_events() -> None:
    gold = picture(ATTACK)
    gold.event(MEET, media="m1")
    found = picture(ATTACK)
    found.event(DIE, media="m1")
    assert total(count_image, "events", gold, found) == Counts(2, 2, 1)
    assert counted(count_image, "events", gold, found) == {
        ATTACK: Counts(1, 1, 1),
        MEET: Counts(1, 0, 0),
        DIE: Counts(0, 1, 0),
    }


def test_the_public_code_forgets_the_type_of_an_arguments_event() -> None:
    gold = picture(ATTACK, Target=TARGETS)
    found = picture(DIE, Target=[TARGETS[0], TARGETS[0], (0, 0, 4, 10)])
    public = scores("m2e2-image-public@1", gold, found)
    assert public == {"events": Counts(1, 1, 0), "arguments": Counts(2, 3, 3)}
    assert scores("m2e2-image@1", gold, found)["arguments"] == Counts(2, 3, 0)


def test_an_entity_is_an_argument_where_the_events_picture_shows_it() -> None:
    gold = picture(MEET, Entity=TARGETS[:1])
    found = Builder()
    other = Region.of_box(picture(MEET, media="m1", Entity=TARGETS).regions[1].box)
    found.event(MEET, media="m0", Entity=found.entity(0, 3, "PER", TARGETS[0], other))
    assert arguments(gold, found) == Counts(1, 1, 1)
    unseen = Builder()
    unseen.event(MEET, media="m0", Entity=unseen.entity(0, 3))
    assert arguments(gold, unseen) == Counts(1, 0, 0)


def test_masks_and_whole_pictures() -> None:
    gold = picture(MEET, Entity=[(0, 0, 2, 2)])
    for region, correct in (
        (Region(media="m0", mask=Mask(4, 2, (0, 4, 4)), id="r"), 1),
        (Region(media="m0", mask=Mask(4, 2, (8,)), id="r"), 0),
        (Region(media="m0", id="r"), 0),
    ):
        found = Builder()
        found.regions.append(region)
        found.event(MEET, media="m0", Entity="r")
        assert arguments(gold, found) == Counts(1, 1, correct)
        assert arguments(gold, found, boxes="union") == Counts(1, 1, correct)


# both


def pairs(*events: tuple[int, str, str]) -> Builder:
    found = Builder()
    for start, medium, kind in events:
        found.event(kind, (start, start + 1), medium)
    return found


def together(gold: Builder, predicted: Builder) -> Counts:
    return total(count_multimedia, "events", gold, predicted)


def test_a_pair_is_right_by_its_trigger_or_its_picture() -> None:
    gold = pairs((3, "m0", ATTACK))
    assert together(gold, pairs((3, "m0", ATTACK))) == Counts(1, 1, 1)
    assert together(gold, pairs((3, "m1", ATTACK))) == Counts(1, 1, 1)
    assert together(gold, pairs((9, "m0", ATTACK))) == Counts(1, 1, 1)
    assert together(gold, pairs((9, "m1", ATTACK))) == Counts(1, 1, 0)
    assert together(gold, pairs((3, "m0", DIE))) == Counts(1, 1, 0)


def test_a_trigger_with_two_pictures_is_two_gold_pairs() -> None:
    gold = pairs((3, "m0", ATTACK), (3, "m1", ATTACK))
    assert together(gold, pairs((3, "m0", ATTACK))) == Counts(2, 1, 1)
    assert together(gold, pairs((3, "m1", ATTACK), (3, "m0", ATTACK))) == Counts(2, 2, 2)
    assert together(gold, pairs(*[(3, "m0", ATTACK)] * 3)) == Counts(2, 3, 2)


def test_events_of_one_side_are_no_pairs() -> None:
    gold = pairs((3, "m0", ATTACK))
    gold.event(DIE, (8, 9))
    gold.event(MEET, media="m1")
    assert together(gold, gold) == Counts(1, 1, 1)


def test_arguments_of_pairs_come_from_both_sides() -> None:
    gold = Builder()
    gold.event(DIE, (0, 1), "m0", Victim=[gold.entity(6, 9), gold.region(0, 0, 10, 10)])
    gold.event(MEET, (3, 4), Entity=gold.entity(20, 22))  # no pair: its argument does not count
    found = Builder()
    found.event(DIE, (0, 1), "m0", Victim=[found.entity(6, 9), found.region(50, 50, 60, 60)])
    assert total(count_multimedia, "arguments", gold, found) == Counts(2, 2, 1)
    assert total(count_multimedia, "arguments", gold, gold) == Counts(2, 2, 2)


# everything


PROTOCOLS = ("m2e2-text@1", "m2e2-image@1", "m2e2-multimedia@1")


@pytest.mark.parametrize("name", [*PROTOCOLS, "m2e2-text-position@1", "m2e2-image-public@1"])
def test_nothing_scores_zero(name: str) -> None:
    for counts in scores(name, Builder(), Builder()).values():
        assert isinstance(counts, Counts)
        assert (counts.precision, counts.recall, counts.f1) == (0.0, 0.0, 0.0)


def test_ids_of_blocks_do_not_matter() -> None:
    gold, renamed = Builder(), Builder(block="sentence")
    for side in (gold, renamed):
        side.event(ATTACK, (3, 4), Target=side.entity(6, 9))
    found = scores("m2e2-text@1", gold, renamed)
    assert found == {"events": Counts(1, 1, 1), "arguments": Counts(1, 1, 1)}


def test_a_failed_prediction_is_an_empty_one() -> None:
    gold = text((3, 4, ATTACK))
    body = gold.build()
    failed = Document(id="d", blocks=body.blocks, media=body.media, status="failed")
    report = score([items_of(body)], [items_of(failed)], "m2e2-text@1")
    assert (report.main.micro, report.failed) == (Counts(1, 0, 0), 1)
    missing = score([items_of(body)], [], "m2e2-text@1", allow_missing=True)
    assert missing.main.micro == Counts(1, 0, 0)


KINDS = st.sampled_from([ATTACK, DIE])
BOXES = st.builds(
    lambda x, y, w, h: (x, y, x + w, y + h), *[st.integers(0, 9)] * 2, *[st.integers(1, 6)] * 2
)
TRIGGERS = st.one_of(st.none(), st.integers(0, 2))
PICTURES = st.sampled_from([None, "m0", "m1"])
ROLES = st.sampled_from(["Agent", "Victim", "Place", "Time"])
TARGETS_DRAWN = st.one_of(st.integers(10, 13), BOXES)
EVENTS = st.lists(
    st.tuples(KINDS, TRIGGERS, PICTURES, st.lists(st.tuples(ROLES, TARGETS_DRAWN), max_size=3)),
    max_size=4,
)


def drawn(events: list[Any]) -> Builder:
    found = Builder()
    for kind, trigger, medium, roles in events:
        named: dict[str, list[str]] = {}
        for name, target in roles:
            identifier = (
                found.entity(target, target + 2)
                if isinstance(target, int)
                else found.region(*target, media=medium or "m0")
            )
            named.setdefault(name, []).append(identifier)
        found.event(kind, None if trigger is None else (trigger, trigger + 1), medium, **named)
    return found


@given(EVENTS)
def test_the_gold_itself_is_perfect(events: list[Any]) -> None:
    for name in PROTOCOLS:
        for counts in scores(name, drawn(events), drawn(events)).values():
            assert isinstance(counts, Counts)
            assert counts.gold == counts.predicted == counts.correct


@given(EVENTS, EVENTS, st.integers(0, 10))
def test_the_order_of_predictions_changes_nothing(gold: Any, found: Any, seed: int) -> None:
    mixed = random.Random(seed).sample(found, len(found))
    for name in PROTOCOLS:
        assert scores(name, drawn(gold), drawn(mixed)) == scores(name, drawn(gold), drawn(found))


@given(EVENTS, EVENTS)
def test_a_wrong_event_raises_nothing(gold: Any, found: Any) -> None:
    wrong = drawn(found)
    named = {"Agent": wrong.entity(40, 42)}
    wrong.event("Justice:Arrest-Jail", (50, 52), **named)
    wrong.event("Justice:Arrest-Jail", media="m0", Agent=wrong.region(90, 90, 99, 99))
    wrong.event("Justice:Arrest-Jail", (50, 52), "m1", **named)
    for name in PROTOCOLS:
        before, after = (scores(name, drawn(gold), p) for p in (drawn(found), wrong))
        for part, counts in after.items():
            earlier = before[part]
            assert isinstance(counts, Counts)
            assert isinstance(earlier, Counts)
            assert counts.precision <= earlier.precision
            assert (counts.gold, counts.correct) == (earlier.gold, earlier.correct)


@given(EVENTS, EVENTS)
def test_swapping_the_sides_swaps_precision_and_recall(gold: Any, found: Any) -> None:
    for name in PROTOCOLS:
        there, back = (scores(name, drawn(a), drawn(b)) for a, b in ((gold, found), (found, gold)))
        for part, counts in there.items():
            other = back[part]
            assert isinstance(counts, Counts)
            assert isinstance(other, Counts)
            assert (counts.gold, counts.predicted, counts.correct) == (
                other.predicted,
                other.gold,
                other.correct,
            )


def test_flat_lines_are_refused() -> None:
    from magpie.errors import ComparisonError

    with pytest.raises(ComparisonError, match="flat line"):
        score([Scored("d", ())], [Scored("d", ())], "m2e2-text@1")
    with pytest.raises(ComparisonError, match="flat line"):
        count_text("events", Scored("d", ()), Scored("d", ()), {})


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("split", "name", "events", "arguments"),
    [
        ("text", "m2e2-text@1", 1297, 1966),
        ("image", "m2e2-image@1", 391, 1404),  # 1429 boxes, 25 of them places
        ("multimedia", "m2e2-multimedia@1", 309, 1032),
        ("multimedia", "m2e2-text@1", 192, 307),
        ("multimedia", "m2e2-image@1", 203, 725),
    ],
)
def test_m2e2_scores_perfectly_against_itself(
    split: str, name: str, events: int, arguments: int, data_dir: Path
) -> None:
    gold = [items_of(document) for document in load("m2e2", split, root=data_dir)]
    found = {part: value.micro for part, value in score(gold, gold, name).parts.items()}
    assert found == {
        "events": Counts(events, events, events),
        "arguments": Counts(arguments, arguments, arguments),
    }
