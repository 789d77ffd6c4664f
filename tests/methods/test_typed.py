"""Values of a file as typed settings."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.errors import ConfigError
from magpie.methods.typed import Place, build


class Colour(enum.StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    rate: float = 0.1

    def __post_init__(self) -> None:
        if self.rate < 0:
            raise ConfigError(f"rate must not be negative, got {self.rate}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    name: str
    count: int = 1
    on: bool = False
    kind: Literal["a", 2, None] = "a"
    colour: Colour = Colour.RED
    maybe: int | str | None = None
    pair: tuple[int, float] = (1, 2.0)
    many: tuple[str, ...] = ()
    table: Mapping[str, float] = field(default_factory=dict)
    anything: Any = None
    inner: Inner = field(default_factory=Inner)


PLACE = Place("f.yaml", {("inner",): 3, ("count",): 2})


def test_every_kind_of_value() -> None:
    made = build(
        Outer,
        {
            "name": "x",
            "count": 3,
            "on": True,
            "kind": 2,
            "colour": "blue",
            "maybe": "text",
            "pair": [4, 5],
            "many": ["a", "b"],
            "table": {"a": "1e-3"},
            "anything": [1, None],
            "inner": {"rate": 2},
        },
        PLACE,
    )
    assert made == Outer(
        name="x",
        count=3,
        on=True,
        kind=2,
        colour=Colour.BLUE,
        maybe="text",
        pair=(4, 5.0),
        many=("a", "b"),
        table={"a": 0.001},
        anything=[1, None],
        inner=Inner(rate=2.0),
    )
    assert build(Outer, {"name": "x", "maybe": None, "inner": None}, PLACE) == Outer(name="x")


@pytest.mark.parametrize(
    ("value", "where", "message"),
    [
        ({}, "f.yaml name", "the key 'name' is missing"),
        ({"name": 3}, "f.yaml name", "expected a text, got 3"),
        ({"name": "x", "count": True}, "f.yaml:2 count", "expected a whole number, got True"),
        ({"name": "x", "count": "3"}, "f.yaml:2 count", "expected a whole number"),
        ({"name": "x", "kind": "b"}, "f.yaml kind", "expected one of a, 2, None, got 'b'"),
        ({"name": "x", "kind": 2.0}, "f.yaml kind", "expected one of"),
        ({"name": "x", "colour": "redd"}, "f.yaml colour", "Did you mean 'red'?"),
        ({"name": "x", "maybe": 1.5}, "f.yaml maybe", "expected a whole number, got 1.5"),
        ({"name": "x", "pair": [1]}, "f.yaml pair", "expected 2 values, got 1"),
        ({"name": "x", "pair": 1}, "f.yaml pair", "expected a list"),
        ({"name": "x", "many": ["a", 2]}, "f.yaml many.1", "expected a text, got 2"),
        ({"name": "x", "table": {"a": []}}, "f.yaml table.a", "expected a number"),
        ({"name": "x", "table": 1}, "f.yaml table", "expected a mapping"),
        ({"name": "x", "inner": {"rat": 1}}, "f.yaml:3 inner.rat", "Did you mean 'rate'?"),
        ({"name": "x", "inner": {"rate": -1}}, "f.yaml:3 inner", "must not be negative"),
        ({"name": "x", "inner": {"rate": "nan"}}, "f.yaml:3 inner.rate", "expected a number"),
        ([1], "f.yaml", "expected a mapping of keys, got [1]"),
    ],
)
def test_refusals(value: Any, where: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(Outer, value, PLACE)
    assert caught.value.where == where
    assert message in str(caught.value)


def test_fields_set_elsewhere_are_no_keys() -> None:
    made = build(Outer, {"count": 2}, PLACE, given={"name": "set"})
    assert (made.name, made.count) == ("set", 2)
    with pytest.raises(ConfigError, match="unknown key 'name'"):
        build(Outer, {"name": "x"}, PLACE, given={"name": "set"})
    with pytest.raises(ConfigError, match="unknown key 'on'"):
        build(Outer, {"name": "x", "on": True}, PLACE, without=["on"])


@given(st.dictionaries(st.text(max_size=6), st.integers() | st.text(max_size=3), max_size=3))
def test_whatever_comes_is_taken_or_refused(value: dict[str, Any]) -> None:
    refused = False
    made = Inner()
    try:
        made = build(Inner, value, Place())
    except ConfigError:
        refused = True
    assert refused or set(value) <= {"rate"}
    assert made.rate >= 0
