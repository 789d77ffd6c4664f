"""Extraction from any mix of text, pictures, sound and clips (MUIE, the benchmark of Reamo).

What is extracted is scored by its characters: entities (with type), relations (both ends), event
triggers and event arguments. Where it shows or sounds is scored apart from that, by the mean IoU
of matched regions: of the pictures, of each frame of a clip, of time ranges in a recording. Gold
and predicted regions of a medium are paired by the cheapest assignment, the shorter side filled up
with empty ones; a medium with nothing to find in which nothing was found scores 1.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import fmean
from typing import Any

from magpie.metrics.counts import Mean, Value
from magpie.metrics.documents import Characters, View, count_equal, count_fitting, view
from magpie.metrics.event_names import event_type, role
from magpie.metrics.items import Scored
from magpie.metrics.matching import cheapest_assignment
from magpie.metrics.places import Overlap, Place, best_iou, is_empty, overlap, places
from magpie.schema import Entity, Media, Region

__all__ = ["FRAME", "NO_RELATION", "count_muie", "mean_iou"]

#: stands between the id of a clip and the number of a frame in the id of the frame's picture
FRAME = "#"

#: labels of pairs that are not related, in any case
NO_RELATION = frozenset({"none", "no_relation"})

#: the types under which the regions of a document are reported
_SHOWN, _NOTHING = "regions", "nothing to find, nothing found"


@dataclass(frozen=True, slots=True)
class _End:
    """An entity, or a region that stands for itself (``characters`` is None)."""

    characters: Characters | None
    places: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class _Item:
    kind: str
    role: str
    ends: tuple[_End, ...]


def count_muie(
    part: str, gold: Scored, predicted: Scored, options: Mapping[str, Any]
) -> Mapping[str, Value]:
    """Parts ``ner``, ``re``, ``et``, ``ea``, ``grounded``; ``i-seg``, ``v-trck``, ``a-seg``.

    ``grounded`` counts the items of the part that the fixed option ``grounded`` names, which must
    also show where the gold shows them: nowhere on both sides, or IoU 0.5 or more. The option
    ``average`` says what a medium's IoUs are divided by: ``larger``, the longer of the two lists,
    or ``gold``.
    """
    sides = view(gold), view(predicted)
    if part in _GROUPS:
        return _regions(*sides, part, by_gold=options.get("average") == "gold")
    if part == "et":
        return count_equal(*map(_triggers, sides))
    grounded = part == "grounded"
    read = _ITEMS[options["grounded"] if grounded else part]

    def fits(g: _Item, p: _Item) -> bool:
        return (g.kind, g.role) == (p.kind, p.role) and all(
            _agree(a, b, grounded=grounded) for a, b in zip(g.ends, p.ends, strict=True)
        )

    return count_fitting(read(sides[0]), read(sides[1]), lambda item: item.kind, fits)


def _agree(gold: _End, predicted: _End, *, grounded: bool) -> bool:
    if gold.characters != predicted.characters:
        return False
    if gold.characters is not None and not grounded:
        return True
    if not gold.places or not predicted.places:
        return not gold.places and not predicted.places
    if gold.characters is None and not _same_label(gold.places[0], predicted.places[0]):
        return False
    return best_iou(gold.places, predicted.places) >= 0.5


def _same_label(gold: Place, predicted: Place) -> bool:
    """What a region shows, where both sides say it."""
    labels = (gold.label, predicted.label)
    return None in labels or gold.label == predicted.label


def _end(side: View, target: Entity | Region) -> _End:
    regions = target.grounding.regions if isinstance(target, Entity) else (target,)
    found = tuple(place for place in places(side.document, regions) if not is_empty(place))
    return _End(side.characters(target.span) if isinstance(target, Entity) else None, found)


def _entities(side: View) -> list[_Item]:
    return [_Item(entity.type, "", (_end(side, entity),)) for entity in side.annotations.entities]


def _relations(side: View) -> list[_Item]:
    return [
        _Item(r.type, "", (_end(side, side.targets[r.head]), _end(side, side.targets[r.tail])))
        for r in side.annotations.relations
        if r.type.casefold() not in NO_RELATION
    ]


def _triggers(side: View) -> list[tuple[str, Characters]]:
    return [
        (event_type(event.type), side.characters(event.trigger))
        for event in side.annotations.events
        if event.trigger is not None
    ]


def _arguments(side: View) -> list[_Item]:
    return [
        _Item(
            event_type(event.type),
            role(event.type, argument.role, text=True),
            (_end(side, side.targets[argument.target]),),
        )
        for event in side.annotations.events
        for argument in event.arguments
    ]


_ITEMS: dict[str, Callable[[View], list[_Item]]] = {
    "ner": _entities,
    "re": _relations,
    "ea": _arguments,
}


def mean_iou(
    gold: Sequence[Place],
    predicted: Sequence[Place],
    *,
    size: tuple[int, int] | None = None,
    by_gold: bool = False,
) -> float:
    """Mean IoU of the regions of one medium, paired at the least cost, in [0, 1].

    The cost of a pair in a picture is its mean binary cross-entropy plus its Dice loss. Masks are
    all or nothing, so that each pixel that differs costs 100, as torch bounds a logarithm; Dice is
    smoothed by 1. The cost of two time ranges is 1 - IoU. Where costs tie, the larger IoU wins.

    Args:
        gold, predicted: places of one medium; masks without a pixel do not count.
        size: (width, height) of the picture; masks know it, and without either the mean is taken
            over the smallest picture that holds all boxes.
        by_gold: divide by the number of gold regions instead of the longer list's.

    Returns:
        1 when both are empty. A region without partner has IoU 0.
    """
    wanted = [place for place in gold if not is_empty(place)]
    found = [place for place in predicted if not is_empty(place)]
    if not wanted and not found:
        return 1.0
    pixels = _pixels([*wanted, *found], size)
    fewer, more = sorted((wanted, found), key=len)
    # Whoever gets a partner is not left with an empty one: the difference is what a pair costs.
    alone = [_cost(place, None, pixels)[0] for place in more]
    table = [[_cost(one, other, pixels) for other in more] for one in fewer]
    partners = cheapest_assignment(
        [[cost - spared for (cost, _), spared in zip(row, alone, strict=True)] for row in table]
    )
    total = sum(row[column][1] for row, column in zip(table, partners, strict=True))
    divisor = len(wanted) if by_gold else len(more)
    return total / divisor if divisor else 0.0


#: far below any difference of two costs, far above their rounding
_TIE = 1e-7


def _cost(one: Place, other: Place | None, pixels: float) -> tuple[float, float]:
    """Cost and IoU of a pair; None is an empty region."""
    both = Overlap(0.0, overlap(one, one).first, 0.0) if other is None else overlap(one, other)
    first, second, shared, iou = both.first, both.second, both.shared, both.iou
    if one.time is not None:
        return (1.0 - iou, iou)
    entropy = 100.0 * (first + second - 2 * shared) / pixels
    dice = 1.0 - (2 * shared + 1) / (first + second + 1)
    return (entropy + dice - _TIE * iou, iou)


def _pixels(found: Iterable[Place], size: tuple[int, int] | None) -> float:
    x = y = 1.0
    for place in found:
        if place.mask is not None:
            return float(place.mask.width * place.mask.height)
        if place.box is not None:
            x, y = max(x, place.box[2]), max(y, place.box[3])
    return float(size[0] * size[1]) if size is not None else x * y


# -- which regions a score looks at


def _regions(gold: View, predicted: View, part: str, *, by_gold: bool) -> dict[str, Mean]:
    """Mean IoU of one document: over its pictures, its recordings, or its clips' frames."""
    sound = part == "a-seg"
    wanted, found = _by_medium(gold, sound=sound), _by_medium(predicted, sound=sound)
    used = wanted.keys() | found.keys()
    known = {medium.id for medium in gold.document.media}
    # A prediction on a medium of its own is a wrong one, not an invisible one.
    media = [*gold.document.media]
    media += [m for m in predicted.document.media if m.id in used and m.id not in known]
    groups = _GROUPS[part](media, used)
    if not groups:
        return {}
    sizes = {m.id: (m.width, m.height) for m in media if m.width and m.height}

    def score(medium: str) -> float:
        one, other = wanted.get(medium, ()), found.get(medium, ())
        return mean_iou(one, other, size=sizes.get(medium), by_gold=by_gold)

    seen = any(medium in used for group in groups for medium in group)
    value = fmean(fmean(map(score, group)) for group in groups)
    return {_SHOWN if seen else _NOTHING: Mean(value, 1)}


def _by_medium(side: View, *, sound: bool) -> dict[str, list[Place]]:
    """Places by medium; a region that shows two entities under one id counts once."""
    named: dict[str, Region] = {}
    others: list[Region] = []
    for region in side.annotations.all_regions():
        if region.id is None:
            others.append(region)
        else:
            named[region.id] = region
    audible = {medium.id for medium in side.document.media if medium.kind == "audio"}
    table: dict[str, list[Place]] = {}
    for place in places(side.document, [*named.values(), *others]):
        if (place.time is not None or place.media in audible) == sound and not is_empty(place):
            table.setdefault(place.media, []).append(place)
    return table


def _frames(media: Sequence[Media]) -> dict[str, list[str]]:
    """The pictures that are frames of each clip."""
    frames: dict[str, list[str]] = {m.id: [] for m in media if m.kind == "video"}
    for medium in media:
        clip = medium.id.rpartition(FRAME)[0]
        if medium.kind == "image" and clip in frames:
            frames[clip].append(medium.id)
    return frames


def _pictures(media: Sequence[Media], _: Collection[str]) -> list[list[str]]:
    frames = set(chain.from_iterable(_frames(media).values()))
    return [[m.id] for m in media if m.kind == "image" and m.id not in frames]


def _clips(media: Sequence[Media], used: Collection[str]) -> list[list[str]]:
    """Frames of each clip. A clip without frames is one picture, if anything was found in it."""
    clips = _frames(media)
    groups = []
    for clip, frames in clips.items():
        group = [*frames, *([clip] if clip in used else [])]
        if group:
            groups.append(group)
    return groups


def _recordings(media: Sequence[Media], used: Collection[str]) -> list[list[str]]:
    """Recordings, and clips with a sound in them."""
    return [[m.id] for m in media if m.kind == "audio" or (m.kind == "video" and m.id in used)]


_GROUPS: dict[str, Callable[[Sequence[Media], Collection[str]], list[list[str]]]] = {
    "i-seg": _pictures,
    "v-trck": _clips,
    "a-seg": _recordings,
}
