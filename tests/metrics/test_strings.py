"""Strings scored as strings: the worked values of UMIE and MQA."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.metrics import score
from magpie.metrics.counts import Counts
from magpie.metrics.items import Item, Scored
from magpie.metrics.strings import count_spellings, count_strings


def micro(table: dict[str, Counts]) -> Counts:
    return sum(table.values(), Counts())


def test_strings_of_the_specification() -> None:
    found = micro(count_strings([("per", "A"), ("loc", "B")], [("per", "A"), ("org", "B")]))
    assert found == Counts(2, 2, 1)
    assert found.f1 == 0.5
    twice = [("per", "A"), ("per", "A")]
    assert micro(count_strings(twice, twice[:1])) == Counts(2, 1, 1)
    assert micro(count_strings(twice, twice[:1], legacy=True)) == Counts(1, 1, 1)


@given(*[st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2)), max_size=5)] * 2)
def test_legacy_counts_as_described(gold: list[Any], found: list[Any]) -> None:
    # As the repository: each prediction takes an equal gold item, if one is left; a gold item is
    # missed when it is nowhere among the predictions.
    left, right = list(gold), 0
    for item in found:
        if item in left:
            left.remove(item)
            right += 1
    missed = sum(item not in found for item in gold)
    expected = Counts(right + missed, len(found), right)
    assert micro(count_strings(gold, found, legacy=True)) == expected


def test_spellings_keep_one_type() -> None:
    gold = [("loc", "paris"), ("per", "paris")]
    assert micro(count_spellings(gold, [("per", "paris")])) == Counts(2, 1, 1)
    assert micro(count_spellings(gold, [("loc", "paris")])) == Counts(2, 1, 0)
    assert micro(count_spellings(gold, [("per", "paris")] * 3)) == Counts(2, 3, 3)
    assert micro(count_spellings([], [("per", "x")])) == Counts(0, 1, 0)


def tweet(*entities: tuple[str, str]) -> list[Scored]:
    """(type, spelling), one after the other."""
    items, start = [], 0
    for kind, text in entities:
        items.append(Item(text, start, start + len(text), kind))
        start += len(text) + 1
    return [Scored("d", tuple(items))]


def scored(gold: list[Scored], predicted: list[Scored], legacy: str | None = None) -> Any:
    report = score(gold, predicted, "ner-strings@1", options={"legacy": legacy})
    return {name: part.micro for name, part in report.parts.items()}


def test_entities_without_their_place() -> None:
    gold = tweet(("PER", "Ann"), ("LOC", "Paris"), ("LOC", "Paris"))
    found = tweet(("LOC", "Paris"), ("PER", "ann"))
    assert scored(gold, found) == {"entities": Counts(3, 2, 1), "spans": Counts(2, 2, 2)}
    assert scored(gold, found, "umie")["entities"] == Counts(2, 2, 1)
    # Each mention counts in the gold, one candidate a spelling is asked for: recall 1/2 at most.
    assert scored(gold, found, "mqa")["entities"] == Counts(3, 2, 2)


def test_two_mentions_of_one_spelling() -> None:
    gold = tweet(("LOC", "Paris"), ("LOC", "Paris"))
    one = tweet(("LOC", "Paris"))
    assert scored(gold, one)["entities"].recall == 0.5
    assert scored(gold, one, "mqa")["entities"].recall == 0.5
    assert scored(gold, one, "umie")["entities"].recall == 1
    assert scored(gold, gold)["entities"] == Counts(2, 2, 2)


def test_misc_is_other() -> None:
    gold, found = tweet(("MISC", "Oscar")), tweet(("OTHER", "Oscar"))
    assert scored(gold, found)["entities"] == Counts(1, 1, 1)
    report = score(gold, found, "ner-strings@1")
    assert list(report.main.per_type) == ["MISC"]


def test_no_candidate_is_no_error() -> None:
    for legacy in (None, "umie", "mqa"):
        empty = scored(tweet(("PER", "Ann")), tweet(), legacy)["entities"]
        assert (empty.precision, empty.recall, empty.f1) == (0, 0, 0)
        assert scored(tweet(), tweet(), legacy)["entities"] == Counts()


ENTITIES = st.lists(
    st.tuples(st.sampled_from(["PER", "LOC"]), st.sampled_from(["Ann", "ann", "Paris"])),
    max_size=5,
)


@pytest.mark.parametrize("legacy", [None, "umie", "mqa"])
def test_the_order_of_entities_changes_nothing_but_the_last_type(legacy: str | None) -> None:
    @given(ENTITIES, ENTITIES)
    def check(gold: Any, found: Any) -> None:
        one = scored(tweet(*gold), tweet(*found), legacy)
        assert one == scored(tweet(*gold), tweet(*reversed(found)), legacy)
        if legacy is None:
            assert one == scored(tweet(*reversed(gold)), tweet(*found))
            assert scored(tweet(*gold), tweet(*gold))["entities"].correct == len(gold)

    check()
