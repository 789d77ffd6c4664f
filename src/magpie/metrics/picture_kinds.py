"""Scores of parts of the data by what kind of picture a document has.

A note of the source ``picture-kind`` among the gold document's context names the kind; it is
written by hand, or by ``magpie.features.picture_kinds.with_kinds``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from magpie.metrics.breakdowns import Breakdown, Row, count_by
from magpie.metrics.counts import Counts, Mean, Value, add_up
from magpie.metrics.items import Scored
from magpie.metrics.pairing import EntityPairing
from magpie.metrics.report import Report
from magpie.vision.kinds import KIND_SOURCE, KINDS

__all__ = ["SUBSETS", "by_picture_kind", "by_picture_kind_and_type", "picture_kind", "subset"]

_NONE, _UNTOLD = "no picture", "not told"
#: a document is in one of them
SUBSETS = (KINDS[0], f"not {KINDS[0]}", _NONE, _UNTOLD)


def picture_kind(scored: Scored) -> str:
    """The kind that a note names, else that there is no picture at hand, or nobody told."""
    document = scored.document
    if document is None:
        return _UNTOLD
    if not any(medium.kind == "image" and medium.present for medium in document.media):
        return _NONE
    notes = (text.text.strip() for text in document.context if text.source == KIND_SOURCE)
    return next(notes, _UNTOLD)


def subset(scored: Scored) -> str:
    """One of :data:`SUBSETS`."""
    kind = picture_kind(scored)
    return kind if kind in SUBSETS else SUBSETS[1]


def by_picture_kind(report: Report, gold: Sequence[Scored]) -> list[Breakdown]:
    """Every part by subset and by kind; nothing where no document says its picture's kind."""
    kinds = [picture_kind(scored) for scored in gold]
    if not set(kinds) - {_NONE, _UNTOLD}:
        return []
    found = []
    for name, by, groups, order in (
        ("picture-subset", "photo or not", [subset(scored) for scored in gold], SUBSETS),
        ("picture-kind", "kind of picture", kinds, _order(kinds)),
    ):
        for part, scores in report.parts.items():
            zero: Value = Mean() if isinstance(scores.micro, Mean) else Counts()
            rows = []
            for group in order:
                each = zip(groups, scores.per_document, strict=True)
                value = add_up([v for own, v in each if own == group], zero)
                rows += [Row(group, value)] if value != zero else []
            found.append(Breakdown(name, part, by, tuple(rows)))
    return found


def by_picture_kind_and_type(
    part: str, documents: Iterable[tuple[Scored, EntityPairing]]
) -> Breakdown:
    """Mentions by the kind of the picture and their type; no rows where no kind is told."""
    sums: dict[tuple[str, str], Counts] = {}
    for scored, pairing in documents:
        kind = picture_kind(scored)
        for name, counts in count_by(pairing, lambda _, type: type).items():
            sums[kind, name] = sums.get((kind, name), Counts()) + counts
    kinds = {kind for kind, _ in sums}
    told = bool(kinds - {_NONE, _UNTOLD})
    rows = tuple(
        Row(f"{kind}: {name}", sums[kind, name])
        for kind in _order(kinds)
        for name in sorted(own for other, own in sums if other == kind)
    )
    return Breakdown("picture-kind-type", part, "kind of picture and type", rows if told else ())


def _order(kinds: Iterable[str]) -> list[str]:
    """Known kinds first, then those that a note made up, then what has none."""
    others = sorted({*kinds} - {*KINDS, _NONE, _UNTOLD})
    return [*KINDS, *others, _NONE, _UNTOLD]
