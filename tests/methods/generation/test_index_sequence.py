from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magpie.errors import ConfigError
from magpie.methods.generation.index_sequence import IndexGrammar, IndexItem
from magpie.methods.generation.result import UnencodableTarget

TYPES = ("LOC", "PER", "OTHER", "ORG")
GRAMMAR = IndexGrammar(TYPES)
#: Kevin, Love, plays and Cavs begin at these positions; Cavs has two pieces
STARTS = (1, 2, 3, 4)
EXAMPLE = (
    IndexItem(positions=(1, 2), grounded=True, type="PER"),
    IndexItem(positions=(4,), grounded=False, type="ORG"),
)


def told(result):
    return {item.positions: (item.grounded, item.type) for item in result.items}


def random_items(rng: random.Random, words: int) -> tuple[tuple[int, ...], list[IndexItem]]:
    """Word starts of a text with words of one to three pieces, and disjoint entities in it."""
    starts, place = [], 1
    for _ in range(words):
        starts.append(place)
        place += rng.randint(1, 3)
    items, word = [], 0
    while word < words:
        length = min(rng.randint(1, 3), words - word)
        if rng.random() < 0.4:
            items.append(
                IndexItem(
                    positions=tuple(starts[word : word + length]),
                    grounded=rng.random() < 0.5,
                    type=rng.choice(TYPES),
                )
            )
        word += length
    return tuple(starts), items


def test_the_example_is_written_and_read_back():
    target = GRAMMAR.encode(EXAMPLE, starts=STARTS)
    assert target.ids == (0, 9, 10, 2, 5, 12, 3, 7, 1)
    assert [item.step for item in target.items] == [3, 6]
    assert target.positions == ((3, 4), (6, 7))
    back = GRAMMAR.parse(target.ids, starts=STARTS)
    assert told(back) == {(1, 2): (True, "PER"), (4,): (False, "ORG")}
    assert back.items == target.items
    assert back.diagnostics == {}


@pytest.mark.parametrize(
    ("output", "items", "codes"),
    [
        ("0 10 9 2 5 1", {}, {"not_ascending": 1}),
        ("0 9 4 12 3 7 1", {}, {"bad_region_flag": 1, "empty_span": 1}),
        ("0 9 10 2", {}, {"truncated": 1, "repair_no_end": 1}),
        ("0 9 10 1", {}, {"truncated": 1}),
        ("0 9 10 2 9 1", {}, {"bad_type": 1}),
        ("0 2 5 9 3 4 1", {(1,): (False, "LOC")}, {"empty_span": 1}),
        ("0 9 2 5 9 3 7 1", {(1,): (False, "ORG")}, {"duplicate": 1}),
        ("0 1", {}, {}),
        ("0 9 10 2 5 12 3 7 1", {(1, 2): (True, "PER"), (4,): (False, "ORG")}, {}),
    ],
)
def test_every_row_of_the_specification(output, items, codes):
    result = GRAMMAR.parse([int(index) for index in output.split()])
    assert told(result) == items
    assert result.diagnostics == codes


def test_the_last_of_two_on_the_same_words_counts():
    result = GRAMMAR.parse([9, 10, 2, 5, 9, 10, 3, 7])
    assert told(result) == {(1, 2): (False, "ORG")}


def test_start_and_padding_may_be_there_or_not():
    written = GRAMMAR.parse([9, 10, 2, 5, 12, 3, 7, 1, 1, 1])
    assert written.items == GRAMMAR.encode(EXAMPLE).items
    assert written.diagnostics == {}


def test_what_stands_behind_the_end_is_counted():
    assert GRAMMAR.parse([0, 1, 9, 2, 5]).diagnostics == {"after_end": 1}


def test_steps_are_those_that_read_the_flag():
    result = GRAMMAR.parse([9, 10, 2, 5, 12, 3, 7, 14, 2, 4, 1])
    assert [(item.step, item.grounded) for item in result.items] == [
        (3, True),
        (6, False),
        (9, True),
    ]


def test_items_no_gold_can_equal_are_kept_and_counted():
    inside = GRAMMAR.parse([0, 8 + 5, 2, 5, 1], starts=STARTS)
    assert told(inside) == {(5,): (True, "PER")}
    assert inside.diagnostics == {"not_a_word_start": 1}
    apart = GRAMMAR.parse([0, 9, 11, 3, 5, 1], starts=STARTS)
    assert told(apart) == {(1, 3): (False, "PER")}
    assert apart.diagnostics == {"not_contiguous": 1}
    assert apart.diagnostics.skipped == 0
    assert GRAMMAR.words(apart.items[0], STARTS) is None
    assert GRAMMAR.words(EXAMPLE[0], STARTS) == (0, 2)


def test_the_papers_numbering_is_one_less_and_has_no_start():
    paper = IndexGrammar(TYPES, numbering="paper")
    target = paper.encode(EXAMPLE)
    assert target.ids == (8, 9, 1, 4, 11, 2, 6, 0)
    assert (paper.start, paper.end, paper.grounded, paper.ungrounded) == (None, 0, 1, 2)
    assert (paper.first_type, paper.first_pointer) == (3, 7)
    assert (GRAMMAR.start, GRAMMAR.end, GRAMMAR.first_type, GRAMMAR.first_pointer) == (0, 1, 4, 8)
    back = paper.parse(target.ids)
    assert back.items == target.items == GRAMMAR.encode(EXAMPLE).items
    assert back.diagnostics == {}


def test_the_release_keeps_a_wrong_type():
    result = IndexGrammar(TYPES, legacy_types=True).parse([0, 9, 10, 2, 9, 1])
    assert told(result) == {(1, 2): (True, "#9")}
    assert result.diagnostics == {}


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (IndexItem(positions=(2, 1), grounded=True, type="PER"), "ascend"),
        (IndexItem(positions=(), grounded=True, type="PER"), "ascend"),
        (IndexItem(positions=(1,), grounded=True, type="CITY"), "types"),
        (IndexItem(positions=(1, 3), grounded=True, type="PER"), "adjacent"),
        (IndexItem(positions=(5,), grounded=True, type="PER"), "adjacent"),
    ],
)
def test_what_cannot_be_written_is_refused_or_dropped(item, reason):
    with pytest.raises(UnencodableTarget, match=reason):
        GRAMMAR.encode([item], starts=STARTS)
    target = GRAMMAR.encode([item, EXAMPLE[1]], starts=STARTS, drop=True)
    assert target.ids == (0, 12, 3, 7, 1)
    assert target.dropped == {"unencodable": 1}


def test_two_entities_on_the_same_words_cannot_both_be_written():
    with pytest.raises(UnencodableTarget, match="twice"):
        GRAMMAR.encode([EXAMPLE[1], EXAMPLE[1]])


def test_a_long_target_loses_whole_items():
    for limit, kept in ((9, 2), (8, 1), (6, 1), (5, 0), (2, 0)):
        target = GRAMMAR.encode(EXAMPLE, limit=limit)
        assert len(target.ids) <= limit
        assert len(target.items) == kept
        assert target.dropped["target_overflow"] == 2 - kept
        assert GRAMMAR.parse(target.ids).diagnostics == {}


def test_types_must_be_different():
    with pytest.raises(ConfigError, match="different"):
        IndexGrammar(("PER", "PER"))
    with pytest.raises(ConfigError, match="numbering"):
        IndexGrammar(("PER",), numbering="book")


@pytest.mark.parametrize("numbering", ["code", "paper"])
def test_two_hundred_records_come_back(numbering):
    grammar = IndexGrammar(TYPES, numbering=numbering)
    rng = random.Random(3)
    for _ in range(200):
        starts, items = random_items(rng, rng.randint(1, 40))
        target = grammar.encode(items, starts=starts)
        back = grammar.parse(target.ids, starts=starts)
        assert [item.told for item in back.items] == [item.told for item in items]
        assert back.items == target.items
        assert back.diagnostics == {}
        for item, (step, _) in zip(back.items, target.positions, strict=True):
            flag = grammar.grounded if item.grounded else grammar.ungrounded
            assert target.ids[step - (numbering == "paper")] == flag


def test_random_indices_never_raise_and_nothing_vanishes_uncounted():
    rng = random.Random(4)
    for _ in range(10_000):
        output = [rng.randint(-3, 16) for _ in range(rng.randint(0, 30))]
        result = GRAMMAR.parse(output, starts=STARTS)
        body = output[output[:1] == [0] :]
        legal_empty = not body or (set(body) <= {0, 1} and body[0] == 1)
        assert legal_empty or len(result.items) + result.diagnostics.skipped >= 1


def test_a_token_repeated_for_ever():
    for index in (-1, 0, 1, 2, 5, 9):
        result = GRAMMAR.parse([index] * 10_000)
        assert result.items == ()


@settings(max_examples=200)
@given(st.lists(st.integers(-(10**30), 10**30)))
def test_any_integers_are_read(output):
    GRAMMAR.parse(output)


def test_one_missing_index_costs_at_most_two_of_four_items():
    items = [
        IndexItem(positions=(1 + 3 * n,), grounded=n % 2 == 0, type=TYPES[n]) for n in range(4)
    ]
    ids = GRAMMAR.encode(items).ids
    kept = [len(GRAMMAR.parse(ids[:n] + ids[n + 1 :]).items) for n in range(len(ids))]
    assert min(kept) == 2
    wanted = {item.told for item in items}
    for n in range(len(ids)):
        assert len({i.told for i in GRAMMAR.parse(ids[:n] + ids[n + 1 :]).items} & wanted) >= 2


def test_an_empty_output_shifts_nobody():
    outputs = [[0, 9, 2, 5, 1], [], [0, 10, 3, 7, 1]]
    assert [told(GRAMMAR.parse(output)) for output in outputs] == [
        {(1,): (True, "PER")},
        {},
        {(2,): (False, "ORG")},
    ]
