from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.methods.generation.result import UnencodableTarget
from magpie.methods.generation.separators import ArgumentText, MentionText, RelationText
from magpie.methods.generation.statements import EventArgument, EventName, Mention, Triple

from .records import NASTY, SEPARATORS, deletions, names, noise, text_of

TEXT = "Do Ryan Reynolds and Blake Lively know the coalition ?"
TYPES = ("person", "location", "organization", "miscellaneous")
MENTIONS = MentionText(TYPES)
RELATIONS = RelationText(("place of birth", "peer", "none"))
ROLES = {"attack": ("Attacker", "Target", "Place"), "phone write": ("Entity",)}
ARGUMENTS = ArgumentText(ROLES)
RYAN, BLAKE = Mention("person", "Ryan Reynolds"), Mention("person", "Blake Lively")


@pytest.mark.parametrize(
    ("output", "items", "codes"),
    [
        ("person, Ryan Reynolds <spot> person, Blake Lively", (RYAN, BLAKE), {}),
        ("PERSON, Ryan Reynolds", (RYAN,), {}),
        ("person Ryan", (), {"no_separator": 1}),
        ("hero, Ryan", (), {"unknown_type": 1}),
        ("person, Batman", (), {"span_not_in_text": 1}),
        ("person, Ryan Reynolds <spot>", (RYAN,), {"no_separator": 1}),
        ("person, ", (), {"no_separator": 1}),
        ("", (), {}),
    ],
)
def test_every_row_of_the_specification(output, items, codes):
    result = MENTIONS.parse(output, TEXT)
    assert result.items == items
    assert result.diagnostics == codes


ATTACK = EventName("attack")
BY = EventArgument("attack", "Attacker", name="coalition")


def test_arguments_are_names_and_regions():
    result = ARGUMENTS.parse("attack <spot> attacker, coalition <spot> target, O1", TEXT, regions=1)
    assert result.items == (ATTACK, BY, EventArgument("attack", "Target", region=1))
    assert result.items[1].span == (TEXT.index("coalition"), TEXT.index("coalition") + 9)
    assert result.diagnostics == {}
    broken = "attack <spot> attacker, O37 <spot> victim, O2 <spot> place Kobani"
    result = ARGUMENTS.parse(broken, TEXT, regions=36)
    assert result.items == (ATTACK,)
    assert result.diagnostics == {"bad_box_label": 1, "unknown_role": 1, "no_separator": 1}


@pytest.mark.parametrize("label", ["O0", "O01", f"O{'9' * 5000}", "O²"])
def test_labels_that_are_no_region(label):
    result = ARGUMENTS.parse(f"attack <spot> target, {label}", TEXT, regions=36)
    assert result.items == (ATTACK,)
    assert result.diagnostics.skipped == 1


def test_a_person_named_like_a_region():
    text = "the singer O2 attacked"
    output = "attack <spot> attacker, O2"
    region = ARGUMENTS.parse(output, text, regions=2)
    assert region.items == (ATTACK, EventArgument("attack", "Attacker", region=2))
    span = ARGUMENTS.parse(output, text, regions=1)
    assert span.items == (ATTACK, EventArgument("attack", "Attacker", name="O2"))
    assert span.items[1].span == (11, 13)
    assert region.diagnostics == span.diagnostics == {"ambiguous_box_label": 1}


def test_an_event_that_is_missing_is_taken_from_the_trigger_pass():
    output = " <spot> attacker, coalition"
    assert ARGUMENTS.parse(output, TEXT).diagnostics == {"unknown_event": 1}
    result = ARGUMENTS.parse(output, TEXT, trigger_type="attack")
    assert result.items == (ATTACK, BY)
    assert result.diagnostics == {"repair_event_from_trigger": 1}
    without = ARGUMENTS.parse("attacker, coalition", TEXT, trigger_type="ATTACK")
    assert without.items == (ATTACK, BY)
    three = "x <spot> a, b <spot> c, d <spot> e"
    assert ARGUMENTS.parse(three, TEXT).diagnostics == {"unknown_event": 3}


def test_a_relation_has_three_fields():
    kept = Triple("Ryan", "none", "Blake")
    result = RELATIONS.parse("Ryan <spot> NONE <spot> Blake", ("Ryan", "Blake"))
    assert (result.items, dict(result.diagnostics)) == ((kept,), {})
    other = RELATIONS.parse("Brian <spot> none <spot> Blake", ("Ryan", "Blake"))
    assert (other.items, dict(other.diagnostics)) == ((kept,), {"head_tail_mismatch": 1})
    strict = RelationText(RELATIONS.relations, strict=True)
    skipped = strict.parse("Brian <spot> none <spot> Blake", ("Ryan", "Blake"))
    assert (skipped.items, dict(skipped.diagnostics)) == ((), {"wrong_names": 1})
    assert skipped.diagnostics.skipped == 1
    for output, code in (
        ("Ryan <spot> none", "bad_arity"),
        ("a <spot> peer <spot> b <spot> c", "bad_arity"),
        ("a <spot> rival <spot> b", "unknown_relation"),
        ("", "empty_output"),
    ):
        assert RELATIONS.parse(output).diagnostics == {code: 1}


def test_a_name_said_twice_needs_two_places():
    output = "person, Ann <spot> person, Ann"
    assert len(MENTIONS.parse(output, "Ann met Ann").items) == 2
    once = MENTIONS.parse(output, "Ann met Bob")
    assert len(once.items) == 1
    assert once.diagnostics == {"duplicate": 1}
    assert len(MENTIONS.parse("person, Ann <spot> location, Ann", "Ann met Bob").items) == 2


@pytest.mark.parametrize(
    "item", [Mention("hero", "A"), Mention("person", "a <spot> b"), Mention("person", "")]
)
def test_mentions_that_cannot_be_written(item):
    with pytest.raises(UnencodableTarget):
        MENTIONS.encode([item])
    assert MENTIONS.encode([item, RYAN], drop=True).dropped == {"unencodable": 1}


def test_arguments_and_relations_that_cannot_be_written():
    like_a_region = EventArgument("attack", "Attacker", name="O2")
    with pytest.raises(UnencodableTarget):
        ARGUMENTS.encode("attack", [like_a_region], source="O2 attacks", regions=2)
    assert ARGUMENTS.encode("attack", [like_a_region], source="O2 attacks", regions=1).items[1:]
    with pytest.raises(UnencodableTarget, match="event"):
        ARGUMENTS.encode("peace", [])
    with pytest.raises(UnencodableTarget):
        RELATIONS.encode(Triple("a <spot>", "peer", "b"))
    with pytest.raises(UnencodableTarget, match="unknown_relation"):
        RELATIONS.encode(Triple("a", "rival", "b"))


def test_a_long_target_loses_whole_items():
    text = MENTIONS.encode([RYAN, BLAKE]).text
    target = MENTIONS.encode([RYAN, BLAKE], limit=len(text) - 1)
    assert target.text == "person, Ryan Reynolds"
    assert target.dropped == {"target_overflow": 1}
    arguments = [BY, EventArgument("attack", "Place", region=1)]
    short = ARGUMENTS.encode("attack", arguments, regions=1, limit=40)
    assert short.items == (ATTACK, BY)
    assert short.dropped == {"target_overflow": 1}


def test_two_hundred_records_come_back():
    rng = random.Random(7)
    for _ in range(200):
        own = names(rng, rng.randint(0, 6), nasty=(*NASTY, *SEPARATORS))
        source = text_of(rng, own)
        items = [Mention(rng.choice(TYPES), name) for name in own]
        target = MENTIONS.encode(items, source=source, drop=True)
        back = MENTIONS.parse(target.text, source)
        assert back.items == target.items == tuple(i for i in items if "<spot>" not in i.name)
        assert back.diagnostics == {}

        regions = rng.randint(0, 3)
        arguments = [
            EventArgument("attack", rng.choice(ROLES["attack"]), name=name)
            for name in own
            if "<spot>" not in name and not (name == "O2" and regions >= 2)
        ]
        arguments += [EventArgument("attack", "Place", region=n + 1) for n in range(regions)]
        rng.shuffle(arguments)
        target = ARGUMENTS.encode("attack", arguments, source=source, regions=regions)
        back = ARGUMENTS.parse(target.text, source, regions=regions)
        assert back.items == target.items == (ATTACK, *arguments)
        assert set(back.diagnostics) <= {"ambiguous_box_label"}

        if len(own) >= 2 and "<spot>" not in own:
            triple = Triple(own[0], rng.choice(RELATIONS.relations), own[1])
            back = RELATIONS.parse(RELATIONS.encode(triple).text, (own[0], own[1]))
            assert (back.items, dict(back.diagnostics)) == ((triple,), {})


PARTS = ("<spot>", " <spot> ", ", ", ",", "person", "hero", "Ryan Reynolds", "attack", "attacker",
         "O1", "O37", "O", "none", "peer", "coalition", "<sp", "ot>")  # fmt: skip


def test_random_strings_never_raise_and_nothing_vanishes_uncounted():
    rng = random.Random(8)
    for _ in range(10_000):
        output = noise(rng, PARTS)
        for result in (
            MENTIONS.parse(output, TEXT),
            RELATIONS.parse(output, ("a", "b")),
            ARGUMENTS.parse(output, TEXT, regions=3),
            ARGUMENTS.parse(output, TEXT, regions=3, trigger_type="attack"),
        ):
            assert not output.strip() or len(result.items) + result.diagnostics.skipped >= 1


@given(st.text(), st.text())
def test_any_text_is_read(output, source):
    MENTIONS.parse(output, source)
    RELATIONS.parse(output)
    ARGUMENTS.parse(output, source, regions=1)


def test_a_token_repeated_for_ever():
    for part in PARTS:
        MENTIONS.parse(part * 10_000, TEXT)
        ARGUMENTS.parse(part * 10_000, TEXT)


def test_one_missing_token_costs_at_most_two_of_four_items():
    own = [Mention(kind, f"Name{n}") for n, kind in enumerate(TYPES)]
    text = MENTIONS.encode(own).text
    assert min(len(MENTIONS.parse(output).items) for output in deletions(text)) >= 2
    arguments = [EventArgument("attack", "Place", name=f"Name{n}") for n in range(4)]
    text = ARGUMENTS.encode("attack", arguments).text
    for output in deletions(text):
        result = ARGUMENTS.parse(output, trigger_type="attack")
        assert sum(isinstance(item, EventArgument) for item in result.items) >= 2


def test_an_empty_output_shifts_nobody():
    outputs = ["person, Ryan Reynolds", "", "person, Blake Lively"]
    assert [MENTIONS.parse(o, TEXT).items for o in outputs] == [(RYAN,), (), (BLAKE,)]
