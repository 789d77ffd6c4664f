"""What anything that grounds entities takes and gives; LocalGrounder is the first to implement it.

A grounder looks at the pictures of one document and says of each entity where it shows:

- ``unknown``: nobody could look (no picture, or a picture that could not be read);
- ``absent``: every picture was looked at and the entity was not found;
- ``regions``: found, with the regions, each of which names its picture.

It says where a named person may show because the text names one and the picture shows one. It
compares no faces and knows nobody's face.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from magpie.errors import MagpieError, MediaError
from magpie.schema import (
    Annotations,
    ContextText,
    Document,
    Grounding,
    Problem,
    Region,
)
from magpie.vision import ImageLimits, LoadedImage, load_image

__all__ = [
    "Grounder",
    "GroundingRequest",
    "GroundingResult",
    "LoadedMedia",
    "apply_grounding",
    "ground_document",
    "load_media",
]


@dataclass(frozen=True, slots=True)
class GroundingRequest:
    """One document and what could be loaded of its pictures.

    Args:
        document: with the entities to ground; their present grounding is ignored.
        images: by id of the medium. Media of the document that are not in here were not seen.
    """

    document: Document
    images: Mapping[str, LoadedImage]

    @property
    def complete(self) -> bool:
        """Whether every picture of the document can be looked at (and there is one)."""
        pictures = [medium.id for medium in self.document.media if medium.kind == "image"]
        return bool(pictures) and all(identifier in self.images for identifier in pictures)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundingResult:
    """What a grounder found.

    Args:
        groundings: one per entity of the request's document, in its order.
        regions: what was seen and belongs to no entity (faces, people, lines of lettering).
        context: texts read off the pictures, kind ``ocr``, each naming its picture.
        problems: what went wrong while looking; the document becomes ``partial``.
    """

    groundings: tuple[Grounding, ...]
    regions: tuple[Region, ...] = ()
    context: tuple[ContextText, ...] = ()
    problems: tuple[Problem, ...] = ()


class Grounder(Protocol):
    """Finds entities in pictures. Implementations are deterministic and may keep models loaded."""

    @property
    def name(self) -> str:
        """What stands in the provenance of its regions."""
        ...

    def ground(self, request: GroundingRequest) -> GroundingResult:
        """Grounds every entity of one document.

        The document must come back even where a part of the grounder fails on its picture: that is
        a problem in the result, never an exception.
        """
        ...


@dataclass(frozen=True, slots=True)
class LoadedMedia:
    """Pictures of a document by medium id, and why others could not be loaded."""

    images: dict[str, LoadedImage] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def load_media(
    document: Document,
    *,
    limits: ImageLimits | None = None,
    root: str | os.PathLike[str] | None = None,
    allow_remote: bool = False,
    max_side: int | None = 1600,
) -> LoadedMedia:
    """Loads the pictures of a document; what cannot be loaded becomes a problem, never an error.

    A medium that its reader already marked as missing is no new problem: it says why itself. The
    other arguments are those of :func:`magpie.vision.load_image`.
    """
    images: dict[str, LoadedImage] = {}
    problems: list[Problem] = []
    for medium in document.media:
        if medium.kind != "image" or medium.missing is not None:
            continue
        try:
            images[medium.id] = load_image(
                medium, limits=limits, root=root, allow_remote=allow_remote, max_side=max_side
            )
        except MagpieError as error:
            problems.append(Problem.from_error(error.at(f"medium {medium.id!r}")))
        except MemoryError:
            heavy = MediaError("not enough memory to decode it", code="media-too-large")
            problems.append(Problem.from_error(heavy.at(f"medium {medium.id!r}")))
    return LoadedMedia(images, tuple(problems))


def apply_grounding(
    document: Document, result: GroundingResult, images: Mapping[str, LoadedImage]
) -> Document:
    """The document with the result written into it, and its media with the pictures' true sizes."""
    media = tuple(
        dataclasses.replace(medium, width=images[medium.id].width, height=images[medium.id].height)
        if medium.id in images
        else medium
        for medium in document.media
    )
    old = document.annotations or Annotations()
    entities = tuple(
        dataclasses.replace(entity, grounding=grounding)
        for entity, grounding in zip(old.entities, result.groundings, strict=True)
    )
    annotations = dataclasses.replace(
        old, entities=entities, regions=(*old.regions, *result.regions)
    )
    grounded = dataclasses.replace(
        document,
        media=media,
        annotations=annotations,
        context=(*document.context, *result.context),
    )
    for problem in result.problems:
        grounded = grounded.with_problem(problem)
    return grounded


def ground_document(
    grounder: Grounder,
    document: Document,
    *,
    limits: ImageLimits | None = None,
    root: str | os.PathLike[str] | None = None,
    allow_remote: bool = False,
) -> Document:
    """Loads the document's pictures, grounds its entities and writes the result into it.

    Never fails because of a picture: an unreadable one leaves groundings ``unknown`` and a problem
    on the document, which becomes ``partial``.
    """
    loaded = load_media(document, limits=limits, root=root, allow_remote=allow_remote)
    for problem in loaded.problems:
        document = document.with_problem(problem)
    if not loaded.images:
        nothing = tuple(Grounding() for _ in document.entities)
        return apply_grounding(document, GroundingResult(groundings=nothing), loaded.images)
    result = grounder.ground(GroundingRequest(document, loaded.images))
    return apply_grounding(document, result, loaded.images)
