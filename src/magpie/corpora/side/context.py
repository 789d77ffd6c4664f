"""Side sources read from disk, and joined to documents."""

from __future__ import annotations

import copy
import dataclasses
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from magpie.corpora.anomaly import Anomaly, Report, ignore
from magpie.corpora.dataset_card import Card, DataFile
from magpie.corpora.digests import cached_digest
from magpie.corpora.pictures import PICTURE, picture_name
from magpie.corpora.side.card import SideSource
from magpie.corpora.side.rows import Row, Text
from magpie.corpora.side.table import SOURCES, source
from magpie.corpora.source import Found
from magpie.errors import ConfigError, NotFoundError
from magpie.schema import ContextText, Document

__all__ = [
    "Shelf",
    "context_sources",
    "find_side",
    "key_of",
    "missing",
    "read_part",
    "with_context",
]


_LOG = logging.getLogger("magpie.corpora")


def find_side(file: DataFile, root: Path) -> Found:
    """Looks for a side file below the corpus root, or beside a corpus's own folder.

    Unlike the files of a corpus it is never taken from the root by its bare name: side files are
    called ``test.txt`` as well.

    Raises:
        NotFoundError: naming where it was looked for.
    """
    for base in (root, *root.parents[:2]):
        path = base / file.path
        if file.folder:
            inner = path.with_suffix("") / (file.member or "")
            if path.is_file() or path.is_dir():
                return Found(file, path, file.member)
            if path.suffix == ".zip" and inner.is_dir():
                return Found(file, path.with_suffix(""), file.member)
        elif path.is_file():
            return Found(file, path, file.member)
        elif file.member is not None and (path.with_suffix("") / file.member).is_file():
            return Found(file, path.with_suffix("") / file.member)
    raise NotFoundError(
        f"expected {file.label} in the corpus folder, found nothing",
        where=str(root),
        mend="Pass the folder of all corpora with root (--root FOLDER).",
    )


def read_part(side: SideSource, part: str, root: Path, report: Report) -> Iterator[Row]:
    """Streams the rows of a part, in file order.

    Raises:
        NotFoundError: a file is not there (at the call).
        FormatError: the file is of another format altogether (while streaming).
    """
    files = [find_side(file, root) for file in side.parts[part].files]
    return side.reader(files, part, report)


def key_of(document: Document, side: SideSource) -> str | None:
    """What joins a document to rows of the source; None where the document has no such thing."""
    if side.join == "picture":
        return picture_name(document.media[0]) if document.media else None
    if side.join == "words":
        return " ".join(document.blocks[0].word_texts()) if document.blocks else None
    line = None if document.source is None else document.source.line
    return None if line is None else str(line - 1)


class Shelf:
    """The rows of some parts of a source by key, in memory.

    Args:
        side: the source.
        parts: which of its parts.
        root: the corpus root.
        report: is called with each oddity of the files.

    Raises:
        NotFoundError, FormatError: as :func:`read_part`.
    """

    def __init__(self, side: SideSource, parts: Sequence[str], root: Path, report: Report) -> None:
        self.side = side
        self.rows: dict[str, list[Row]] = {}
        self._used: dict[str, int] = {}
        for part in parts:
            for row in read_part(side, part, root, report):
                self.rows.setdefault(row.key, []).append(row)

    def again(self) -> Shelf:
        """The same rows for the documents of another split."""
        other = copy.copy(self)
        other._used = {}
        return other

    def take(self, document: Document) -> Sequence[Row]:
        """The rows of the next document.

        Where words join, posts of the same words get one row each, in the order of the file.
        """
        key = key_of(document, self.side)
        rows = self.rows.get(key, []) if key is not None else []
        if self.side.join != "words" or key is None:
            return rows
        used = self._used.get(key, 0)
        self._used[key] = used + 1
        return rows[used : used + 1]


def context_sources(names: Sequence[str], card: Card, split: str) -> list[SideSource]:
    """The sources of these names.

    Raises:
        NotFoundError: no such source, or one that does not speak of this split; the message names
            those that do.
        ConfigError: one that holds no context, or a name that stands twice.
    """
    fitting = [
        each.name
        for each in SOURCES.values()
        if each.kind is not None and each.parts_of(card.ref, split)
    ]
    known = f"Context for {card.ref}:{split}: {', '.join(fitting) or 'none'}."
    found = []
    for name in names:
        if name not in SOURCES:
            raise NotFoundError(f"no context source {name!r}", mend=known)
        side = source(name)
        if side.kind is None:
            raise ConfigError(f"{name} holds no context: {side.title}", mend=known)
        if name not in fitting:
            raise NotFoundError(
                f"context source {name!r} says nothing of {card.ref}:{split}", mend=known
            )
        if side in found:
            raise ConfigError(f"context source {name!r} was named twice", mend=known)
        found.append(side)
    return found


def with_context(
    documents: Iterator[Document],
    names: Sequence[str],
    card: Card,
    split: str,
    root: Path,
    on_problem: Report | None,
) -> Iterator[Document]:
    """Adds the texts of side sources to documents of one split, in the order of ``names``.

    A document without a text is reported (``side-missing``) and goes on; so are files that the
    table does not know (``unknown-digest``). The texts are read at the call and held in memory, the
    documents stream.

    Args:
        documents: of one split, as :func:`magpie.corpora.load` gives them.
        names: of the sources.
        card, split, root: what is read.
        on_problem: is called with each oddity; without it, unknown files are warned of in the
            log and the first record that cannot be read raises.

    Raises:
        NotFoundError, ConfigError: as :func:`context_sources`, or a file is not there.
        FormatError: a file of another format.
    """
    report = ignore if on_problem is None else on_problem
    shelves = []
    for side in context_sources(names, card, split):
        parts = side.parts_of(card.ref, split)
        _warn_of_unknown(side, parts, root, on_problem)
        shelves.append(Shelf(side, parts, root, report))
    return _joined(documents, shelves, report)


def _warn_of_unknown(
    side: SideSource, parts: Sequence[str], root: Path, on_problem: Report | None
) -> None:
    for file in dict.fromkeys(file for part in parts for file in side.parts[part].files):
        digest = cached_digest(find_side(file, root))
        if digest == file.sha256:
            continue
        message = (
            f"{file.label} of {side.name} is not the file that its card knows (digest "
            f"{digest[:12]}); results with it are not comparable with others"
        )
        if on_problem is not None:
            on_problem(Anomaly("unknown-digest", message, file.label))
        else:
            _LOG.warning("%s", message)


def _joined(
    documents: Iterator[Document], shelves: Sequence[Shelf], report: Report
) -> Iterator[Document]:
    for document in documents:
        texts = list(document.context)
        for shelf in shelves:
            found = list(_context(shelf, document))
            if not found:
                report(missing(document, shelf.side))
            texts += found
        yield dataclasses.replace(document, context=tuple(texts))


def _context(shelf: Shelf, document: Document) -> Iterator[ContextText]:
    side = shelf.side
    medium = PICTURE if side.kind == "caption" and document.media else None
    for row in shelf.take(document):
        if side.kind is not None and isinstance(row, Text) and row.text:
            yield ContextText(kind=side.kind, text=row.text, source=side.name, media=medium)


def missing(document: Document, side: SideSource) -> Anomaly:
    """Says that a document has no row in a source."""
    place = document.source
    where = "" if place is None else f"{place.file}:{place.line}"
    return Anomaly("side-missing", f"{side.name} has nothing on it", where, document.id)
