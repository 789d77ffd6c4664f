from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.corpora.side.reading import integer, number, picture_key, text_of
from magpie.errors import FormatError


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("11.jpg", "11"),
        ("IMGID:O_12.png", "O_12"),
        ("IMGID:13", "13"),
        ("twitter_19.5", "twitter_19.5"),
        (".jpg", ".jpg"),
        ("a.b.jpg", "a.b"),
    ],
)
def test_picture_keys(name: str, key: str) -> None:
    assert picture_key(name) == key


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_come_back_from_text_too(value: float) -> None:
    assert number(value, "x", "f:1") == value
    assert number(repr(value), "x", "f:1") == value


@pytest.mark.parametrize("value", ["nan", "inf", "", "1,5", None, True, [1], float("nan")])
def test_no_numbers(value: object) -> None:
    with pytest.raises(FormatError, match="expected a weight as a number") as caught:
        number(value, "a weight", "f:1")
    assert caught.value.where == "f:1"


@pytest.mark.parametrize(("value", "whole"), [(0, 0), (7, 7), ("12", 12), ("007", 7)])
def test_whole_numbers(value: object, whole: int) -> None:
    assert integer(value, "a node", "f:1") == whole


@pytest.mark.parametrize("value", [-1, 1.0, "-1", "1.5", "x", True, None, "١"])
def test_no_whole_numbers(value: object) -> None:
    with pytest.raises(FormatError, match="a node as a whole number"):
        integer(value, "a node", "f:1")


def test_text_of_refuses_other_values() -> None:
    assert text_of("x", "a caption", "f:1") == "x"
    with pytest.raises(FormatError, match="a caption as text, came '5'"):
        text_of(5, "a caption", "f:1")
