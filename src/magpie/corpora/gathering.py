"""Documents of several corpora as one stream with unique ids, ready to be written to a file."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from magpie.corpora.anomaly import Anomaly
from magpie.corpora.reader import UniqueIds
from magpie.corpora.selecting import Selection, select
from magpie.corpora.writing import DocumentWriter, with_absolute_paths
from magpie.errors import ConfigError
from magpie.schema import Document

__all__ = ["Gathering", "gather", "gather_one", "inputs", "renamer"]

#: ids and errors that are kept by name
_KEEP = 20


@dataclass(slots=True)
class Gathering:
    """What happened on the way; filled while the stream is read.

    ``documents`` by input, ``anomalies`` by kind, ``renamed`` ids that stood twice (the first
    ones by name), ``warnings`` for people, ``pictures_root`` as in
    :class:`~magpie.corpora.writing.DocumentWriter`.
    """

    documents: dict[str, int] = field(default_factory=dict)
    anomalies: Counter[str] = field(default_factory=Counter)
    errors: list[Anomaly] = field(default_factory=list)
    renamed: int = 0
    renamed_examples: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    pictures_root: str = ""

    @property
    def unreadable(self) -> int:
        return self.anomalies["unreadable"]

    def note(self, anomaly: Anomaly) -> None:
        """Counts an oddity of a corpus."""
        self.anomalies[anomaly.kind] += 1
        if anomaly.kind == "unknown-digest":
            self.warnings.append(anomaly.message)
        if anomaly.error is not None and len(self.errors) < _KEEP:
            self.errors.append(anomaly)

    def note_renamed(self, anomaly: Anomaly) -> None:
        """Counts an id that stood in an earlier input too."""
        self.renamed += 1
        if len(self.renamed_examples) < _KEEP and anomaly.record is not None:
            self.renamed_examples.append(anomaly.record)

    def note_pictures(self, writers: Iterable[DocumentWriter]) -> None:
        """Takes over where pictures lie that are not below the written files."""
        roots = [writer.pictures_root for writer in writers if writer.pictures_root]
        self.pictures_root = os.path.commonpath(roots) if roots else ""

    def to_dict(self) -> dict[str, Any]:
        return {
            "inputs": dict(self.documents),
            "unreadable": self.unreadable,
            "anomalies": dict(sorted(self.anomalies.items())),
            "errors": [each.error.to_dict() for each in self.errors if each.error is not None],
            "renamed": {"number": self.renamed, "examples": list(self.renamed_examples)},
            "warnings": list(self.warnings),
            "pictures_root": self.pictures_root,
        }


def renamer(gathering: Gathering) -> UniqueIds:
    """Makes ids unique over all inputs."""
    return UniqueIds(gathering.note_renamed)


def inputs(specs: Sequence[str], root: str | os.PathLike[str] | None) -> list[Selection]:
    """The splits named, see :func:`magpie.corpora.selecting.select`.

    Raises:
        ConfigError: none, or one twice.
        NotFoundError: no such corpus, split or file.
    """
    selections = [each for spec in specs for each in select(spec, root)]
    if not selections:
        raise ConfigError(
            "no corpus was named", mend="Name one or more: gmner, gmner:train, x.jsonl."
        )
    twice = [each.name for each, times in Counter(selections).items() if times > 1]
    if twice:
        raise ConfigError(f"{', '.join(twice)} was named twice", mend="Name each split once.")
    return selections


def gather(
    specs: Sequence[str], root: str | os.PathLike[str] | None, gathering: Gathering
) -> Iterator[Document]:
    """Streams all inputs one after another.

    Args:
        specs, root: as for :func:`inputs`.
        gathering: is filled.

    Raises:
        ConfigError, NotFoundError, FormatError: as :func:`inputs` and
            :meth:`magpie.corpora.selecting.Selection.documents`.
    """
    ids = renamer(gathering)
    for selection in inputs(specs, root):
        yield from gather_one(selection, ids, gathering)


def gather_one(selection: Selection, ids: UniqueIds, gathering: Gathering) -> Iterator[Document]:
    """Streams one input, with absolute picture paths and ids that no earlier one has."""
    gathering.documents[selection.name] = 0
    for document in selection.documents(gathering.note):
        gathering.documents[selection.name] += 1
        identifier = ids.take(document.id, selection.name)
        if identifier != document.id:
            document = dataclasses.replace(document, id=identifier)  # noqa: PLW2901
        if selection.root.is_file():
            document = with_absolute_paths(document, selection.root.parent)  # noqa: PLW2901
        yield document
