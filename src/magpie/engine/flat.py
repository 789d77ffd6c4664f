"""The flat line that scripts read: one document, its entities, nothing nested deeper than a box.

::

    {"id": "...", "entities": [{"text": "...", "start": 0, "end": 5, "type": "PER",
     "fine_type": null, "score": 0.98, "grounding": "unknown|absent|regions",
     "boxes": [[x1, y1, x2, y2]]}]}

``start`` and ``end`` count code points of :attr:`Document.text`: the text as given, or the texts of
several blocks joined by line feeds. Boxes are pixels of the upright picture.
"""

from __future__ import annotations

from typing import Any

from magpie.schema import Document, Entity

__all__ = ["flat"]


def flat(document: Document) -> dict[str, Any]:
    """The document in the flat shape, as plain JSON values."""
    offsets: dict[str, int] = {}
    position = 0
    for block in document.blocks:
        offsets[block.id] = position
        position += len(block.text) + 1
    return {
        "id": document.id,
        "entities": [
            _entity(entity, document.text_of(entity), offsets[entity.span.block])
            for entity in document.entities
        ],
    }


def _entity(entity: Entity, text: str, offset: int) -> dict[str, Any]:
    return {
        "text": text,
        "start": offset + entity.span.start,
        "end": offset + entity.span.end,
        "type": entity.type,
        "fine_type": entity.fine_type,
        "score": entity.score,
        "grounding": entity.grounding.status,
        "boxes": [list(box.xyxy) for box in entity.boxes],
    }
