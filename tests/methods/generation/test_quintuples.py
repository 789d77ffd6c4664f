from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.methods.generation.names import escape, split_unescaped, unescape
from magpie.methods.generation.quintuples import Quintuple, QuintupleText
from magpie.methods.generation.result import UnencodableTarget

from .records import NASTY, SEPARATORS, deletions, names, noise, text_of

TYPES = ("person", "organization", "miscellaneous", "location")
GRAMMAR = QuintupleText(TYPES, ("peer", "member_of", "awarded"))
MEMBER = Quintuple("Thompson", "person", "member_of", "NBA", "organization")
PEER = Quintuple("Thompson", "person", "peer", "Curry", "person")
EXAMPLE = (
    "( Thompson | person | member of | NBA | organization ) ; "
    "( Thompson | person | peer | Curry | person )"
)
BROKEN = (
    " ; ( Curry | person | peer ) ; ( Curry | person | admires | Green | person )"
    " ; ( Green | person | peer | Jordan"
)


@pytest.mark.parametrize(
    ("output", "items", "codes"),
    [
        (EXAMPLE, (MEMBER, PEER), {}),
        (
            EXAMPLE + BROKEN,
            (MEMBER, PEER),
            {"bad_arity": 1, "unknown_relation": 1, "unbalanced": 1},
        ),
        ("", (), {"empty_output": 1}),
        ("none", (), {}),
        (
            f"{EXAMPLE} ; ( Thompson | person | peer | Curry | person )",
            (MEMBER, PEER),
            {"duplicate": 1},
        ),
        ("( A | hero | peer | B | person )", (), {"unknown_type": 1}),
        ("(  | person | peer | B | person )", (), {"empty_span": 1}),
        (f"{EXAMPLE} ;", (MEMBER, PEER), {"unbalanced": 1}),
        ("( A ( B | person | peer | C | person )", (), {"unbalanced": 1}),
        ("( A | person | peer | B | person \\)", (), {"unbalanced": 1}),
    ],
)
def test_every_row_of_the_specification(output, items, codes):
    result = GRAMMAR.parse(output)
    assert result.items == items
    assert result.diagnostics == codes


def test_the_example_is_written():
    assert GRAMMAR.encode([MEMBER, PEER]).text == EXAMPLE
    assert GRAMMAR.encode([]).text == "none"


def test_names_with_separators_are_escaped():
    item = Quintuple("a | b; (c) \\", "person", "peer", "d", "person")
    target = GRAMMAR.encode([item])
    assert target.text == "( a \\| b\\; \\(c\\) \\\\ | person | peer | d | person )"
    assert GRAMMAR.parse(target.text).items == (item,)


@given(st.text(alphabet="ab|;()\\ "))
def test_escapes_are_undone(text):
    assert unescape(escape(text, "|;()")) == text
    assert split_unescaped(escape(text, "|;()"), ";") == [escape(text, "|;()")]


def test_names_are_found_in_the_source():
    result = GRAMMAR.parse(EXAMPLE, "NBA stars Thompson , curry")
    assert [(item.head_span, item.tail_span) for item in result.items] == [
        ((10, 18), (0, 3)),
        ((10, 18), (21, 26)),
    ]
    assert GRAMMAR.parse(EXAMPLE, "nothing").items[0].head_span is None


@pytest.mark.parametrize(
    "item",
    [
        Quintuple("A", "hero", "peer", "B", "person"),
        Quintuple("A", "person", "admires", "B", "person"),
        Quintuple("", "person", "peer", "B", "person"),
        Quintuple(" A", "person", "peer", "B", "person"),
    ],
)
def test_what_cannot_be_written_is_refused_or_dropped(item):
    with pytest.raises(UnencodableTarget):
        GRAMMAR.encode([item])
    assert GRAMMAR.encode([item, PEER], drop=True).items == (PEER,)
    with pytest.raises(UnencodableTarget, match="twice"):
        GRAMMAR.encode([PEER, PEER])


def test_a_long_target_loses_whole_items():
    target = GRAMMAR.encode([MEMBER, PEER], limit=len(EXAMPLE) - 1)
    assert target.items == (MEMBER,)
    assert target.dropped == {"target_overflow": 1}
    assert GRAMMAR.encode([MEMBER], limit=3).text == "none"


def test_two_hundred_records_come_back():
    rng = random.Random(11)
    for _ in range(200):
        own = names(rng, rng.randint(0, 6), nasty=(*NASTY, *SEPARATORS))
        pairs = [(one, other) for one in own for other in own if one != other]
        items = [
            Quintuple(
                one, rng.choice(TYPES), rng.choice(GRAMMAR.relations), other, rng.choice(TYPES)
            )
            for one, other in rng.sample(pairs, min(len(pairs), 5))
        ]
        back = GRAMMAR.parse(GRAMMAR.encode(items).text, text_of(rng, own))
        assert back.items == tuple(items)
        assert back.diagnostics == {}


PARTS = ("(", ")", "|", ";", " ; ", "\\", "none", "A", "person", "peer", "member of",
         "( A | person | peer | B | person )")  # fmt: skip


def test_random_strings_never_raise_and_nothing_vanishes_uncounted():
    rng = random.Random(12)
    for _ in range(10_000):
        output = noise(rng, PARTS)
        result = GRAMMAR.parse(output)
        legal = output.strip() in ("", "none")
        assert legal or len(result.items) + result.diagnostics.skipped >= 1


@given(st.text(), st.text())
def test_any_text_is_read(output, source):
    GRAMMAR.parse(output, source)


def test_a_token_repeated_for_ever():
    for part in PARTS:
        assert len(GRAMMAR.parse(part * 10_000).items) <= 1


def test_one_missing_token_costs_at_most_two_of_four_items():
    items = [Quintuple(f"A{n}", "person", "peer", f"B{n}", "person") for n in range(4)]
    text = GRAMMAR.encode(items).text
    kept = [len(set(GRAMMAR.parse(output).items) & set(items)) for output in deletions(text)]
    assert min(kept) == 2


def test_an_empty_output_shifts_nobody():
    assert [len(GRAMMAR.parse(o).items) for o in (EXAMPLE, "", "none", EXAMPLE)] == [2, 0, 0, 2]
