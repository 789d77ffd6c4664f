from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.methods.generation.meta_response import MetaResponse, ToolCall
from magpie.methods.generation.result import UnencodableTarget
from magpie.methods.generation.tuples import EventRecord, NamedEntity, RelationTuple

from .records import NASTY, SEPARATORS, deletions, names, noise

NER = MetaResponse("ner", ("person", "country", "location"))
RE = MetaResponse("re", ("peer", "member of"))
EE = MetaResponse("ee", ("opening", "attack"), ("Agent", "Object"))
EXAMPLE = """<UIE>(Trump, person)(Merkel, person)(U.S., country)</UIE>
<Module>ImageSegmentation</Module>
<Instruction>Trump: the man on the right</Instruction>
<Instruction>Merkel: the woman on the left</Instruction>"""
TRUMP, MERKEL = NamedEntity("Trump", "person"), NamedEntity("Merkel", "person")
ITEMS = (
    TRUMP,
    MERKEL,
    NamedEntity("U.S.", "country"),
    ToolCall("ImageSegmentation", "the man on the right", "Trump"),
    ToolCall("ImageSegmentation", "the woman on the left", "Merkel"),
)


def test_the_example_is_written_and_read_back():
    assert NER.encode(ITEMS).text == EXAMPLE
    result = NER.parse(EXAMPLE)
    assert (result.items, dict(result.diagnostics)) == (ITEMS, {})


@pytest.mark.parametrize(
    ("output", "items", "codes"),
    [
        (
            "Sure. <UIE> (Trump, person) <Module> image segmenter <Instruction> the man",
            (TRUMP, ToolCall("ImageSegmentation", "the man")),
            {"stray_text": 1, "repair_unclosed_tag": 3, "unlinked_instruction": 1},
        ),
        ("<UIE>(Trump, person</UIE>", (), {"unbalanced": 1}),
        ("<uie>(Trump, PERSON)</UIE>", (TRUMP,), {}),
        ("<UIE></UIE>", (), {}),
        (
            "<UIE>(Washington, D.C., location)</UIE>",
            (NamedEntity("Washington, D.C.", "location"),),
            {},
        ),
        ("<UIE>(Trump, hero)</UIE>", (), {"unknown_type": 1}),
        ("<UIE>(Trump)</UIE>", (), {"bad_arity": 1}),
        ("<UIE>(A, (Trump, person)</UIE>", (TRUMP,), {"unbalanced": 1}),
        ("<UIE>A, person)(Trump, person)</UIE>", (TRUMP,), {"unbalanced": 1}),
        ("found (Trump, person)", (TRUMP,), {"stray_text": 1, "repair_no_uie_tag": 1}),
        ("I see nothing", (), {"stray_text": 1, "unparsable": 1}),
        (
            "<UIE>(Trump, person)</UIE><Module>Painter</Module><Instruction>Trump: x</Instruction>",
            (TRUMP,),
            {"unknown_module": 1},
        ),
        (
            "<UIE>(Trump, person)</UIE><Instruction>Trump: x</Instruction>",
            (TRUMP,),
            {"instruction_without_module": 1},
        ),
        ("<UIE>(Trump, person)</UIE><Module>Video Tracker</Module>", (TRUMP,), {"empty_call": 1}),
        (
            "<UIE>(Trump, person)</UIE><Module>VideoTracker</Module><Instruction>Trump:",
            (TRUMP,),
            {"empty_span": 1, "empty_call": 1, "repair_unclosed_tag": 1},
        ),
        ("<UIE>(Trump, person)</UIE><Region>Trump: left</Region>", (TRUMP,), {}),
        ("", (), {}),
    ],
)
def test_every_row_of_the_specification(output, items, codes):
    result = NER.parse(output)
    assert result.items == items
    assert result.diagnostics == codes


def test_relations_take_the_field_that_is_a_relation():
    kept = RelationTuple("Washington, D.C.", "member of", "U.S.")
    assert RE.parse("<UIE>(Washington, D.C., Member of, U.S.)</UIE>").items == (kept,)
    assert RE.parse("<UIE>(a, rival, b)</UIE>").diagnostics == {"unknown_type": 1}
    assert RE.parse("<UIE>(a, peer)</UIE>").diagnostics == {"bad_arity": 1}


def test_events_have_known_keys():
    text = "<UIE>(Type: opening, Trigger: unpack, Agent: boy, with a cap, Object: toy)</UIE>"
    record = EventRecord("opening", "unpack", (("Agent", "boy, with a cap"), ("Object", "toy")))
    result = EE.parse(text)
    assert (result.items, dict(result.diagnostics)) == ((record,), {})
    without = EE.parse("<UIE>(Type: opening, Agent: boy)</UIE>")
    assert without.items == (EventRecord("opening", None, (("Agent", "boy"),)),)
    assert without.diagnostics == {"no_trigger": 1}
    for wrong, code in (
        ("(Type: closing, Trigger: x)", "unknown_type"),
        ("(Trigger: x)", "unknown_type"),
        ("(opening, x)", "unparsable"),
    ):
        assert EE.parse(f"<UIE>{wrong}</UIE>").diagnostics[code] == 1


def test_an_instruction_may_hold_colons():
    film = NamedEntity("Mission: Impossible", "location")
    call = ToolCall("ImageSegmentation", "the poster", "Mission: Impossible")
    text = NER.encode([film, call]).text
    assert NER.parse(text).items == (film, call)


@pytest.mark.parametrize(
    "item",
    [
        NamedEntity("a (b)", "person"),
        NamedEntity("x<UIE>", "person"),
        NamedEntity("a", "hero"),
        NamedEntity("", "person"),
        ToolCall("Painter", "x"),
    ],
)
def test_what_cannot_be_written_is_refused(item):
    with pytest.raises(UnencodableTarget):
        NER.encode([item])


def test_two_hundred_records_come_back():
    rng = random.Random(17)
    usable = [name for name in (*NASTY, *SEPARATORS) if "(" not in name]
    for _ in range(200):
        own = names(rng, rng.randint(0, 6), nasty=tuple(usable))
        entities = [NamedEntity(name, rng.choice(NER.labels)) for name in own]
        calls = [
            ToolCall(rng.choice(("ImageSegmentation", "VideoTracking")), "the one there", name)
            for name in own[:2]
        ]
        back = NER.parse(NER.encode([*entities, *calls]).text)
        assert (back.items, dict(back.diagnostics)) == ((*entities, *calls), {})
        relations = [RelationTuple(a, "peer", b) for a, b in pairwise(own)]
        assert RE.parse(RE.encode(relations).text).items == tuple(relations)
        events = [EventRecord("attack", name, (("Agent", name),)) for name in own]
        assert EE.parse(EE.encode(events).text).items == tuple(events)


PARTS = ("<UIE>", "</UIE>", "<Module>", "</Module>", "<Instruction>", "</Instruction>", "<Region>",
         "(", ")", "(Trump, person)", ",", "person", "Trump", ":", "Type:", "Trigger:", "peer",
         "ImageSegmentation", "Sure.")  # fmt: skip


def test_random_strings_never_raise_and_nothing_vanishes_uncounted():
    rng = random.Random(18)
    for _ in range(10_000):
        output = noise(rng, PARTS)
        for grammar in (NER, RE, EE):
            result = grammar.parse(output)
            told = len(result.items) + sum(result.diagnostics.values())
            words = output
            for tag in PARTS[:7]:
                words = words.replace(tag, " ")
            assert told >= 1 or not any(char.isalnum() for char in words) or "<Region>" in output


@pytest.mark.parametrize("grammar", [NER, RE, EE])
@given(output=st.text())
def test_any_text_is_read(grammar, output):
    grammar.parse(output)
    grammar.parse(f"<UIE>{output}")


def test_a_token_repeated_for_ever():
    for part in PARTS:
        for grammar in (NER, RE, EE):
            grammar.parse(part * 10_000)


def test_one_missing_token_costs_at_most_two_of_four_items():
    items = [NamedEntity(f"Name{n}", "person") for n in range(4)]
    text = NER.encode(items).text.replace("(", "( ").replace(")", " ) ")
    for output in deletions(text):
        assert len(set(NER.parse(output).items) & set(items)) >= 2, output
