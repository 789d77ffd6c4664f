"""Offsets in bytes and UTF-16 units, against Python's own encoders."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.errors import ConfigError, SchemaError
from magpie.text.units import Unit, from_code_points, to_code_points

UNITS: tuple[Unit, ...] = ("utf-8", "utf-16")


def test_hand_values() -> None:
    text = "é🎉 Ada آ"
    assert from_code_points(text, [(0, 1), (1, 2), (3, 6), (7, 8)], "utf-8") == [
        *((0, 2), (2, 6), (7, 10), (11, 13))
    ]
    assert from_code_points(text, [(0, 1), (1, 2), (3, 6)], "utf-16") == [(0, 1), (1, 3), (4, 7)]
    assert to_code_points(text, [(7, 10)], "utf-8") == [(3, 6)]
    assert to_code_points(text, [(0, 0), (13, 13)], "utf-8") == [(0, 0), (8, 8)]


def test_a_range_that_cuts_a_character_holds_it() -> None:
    assert to_code_points("a🎉b", [(2, 3), (1, 4), (4, 6), (3, 3)], "utf-8") == [
        *((1, 2), (1, 2), (1, 3), (1, 2))
    ]
    assert to_code_points("a🎉b", [(2, 3), (0, 2)], "utf-16") == [(1, 2), (0, 2)]


@pytest.mark.parametrize("bad", [(2, 1), (-1, 1), (0, 9)])
def test_ranges_that_are_none(bad: tuple[int, int]) -> None:
    for change in (to_code_points, from_code_points):
        with pytest.raises(SchemaError, match="is reversed or leaves the text of") as caught:
            change("a🎉b", [bad], "utf-8")
        assert caught.value.code == "schema-span"


def test_an_unknown_unit() -> None:
    unit: Any = "utf-32"
    with pytest.raises(ConfigError, match="unit must be utf-8 or utf-16, got 'utf-32'"):
        to_code_points("a", [(0, 1)], unit)


@given(st.text(max_size=20), st.data(), st.sampled_from(UNITS))
def test_both_ways_as_python_encodes(text: str, data: st.DataObject, unit: Unit) -> None:
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, len(text)))
    size = 1 if unit == "utf-8" else 2
    codec = "utf-8" if unit == "utf-8" else "utf-16-le"
    (found,) = from_code_points(text, [(start, end)], unit)
    assert found == tuple(len(text[:place].encode(codec)) // size for place in (start, end))
    assert to_code_points(text, [found], unit) == [(start, end)]
