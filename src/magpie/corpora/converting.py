"""Corpora written as magpie JSONL: one Document a line, gold annotations included."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from magpie._io import atomic_stream
from magpie.corpora.anomaly import Anomaly
from magpie.corpora.loading import load
from magpie.corpora.writing import DocumentWriter
from magpie.errors import ConfigError

__all__ = ["Conversion", "convert"]


@dataclass(frozen=True, slots=True)
class Conversion:
    """What was written: documents, records set aside, oddities by kind, the first errors.

    ``warnings`` are sentences for people: files that the card does not know. ``pictures_root`` is
    the folder of those pictures that lie outside of the output's folder (``magpie extract``
    reads them with ``--root``), empty where there are none.
    """

    output: str
    documents: int
    unreadable: int
    anomalies: dict[str, int]
    errors: tuple[Anomaly, ...]
    warnings: tuple[str, ...] = ()
    pictures_root: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The shape of ``magpie corpora convert --json``."""
        return {
            "output": self.output,
            "documents": self.documents,
            "unreadable": self.unreadable,
            "anomalies": self.anomalies,
            "errors": [each.error.to_dict() for each in self.errors if each.error is not None],
            "warnings": list(self.warnings),
            "pictures_root": self.pictures_root,
        }


def convert(
    name: str,
    split: str,
    output: str | os.PathLike[str],
    root: str | os.PathLike[str] | None = None,
    *,
    images: str | os.PathLike[str] | None = None,
    types: Literal["own", "coarse"] = "own",
    orphans: Literal["mark", "drop"] = "mark",
    context: Sequence[str] = (),
    word_column: int = 0,
    tag_column: int = -1,
    keep_errors: int = 20,
) -> Conversion:
    """Writes a split as JSON lines; streaming, and the file appears only when it is complete.

    Unreadable records are set aside and counted; the rest goes on. Options are those of
    :func:`magpie.corpora.load`.

    Args:
        name: a corpus, or published predictions (:data:`magpie.corpora.side.PREDICTIONS`), which
            are written as predicted documents and take no option.
        output: the file to write; an old one is replaced.
        keep_errors: how many errors the result holds at most.

    Raises:
        NotFoundError, FormatError, ConfigError: as :func:`magpie.corpora.load`; nothing is
            written then.
    """
    counts: Counter[str] = Counter()
    errors: list[Anomaly] = []
    warnings: list[str] = []

    def note(anomaly: Anomaly) -> None:
        counts[anomaly.kind] += 1
        if anomaly.kind == "unknown-digest":
            warnings.append(anomaly.message)
        if anomaly.error is not None and len(errors) < keep_errors:
            errors.append(anomaly)

    from magpie.corpora.side.predictions import PREDICTIONS, predictions

    if name in PREDICTIONS:
        if images is not None or context or (types, orphans) != ("own", "mark"):
            raise ConfigError(f"{name} holds predictions as they were published: no option fits")
        documents = predictions(name, split, root, on_problem=note)
    else:
        documents = load(
            name,
            split,
            root,
            images=images,
            types=types,
            orphans=orphans,
            context=context,
            on_problem=note,
            word_column=word_column,
            tag_column=tag_column,
        )
    with atomic_stream(output) as stream:
        writer = DocumentWriter(stream, output)
        for document in documents:
            writer.write(document)
    return Conversion(
        output=os.fspath(output),
        documents=writer.documents,
        unreadable=counts["unreadable"],
        anomalies=dict(sorted(counts.items())),
        errors=tuple(errors),
        warnings=tuple(warnings),
        pictures_root=writer.pictures_root,
    )
