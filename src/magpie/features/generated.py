"""Pictures that were generated from a post's text: a second input beside the post's own picture.

A generated picture is a further medium of its document under the id ``generated``, a file in a
folder, named as the post's own picture is, or drawn by a pipeline (:mod:`magpie.features.drawn`).
:class:`Generated` wraps what is wanted of it; whoever supplies the wrapped need supplies this one,
from the same cache. Boxes that were published for generated pictures (``tmr-generated-mnre``) are
found by the same names.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from magpie.corpora.pictures import picture_name
from magpie.corpora.side import GENERATED
from magpie.features.needs import Need, Pixels
from magpie.features.source import first_picture
from magpie.schema import Document, Media
from magpie.vision import read_picture

__all__ = ["SUFFIXES", "Generated", "generated_view", "view_of"]

#: endings of generated pictures in a folder, in the order in which they are tried
SUFFIXES = (".jpg", ".png", ".jpeg", ".webp")


@dataclass(frozen=True, slots=True)
class Generated(Need):
    """The same need for the picture that was generated from the text.

    ``folder`` holds files ``<name of the post's picture>.jpg`` (or ``.png``), or is
    ``pipeline:NAME``, which draws the post's text; it is asked where the document brings no medium
    ``generated`` of its own. Absent where neither has one.
    """

    of: Need = field(default_factory=Pixels)
    folder: str = ""

    def describe(self) -> dict[str, Any]:
        # The folder says where a picture lies, not what is seen in it: its digest is in the key.
        return {"kind": "generated", "of": self.of.describe()}


def generated_view(document: Document, folder: str = "") -> Document | None:
    """The document as if the generated picture were its only one; None where there is none.

    Raises:
        MediaError: a file of the folder is larger than a picture may be.
    """
    medium = next((m for m in document.media if m.id == GENERATED and m.present), None)
    if medium is None:
        medium = _from_folder(document, folder)
    return None if medium is None else view_of(document, medium)


def view_of(document: Document, medium: Media) -> Document:
    """The document as if this picture were its only one; its words belong to no place in it."""
    blocks = tuple(
        dataclasses.replace(block, box=None, media=None)
        if block.media is not None or block.box is not None
        else block
        for block in document.blocks
    )
    return Document(id=document.id, blocks=blocks, media=(medium,), source=document.source)


def _from_folder(document: Document, folder: str) -> Media | None:
    own = first_picture(document)
    name = None if own is None or not folder else picture_name(own)
    if not name:
        return None
    # Only the last part of a name: it must not lead out of the folder.
    stem = Path(folder).absolute() / Path(name).name
    for suffix in SUFFIXES:
        path = stem.with_name(stem.name + suffix)
        if path.is_file():
            # Read here: the folder may lie elsewhere than the pictures of the posts.
            return Media(id=GENERATED, uri=path.name, data=read_picture(path))
    return None
