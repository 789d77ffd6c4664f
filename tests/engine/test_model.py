"""Model folders: complete, of this release, undamaged, or a clear error."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from magpie.engine.model import (
    FILES,
    available_cores,
    check_threads,
    load_config,
    load_tokenizer,
    model_folder,
    open_session,
    verify,
)
from magpie.errors import ConfigError, ModelError


@pytest.fixture
def folder(model: str, tmp_path: Path) -> Path:
    """A copy of the model that a test may damage."""
    for name in FILES:
        shutil.copy(model_folder(model) / name, tmp_path)
    return tmp_path


def _change(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "config.json"
    values = json.loads(path.read_text("utf-8"))
    change(values)
    path.write_text(json.dumps(values), "utf-8")


def test_the_model_under_test(folder: Path) -> None:
    config = load_config(folder)
    size = len(config.labels)
    assert config.labels[0] == "O"
    assert config.chain.transitions.shape == (size, size)
    assert {fine.coarse for fine in config.fine_types} == {"PER", "LOC", "ORG", "OTHER"}
    assert len(config.fine_types) == 51
    assert len(config.digest) == 64
    assert all(verify(folder, config).values())


def test_embedded_model_is_small_and_names_its_files() -> None:
    folder = model_folder("embedded")
    assert sum((folder / name).stat().st_size for name in FILES) < 30e6
    config = load_config(folder)
    assert verify(folder, config) == {"model.onnx": True, "tokenizer.json": True}
    assert config.version


def test_what_was_changed_is_noticed(folder: Path) -> None:
    _change(folder, lambda values: values.update(files={"tokenizer.json": "0" * 64}))
    assert verify(folder, load_config(folder)) == {"tokenizer.json": False}


@pytest.mark.parametrize("name", FILES)
def test_each_file_is_missed(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelError, match=f"lacks {name}") as error:
        model_folder(folder)
    assert error.value.code == "model-missing"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda values: values.update(spec="other"), "input features 'other'"),
        (lambda values: values.pop("labels"), "lacks 'labels'"),
        (lambda values: values["start"].pop(), "transition scores"),
        (lambda values: values.update(max_pieces=3), "max_pieces"),
        (lambda values: values.update(fine_temperature=0), "fine_temperature"),
        (lambda values: values.update(fine_types=[{"name": "x"}]), "lacks 'type'"),
    ],
)
def test_a_wrong_configuration(
    folder: Path, change: Callable[[dict[str, Any]], object], words: str
) -> None:
    _change(folder, change)
    with pytest.raises(ModelError, match=words) as error:
        load_config(folder)
    assert error.value.code == "model-damaged"
    assert error.value.where.endswith("config.json")


@pytest.mark.parametrize("content", ["", "[]", "{", '{"spec": NaN}'])
def test_a_configuration_that_is_none(folder: Path, content: str) -> None:
    (folder / "config.json").write_text(content, "utf-8")
    with pytest.raises(ModelError):
        load_config(folder)


def test_damaged_files(folder: Path) -> None:
    whole = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="cannot be used"):
        open_session(folder)
    (folder / "tokenizer.json").write_text("{}", "utf-8")
    with pytest.raises(ModelError, match="cannot be used"):
        load_tokenizer(folder)


def test_threads() -> None:
    assert check_threads(3) == 3
    assert check_threads(None) == available_cores() >= 1
    with pytest.raises(ConfigError):
        check_threads(0)
