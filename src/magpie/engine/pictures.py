"""Pictures that come beside a text: paths and bytes as media, objects in memory by id."""

from __future__ import annotations

import dataclasses
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

from magpie.errors import MagpieError, SchemaError
from magpie.schema import Document, Media, Problem

if TYPE_CHECKING:
    from PIL import Image as PillowImage

    from magpie.engine.grounding import LoadedMedia
    from magpie.vision import ImageLimits

__all__ = [
    "Picture",
    "load_pictures",
    "only_sizes",
    "with_bytes",
    "with_pictures",
    "with_problems",
]

Picture: TypeAlias = "str | os.PathLike[str] | bytes | PillowImage.Image"

_IN_MEMORY = "the picture was given as an object in memory and is not kept"


def with_pictures(
    document: Document, image: Picture | Sequence[Picture] | None
) -> tuple[Document, dict[str, PillowImage.Image]]:
    """Adds the pictures as media; Pillow objects come back beside them, by id."""
    if image is None:
        return document, {}
    pictures = list(image) if isinstance(image, list | tuple) else [image]
    taken = {medium.id for medium in document.media}
    names = (f"m{index}" for index in range(len(pictures) + len(taken)))
    free = (name for name in names if name not in taken)
    media: list[Media] = []
    given: dict[str, PillowImage.Image] = {}
    for identifier, picture in zip(free, pictures, strict=False):
        if isinstance(picture, bytes | bytearray):
            media.append(Media(id=identifier, data=bytes(picture)))
        elif isinstance(picture, str | os.PathLike):
            media.append(Media(id=identifier, uri=os.fspath(picture)))
        elif hasattr(picture, "convert"):
            pillow = cast("PillowImage.Image", picture)
            media.append(_of_pillow(identifier, pillow))
            given[identifier] = pillow
        else:
            raise SchemaError(
                f"an image must be a path, bytes or a Pillow image, got {type(picture).__name__}"
            )
    return dataclasses.replace(document, media=(*document.media, *media)), given


def _of_pillow(identifier: str, picture: PillowImage.Image) -> Media:
    """The file behind a freshly opened picture, where there is one; else absent, and why."""
    name = getattr(picture, "filename", "")
    if isinstance(name, str) and name and Path(name).is_file():
        return Media(id=identifier, uri=name)
    return Media(id=identifier, missing=_IN_MEMORY)


def with_bytes(document: Document, given: Mapping[str, PillowImage.Image]) -> Document:
    """The document with pictures that were given as objects put in as bytes."""
    if not given:
        return document
    media = tuple(
        Media(id=medium.id, data=_png(given[medium.id])) if medium.id in given else medium
        for medium in document.media
    )
    return dataclasses.replace(document, media=media)


def _png(picture: PillowImage.Image) -> bytes:
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, format="PNG")
    return buffer.getvalue()


def only_sizes(document: Document, media: Sequence[Media]) -> Document:
    """The document with the sizes that ``media``, the same pictures in its order, have by now."""
    sized = tuple(
        dataclasses.replace(own, width=other.width, height=other.height)
        for own, other in zip(document.media, media, strict=True)
    )
    return document if sized == document.media else dataclasses.replace(document, media=sized)


def load_pictures(
    document: Document,
    given: Mapping[str, PillowImage.Image],
    *,
    limits: ImageLimits | None,
    root: str | os.PathLike[str] | None,
    allow_remote: bool,
) -> LoadedMedia:
    """Decodes the document's pictures; what cannot be decoded becomes a problem."""
    from magpie.engine.grounding import LoadedMedia, load_media
    from magpie.vision import load_image

    # Those given as objects are not read again from the files they came from.
    media = tuple(
        dataclasses.replace(medium, missing=_IN_MEMORY) if medium.id in given else medium
        for medium in document.media
    )
    loaded = load_media(
        dataclasses.replace(document, media=media),
        limits=limits,
        root=root,
        allow_remote=allow_remote,
    )
    images, problems = dict(loaded.images), list(loaded.problems)
    for identifier, picture in given.items():
        try:
            images[identifier] = load_image(picture, limits=limits)
        except MagpieError as error:
            problems.append(Problem.from_error(error.at(f"medium {identifier!r}")))
    return LoadedMedia(images, tuple(problems))


def with_problems(document: Document, problems: Sequence[Problem]) -> Document:
    """The document with problems of its pictures, each told once.

    What a trained method said before of the same picture, under the same code, gives way: it knew
    the reason as a sentence, without the file and the mend apart.
    """

    def told(old: Problem) -> bool:
        return any(
            new.code == old.code
            and (new.where == old.where or new.where.startswith(f"{old.where}: "))
            for new in problems
        )

    kept = tuple(old for old in document.problems if not told(old))
    document = dataclasses.replace(document, problems=kept)
    for problem in problems:
        document = document.with_problem(problem)
    return document
