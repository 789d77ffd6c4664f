"""Dataset cards: what a corpus is, where its files lie, and what they are known to hold.

A card is the promise that ``magpie corpora check`` compares the files with. Counts are those of
the files themselves, not of the papers; where the two differ, ``defects`` says so with numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from magpie.errors import NotFoundError

__all__ = ["SPLIT_ALIASES", "Card", "Counts", "DataFile", "SplitCard"]

#: the field's other names for the development split
SPLIT_ALIASES = {"valid": "dev", "val": "dev", "validation": "dev", "development": "dev"}


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of a corpus: ``path`` below the corpus root, POSIX style.

    ``member`` is its name inside a zip archive; the same file unpacked beside the archive is
    found too, and ``sha256`` is the digest of the content, so it holds for both. ``folder``
    marks an archive (or folder) that is used as a whole, or as a whole below ``member``; its
    digest covers names and contents.
    """

    path: str
    sha256: str = ""
    member: str | None = None
    folder: bool = False

    @property
    def label(self) -> str:
        """How documents and messages name the file, independent of where the root lies."""
        return self.path if self.member is None else f"{self.path}!{self.member}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a split holds. None and empty mean "not applicable", not zero.

    ``entities`` counts strictly (a span opens at B-), ``entities_lenient`` by the CoNLL scorer's
    rule (an I- that continues nothing opens one too); ``types`` and ``types_lenient`` likewise.
    ``grounded`` entities have at least one box; ``boxes`` counts annotated boxes once,
    ``box_mentions`` once for every entity that has them. ``pictures`` are the distinct pictures
    that documents name, there or not; ``regions`` those of ``Annotations.regions``; ``context``
    counts texts by their source.
    """

    documents: int
    words: int | None = None
    entities: int | None = None
    entities_lenient: int | None = None
    types: Mapping[str, int] = field(default_factory=dict)
    types_lenient: Mapping[str, int] = field(default_factory=dict)
    fine_types: Mapping[str, int] = field(default_factory=dict)
    grounded: int | None = None
    boxes: int | None = None
    box_mentions: int | None = None
    blocks: int | None = None
    pictures: int | None = None
    regions: int | None = None
    relations: int | None = None
    relation_types: Mapping[str, int] = field(default_factory=dict)
    events: int | None = None
    event_types: Mapping[str, int] = field(default_factory=dict)
    arguments: int | None = None
    links: int | None = None
    context: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The shape of ``magpie corpora ... --json``."""
        return {
            "documents": self.documents,
            "words": self.words,
            "entities": self.entities,
            "entities_lenient": self.entities_lenient,
            "types": dict(sorted(self.types.items())),
            "types_lenient": dict(sorted(self.types_lenient.items())),
            "fine_types": dict(sorted(self.fine_types.items())),
            "grounded": self.grounded,
            "boxes": self.boxes,
            "box_mentions": self.box_mentions,
            "blocks": self.blocks,
            "pictures": self.pictures,
            "regions": self.regions,
            "relations": self.relations,
            "relation_types": dict(sorted(self.relation_types.items())),
            "events": self.events,
            "event_types": dict(sorted(self.event_types.items())),
            "arguments": self.arguments,
            "links": self.links,
            "context": dict(sorted(self.context.items())),
        }


@dataclass(frozen=True, slots=True)
class SplitCard:
    """One split: its file, its counts, and how many anomalies of each kind are known in it.

    ``more`` are further files that only this split uses.
    """

    file: DataFile
    counts: Counts
    anomalies: Mapping[str, int] = field(default_factory=dict)
    more: tuple[DataFile, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A corpus in one version.

    ``types`` are the entity types as the files write them, ``coarse`` maps them to PER, LOC, ORG
    and OTHER, ``hierarchy`` maps a label to its parent where labels form a tree. ``relations`` maps
    a relation type to its signature: the types its head and its tail may have, empty for "any";
    ``event_types`` maps an event type to its roles; ``labels`` are those of regions. ``shared`` are
    files used by every split; without one of them documents say less, but can be read. A card
    without splits describes a format: any file, any types.
    """

    name: str
    version: str
    title: str
    task: str
    licence: str
    origin: str
    citation: str
    splits: Mapping[str, SplitCard] = field(default_factory=dict)
    shared: tuple[DataFile, ...] = ()
    types: tuple[str, ...] = ()
    coarse: Mapping[str, str] = field(default_factory=dict)
    hierarchy: Mapping[str, str] = field(default_factory=dict)
    relations: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=dict)
    event_types: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    defects: tuple[str, ...] = ()

    @property
    def ref(self) -> str:
        """``name@version``, as documents and scores cite the corpus."""
        return f"{self.name}@{self.version}"

    def split_name(self, split: str) -> str:
        """The card's own name of a split; ``valid``, ``val`` and ``validation`` mean ``dev``.

        Raises:
            NotFoundError: naming the splits there are.
        """
        name = SPLIT_ALIASES.get(split, split)
        if self.splits and name not in self.splits:
            raise NotFoundError(
                f"{self.ref} has no split {split!r}",
                mend=f"Its splits are: {', '.join(self.splits)}.",
            )
        return name

    def files(self) -> tuple[DataFile, ...]:
        """Every file, those of the splits first."""
        own = (file for split in self.splits.values() for file in (split.file, *split.more))
        return (*dict.fromkeys(own), *self.shared)

    def to_dict(self) -> dict[str, Any]:
        """The shape of ``magpie corpora info --json``."""
        return {
            "ref": self.ref,
            "name": self.name,
            "version": self.version,
            "title": self.title,
            "task": self.task,
            "licence": self.licence,
            "origin": self.origin,
            "citation": self.citation,
            "types": list(self.types),
            "coarse": dict(self.coarse),
            "hierarchy": dict(self.hierarchy),
            "relations": {
                kind: {"head": list(head), "tail": list(tail)}
                for kind, (head, tail) in self.relations.items()
            },
            "event_types": {kind: list(roles) for kind, roles in self.event_types.items()},
            "labels": list(self.labels),
            "defects": list(self.defects),
            "files": [{"file": file.label, "sha256": file.sha256} for file in self.files()],
            "splits": {
                name: {
                    "file": split.file.label,
                    "anomalies": dict(split.anomalies),
                    **split.counts.to_dict(),
                }
                for name, split in self.splits.items()
            },
        }
