"""Which splits share posts with which: every pair at once, by picture id and normalised text.

Every document is read once. Its keys (see :mod:`magpie.corpora.overlaps`) become 64-bit hashes in
a table that says in which splits each stands, so that a pair costs nothing extra.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from magpie.corpora._parallel import map_jobs
from magpie.corpora.anomaly import Anomaly
from magpie.corpora.overlaps import document_keys
from magpie.corpora.selecting import Selection, select, select_all
from magpie.errors import ConfigError, MagpieError

__all__ = ["OverlapMatrix", "matrix_page", "overlap_matrix"]


@dataclass(frozen=True, slots=True)
class OverlapMatrix:
    """``shared[a][b]`` documents of split ``a`` stand in split ``b`` too.

    On the diagonal: documents that share a picture or a text with another one of their own split.
    ``unreadable`` names splits that could not be read, with the reason; they are not among
    ``names``.
    """

    names: tuple[str, ...]
    documents: tuple[int, ...]
    shared: tuple[tuple[int, ...], ...]
    unreadable: tuple[tuple[str, MagpieError], ...] = ()

    def pairs(self) -> list[tuple[str, str, int, int]]:
        """(a, b, documents of a in b, documents of b in a) of different splits that share some;
        the largest share of the smaller one first."""
        found = []
        for a, name in enumerate(self.names):
            for b in range(a + 1, len(self.names)):
                if self.shared[a][b]:
                    share = max(self._share(a, b), self._share(b, a))
                    row = (name, self.names[b], self.shared[a][b], self.shared[b][a])
                    found.append((share, row))
        return [row for _, row in sorted(found, key=lambda item: (-item[0], item[1]))]

    def _share(self, a: int, b: int) -> float:
        return self.shared[a][b] / self.documents[a]

    def to_dict(self) -> dict[str, Any]:
        """The shape of ``magpie corpora overlap --all --json``."""
        return {
            "names": list(self.names),
            "documents": list(self.documents),
            "shared": [list(row) for row in self.shared],
            "unreadable": [
                {"name": name, "error": error.to_dict()} for name, error in self.unreadable
            ],
        }


def overlap_matrix(
    specs: Sequence[str] = (), root: str | os.PathLike[str] | None = None, *, workers: int = 1
) -> OverlapMatrix:
    """Compares every split with every other.

    Args:
        specs: corpora, splits or files, see :func:`magpie.corpora.selecting.select`; all splits
            that are there, if empty.
        root: as for :func:`magpie.corpora.load`.
        workers: processes that read.

    Raises:
        NotFoundError: no such corpus, split, file or root.
        ConfigError: one split alone.
    """
    chosen = [each for spec in specs for each in select(spec, root)] or select_all(root)
    chosen = list(dict.fromkeys(chosen))
    if len(chosen) < 2:
        raise ConfigError("one split alone has nothing to overlap with", mend="Name another one.")
    read = map_jobs(_keys, chosen, workers=workers, size=lambda each: each.size)
    kept = [
        (each, keys) for each, keys in zip(chosen, read, strict=True) if isinstance(keys, _Keys)
    ]
    return OverlapMatrix(
        names=tuple(each.name for each, _ in kept),
        documents=tuple(len(keys.ends) for _, keys in kept),
        shared=_join([keys for _, keys in kept]),
        unreadable=tuple(
            (each.name, problem)
            for each, problem in zip(chosen, read, strict=True)
            if isinstance(problem, MagpieError)
        ),
    )


@dataclass(frozen=True, slots=True)
class _Keys:
    """The hashes of all documents after one another, and where each document's end."""

    hashes: array[int]
    ends: array[int]

    def document(self, index: int) -> array[int]:
        return self.hashes[self.ends[index - 1] if index else 0 : self.ends[index]]


def _keys(selection: Selection) -> _Keys | MagpieError:
    found = _Keys(array("Q"), array("Q"))
    lost: list[Anomaly] = []
    try:
        for document in selection.documents(lost.append):
            pictures, text = document_keys(document)
            named = [f"p{key}" for key in pictures] + ([f"t{text}"] if text else [])
            found.hashes.extend(dict.fromkeys(map(_hash, named)))
            found.ends.append(len(found.hashes))
    except MagpieError as error:
        return error
    return found


def _hash(key: str) -> int:
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def _join(splits: Sequence[_Keys]) -> tuple[tuple[int, ...], ...]:
    """For each document the splits in which one of its keys stands, summed."""
    places: dict[int, int] = {}  # hash -> bit set of the splits that hold it
    repeated: list[set[int]] = []  # hashes of several documents of one split
    for number, split in enumerate(splits):
        counts = Counter(split.hashes)
        repeated.append({key for key, times in counts.items() if times > 1})
        for key in counts:
            places[key] = places.get(key, 0) | 1 << number
    shared = [[0] * len(splits) for _ in splits]
    for number, split in enumerate(splits):
        own = 1 << number
        masks: Counter[int] = Counter()
        for index in range(len(split.ends)):
            mask = 0
            for key in split.document(index):
                mask |= places[key] & ~own
                if key in repeated[number]:
                    mask |= own
            masks[mask] += 1
        for mask, times in masks.items():
            for other in range(len(splits)):
                if mask >> other & 1:
                    shared[number][other] += times
    return tuple(map(tuple, shared))


def matrix_page(matrix: OverlapMatrix, title: str = "Overlap of corpora") -> str:
    """The matrix as an HTML page: a heat map of shares where matplotlib is there, and tables."""
    from magpie.viz.page import heading, page, paragraph, picture, table
    from magpie.viz.plots import WITHOUT_PLOTS, can_plot, heat_map

    shares = [
        [100 * count / max(1, total) for count in row]
        for row, total in zip(matrix.shared, matrix.documents, strict=True)
    ]
    said = "Percent of the row's documents that stand in the column's split, by picture id or text"
    parts = [paragraph(f"{said}; on the diagonal: that share one with another of their own split.")]
    if can_plot():
        texts = [[f"{share:.0f}" if share >= 0.5 else "" for share in row] for row in shares]
        plot = heat_map(
            matrix.names, matrix.names, shares, title="percent of the row", texts=texts, top=100.0
        )
        parts.append(picture(plot, f"Heat map: {said}; the numbers stand in the table"))
    else:
        parts.append(paragraph(WITHOUT_PLOTS))
    parts.append(heading("Pairs that share documents"))
    totals = dict(zip(matrix.names, matrix.documents, strict=True))
    rows = [
        [a, b, in_b, f"{in_b / totals[a]:.1%}", in_a, f"{in_a / totals[b]:.1%}"]
        for a, b, in_b, in_a in matrix.pairs()
    ]
    parts.append(table(["A", "B", "of A in B", "", "of B in A", ""], rows))
    parts.append(heading("Number of documents"))
    body = [
        [name, total, *row]
        for name, total, row in zip(matrix.names, matrix.documents, matrix.shared, strict=True)
    ]
    parts.append(table(["", "documents", *matrix.names], body))
    parts.extend(paragraph(f"{name}: {error}") for name, error in matrix.unreadable)
    return page(title, parts)
