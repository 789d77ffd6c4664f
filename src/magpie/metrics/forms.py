"""Forms: labels of the fields and links between them, as RE2 and the FUNSD tables count them.

A field is right when its characters and its label are; ``other`` is the label of what is no
field. A link is a pair of fields. Both sides are sets a page: FUNSD writes a link at both of its
ends, and a pair that stands twice is one link. A prediction counts as it stands, whatever score it
carries. Fields are compared by their characters, so that ids do not matter; a field without text,
such as a signature, is a labelled region and is compared by its box.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

from magpie.metrics.counts import Counts
from magpie.metrics.documents import Keyed, View, count_equal, view
from magpie.metrics.items import Scored
from magpie.schema import Entity, Region

__all__ = ["OTHER", "count_labels", "count_links"]

#: the label of a block of text that is no field
OTHER = "other"

_QUESTION, _ANSWER = "question", "answer"

#: place (characters of the text, or a box in a picture) and label
_Field = tuple[tuple[str | float, ...], str]


def count_labels(
    part: str, gold: Scored, predicted: Scored, options: Mapping[str, Any]
) -> dict[str, Counts]:
    """Parts ``fields`` (without the blocks labelled other) and ``blocks`` (all of them)."""
    sides = ([*_labels(view(side), fields=part == "fields")] for side in (gold, predicted))
    return count_equal(*sides)


def _labels(side: View, *, fields: bool) -> Iterator[Keyed]:
    targets: list[Entity | Region] = [*side.annotations.entities, *side.annotations.regions]
    for target in targets:
        place, label = _field(side, target)
        if label and not (fields and label == OTHER):
            yield (label, place)


def _field(side: View, target: Entity | Region) -> _Field:
    """A region without a label, which is no field, has the label ""."""
    if isinstance(target, Entity):
        return (("", *side.characters(target.span)), target.type.casefold())
    box = () if target.box is None else target.box.xyxy
    return ((target.media, *box), (target.label or "").casefold())


def count_links(
    part: str, gold: Scored, predicted: Scored, options: Mapping[str, Any]
) -> dict[str, Counts]:
    """Parts ``links``, ``strict`` and ``all``.

    ``links`` are those between a question and an answer, by the labels of their own side;
    ``strict`` asks for both labels as well; ``all`` are the links of every kind. A link has no
    direction, unless the option ``directed`` compares them as written.
    """
    directed = bool(options.get("directed"))
    return count_equal(
        *(set(_links(view(side), part, directed=directed)) for side in (gold, predicted))
    )


def _links(side: View, part: str, *, directed: bool) -> Iterator[Keyed]:
    for link in side.annotations.links:
        ends = [_field(side, side.targets[end]) for end in (link.head, link.tail)]
        labels = {label for _, label in ends}
        if part != "all" and labels != {_QUESTION, _ANSWER}:
            continue
        if not directed:
            ends.sort()
        key: Hashable = tuple(ends) if part == "strict" else tuple(place for place, _ in ends)
        yield ("link" if part == "all" else f"{_QUESTION}-{_ANSWER}", key)
