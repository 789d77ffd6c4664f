"""Events of news with pictures (M2E2): mentions and arguments in text, in pictures, and in both.

A text mention is right when its type and the characters of its trigger are a gold mention's, a
picture event when its type is one of the picture's. A text argument is right when event type,
characters and role are a gold argument's; an argument in a picture when event type and role are
and its IoU with a gold box is 0.5 or more. An event with a trigger and a picture is a pair of the
two; a predicted pair is right when its type is a gold pair's and its trigger or its picture is.

Where the code of Li et al. (ACL 2020) counts otherwise, the default here is the definition, and a
protocol or an option of its own has the other count (docs/scorers.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from magpie.metrics.counts import Counts
from magpie.metrics.documents import (
    Characters,
    Keyed,
    View,
    add,
    count_equal,
    count_fitting,
    merge,
    view,
)
from magpie.metrics.event_names import event_type, role
from magpie.metrics.items import Scored
from magpie.metrics.places import Place, bounding_box, overlap, places
from magpie.schema import Entity, Event

__all__ = ["count_image", "count_multimedia", "count_text"]


@dataclass(frozen=True, slots=True)
class _Argument:
    role: str
    place: Characters | Place


@dataclass(slots=True)
class _Mention:
    """An event on one side. Events that differ only on the other side are one mention."""

    kind: str
    place: Hashable  # characters of the trigger, or the picture
    paired: bool = False
    arguments: list[_Argument] = field(default_factory=list)

    def take(self, arguments: Iterable[_Argument]) -> None:
        """Adds those that it lacks, in their order; equal ones of one event all stay."""
        known = Counter(self.arguments)
        for argument in arguments:
            if known[argument]:
                known[argument] -= 1
            else:
                self.arguments.append(argument)


_Arguments = Callable[[View, Event], Iterable[_Argument]]


def count_text(
    part: str, gold: Scored, predicted: Scored, options: Mapping[str, Any]
) -> dict[str, Counts]:
    """Parts ``events`` and ``arguments`` of the text.

    Fixed option ``position``: the roles of the arguments of equal mentions are compared in the
    order in which they stand, and nothing else, as the public code does.
    """
    wanted, found = _text(view(gold)), _text(view(predicted))
    if part == "events":
        return count_equal(_triggers(wanted), _triggers(found))
    if options.get("position"):
        return _by_position(wanted, found)
    return count_equal(_keys(wanted), _keys(found))


def count_image(
    part: str, gold: Scored, predicted: Scored, options: Mapping[str, Any]
) -> dict[str, Counts]:
    """Parts ``events`` and ``arguments`` of the pictures.

    Options: ``boxes`` "each" or "union", ``inside``, ``many_to_one``; fixed: ``any_event`` (the
    type of an argument's event does not matter).
    """
    wanted, found = _pictures(view(gold)), _pictures(view(predicted))
    if part == "events":
        return count_equal(_triggers(wanted), _triggers(found))
    return _picture_arguments(wanted, found, options)


def count_multimedia(
    part: str, gold: Scored, predicted: Scored, options: Mapping[str, Any]
) -> dict[str, Counts]:
    """Parts ``events`` (pairs of trigger and picture) and ``arguments`` of both sides of them."""
    gold_view, predicted_view = view(gold), view(predicted)
    if part == "events":
        return count_fitting(
            _pairs(gold_view), _pairs(predicted_view), lambda pair: pair[0], _same_pair
        )
    text, pictures = (
        [
            [mention for mention in read(side) if mention.paired]
            for side in (gold_view, predicted_view)
        ]
        for read in (_text, _pictures)
    )
    return merge(
        count_equal(_keys(text[0]), _keys(text[1])),
        _picture_arguments(pictures[0], pictures[1], options),
    )


def _pairs(side: View) -> list[tuple[str, Characters, str]]:
    return [
        (event_type(event.type), side.characters(event.trigger), event.media)
        for event in side.annotations.events
        if event.trigger is not None and event.media is not None
    ]


def _same_pair(gold: tuple[str, Characters, str], other: tuple[str, Characters, str]) -> bool:
    return gold[0] == other[0] and (gold[1] == other[1] or gold[2] == other[2])


def _text(side: View) -> list[_Mention]:
    """Mentions in the text. An event with neither trigger nor picture has arguments only."""

    def key(event: Event) -> tuple[Hashable, Hashable]:
        place = None if event.trigger is None else side.characters(event.trigger)
        return (place, event.media)

    events = [e for e in side.annotations.events if e.trigger is not None or e.media is None]
    return _mentions(side, events, key, _text_arguments)


def _pictures(side: View) -> list[_Mention]:
    def key(event: Event) -> tuple[Hashable, Hashable]:
        trigger = None if event.trigger is None else side.characters(event.trigger)
        return (event.media, trigger)

    events = [event for event in side.annotations.events if event.media is not None]
    return _mentions(side, events, key, _regions)


def _mentions(
    side: View,
    events: Iterable[Event],
    key: Callable[[Event], tuple[Hashable, Hashable]],
    arguments: _Arguments,
) -> list[_Mention]:
    """One mention for events that are equal on this side and differ on the other."""
    seen: Counter[Hashable] = Counter()
    mentions: dict[Hashable, _Mention] = {}
    for event in events:
        kind = event_type(event.type)
        here, there = key(event)
        # The n-th event of one type, place and partner is the n-th mention there.
        number = seen[kind, here, there]
        seen[kind, here, there] += 1
        mention = mentions.setdefault((kind, here, number), _Mention(kind, here))
        mention.paired |= there is not None
        mention.take(arguments(side, event))
    return list(mentions.values())


def _text_arguments(side: View, event: Event) -> Iterable[_Argument]:
    for argument in event.arguments:
        target = side.targets[argument.target]
        if isinstance(target, Entity):
            name = role(event.type, argument.role, text=True)
            yield _Argument(name, side.characters(target.span))


def _regions(side: View, event: Event) -> Iterable[_Argument]:
    """Regions that are arguments, and those in the event's picture of entities that are.

    Whoever says that somebody takes part in what a picture shows, and where he stands in that
    picture, has said where the picture shows the argument. Places are not scored in pictures.
    """
    for argument in event.arguments:
        target = side.targets[argument.target]
        name = role(event.type, argument.role, text=False)
        if name == "PLACE" or name.startswith("TIME"):
            continue
        regions = target.grounding.regions if isinstance(target, Entity) else (target,)
        for place in places(side.document, regions):
            if not isinstance(target, Entity) or place.media == event.media:
                # Names and scores of regions are no part of an argument.
                yield _Argument(name, replace(place, label=None))


def _triggers(mentions: Iterable[_Mention]) -> list[Keyed]:
    return [(mention.kind, mention.place) for mention in mentions if mention.place is not None]


def _keys(mentions: Iterable[_Mention]) -> list[Keyed]:
    return [
        (mention.kind, (argument.place, argument.role))
        for mention in mentions
        for argument in mention.arguments
        if not argument.role.startswith("TIME")
    ]


def _by_position(gold: Sequence[_Mention], predicted: Sequence[_Mention]) -> dict[str, Counts]:
    """The public code: of equal mentions the last counts; arguments are paired by their number.

    Only roles are compared. Time roles count in the gold and nowhere else.
    """
    wanted, found = (
        {(m.kind, m.place): m.arguments for m in side if m.place is not None}
        for side in (gold, predicted)
    )
    counts: dict[str, Counts] = {}
    for (kind, place), arguments in wanted.items():
        pairs = zip(arguments, found.get((kind, place), ()), strict=False)
        right = sum(a.role == b.role and not a.role.startswith("TIME") for a, b in pairs)
        add(counts, kind, Counts(gold=len(arguments), correct=right))
    for (kind, _), arguments in found.items():
        number = sum(not argument.role.startswith("TIME") for argument in arguments)
        add(counts, kind, Counts(predicted=number))
    return {kind: more for kind, more in counts.items() if more != Counts()}


_Located = tuple[str, str, Place]  # event type, role, place


def _picture_arguments(
    gold: Iterable[_Mention], predicted: Iterable[_Mention], options: Mapping[str, Any]
) -> dict[str, Counts]:
    wanted, found = (_located(side) for side in (gold, predicted))
    if options.get("boxes") == "union":
        wanted, found = _enclosing(wanted), _enclosing(found)
    inside, any_event = options.get("inside"), options.get("any_event")

    def fits(g: _Located, p: _Located) -> bool:
        if g[1] != p[1] or (g[0] != p[0] and not any_event):
            return False
        shared = overlap(g[2], p[2])
        return shared.iou >= 0.5 or bool(inside and shared.inside >= 0.9)

    if not options.get("many_to_one"):
        return count_fitting(wanted, found, lambda item: item[0], fits)
    counts: dict[str, Counts] = {}
    for g in wanted:
        add(counts, g[0], Counts(gold=1))
    for p in found:
        near = next((g for g in wanted if fits(g, p)), None)
        add(counts, p[0], Counts(predicted=1))
        if near is not None:
            add(counts, near[0], Counts(correct=1))
    return counts


def _located(mentions: Iterable[_Mention]) -> list[_Located]:
    return [
        (mention.kind, argument.role, argument.place)
        for mention in mentions
        for argument in mention.arguments
        if isinstance(argument.place, Place)
    ]


def _enclosing(items: Iterable[_Located]) -> list[_Located]:
    """One item a type, role and picture: the box around all of its boxes."""
    groups: dict[tuple[str, str, str], list[Place]] = {}
    for kind, name, place in items:
        groups.setdefault((kind, name, place.media), []).append(place)
    found: list[_Located] = []
    for (kind, name, media), members in groups.items():
        boxes = [box for box in map(bounding_box, members) if box is not None]
        place = members[0]
        if boxes:
            x1, y1, x2, y2 = zip(*boxes, strict=True)
            place = Place(media, box=(min(x1), min(y1), max(x2), max(y2)))
        found.append((kind, name, place))
    return found
