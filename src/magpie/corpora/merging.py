"""Several corpora as one file: labels mapped, ids made unique, held-out posts left out."""

from __future__ import annotations

import dataclasses
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from magpie._io import atomic_stream, parse_json
from magpie.corpora.gathering import Gathering, gather_one, inputs, renamer
from magpie.corpora.overlaps import HeldOut
from magpie.corpora.selecting import Selection, pass_over, select
from magpie.corpora.writing import DocumentWriter
from magpie.errors import ConfigError, FormatError, NotFoundError
from magpie.schema import Document

__all__ = ["LabelMap", "Merge", "labels_of", "merge", "parse_label", "read_label_map"]

#: label -> label, or ``corpus:label`` -> label for one corpus (also ``corpus@version:label``)
LabelMap: TypeAlias = Mapping[str, str]

Kind: TypeAlias = Literal["entity", "relation", "event"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """What :func:`merge` did.

    ``held_out`` and ``repeated`` are the documents left out by input: posts of a held-out corpus,
    and (if asked for) posts of an earlier input. ``mapped`` counts labels that changed, as
    ``old -> new``; ``unused`` are labels of the map that never occurred.
    """

    output: str
    documents: int
    held_out: Mapping[str, int]
    repeated: Mapping[str, int]
    mapped: Mapping[str, int]
    unused: tuple[str, ...]
    gathering: Gathering

    def to_dict(self) -> dict[str, Any]:
        """The shape of ``magpie corpora merge --json``."""
        return {
            "output": self.output,
            "documents": self.documents,
            "held_out": dict(self.held_out),
            "repeated": dict(self.repeated),
            "mapped": dict(sorted(self.mapped.items())),
            "unused": list(self.unused),
            **self.gathering.to_dict(),
        }


def parse_label(text: str) -> tuple[str, str]:
    """``TYPE=TYPE`` or ``corpus:TYPE=TYPE`` as a pair.

    Raises:
        ConfigError: something else.
    """
    old, equals, new = text.partition("=")
    if not equals or not old.strip() or not new.strip():
        raise ConfigError(f"expected TYPE=TYPE, got {text!r}", mend="For example --map MISC=OTHER.")
    return old.strip(), new.strip()


def read_label_map(path: str | os.PathLike[str]) -> dict[str, str]:
    """A JSON object ``{"MISC": "OTHER", "wnut17:location": "LOC"}``.

    Raises:
        NotFoundError: no such file.
        FormatError: something else in it.
    """
    file = Path(path)
    if not file.is_file():
        raise NotFoundError("no such file", where=str(path), mend="Check the path.")
    value = parse_json(file.read_bytes(), where=str(path))
    if not isinstance(value, dict) or not all(
        isinstance(new, str) and old and new for old, new in value.items()
    ):
        raise FormatError(
            "expected a JSON object of labels and labels",
            where=str(path),
            mend='For example {"MISC": "OTHER"}.',
        )
    return value


def merge(
    specs: Sequence[str],
    output: str | os.PathLike[str],
    root: str | os.PathLike[str] | None = None,
    *,
    labels: LabelMap | None = None,
    held_out: Sequence[str] = (),
    unique: bool = False,
) -> Merge:
    """Writes the inputs after one another into one JSONL file.

    Args:
        specs: corpora, splits or files, see :func:`magpie.corpora.selecting.select`.
        output: the file; it appears only when it is complete.
        root: as for :func:`magpie.corpora.load`.
        labels: types to rename. As soon as it names one entity type (relation type, event type),
            every entity type (...) of the inputs must be in it, as a key or as a value: a label
            that was forgotten is refused, not passed on.
        held_out: corpora, splits or files whose posts (by picture and text) are left out.
        unique: leave out posts that an earlier input has; within an input nothing is compared.

    A document whose labels changed no longer carries the digest of its corpus.

    Raises:
        ConfigError: unknown labels, all of them listed; nothing is written then.
        NotFoundError, FormatError: as :func:`magpie.corpora.splitting.split`.
    """
    selections = inputs(specs, root)
    away = HeldOut(
        document
        for spec in held_out
        for selection in select(spec, root)
        for document in selection.documents(pass_over)
    )
    gathering = Gathering()
    mapper = _Mapper(labels or {})
    with atomic_stream(output) as stream:
        writer = DocumentWriter(stream, output)
        dropped, repeated = _write(selections, writer, mapper, away, gathering, unique=unique)
        mapper.refuse_unknown()
    gathering.note_pictures([writer])
    return Merge(
        output=os.fspath(output),
        documents=writer.documents,
        held_out=dict(dropped),
        repeated=dict(repeated),
        mapped=dict(mapper.changed),
        unused=mapper.unused(),
        gathering=gathering,
    )


def _write(
    selections: Sequence[Selection],
    writer: DocumentWriter,
    mapper: _Mapper,
    away: HeldOut,
    gathering: Gathering,
    *,
    unique: bool,
) -> tuple[Counter[str], Counter[str]]:
    """Documents left out by input: held out, repeated."""
    dropped: Counter[str] = Counter()
    repeated: Counter[str] = Counter()
    ids = renamer(gathering)
    earlier = HeldOut()
    for selection in selections:
        here = HeldOut()
        for document in gather_one(selection, ids, gathering):
            if document in away:
                dropped[selection.name] += 1
            elif unique and document in earlier:
                repeated[selection.name] += 1
            else:
                writer.write(mapper.apply(document, selection.ref))
                if unique:
                    here.update([document])
        earlier.update_from(here)
    return dropped, repeated


class _Mapper:
    """Renames labels and remembers those that it was not told about."""

    def __init__(self, labels: LabelMap) -> None:
        self._labels = labels
        self._targets = set(labels.values())
        self._used: set[str] = set()
        self._touched: set[Kind] = set()
        self._unknown: dict[Kind, set[str]] = {}
        self.changed: Counter[str] = Counter()

    def _new(self, kind: Kind, label: str, ref: str) -> str:
        for key in (f"{ref}:{label}", f"{ref.partition('@')[0]}:{label}", label):
            if key in self._labels:
                self._used.add(key)
                self._touched.add(kind)
                new = self._labels[key]
                if new != label:
                    self.changed[f"{label} -> {new}"] += 1
                return new
        if label not in self._targets:
            self._unknown.setdefault(kind, set()).add(label)
        return label

    def apply(self, document: Document, ref: str) -> Document:
        """The document under its new labels; the corpus is that of its source, else ``ref``."""
        old = document.annotations
        if not self._labels or old is None:
            return document
        if document.source is not None:
            ref = document.source.corpus
        new = dataclasses.replace(
            old,
            entities=tuple(
                dataclasses.replace(entity, type=self._new("entity", entity.type, ref))
                for entity in old.entities
            ),
            relations=tuple(
                dataclasses.replace(relation, type=self._new("relation", relation.type, ref))
                for relation in old.relations
            ),
            events=tuple(
                dataclasses.replace(event, type=self._new("event", event.type, ref))
                for event in old.events
            ),
        )
        if new == old:
            return document
        source = document.source
        if source is not None:
            # The labels are no longer those of the corpus's files.
            source = dataclasses.replace(source, digest=None)
        return dataclasses.replace(document, annotations=new, source=source)

    def refuse_unknown(self) -> None:
        """Raises:
        ConfigError: labels of a kind that the map touches are not in it.
        """
        listed = [
            f"{kind} types {', '.join(sorted(labels))}"
            for kind, labels in sorted(self._unknown.items())
            if kind in self._touched
        ]
        if listed:
            raise ConfigError(
                f"the label map does not say what becomes of the {' and the '.join(listed)}",
                mend="Map each of them, to itself (PER=PER) if it stays.",
            )

    def unused(self) -> tuple[str, ...]:
        """Keys of the map that met no label."""
        return tuple(sorted(set(self._labels) - self._used))


def labels_of(pairs: Iterable[str], file: str | os.PathLike[str] | None = None) -> dict[str, str]:
    """The map of a command line: a file, then single pairs that overrule it.

    Raises:
        ConfigError, FormatError, NotFoundError: as :func:`parse_label`, :func:`read_label_map`.
    """
    found = {} if file is None else read_label_map(file)
    found.update(parse_label(pair) for pair in pairs)
    return found
