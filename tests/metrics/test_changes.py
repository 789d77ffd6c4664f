"""Corrected and spoiled entities against a reference."""

from __future__ import annotations

import pytest

from magpie.errors import ComparisonError
from magpie.metrics.analysis import Analysis, analyse
from magpie.metrics.changes import Changes, changes, changes_between
from magpie.metrics.items import Item, Scored

A, B, C = (Item(text=name, start=i, end=i + 1, type="PER") for i, name in enumerate("abc"))


def scored(*items: Item, name: str = "d", failed: bool = False) -> list[Scored]:
    return [Scored(name, items, failed)]


def test_equal_scores_hide_a_gain_and_a_loss() -> None:
    found = changes(scored(A, B, C), scored(A, B), scored(B, C))
    assert found == Changes(corrected=1, spoiled=1, both=1, neither=0)
    assert found.to_dict() == {"corrected": 1, "spoiled": 1, "both": 1, "neither": 0}
    scores = [analyse(scored(A, B, C), each).report for each in (scored(A, B), scored(B, C))]
    first, second = (each.parts["mner"].micro.to_dict()["f1"] for each in scores)
    assert first == second == pytest.approx(0.8)


def test_a_wrong_type_is_a_miss_and_further_predictions_do_not_count() -> None:
    wrong = Item(text="a", start=0, end=1, type="LOC")
    extra = Item(text="x", start=9, end=10, type="PER")
    assert changes(scored(A, B), scored(wrong, B), scored(A, extra)) == Changes(
        corrected=1, spoiled=1
    )


def test_documents_are_paired_by_id_in_any_order() -> None:
    gold = [*scored(A, name="d"), *scored(B, name="e")]
    swapped = [*scored(name="e"), *scored(A, name="d")]
    full = [*scored(B, name="e"), *scored(A, name="d")]
    assert changes(gold, swapped, full) == Changes(corrected=1, both=1)
    assert changes(gold, full, swapped) == Changes(spoiled=1, both=1)


def test_what_failed_found_nothing() -> None:
    assert changes(scored(A), scored(A), scored(A, failed=True)) == Changes(spoiled=1)


def test_other_documents_are_refused() -> None:
    with pytest.raises(ComparisonError):
        changes(scored(A), scored(A), scored(A, name="e"))


def looked_into(gold: list[Scored], found: list[Scored], name: str) -> tuple[str, Analysis]:
    return name, analyse(gold, found)


def test_between_analyses_the_same_is_counted_over_all_and_by_group() -> None:
    gold = [*scored(A, B, C, name="d"), *scored(A, name="e"), *scored(C, name="f")]
    old = [*scored(A, B, name="d"), *scored(name="e"), *scored(C, name="f")]
    new = [*scored(B, C, name="d"), *scored(A, name="e"), *scored(name="f")]
    groups = {"d": "photo", "e": "no picture", "f": "photo"}
    pair = looked_into(gold, old, "text"), looked_into(gold, new, "both")
    found = changes_between(*pair, groups)
    assert found is not None
    assert found.groups["all"] == changes(gold, old, new) == Changes(2, 2, 1, 0)
    assert found.groups["photo"] == Changes(corrected=1, spoiled=2, both=1)
    assert found.groups["no picture"] == Changes(corrected=1)
    assert found.to_dict() == {
        "reference": "text", "system": "both", "part": "mner",
        "groups": {name: each.to_dict() for name, each in found.groups.items()},
    }  # fmt: skip
    # One group is all there is.
    alike = changes_between(*pair, dict.fromkeys("def", "photo"))
    assert alike is not None
    assert list(alike.groups) == ["all"]


def test_types_of_two_names_are_one_as_in_the_score() -> None:
    misc, other = (Item(text="a", start=0, end=1, type=name) for name in ("MISC", "OTHER"))
    gold = scored(other)
    found = changes_between(
        looked_into(gold, scored(), "a"), looked_into(gold, scored(misc), "b"), {}
    )
    assert found is not None
    assert found.groups["all"] == Changes(corrected=1)


def test_a_gold_item_that_stands_twice_counts_twice() -> None:
    gold = scored(A, A)
    found = changes_between(
        looked_into(gold, scored(A), "a"), looked_into(gold, scored(A, A), "b"), {}
    )
    assert found is not None
    assert found.groups["all"] == Changes(corrected=1, both=1)
