"""The way in: a corpus by name, streamed as documents."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from magpie.corpora.anomaly import Report, ignore
from magpie.corpora.digests import label_documents
from magpie.corpora.reader import ReadOptions
from magpie.corpora.registry import corpus
from magpie.corpora.source import resolve_root
from magpie.schema import Document

__all__ = ["load"]


def load(
    name: str,
    split: str,
    root: str | os.PathLike[str] | None = None,
    *,
    images: str | os.PathLike[str] | None = None,
    types: Literal["own", "coarse"] = "own",
    orphans: Literal["mark", "drop"] = "mark",
    context: Sequence[str] = (),
    on_problem: Report | None = None,
    word_column: int = 0,
    tag_column: int = -1,
) -> Iterator[Document]:
    """Streams one split of a corpus, in file order, with gold annotations.

    Args:
        name: ``"gmner"``, or with a version ``"twitter2015@tmr"``; see ``magpie corpora list``.
        split: ``"train"``, ``"dev"`` (also ``"valid"``) or ``"test"``.
        root: the folder of all corpora (default: environment variable ``MAGPIE_DATA``), or the
            corpus's own folder; for the formats ``conll`` and ``magpie`` also a file.
        images: the folder of the pictures, named ``<picture id>.jpg``. A picture that is not
            there never fails: its :class:`~magpie.schema.Media` says why it is missing.
        types: ``"own"`` keeps the corpus's entity types, ``"coarse"`` maps them to PER, LOC, ORG
            and OTHER (so Twitter-2017's MISC becomes OTHER).
        orphans: entities opened by an I- tag are kept and carry
            :data:`magpie.text.tags.ORPHAN` in their provenance's evidence (``"mark"``: the lenient
            count is the number of entities, the strict count that of entities without the
            mark), or left out (``"drop"``).
        context: names of side sources whose texts are added to ``Document.context``, in this
            order: captions, knowledge. See :data:`magpie.corpora.side.SOURCES`.
        on_problem: is called with every :class:`~magpie.corpora.Anomaly`. Without it, oddities
            that lose nothing pass (files that the card does not know are warned of in the log)
            and the first unreadable record raises; with it, unreadable records are set aside
            and the rest goes on.
        word_column, tag_column: for the format ``conll``: which columns hold them; negative
            counts from the right.

    Raises:
        NotFoundError: no such corpus, split, root, file or pictures folder, or a context source
            that is unknown or says nothing of this split (at the call).
        FormatError: a damaged archive, a file of another format, or, without ``on_problem``, an
            unreadable record (while streaming).
        ConfigError: an impossible option.
    """
    options = ReadOptions(
        images=None if images is None else Path(images),
        types=types,
        orphans=orphans,
        word_column=word_column,
        tag_column=tag_column,
    )
    reader = corpus(name)
    where = resolve_root(root)
    report = ignore if on_problem is None else on_problem
    own = reader.card.split_name(split)
    documents = reader.read(own, where, options, report)
    documents = label_documents(documents, reader.card, own, where, on_problem)
    if context:
        from magpie.corpora.side.context import with_context

        documents = with_context(documents, context, reader.card, own, where, on_problem)
    return documents
