"""Settings behind a model's name."""

from __future__ import annotations

import pytest

from magpie.errors import ConfigError
from magpie.features.spelled import name_and_settings

KINDS = {"prompt": str, "steps": int}


@pytest.mark.parametrize(
    ("spelled", "name", "settings"),
    [
        ("x:blip", "blip", {}),
        ("x:a/b?", "a/b", {}),
        ("x:a/b?steps=3&&prompt=who = what?", "a/b", {"steps": 3, "prompt": "who = what?"}),
        ("x:a?prompt=black %26 white%3f 100% of it", "a", {"prompt": "black & white? 100% of it"}),
    ],
)
def test_reads_name_and_settings(spelled: str, name: str, settings: dict[str, object]) -> None:
    assert name_and_settings(spelled, "x:", KINDS, "steps=3") == (name, settings)


@pytest.mark.parametrize("part", ["steps=three", "steps", "stops=3"])
def test_names_the_part_that_it_cannot_read(part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        name_and_settings(f"x:blip?prompt=a&{part}", "x:", KINDS, "steps=3")
    assert caught.value.message == f"cannot read {part!r} of x:blip?prompt=a&{part}"
    assert caught.value.mend == "Settings are prompt, steps, such as steps=3."
