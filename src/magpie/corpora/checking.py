"""Comparing files with their dataset card: counts, digests, and what is odd in them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from magpie.corpora.anomaly import Anomaly
from magpie.corpora.dataset_card import Card, Counts, DataFile
from magpie.corpora.loading import load
from magpie.corpora.reader import is_orphan
from magpie.corpora.registry import cards, corpus
from magpie.corpora.source import content_digest, find, resolve_root
from magpie.errors import MagpieError, NotFoundError
from magpie.schema import Document

__all__ = ["CheckReport", "FileReport", "SplitReport", "check", "tally"]


def tally(documents: Iterable[Document]) -> Counts:
    """Counts documents as dataset cards do; streams."""
    counter = _Tally()
    for document in documents:
        counter.add(document)
    return counter.counts()


class _Tally:
    """Running counts of a split, and of its pictures."""

    def __init__(self) -> None:
        self.documents = self.words = self.orphans = 0
        self.grounded = self.boxes = self.box_mentions = 0
        self.looked = False
        self.types: Counter[str] = Counter()
        self.types_lenient: Counter[str] = Counter()
        self.fine_types: Counter[str] = Counter()
        self.relation_types: Counter[str] = Counter()
        self.event_types: Counter[str] = Counter()
        self.context: Counter[str] = Counter()
        self.blocks = self.regions = self.arguments = self.links = 0
        self.named_pictures: set[str] = set()
        self.pictures = self.pictures_missing = 0

    def add(self, document: Document) -> None:
        self.documents += 1
        self.blocks += len(document.blocks)
        self.context.update(text.source for text in document.context)
        self.named_pictures.update(medium.uri or medium.id for medium in document.media)
        self.words += sum(len(block.words or ()) for block in document.blocks)
        self.pictures += len(document.media)
        self.pictures_missing += sum(not medium.present for medium in document.media)
        shown: set[str] = set()
        for entity in document.entities:
            self.types_lenient[entity.type] += 1
            if is_orphan(entity):
                self.orphans += 1
            else:
                self.types[entity.type] += 1
                if entity.fine_type is not None:
                    self.fine_types[entity.fine_type] += 1
            self.looked |= entity.grounding.status != "unknown"
            boxes = len(entity.boxes)
            self.grounded += boxes > 0
            self.box_mentions += boxes
            # Mentions of one text share their boxes: annotated once, mentioned twice.
            text = document.text_of(entity)
            self.boxes += boxes if text not in shown else 0
            shown.add(text)
        annotations = document.annotations
        if annotations is not None:
            self.boxes += sum(r.box is not None for r in annotations.regions)
            self.regions += len(annotations.regions)
            self.relation_types.update(relation.type for relation in annotations.relations)
            self.event_types.update(event.type for event in annotations.events)
            self.arguments += sum(len(event.arguments) for event in annotations.events)
            self.links += len(annotations.links)

    def counts(self) -> Counts:
        lenient = sum(self.types_lenient.values())
        return Counts(
            documents=self.documents,
            words=self.words,
            entities=lenient - self.orphans,
            entities_lenient=lenient,
            types=dict(self.types),
            types_lenient=dict(self.types_lenient),
            fine_types=dict(self.fine_types),
            grounded=self.grounded if self.looked else None,
            boxes=self.boxes if self.looked else None,
            box_mentions=self.box_mentions if self.looked else None,
            blocks=self.blocks,
            pictures=len(self.named_pictures),
            regions=self.regions,
            relations=self.relation_types.total(),
            relation_types=dict(self.relation_types),
            events=self.event_types.total(),
            event_types=dict(self.event_types),
            arguments=self.arguments,
            links=self.links,
            context=dict(self.context),
        )


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

    def to_dict(self) -> dict[str, Any]:
        """One item of the list that ``magpie corpora check --json`` prints."""
        return {
            "corpus": self.corpus,
            "root": self.root,
            "clean": self.clean,
            "files": [file.to_dict() for file in self.files],
            "splits": [split.to_dict() for split in self.splits],
        }


def check(
    name: str,
    root: str | os.PathLike[str] | None = None,
    *,
    images: str | os.PathLike[str] | None = None,
    examples: int = 10,
) -> CheckReport:
    """Reads every split and compares it with the dataset card.

    Args:
        name: the corpus.
        root: its folder, as for :func:`magpie.corpora.load`.
        images: the pictures folder; given outright, each picture that it lacks is an anomaly.
        examples: how many anomalies of each kind a split's report shows.

    Raises:
        NotFoundError: no such corpus, root or pictures folder. A missing file is part of the
            report instead.
    """
    card = corpus(name).card
    place = resolve_root(root)
    files = tuple(_file(file, card, place) for file in card.files())
    names = list(card.splits) or _format_splits(card, place)
    splits = tuple(_split(card, split, place, images, examples) for split in names)
    return CheckReport(card.ref, str(place), files, splits)


def _format_splits(card: Card, root: Path) -> list[str]:
    """A format has no splits of its own: the file, or those that lie in the folder."""
    if root.is_file():
        return [root.stem]
    stems = {path.stem for path in root.iterdir()}
    found: list[str] = [split for split in ("train", "dev", "test") if split in stems]
    if not found:
        raise NotFoundError(
            f"no file of {card.ref} in the folder",
            where=str(root),
            mend="Give the file itself with root (--root FILE).",
        )
    return found


def _file(file: DataFile, card: Card, root: Path) -> FileReport:
    try:
        digest = content_digest(find(file, root))
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


def _split(
    card: Card, split: str, root: Path, images: str | os.PathLike[str] | None, examples: int
) -> SplitReport:
    expected = card.splits[split].counts if card.splits else None
    anomalies: Counter[str] = Counter()
    shown: list[Anomaly] = []

    def note(anomaly: Anomaly) -> None:
        anomalies[anomaly.kind] += 1
        if anomalies[anomaly.kind] <= examples:
            shown.append(anomaly)

    counter = _Tally()
    error: MagpieError | None = None
    try:
        for document in load(card.ref, split, root, images=images, on_problem=note):
            counter.add(document)
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
        mismatches={} if expected is None or error else _differences(expected, found),
        anomalies=dict(sorted(anomalies.items())),
        unexpected=dict(sorted(surplus.items())),
        examples=tuple(shown),
        pictures=counter.pictures,
        pictures_missing=counter.pictures_missing,
        error=error,
    )


def _differences(expected: Counts, found: Counts) -> dict[str, tuple[Any, Any]]:
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
