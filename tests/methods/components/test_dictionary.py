"""Dictionaries: what is found in a text, how sure it is, and what files they are read from."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.errors import FormatError, NotFoundError
from magpie.methods.components.dictionary import (
    LONGEST,
    Dictionary,
    confidence,
    distribution,
)

NAMES = Path(__file__).parent / "names.tsv"


@pytest.mark.parametrize(
    ("p", "c"),
    [
        ((1.0, 0.0, 0.0, 0.0), 1.0),
        ((0.5, 0.5, 0.0, 0.0), 0.5),
        ((0.7, 0.1, 0.1, 0.1), 0.321610),
        ((0.25, 0.25, 0.25, 0.25), 0.0),
    ],
)
def test_confidence(p: tuple[float, ...], c: float) -> None:
    assert confidence(p) == pytest.approx(c, abs=1e-6)


def test_one_entry_of_one_type_is_not_quite_sure() -> None:
    p = distribution((0, 0, 0, 1))
    assert p == pytest.approx((0.05 / 1.2, 0.05 / 1.2, 0.05 / 1.2, 1.05 / 1.2))
    assert confidence(p) == pytest.approx(0.629158, abs=1e-6)
    assert distribution((7, 1, 1, 1), 0.0) == (0.7, 0.1, 0.1, 0.1)


def found(words: str) -> list[tuple[int, int, str]]:
    return [(m.start, m.end, m.surface) for m in Dictionary.read(NAMES).match(words.split())]


def test_the_longest_entry_wins_from_left_to_right() -> None:
    assert found("the New York Times in new york") == [(1, 4, "new york times"), (5, 7, "new york")]
    assert found("bank of river town rovers") == [(0, 4, "bank of river town")]
    assert found("anna bell bell") == [(0, 2, "anna bell"), (2, 3, "bell")]
    assert found("new times") == []


def test_case_and_marks_in_front_do_not_count() -> None:
    assert found("ask #Siri or @SIRI") == [(1, 2, "siri"), (3, 4, "siri")]
    assert found("# @ siri") == [(2, 3, "siri")]


def test_counts_of_all_types_are_kept() -> None:
    (match,) = Dictionary.read(NAMES).match(["Rocky"])
    assert match.counts == (7, 1, 1, 1)
    (match,) = Dictionary([("x", "OTHER", 2), ("x", "MISC", 1)]).match(["X"])
    assert match.counts == (0, 0, 0, 3)


def test_stop_words_stand_for_nothing_alone() -> None:
    names = Dictionary([("will", "PER", 1), ("will smith", "PER", 1)], stop=["Will"])
    assert names.match(["will", "you"]) == []
    assert [m.surface for m in names.match(["Will", "Smith"])] == ["will smith"]


def test_entries_longer_than_any_match_are_left_out() -> None:
    words = ["a"] * (LONGEST + 1)
    assert len(Dictionary([(" ".join(words), "PER", 1), ("", "PER", 1)])) == 0


def test_a_folder_of_lists_by_freebase_type(tmp_path: Path) -> None:
    lists = {
        "location.country": "New Land\n",
        "sports.sports_team": "river rovers\n",
        "people.person": "anna bell\n",
        "tv.tv_program": "the long game\n",
        "firstname.5k": "anna\n",
        "book.newspaper": "morning post\n",
        "person_combined": "tom reed\n",
        "cap.1000": "nothing known\n",
        "english.stop": "anna\n",
    }
    for name, text in lists.items():
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "inner").mkdir()
    names = Dictionary.read(tmp_path)
    kinds = {
        m.surface: ("PER", "LOC", "ORG", "MISC")[m.counts.index(1)]
        for entry in (*lists.values(),)
        for m in names.match(entry.split())
    }
    assert kinds == {
        "new land": "LOC",
        "river rovers": "ORG",
        "anna bell": "PER",
        "the long game": "MISC",
        "morning post": "ORG",
        "tom reed": "PER",
    }


@pytest.mark.parametrize("line", ["siri", "siri\tTHING", "siri\tMISC\tmany", "a\tPER\t1\tmore"])
def test_damaged_tables_are_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "names.tsv"
    file.write_text(f"# names\n\nanna\tPER\n{line}\n", "utf-8")
    with pytest.raises(FormatError):
        Dictionary.read(file)


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "names.tsv"
    file.write_text("anna\tPER\nsiri\n", "utf-8")
    with pytest.raises(FormatError) as caught:
        Dictionary.read(file)
    assert caught.value.where == f"{file}:2"


def test_what_is_no_text_or_not_there_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "names.tsv"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FormatError) as caught:
        Dictionary.read(file)
    assert caught.value.code == "format-encoding"
    with pytest.raises(NotFoundError):
        Dictionary.read(tmp_path / "none.tsv")


@given(st.lists(st.sampled_from(["new", "york", "times", "anna", "x", "#siri", "@"]), max_size=12))
def test_matches_are_in_order_and_never_overlap(words: list[str]) -> None:
    end = 0
    for match in Dictionary.read(NAMES).match(words):
        assert end <= match.start < match.end <= len(words)
        end = match.end
