"""NER as four public repositories count it: on the tags of words, with each one's own chunk rules.

The rules themselves are those of :mod:`magpie.metrics.sequences`; here documents and column files
become the tag sequences that those scorers look at. Source: the scorers of UMT, UMGF, HVPNeT
(MKGformer) and AdaSeq (MoRe, PGIM), see docs/scorers.md.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from magpie._io import iter_lines
from magpie.errors import ComparisonError
from magpie.metrics.counts import Counts
from magpie.metrics.declare import Prepared
from magpie.metrics.gmner import TypeOf, types_at
from magpie.metrics.items import Item, Scored
from magpie.metrics.sequences import PUBLIC_SCORERS, score_sentences
from magpie.schema import Document

__all__ = ["count", "prepare", "read_tagged"]


def read_tagged(path: str | os.PathLike[str]) -> Iterator[Scored]:
    """The records of a column file with their tags (last column) as they stand there.

    Special tags such as ``X`` stay, which no document can hold. Ids are those behind ``IMGID:``, or
    ``test-1`` and so on, as ``load("conll", "test")`` gives them.

    Raises:
        FormatError: at the first record that cannot be read.
    """
    from magpie.corpora.anomaly import Anomaly
    from magpie.corpora.columns import Layout, iter_records
    from magpie.corpora.reader import UniqueIds

    def refuse(anomaly: Anomaly) -> None:
        if anomaly.error is not None:
            raise anomaly.error

    opener = "IMGID:"
    start = next((line.text for line in iter_lines(path) if line.text.strip()), "")
    # No comments: a piece such as "##ing" with a special tag would pass for one.
    layout = Layout(columns=None)
    if start.startswith(opener):
        layout = Layout(columns=None, opener=opener)
    records = iter_records(iter_lines(path), name=os.fspath(path), layout=layout, report=refuse)
    ids = UniqueIds(refuse)
    for number, record in enumerate(records, start=1):
        tags = tuple(row[-1] for row in record.rows)
        yield Scored(ids.take(record.id or f"test-{number}", ""), (), tags=tags)


def prepare(
    gold: Sequence[Scored], predicted: Sequence[Scored], options: Mapping[str, Any]
) -> Prepared:
    """Counts the whole split at once, because one of the scorers reads it as one sequence.

    Raises:
        ComparisonError: the gold has no words, or gold and predictions differ in their number.
        FormatError: a tag that is neither special nor of the form prefix-type.
    """
    type_of = types_at(options["level"], gold)
    wanted, found = [], []
    beside: list[dict[str, Counts]] = []  # mentions that tags cannot express
    for document, prediction in zip(gold, predicted, strict=True):
        words = None if document.tags is not None else _words(document)
        more: dict[str, Counts] = {}
        wanted.append(_tags(document, words, type_of, more, Counts(gold=1)))
        found.append(
            ["O"] * len(wanted[-1])
            if prediction.failed or (prediction.tags is None and not prediction.items)
            else _tags(prediction, words, type_of, more, Counts(predicted=1))
        )
        beside.append(more)
    counted = score_sentences(wanted, found, **PUBLIC_SCORERS[options["evaluator"]])
    for counts, more in zip(counted, beside, strict=True):
        for kind, surplus in more.items():
            counts[kind] = counts.get(kind, Counts()) + surplus
    lost = sum((value for more in beside for value in more.values()), Counts())
    notes = {
        f"{name} mentions that no tags can express": number
        for name, number in (("gold", lost.gold), ("predicted", lost.predicted))
        if number
    }
    by_id = {document.id: counts for document, counts in zip(gold, counted, strict=True)}
    return Prepared(options={"counted": by_id}, notes=notes)


def count(
    part: str, gold: Scored, predicted: Scored, options: Mapping[str, Any]
) -> Mapping[str, Counts]:
    """What :func:`prepare` counted for the document."""
    counted: Mapping[str, Counts] = options["counted"][gold.id]
    return counted


def _words(scored: Scored) -> list[tuple[int, int]]:
    """Places of the words in the document's text."""
    document = scored.document
    if document is None or any(block.words is None for block in document.blocks):
        raise ComparisonError(
            f"the protocol counts words, and the gold document {scored.id!r} has none",
            code="compare-protocol",
            mend="Give a corpus with its tokenisation, or column files on both sides.",
        )
    return list(_places(document))


def _places(document: Document) -> Iterable[tuple[int, int]]:
    offset = 0
    for block in document.blocks:
        for start, end in block.words or ():
            yield offset + start, offset + end
        offset += len(block.text) + 1


def _tags(
    side: Scored,
    words: list[tuple[int, int]] | None,
    type_of: TypeOf,
    beside: dict[str, Counts],
    one: Counts,
) -> list[str]:
    """The tags of one side; mentions that do not fit into tags go to ``beside``."""
    if side.tags is not None:
        return list(side.tags)
    if words is None:
        raise ComparisonError(
            f"the gold of {side.id!r} is a column file, its prediction is none",
            code="compare-protocol",
            mend="Give column files on both sides, or documents on both sides.",
        )
    first = {start: index for index, (start, _) in enumerate(words)}
    last = {end: index for index, (_, end) in enumerate(words)}
    tags = ["O"] * len(words)

    def place(item: Item) -> tuple[int, int]:
        return item.start, -item.end

    for item in sorted(side.items, key=place):
        kind = type_of(item)
        start, end = first.get(item.start, -1), last.get(item.end, -1)
        if start < 0 or end < start or any(tag != "O" for tag in tags[start : end + 1]):
            beside[kind] = beside.get(kind, Counts()) + one
            continue
        tags[start] = f"I-{kind}" if item.orphan else f"B-{kind}"
        tags[start + 1 : end + 1] = [f"I-{kind}"] * (end - start)
    return tags
