"""What users run: the embedded tagger, grounding without a network, and :class:`Extractor`.

Names are loaded on first use, so that ``magpie doctor`` can still speak where a package is broken.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from magpie.engine.extractor import Extractor as Extractor
    from magpie.engine.tagger import Tagger as Tagger

_LAZY = {"Extractor": "magpie.engine.extractor", "Tagger": "magpie.engine.tagger"}

__all__ = ["Extractor", "Tagger"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(importlib.import_module(_LAZY[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'magpie.engine' has no attribute {name!r}")
