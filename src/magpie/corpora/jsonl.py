"""magpie's own format: one Document a line, as ``magpie corpora convert`` writes them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from magpie.corpora.anomaly import Anomaly, Report
from magpie.corpora.dataset_card import Card
from magpie.corpora.reader import Corpus, ReadOptions, UniqueIds, Watch, is_orphan
from magpie.corpora.source import Found, iter_found_lines
from magpie.errors import ConfigError, MagpieError
from magpie.schema import Document, Source, from_json

__all__ = ["MagpieJsonl"]


class MagpieJsonl(Corpus):
    """Give the file itself as root, or a folder with ``train.jsonl`` and so on.

    Paths of pictures stay as written: relative ones count from the file's folder.
    """

    suffixes = (".jsonl",)
    card = Card(
        name="magpie",
        version="1",
        title="magpie JSONL",
        task="whatever the documents hold",
        licence="that of the file",
        origin="written by magpie, see docs/data-model.md",
        citation="",
    )

    def read(
        self, split: str, root: Path, options: ReadOptions, report: Report
    ) -> Iterator[Document]:
        if options.types == "coarse" or options.images is not None:
            raise ConfigError(
                f"{self.card.ref} documents carry their own types and pictures",
                mend="Leave out types and images.",
            )
        return self._stream(self.locate(split, root), split, options, report)

    def _stream(
        self, found: Found, split: str, options: ReadOptions, report: Report
    ) -> Iterator[Document]:
        watch = Watch(found.name, report)
        ids = UniqueIds(watch.take)
        for line in iter_found_lines(found):
            where = f"{found.name}:{line.number}"
            try:
                if line.error is not None:
                    raise line.error
                if not line.text.strip():
                    continue
                document = from_json(line.text, where=where)
                # Keeps where it came from first, so that gold of a corpus stays citable.
                source = document.source or Source(
                    corpus=self.card.ref, split=split, file=found.file.label, line=line.number
                )
                identifier = ids.take(document.id, where)
                document = dataclasses.replace(document, id=identifier, source=source)
                if options.orphans == "drop":
                    document = _without_orphans(document)
            except MagpieError as error:
                watch.take(Anomaly.lost(error))
                continue
            watch.good += 1
            yield document
        watch.close()


def _without_orphans(document: Document) -> Document:
    if document.annotations is None or not any(map(is_orphan, document.entities)):
        return document
    kept = tuple(entity for entity in document.entities if not is_orphan(entity))
    return document.with_annotations(dataclasses.replace(document.annotations, entities=kept))
