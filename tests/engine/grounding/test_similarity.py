"""Mentions against lettering: what matches, where, and what must not."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.engine.grounding.ocr import TextLine
from magpie.engine.grounding.similarity import (
    fold,
    mention_tokens,
    read_mention,
    text_similarity,
)


def line(text: str, x: float = 0, y: float = 0, size: float = 10) -> TextLine:
    """A level line whose characters are ``size`` wide and high."""
    width = size * len(text)
    return TextLine(text, 0.9, ((x, y), (x + width, y), (x + width, y + size), (x, y + size)))


@pytest.mark.parametrize(
    ("mention", "tokens"),
    [
        ("Eileen Collins", ["elleen", "colllns"]),
        ("TheSpaceLegendSeries", ["space", "legend", "serles"]),
        ("WorldCup2022", ["world", "cup", "zozz"]),
        ("NASA", ["nasa"]),
        ("the Hague", ["hague"]),
        ("The The", ["the", "the"]),
        ("Beyoncé", ["beyonce"]),
        ("kierre_james", ["klerre", "james"]),
        ("...", []),
    ],
)
def test_mentions_are_split_and_folded(mention: str, tokens: list[str]) -> None:
    assert mention_tokens(mention) == tokens


@pytest.mark.parametrize(("read", "meant"), [("C0LLINS", "Collins"), ("8OB", "Bob"), ("5T", "st")])
def test_what_ocr_confuses_is_one(read: str, meant: str) -> None:
    assert fold(read) == fold(meant)


def test_exact_word_and_its_place_in_the_line() -> None:
    found = read_mention("NASA", [line("VISIT NASA NOW", x=100, y=50)])
    assert found is not None
    assert found.similarity == 1.0
    assert found.text == "NASA"
    assert found.box == pytest.approx((160, 50, 200, 60))


def test_slanted_lines_are_followed() -> None:
    slanted = TextLine("ab nasa", 0.9, ((0, 0), (70, 70), (60, 80), (-10, 10)))
    found = read_mention("NASA", [slanted])
    assert found is not None
    assert found.box == pytest.approx((20, 30, 70, 80))


def test_hashtag_meets_separate_words_and_the_reverse() -> None:
    lines = [line("SPACE", y=0), line("LEGEND", y=12), line("SERIES", y=24)]
    found = read_mention("TheSpaceLegendSeries", lines)
    assert found is not None
    assert found.similarity == 1.0
    assert found.box == pytest.approx((0, 0, 60, 34))
    joined = read_mention("Granblue Fantasy", [line("GRANBLUEFANTASY")])
    assert joined is not None
    assert joined.similarity == 1.0


def test_a_small_misreading_is_forgiven_in_long_words_only() -> None:
    found = read_mention("San Francisco", [line("SAN FRANCISCC")])
    assert found is not None
    assert 0.85 < found.similarity < 1.0
    assert read_mention("NASA", [line("NAFA")]) is None


def test_part_of_a_name_counts_by_its_length() -> None:
    found = read_mention("Eileen Collins", [line("COLLINS ASHBY")])
    assert found is not None
    assert found.similarity == pytest.approx(7 / 13)
    assert found.text == "COLLINS"


def test_words_far_apart_are_not_put_together() -> None:
    lines = [line("KING"), line("POWER", x=500, y=500)]
    found = read_mention("King Power", lines)
    assert found is not None
    assert found.text == "POWER"
    assert found.similarity == pytest.approx(5 / 9)


def test_empty_words_alone_match_nothing() -> None:
    assert read_mention("The Hague", [line("THE END OF THE ROAD")]) is None
    assert read_mention("...", [line("anything")]) is None
    assert read_mention("NASA", []) is None


def test_the_larger_of_equal_lettering_wins() -> None:
    found = read_mention("Nike", [line("NIKE", size=5), line("NIKE", y=100, size=40)])
    assert found is not None
    assert found.box[1] == pytest.approx(100)


def test_text_similarity() -> None:
    caption = "the chicago bears and green bay packers"
    assert text_similarity("Bears", caption) == 1.0
    assert text_similarity("Chicago Bulls", caption) == pytest.approx(7 / 12)
    assert text_similarity("Lakers", caption) == 0.0
    assert text_similarity("...", caption) == 0.0
    assert text_similarity("Bears", "") == 0.0


@given(st.permutations(range(5)), st.integers(0, 99))
def test_order_of_lines_changes_nothing(order: list[int], seed: int) -> None:
    source = random.Random(seed)
    words = ["SAN", "FRANCISCO", "GIANTS", "SAN JOSE", "FRANCISCO"]
    lines = [line(word, x=source.randint(0, 80), y=source.randint(0, 80)) for word in words]
    expected = read_mention("San Francisco", lines)
    assert read_mention("San Francisco", [lines[i] for i in order]) == expected


@given(st.text(max_size=30), st.text(min_size=1, max_size=30))
def test_any_text_is_survived_and_scores_stay_in_range(mention: str, read: str) -> None:
    found = read_mention(mention, [line(read)])
    assert found is None or 0.0 < found.similarity <= 1.0
    assert 0.0 <= text_similarity(mention, read) <= 1.0
