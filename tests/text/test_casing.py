"""Case classes: fixed values, because trained weights hang on them."""

from __future__ import annotations

import pytest

from magpie.text.casing import CASE_CLASSES, case_class


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("in", 1), ("Paris", 2), ("NBA", 3), ("A", 4), ("McAdoo", 5), ("iPhone", 6),
        ("2017", 7), ("1,016", 7), ("G20", 8), ("4th", 9), ("!", 10), ("🔥", 11), ("東京", 12),
        ("O'Neill", 5), ("Élan", 2), ("ß", 1), ("Ⓐ", 4), ("", 10),
    ],
)  # fmt: skip
def test_case_classes(word, kind):
    assert case_class(word) == kind
    assert 1 <= kind <= CASE_CLASSES
