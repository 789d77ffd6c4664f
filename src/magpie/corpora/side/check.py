"""Comparing side files with their card, and with the documents that they speak of."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from magpie.corpora._parallel import map_jobs
from magpie.corpora.anomaly import Anomaly
from magpie.corpora.checking import CheckReport, FileReport, SplitReport, differences
from magpie.corpora.dataset_card import Counts, DataFile
from magpie.corpora.digests import cached_digest
from magpie.corpora.loading import load
from magpie.corpora.registry import card
from magpie.corpora.side.card import Part, SideSource
from magpie.corpora.side.context import Shelf, find_side, missing, read_part
from magpie.corpora.side.rows import (
    Answer,
    Crops,
    Graph,
    Phrases,
    Places,
    Post,
    Row,
    Tagged,
    Target,
    Text,
)
from magpie.corpora.side.table import source
from magpie.corpora.source import resolve_root
from magpie.errors import MagpieError, NotFoundError
from magpie.text.tags import decode_tags

__all__ = ["check_sources", "tally_rows"]


class _Notes:
    """Counts oddities by kind and keeps the first of each."""

    def __init__(self, examples: int | None) -> None:
        self.counts: Counter[str] = Counter()
        self.shown: list[Anomaly] = []
        self._examples = examples

    def __call__(self, anomaly: Anomaly) -> None:
        self.counts[anomaly.kind] += 1
        if self._examples is None or self.counts[anomaly.kind] <= self._examples:
            self.shown.append(anomaly)

    def report(
        self,
        name: str,
        expected: Counts,
        found: Counts,
        known: dict[str, int],
        error: MagpieError | None,
    ) -> SplitReport:
        surplus = {k: n for k, n in self.counts.items() if n > known.get(k, 0)}
        return SplitReport(
            split=name,
            expected=expected,
            found=found if error is None else None,
            unreadable=self.counts["unreadable"],
            mismatches={} if error is not None else differences(expected, found),
            anomalies=dict(sorted(self.counts.items())),
            unexpected=dict(sorted(surplus.items())),
            examples=tuple(self.shown),
            error=error,
        )


class RowTally:
    """Running counts of the rows of one part."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.keys: set[str] = set()
        self.counts: Counter[str] = Counter()

    def add(self, row: Row) -> None:
        self.keys.add(row.key)
        counts = self.counts
        counts["documents"] += 1
        match row:
            case Text(text=text):
                counts["context"] += bool(text)
            case Phrases(phrases=phrases):
                counts["context"] += len(phrases)
            case Places(regions=regions) | Target(regions=regions):
                counts["regions"] += len(regions)
            case Crops(names=names):
                counts["regions"] += len(names)
            case Graph(edges=edges):
                counts["links"] += len(edges)
            case Answer(visible=visible, regions=regions):
                counts["entities"] += 1
                counts["grounded"] += visible
                counts["regions"] += len(regions)
            case Post(mentions=mentions):
                counts["relations"] += len(mentions)
            case Tagged(words=words, tags=tags):
                counts["words"] += len(words)
                counts["entities"] += len(decode_tags(list(tags)))

    def result(self) -> Counts:
        counts = self.counts
        # What no row has is not applicable, which is not zero.
        texts = counts["context"]
        return Counts(
            documents=counts["documents"],
            words=counts.get("words"),
            entities=counts.get("entities"),
            grounded=counts.get("grounded"),
            pictures=len(self.keys),
            regions=counts.get("regions"),
            relations=counts.get("relations"),
            links=counts.get("links"),
            context={self.name: texts} if texts else {},
        )


def tally_rows(side: SideSource, part: str, root: Path) -> Counts:
    """Counts the rows of a part as its card does; oddities pass.

    Raises:
        NotFoundError, FormatError: as :func:`magpie.corpora.side.read`.
    """
    tally = RowTally(side.name)
    for row in read_part(side, part, root, _Notes(0)):
        tally.add(row)
    return tally.result()


def check_sources(
    names: Sequence[str],
    root: str | os.PathLike[str] | None = None,
    *,
    examples: int | None = 10,
    workers: int = 1,
) -> list[CheckReport]:
    """Reads every part of the side sources and compares it with the table, then asks which
    documents have a row.

    A report's ``splits`` are the parts, then ``corpus:split`` for each split that the source
    speaks of and whose files are there.

    Args:
        names: of side sources.
        root: the folder of all corpora, as for :func:`magpie.corpora.load`.
        examples: how many anomalies of each kind are held; None for all.
        workers: processes that read.

    Raises:
        NotFoundError: no such source or root. A missing file is part of the report instead.
    """
    place = resolve_root(root)
    sources = [source(name) for name in names]
    families = sorted({ref.partition("@")[0] for side in sources for ref in side.uses})
    jobs = [
        *(_Job(tuple(names), place, examples, corpus=family) for family in families),
        *(_Job((name,), place, examples) for name in names),
    ]
    done = map_jobs(_check, jobs, workers=workers, size=lambda job: job.corpus is not None)
    covered: dict[str, list[SplitReport]] = {name: [] for name in names}
    for found in done[: len(families)]:
        for name, splits in found.items():
            covered[name] += splits
    parts = {name: splits for found in done[len(families) :] for name, splits in found.items()}
    return [
        CheckReport(
            side.name,
            str(place),
            tuple(_file(file, place) for file in side.files()),
            (*parts[side.name], *covered[side.name]),
        )
        for side in sources
    ]


@dataclass(frozen=True, slots=True)
class _Job:
    """The parts of the sources, or what they have on the documents of all versions of a corpus."""

    names: tuple[str, ...]
    root: Path
    examples: int | None
    corpus: str | None = None


def _check(job: _Job) -> dict[str, list[SplitReport]]:
    sources = [source(name) for name in job.names]
    if job.corpus is not None:
        return _coverage(sources, job.root, job.examples, job.corpus)
    return {
        side.name: [
            _part(side, name, part, job.root, job.examples) for name, part in side.parts.items()
        ]
        for side in sources
    }


def _file(file: DataFile, root: Path) -> FileReport:
    try:
        digest = cached_digest(find_side(file, root))
    except NotFoundError:
        return FileReport(file.label, "missing")
    except MagpieError:  # reading the part says what is wrong with it
        return FileReport(file.label, "unknown")
    return FileReport(file.label, "known" if digest == file.sha256 else "unknown", digest)


def _part(side: SideSource, name: str, part: Part, root: Path, examples: int | None) -> SplitReport:
    notes = _Notes(examples)
    tally = RowTally(side.name)
    error: MagpieError | None = None
    try:
        for row in read_part(side, name, root, notes):
            tally.add(row)
    except MagpieError as problem:
        error = problem
    return notes.report(name, part.counts, tally.result(), dict(part.anomalies), error)


def _coverage(
    sources: Sequence[SideSource], root: Path, examples: int | None, corpus: str
) -> dict[str, list[SplitReport]]:
    """Source -> a report for each split of the corpus it speaks of; each split is read once."""
    wanted: dict[tuple[str, str], list[SideSource]] = {}
    for side in sources:
        for ref, splits in side.uses.items():
            for split in splits if ref.partition("@")[0] == corpus else ():
                wanted.setdefault((ref, split), []).append(side)
    found: dict[str, list[SplitReport]] = {side.name: [] for side in sources}
    # Several splits ask for the same parts, which are as large as the corpora.
    read: dict[tuple[str, ...], Shelf] = {}
    for (ref, split), sides in wanted.items():
        try:
            documents = load(ref, split, root, on_problem=_Notes(0))
        except NotFoundError:  # without the corpus nobody can tell
            continue
        shelves = [shelf for side in sides if (shelf := _shelf(side, ref, split, root, read))]
        notes = {shelf.side.name: _Notes(examples) for shelf in shelves}
        count = 0
        for document in documents:
            count += 1
            for shelf in shelves:
                rows = shelf.take(document)
                if not any(not isinstance(row, Text) or row.text for row in rows):
                    notes[shelf.side.name](missing(document, shelf.side))
        expected = Counts(documents=card(ref).splits[split].counts.documents)
        for shelf in shelves:
            side, place = shelf.side, f"{ref}:{split}"
            known = {"side-missing": side.gaps.get(place, 0)}
            report = notes[side.name].report(place, expected, Counts(documents=count), known, None)
            found[side.name].append(report)
    return found


def _shelf(
    side: SideSource, ref: str, split: str, root: Path, read: dict[tuple[str, ...], Shelf]
) -> Shelf | None:
    """None where the files cannot be read; the report on the part says why.

    Args:
        read: what was read so far, by source and parts; is added to.
    """
    parts = side.parts_of(ref, split)
    key = (side.name, *parts)
    try:
        if key not in read:
            read[key] = Shelf(side, parts, root, _Notes(0))
    except MagpieError:
        return None
    return read[key].again()
