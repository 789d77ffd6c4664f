"""Optional dependencies: one place that knows which extra brings which module."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

from magpie.errors import MissingExtraError

__all__ = ["EXTRAS", "available", "require"]

#: top-level module -> the extra of the distribution that installs it
EXTRAS: dict[str, str] = {
    "torch": "train",
    "transformers": "train",
    "accelerate": "train",
    "safetensors": "train",
    "onnx": "train",
    "onnxscript": "train",
    "yaml": "train",
    "diffusers": "generation",
    "bm25s": "retrieval",
    "faiss": "retrieval",
    "httpx2": "llm",
    "rdflib": "graph",
    "networkx": "graph",
    "starlette": "serve",
    "uvicorn": "serve",
    "pyarrow": "scale",
    "matplotlib": "plots",
    "spacy": "export",
    "datasets": "export",
    "supervision": "supervision",
}


def available(module: str) -> bool:
    """Whether ``module`` could be imported, without importing it."""
    return importlib.util.find_spec(module) is not None


def require(module: str, purpose: str) -> ModuleType:
    """Imports an optional module.

    Args:
        module: dotted name, for instance ``"torch"``.
        purpose: what needs it, for the message ("training a tagger").

    Raises:
        MissingExtraError: with the exact install command.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        extra = EXTRAS.get(module.split(".", maxsplit=1)[0])
        mend = (
            f'Install it with: pip install "magpie-ie[{extra}]"'
            if extra
            else f"Install it with: pip install {module.split('.', maxsplit=1)[0]}"
        )
        raise MissingExtraError(f"{purpose} needs the package {module!r}", mend=mend) from error
