"""Documents written as JSON lines, with picture paths that hold from where the file lies."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from magpie.schema import Document

__all__ = ["DocumentWriter", "with_absolute_paths"]


class DocumentWriter:
    """Writes one document a line to an open file that will lie at ``path``.

    Pictures below the file's folder get paths relative to it, so that they are found wherever
    the folder is moved; others keep their absolute paths. ``documents`` counts what was written,
    ``pictures_root`` is the folder that holds all pictures outside, empty without any: what
    reads the file must be told to accept it (``magpie extract --root``).
    """

    def __init__(self, stream: BinaryIO, path: str | os.PathLike[str]) -> None:
        self._stream = stream
        self._folder = Path(path).absolute().parent
        self._outside = ""
        self.documents = 0

    def write(self, document: Document) -> None:
        """Appends one document."""
        self._stream.write(_with_paths(document, self._from_here).to_json().encode("utf-8") + b"\n")
        self.documents += 1

    @property
    def pictures_root(self) -> str:
        return self._outside

    def _from_here(self, uri: str) -> str:
        if not os.path.isabs(uri):
            return uri
        if Path(uri).is_relative_to(self._folder):
            return Path(uri).relative_to(self._folder).as_posix()
        above = os.path.dirname(uri.partition(".zip!")[0])
        self._outside = os.path.commonpath([self._outside, above]) if self._outside else above
        return uri


def with_absolute_paths(document: Document, folder: Path) -> Document:
    """The document with its pictures' relative paths joined to the folder they count from."""
    return _with_paths(document, lambda uri: os.path.join(folder, uri))


def _with_paths(document: Document, change: Callable[[str], str]) -> Document:
    """Changes the paths of pictures that are there; addresses and names of absent ones stay."""
    media = tuple(
        dataclasses.replace(medium, uri=change(medium.uri))
        if medium.present and medium.uri is not None and not _is_address(medium.uri)
        else medium
        for medium in document.media
    )
    return document if media == document.media else dataclasses.replace(document, media=media)


def _is_address(uri: str) -> bool:
    return "://" in uri[:40] or uri.startswith("data:")
