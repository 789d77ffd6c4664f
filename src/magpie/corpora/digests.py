"""Whether documents come from the very files that a dataset card describes.

A split's digest is the SHA-256 of its file's content; where the card names further files for it
(box archives, for instance), that of the lines ``label<TAB>digest`` of all of them that are
there. Every document carries it in its ``Source``, so it reaches whatever is computed from the
documents, and can be judged there by :func:`digest_status` without the files.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

from magpie.corpora.anomaly import Anomaly, Report
from magpie.corpora.dataset_card import Card, DataFile
from magpie.corpora.registry import corpus
from magpie.corpora.source import Found, content_digest, find
from magpie.errors import NotFoundError
from magpie.schema import Document, Source

__all__ = [
    "DigestStatus",
    "cached_digest",
    "digest_status",
    "is_verified",
    "label_documents",
    "split_digest",
]

#: ``known``: the files of the card; ``partial``: some of its further files were absent, the others
#: are those of the card; ``unknown``: other files; ``unlisted``: no card states a digest
DigestStatus: TypeAlias = Literal["known", "partial", "unknown", "unlisted"]

_LOG = logging.getLogger("magpie.corpora")

#: (path, member, size and time of change of every file) -> digest
_CACHE: dict[tuple[object, ...], str] = {}

#: (corpus, split, digest) that were warned of in this process
_WARNED: set[tuple[str, str, str]] = set()


def cached_digest(found: Found) -> str:
    """The digest of a file's content, computed anew only when the file has changed.

    Raises:
        FormatError: a damaged archive.
    """
    key: tuple[object, ...] = (str(found.path), found.member, *_stamp(found))
    if key not in _CACHE:
        _CACHE[key] = content_digest(found)
    return _CACHE[key]


def _stamp(found: Found) -> Iterator[object]:
    status = found.path.stat()
    yield status.st_size
    yield status.st_mtime_ns
    if found.path.is_dir():
        # A folder's own time does not change with its files.
        for place, _, names in os.walk(found.path / (found.member or "")):
            for name in names:
                inner = os.stat(os.path.join(place, name))
                yield (place, name, inner.st_size, inner.st_mtime_ns)


def _combined(digests: Sequence[tuple[str, str]]) -> str:
    """The digest of one file as it is, that of several from their labels and digests."""
    if len(digests) == 1:
        return digests[0][1]
    lines = "".join(f"{label}\t{digest}\n" for label, digest in sorted(digests))
    return hashlib.sha256(lines.encode("utf-8")).hexdigest()


def _further(card: Card, split: str) -> list[DataFile]:
    own = card.splits[split]
    files = dict.fromkeys((*own.more, *card.shared))
    return [file for file in files if file.sha256 and file != own.file]


def split_digest(card: Card, split: str, root: Path) -> str:
    """The digest of a split's files below the root, without those further ones that are absent.

    Raises:
        NotFoundError: the split's own file is absent.
        FormatError: a damaged archive.
    """
    own = card.splits[split].file
    digests = [(own.label, cached_digest(find(own, root)))]
    # A root that is a file is the split's own file, unless it is an archive that holds several.
    packed = root.suffix == ".zip"
    for file in _further(card, split):
        if not root.is_dir() and not (packed and file.member is not None):
            continue
        try:
            digests.append((file.label, cached_digest(find(file, root))))
        except NotFoundError:
            continue
    return _combined(digests)


def _stated(card: Card, split: str) -> Iterator[str]:
    """Digests that agree with the card: first that of all files, then without some further ones."""
    own = card.splits[split].file
    further = _further(card, split)
    for absent in range(len(further) + 1):
        for files in itertools.combinations(further, len(further) - absent):
            yield _combined([(file.label, file.sha256) for file in (own, *files)])


def digest_status(source: Source) -> DigestStatus:
    """What the card of the source's corpus says about its digest.

    A source without a digest is ``unknown`` where the card states one: nobody can tell.
    """
    try:
        card = corpus(source.corpus).card
    except NotFoundError:
        return "unlisted"
    split = source.split or ""
    if split not in card.splits or not card.splits[split].file.sha256:
        return "unlisted"
    for number, stated in enumerate(_stated(card, split)):
        if source.digest == stated:
            return "partial" if number else "known"
    return "unknown"


def is_verified(source: Source) -> bool:
    """Whether the document comes from files that the card describes (``known``)."""
    return digest_status(source) == "known"


def label_documents(
    documents: Iterator[Document], card: Card, split: str, root: Path, report: Report | None
) -> Iterator[Document]:
    """Fills in the digest of each document's source, and says once if the card does not know it.

    Args:
        documents: of one split, as the reader gives them. One that names another corpus
            as its source, or has a digest already, stays as it is.
        card, split, root: what is read.
        report: is called with an anomaly ``unknown-digest``; without it, a warning is logged
            (which goes to standard error unless logging is set up otherwise).
    """
    digest = ""
    for document in documents:
        source = document.source
        if source is None or source.digest is not None or source.corpus != card.ref:
            yield document
            continue
        if not digest:
            digest = _digest_of(card, split, root, source)
            labelled = dataclasses.replace(source, digest=digest)
            if digest_status(labelled) == "unknown":
                _warn(labelled, report)
        yield dataclasses.replace(document, source=dataclasses.replace(source, digest=digest))


def _digest_of(card: Card, split: str, root: Path, source: Source) -> str:
    if card.splits:
        return split_digest(card, split, root)
    # A format: the root is the file, or the folder in which the reader found it.
    path = root if root.is_file() else root / (source.file or "")
    return cached_digest(Found(DataFile(path.name), path))


def _warn(source: Source, report: Report | None) -> None:
    message = (
        f"{source.corpus}:{source.split} was read from files that its card does not know "
        f"(digest {(source.digest or '')[:12]}); results are not comparable with others on it"
    )
    if report is not None:
        report(Anomaly("unknown-digest", message, source.file or ""))
        return
    key = (source.corpus, source.split or "", source.digest or "")
    if key not in _WARNED:
        _WARNED.add(key)
        _LOG.warning("%s", message)
