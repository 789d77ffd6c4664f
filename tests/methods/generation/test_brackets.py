from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.methods.generation.brackets import BracketText
from magpie.methods.generation.result import UnencodableTarget
from magpie.methods.generation.statements import EventArgument, EventName, Mention, Triple

from .records import NASTY, SEPARATORS, deletions, names, noise, text_of

TYPES = ("person", "location", "organization", "miscellaneous")
ROLES = {"attack": ("Attacker", "Target", "Place"), "phone write": ("Entity", "Place")}
MENTIONS = BracketText("mentions", types=TYPES)
RELATION = BracketText("relation", relations=("place of birth", "peer", "none"))
ARGUMENTS = BracketText("arguments", roles=ROLES)
JOINT = BracketText("joint", roles=ROLES)
ALL = (MENTIONS, RELATION, ARGUMENTS, JOINT)
KYRIE, ANN = Mention("person", "Kyrie"), Mention("person", "Ann")


def full(short: str) -> str:
    """``0 1 5 6`` standing alone -> the sentinels."""
    return " ".join(
        f"<extra_id_{part}>" if part and part in "0156" else part for part in short.split(" ")
    )


def check(grammar, short, items, codes, **options):
    result = grammar.parse(full(short), **options)
    assert result.items == tuple(items)
    assert result.diagnostics == codes


LOST_CLOSER = {"repair_auto_closed": 1, "repair_lifted": 1}


@pytest.mark.parametrize(
    ("output", "items", "codes"),
    [
        ("0 0 person 5 Kyrie 1 1", [KYRIE], {}),
        ("0 0 person 5 Kyrie", [KYRIE], {"repair_auto_closed": 2}),
        ("hello", [], {"stray_text": 1, "ill_formed": 1}),
        ("0 1", [], {}),
        ("", [], {"empty_output": 1}),
        ("0 0 person 5 Kyrie 1 1 and more", [KYRIE], {"trailing_text": 1}),
        ("0 0 person 5 Kyrie 1 1 1 1", [KYRIE], {"extra_close": 2}),
        ("0 person 5 Kyrie 1", [KYRIE], {"repair_no_outer": 1}),
        ("0 person 5 Kyrie 1 0 person 5 Ann 1", [KYRIE, ANN], {"repair_no_outer": 1}),
        ("0 0 person 5 Kyrie 0 person 5 Ann 1 1", [KYRIE, ANN], LOST_CLOSER),
        ("0 0 person 5 6 1 0 person 5 Kyrie 1 1", [KYRIE], {}),
        ("0 0 person Kyrie 1 1", [], {"no_separator": 1}),
        ("0 0 hero 5 Kyrie 1 1", [], {"unknown_type": 1}),
        ("0 0 5 Kyrie 1 1", [], {"unknown_type": 1}),
        ("0 0 person 5 1 1", [], {"empty_span": 1}),
        ("0 0 1 1", [], {"empty_span": 1}),
        ("0 0 PERSON 5 Kyrie 1 1", [KYRIE], {}),
        ("0 0 person 5 Kyrie 1 person 5 Ann 1", [KYRIE], {"ill_formed": 1, "stray_text": 1}),
    ],
)
def test_mentions(output, items, codes):
    check(MENTIONS, output, items, codes)


def test_mentions_of_the_source():
    source = "Kyrie Irving plays in New York"
    written = [Mention("person", "Kyrie Irving"), Mention("location", "New York")]
    target = MENTIONS.encode(written, source=source)
    assert target.text == full("0 0 person 5 Kyrie Irving 1 0 location 5 New York 1 1")
    back = MENTIONS.parse(target.text, source)
    assert back.items == tuple(written)
    assert [item.span for item in back.items] == [(0, 12), (22, 30)]
    check(MENTIONS, "0 0 person 5 LeBron 1 1", [], {"span_not_in_text": 1}, source=source)


def test_unknown_pieces_are_filled_in_from_the_source():
    source = "we met Nuñez and 🏀 Cavs in Córdoba"
    for written, meant in (
        ("Nu<unk>ez", "Nuñez"),
        ("<unk> Cavs", "🏀 Cavs"),
        ("C<unk>rdoba", "Córdoba"),
    ):
        check(
            MENTIONS, f"0 0 person 5 {written} 1 1", [Mention("person", meant)], {}, source=source
        )
    for wrong in ("X<unk>ez", "<unk>", "<unk>" * 500):
        result = MENTIONS.parse(full(f"0 0 person 5 {wrong} 1 1"), "aa bb")
        assert result.diagnostics.get("span_not_in_text", 0) == (0 if wrong == "<unk>" else 1)


def test_relations():
    kept = Triple("Ryan Reynolds", "place of birth", "New York")
    short = "0 0 Ryan Reynolds 0 place of birth 5 New York 1 1 1"
    assert RELATION.encode([kept]).text == full(short)
    check(RELATION, short, [kept], {})
    given = ("Ryan Reynolds", "New York")
    check(
        RELATION, short.replace("New York", "York"), [kept], {"head_tail_mismatch": 1}, given=given
    )
    check(RELATION, "0 0 Ryan 0 rival 5 Ann 1 1 1", [], {"unknown_relation": 1})
    check(RELATION, "0 0 Ryan 1 1", [], {"bad_arity": 1})
    check(RELATION, "0 0 0 peer 5 Ann 1 1 1", [], {"bad_arity": 1})
    check(
        RELATION,
        "0 0 Ryan 0 peer 5 Ann",
        [Triple("Ryan", "peer", "Ann")],
        {"repair_auto_closed": 3},
    )


def test_the_release_loses_heads_of_several_words():
    legacy = BracketText("relation", relations=RELATION.relations, legacy_labels=True)
    check(legacy, "0 0 Kyrie 0 peer 5 Ann 1 1 1", [Triple("Kyrie", "peer", "Ann")], {})
    check(legacy, "0 0 Ryan Reynolds 0 peer 5 Ann 1 1 1", [], {})
    check(
        RELATION,
        "0 0 Ryan Reynolds 0 peer 5 Ann 1 1 1",
        [Triple("Ryan Reynolds", "peer", "Ann")],
        {},
    )
    events = BracketText("arguments", roles=ROLES, legacy_labels=True)
    check(events, "0 0 attack 0 place 5 Kobani 1 1 1", [EventName("attack")], {})
    phone = EventName("phone write"), EventArgument("phone write", "Place", name="Kobani")
    check(events, "0 0 phone write 0 place 5 Kobani 1 1 1", phone, {})


ATTACK = EventName("attack")
PLACE = EventArgument("attack", "Place", name="Kobani")
TARGET = EventArgument("attack", "Target", region=1)


def test_arguments():
    short = "0 0 attack 0 place 5 Kobani 1 0 target 5 O1 1 1 1"
    check(ARGUMENTS, short, [ATTACK, PLACE, TARGET], {}, regions=1)
    check(ARGUMENTS, short, [ATTACK, PLACE], {"bad_box_label": 1}, source="Kobani")
    check(ARGUMENTS, short.replace("attack", "peace"), [], {"unknown_event": 2})
    fixed = ARGUMENTS.parse(full(short.replace("attack ", "")), regions=1, trigger_type="attack")
    assert PLACE in fixed.items
    check(ARGUMENTS, "0 0 attack 0 entity 5 Kobani 1 1 1", [ATTACK], {"unknown_role": 1})
    lost = "0 0 attack 0 place 5 Kobani 0 target 5 O1 1 1 1"
    check(ARGUMENTS, lost, [ATTACK, PLACE, TARGET], LOST_CLOSER, regions=1)  # fmt: skip
    two = "0 0 attack 0 place 5 Kobani 1 0 phone write 0 place 5 Rome 1 1 1"
    phone = EventName("phone write"), EventArgument("phone write", "Place", name="Rome")
    check(ARGUMENTS, two, [ATTACK, PLACE, *phone], LOST_CLOSER)


def test_joint_events():
    raid = EventName("attack", "raid")
    short = "0 0 attack 5 raid 0 place 5 Kobani 1 1 1"
    check(JOINT, short, [raid, PLACE], {})
    assert JOINT.encode([raid, PLACE]).text == full(short.replace("place", "Place"))
    check(JOINT, "0 0 attack 0 place 5 Kobani 1 1 1", [ATTACK, PLACE], {"no_separator": 1})
    check(JOINT, short, [ATTACK, PLACE], {"span_not_in_text": 1}, source="in Kobani")
    check(JOINT, "0 0 attack 5 6 0 place 5 Kobani 1 1 1", [], {})
    two = "0 0 attack 5 raid 0 place 5 Kobani 1 0 phone write 5 call 1 1 1"
    check(JOINT, two, [raid, PLACE, EventName("phone write", "call")], {"repair_lifted": 1})


@pytest.mark.parametrize(
    ("grammar", "items"),
    [
        (MENTIONS, [Mention("hero", "A")]),
        (MENTIONS, [Mention("person", "<extra_id_0>")]),
        (MENTIONS, [Mention("person", "")]),
        (MENTIONS, [Mention("person", "a  b")]),
        (RELATION, [Triple("a", "rival", "b")]),
        (ARGUMENTS, [EventName("peace")]),
        (ARGUMENTS, [EventArgument("attack", "Place", name="x")]),
        (JOINT, [EventName("attack")]),
    ],
)
def test_what_cannot_be_written_is_refused_or_dropped(grammar, items):
    with pytest.raises(UnencodableTarget):
        grammar.encode(items)
    target = grammar.encode(items, drop=True)
    assert target.items == ()
    assert target.dropped == {"unencodable": 1}


def test_a_long_target_loses_whole_items():
    items = [ATTACK, PLACE, TARGET]
    text = ARGUMENTS.encode(items, regions=1).text
    for missing, limit in ((0, len(text)), (1, len(text) - 1), (2, 60), (3, 30)):
        target = ARGUMENTS.encode(items, regions=1, limit=limit)
        assert target.items == tuple(items[: 3 - missing])
        assert target.dropped["target_overflow"] == missing
        assert ARGUMENTS.parse(target.text, regions=1).diagnostics == {}


def test_two_hundred_records_come_back():
    rng = random.Random(9)
    for _ in range(200):
        own = names(rng, rng.randint(0, 6), nasty=(*NASTY, *SEPARATORS))
        own = [name for name in own if name != "Kevin  Durant"]
        source = text_of(rng, own)
        regions = rng.randint(0, 3)
        usable = [name for name in own if name != "O2" or regions < 2]
        arguments = [EventArgument("attack", "Place", name=name) for name in usable]
        arguments += [EventArgument("attack", "Target", region=n + 1) for n in range(regions)]
        trigger = EventName("attack", own[0]) if own else None
        cases = [
            (MENTIONS, [Mention(rng.choice(TYPES), name) for name in own]),
            (ARGUMENTS, [ATTACK, *arguments, EventName("phone write")]),
            (JOINT, [trigger, *arguments] if trigger else []),
            (RELATION, [Triple(own[0], "place of birth", own[1])] if len(own) > 1 else []),
        ]
        for grammar, items in cases:
            target = grammar.encode(items, source=source, regions=regions)
            back = grammar.parse(target.text, source, regions=regions)
            assert back.items == target.items == tuple(items)
            assert set(back.diagnostics) <= {"ambiguous_box_label"}


PARTS = (*map(full, ("0", "1", "5", "6", "0 0", "1 1", "0 person 5")), "person", "Kyrie",
         "<extra_id_", "attack", "place", "peer", "O1", "<unk>", "hello")  # fmt: skip


def test_random_strings_never_raise_and_nothing_vanishes_uncounted():
    rng = random.Random(10)
    for _ in range(10_000):
        output = noise(rng, PARTS)
        words = output
        for token in map(full, "0156"):
            words = words.replace(token, " ")
        for grammar in ALL:
            result = grammar.parse(output, "Kyrie at the place", regions=2)
            told = len(result.items) + sum(result.diagnostics.values())
            assert told >= 1 or not words.strip()
            if full("0") not in output and output.strip():
                assert result.diagnostics.skipped >= 1


@given(st.text(), st.text())
def test_any_text_is_read(output, source):
    for grammar in ALL:
        grammar.parse(output, source, regions=1)


def test_a_token_repeated_for_ever():
    for part in PARTS:
        for grammar in ALL:
            grammar.parse(f"{part} " * 10_000, "Kyrie")


def test_one_missing_token_costs_at_most_two_of_four_items():
    own = [Mention(kind, f"Name{n}") for n, kind in enumerate(TYPES)]
    text = MENTIONS.encode(own).text
    kept = [
        set(MENTIONS.parse(output, "Name0 Name1 Name2 Name3").items) for output in deletions(text)
    ]
    assert min(len(set(own) & items) for items in kept) == 3
    arguments = [EventArgument("attack", "Place", name=f"Name{n}") for n in range(4)]
    for grammar, head in ((ARGUMENTS, ATTACK), (JOINT, EventName("attack", "raid"))):
        text = grammar.encode([head, *arguments]).text
        for output in deletions(text):
            result = grammar.parse(output, trigger_type="attack")
            assert len(set(arguments) & set(result.items)) >= 2, output


def test_an_empty_output_shifts_nobody():
    outputs = [full("0 0 person 5 Kyrie 1 1"), "", full("0 1")]
    assert [MENTIONS.parse(o).items for o in outputs] == [(KYRIE,), (), ()]
