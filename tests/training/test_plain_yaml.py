"""Words stay words."""

from __future__ import annotations

import pytest

pytest.importorskip("yaml", reason="recipes need the extra 'train'")

from magpie.training.plain_yaml import load_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("off", "off"),
        ("No", "No"),
        ("on", "on"),
        ("yes", "yes"),
        ("true", True),
        ("False", False),
        ("1.5e-2", 0.015),
        ("3", 3),
        ("null", None),
        ("{boost: off, keep: false}", {"boost": "off", "keep": False}),
    ],
)
def test_only_true_and_false_are_booleans(text, value):
    assert load_yaml(text) == value
    assert type(load_yaml(text)) is type(value)
