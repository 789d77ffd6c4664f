"""Where TIGER's sentences say "in the image", and how the public code's scans go astray."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from magpie.methods._tiger import pair_running, released_marks, released_phrases
from magpie.methods.generation.phrases import find_phrase

# T5's own ids; entity pieces are arbitrary, "which is" 200 201, the separator 300.
PHRASE, NOT = (16, 8, 1023), 59
UNSEEN_THEN_SEEN = [
    101, 102, 200, 201, 59, 16, 8, 1023, 300, 103, 104, 200, 201, 16, 8, 1023,
]  # fmt: skip


def training(ids: list[int], *, arms: bool = False) -> list[tuple[int, ...]]:
    return released_phrases(ids, PHRASE, NOT, drops=True, arms=arms)


def inference(ids: list[int], *, arms: bool = False) -> list[tuple[int, ...]]:
    return released_phrases(ids, PHRASE, NOT, drops=False, arms=arms)


def test_after_an_entity_that_is_not_seen() -> None:
    assert find_phrase(UNSEEN_THEN_SEEN, PHRASE, NOT) == [(13, 14, 15)]
    assert training(UNSEEN_THEN_SEEN) == [(11, 12, 13)]
    assert inference(UNSEEN_THEN_SEEN) == [(13, 14, 15)]


def test_an_article_in_the_name() -> None:
    ids = [101, 8, 102, 200, 201, 16, 8, 1023]
    assert find_phrase(ids, PHRASE, NOT) == [(5, 6, 7)]
    assert training(ids) == [(4, 5, 6)]
    assert inference(ids) == [(5, 6, 7)]


def test_not_in_the_name_swallows_the_phrase_of_both_scans() -> None:
    ids = [101, 59, 102, 200, 201, 16, 8, 1023, 300, 103, 200, 201, 16, 8, 1023]
    assert find_phrase(ids, PHRASE, NOT) == [(5, 6, 7), (12, 13, 14)]
    # Without the flag the name's "not" does no harm; with it, the first phrase is not found.
    assert inference(ids) == [(5, 6, 7), (12, 13, 14)]
    assert inference(ids, arms=True) == [(12, 13, 14)]
    assert training(ids, arms=True) == [(10, 11, 12)]
    assert training([101, 59, 102, 200, 201, 16, 8, 1023], arms=True) == []


def test_a_name_that_begins_like_the_phrase() -> None:
    ids = [16, 8, 101, 200, 201, 16, 8, 1023]
    assert find_phrase(ids, PHRASE, NOT) == training(ids) == inference(ids) == [(5, 6, 7)]
    assert find_phrase([16, 16, 8, 1023], PHRASE, NOT) == [(1, 2, 3)]
    assert find_phrase([16, 8], PHRASE, NOT) == find_phrase([], PHRASE, NOT) == []


def test_phrases_of_any_number_of_pieces() -> None:
    phrase, no = (4, 5, 6, 7, 8), 2
    ids = [1, 3, 2, *phrase, 9, 3, *phrase, 2, 3, *phrase]
    assert find_phrase(ids, phrase, no) == [(10, 11, 12, 13, 14), (17, 18, 19, 20, 21)]
    assert find_phrase([4, 9, 4], (4,), 9) == [(0,)]


pieces = st.lists(st.sampled_from([16, 8, 1023, 59, 101, 300]), max_size=40)


@given(pieces)
def test_the_rule_finds_all_and_only_what_it_says(ids: list[int]) -> None:
    expected, at = [], 0
    while at < len(ids):
        if ids[at : at + 3] == [16, 8, 1023]:
            if at == 0 or ids[at - 1] != 59:
                expected.append((at, at + 1, at + 2))
            at += 3
        else:
            at += 1
    assert find_phrase(ids, PHRASE, NOT) == expected


@given(pieces)
def test_marks_of_the_released_scans(ids: list[int]) -> None:
    for arms in (False, True):
        whole = released_marks(ids, PHRASE, NOT, drops=False, arms=arms)
        slid = released_marks(ids, PHRASE, NOT, drops=True, arms=arms)
        assert len(whole) == len(ids) >= len(slid)
        assert sum(whole) % 3 == sum(slid) % 3 == 0
        for phrase in inference(ids, arms=arms):
            assert [ids[place] for place in phrase] == list(PHRASE)


def test_one_pointer_over_all_outputs() -> None:
    phrases = [[(3, 4, 5), (9, 10, 11)], [(2, 3, 4)], []]
    # All parsed: everybody keeps the own phrase.
    assert pair_running(phrases, [2, 1, 0]) == [
        [(0, (3, 4, 5)), (0, (9, 10, 11))],
        [(1, (2, 3, 4))],
        [],
    ]
    # The first output's first sentence cannot be parsed: all that follow are one late.
    assert pair_running(phrases, [1, 1, 1]) == [
        [(0, (3, 4, 5))],
        [(0, (9, 10, 11))],
        [(1, (2, 3, 4))],
    ]
    assert pair_running([[]], [1]) == [[None]]
