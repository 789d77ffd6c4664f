"""The splitter of raw posts: it cuts like the corpora, and it never loses a character."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.text.words import is_address, split_words, word_texts


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \n\t\u00a0", []),
        ("RT @MahaveerM_: Pak is…", "RT @ MahaveerM_ : Pak is …"),
        ("India's top law school.", "India ' s top law school ."),
        ("don’t", "don ’ t"),
        ("#NBA: wins (fan) vote!", "# NBA : wins ( fan ) vote !"),
        ("Me-first stars", "Me - first stars"),
        ("M&amp;G &lt;3 &#39;", "M &amp ; G &lt ; 3 &#39 ;"),
        ("AT&T & co", "AT & T & co"),
        ("1,016 at 10:30, 3.5%", "1,016 at 10:30 , 3.5 %"),
        ("see http://t.co/8mdDRp8Ani.", "see http://t.co/8mdDRp8Ani."),
        ("at outona… http://t.c… ht…", "at outona … http://t.c… ht…"),
        ("the U.S. team", "the U.S. team"),
        ("wow... no!!! ok??", "wow ... no !!! ok ??"),
        ("fire🔥🔥 ❤\ufe0f", ["fire", "🔥", "🔥", "❤", "\ufe0f"]),
        (
            "Beyonce\u0301 in \u092e\u0941\u0902\u092c\u0908",
            "Beyonce\u0301 in \u092e\u0941\u0902\u092c\u0908",
        ),
        ("Festival_Cannes", "Festival_Cannes"),
    ],
)
def test_cuts_like_the_corpora(text, words):
    assert word_texts(text) == (words.split(" ") if isinstance(words, str) else words)


@given(st.text(max_size=80))
def test_ranges_hold_everything_but_white_space(text):
    spans = split_words(text)
    assert all(a < b for a, b in spans)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
    kept = "".join(text[a:b] for a, b in spans)
    assert "".join(kept.split()) == "".join(text.split())
    assert not any(char.isspace() for char in kept)


@given(st.lists(st.sampled_from(["Paris", "#", "NBA", "'", "2,5", "http://t.co/x", "…"])))
def test_splitting_is_stable_under_spacing(words):
    assert word_texts(" ".join(words)) == words


def test_long_input_stays_linear():
    text = "a" * 200_000 + " " + "." * 200_000 + " " + "1," * 100_000
    spans = split_words(text)
    assert spans[0] == (0, 200_000)
    assert spans[-1][1] == len(text)


@pytest.mark.parametrize("word", ["http://t.co/1", "https://x", "www.x.org", "h…", "http:…", "//t"])
def test_addresses(word):
    assert is_address(word)


@pytest.mark.parametrize("word", ["hotel", "t.company", "h", "…", "wwwhat", "http"])
def test_no_addresses(word):
    assert not is_address(word)
