"""Extras: what is missing names the command that installs it."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from magpie._optional import EXTRAS, available, require
from magpie.errors import MissingExtraError


def test_every_extra_exists_in_the_project_file(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert set(EXTRAS.values()) <= set(project["optional-dependencies"])
    tiers = {"train", "retrieval", "llm", "graph", "serve", "scale", "plots", "dev", "all"}
    tiers |= {"export", "generation", "supervision"}
    assert tiers == set(project["optional-dependencies"])


def test_core_needs_no_torch(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    assert not [line for line in project["dependencies"] if "torch" in line]


def test_require_returns_the_module() -> None:
    assert require("json", "a test") is sys.modules["json"]


def test_missing_module_names_extra_and_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bm25s", None)
    with pytest.raises(MissingExtraError, match=r'pip install "magpie-ie\[retrieval\]"') as caught:
        require("bm25s", "searching")
    assert "searching needs the package 'bm25s'" in str(caught.value)
    assert isinstance(caught.value, ImportError)


def test_unknown_module_names_the_package() -> None:
    assert not available("no_such_package_at_all")
    with pytest.raises(MissingExtraError, match="pip install no_such_package_at_all"):
        require("no_such_package_at_all.part", "a test")
