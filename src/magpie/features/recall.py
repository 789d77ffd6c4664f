"""Oracle recall of proposed regions: what no method that picks among them can exceed."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from magpie.errors import ConfigError
from magpie.features.each import picture_views
from magpie.features.needs import Asset
from magpie.features.proposals import Proposals
from magpie.schema import Box, Document

__all__ = ["ALL", "COUNTS", "THRESHOLDS", "Gold", "Recall", "gold_boxes", "oracle_recall"]

#: the row of all types
ALL = "all"
#: first so many regions, and IoU, where nobody says otherwise
COUNTS = (1, 5, 10, 18, 36, 100)
THRESHOLDS = (0.5, 0.7)
#: pictures whose lack of regions is told by name
_KEEP = 5

#: proposes regions for documents of one picture each
Propose = Callable[[Sequence[Document]], Sequence[Proposals | Asset]]


@dataclass(frozen=True, slots=True)
class Gold:
    """What must be found in one picture: any of an entity's boxes, or a region of its own."""

    type: str
    boxes: tuple[Box, ...]
    entity: bool


@dataclass(slots=True)
class Recall:
    """Counts, and for each gold item and box the best IoU among the first k regions.

    ``targets`` and ``boxes`` lead from a type to rows [items, len(counts)]; a method that names one
    region for an entity finds a target at most where any of its boxes is met. ``absent`` entities
    are annotated as not in the picture and need no region.
    """

    counts: tuple[int, ...]
    thresholds: tuple[float, ...]
    inclusive: bool = False
    pictures: int = 0
    with_gold: int = 0
    without_regions: int = 0
    without_regions_with_gold: int = 0
    regions: int = 0
    clipped: int = 0
    outside: int = 0
    absent: int = 0
    reasons: list[tuple[str, str]] = field(default_factory=list)
    targets: dict[str, list[npt.NDArray[np.float64]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    boxes: dict[str, list[npt.NDArray[np.float64]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    #: rows of targets and boxes whose picture had no region: they are all zero
    unseen: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def types(self) -> tuple[str, ...]:
        """All types together, then each."""
        return (ALL, *sorted(set(self.targets) - {ALL}))

    def gold(
        self, kind: str, what: Literal["targets", "boxes"] = "targets", *, seen: bool = False
    ) -> int:
        """How many there are of a type; with ``seen`` in pictures that had regions."""
        missed = self.unseen.get(f"{what}/{kind}", 0) if seen else 0
        return len(getattr(self, what).get(kind, ())) - missed

    def found(
        self, kind: str, count: int, threshold: float, what: Literal["targets", "boxes"] = "targets"
    ) -> int:
        """How many the first ``count`` regions meet."""
        rows = getattr(self, what).get(kind, ())
        column = self.counts.index(count)
        return sum(
            bool(row[column] >= threshold if self.inclusive else row[column] > threshold)
            for row in rows
        )

    def recall(
        self,
        kind: str,
        count: int,
        threshold: float,
        what: Literal["targets", "boxes"] = "targets",
        *,
        seen: bool = False,
    ) -> float:
        """Share from 0 to 1; with ``seen`` of what stands in pictures that had regions."""
        total = self.gold(kind, what, seen=seen)
        return self.found(kind, count, threshold, what) / total if total else 0.0

    def ceiling(self, count: int, threshold: float) -> float:
        """The largest share of entities, absent ones included, whose region can be right."""
        total = self.gold(ALL) + self.absent
        return (self.found(ALL, count, threshold) + self.absent) / total if total else 0.0

    def to_dict(self) -> dict[str, Any]:
        """The shape of ``magpie regions recall --json``."""
        names = (
            "pictures", "with_gold", "without_regions", "without_regions_with_gold", "regions",
            "clipped", "outside", "absent", "inclusive",
        )  # fmt: skip
        return {
            **{name: getattr(self, name) for name in names},
            "reasons": [{"document": document, "reason": why} for document, why in self.reasons],
            "recall": [
                self._cell(kind, count, threshold)
                for kind in self.types
                for threshold in self.thresholds
                for count in self.counts
            ],
        }

    def _cell(self, kind: str, count: int, threshold: float) -> dict[str, Any]:
        cell: dict[str, Any] = {"type": kind, "iou": threshold, "count": count}
        kinds: tuple[Literal["targets", "boxes"], ...] = ("targets", "boxes")
        for what in kinds:
            cell[what] = {
                "gold": self.gold(kind, what),
                "found": self.found(kind, count, threshold, what),
                "recall": round(self.recall(kind, count, threshold, what), 4),
                "gold_with_regions": self.gold(kind, what, seen=True),
                "recall_with_regions": round(
                    self.recall(kind, count, threshold, what, seen=True), 4
                ),
            }
        if kind == ALL:
            cell["ceiling"] = round(self.ceiling(count, threshold), 4)
        return cell


def gold_boxes(document: Document, media: str, *, fine: bool = False) -> list[Gold]:
    """What is annotated in one picture: entities with boxes there, and regions of no entity.

    Args:
        document: with gold annotations.
        media: id of the picture.
        fine: take fine types where there are any.
    """
    found: list[Gold] = []
    taken: set[Box] = set()
    for entity in document.entities:
        boxes = tuple(box for box in entity.boxes if box.media == media)
        taken.update(boxes)
        if boxes:
            kind = (entity.fine_type if fine else None) or entity.type
            found.append(Gold(kind, boxes, entity=True))
    free = document.annotations.regions if document.annotations is not None else ()
    return found + [
        Gold(region.label or "region", (region.box,), entity=False)
        for region in free
        if region.box is not None and region.media == media and region.box not in taken
    ]


def oracle_recall(
    documents: Iterable[Document],
    propose: Propose,
    *,
    counts: Sequence[int] = COUNTS,
    thresholds: Sequence[float] = THRESHOLDS,
    inclusive: bool = False,
    order: Literal["file", "score"] = "file",
    fine: bool = False,
    window: int = 16,
    on_progress: Callable[[Recall], None] | None = None,
) -> Recall:
    """Compares regions with the gold boxes of every picture.

    Args:
        documents: with gold annotations; they are streamed.
        propose: gives the regions of documents of one picture each, or absent assets.
        counts: look at the first so many regions.
        thresholds: of the IoU, from 0 to 1.
        inclusive: an IoU of exactly the threshold counts (RiVEG); by default it does not (GMNER).
        order: as the regions come, or the best score first.
        fine: by fine type.
        window: documents looked at together.
        on_progress: is called after each window.

    Raises:
        ConfigError: an impossible count or threshold, or nobody gives such regions.
    """
    numbers = tuple(sorted(set(counts)))
    levels = tuple(sorted(set(thresholds)))
    if not numbers or numbers[0] < 1 or not levels or not (levels[0] >= 0 and levels[-1] <= 1):
        raise ConfigError(
            f"need counts of at least 1 and IoUs from 0 to 1, got {list(counts)} "
            f"and {list(thresholds)}"
        )
    result = Recall(numbers, levels, inclusive)
    for rows in _windows(documents, window):
        views = [(document, view) for document in rows for view in picture_views(document)]
        found = propose([view for _, view in views])
        for (document, view), regions in zip(views, found, strict=True):
            _add(result, document, view.media[0].id, regions, order, fine=fine)
        result.absent += sum(
            entity.grounding.status == "absent" for document in rows for entity in document.entities
        )
        if on_progress is not None:
            on_progress(result)
    return result


def _windows(documents: Iterable[Document], size: int) -> Iterator[list[Document]]:
    stream = iter(documents)
    while rows := list(itertools.islice(stream, size)):
        yield rows


def _add(
    result: Recall,
    document: Document,
    media: str,
    regions: Proposals | Asset,
    order: Literal["file", "score"],
    *,
    fine: bool,
) -> None:
    gold = gold_boxes(document, media, fine=fine)
    result.pictures += 1
    result.with_gold += bool(gold)
    boxes = np.zeros((0, 4), np.float64)
    why = "no region was proposed"
    if isinstance(regions, Asset):
        why = regions.reason
    else:
        rows = np.argsort(-regions.scores, kind="stable") if order == "score" else slice(None)
        boxes = regions.boxes[rows].astype(np.float64)
        result.regions += len(regions)
        result.clipped += regions.clipped
        result.outside += regions.outside
    if not len(boxes):
        result.without_regions += 1
        result.without_regions_with_gold += bool(gold)
        if len(result.reasons) < _KEEP:
            result.reasons.append((document.id, why))
    for item in gold:
        best = [_best(box, boxes, result.counts) for box in item.boxes]
        for kind in {ALL, item.type}:
            result.boxes[kind] += best
            result.targets[kind].append(np.max(best, axis=0))
            if not len(boxes):
                result.unseen[f"boxes/{kind}"] += len(best)
                result.unseen[f"targets/{kind}"] += 1


def _best(
    gold: Box, boxes: npt.NDArray[np.float64], counts: Sequence[int]
) -> npt.NDArray[np.float64]:
    """The best IoU of a gold box with the first k boxes [n, 4], for each k."""
    corners = np.array(gold.xyxy)
    low, high = np.maximum(boxes[:, :2], corners[:2]), np.minimum(boxes[:, 2:], corners[2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    ious = shared / (areas + gold.area - shared)
    return np.array([ious[:count].max(initial=0.0) for count in counts])
