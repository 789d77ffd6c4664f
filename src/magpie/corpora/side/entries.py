"""What the entries of the side sources' table are made of."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from magpie.corpora.dataset_card import Counts, DataFile
from magpie.corpora.side.card import Part

__all__ = [
    "DEV",
    "GMNER",
    "MNRE1",
    "MNRE2",
    "NO_LICENCE",
    "SPLITS",
    "TWITTER15",
    "TWITTER17",
    "VAL",
    "VALID",
    "Triple",
    "Uses",
    "data_file",
    "every_split",
    "gaps",
    "one_split",
    "own_split",
    "parts_of",
    "single",
]

SPLITS = ("train", "dev", "test")

#: how files call the splits; corpora of tweets say valid
VAL = {"train": "train", "dev": "val", "test": "test"}
VALID = {"train": "train", "dev": "valid", "test": "test"}
DEV = {"train": "train", "dev": "dev", "test": "test"}

TWITTER15 = ("twitter2015@umt", "twitter2015@tmr")
TWITTER17 = ("twitter2017@umt",)
GMNER = ("gmner@2.0", "fmnerg@1.0")
MNRE1 = ("mnre@1",)
MNRE2 = ("mnre@2",)

#: label -> SHA-256, a line each as sha256sum writes them
_DIGESTS = {
    label: digest
    for digest, _, label in (
        line.partition("  ")
        for line in Path(__file__).with_name("digests.txt").read_text("utf-8").splitlines()
    )
}

NO_LICENCE = "none stated; research use"

Uses = dict[str, dict[str, tuple[str, ...]]]

#: a number for train, dev and test each
Triple = tuple[int, int, int]


def data_file(label: str, *, folder: bool = False) -> DataFile:
    """A file by its label, ``path`` or ``archive!member``, with its digest."""
    path, _, member = label.partition("!")
    return DataFile(path, _DIGESTS[label], member or None, folder)


def every_split(corpora: tuple[str, ...], *parts: str) -> Uses:
    """Every split of the corpora uses the same parts."""
    return {ref: dict.fromkeys(SPLITS, parts) for ref in corpora}


def own_split(corpora: tuple[str, ...], prefix: str = "") -> Uses:
    """Each split of the corpora uses the part of its name."""
    return {ref: {split: (f"{prefix}{split}",) for split in SPLITS} for ref in corpora}


def one_split(corpora: tuple[str, ...], split: str, part: str) -> Uses:
    """One split of the corpora uses one part."""
    return {ref: {split: (part,)} for ref in corpora}


def gaps(corpora: tuple[str, ...], **missing: int) -> dict[str, int]:
    """How many documents of each split have no row."""
    return {f"{ref}:{split}": count for ref in corpora for split, count in missing.items()}


def single(label: str, anomalies: Mapping[str, int] | None = None, **counts: Any) -> Part:
    """A part of one file."""
    return Part((data_file(label),), Counts(**counts), anomalies or {})


def parts_of(
    patterns: str | tuple[str, ...],
    columns: Mapping[str, Triple],
    *,
    prefix: str = "",
    names: Mapping[str, str] = VAL,
    texts: str = "",
    anomalies: Mapping[str, Triple] | None = None,
    folder: bool = False,
) -> dict[str, Part]:
    """Three parts.

    Args:
        patterns: labels of the files of a part, ``{}`` in the split's place.
        columns: field of :class:`Counts` -> its number in train, dev and test; ``context`` counts
            texts of the source ``texts``.
        prefix: of the parts' names.
        names: how the files call the splits.
        texts: the source's name.
        anomalies: kind -> how many are known; parts with none of a kind leave it out.
        folder: the files are folders of an archive.
    """
    labels = (patterns,) if isinstance(patterns, str) else patterns
    made = {}
    for index, split in enumerate(SPLITS):
        counts: dict[str, Any] = {name: column[index] for name, column in columns.items()}
        if "context" in counts:
            counts["context"] = {texts: counts["context"]}
        files = tuple(data_file(label.format(names[split]), folder=folder) for label in labels)
        known = {kind: row[index] for kind, row in (anomalies or {}).items() if row[index]}
        made[f"{prefix}{split}"] = Part(files, Counts(**counts), known)
    return made
