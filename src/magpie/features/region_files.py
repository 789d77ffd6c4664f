"""Regions written ahead of training, in the layout of VinVL's published files, one a picture."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from magpie._io import atomic_write, dump_json, parse_json
from magpie.corpora.side import VinvlRegions, write_vinvl
from magpie.errors import ConfigError, ModelError
from magpie.features.each import picture_views
from magpie.features.needs import Asset, RegionFeatures
from magpie.features.proposals import Proposals
from magpie.features.regions import RegionSource, region_file_name
from magpie.schema import Document

__all__ = ["ORIGIN", "WrittenRegions", "to_vinvl", "write_region_files"]

#: says in the folder what made its files
ORIGIN = "regions.json"
#: pictures without a file that are told by name
_KEEP = 5


@dataclass(slots=True)
class WrittenRegions:
    """What a build did: pictures ``written`` now, ``kept`` from before (or shared with another
    document), and ``absent`` with the first reasons; regions in the files written now, those
    ``clipped`` to their picture and those left out because they stood ``outside`` it."""

    source: str
    documents: int = 0
    written: int = 0
    kept: int = 0
    absent: int = 0
    regions: int = 0
    clipped: int = 0
    outside: int = 0
    width: int | None = None
    seconds: float = 0.0
    reasons: list[tuple[str, str]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """The shape of ``magpie regions build --json``."""
        names = (
            "source", "documents", "written", "kept", "absent", "regions", "clipped", "outside",
            "width",
        )  # fmt: skip
        reasons = [{"document": document, "reason": why} for document, why in self.reasons]
        numbers = {name: getattr(self, name) for name in names}
        return {**numbers, "seconds": round(self.seconds, 2), "reasons": reasons}


def to_vinvl(found: Proposals, limit: int | None = None) -> VinvlRegions:
    """The regions as VinVL's files hold them; without attributes, and no other classes scored.

    Args:
        found: in the proposer's order.
        limit: the first so many; all by default.
    """
    count = len(found) if limit is None else min(limit, len(found))
    return VinvlRegions(
        width=found.width,
        height=found.height,
        boxes=found.boxes[:count],
        features=found.features[:count],
        scores=found.scores[:count],
        objects=found.labels[:count] or ("",) * count,
        attributes=("",) * count,
        attribute_scores=np.zeros((count, 1), np.float32),
        class_scores=np.zeros((count, 0), np.float64),
    )


def write_region_files(
    documents: Iterable[Document],
    source: str,
    regions: RegionSource,
    folder: str | os.PathLike[str],
    *,
    limit: int | None = None,
    window: int = 16,
    on_progress: Callable[[WrittenRegions], None] | None = None,
) -> WrittenRegions:
    """Writes ``<picture>.jpg.npz`` for every picture that has none yet.

    A file appears under its name in one step, so a killed build leaves whole files only and goes on
    when it is started again; several may run at once.

    Args:
        documents: are streamed; all their pictures count.
        source: name of the regions.
        regions: makes them.
        folder: for the files; it belongs to one source with its settings.
        limit: most regions of a picture; all by default.
        window: documents looked at together.
        on_progress: is called after each window.

    Raises:
        ConfigError: nobody gives such regions, or the folder holds those of another source.
        ModelError: a network is not on this machine, or a file could not be written.
    """
    begun = time.monotonic()
    if limit is not None and limit < 1:
        raise ConfigError(f"the limit must be at least 1, got {limit}")
    place = Path(folder)
    made_by = {"source": source, "limit": limit, **regions.fingerprint(RegionFeatures(source))}
    _claim(place, made_by)
    result = WrittenRegions(source)
    for rows in _windows(documents, window):
        lacking: dict[Path, Document] = {}
        for document in rows:
            views = picture_views(document)
            if not views:
                _note(result, document, "the document has no picture")
            for view in views:
                name = region_file_name(view)
                path = place / f"{name}.jpg.npz"
                if name and (path.is_file() or path in lacking):
                    result.kept += 1
                elif name:
                    lacking[path] = view
                else:
                    _note(result, view, "the document names no picture")
        found = regions.regions(list(lacking.values()), source)
        for (path, view), part in zip(lacking.items(), found, strict=True):
            if isinstance(part, Asset):
                _note(result, view, part.reason)
            else:
                _write(result, path, part, limit)
        result.documents += len(rows)
        result.seconds = time.monotonic() - begun
        if on_progress is not None:
            on_progress(result)
    result.seconds = time.monotonic() - begun
    return result


def _claim(folder: Path, made_by: dict[str, Any]) -> None:
    """Lets a folder hold the regions of one source only: mixed ones could not be told apart."""
    path = folder / ORIGIN
    if path.is_file():
        before = parse_json(path.read_text("utf-8"), where=str(path))
        now = parse_json(dump_json(made_by))
        if before != now:
            known = before if isinstance(before, dict) else {}
            other = sorted(k for k in {*known, *now} if known.get(k) != now.get(k))
            raise ConfigError(
                f"the folder holds regions of another {', '.join(other)}",
                where=str(path),
                mend="Name another folder, or remove this one.",
            )
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write(path, dump_json(made_by, indent=1))
    except OSError as error:
        raise _unwritten(path, error) from error


def _write(result: WrittenRegions, path: Path, found: Proposals, limit: int | None) -> None:
    value = to_vinvl(found, limit)
    try:
        write_vinvl(path, value)
    except OSError as error:
        raise _unwritten(path, error) from error
    result.written += 1
    result.regions += len(value)
    result.clipped += found.clipped
    result.outside += found.outside
    result.width = value.features.shape[1]


def _unwritten(path: Path, error: OSError) -> ModelError:
    return ModelError(
        f"regions could not be written: {error.strerror}",
        code="features-unwritten",
        where=str(path),
        mend="Make room, or name a folder that may be written to; then start again.",
    )


def _note(result: WrittenRegions, document: Document, why: str) -> None:
    result.absent += 1
    if len(result.reasons) < _KEEP:
        result.reasons.append((document.id, why))


def _windows(documents: Iterable[Document], size: int) -> Iterator[list[Document]]:
    stream = iter(documents)
    while rows := list(itertools.islice(stream, size)):
        yield rows
