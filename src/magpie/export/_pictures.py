"""Encoded picture files and their size, for formats that carry them."""

from __future__ import annotations

from pathlib import Path

from magpie.errors import MagpieError
from magpie.export.report import ExportReport
from magpie.schema import Document, Media
from magpie.vision.header import picture_size
from magpie.vision.load import read_picture

__all__ = ["encoded_picture", "size_of"]


def encoded_picture(
    document: Document, medium: Media, root: Path | None, report: ExportReport
) -> bytes | None:
    """The picture's file, checked by its header.

    None for what is no picture or is known to be missing; None and a loss for a picture that
    should be there and cannot be read.
    """
    if medium.kind != "image" or not medium.present:
        return None
    try:
        data = read_picture(medium, root=root)
        picture_size(data, where=medium.id)
    except MagpieError as error:
        why = f"picture not read ({error.code})"
        report.lose("media", document, medium.id, why=why, partly=True)
        return None
    return data


def size_of(medium: Media, root: Path | None) -> tuple[int, int] | None:
    """Width and height in pixels: as the document says, else from the file's header, else None."""
    if medium.width is not None and medium.height is not None:
        return medium.width, medium.height
    try:
        return picture_size(read_picture(medium, root=root), where=medium.id)
    except MagpieError:
        return None
