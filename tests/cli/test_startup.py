"""Start-up stays light: what a process loads for help and for one text."""

from __future__ import annotations

import os
import re
import subprocess
import sys

MODEL = os.environ.get("MAGPIE_MODEL", "embedded")
_LINE = re.compile(r"^import time:\s+(\d+) \|\s+(\d+) \|\s*(\S+)$", re.MULTILINE)


def _imports(*arguments: str) -> dict[str, int]:
    """Module -> microseconds of its import with all below it, of one run of `magpie`."""
    command = [sys.executable, "-X", "importtime", "-m", "magpie", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    return {name: int(total) for _, total, name in _LINE.findall(run.stderr)}


def _roots(imports: dict[str, int]) -> set[str]:
    return {name.partition(".")[0] for name in imports}


def test_help_loads_nothing_heavy() -> None:
    imports = _imports("--help")
    heavy = {"torch", "transformers", "onnxruntime", "cv2", "rapidocr", "numpy", "PIL", "pydantic"}
    assert not _roots(imports) & heavy
    assert "magpie.cli.app" in imports or "magpie.cli" in imports


def test_a_flat_text_needs_neither_pictures_nor_torch() -> None:
    imports = _imports("extract", "Marie Curie saw Paris", "--flat", "--model", MODEL)
    # pydantic is not asked for: newer releases of typer import it themselves.
    assert not _roots(imports) & {"torch", "transformers", "cv2", "rapidocr", "scipy", "PIL"}
    assert {"onnxruntime", "tokenizers"} <= _roots(imports)
