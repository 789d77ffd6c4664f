"""The data model: frozen values and their JSON, no behaviour that needs a model.

See docs/data-model.md for the shapes and docs/document.schema.json for the JSON Schema.
"""

from magpie.schema.annotations import (
    Annotations,
    Argument,
    Entity,
    Event,
    Grounding,
    Link,
    Provenance,
    Region,
    Relation,
)
from magpie.schema.codec import FORMAT, from_dict, from_json, json_schema, to_dict, to_json
from magpie.schema.document import Block, ContextText, Document, Media, Problem, Source
from magpie.schema.geometry import Box, Mask, Span, TimeRange

__all__ = [
    "FORMAT",
    "Annotations",
    "Argument",
    "Block",
    "Box",
    "ContextText",
    "Document",
    "Entity",
    "Event",
    "Grounding",
    "Link",
    "Mask",
    "Media",
    "Problem",
    "Provenance",
    "Region",
    "Relation",
    "Source",
    "Span",
    "TimeRange",
    "from_dict",
    "from_json",
    "json_schema",
    "to_dict",
    "to_json",
]
