"""The model under test and small texts of our own."""

from __future__ import annotations

import os

import pytest

from magpie.engine import Extractor, Tagger

#: another model folder may be put to the same tests
MODEL = os.environ.get("MAGPIE_MODEL", "embedded")


@pytest.fixture(scope="session")
def model() -> str:
    """Name or folder of the model under test."""
    return MODEL


@pytest.fixture(scope="session")
def tagger() -> Tagger:
    return Tagger(MODEL)


@pytest.fixture(scope="session")
def extractor() -> Extractor:
    """Text only, on two threads."""
    return Extractor(MODEL, threads=2, ground=False)
