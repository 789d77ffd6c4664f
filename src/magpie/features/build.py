"""Filling a store ahead of training: every need of every document, computed where it is lacking."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from magpie.errors import ConfigError
from magpie.features.drawn import Drawn
from magpie.features.each import PerPicture, inner, picture_views
from magpie.features.generated import Generated
from magpie.features.needs import Asset, Need
from magpie.features.source import Ask, Source
from magpie.features.store import Store
from magpie.features.supply import Kept, Supplier
from magpie.schema import Document

__all__ = ["VARIABLE", "Built", "BuiltNeed", "build", "default_folder", "default_store"]

#: names the folder of the store; empty means none
VARIABLE = "MAGPIE_FEATURES"
#: absent features that are told by name
_KEEP = 5


def default_folder() -> Path:
    """The store's folder: ``MAGPIE_FEATURES``, else ``magpie/features`` in the user's cache."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named)
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "magpie" / "features"


def default_store() -> Store | None:
    """The store, where one is named or was built; else None, and features are computed anew."""
    if os.environ.get(VARIABLE) == "":
        return None
    folder = default_folder()
    return Store(folder) if VARIABLE in os.environ or folder.is_dir() else None


@dataclass(slots=True)
class BuiltNeed:
    """One need: documents whose entry was ``kept`` already (or shared with another document of
    this build), ``computed`` entries, documents for which it is ``absent``, with the first
    reasons."""

    need: Need
    kept: int = 0
    computed: int = 0
    absent: int = 0
    reasons: list[tuple[str, str]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """One item of ``needs`` in ``magpie features build --json``."""
        return {
            "need": self.need.describe(),
            "kept": self.kept,
            "computed": self.computed,
            "absent": self.absent,
            "reasons": [{"document": document, "reason": why} for document, why in self.reasons],
        }

    def note_absent(self, document: Document, asset: Asset) -> None:
        """Counts a document for which there is nothing."""
        self.absent += 1
        if len(self.reasons) < _KEEP:
            self.reasons.append((document.id, asset.reason))


@dataclass(slots=True)
class Built:
    """What a build did so far."""

    needs: list[BuiltNeed]
    documents: int = 0
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """The shape of ``magpie features build --json``."""
        return {
            "documents": self.documents,
            "seconds": round(self.seconds, 2),
            "needs": [need.to_dict() for need in self.needs],
        }


def build(
    documents: Iterable[Document],
    needs: Iterable[Need],
    supplier: Supplier,
    *,
    window: int = 64,
    on_progress: Callable[[Built], None] | None = None,
) -> Built:
    """Computes what the store lacks. What is there is not read, so starting again goes on.

    Several processes may build at once; where they meet, an entry may be computed twice.

    Args:
        documents: are streamed.
        needs: of a method; those read off the document itself are passed over.
        supplier: has a store.
        window: documents looked at together.
        on_progress: is called after each window.

    Raises:
        ConfigError: the supplier has no store, or nobody supplies a need.
        ModelError: a backbone is not on this machine, or an entry could not be written.
    """
    if supplier.store is None:
        raise ConfigError("a build needs a store", mend=f"Name its folder, or set {VARIABLE}.")
    begun = time.monotonic()
    plan: list[tuple[Source, Kept, BuiltNeed, Need]] = []
    parts = {part: source for need in needs for source, part in supplier.computed(need)}
    # Pictures are drawn before anything is read off them.
    for need in sorted(parts, key=lambda need: (not isinstance(need, Drawn), need.digest)):
        kept = Kept(supplier.store, parts[need], inner(need), strict=True)
        plan.append((parts[need], kept, BuiltNeed(inner(need)), need))
    built = Built([part for _, _, part, _ in plan])
    for rows in _windows(documents, window):
        for source, kept, part, need in plan:
            seen = [view for row in rows for view in _views(row, need, supplier)]
            _fill(seen, source, kept, part)
        built.documents += len(rows)
        built.seconds = time.monotonic() - begun
        if on_progress is not None:
            on_progress(built)
    built.seconds = time.monotonic() - begun
    return built


def _views(document: Document, need: Need, supplier: Supplier) -> list[Document]:
    """The document as the sources of a need see it: once a picture, once or not at all."""
    if isinstance(need, PerPicture):
        return picture_views(document)
    if isinstance(need, Generated):
        return [v for v in supplier.generated([document], need) if isinstance(v, Document)]
    return [document]


def _windows(documents: Iterable[Document], size: int) -> Iterator[list[Document]]:
    stream = iter(documents)
    while rows := list(itertools.islice(stream, size)):
        yield rows


def _fill(rows: Sequence[Document], source: Source, kept: Kept, part: BuiltNeed) -> None:
    lacking: dict[str, tuple[Ask, dict[str, Any]]] = {}
    wanting: dict[str, list[Document]] = {}
    for document in rows:
        ask = source.ask(document, part.need)
        if isinstance(ask, Asset):
            part.note_absent(document, ask)
            continue
        key, made_of = source.key(ask, part.need)
        if key not in lacking and key in kept.store:
            part.kept += 1
            continue
        lacking.setdefault(key, (ask, made_of))
        wanting.setdefault(key, []).append(document)
    for key, made in kept.fill(lacking).items():
        if isinstance(made, Asset):
            for document in wanting[key]:
                part.note_absent(document, made)
        else:
            part.computed += 1
            part.kept += len(wanting[key]) - 1
