"""Generated strings put back: hand values, slow definitions, and offsets that are always right."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from magpie.errors import ConfigError
from magpie.text import locate as module
from magpie.text.characters import at_word_edge, inside_character
from magpie.text.folding import fold
from magpie.text.locate import Located, Locator, Status, default_distance, locate

SAMPLES = [
    "Kevin Love joins the U . S . team # NBA @ ada_l !",
    "👩‍🚀 Ada 🎉🎉 in Faro👍🏽 🇵🇹🇩🇪",
    "Cafe\u0301 Zoe\u0308 opens a ﬁne Straße in İzmir…",
    "東京でアダさんに会った。",
    "\u200fقابلت آدا في بورتو، اليوم\u200f",
    "גרה בלִיסְבּוֹן עם Ada",
    "ไปเที่ยวกรุงเทพฯ กับ Ada",
    "“He said ‘don ’ t’ — twice”",
]


def cut(text: str, string: str, **options: Any) -> tuple[str, str]:
    """Status and the original characters."""
    place = locate(text, string, **options)
    return place.status.value, text[slice(*place.span)] if place.found else ""


@pytest.mark.parametrize(
    ("text", "string", "status", "found"),
    [
        ("Ann met Ann", "Ann", "exact", "Ann"),
        ("Hannah met Ann", "Ann", "exact", "Ann"),
        ("Hannah Ann visits", "ann", "normalised", "Ann"),
        ("the U . S . team", "U.S.", "normalised", "U . S ."),
        ("the U.S. team", "u . s .", "normalised", "U.S."),
        ("a # NBA night", "#NBA", "normalised", "# NBA"),
        ("an NBA night", "#NBA", "normalised", "NBA"),
        ("hi @ada_l", "ada_l", "exact", "ada_l"),
        ("hi ada_l", "@ada_l", "normalised", "ada_l"),
        ("in Paris today", '"Paris."', "normalised", "Paris"),
        ("in Paris today", " Paris\n", "exact", "Paris"),
        ("in Paris today", "**Paris**", "normalised", "Paris"),
        ("don ’ t stop", "don't", "normalised", "don ’ t"),
        ("Jean–Luc", "jean-luc", "normalised", "Jean–Luc"),
        ("a ﬁne day", "fine", "normalised", "ﬁne"),
        ("die STRASSE", "Straße", "normalised", "STRASSE"),
        ("in İzmir", "Izmir", "normalised", "İzmir"),
        ("met Zoe\u0308 L", "Zoë L", "normalised", "Zoe\u0308 L"),
        ("met Zoe\u0308 L", "Zoe", "not-found", ""),  # would cut the letter from its mark
        ("Faro👍🏽!", "Faro", "exact", "Faro"),
        ("👍🏽!", "👍", "not-found", ""),
        ("👩‍🚀 Ada", "🚀", "not-found", ""),
        ("❤\ufe0f it", "❤", "normalised", "❤\ufe0f"),
        ("東京でアダさんに", "アダ", "exact", "アダ"),
        ("東京 タワーで", "東京タワー", "normalised", "東京 タワー"),
        ("قابلت \u200fآدا\u200f في", "\u200eآدا\u200e", "normalised", "آدا"),
        ("New  York\nCity", "new york city", "normalised", "New  York\nCity"),
        ("Kevin Lvoe plays", "Kevin Love", "fuzzy", "Kevin Lvoe"),
        ("Beyoncé sings", "Beyonce", "fuzzy", "Beyoncé"),
        ("the Washingtn Post", "#Washington Post", "fuzzy", "Washingtn Post"),
        ("Rio in 2014", "Rio in 2015", "not-found", ""),
        ("sold 10,000 cars", "20,000 cars", "not-found", ""),
        ("Jon", "Jan", "not-found", ""),  # too short to guess
        ("vitamin C here", "C++", "not-found", ""),
        ("", "Ann", "not-found", ""),
        ("Ann", "", "not-found", ""),
        ("Ann", " \u200d", "not-found", ""),
        ("Ann ...", "...", "exact", "..."),
        ("fire 🔥 here", "🔥", "exact", "🔥"),
    ],
)
def test_hand_values(text: str, string: str, status: str, found: str) -> None:
    assert cut(text, string) == (status, found)


def test_fuzzy_counts_edits() -> None:
    place = locate("see Kevin Lvoe now", "Kevin Love")
    assert place == Located(Status.FUZZY, 4, 14, distance=2, occurrence=0, occurrences=1)
    assert locate("see Kevin Lvoe now", "Kevin Love", max_distance=1).status is Status.NOT_FOUND
    assert locate("see Kevin Lvoe now", "Kevin Love", max_distance=0).status is Status.NOT_FOUND
    assert locate("met Jon", "Jan", max_distance=1).span == (4, 7)
    assert not locate("Jo x", "Al", max_distance=2).found  # never more than one edit in two
    assert [default_distance(n) for n in (0, 4, 5, 14, 15)] == [0, 0, 1, 2, 3]


def test_fuzzy_prefers_fewer_edits_to_an_earlier_place() -> None:
    assert locate("Kevon Lovv, Kevin Lovv", "Kevin Love").span == (12, 22)
    assert locate("Kevin Lovv, Kevon Love", "Kevin Love").span == (0, 10)


def test_fuzzy_keeps_to_the_edges_of_words() -> None:
    assert cut("unKevin Lvoe Kevin Lvoes", "Kevin Love") == ("not-found", "")
    assert cut("unKevin Lvoe", "Kevin Love", boundaries="character") == ("fuzzy", "Kevin Lvoe")


def test_occurrences_after_and_used() -> None:
    text = "Ann, Ann and Ann"
    assert locate(text, "Ann") == Located(Status.EXACT, 0, 3, occurrence=0, occurrences=3)
    assert locate(text, "Ann", after=1) == Located(Status.EXACT, 5, 8, occurrence=1, occurrences=3)
    assert locate(text, "Ann", used=[(0, 3), (6, 7)]).span == (13, 16)
    assert locate(text, "Ann", used=[(0, 16)]).status is Status.NOT_FOUND
    assert locate(text, "Ann", used=[(-5, 2), (15, 99)]).span == (5, 8)
    assert locate(text, "Ann", after=14).status is Status.NOT_FOUND


def test_a_later_stage_is_asked_where_the_places_of_the_first_are_used() -> None:
    assert locate("Ann met ANN", "Ann", used=[(0, 3)]).status is Status.NORMALISED
    place = locate("Kevin Love, Kevin Lvoe", "Kevin Love", used=[(0, 10)])
    assert (place.status, place.span) == (Status.FUZZY, (12, 22))
    assert not locate("Kevin Lvoe", "Kevin Love", used=[(6, 7)]).found
    assert not locate("Kevin Lvoe", "Kevin Love", after=1).found


def test_unique_refuses_to_choose() -> None:
    place = locate("Ann, Ann", "Ann", which="unique")
    assert (place.status, place.found, place.occurrences) == (Status.AMBIGUOUS, False, 2)
    with pytest.raises(ValueError, match="ambiguous has no span"):
        _ = place.span
    assert locate("Ann, Ann", "Ann", which="unique", used=[(0, 3)]).span == (5, 8)


def test_all_places_of_the_best_stage() -> None:
    spans = [place.span for place in Locator("aa ann Ann ANN Hannah").locate_all("Ann")]
    assert spans == [(7, 10)]
    places = Locator("aa ann ANN Hannah").locate_all("Ann")
    assert [(p.span, p.occurrence, p.occurrences) for p in places] == [
        ((3, 6), 0, 2),
        ((7, 10), 1, 2),
    ]
    places = Locator("Kevin Lvoe, Kevin Lovv, Kevin").locate_all("Kevin Love")
    assert [(p.span, p.distance) for p in places] == [((0, 10), 2), ((12, 22), 1)]
    assert Locator("x").locate_all("y") == []
    assert [p.span for p in Locator("Ann Ann").locate_all("Ann", used=[(0, 1)])] == [(4, 7)]


def test_inside_words_if_wanted() -> None:
    text = "Hannah Ann visits New York, new york"
    inside = Locator(text, boundaries="character")
    assert [text[slice(*p.span)] for p in inside.locate_all("ann")] == ["ann"]
    words = Locator(text)
    assert [text[slice(*p.span)] for p in words.locate_all("ann")] == ["Ann"]
    assert [text[slice(*p.span)] for p in words.locate_all("NEW YORK")] == ["New York", "new york"]
    assert Locator("ﬁx", boundaries="character").locate("ix").status is Status.NOT_FOUND


def test_each_string_gets_a_place_of_its_own() -> None:
    text = "Ann met ann and Kevin Lvoe in New York; York"
    strings = ["York", "Ann", "Kevin Love", "Ann", "New York", "Rome", ""]
    places = Locator(text).locate_each(strings)
    assert [text[slice(*p.span)] if p.found else p.status.value for p in places] == [
        *("York", "Ann", "Kevin Lvoe", "ann"),
        *("not-found", "not-found", "not-found"),
    ]
    # "York" stood first and took the one of New York; in text order everybody is served.
    ordered = Locator(text).locate_each([strings[i] for i in (1, 3, 2, 4, 0)], in_order=True)
    assert [p.start for p in ordered] == [0, 8, 16, 30, 40]


def test_what_is_written_letter_by_letter_goes_first() -> None:
    places = Locator("Kevin Love and Kevin Lowe").locate_each(["Kevin Lote", "Kevin Love"])
    assert [(p.status.value, p.start) for p in places] == [("fuzzy", 15), ("exact", 0)]


def test_in_order_falls_back_to_the_whole_text() -> None:
    places = Locator("Ann, Bob").locate_each(["Bob", "Ann"], in_order=True)
    assert [p.span for p in places] == [(5, 8), (0, 3)]


def test_too_long_for_guessing_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CELLS", 100)
    assert locate("Kevin Lvoe plays", "Kevin Love").status is Status.TOO_LONG
    assert locate("Kevin Lvoe plays", "Kevin Love", max_distance=0).status is Status.NOT_FOUND
    assert locate("Kevin Love plays", "kevin love").status is Status.NORMALISED
    assert Locator("Kevin Lvoe plays").locate_each(["Kevin Love"])[0].status is Status.TOO_LONG
    assert locate("Kevin", "Kevin Love " * 50).status is Status.NOT_FOUND  # longer than the text


def test_the_cost_is_bounded_by_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work is counted, not timed: one search a string, of text times string cells at most."""
    cells = []
    search = module.approximate

    def counted(text: str, pattern: str, limit: int, **flags: Any) -> Any:
        cells.append(len(text) * len(pattern))
        return search(text, pattern, limit, **flags)

    monkeypatch.setattr(module, "approximate", counted)
    text = "aa " * 4000
    places = Locator(text).locate_each(["aab ab ab ab ab", "aa", "Aa", "x" * 1600, "aab"])
    assert cells == [15 * 11_999, 1600 * 11_999]  # found sooner, or too short to guess: none
    assert [place.status.value for place in places][1:3] == ["exact", "normalised"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"boundaries": "line"}, "boundaries must be word or character, got 'line'"),
        ({"max_distance": -1}, "max_distance must be at least 0, got -1"),
        ({"which": "last"}, "which must be first or unique, got 'last'"),
    ],
)
def test_impossible_options(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        locate("a", "a", **options)


# against slow definitions


def distance(one: str, other: str) -> float:
    """Levenshtein; a digit that is not matched costs everything."""
    price = [float("inf") if char.isdigit() else 1 for char in other]
    row = list(itertools.accumulate(price, initial=0))
    for char in one:
        mine = float("inf") if char.isdigit() else 1
        next_row = [row[0] + mine]
        for j, his in enumerate(other):
            swap = 0 if char == his else max(mine, price[j])
            next_row.append(min(row[j] + swap, row[j + 1] + mine, next_row[j] + price[j]))
        row = next_row
    return row[-1]


NAMES = st.text(alphabet="abB ’'.1ﬁé\u0301东", min_size=1, max_size=8)


@given(st.text(alphabet="abB ’'.1ﬁé\u0301东", max_size=16), NAMES, st.integers(1, 3))
def test_fuzzy_equals_trying_every_span(text: str, string: str, limit: int) -> None:
    place = locate(text, string, max_distance=limit)
    assume(place.status in (Status.FUZZY, Status.NOT_FOUND))
    bare = fold(string).text.strip("'.’")
    limit = min(limit, len(bare) // 2)
    spans = [
        (distance(fold(text[a:b]).text, bare), a, b)
        for a in range(len(text))
        for b in range(a + 1, len(text) + 1)
        if at_word_edge(text, a) and at_word_edge(text, b) and not text[a:b].isspace()
    ]
    best = min((found for found, _, _ in spans), default=99)
    if not bare or best > limit:
        assert place.status is Status.NOT_FOUND
    else:
        assert place.status is Status.FUZZY
        assert place.distance == best
        assert distance(fold(text[slice(*place.span)]).text, bare) == best


@st.composite
def mentions(draw: st.DrawFn) -> tuple[str, int, int]:
    """A text and a span of it that cuts no word."""
    text = draw(st.sampled_from(SAMPLES) | st.text(max_size=30))
    edges = [place for place in range(len(text) + 1) if at_word_edge(text, place)]
    start = draw(st.sampled_from(edges))
    end = draw(st.sampled_from(edges))
    start, end = sorted((start, end))
    assume(text[start:end].strip() == text[start:end] != "")
    return text, start, end


@given(mentions())
def test_a_piece_of_the_text_is_found_letter_by_letter(case: tuple[str, int, int]) -> None:
    text, start, end = case
    place = locate(text, text[start:end])
    assert place.status is Status.EXACT
    assert text[slice(*place.span)] == text[start:end]
    assert place.span[0] <= start
    assert locate(text, text[start:end], after=start).span == (start, end)


@given(mentions())
def test_other_spellings_come_back_to_the_same_characters(case: tuple[str, int, int]) -> None:
    text, start, end = case
    spelled = text[start:end].upper().replace("'", "’").replace(" ", "  ")
    assume(fold(spelled).text == fold(text[start:end]).text != "")
    place = locate(text, spelled, after=start)
    wrapping = "'\"()[]{}<>#@.,;:!?*-\u3002\u3001\u060c\u061f"
    assert place.status in (Status.EXACT, Status.NORMALISED)
    found = fold(text[slice(*place.span)]).text
    assert found.strip(wrapping) == fold(spelled).text.strip(wrapping)


@given(st.sampled_from(SAMPLES) | st.text(max_size=30), st.text(max_size=12))
def test_anything_may_be_asked_and_no_character_is_cut(text: str, string: str) -> None:
    for boundaries in ("word", "character"):
        place = locate(text, string, boundaries=boundaries, max_distance=3)  # type: ignore[arg-type]
        if place.found:
            a, b = place.span
            assert 0 <= a < b <= len(text)
            assert not inside_character(text, a)
            assert not inside_character(text, b)
            assert text[a:b] == text[a:b].strip()


@given(st.sampled_from(SAMPLES), st.lists(st.sampled_from(["Ada", "ada", "Faro", "x", "Zoë"])))
def test_places_of_several_strings_do_not_overlap(text: str, strings: list[str]) -> None:
    spans = sorted(p.span for p in Locator(text).locate_each(strings) if p.found)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
