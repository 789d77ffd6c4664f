"""New splits of a corpus that leak nothing, and samples of one.

Documents that share a picture or a normalised text (the keys of
:mod:`magpie.corpora.overlaps`), directly or through others, form a group and stay together. With
stratification the groups are dealt out label by label, the rarest first, each to the part that
lacks most of it (Sechidis et al., On the Stratification of Multi-Label Data, 2011).
"""

from __future__ import annotations

import contextlib
import os
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from magpie._io import atomic_stream
from magpie.corpora.gathering import Gathering, gather
from magpie.corpora.overlaps import document_keys
from magpie.corpora.writing import DocumentWriter
from magpie.errors import ConfigError
from magpie.schema import Document

__all__ = ["Part", "Sample", "Split", "sample", "split", "split_documents"]


@dataclass(frozen=True, slots=True)
class Part:
    """A part that was written: its documents and its labels by number."""

    name: str
    output: str
    documents: int
    labels: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "output": self.output,
            "documents": self.documents,
            "labels": dict(sorted(self.labels.items())),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """What :func:`split` did: ``left_out`` documents belong to no part, ``groups`` of documents
    stayed together, the largest of which has ``largest`` documents."""

    parts: tuple[Part, ...]
    seed: int
    left_out: int
    groups: int
    largest: int
    gathering: Gathering

    def to_dict(self) -> dict[str, Any]:
        """The shape of ``magpie corpora split --json``."""
        return {
            "parts": [part.to_dict() for part in self.parts],
            "seed": self.seed,
            "left_out": self.left_out,
            "groups": self.groups,
            "largest": self.largest,
            **self.gathering.to_dict(),
        }


def split_documents(
    documents: Iterable[Document],
    parts: Mapping[str, float],
    *,
    seed: int = 0,
    stratify: bool = False,
) -> tuple[list[str | None], int, int]:
    """The part of each document, None for one that belongs to none.

    Args:
        documents: streamed; only their keys and labels are held.
        parts: name -> share (floats, their sum at most 1), or number of documents (ints).
            Groups are never torn, so parts come as near to their size as the groups allow.
        seed: the same seed gives the same parts.
        stratify: give every part its share of each entity, relation and event type too.

    Returns:
        The parts in the documents' order, the number of groups, the size of the largest.

    Raises:
        ConfigError: impossible shares, or more documents wanted than there are.
    """
    groups, labels = _groups(documents)
    total = sum(len(group) for group in groups)
    wanted = _sizes(parts, total)
    order = list(range(len(groups)))
    random.Random(seed).shuffle(order)
    dealer = _Dealer(groups, labels if stratify else [Counter() for _ in labels], wanted, total)
    chosen = dealer.deal(order)
    result: list[str | None] = [None] * total
    for group, part in zip(groups, chosen, strict=True):
        for index in group:
            result[index] = part
    return result, len(groups), max(map(len, groups), default=0)


def _groups(documents: Iterable[Document]) -> tuple[list[list[int]], list[Counter[str]]]:
    """Documents that share a key, transitively, by number; and the labels of each group."""
    parent: list[int] = []
    first: dict[str, int] = {}
    labels: list[Counter[str]] = []

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for index, document in enumerate(documents):
        parent.append(index)
        labels.append(label_counts(document))
        pictures, text = document_keys(document)
        for key in (*(f"p{name}" for name in pictures), *((f"t{text}",) if text else ())):
            other = root(first.setdefault(key, index))
            mine = root(index)
            parent[max(mine, other)] = min(mine, other)
    members: dict[int, list[int]] = {}
    for index in range(len(parent)):
        members.setdefault(root(index), []).append(index)
    groups = list(members.values())
    return groups, [sum((labels[index] for index in group), Counter()) for group in groups]


def label_counts(document: Document) -> Counter[str]:
    """The types of a document's entities, relations and events."""
    found: Counter[str] = Counter()
    if document.annotations is not None:
        found.update(entity.type for entity in document.annotations.entities)
        found.update(relation.type for relation in document.annotations.relations)
        found.update(event.type for event in document.annotations.events)
    return found


def _sizes(parts: Mapping[str, float], total: int) -> dict[str, int]:
    """Documents a part; shares are rounded so that their sum is, too."""
    if not parts:
        raise ConfigError("no part was named", mend="For example train=0.8,dev=0.1,test=0.1.")
    for name, size in parts.items():
        if not name or not name.replace("-", "").replace("_", "").isalnum():
            raise ConfigError(f"part {name!r} is no name of a file", mend="Use letters and digits.")
        if not size > 0:
            raise ConfigError(f"part {name!r} must have a size above 0, got {size}")
    if all(isinstance(size, float) for size in parts.values()):
        share = sum(parts.values())
        if share > 1 + 1e-9:
            raise ConfigError(f"the shares add up to {share:g}, at most 1 can be dealt out")
        return _rounded({name: size * total for name, size in parts.items()}, round(share * total))
    if not all(isinstance(size, int) for size in parts.values()):
        raise ConfigError("parts are all shares (0.8) or all whole numbers of documents (800)")
    wanted = {name: int(size) for name, size in parts.items()}
    if sum(wanted.values()) > total:
        raise ConfigError(f"{sum(wanted.values())} documents are wanted, there are {total}")
    return wanted


def _rounded(exact: Mapping[str, float], total: int) -> dict[str, int]:
    """Largest remainders get what rounding down has left over."""
    sizes = {name: int(value) for name, value in exact.items()}
    rest = sorted(exact, key=lambda name: (sizes[name] - exact[name], name))
    for name in rest[: max(0, total - sum(sizes.values()))]:
        sizes[name] += 1
    return sizes


class _Dealer:
    """Gives groups to parts; what nobody wanted goes to the part None."""

    def __init__(
        self,
        groups: Sequence[Sequence[int]],
        labels: Sequence[Counter[str]],
        wanted: Mapping[str, int],
        total: int,
    ) -> None:
        self.groups = groups
        self.labels = labels
        self.room: dict[str | None, float] = {name: float(n) for name, n in wanted.items()}
        rest = total - sum(wanted.values())
        if rest:
            self.room[None] = rest
        in_all: Counter[str] = Counter()
        for counts in labels:
            in_all.update(counts)
        self.left = in_all
        #: how much of each label a part still needs
        self.need: dict[str | None, dict[str, float]] = {
            part: {label: count * size / max(1, total) for label, count in in_all.items()}
            for part, size in self.room.items()
        }
        self.chosen: list[str | None] = [None] * len(groups)

    def deal(self, order: Sequence[int]) -> list[str | None]:
        """The part of each group; ``order`` decides among equals."""
        waiting = dict.fromkeys(sorted(order, key=lambda index: -len(self.groups[index])))
        holders: dict[str, list[int]] = {}
        for index in waiting:
            for label in self.labels[index]:
                holders.setdefault(label, []).append(index)
        while any(self.left.values()):
            label = min(
                (name for name, n in self.left.items() if n), key=lambda n: (self.left[n], n)
            )
            for index in holders[label]:
                if index in waiting:
                    del waiting[index]
                    self._give(index, label)
        for index in waiting:
            self._give(index, None)
        return self.chosen

    def _give(self, index: int, label: str | None) -> None:
        size = len(self.groups[index])

        def wish(part: str | None) -> tuple[bool, float, float]:
            lack = self.need[part].get(label, 0.0) if label is not None else 0.0
            # A part without room for the group comes last, however much it lacks of the label.
            return (self.room[part] >= size, lack, self.room[part])

        part = max(self.room, key=wish)
        self.chosen[index] = part
        self.room[part] -= size
        for name, count in self.labels[index].items():
            self.need[part][name] -= count
            self.left[name] -= count


def split(
    specs: Sequence[str],
    parts: Mapping[str, float],
    folder: str | os.PathLike[str],
    root: str | os.PathLike[str] | None = None,
    *,
    seed: int = 0,
    stratify: bool = False,
) -> Split:
    """Writes ``<folder>/<part>.jsonl`` for each part, documents in the order of their corpora.

    The corpora are read twice. All files appear together when all are complete.

    Args:
        specs: corpora, splits or files, see :func:`magpie.corpora.selecting.select`; ids that
            stand twice get a number behind them.
        parts, seed, stratify: see :func:`split_documents`.
        folder: made if need be; old files of the parts' names are replaced.
        root: as for :func:`magpie.corpora.load`.

    Raises:
        ConfigError: as :func:`split_documents`.
        NotFoundError: no such corpus, split or file.
        FormatError: a damaged archive, or a file of another format.
    """
    place, groups, largest = split_documents(
        gather(specs, root, Gathering()), parts, seed=seed, stratify=stratify
    )
    gathering = Gathering()
    outputs = {name: Path(folder) / f"{name}.jsonl" for name in parts}
    labels: dict[str, Counter[str]] = {name: Counter() for name in parts}
    with contextlib.ExitStack() as stack:
        writers = {
            name: DocumentWriter(stack.enter_context(atomic_stream(path)), path)
            for name, path in outputs.items()
        }
        for part, document in zip(place, gather(specs, root, gathering), strict=True):
            if part is not None:
                writers[part].write(document)
                labels[part].update(label_counts(document))
    gathering.note_pictures(writers.values())
    return Split(
        parts=tuple(
            Part(name, str(outputs[name]), writers[name].documents, dict(labels[name]))
            for name in parts
        ),
        seed=seed,
        left_out=place.count(None),
        groups=groups,
        largest=largest,
        gathering=gathering,
    )


@dataclass(frozen=True, slots=True)
class Sample:
    """What :func:`sample` did: ``documents`` of ``seen``."""

    output: str
    documents: int
    seen: int
    seed: int
    gathering: Gathering

    def to_dict(self) -> dict[str, Any]:
        """The shape of ``magpie corpora sample --json``."""
        return {
            "output": self.output,
            "documents": self.documents,
            "seen": self.seen,
            "seed": self.seed,
            **self.gathering.to_dict(),
        }


def sample(
    specs: Sequence[str],
    number: int,
    output: str | os.PathLike[str],
    root: str | os.PathLike[str] | None = None,
    *,
    seed: int = 0,
) -> Sample:
    """Writes ``number`` documents drawn with equal chances, in the order of their corpora.

    Streams: a reservoir of ``number`` documents is held (Vitter, Random Sampling with a
    Reservoir, 1985, algorithm R). Fewer documents than wanted are all taken.

    Args:
        specs: as for :func:`split`.
        number: at least 1.
        output: the JSONL file.
        root: as for :func:`magpie.corpora.load`.
        seed: the same seed draws the same documents.

    Raises:
        ConfigError: ``number`` below 1.
        NotFoundError, FormatError: as :func:`split`.
    """
    if number < 1:
        raise ConfigError(f"the number of documents must be at least 1, got {number}")
    gathering = Gathering()
    chosen, seen = _reservoir(gather(specs, root, gathering), number, random.Random(seed))
    with atomic_stream(output) as stream:
        writer = DocumentWriter(stream, output)
        for _, document in sorted(chosen, key=lambda item: item[0]):
            writer.write(document)
    gathering.note_pictures([writer])
    return Sample(os.fspath(output), writer.documents, seen, seed, gathering)


def _reservoir(
    documents: Iterator[Document], number: int, chance: random.Random
) -> tuple[list[tuple[int, Document]], int]:
    chosen: list[tuple[int, Document]] = []
    seen = 0
    for seen, document in enumerate(documents, start=1):
        if len(chosen) < number:
            chosen.append((seen, document))
        elif (place := chance.randrange(seen)) < number:
            chosen[place] = (seen, document)
    return chosen, seen
