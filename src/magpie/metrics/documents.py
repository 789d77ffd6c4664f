"""What scorers of documents have in common: places in the text, targets, counts of equal keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from magpie.errors import ComparisonError
from magpie.metrics.counts import Counts
from magpie.metrics.items import Scored
from magpie.metrics.matching import maximum_matching
from magpie.schema import Annotations, Document, Entity, Region, Span

__all__ = [
    "Characters",
    "Keyed",
    "View",
    "add",
    "count_equal",
    "count_fitting",
    "merge",
    "view",
]

#: first and one past the last code point in the text of the document
Characters: TypeAlias = tuple[int, int]

#: type, then all else that must be equal
Keyed: TypeAlias = tuple[str, Hashable]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class View:
    """A document as the scorers here read it.

    Spans are counted in the text of the whole document, so that the ids of blocks do not matter.
    """

    document: Document
    annotations: Annotations
    starts: Mapping[str, int]
    targets: Mapping[str, Entity | Region]

    def characters(self, span: Span) -> Characters:
        offset = self.starts[span.block]
        return (offset + span.start, offset + span.end)


def view(scored: Scored) -> View:
    """The view of a document; without annotations it holds nothing.

    Raises:
        ComparisonError: a flat line, which holds entities only.
    """
    document = scored.document
    if document is None:
        raise ComparisonError(
            f"{scored.id!r} is a flat line, which holds entities only",
            mend="Give full documents (docs/data-model.md).",
        )
    starts: dict[str, int] = {}
    position = 0
    for block in document.blocks:
        starts[block.id] = position
        position += len(block.text) + 1
    annotations = document.annotations or Annotations()
    targets: dict[str, Entity | Region] = {
        region.id: region for region in annotations.all_regions() if region.id is not None
    }
    targets.update((entity.id, entity) for entity in annotations.entities)
    return View(document, annotations, starts, targets)


def count_equal(gold: Iterable[Keyed], predicted: Iterable[Keyed]) -> dict[str, Counts]:
    """Counts by type where a prediction is right when its type and key stand in the gold.

    Each gold item makes one prediction right, so that repeated predictions are wrong.
    """
    wanted, found = Counter(gold), Counter(predicted)
    table: dict[str, list[int]] = {}
    for column, keys in enumerate((wanted, found, wanted & found)):
        for (kind, _), number in keys.items():
            table.setdefault(kind, [0, 0, 0])[column] += number
    return {kind: Counts(*row) for kind, row in table.items()}


def count_fitting(
    gold: Sequence[T],
    predicted: Sequence[T],
    kind_of: Callable[[T], str],
    fits: Callable[[T, T], bool],
) -> dict[str, Counts]:
    """Counts by type where gold and predictions are matched one to one, as many as possible.

    ``fits(gold, predicted)`` says whether two may be a pair. ``correct`` goes to the gold's type.
    """
    edges = [[j for j, g in enumerate(gold) if fits(g, p)] for p in predicted]
    counts: dict[str, Counts] = {}
    for item in gold:
        add(counts, kind_of(item), Counts(gold=1))
    for item, partner in zip(predicted, maximum_matching(edges, len(gold)), strict=True):
        add(counts, kind_of(item), Counts(predicted=1))
        if partner >= 0:
            add(counts, kind_of(gold[partner]), Counts(correct=1))
    return counts


def add(counts: dict[str, Counts], kind: str, more: Counts) -> None:
    """Adds to the counts of a type."""
    counts[kind] = counts.get(kind, Counts()) + more


def merge(*tables: Mapping[str, Counts]) -> dict[str, Counts]:
    """The sum of several tables."""
    total: dict[str, Counts] = {}
    for table in tables:
        for kind, more in table.items():
            add(total, kind, more)
    return total
