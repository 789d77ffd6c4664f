"""Where entities show in pictures, without any network.

``LocalGrounder`` reads lettering, finds faces and people and links them to entities; stronger
models implement the same :class:`Grounder`. See docs/grounding.md.
"""

from magpie.engine.grounding.interface import (
    Grounder,
    GroundingRequest,
    GroundingResult,
    LoadedMedia,
    apply_grounding,
    ground_document,
    load_media,
)
from magpie.engine.grounding.local import LocalGrounder

__all__ = [
    "Grounder",
    "GroundingRequest",
    "GroundingResult",
    "LoadedMedia",
    "LocalGrounder",
    "apply_grounding",
    "ground_document",
    "load_media",
]
