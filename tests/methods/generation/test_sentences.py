from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.errors import ConfigError
from magpie.methods.generation.result import UnencodableTarget
from magpie.methods.generation.sentences import SentenceGrammar, SentenceItem

from .records import NASTY, SEPARATORS, deletions, names, noise, text_of

PARENTS = {
    "athlete": "person",
    "actor": "person",
    "sports_team": "organization",
    "city": "location",
}
GRAMMAR = SentenceGrammar(PARENTS)
VARIANTS = [
    SentenceGrammar(PARENTS, coarse=c, image=i) for c in (True, False) for i in (True, False)
]
EXAMPLE = (
    "Kevin Love is a person and a athlete, which is in the image [SSEP] "
    "Cavs is a organization and a sports_team, which is not in the image"
)
LOVE = SentenceItem(name="Kevin Love", type="athlete", coarse="person", visible=True)
CAVS = SentenceItem(name="Cavs", type="sports_team", coarse="organization", visible=False)


def test_the_example_is_written_exactly_and_read_back():
    given_items = [
        SentenceItem(name="Kevin Love", type="athlete", visible=True),
        SentenceItem(name="Cavs", type="sports_team", visible=False),
    ]
    target = GRAMMAR.encode(given_items, source="Kevin Love plays Cavs")
    assert target.text == EXAMPLE
    assert target.items == (LOVE, CAVS)
    (start, end), nowhere = target.positions
    assert EXAMPLE[start:end] == "in the image"
    assert start == EXAMPLE.index("in the image")
    assert nowhere == (0, 0)
    back = GRAMMAR.parse(EXAMPLE, "Kevin Love plays Cavs")
    assert back.items == (LOVE, CAVS)
    assert [item.span for item in back.items] == [(0, 10), (17, 21)]
    assert back.diagnostics == {}


@pytest.mark.parametrize(
    ("output", "items", "codes"),
    [
        ("Kevin Love is a person, which is in the image", (), {"unparsable": 1}),
        ("X is a person and a wizard, which is in the image", (), {"unknown_type": 1}),
        (
            "Life is a beach is a person and a actor, which is in the image",
            (),
            {"unparsable": 1},
        ),
        (
            "A is a location and a athlete, which is in the image",
            (SentenceItem(name="A", type="athlete", coarse="person", visible=True),),
            {"coarse_fine_conflict": 1},
        ),
        ("", (), {}),
        (EXAMPLE, (LOVE, CAVS), {}),
        (f"{EXAMPLE} [SSEP]", (LOVE, CAVS), {"unparsable": 1}),
        ("A is a person and a actor, which is in, which is in the image", (), {"unparsable": 1}),
        ("Rock and a Roll is a person and a actor, which is in the image", (), {"unparsable": 1}),
        (" is a person and a actor, which is in the image", (), {"unparsable": 1}),
    ],
)
def test_every_row_of_the_specification(output, items, codes):
    result = GRAMMAR.parse(output)
    assert result.items == items
    assert result.diagnostics == codes


def test_a_name_that_is_not_in_the_text_is_skipped():
    result = GRAMMAR.parse(EXAMPLE, "Kevin Durant plays Cavs")
    assert result.items == (CAVS,)
    assert result.diagnostics == {"span_not_in_text": 1}
    assert GRAMMAR.parse(EXAMPLE, "KEVIN LOVE plays cavs").items == (LOVE, CAVS)


TWICE = "Cavs is a organization and a sports_team, which is {}in the image"


def test_the_first_of_two_sentences_on_a_name_counts():
    output = f"{TWICE.format('')} [SSEP] {TWICE.format('not ')}"
    for source in (None, "Cavs beat Cavs"):
        result = GRAMMAR.parse(output, source)
        assert [item.visible for item in result.items] == [True]
        assert result.diagnostics == {"duplicate": 1}


def test_a_repeated_name_may_be_kept_as_often_as_the_text_has_it():
    grammar = SentenceGrammar(PARENTS, keep_repeats=True)
    output = " [SSEP] ".join([TWICE.format(""), TWICE.format("not "), TWICE.format("")])
    result = grammar.parse(output, "Cavs beat Cavs")
    assert [(item.visible, item.span) for item in result.items] == [
        (True, (0, 4)),
        (False, (10, 14)),
    ]
    assert result.diagnostics == {"duplicate": 1}
    target = grammar.encode(result.items, source="Cavs beat Cavs")
    assert grammar.parse(target.text, "Cavs beat Cavs").items == result.items


def test_a_name_inside_another_is_no_repeat():
    output = "{0} is a person and a actor, which is in the image [SSEP] {1} is a person and a actor"
    result = GRAMMAR.parse(
        f"{output.format('Kevin Love', 'Love')}, which is in the image", "Kevin Love"
    )
    assert [item.span for item in result.items] == [(0, 10), (6, 10)]


@pytest.mark.parametrize(
    "name",
    ["Life is a beach", "rock and a hard place", "that, which is", "[SSEP]", "", " A", "what is a"],
)
def test_what_cannot_be_written_is_refused_or_dropped(name):
    bad = SentenceItem(name=name, type="actor", visible=True)
    with pytest.raises(UnencodableTarget, match="cannot say"):
        GRAMMAR.encode([bad])
    target = GRAMMAR.encode([bad, CAVS], drop=True)
    assert target.items == (CAVS,)
    assert target.dropped == {"unencodable": 1}


def test_an_unknown_type_or_a_name_from_elsewhere_cannot_be_written():
    with pytest.raises(UnencodableTarget, match="fine type"):
        GRAMMAR.encode([SentenceItem(name="A", type="wizard")])
    with pytest.raises(UnencodableTarget, match="span_not_in_text"):
        GRAMMAR.encode([CAVS], source="nothing here")
    with pytest.raises(UnencodableTarget, match="duplicate"):
        GRAMMAR.encode([CAVS, CAVS], source="Cavs and Cavs")


def test_types_that_break_the_sentence_are_refused():
    for label in ("rock and a roll", "x, which", "", " a "):
        with pytest.raises(ConfigError):
            SentenceGrammar({label: "person"})
    with pytest.raises(ConfigError, match="at least one"):
        SentenceGrammar({})


def test_the_shorter_sentences():
    bare = SentenceGrammar(PARENTS, coarse=False, image=False)
    assert bare.encode([LOVE]).text == "Kevin Love is a athlete"
    fine = SentenceGrammar(PARENTS, coarse=False)
    assert fine.encode([LOVE]).text == "Kevin Love is a athlete, which is in the image"
    assert bare.parse("Kevin Love is a athlete, which is in the image").diagnostics == {
        "unparsable": 1
    }
    assert fine.parse(
        "Kevin Love is a person and a athlete, which is in the image"
    ).diagnostics == {"unknown_type": 1}


def test_an_empty_text_is_an_empty_target():
    target = GRAMMAR.encode([], source="just words")
    assert (target.text, target.items, target.positions) == ("", (), ())
    assert GRAMMAR.parse("  ").items == ()


def test_a_broken_sentence_leaves_the_regions_of_the_next_alone():
    output = f"Kevin Love is a person, which is in the image [SSEP] {EXAMPLE}"
    offsets = [(n, n + 1) for n in range(len(output))]
    result = GRAMMAR.parse(output, offsets=offsets)
    assert result.diagnostics == {"unparsable": 1}
    love, cavs = result.items
    assert "".join(output[n] for n in love.pieces) == "in the image"
    assert love.pieces[0] > output.index("[SSEP]")
    assert cavs.pieces == ()


def test_a_long_target_loses_whole_sentences():
    items = [LOVE, CAVS]
    for limit, kept in ((len(EXAMPLE), 2), (len(EXAMPLE) - 1, 1), (59, 1), (58, 0)):
        target = GRAMMAR.encode(items, limit=limit)
        assert len(target.items) == kept
        assert target.dropped["target_overflow"] == 2 - kept
        assert GRAMMAR.parse(target.text).diagnostics == {}
    words = GRAMMAR.encode(items, limit=13, measure=lambda text: len(text.split()))
    assert words.items == (LOVE,)


@pytest.mark.parametrize("grammar", VARIANTS)
def test_two_hundred_records_come_back(grammar):
    rng = random.Random(5)
    refused = 0
    for _ in range(200):
        mentions = names(rng, rng.randint(0, 5), nasty=(*NASTY, *SEPARATORS))
        items = [
            SentenceItem(name=name, type=rng.choice(list(PARENTS)), visible=rng.random() < 0.5)
            for name in mentions
        ]
        source = text_of(rng, mentions)
        target = grammar.encode(items, source=source, drop=True)
        refused += target.dropped["unencodable"]
        back = grammar.parse(target.text, source)
        assert back.items == target.items
        assert back.diagnostics == {}
        written = [item.name for item in target.items]
        assert written == [n for n in mentions if n in written]
        assert set(mentions) - set(written) <= {*SEPARATORS, "Kevin  Durant"}
        for item, (start, end) in zip(target.items, target.positions, strict=True):
            assert target.text[start:end] == ("in the image" if item.visible else "")
    assert refused > 0


PARTS = (
    "Kevin Love", "Cavs", " is a ", " and a ", ", which", " is in the image", "[SSEP]", "person",
    "athlete", "not", "in the image", " [SSEP] ", "is", "a", ",", "which", "the", "image",
)  # fmt: skip


@pytest.mark.parametrize("grammar", VARIANTS)
def test_random_strings_never_raise_and_nothing_vanishes_uncounted(grammar):
    rng = random.Random(6)
    for _ in range(2_500):
        output = noise(rng, PARTS)
        for source in (None, "Kevin Love plays Cavs"):
            result = grammar.parse(output, source)
            assert not output.strip() or len(result.items) + result.diagnostics.skipped >= 1


@given(st.text(), st.text())
def test_any_text_is_read(output, source):
    GRAMMAR.parse(output, source)


def test_a_token_repeated_for_ever():
    for part in PARTS:
        assert GRAMMAR.parse(part * 10_000).items == ()


def test_one_missing_token_costs_at_most_two_of_four_items():
    items = [
        SentenceItem(name=f"Name{n}", type=kind, visible=n % 2 == 0)
        for n, kind in enumerate(PARENTS)
    ]
    text = GRAMMAR.encode(items).text
    kept = [len(GRAMMAR.parse(output).items) for output in deletions(text)]
    assert min(kept) == 2


def test_an_empty_output_shifts_nobody():
    outputs = [EXAMPLE, "", TWICE.format("")]
    assert [[item.name for item in GRAMMAR.parse(o).items] for o in outputs] == [
        ["Kevin Love", "Cavs"],
        [],
        ["Cavs"],
    ]
