"""Words and characters against slow definitions, on text of many scripts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.errors import ConfigError, SchemaError
from magpie.text.align import characters_of, tile, words_of
from magpie.text.words import split_words

SAMPLES = [
    "Met Ada's team at #Porto_2024 !",
    "👩‍🚀 Ada 🎉🎉 in Faro👍🏽",
    "Cafe\u0301 Zoe\u0308 opens",  # combining marks behind their letters
    "東京でアダさんに会った",
    "قابلت آدا في بورتو اليوم",
    "גרה בלִיסְבּוֹן עם Ada",
    "ไปเที่ยวกรุงเทพฯ กับ Ada",
    "",
    " \t\u00a0",
]


def test_exact_and_widened() -> None:
    text = "Met Ada's team"
    words = split_words(text)
    assert [text[a:b] for a, b in words] == ["Met", "Ada", "'", "s", "team"]
    assert words_of(words, 4, 7) == (1, 2)
    assert words_of(words, 4, 9) == (1, 4)
    assert words_of(words, 5, 9) is None
    assert words_of(words, 5, 9, how="widened") == (1, 4)
    assert words_of(words, 3, 7) is None  # begins at a space
    assert words_of(words, 3, 7, how="widened") == (1, 2)
    assert words_of(words, 0, len(text)) == (0, 5)


def test_touching_is_not_sharing() -> None:
    words = [(0, 3), (3, 5)]
    assert words_of(words, 0, 3, how="widened") == (0, 1)
    assert words_of(words, 3, 5, how="widened") == (1, 2)
    assert words_of(words, 2, 4, how="widened") == (0, 2)


def test_a_span_without_words() -> None:
    assert words_of([(0, 2), (5, 7)], 2, 5, how="widened") is None
    assert words_of([(0, 2)], 9, 12, how="widened") is None
    assert words_of([], 0, 1, how="widened") is None


@pytest.mark.parametrize(("start", "end"), [(2, 2), (3, 1), (-1, 2)])
def test_spans_that_are_none(start: int, end: int) -> None:
    with pytest.raises(SchemaError) as caught:
        words_of([(0, 3)], start, end)
    assert caught.value.code == "schema-span"


def test_an_unknown_way() -> None:
    way: Any = "nearest"
    with pytest.raises(ConfigError, match="how must be exact or widened, got 'nearest'"):
        words_of([(0, 3)], 0, 3, how=way)


def test_words_to_characters() -> None:
    words = [(0, 3), (4, 9), (9, 10)]
    assert characters_of(words, 0, 1) == (0, 3)
    assert characters_of(words, 1, 3) == (4, 10)


@pytest.mark.parametrize(("first", "last"), [(1, 1), (2, 1), (-1, 1), (0, 4)])
def test_words_that_are_not_there(first: int, last: int) -> None:
    with pytest.raises(SchemaError, match=r"beyond the 3 words") as caught:
        characters_of([(0, 3), (4, 9), (9, 10)], first, last)
    assert caught.value.code == "schema-span"


def test_a_combining_mark_belongs_to_its_word() -> None:
    text = "Cafe\u0301 opens"
    words = split_words(text)
    assert words_of(words, 0, 5) == (0, 1)
    assert words_of(words, 0, 4) is None  # would leave the accent behind
    assert words_of(words, 0, 4, how="widened") == (0, 1)


def test_tiling_cuts_words_at_the_spans_edges() -> None:
    words = [(0, 9), (10, 14)]
    assert tile(words, [(0, 3)]) == [(0, 3), (3, 9), (10, 14)]
    assert tile(words, [(2, 12), (5, 7)]) == [(0, 2), (2, 5), (5, 7), (7, 9), (10, 12), (12, 14)]
    assert tile(words, []) == words
    assert tile(words, [(0, 9), (9, 10)]) == words
    assert tile([], [(0, 3)]) == []


@st.composite
def texts_and_spans(draw: st.DrawFn) -> tuple[str, list[tuple[int, int]]]:
    text = draw(st.sampled_from(SAMPLES) | st.text(max_size=25))
    spans = []
    if text:
        for _ in range(draw(st.integers(0, 4))):
            start = draw(st.integers(0, len(text) - 1))
            spans.append((start, draw(st.integers(start + 1, len(text)))))
    return text, spans


@given(texts_and_spans())
def test_widened_takes_the_words_that_share_a_character(
    case: tuple[str, list[tuple[int, int]]],
) -> None:
    text, spans = case
    words = split_words(text)
    for start, end in spans:
        shared = [i for i, (a, b) in enumerate(words) if set(range(a, b)) & set(range(start, end))]
        expected = (shared[0], shared[-1] + 1) if shared else None
        assert words_of(words, start, end, how="widened") == expected


@given(texts_and_spans())
def test_exact_undoes_words_to_characters(case: tuple[str, list[tuple[int, int]]]) -> None:
    text, spans = case
    words = split_words(text)
    for first in range(len(words)):
        for last in range(first + 1, len(words) + 1):
            assert words_of(words, *characters_of(words, first, last)) == (first, last)
    for start, end in spans:
        exact = words_of(words, start, end)
        if exact is not None:
            assert characters_of(words, *exact) == (start, end)
            assert words_of(words, start, end, how="widened") == exact
        else:
            edges = {a for a, _ in words}, {b for _, b in words}
            assert start not in edges[0] or end not in edges[1]


@given(texts_and_spans())
def test_tiles_hold_the_same_characters_and_fit_every_span(
    case: tuple[str, list[tuple[int, int]]],
) -> None:
    text, spans = case
    words = split_words(text)
    pieces = tile(words, spans)
    assert [i for a, b in pieces for i in range(a, b)] == [i for a, b in words for i in range(a, b)]
    for start, end in spans:
        touched = words_of(pieces, start, end, how="widened")
        if touched is not None:
            a, b = characters_of(pieces, *touched)
            assert start <= a < b <= end
    assert tile(pieces, spans) == pieces
