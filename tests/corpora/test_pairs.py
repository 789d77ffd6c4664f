from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.corpora import registry
from magpie.corpora.pairs import check_relation, place, signature, word_windows
from magpie.errors import FormatError

WORDS = ["#", "Rain", "in", "New", "York", ",", "#", "Rain"]


@pytest.mark.parametrize(
    ("label", "ends"),
    [
        ("/per/org/member_of", (("per",), ("org",))),
        ("None", ((), ())),
        ("couple", ((), ())),
        ("/per/org", ((), ())),
    ],
)
def test_the_types_of_both_ends_are_read_off_the_path(label: str, ends: object) -> None:
    assert signature(label) == ends


def test_an_unknown_label_names_the_corpus_it_belongs_to() -> None:
    card = registry.card("mnre@2")
    assert check_relation("/per/per/alumi", card, "f:1") == "/per/per/alumi"
    with pytest.raises(FormatError) as caught:
        check_relation("/per/misc/creat", card, "f:1")
    assert caught.value.code == "format-tags"
    assert "mnre@1" in caught.value.mend
    assert "mnre@2" not in caught.value.mend
    with pytest.raises(FormatError, match="without a label"):
        check_relation("", card, "f:1")


def test_any_label_passes_where_there_is_no_list() -> None:
    assert check_relation("kin", registry.card("conll"), "f:1") == "kin"


@pytest.mark.parametrize("value", [[0, 1], (7, 8), [0, 8]])
def test_places_inside_the_sentence(value: object) -> None:
    assert place(value, "pos", WORDS, "f:1") == tuple(value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value",
    [None, [], [1], [1, 2, 3], [1, 1], [2, 1], [-1, 1], [0, 9], [0.0, 1.0], ["0", "1"], [True, 2]],
)
def test_other_places_are_refused(value: object) -> None:
    with pytest.raises(FormatError) as caught:
        place(value, "pos", WORDS, "f:1")
    assert caught.value.where == "f:1"
    assert "within 8 words" in caught.value.message


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("New York", [(3, 5)]),
        ("NewYork,", [(3, 6)]),
        ("#Rain", [(0, 2), (6, 8)]),
        ("Rain", [(1, 2), (7, 8)]),
        ("ork", []),
        ("York in", []),
        ("", []),
        (" ", []),
    ],
)
def test_windows(text: str, found: list[tuple[int, int]]) -> None:
    assert word_windows(WORDS, text) == found


@given(st.lists(st.text("ab#", min_size=1, max_size=3), min_size=1, max_size=8), st.data())
def test_every_window_is_found_and_says_the_text(words: list[str], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(words) - 1))
    end = data.draw(st.integers(start + 1, len(words)))
    text = " ".join(words[start:end])
    found = word_windows(words, text)
    assert (start, end) in found
    assert all("".join(words[a:b]) == text.replace(" ", "") for a, b in found)
    assert found == sorted(found)
