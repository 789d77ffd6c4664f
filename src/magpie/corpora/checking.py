"""Comparing files with their dataset card: counts, digests, pictures, and what is odd in them."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from magpie.corpora._parallel import map_jobs
from magpie.corpora.anomaly import Anomaly, Report
from magpie.corpora.dataset_card import Card, Counts, DataFile
from magpie.corpora.digests import cached_digest
from magpie.corpora.loading import load
from magpie.corpora.registry import cards, corpus
from magpie.corpora.source import find, resolve_root
from magpie.corpora.tallying import Tally
from magpie.errors import MagpieError, MediaError, NotFoundError
from magpie.schema import Document

__all__ = ["CheckReport", "FileReport", "SplitReport", "check", "check_many", "differences"]


@dataclass(frozen=True, slots=True)
class FileReport:
    """A file's digest: ``known`` (that of the card), ``unknown``, ``missing`` or ``other``.

    ``other`` means that it is a file of another corpus, which ``same_as`` names.
    """

    file: str
    status: str
    sha256: str = ""
    same_as: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "status": self.status,
            "sha256": self.sha256,
            "same_as": self.same_as,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitReport:
    """One split. ``mismatches`` maps a count to (expected, found); ``unexpected`` are oddities
    beyond those the card knows, by kind; ``error`` is set when the split could not be read."""

    split: str
    expected: Counts | None
    found: Counts | None = None
    unreadable: int = 0
    mismatches: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    anomalies: Mapping[str, int] = field(default_factory=dict)
    unexpected: Mapping[str, int] = field(default_factory=dict)
    examples: tuple[Anomaly, ...] = ()
    pictures: int = 0
    pictures_missing: int = 0
    error: MagpieError | None = None

    @property
    def clean(self) -> bool:
        """Nothing lost, nothing odd beyond what the card says, every count as expected."""
        return not (self.error or self.unreadable or self.mismatches or self.unexpected)

    def to_dict(self) -> dict[str, Any]:
        return {
            "split": self.split,
            "clean": self.clean,
            "expected": None if self.expected is None else self.expected.to_dict(),
            "found": None if self.found is None else self.found.to_dict(),
            "unreadable": self.unreadable,
            "mismatches": {
                name: {"expected": expected, "found": found}
                for name, (expected, found) in self.mismatches.items()
            },
            "anomalies": dict(self.anomalies),
            "unexpected": dict(self.unexpected),
            "examples": [anomaly.to_dict() for anomaly in self.examples],
            "pictures": {"named": self.pictures, "missing": self.pictures_missing},
            "error": None if self.error is None else self.error.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class CheckReport:
    """A corpus compared with its card."""

    corpus: str
    root: str
    files: tuple[FileReport, ...]
    splits: tuple[SplitReport, ...]

    @property
    def clean(self) -> bool:
        """Every split is clean and every digest known."""
        known = all(file.status == "known" for file in self.files)
        return known and all(split.clean for split in self.splits)

    @property
    def failed(self) -> bool:
        """Some split could not be read at all."""
        return any(split.error is not None for split in self.splits)

    @property
    def absent(self) -> bool:
        """None of the corpus's files is there."""
        return bool(self.files) and all(file.status == "missing" for file in self.files)

    def to_dict(self) -> dict[str, Any]:
        """One item of the list that ``magpie corpora check --json`` prints."""
        return {
            "corpus": self.corpus,
            "root": self.root,
            "clean": self.clean,
            "absent": self.absent,
            "files": [file.to_dict() for file in self.files],
            "splits": [split.to_dict() for split in self.splits],
        }


def check(
    name: str,
    root: str | os.PathLike[str] | None = None,
    *,
    images: str | os.PathLike[str] | None = None,
    examples: int | None = 10,
) -> CheckReport:
    """Reads every split and compares it with the dataset card.

    Args:
        name: the corpus.
        root: its folder, as for :func:`magpie.corpora.load`.
        images: the pictures folder; given outright, each picture that it lacks is an anomaly.
        examples: how many anomalies of each kind a split's report holds; None for all.

    Raises:
        NotFoundError: no such corpus, root or pictures folder. A missing file is part of the
            report instead.
    """
    return check_many([name], root, images=images, examples=examples)[0]


def check_many(
    names: Sequence[str],
    root: str | os.PathLike[str] | None = None,
    *,
    images: str | os.PathLike[str] | None = None,
    examples: int | None = 10,
    workers: int = 1,
) -> list[CheckReport]:
    """:func:`check` for several corpora; splits are read in ``workers`` processes.

    Raises:
        NotFoundError: as :func:`check`.
    """
    place = resolve_root(root)
    if images is not None and not Path(images).is_dir():
        raise NotFoundError("no such pictures folder", where=str(images))
    found = [corpus(name).card for name in names]
    jobs = [
        _Job(card.ref, split, place, None if images is None else Path(images), examples)
        for card in found
        for split in (None, *(list(card.splits) or _format_splits(card, place)))
    ]
    done = map_jobs(_run, jobs, workers=workers, size=_size)
    reports = []
    for card in found:
        mine = [result for job, result in zip(jobs, done, strict=True) if job.ref == card.ref]
        files = next(result for result in mine if isinstance(result, tuple))
        splits = tuple(result for result in mine if isinstance(result, SplitReport))
        reports.append(CheckReport(card.ref, str(place), files, splits))
    return reports


@dataclass(frozen=True, slots=True)
class _Job:
    """A split to read, or the files to digest where ``split`` is None."""

    ref: str
    split: str | None
    root: Path
    images: Path | None
    examples: int | None


def _size(job: _Job) -> int:
    split = corpus(job.ref).card.splits.get(job.split or "")
    return 0 if split is None else split.counts.documents


def _run(job: _Job) -> SplitReport | tuple[FileReport, ...]:
    card = corpus(job.ref).card
    if job.split is None:
        return tuple(_file(file, card, job.root) for file in card.files())
    return _split(card, job.split, job)


def _format_splits(card: Card, root: Path) -> list[str]:
    """A format has no splits of its own: the file, or those that lie in the folder."""
    if root.is_file():
        return [root.stem]
    reader = corpus(card.ref)
    stems = {path.stem for path in root.iterdir()}
    found: list[str] = []
    for split in ("train", "dev", "test"):
        with contextlib.suppress(NotFoundError):
            reader.locate(split, root)
            stems.add(split)
        if split in stems:
            found.append(split)
    if not found:
        raise NotFoundError(
            f"no file of {card.ref} in the folder",
            where=str(root),
            mend="Give the file itself with root (--root FILE).",
        )
    return found


def _file(file: DataFile, card: Card, root: Path) -> FileReport:
    try:
        digest = cached_digest(find(file, root))
    except NotFoundError:
        return FileReport(file.label, "missing")
    except MagpieError:  # reading the split says what is wrong with it
        return FileReport(file.label, "unknown")
    if digest == file.sha256:
        return FileReport(file.label, "known", digest)
    for other in cards():
        for split, description in other.splits.items():
            if description.file.sha256 == digest:
                return FileReport(file.label, "other", digest, f"{other.ref}:{split}")
    return FileReport(file.label, "unknown", digest)


class _PictureCheck:
    """Opens the headers of the pictures that documents name, each picture once."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._seen: set[str] = set()

    def look(self, document: Document) -> None:
        """Reports pictures that are none, or have another size than their annotations say."""
        source = document.source
        for medium in document.media:
            uri = medium.uri
            # One in an archive was opened by the reader, which fills in its size.
            if not medium.present or uri is None or ".zip!" in uri or uri in self._seen:
                continue
            self._seen.add(uri)
            where = uri
            if source is not None and source.file is not None:
                where = f"{source.file}:{source.line}" if source.line else source.file
            problem = _picture_problem(uri, (medium.width, medium.height))
            if problem is not None:
                kind, message = problem
                self._report(Anomaly(kind, f"{uri}: {message}", where, document.id))


def _picture_problem(path: str, said: tuple[int | None, int | None]) -> tuple[str, str] | None:
    from magpie.vision.header import picture_size

    try:
        with open(path, "rb") as stream:
            size = picture_size(stream, where=path)
    except OSError as error:
        return "picture-unreadable", f"cannot be opened: {error.strerror}"
    except MediaError as error:
        return "picture-unreadable", error.message
    if said[0] is not None and size != said:
        return "picture-size", f"is {size[0]}x{size[1]}, its annotations say {said[0]}x{said[1]}"
    return None


def _split(card: Card, split: str, job: _Job) -> SplitReport:
    expected = card.splits[split].counts if card.splits else None
    anomalies: Counter[str] = Counter()
    shown: list[Anomaly] = []

    def note(anomaly: Anomaly) -> None:
        if anomaly.kind == "unknown-digest":  # the report of the files says which
            return
        anomalies[anomaly.kind] += 1
        if job.examples is None or anomalies[anomaly.kind] <= job.examples:
            shown.append(anomaly)

    counter = Tally()
    pictures = _PictureCheck(note)
    error: MagpieError | None = None
    try:
        for document in load(card.ref, split, job.root, images=job.images, on_problem=note):
            counter.add(document)
            pictures.look(document)
    except MagpieError as problem:
        error = problem
    found = counter.counts()
    known = card.splits[split].anomalies if card.splits else {}
    surplus = {
        kind: count - known.get(kind, 0)
        for kind, count in anomalies.items()
        if count > known.get(kind, 0)
    }
    return SplitReport(
        split=split,
        expected=expected,
        found=found if error is None else None,
        unreadable=anomalies["unreadable"],
        mismatches={} if expected is None or error else differences(expected, found),
        anomalies=dict(sorted(anomalies.items())),
        unexpected=dict(sorted(surplus.items())),
        examples=tuple(shown),
        pictures=counter.pictures,
        pictures_missing=counter.pictures_missing,
        error=error,
    )


def differences(expected: Counts, found: Counts) -> dict[str, tuple[Any, Any]]:
    """The counts that the card states and the files do not have; empty and None are silent."""
    differences: dict[str, tuple[Any, Any]] = {}
    theirs = found.to_dict()
    for name, value in expected.to_dict().items():
        if value is None or value == {}:
            continue
        if isinstance(value, dict):
            for kind in sorted(value.keys() | theirs[name].keys()):
                pair = (value.get(kind, 0), theirs[name].get(kind, 0))
                if pair[0] != pair[1]:
                    differences[f"{name}.{kind}"] = pair
        elif value != theirs[name]:
            differences[name] = (value, theirs[name])
    return differences
