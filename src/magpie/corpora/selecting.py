"""What commands take: a corpus, one split of it, or a file of one's own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from magpie.corpora.anomaly import Anomaly, Report
from magpie.corpora.loading import load
from magpie.corpora.registry import cards, corpus
from magpie.corpora.source import find, resolve_root
from magpie.errors import NotFoundError
from magpie.schema import Document

__all__ = ["Selection", "pass_over", "select", "select_all"]


@dataclass(frozen=True, slots=True)
class Selection:
    """One split: ``name`` as in messages and results, ``root`` where its corpus lies."""

    name: str
    ref: str
    split: str
    root: Path

    def documents(self, report: Report) -> Iterator[Document]:
        """Streams it; unreadable records go to ``report``.

        Raises:
            NotFoundError: the file is not there.
            FormatError: a damaged archive, or a file of another format.
        """
        return load(self.ref, self.split, self.root, on_problem=report)

    @property
    def size(self) -> int:
        """Documents that the card expects, 0 if it says nothing."""
        split = corpus(self.ref).card.splits.get(self.split)
        return 0 if split is None else split.counts.documents


def pass_over(_: Anomaly) -> None:
    """For what has no use for oddities; ``magpie corpora check`` lists them."""


def select(spec: str, root: str | os.PathLike[str] | None = None) -> list[Selection]:
    """The splits that a word of the command line means.

    Args:
        spec: ``corpus``, ``corpus@version``, either with ``:split``, or the path of a file:
            ``.jsonl`` is magpie's own format, anything else a column file.
        root: as for :func:`magpie.corpora.load`; a path needs none.

    Raises:
        NotFoundError: no such corpus, split, file or root.
    """
    path = Path(spec)
    if path.is_file():
        ref = "magpie@1" if path.suffix == ".jsonl" else "conll@1"
        return [Selection(path.name, ref, path.stem, path.absolute())]
    if path.suffix == ".jsonl" or os.sep in spec:
        raise NotFoundError("no such file", where=spec, mend="Check the path and its spelling.")
    name, _, split = spec.partition(":")
    card = corpus(name).card
    place = resolve_root(root)
    if not split and not card.splits:
        raise NotFoundError(
            f"{card.ref} is a format without splits of its own",
            mend=f"Give the path of the file, or name the split: {name}:train.",
        )
    splits = [card.split_name(split)] if split else list(card.splits)
    return [Selection(f"{card.ref}:{each}", card.ref, each, place) for each in splits]


def select_all(root: str | os.PathLike[str] | None = None) -> list[Selection]:
    """Every split, of every corpus, whose file lies below the root.

    Raises:
        NotFoundError: no such root, or nothing there.
    """
    place = resolve_root(root)
    found = []
    for card in cards():
        for split, description in card.splits.items():
            try:
                find(description.file, place)
            except NotFoundError:
                continue
            found.append(Selection(f"{card.ref}:{split}", card.ref, split, place))
    if not found:
        raise NotFoundError(
            "no file of any corpus in the folder",
            where=str(place),
            mend="See docs/corpora.md for how the folder is laid out.",
        )
    return found
