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
from magpie.engine.grounding.method import MethodGrounder
from magpie.engine.looking import GROUNDERS

__all__ = [
    "GROUNDERS",
    "Grounder",
    "GroundingRequest",
    "GroundingResult",
    "LoadedMedia",
    "LocalGrounder",
    "MethodGrounder",
    "apply_grounding",
    "ground_document",
    "load_media",
]
