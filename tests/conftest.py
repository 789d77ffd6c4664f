"""Fixtures of the whole suite: where the public corpora and the parity numbers lie."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# The same examples on every run; a loaded machine is no reason to fail.
hypothesis.settings.register_profile("magpie", deadline=None, derandomize=True)
hypothesis.settings.load_profile("magpie")

ROOT = Path(__file__).resolve().parent.parent


def _folder(variable: str, default: Path, what: str) -> Path:
    folder = Path(os.environ.get(variable, default))
    if not folder.is_dir():
        pytest.skip(f"{what} not found at {folder}; set {variable} to its folder")
    return folder


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the public corpora, from MAGPIE_DATA; skips where it is absent."""
    return _folder("MAGPIE_DATA", ROOT.parent / "shared" / "data", "public corpora")


@pytest.fixture(scope="session")
def parity_dir() -> Path:
    """Folder of the public code's numbers, from MAGPIE_PARITY; skips where it is absent."""
    return _folder("MAGPIE_PARITY", ROOT.parent / "shared" / "parity", "parity numbers")


def pytest_configure(config: pytest.Config) -> None:
    """Nothing leaves the machine while testing."""
    os.environ.setdefault("MAGPIE_OFFLINE", "1")
    # Nor is anything read from or kept in the user's own cache of features.
    os.environ.setdefault("MAGPIE_FEATURES", "")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Only loopback may be reached."""
    from pytest_socket import socket_allow_hosts

    socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


TINY_RECIPE = """
method: bert-crf
config: {text: tiny-bert, max_length: 40}
data: {corpus: controlled@ner, limit: 48, limit_dev: 16}
loop: {epochs: 2, batch: 16}
optimiser: {rate: 5.0e-3, warmup: 0.1}
seeds: [7]
"""


@pytest.fixture(scope="session")
def tiny_recipe() -> str:
    """A recipe that trains in a second: a tiny BERT-CRF on the controlled corpus."""
    return TINY_RECIPE


@pytest.fixture(scope="session")
def trained_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The finished run of :func:`tiny_recipe`, test split included; nobody may write into it."""
    pytest.importorskip("torch")
    from magpie.training.recipe import parse_recipe
    from magpie.training.seeds import train

    folder = tmp_path_factory.mktemp("trained") / "run"
    train(parse_recipe(TINY_RECIPE, ["data.limit_dev=16"]), folder)
    return folder


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Tiny networks on one thread: two wait for each other longer than they compute."""
    torch = pytest.importorskip("torch", reason="needs the extra 'train'")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
