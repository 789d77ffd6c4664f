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

__all__ = ["count", "prepare"]

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
    type_of, candidates = options["type_of"], options["of_document"][gold.id]
    published = options["exact_half"] == "published"
    found = {(item.start, item.end): item for item in predicted.items}
    counts: dict[str, Counts] = {}
    for item in found.values():
        add(counts, type_of(item), Counts(predicted=1))
    for item in gold.items:
        add(counts, type_of(item), Counts(gold=1))
        answer = found.get((item.start, item.end))
        if answer is None or (part != "eeg" and type_of(answer) != type_of(item)):
            continue
        if part != "mner":
            if bool(item.boxes) != bool(answer.boxes):
                continue
            if item.boxes:
                covering = _covering(item, candidates, published=published)
                if _chosen(answer, candidates) not in covering:
                    continue
        # Once right, a prediction is used up: gold may hold a span twice.
        del found[item.start, item.end]
        add(counts, type_of(item), Counts(correct=1))
    return counts
