"""magpie: entities, boxes, relations and events from text that comes with pictures.

Everything public is reachable from here and loaded on first use, so that ``import magpie`` stays
cheap::

    from magpie import Extractor

    document = Extractor()("Eileen Collins flew for NASA.", image="portrait.png")
    for entity in document.entities:
        print(entity.type, document.text_of(entity), entity.boxes)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from magpie._version import __version__

if TYPE_CHECKING:
    from magpie.engine import Extractor as Extractor
    from magpie.errors import MagpieError as MagpieError
    from magpie.schema import Annotations as Annotations
    from magpie.schema import Block as Block
    from magpie.schema import Box as Box
    from magpie.schema import Document as Document
    from magpie.schema import Entity as Entity
    from magpie.schema import Grounding as Grounding
    from magpie.schema import Media as Media
    from magpie.schema import Region as Region
    from magpie.schema import Relation as Relation
    from magpie.schema import Span as Span

_LAZY = {
    "Annotations": "magpie.schema",
    "Block": "magpie.schema",
    "Box": "magpie.schema",
    "Document": "magpie.schema",
    "Entity": "magpie.schema",
    "Extractor": "magpie.engine",
    "Grounding": "magpie.schema",
    "MagpieError": "magpie.errors",
    "Media": "magpie.schema",
    "Region": "magpie.schema",
    "Relation": "magpie.schema",
    "Span": "magpie.schema",
}

__all__ = [*sorted(_LAZY), "__version__"]  # noqa: PLE0604  the table is the list


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(importlib.import_module(_LAZY[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'magpie' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
