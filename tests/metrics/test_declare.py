"""Options of a protocol: which values they take, as given in Python and as typed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.errors import ConfigError
from magpie.metrics.declare import Option, OptionValue, Prepared, Protocol
from magpie.metrics.table import PROTOCOLS

MODE = Option(name="mode", default=None, values=(None, "gmner", "riveg"), help="")
FLAG = Option(name="flag", default=False, values=(False, True), help="")
LIMIT = Option(name="limit", default=18, help="")
SHARE = Option(name="share", default=0.5, help="")
NAME = Option(name="name", default="auto", help="")
LOUD = Option(name="loud", default=False, help="")


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        (MODE, "none", None),
        (MODE, "RiVEG", "riveg"),
        (FLAG, "true", True),
        (FLAG, "False", False),
        (LIMIT, "3", 3),
        (SHARE, "0.25", 0.25),
        (SHARE, "1", 1.0),
        (NAME, "None", "None"),
        (LOUD, "TRUE", True),
        (LOUD, "false", False),
    ],
)
def test_typed_values(option: Option, text: str, value: OptionValue) -> None:
    parsed = option.parse(text)
    assert parsed == value
    assert type(parsed) is type(value)
    assert option.check(parsed) == value


@pytest.mark.parametrize(
    ("option", "text", "message"),
    [
        (MODE, "h-index", "one of None, 'gmner', 'riveg', got 'h-index'"),
        (FLAG, "1", "one of False, True, got '1'"),
        (LIMIT, "many", "limit must be a int, got 'many'"),
        (SHARE, "half", "share must be a float, got 'half'"),
        (LOUD, "yes", "must be true or false, got 'yes'"),
    ],
)
def test_values_that_an_option_does_not_have(option: Option, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        option.parse(text)
    assert caught.value.code == "config-value"


@pytest.mark.parametrize(
    ("option", "value"), [(FLAG, 1), (FLAG, "true"), (LIMIT, True), (LIMIT, 1.0), (NAME, None)]
)
def test_a_value_of_another_kind_is_refused(option: Option, value: OptionValue) -> None:
    with pytest.raises(ConfigError, match=f"option {option.name} must be"):
        option.check(value)


def test_a_whole_number_will_do_for_a_share() -> None:
    assert SHARE.check(1) == 1.0
    assert isinstance(SHARE.check(1), float)


@given(st.sampled_from(sorted(PROTOCOLS)))
def test_every_allowed_value_can_be_typed(name: str) -> None:
    for option in PROTOCOLS[name].options:
        for value in option.values or (option.default,):
            assert option.parse(str(value)) == value
        assert option.help


def test_resolving_fills_defaults_and_names_what_there_is() -> None:
    protocol = Protocol(
        name="x@1",
        task="x",
        summary="x",
        parts=("x",),
        counter="magpie.metrics.gmner:count",
        options=(LIMIT, NAME),
    )
    assert protocol.resolve({"limit": 3}) == {"limit": 3, "name": "auto"}
    with pytest.raises(ConfigError, match="x@1 has no option 'size'") as caught:
        protocol.resolve({"size": 3})
    assert caught.value.mend == "Its options are: limit, name, malformed_as_fp."
    assert protocol.load_prepare() is None
    assert protocol.load_counter().__name__ == "count"


def test_nothing_prepared() -> None:
    assert Prepared() == Prepared(options={}, notes={}, swapped=frozenset())
