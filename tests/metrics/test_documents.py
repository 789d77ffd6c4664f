"""What the scorers of documents share: places in the text, and two ways of counting."""

from __future__ import annotations

import dataclasses
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.errors import ComparisonError
from magpie.metrics.counts import Counts
from magpie.metrics.documents import add, count_equal, count_fitting, merge, view
from magpie.metrics.items import Scored, items_of
from magpie.schema import Annotations, Block, Document, Entity, Region, Span

from .builders import Builder


def test_characters_count_in_the_whole_text() -> None:
    document = Document(
        id="d",
        blocks=(Block(id="x", text="né 🐦"), Block(id="y", text=""), Block(id="z", text="end")),
        annotations=Annotations(entities=(Entity(id="e", span=Span("z", 0, 3), type="T"),)),
    )
    found = view(items_of(document))
    assert found.characters(Span("x", 3, 4)) == (3, 4)
    assert found.characters(Span("z", 0, 3)) == (6, 9)
    assert document.text[6:9] == "end"
    assert list(found.targets) == ["e"]


def test_targets_are_entities_and_every_named_region() -> None:
    builder = Builder()
    free = builder.region(0, 0, 1, 1)
    own = dataclasses.replace(builder.regions[0], id="own")
    who = builder.entity(0, 1, "PER", own, Region(media="m0"))
    found = view(items_of(builder.build()))
    assert set(found.targets) == {free, "own", who}
    assert isinstance(found.targets[who], Entity)
    assert found.targets["own"] == own


def test_a_document_that_nobody_annotated_holds_nothing() -> None:
    found = view(items_of(Document(id="d", blocks=(Block(text="x"),))))
    assert found.annotations == Annotations()
    assert not found.targets


def test_a_flat_line_has_no_view() -> None:
    with pytest.raises(ComparisonError, match="'d' is a flat line"):
        view(Scored("d", ()))


def test_equal_keys() -> None:
    gold = [("a", 1), ("a", 1), ("b", 1)]
    found = [("a", 1), ("b", 2), ("b", 1), ("b", 1), ("c", 9)]
    assert count_equal(gold, found) == {
        "a": Counts(2, 1, 1),
        "b": Counts(1, 3, 1),
        "c": Counts(0, 1, 0),
    }
    assert count_equal([], []) == {}


def test_fitting_pairs_go_to_the_golds_type() -> None:
    counts = count_fitting(
        ["ax", "by"], ["cx", "cx", "dy"], lambda item: item[0], lambda g, p: g[1] == p[1]
    )
    assert counts == {
        "a": Counts(1, 0, 1),
        "b": Counts(1, 0, 1),
        "c": Counts(0, 2, 0),
        "d": Counts(0, 1, 0),
    }


@given(
    st.lists(st.integers(0, 6), max_size=5),
    st.lists(st.integers(0, 6), max_size=5),
    st.integers(0, 3),
)
def test_fitting_is_a_largest_matching(gold: list[int], found: list[int], reach: int) -> None:
    def fits(g: int, p: int) -> bool:
        return abs(g - p) <= reach

    counts = count_fitting(gold, found, lambda _: "", fits).get("", Counts())
    short, long = sorted((gold, found), key=len)
    best = max(
        sum(fits(a, b) for a, b in zip(short, way, strict=True))
        for way in permutations(long, len(short))
    )
    assert counts == Counts(len(gold), len(found), best)


def test_adding_and_merging() -> None:
    table: dict[str, Counts] = {}
    add(table, "a", Counts(1, 0, 0))
    add(table, "a", Counts(0, 1, 0))
    assert table == {"a": Counts(1, 1, 0)}
    assert merge(table, {"a": Counts(1, 1, 1), "b": Counts(2, 0, 0)}, {}) == {
        "a": Counts(2, 2, 1),
        "b": Counts(2, 0, 0),
    }
    assert table == {"a": Counts(1, 1, 0)}
