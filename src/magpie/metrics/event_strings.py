"""Events by their spelling, as UMIE and MQA score them: no offsets, strings within a sentence.

UMIE generates tuples of strings, (type, trigger) and (type, role, argument); MQA chooses one type
for each trigger word and one, or none, for each picture. A sentence is a block of the document,
an article the document. Where a string stands twice the default counts occurrences, and the
option ``legacy`` counts as the repositories do (:mod:`magpie.metrics.strings`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from magpie.metrics.counts import Counts
from magpie.metrics.documents import Keyed, View, count_equal, count_fitting, merge, view
from magpie.metrics.event_names import event_type, role
from magpie.metrics.items import Scored
from magpie.metrics.places import Place, overlap, places
from magpie.metrics.strings import count_spellings, count_strings
from magpie.schema import Entity, Span

__all__ = ["NO_EVENT", "count_mqa", "count_umie"]

#: the class of a picture that shows no event
NO_EVENT = "none"

_Region = tuple[str, str, Place]  # event type, role, place


def count_umie(
    part: str, gold: Scored, predicted: Scored, options: Mapping[str, Any]
) -> dict[str, Counts]:
    """Parts ``triggers`` and ``arguments``.

    Options: ``legacy``; ``labels``: arguments in pictures are equal when their regions have one
    label, such as O3, instead of an IoU of 0.5 or more.
    """
    sides = view(gold), view(predicted)
    legacy = bool(options.get("legacy"))
    if part == "triggers":
        return count_strings(*map(_triggers, sides), legacy=legacy)
    words = count_strings(*map(_arguments, sides), legacy=legacy)
    if options.get("labels"):
        return merge(words, count_strings(*map(_labels, sides), legacy=legacy))
    return merge(
        words, count_fitting(_regions(sides[0]), _regions(sides[1]), lambda item: item[0], _fits)
    )


def count_mqa(
    part: str, gold: Scored, predicted: Scored, options: Mapping[str, Any]
) -> dict[str, Counts]:
    """Parts ``text``, ``image``, ``article`` and ``article-with-none``.

    Options: ``oracle_sentences`` looks only at sentences with a gold event; ``legacy`` keeps one
    type a spelling and lets each prediction of it be right.
    """
    sides = view(gold), view(predicted)
    if part == "text":
        return _spellings(*sides, options)
    if part == "image":
        return count_equal(*([(kind, media) for media, kind in _pictures(s)] for s in sides))
    # The pictures of an article are those of its gold: both sides choose for each of them.
    pictures = [medium.id for medium in sides[0].document.media if medium.kind == "image"]
    types = [{kind for _, kind in _pictures(side)} for side in sides]
    if part == "article-with-none":
        for side, kinds in zip(sides, types, strict=True):
            if not {media for media, _ in _pictures(side)}.issuperset(pictures):
                kinds.add(NO_EVENT)
    return count_equal(*([(kind, "") for kind in kinds] for kinds in types))


def _text(side: View, span: Span) -> tuple[int, str]:
    """Where the sentence starts, and the characters of the span."""
    return (side.starts[span.block], side.document.text_of(span))


def _triggers(side: View) -> list[Keyed]:
    return [
        (event_type(event.type), _text(side, event.trigger))
        for event in side.annotations.events
        if event.trigger is not None
    ]


def _arguments(side: View) -> list[Keyed]:
    found: list[Keyed] = []
    for event in side.annotations.events:
        for argument in event.arguments:
            target = side.targets[argument.target]
            if isinstance(target, Entity):
                name = role(event.type, argument.role, text=True)
                found.append((event_type(event.type), (name, *_text(side, target.span))))
    return found


def _regions(side: View) -> list[_Region]:
    return [
        (event_type(event.type), role(event.type, argument.role, text=False), place)
        for event in side.annotations.events
        for argument in event.arguments
        if not isinstance(target := side.targets[argument.target], Entity)
        for place in places(side.document, [target])
    ]


def _labels(side: View) -> list[Keyed]:
    return [(kind, (name, place.media, place.label)) for kind, name, place in _regions(side)]


def _fits(gold: _Region, predicted: _Region) -> bool:
    same = gold[:2] == predicted[:2]
    return same and overlap(gold[2], predicted[2]).iou >= 0.5


def _spellings(gold: View, predicted: View, options: Mapping[str, Any]) -> dict[str, Counts]:
    wanted, found = ([_lowered(item) for item in _triggers(side)] for side in (gold, predicted))
    if options.get("oracle_sentences"):
        sentences = {place for _, (place, _) in wanted}
        found = [item for item in found if item[1][0] in sentences]
    if not options.get("legacy"):
        return count_equal(wanted, found)
    return count_spellings(wanted, found)


def _lowered(item: tuple[str, Any]) -> tuple[str, tuple[int, str]]:
    kind, (place, text) = item
    return kind, (place, text.lower())


def _pictures(side: View) -> list[tuple[str, str]]:
    """(picture, type), each once."""
    return list(
        dict.fromkeys(
            (event.media, event_type(event.type))
            for event in side.annotations.events
            if event.media is not None and event_type(event.type) != NO_EVENT
        )
    )
