"""What kind of error it is: each gold and each predicted item falls into exactly one category.

Right pairs come first, as the protocol pairs them. What is left over is linked one to one, the
closest kind first (same place, then overlapping places), as many links as possible of each kind;
what finds no partner is missing or spurious. The counts of all categories add up to the totals of
the score.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from magpie.metrics.items import Item
from magpie.metrics.matching import maximum_matching
from magpie.metrics.pairing import EntityPairing, Fact, FactPairing, Pairing

__all__ = [
    "ENTITY_CATEGORIES",
    "FACT_CATEGORIES",
    "Case",
    "Tally",
    "categories_of",
    "describe_item",
    "region_error",
    "tally",
]

#: of mentions; the regions only where the score looks at them
ENTITY_CATEGORIES = {
    "correct": "right in all that the score asks for",
    "wrong region": "right but for the region: both show one, and they are too far apart",
    "missed region": "right but for the region: the gold shows one, the prediction none",
    "over-grounded": "right but for the region: the prediction shows one, the gold none",
    "type": "same place, another type",
    "boundary": "overlapping places, same type",
    "boundary+type": "overlapping places, another type",
    "missing": "a gold item that no prediction is linked with",
    "spurious": "a prediction that is linked with no gold item",
}

#: of relations
FACT_CATEGORIES = {
    "correct": "right in all that the score asks for",
    "end type": "same ends and label, but the type of an end is wrong",
    "direction": "same label, head and tail changed places",
    "wrong label": "same ends, another label",
    "missed": "a gold relation between whose ends nothing was predicted",
    "spurious": "a prediction between ends that the gold does not relate",
}

T = TypeVar("T", Item, Fact)

#: positions in the gold and among the predictions
_Fits: TypeAlias = Callable[[int, int], bool]
_Name: TypeAlias = Callable[[int, int], str]


@dataclass(frozen=True, slots=True)
class Case(Generic[T]):
    """A category with its two items, one of which may lack.

    ``region`` is what is wrong with the regions besides, in categories that say nothing of them.
    """

    category: str
    gold: T | None
    predicted: T | None
    region: str | None = None

    def to_dict(self, text: str | None = None) -> dict[str, Any]:
        """The shape of an example in ``magpie score --json``; ``text`` is that of the document."""
        body: dict[str, Any] = {
            "gold": None if self.gold is None else describe_item(self.gold, text),
            "predicted": None if self.predicted is None else describe_item(self.predicted, text),
        }
        return body | ({} if self.region is None else {"region": self.region})


@dataclass(frozen=True, slots=True)
class Tally:
    """Items of one category on both sides."""

    gold: int = 0
    predicted: int = 0


def tally(cases: Sequence[Case[Any]]) -> dict[str, Tally]:
    """The categories that occur. Their sums are the ``gold`` and ``predicted`` of the score, and
    ``correct`` its right ones."""
    gold = Counter(case.category for case in cases if case.gold is not None)
    predicted = Counter(case.category for case in cases if case.predicted is not None)
    names = dict.fromkeys(case.category for case in cases)
    return {name: Tally(gold[name], predicted[name]) for name in names}


def categories_of(pairing: Pairing) -> list[Case[Any]]:
    """A case for each pair, link and single item of a document: first the right ones."""
    if isinstance(pairing, EntityPairing):
        return _entities(pairing)
    return _facts(pairing)


def region_error(gold: Item, predicted: Item) -> str:
    """What is wrong with regions that do not fit."""
    if gold.boxes and predicted.boxes:
        return "wrong region"
    return "missed region" if gold.boxes else "over-grounded"


def _entities(pairing: EntityPairing) -> list[Case[Item]]:
    gold, predicted = pairing.gold, pairing.predicted

    def same_type(g: int, p: int) -> bool:
        return pairing.gold_types[g] == pairing.predicted_types[p]

    def same_place(g: int, p: int) -> bool:
        one, other = gold[g], predicted[p]
        if pairing.by_text:
            return one.text == other.text
        return (one.start, one.end) == (other.start, other.end)

    def near(g: int, p: int) -> bool:
        return max(gold[g].start, predicted[p].start) < min(gold[g].end, predicted[p].end)

    def region(g: int, p: int) -> str | None:
        fits = pairing.region_fits
        if fits is None or fits(gold[g], predicted[p]):
            return None
        return region_error(gold[g], predicted[p])

    levels: list[tuple[_Fits, _Name]] = [
        # Same place and type and yet wrong: only the region is left.
        (
            lambda g, p: same_place(g, p) and same_type(g, p),
            lambda g, p: region_error(gold[g], predicted[p]),
        ),
        (same_place, lambda g, p: "type"),
        (lambda g, p: near(g, p) and same_type(g, p), lambda g, p: "boundary"),
        (near, lambda g, p: "boundary+type"),
    ]
    return _sort(pairing, levels, ("missing", "spurious"), region)


def _facts(pairing: FactPairing) -> list[Case[Fact]]:
    gold, predicted, same = pairing.gold, pairing.predicted, pairing.same_place

    def label(g: int, p: int) -> bool:
        return gold[g].type == predicted[p].type

    def ends(g: int, p: int) -> bool:
        return same(gold[g].head, predicted[p].head) and same(gold[g].tail, predicted[p].tail)

    def turned(g: int, p: int) -> bool:
        return same(gold[g].head, predicted[p].tail) and same(gold[g].tail, predicted[p].head)

    levels: list[tuple[_Fits, _Name]] = [
        (lambda g, p: ends(g, p) and label(g, p), lambda g, p: "end type"),
        (lambda g, p: turned(g, p) and label(g, p), lambda g, p: "direction"),
        (ends, lambda g, p: "wrong label"),
    ]
    return _sort(pairing, levels, ("missed", "spurious"), lambda g, p: None)


def _sort(
    pairing: Any,
    levels: Sequence[tuple[_Fits, _Name]],
    single: tuple[str, str],
    region: Callable[[int, int], str | None],
) -> list[Case[Any]]:
    """Links what is not right, level by level."""
    gold, predicted = pairing.gold, pairing.predicted
    links = [(g, p, "correct") for p, g in enumerate(pairing.partner) if g >= 0]
    taken = {g for g, _, _ in links}
    free_gold = [g for g in range(len(gold)) if g not in taken]
    free = [p for p, g in enumerate(pairing.partner) if g < 0]
    for fits, name in levels:
        if not free_gold or not free:
            break
        edges = [[j for j, g in enumerate(free_gold) if fits(g, p)] for p in free]
        found = maximum_matching(edges, len(free_gold))
        new = [(free_gold[j], p) for p, j in zip(free, found, strict=True) if j >= 0]
        links += [(g, p, name(g, p)) for g, p in new]
        free_gold = [g for g in free_gold if g not in {g for g, _ in new}]
        free = [p for p in free if p not in {p for _, p in new}]
    cases = []
    for g, p, category in links:
        beside = region(g, p) if category in ("type", "boundary", "boundary+type") else None
        cases.append(Case(category, gold[g], predicted[p], beside))
    cases += [Case(single[0], gold[g], None) for g in free_gold]
    cases += [Case(single[1], None, predicted[p]) for p in free]
    return cases


def describe_item(item: Item | Fact, text: str | None = None) -> Mapping[str, Any]:
    """An item as a JSON object; ``text`` fills in the spelling of the ends of a relation."""
    if isinstance(item, Fact):
        return {
            "type": item.type,
            "head": _end(item.head, item.types[0], text),
            "tail": _end(item.tail, item.types[1], text),
        }
    fine = {} if item.fine_type is None else {"fine_type": item.fine_type}
    return {
        "text": item.text,
        "start": item.start,
        "end": item.end,
        "type": item.type,
        **fine,
        "grounding": item.grounding,
        "boxes": [{"media": media, "box": list(box)} for media, box in item.boxes],
    }


def _end(place: Any, kind: str, text: str | None) -> Mapping[str, Any]:
    """Characters of the text, a box, or a region's id (see magpie.metrics.relations)."""
    typed = {"type": kind} if kind else {}
    if isinstance(place[0], int):
        spelled = {} if text is None else {"text": text[place[0] : place[1]]}
        return {**spelled, "start": place[0], "end": place[1], **typed}
    media, shown = place
    box = {"box": list(shown)} if isinstance(shown, tuple) else {"region": shown}
    return {"media": media, **box, **typed}
