"""Folding: what becomes equal, what stays apart, and the way back to the original characters."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.text.characters import inside_character
from magpie.text.folding import fold

MIXED = st.text(
    alphabet=st.sampled_from(
        "abcAZ 19.,'’“-—#@…ﬁİıßẞÅ½²™\u0301\u0308\u200d\u200e\ufe0f\u00ad"
        "👩🚀👍\U0001f3fd\U0001f1f5\U0001f1f9東京アｶﾞ서\u1112\u1161\u11abعَﷺग\u093e\t\n\u00a0\u3000"
    ),
    max_size=24,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("U . S . Steel", "u.s. steel"),
        ("# NBA", "#NBA"),
        ("@ realAda", "@realAda"),
        ("don ' t", "don’t"),
        ("Me - first", "ME—FIRST"),
        ("“Paris”", '" Paris "'),
        ("ﬁnal", "FINAL"),
        ("Straße", "STRASSE"),
        ("STRAẞE", "strasse"),
        ("İstanbul", "Istanbul"),
        ("Zoe\u0308", "ZOË"),
        ("Ａｄａ　Ｌ", "ada l"),
        ("ｶﾞｷﾞ", "ガギ"),
        ("wait…", "wait . . ."),
        ("a\u00a0\n\t b", "a b"),
        ("東京 タワー", "東京タワー"),
        ("\u200eآدا\u200f", "آدا"),
        ("❤\ufe0f fire", "❤fire"),
        ("\u1112\u1161\u11ab글", "한글"),
        ("co\u00adop", "coop"),
        ("", " \t"),
    ],
)
def test_these_are_one(one: str, other: str) -> None:
    assert fold(one).text == fold(other).text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Zoe", "Zoë"),
        ("new york", "newyork"),
        ("2014", "2015"),
        ("ı", "i"),
        ("AT&T", "AT T"),
        ("서울 역", "서울역"),
        ("🇵🇹", "🇹🇵"),
    ],
)
def test_these_stay_apart(one: str, other: str) -> None:
    assert fold(one).text != fold(other).text


def test_the_way_back_over_changed_lengths() -> None:
    text = "A ﬁne İ, Straße!"
    folded = fold(text)
    assert folded.text == "a fine i,strasse!"
    assert folded.span(2, 6) == (2, 5)
    assert text[2:5] == "ﬁne"
    assert folded.span(7, 8) == (6, 7)
    assert folded.span(9, 16) == (9, 15)
    assert text[9:15] == "Straße"
    assert folded.span(3, 6) is None  # would begin inside the ligature
    assert folded.span(9, 14) is None  # would end inside the ß


def test_dropped_characters_at_the_edges_stay_outside() -> None:
    text = " \u200eAda\u200f  . "
    folded = fold(text)
    assert folded.text == "ada."
    assert folded.span(0, 3) == (2, 5)
    assert folded.span(0, 4) == (2, 9)


def test_a_space_stands_for_the_whole_run() -> None:
    folded = fold("a \t\n b")
    assert (folded.text, folded.starts, folded.ends) == ("a b", (0, 1, 5), (1, 5, 6))


def test_lone_surrogates_and_nul_do_no_harm() -> None:
    assert fold("a\ud800b").text == "a\ud800b"
    assert fold("a\0b").text == "ab"


@given(MIXED)
def test_offsets_go_forward_and_cover_whole_characters(text: str) -> None:
    folded = fold(text)
    assert len(folded.text) == len(folded.starts) == len(folded.ends)
    for i in range(len(folded.text)):
        assert 0 <= folded.starts[i] < folded.ends[i] <= len(text)
        if i:
            same = folded.starts[i] == folded.starts[i - 1]
            assert same or folded.ends[i - 1] <= folded.starts[i]
        assert not inside_character(text, folded.starts[i])
        assert not inside_character(text, folded.ends[i])
    assert folded.text == folded.text.strip()


@given(MIXED)
def test_every_span_folds_to_what_it_was_cut_from(text: str) -> None:
    """The original characters of a folded range fold to that range again."""
    folded = fold(text)
    for first in range(len(folded.text)):
        for last in range(first + 1, len(folded.text) + 1):
            span = folded.span(first, last)
            cut = folded.text[first:last]
            if span is not None and cut == cut.strip():
                assert fold(text[slice(*span)]).text == cut


@given(MIXED)
def test_nothing_visible_is_lost(text: str) -> None:
    folded = fold(text)
    covered = {i for a, b in zip(folded.starts, folded.ends, strict=True) for i in range(a, b)}
    for place, char in enumerate(text):
        if place not in covered:
            assert char.isspace() or unicodedata.category(char) in ("Cf", "Cc", "Mn", "Mc")


@given(MIXED)
def test_canonically_equal_texts_fold_alike(text: str) -> None:
    composed, apart = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    assert fold(composed).text == fold(apart).text


def test_pieces_compose_with_nothing_before_them() -> None:
    """Folding piece by piece equals folding at once: no piece starts with what composes back."""
    for code in range(sys.maxunicode + 1):
        parts = unicodedata.decomposition(chr(code)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            pair = "".join(chr(int(part, 16)) for part in parts)
            assert inside_character(pair, 1), f"U+{code:04X}"
