"""G6 span lists, G7 letters, G9 words, G10 boxes, G11 numbered lists."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.errors import ConfigError
from magpie.methods.generation import box_bins, numbered, span_list
from magpie.methods.generation.answers import (
    OptionLetters,
    option_letters,
    parse_option,
    parse_visible,
)
from magpie.methods.generation.result import UnencodableTarget
from magpie.methods.generation.tuples import NamedEntity

from .records import NASTY, SEPARATORS, deletions, names, noise, text_of

# ---- G6


@pytest.mark.parametrize(
    ("output", "items", "codes"),
    [
        ("Mark Ronson, Lady Gaga", ("Mark Ronson", "Lady Gaga"), {}),
        ("mark ronson,, Lady Gaga,", ("mark ronson", "Lady Gaga"), {}),
        ("Mark Ronson, Bruno", ("Mark Ronson",), {"span_not_in_text": 1}),
        ("Ronson, Mark Ronson", ("Mark Ronson",), {"subsumed": 1}),
        ("Mark Ronson, mark ronson", ("Mark Ronson",), {"subsumed": 1}),
        ("none", (), {}),
        ("No entity.", (), {}),
        ("N/A", (), {}),
        ("", (), {}),
        (",", (), {"unparsable": 1}),
    ],
)
def test_span_lists(output, items, codes):
    result = span_list.parse(output, "with Mark Ronson and Lady Gaga")
    assert result.items == items
    assert result.diagnostics == codes


def test_the_filter_of_mqa():
    assert span_list.parse("new york, york, paris", "I love New York").items == ("new york",)


def test_places_of_listed_names():
    source = "Hannah Ann visits New York, new york"
    found = span_list.occurrences(["ann", "new york"], source)
    assert [source[a:b] for a, b, _ in found] == ["Ann", "New York", "new york"]
    legacy = span_list.occurrences(["ann", "new york"], source, words=False)
    assert {source[a:b] for a, b, _ in legacy} == {"ann", "Ann", "New York", "new york"}


def test_span_lists_come_back():
    rng = random.Random(13)
    for _ in range(200):
        own = names(rng, rng.randint(0, 6), nasty=(*NASTY, *SEPARATORS))
        source = text_of(rng, own)
        target = span_list.encode(own, source=source, drop=True)
        back = span_list.parse(target.text, source)
        assert back.items == target.items
        assert back.diagnostics == {}
        lost = set(own) - set(target.items)
        assert all("," in name or name == "none" for name in lost)
    with pytest.raises(UnencodableTarget):
        span_list.encode(["Washington, D.C."])
    assert span_list.encode([]).text == "none"
    short = span_list.encode(["Ann", "Bob"], limit=5)
    assert (short.text, dict(short.dropped)) == ("Ann", {"target_overflow": 1})


def test_one_missing_token_of_a_list():
    text = span_list.encode(["Aa1", "Bb2", "Cc3", "Dd4"]).text
    assert min(len(span_list.parse(o, "Aa1 Bb2 Cc3 Dd4").items) for o in deletions(text)) == 3


# ---- G7

FIVE = ("s is a location", "s is a person", "s is an organization", "s is misc", "s is nothing")
READER = OptionLetters()


@pytest.mark.parametrize("output", ["(B)", "B", "B.", "B).", "Answer: B", "option B", " answer B!"])
def test_letters_that_are_read(output):
    result = READER.parse(output, FIVE, "E")
    assert (result.items, dict(result.diagnostics)) == (("B",), {})


@pytest.mark.parametrize(
    ("output", "code"),
    [
        ("(A) or (C)", "ambiguous_letter"),
        ("A or C", "no_option_letter"),
        ("A person is standing here", "no_option_letter"),
        ("b", "no_option_letter"),
        ("F", "no_option_letter"),
        ("(F)", "no_option_letter"),
        ("", "no_option_letter"),
    ],
)
def test_answers_without_one_letter_mean_none_of_the_options(output, code):
    for nota in ("E", "A"):  # the last in most questions, the first in that about triggers
        result = READER.parse(output, FIVE, nota)
        assert result.items == (nota,)
        assert result.diagnostics == {code: 1}
        assert result.diagnostics.skipped == 1


def test_the_same_letter_twice_is_one():
    assert READER.parse("(B) yes (B)", FIVE, "E").items == ("B",)


def test_options_of_the_letter_parser():
    assert OptionLetters(lowercase_letters=True).parse("b", FIVE, "E").items == ("B",)
    assert OptionLetters(lowercase_letters=True).parse("(b)", FIVE, "E").items == ("B",)
    content = OptionLetters(content_match=True)
    assert content.parse("I think that s is a person here", FIVE, "E").items == ("B",)
    assert content.parse("s is a person", FIVE, "E").diagnostics == {"no_option_letter": 1}
    drawn = OptionLetters(fallback="random", seed=1)
    assert drawn.parse("?", FIVE, "E").items == drawn.parse("?", FIVE, "E").items
    letters = {
        OptionLetters(fallback="random", seed=n).parse("?", FIVE, "E").items[0] for n in range(60)
    }
    assert letters == set("ABCDE")
    for nota in ("F", "", "AB"):
        with pytest.raises(ConfigError):
            READER.parse("B", FIVE, nota)
    with pytest.raises(ConfigError):
        option_letters(0)


def test_letters_as_released():
    released = OptionLetters(last_letter=True)
    for output in ("(B)", "B", "B.", "Answer: B"):
        assert released.parse(output, FIVE, "E").items == ("B",)
    for output in ("A or C", "(A) or (C)"):
        assert released.parse(output, FIVE, "E").items == ("C",)
    assert released.parse("the span s is a person entity", FIVE, "E").items == ("B",)
    for output in ("B).", "b", ""):
        assert released.parse(output, FIVE, "E").diagnostics == {"no_option_letter": 1}
    assert released.parse("A person is standing here", FIVE, "E").items == ("A",)


# ---- G9


@pytest.mark.parametrize(
    ("output", "visible", "known"),
    [
        ("yes", True, True),
        (" Maybe.", True, True),
        ("NO!", False, True),
        ("", False, False),
        ("sure", False, False),
    ],
)
def test_visibility(output, visible, known):
    result = parse_visible(output)
    assert result.items == (visible,)
    assert result.diagnostics == ({} if known else {"unknown_answer": 1})


def test_options_of_the_reranker():
    options = ("person", "organization", "sports team")
    for output, wanted, codes in (
        ("Person.", "person", {}),
        ("it is an organization", "organization", {}),
        ("a person or an organization", "other", {"unknown_answer": 1}),
        ("a personal matter", "other", {"unknown_answer": 1}),
        ("", "other", {"unknown_answer": 1}),
    ):
        result = parse_option(output, options, "other")
        assert (result.items, dict(result.diagnostics)) == ((wanted,), codes)


# ---- G10


def test_boxes():
    result = box_bins.parse("<bin_264> <bin_31> <bin_999> <bin_999>", (500, 706))
    assert result.items[0] == pytest.approx((132.13, 21.91, 500, 706), abs=0.005)
    assert box_bins.parse("264 31 999 999", (500, 706)).items == result.items
    for output, code in (
        ("<bin_1> <bin_2> <bin_3>", "bad_arity"),
        ("<bin_1> <bin_2> <bin_3> <bin_4> <bin_5>", "bad_arity"),
        ("", "bad_arity"),
        ("<bin_5> <bin_2> <bin_3> <bin_4>", "bad_box"),
        ("<bin_3> <bin_2> <bin_3> <bin_4>", "bad_box"),
        ("<bin_1> <bin_2> <bin_1000> <bin_4>", "bad_box"),
        (f"<bin_1> <bin_2> <bin_{'9' * 5000}> <bin_4>", "bad_box"),
    ):
        result = box_bins.parse(output, (500, 706))
        assert (result.items, dict(result.diagnostics)) == ((), {code: 1})


def test_boxes_come_back():
    rng = random.Random(14)
    for _ in range(200):
        width, height = rng.randint(20, 2000), rng.randint(20, 2000)
        x = sorted(rng.sample(range(width + 1), 2))
        y = sorted(rng.sample(range(height + 1), 2))
        box = (x[0], y[0], x[1], y[1])
        try:
            target = box_bins.encode(box, (width, height))
        except UnencodableTarget:
            assert (x[1] - x[0]) * 999 < width or (y[1] - y[0]) * 999 < height
            continue
        back = box_bins.parse(target.text, (width, height))
        assert back.diagnostics == {}
        # Half a bin at most on either side.
        for got, wanted, side in zip(back.items[0], box, (width, height) * 2, strict=True):
            assert abs(got - wanted) <= side / 999 / 2 + 1e-9
        again = box_bins.encode(back.items[0], (width, height))
        assert again.text == target.text
    for box in ((5, 5, 5, 9), (-3, 0, 5, 5), (0, 0, 60, 5)):
        with pytest.raises(UnencodableTarget):
            box_bins.encode(box, (50, 50))


# ---- G11


@pytest.mark.parametrize(
    ("output", "items", "codes"),
    [
        (
            "Named entities:1. A B (person)2. C (city)Reasoning:so it is",
            (("A B", "person"), ("C", "city")),
            {},
        ),
        (
            "Named entities:1. A B (person)\n2. C (city)",
            (("A B", "person"), ("C", "city")),
            {"repair_no_reasoning": 1},
        ),
        ("1. A B (person/player)", (("A B", "person/player"),), {"repair_no_reasoning": 1}),
        ("Named entities:1. A B 2. C (city)Reasoning:", (("C", "city"),), {"unparsable": 1}),
        ("Named entities:A B (person)1. C (city)Reasoning:", (("C", "city"),), {"unparsable": 1}),
        ("Named entities:1. AC (x) (band)Reasoning:", (("AC (x)", "band"),), {}),
        ("Named entities:Reasoning:nothing here", (), {}),
        ("Named entities: none. Reasoning:", (), {}),
        ("I cannot see any.", (), {"unparsable": 1, "repair_no_reasoning": 1}),
        ("", (), {}),
    ],
)
def test_numbered_lists(output, items, codes):
    result = numbered.parse(output)
    assert result.items == tuple(NamedEntity(*pair) for pair in items)
    assert result.diagnostics == codes


def test_numbered_lists_come_back():
    rng = random.Random(15)
    refused = 0
    for _ in range(200):
        own = names(rng, rng.randint(0, 6), nasty=(*NASTY, *SEPARATORS))
        items = [NamedEntity(name, rng.choice(("person", "city/town"))) for name in own]
        try:
            target = numbered.encode(items, "because")
        except UnencodableTarget:
            refused += 1
            continue
        back = numbered.parse(target.text)
        assert (back.items, dict(back.diagnostics)) == (tuple(items), {})
        assert numbered.reasoning(target.text) == "because"
    assert refused < 60
    with pytest.raises(UnencodableTarget):
        numbered.encode([NamedEntity("Reasoning: x", "y")])


def test_one_missing_token_of_a_numbered_list():
    text = numbered.encode([NamedEntity(f"Name{n}", "city") for n in range(4)]).text
    wanted = {NamedEntity(f"Name{n}", "city") for n in range(4)}
    kept = [len(set(numbered.parse(o).items) & wanted) for o in deletions(text)]
    assert min(kept) >= 2


# ---- all

PARTS = ("A", "(B)", ",", "none", "yes", "<bin_1>", "<bin_", "1. ", "2. ", "(person)", "Reasoning:",
         "Named entities:", "Mark", "answer", ":", "(", ")", "Ronson")  # fmt: skip
PARSERS = (
    lambda text: span_list.parse(text, "with Mark Ronson"),
    lambda text: READER.parse(text, FIVE, "E"),
    lambda text: OptionLetters(last_letter=True).parse(text, FIVE, "E"),
    parse_visible,
    lambda text: parse_option(text, ("person", "Mark"), "other"),
    lambda text: box_bins.parse(text, (500, 706)),
    numbered.parse,
)
EMPTY = ("", "none", "no entity", "n/a")


@pytest.mark.parametrize("parse", PARSERS)
def test_random_strings_never_raise_and_nothing_vanishes_uncounted(parse):
    rng = random.Random(16)
    for _ in range(10_000):
        output = noise(rng, PARTS, 12)
        result = parse(output)
        bare = output.casefold()
        if parse is numbered.parse and "named entities:" in bare:
            bare = bare.partition("named entities:")[2]
        if parse is numbered.parse:
            bare = bare.partition("reasoning:")[0]
        legal = bare.strip().rstrip(".") in EMPTY
        assert legal or len(result.items) + result.diagnostics.skipped >= 1


@pytest.mark.parametrize("parse", PARSERS)
@given(output=st.text())
def test_any_text_is_read(parse, output):
    parse(output)


@pytest.mark.parametrize("parse", PARSERS)
def test_a_token_repeated_for_ever(parse):
    for part in PARTS:
        parse(part * 10_000)
