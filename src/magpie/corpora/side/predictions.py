"""Published predictions as documents, so that ``magpie score`` can score them.

RiVEG publishes what it predicted on GMNER's test split as strings: picture, entity, type, and
whether the entity shows. Each is put back into its tweet, as a run of words that no earlier
prediction of the same text took. Some texts glue words that stand apart (RiVEG's reading of tags
passes over an O between them); they become the span from the first to the last word, which is no
gold entity, so that they stay the wrong predictions that they are. Where an entity shows, its
region is the whole picture without a box, since the box is not published: regions can then be
counted, not scored.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence

from magpie.corpora.anomaly import Anomaly, Report, ignore
from magpie.corpora.loading import load
from magpie.corpora.pictures import PICTURE
from magpie.corpora.side.context import Shelf
from magpie.corpora.side.rows import Answer
from magpie.corpora.side.table import source
from magpie.corpora.source import resolve_root
from magpie.errors import NotFoundError
from magpie.schema import Annotations, Block, Document, Entity, Grounding, Provenance, Region

__all__ = ["PREDICTIONS", "predictions"]

#: side source of predictions -> the corpus whose documents were predicted
PREDICTIONS = {"riveg-predictions": "gmner@2.0"}

#: label of a region that stands for a box nobody published
_SHOWS = "shows; the box is not published"


def predictions(
    name: str,
    split: str,
    root: str | os.PathLike[str] | None = None,
    *,
    on_problem: Report | None = None,
) -> Iterator[Document]:
    """Streams the documents that were predicted, with the predictions as annotations.

    Every document of the split is there, also those without a prediction. A prediction whose words
    stand apart is reported (``answer-apart``); one whose words are not there in this order is
    reported (``answer-unplaced``) and left out.

    Args:
        name: a key of :data:`PREDICTIONS`.
        split: of the corpus that was predicted.
        root: the folder of all corpora (default: environment variable ``MAGPIE_DATA``).
        on_problem: as for :func:`magpie.corpora.load`.

    Raises:
        NotFoundError: no such source, split, root or file (at the call).
        FormatError: as :func:`magpie.corpora.load`.
    """
    if name not in PREDICTIONS:
        raise NotFoundError(
            f"{name!r} holds no predictions", mend=f"There are {', '.join(PREDICTIONS)}."
        )
    corpus = PREDICTIONS[name]
    side = source(name)
    place = resolve_root(root)
    report = ignore if on_problem is None else on_problem
    parts = side.resolve(f"{corpus}:{split}")
    shelf = Shelf(side, parts, place, report)
    documents = load(corpus, split, root, on_problem=on_problem)
    return (_predicted(document, shelf.take(document), name, report) for document in documents)


def _predicted(document: Document, rows: Sequence[object], name: str, report: Report) -> Document:
    block = document.blocks[0]
    words = block.word_texts()
    taken: set[tuple[int, int]] = set()
    entities: list[Entity] = []
    for row in rows:
        if not isinstance(row, Answer):
            continue
        wanted = row.text.split(" ")
        place = _find(wanted, words, taken)
        if place is None:
            place = _find_apart(wanted, words)
            kind = "answer-unplaced" if place is None else "answer-apart"
            message = f"the words {row.text[:60]!r} do not stand together in the document"
            report(Anomaly(kind, message, row.where, document.id))
        if place is None:
            continue
        taken.add(place)
        entities.append(_entity(f"e{len(entities)}", row, block, place))
    annotations = Annotations(
        entities=tuple(entities), provenance=Provenance(method=name.partition("-")[0])
    )
    return dataclasses.replace(document, annotations=annotations)


def _find(
    wanted: Sequence[str], words: Sequence[str], taken: set[tuple[int, int]]
) -> tuple[int, int] | None:
    """The first run of these words that was not taken, else the first of all."""
    length = len(wanted)
    found = [
        (start, start + length)
        for start in range(len(words) - length + 1)
        if words[start : start + length] == list(wanted)
    ]
    return next((place for place in found if place not in taken), found[0] if found else None)


def _find_apart(wanted: Sequence[str], words: Sequence[str]) -> tuple[int, int] | None:
    """From the first to the last of these words, in their order, with others between them."""
    places: list[int] = []
    for word in wanted:
        start = places[-1] + 1 if places else 0
        if word not in words[start:]:
            return None
        places.append(words.index(word, start))
    return places[0], places[-1] + 1


def _entity(identifier: str, row: Answer, block: Block, place: tuple[int, int]) -> Entity:
    grounding = Grounding("absent")
    if row.visible:
        grounding = Grounding.in_regions(Region(media=PICTURE, label=_SHOWS))
    span = block.word_span(*place)
    return Entity(id=identifier, span=span, type=row.type, grounding=grounding)
