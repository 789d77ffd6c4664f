"""Start-up stays light: what is imported when, and that the public names exist."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

import magpie

HEAVY = ("torch", "transformers", "onnxruntime", "cv2", "rapidocr", "numpy", "PIL", "pydantic")


def _loaded_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print('\\n'.join(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {line.split(".", maxsplit=1)[0] for line in run.stdout.splitlines()}


def test_import_magpie_loads_nothing_heavy() -> None:
    assert not _loaded_after("import magpie") & {*HEAVY, "rich", "typer"}


def test_command_line_loads_nothing_heavy() -> None:
    assert not _loaded_after("import magpie.cli.app") & set(HEAVY)


def test_schema_values_need_no_pydantic() -> None:
    statement = "from magpie import Document; Document.from_text('a')"
    assert not _loaded_after(statement) & set(HEAVY)


def test_engine_never_imports_torch() -> None:
    loaded = _loaded_after("from magpie import Extractor")
    assert not loaded & {"torch", "transformers"}


@pytest.mark.parametrize("name", magpie.__all__)
def test_public_names_resolve(name: str) -> None:
    assert getattr(magpie, name) is not None
    assert name in dir(magpie)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        magpie.nope  # noqa: B018


@pytest.mark.parametrize(
    "room",
    [
        "schema",
        "text",
        "vision",
        "corpora",
        "metrics",
        "export",
        "viz",
        "nn",
        "backbones",
        "features",
        "methods",
        "engine",
        "training",
    ],
)
def test_every_name_in_all_exists(room: str) -> None:
    module = importlib.import_module(f"magpie.{room}")
    for name in getattr(module, "__all__", []):
        assert hasattr(module, name), name
