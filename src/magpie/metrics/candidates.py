"""Grounded NER by shared candidates: regions are numbers of a detector's boxes (NUSTM/GMNER).

The public evaluator knows no boxes: before training, the gold boxes of an entity are turned into
the set of candidates that overlap one of them by more than half, and a prediction is right when
its candidate is in the set. An entity that no candidate covers stays in the gold and can never be
right. The candidates are the regions of a document that stand alone (``Annotations.regions``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from magpie.errors import ComparisonError, ConfigError
from magpie.metrics.counts import Counts
from magpie.metrics.declare import Prepared
from magpie.metrics.documents import add
from magpie.metrics.gmner import iou
from magpie.metrics.gmner import prepare as prepare_types
from magpie.metrics.items import XYXY, Item, Scored
from magpie.metrics.pairing import EntityPairing

__all__ = ["count", "pair", "prepare"]

#: medium and corners
Candidate: TypeAlias = tuple[str, XYXY]


def prepare(
    gold: Sequence[Scored], predicted: Sequence[Scored], options: Mapping[str, Any]
) -> Prepared:
    """The candidates of each document: the gold's, or else those that came with the prediction.

    Raises:
        ComparisonError: no document has any.
        ConfigError: a negative number of candidates.
    """
    if options["candidates"] < 0:
        raise ConfigError(f"candidates must be 0 or more, got {options['candidates']}")
    prepared = prepare_types(gold, predicted, options)
    limit = options["candidates"]
    candidates = {}
    for document, prediction in zip(gold, predicted, strict=True):
        found = _candidates(document) or _candidates(prediction)
        candidates[document.id] = found[:limit] if limit else found
    if not any(candidates.values()) and any(
        item.boxes for document in gold for item in document.items
    ):
        raise ComparisonError(
            "no document has candidate regions",
            code="compare-protocol",
            mend="Put the detector's boxes into annotations.regions, or use gmner-iou50@1.",
        )
    uncovered = sum(
        bool(item.boxes) and not _covering(item, candidates[document.id], published=True)
        for document in gold
        for item in document.items
    )
    notes = {**prepared.notes, "gold mentions that no candidate covers": uncovered}
    return Prepared({**prepared.options, "of_document": candidates}, notes)


def _candidates(scored: Scored) -> list[Candidate]:
    document = scored.document
    if document is None or document.annotations is None:
        return []
    return [
        (region.media, region.box.xyxy)
        for region in document.annotations.regions
        if region.box is not None
    ]


def _overlap(candidate: Candidate, place: Candidate) -> float:
    """IoU, 0 across pictures."""
    same = candidate[0] == place[0] or not candidate[0] or not place[0]
    return iou(candidate[1], place[1]) if same else 0.0


def _covering(item: Item, candidates: Sequence[Candidate], *, published: bool) -> set[int]:
    """The candidates that show a gold entity.

    ``published``: where the best IoU is exactly 0.5 the labels of the release are no numbers,
    and it then takes every candidate for right.
    """
    best = [
        max((_overlap(candidate, box) for box in item.boxes), default=0.0)
        for candidate in candidates
    ]
    covering = {index for index, value in enumerate(best) if value > 0.5}
    if published and not covering and 0.5 in best:
        return set(range(len(candidates)))
    return covering


def _chosen(item: Item, candidates: Sequence[Candidate]) -> int:
    """The candidate that a prediction means: the one its box overlaps most, -1 for none of them."""
    best, chosen = 0.0, -1
    for index, candidate in enumerate(candidates):
        value = max(_overlap(candidate, box) for box in item.boxes)
        if value > best:
            best, chosen = value, index
    return chosen


def count(
    part: str, gold: Scored, predicted: Scored, options: Mapping[str, Any]
) -> Mapping[str, Counts]:
    """Counts of one document; of several predictions on one span the last one counts."""
    pairs = pair(part, gold, predicted, options)
    counts: dict[str, Counts] = {}
    for kind in pairs.gold_types:
        add(counts, kind, Counts(gold=1))
    for kind, partner in zip(pairs.predicted_types, pairs.partner, strict=True):
        add(counts, kind, Counts(predicted=1))
        if partner >= 0:
            add(counts, pairs.gold_types[partner], Counts(correct=1))
    return counts


def pair(part: str, gold: Scored, predicted: Scored, options: Mapping[str, Any]) -> EntityPairing:
    """The items that :func:`count` counts. Once right, a prediction is used up: gold may hold a
    span twice."""
    type_of, candidates = options["type_of"], options["of_document"][gold.id]
    published = options["exact_half"] == "published"

    def region_fits(item: Item, answer: Item) -> bool:
        if not item.boxes or not answer.boxes:
            return not item.boxes and not answer.boxes
        covering = _covering(item, candidates, published=published)
        return _chosen(answer, candidates) in covering

    found = list({(item.start, item.end): item for item in predicted.items}.values())
    free = {(item.start, item.end): index for index, item in enumerate(found)}
    partner = [-1] * len(found)
    for number, item in enumerate(gold.items):
        index = free.get((item.start, item.end))
        if index is None or (part != "eeg" and type_of(found[index]) != type_of(item)):
            continue
        if part == "mner" or region_fits(item, found[index]):
            del free[item.start, item.end]
            partner[index] = number
    return EntityPairing(
        gold=gold.items,
        predicted=found,
        gold_types=[type_of(item) for item in gold.items],
        predicted_types=[type_of(item) for item in found],
        partner=partner,
        region_fits=None if part == "mner" else region_fits,
    )
