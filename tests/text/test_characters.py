"""Where a cut may fall, on text of many scripts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.text.characters import at_word_edge, inside_character, is_unspaced, is_word

ALPHABET = (
    "ab_1 .#\r\né\u0301\u0308ñ中東あアー서울\u1112\u1161\u11abไทยعـَبग\u093e\u094d\u200d\u200c\u200e"
    "👩🚀👍\U0001f3fd❤\ufe0f\U0001f1f5\U0001f1f9\U0001f1e9\U0001f1ea1\u20e3\U000e0067\U000e007f"
)


def edges(text: str) -> list[int]:
    return [place for place in range(len(text) + 1) if at_word_edge(text, place)]


def whole(text: str) -> list[str]:
    """The characters as a reader sees them."""
    cuts = [place for place in range(len(text)) if not inside_character(text, place)]
    return [text[a:b] for a, b in zip(cuts, [*cuts[1:], len(text)], strict=True)]


@pytest.mark.parametrize(
    "characters",
    [
        ["a", "b"],
        ["e\u0301", "x"],
        ["👩‍🚀", "👍🏽", "❤\ufe0f", "!"],
        ["🇵🇹", "🇩🇪", "🇵"],
        ["👨‍👩‍👧‍👦", "a"],
        ["1\ufe0f\u20e3", "2"],
        ["\u1112\u1161\u11ab", "글"],
        ["🏴\U000e0067\U000e0062\U000e007f", "x"],
        ["\r\n", "\n"],
        ["بَ", "ل"],
        ["ｶﾞ", "ｷ"],
    ],
)
def test_what_a_reader_sees_as_one(characters: list[str]) -> None:
    assert whole("".join(characters)) == characters


def test_the_ends_of_a_text_are_never_inside() -> None:
    assert not inside_character("\u0301a", 0)
    assert not inside_character("a\u0301", 2)
    assert not inside_character("", 0)


def test_a_row_of_flags_is_counted_from_its_start_up_to_a_bound() -> None:
    flags = "🇵🇹" * 64
    assert [inside_character(flags, place) for place in range(8)] == [False, True] * 4
    assert inside_character(flags, 127)
    assert inside_character("x" + flags, 2)
    assert not inside_character("🇵🇹" * 200, 301)  # beyond the bound nothing is counted


def test_word_edges() -> None:
    assert edges("Ann's 2nd") == [0, 3, 4, 5, 6, 9]
    assert edges("#Porto_24!") == [0, 1, 9, 10]
    assert edges("Zoe\u0308 x") == [0, 4, 5, 6]
    assert edges("❤\ufe0ffire") == [0, 2, 6]
    assert edges("می\u200cخواهم") == [0, 8]
    assert edges("") == [0]


def test_scripts_without_spaces_have_an_edge_at_every_character() -> None:
    assert edges("東京でアダ") == [0, 1, 2, 3, 4, 5]
    assert edges("東京NBA") == [0, 1, 2, 5]
    assert edges("서울역") == [0, 3]  # Korean has spaces
    assert edges("ไปที่") == [0, 1, 2, 5]  # vowel sign and tone stay with their letter


def test_kinds_of_characters() -> None:
    assert all(map(is_word, "aß中ก٣_\u0301\u200d"))
    assert not any(map(is_word, " .#'👩\ufe0f"))
    assert all(map(is_unspaced, "中ぁアไກ\U00020000"))
    assert not any(map(is_unspaced, "a서ب、1"))


@given(st.text(alphabet=ALPHABET, max_size=14))
def test_edges_are_never_inside_a_character(text: str) -> None:
    for place in edges(text):
        assert not inside_character(text, place)
    assert {0, len(text)} <= set(edges(text))


# Without ZERO WIDTH JOINER and conjuncts, which newer Unicode joins by tables of their own.
PLAIN = "".join(char for char in ALPHABET if char not in "\u200d\u094d\u200e")


@given(st.text(alphabet=PLAIN, max_size=14))
def test_never_finer_than_unicode(text: str) -> None:
    """What Unicode's own clusters keep together is kept together here, too."""
    regex = pytest.importorskip("regex", reason="an oracle that comes with transformers")
    clusters = {match.start() for match in regex.finditer(r"\X", text)}
    assert {place for place in range(len(text)) if not inside_character(text, place)} <= clusters
