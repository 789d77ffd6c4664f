"""Corrected and spoiled entities against a reference."""

from __future__ import annotations

import pytest

from magpie.errors import ComparisonError
from magpie.metrics.changes import Changes, changes
from magpie.metrics.items import Item, Scored

A, B, C = (Item(text=name, start=i, end=i + 1, type="PER") for i, name in enumerate("abc"))


def scored(*items: Item, name: str = "d", failed: bool = False) -> list[Scored]:
    return [Scored(name, items, failed)]


def test_equal_scores_hide_a_gain_and_a_loss() -> None:
    found = changes(scored(A, B, C), scored(A, B), scored(B, C))
    assert found == Changes(corrected=1, spoiled=1, both=1, neither=0)
    assert found.to_dict() == {"corrected": 1, "spoiled": 1, "both": 1, "neither": 0}


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
