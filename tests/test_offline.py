"""One variable forbids every connection."""

from __future__ import annotations

import pytest

from magpie._offline import VARIABLE, is_offline, require_online
from magpie.errors import AccessError


@pytest.mark.parametrize("value", ["1", "true", "yes", " ON "])
def test_set_means_offline(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(VARIABLE, value)
    assert is_offline()
    with pytest.raises(AccessError) as caught:
        require_online("http://example.org/")
    assert caught.value.code == "access-remote"
    assert caught.value.where == "http://example.org/"


@pytest.mark.parametrize("value", [None, "", "0", "false", "No"])
def test_unset_or_negative_means_online(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    if value is None:
        monkeypatch.delenv(VARIABLE, raising=False)
    else:
        monkeypatch.setenv(VARIABLE, value)
    assert not is_offline()
    require_online("http://example.org/")
