"""Entities of procedures (SeqGMPER): spans without type, and the boxes that show them in a step.

A gold entity without box asks for a prediction without box, one with boxes for a box whose best
IoU with any of them is above 0.5. Spans carry their step, because a step is a block of its own.
The published rules are not open; these are EEG's (:mod:`magpie.metrics.gmner`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from magpie.metrics.counts import Counts
from magpie.metrics.documents import Characters, count_equal, count_fitting, view
from magpie.metrics.items import Scored
from magpie.metrics.places import Place, is_empty, overlap, places

__all__ = ["KIND", "count_procedure"]

#: the one type there is
KIND = "entity"

_FLAGS = {True: "visible", False: "not visible"}


@dataclass(frozen=True, slots=True)
class _Mention:
    span: Characters
    places: tuple[Place, ...]


def count_procedure(
    part: str, gold: Scored, predicted: Scored, options: Mapping[str, Any]
) -> dict[str, Counts]:
    """Parts ``gmper`` (span and region), ``per`` (span) and ``groundable``.

    ``groundable`` looks at the pairs of equal spans only: whether both or neither have a region.
    Its micro F1 is therefore the accuracy of that flag, and its types have the F1 of each value.
    The option ``every_box`` asks that each predicted box meets a gold box and each gold box a
    predicted one.
    """
    wanted, found = _mentions(gold), _mentions(predicted)
    if part == "per":
        return count_equal(*([(KIND, mention.span) for mention in s] for s in (wanted, found)))
    if part == "groundable":
        return _flags(wanted, found)
    every = bool(options.get("every_box"))

    def fits(g: _Mention, p: _Mention) -> bool:
        return g.span == p.span and _shown(g.places, p.places, every=every)

    return count_fitting(wanted, found, lambda _: KIND, fits)


def _mentions(scored: Scored) -> list[_Mention]:
    side = view(scored)
    return [
        _Mention(
            side.characters(entity.span),
            tuple(p for p in places(side.document, entity.grounding.regions) if not is_empty(p)),
        )
        for entity in side.annotations.entities
    ]


def _shown(gold: Sequence[Place], predicted: Sequence[Place], *, every: bool) -> bool:
    if not gold or not predicted:
        return not gold and not predicted
    meets = [[overlap(g, p).iou > 0.5 for p in predicted] for g in gold]
    if not every:
        return any(map(any, meets))
    return all(map(any, meets)) and all(map(any, zip(*meets, strict=True)))


def _flags(gold: Sequence[_Mention], predicted: Sequence[_Mention]) -> dict[str, Counts]:
    wanted, found = (
        Counter((mention.span, bool(mention.places)) for mention in side)
        for side in (gold, predicted)
    )
    table = dict.fromkeys(_FLAGS.values(), Counts())
    for span in {span for span, _ in wanted}:
        equal = {flag: min(wanted[span, flag], found[span, flag]) for flag in _FLAGS}
        for flag, name in _FLAGS.items():
            # Of several entities on one span those with equal flags are paired first, the rest
            # as far as it goes; what is left over has no equal span.
            other = min(wanted[span, flag] - equal[flag], found[span, not flag] - equal[not flag])
            table[name] += Counts(equal[flag] + other, equal[flag], equal[flag])
            table[_FLAGS[not flag]] += Counts(predicted=other)
    return {name: counts for name, counts in table.items() if counts != Counts()}
