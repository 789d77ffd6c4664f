"""Relations between given pairs: MNRE's micro F1 without the negative label, and what leaks.

A fact is an ordered pair of places with a label. The pairs are given, so that a prediction is
right when the gold has the same label on the same two places. Published programs count alike on
this (OpenNRE style, the MKGformer family, TMR, CAMIM); they differ in how they find the negative
label, which :func:`prepare` does by its name.

MORE's pairs join a mention and an object; its score is the same function, with subsets by how
many mentions and objects a post has.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from magpie.errors import ComparisonError
from magpie.metrics.counts import Counts, Mean, Value
from magpie.metrics.declare import Prepared
from magpie.metrics.documents import View, count_equal, count_fitting, view
from magpie.metrics.gmner import iou
from magpie.metrics.items import Scored
from magpie.metrics.matching import maximum_matching
from magpie.metrics.pairing import Fact, FactPairing
from magpie.schema import Entity, Region

__all__ = ["NEGATIVES", "count", "facts_of", "find_negative", "pair", "prepare"]

#: names of the label "no relation", in the order in which the public programs look for them
NEGATIVES = ("NA", "na", "no_relation", "Other", "Others", "none", "None")

#: parts by the numbers of mentions and objects of a post (MORE)
SUBSETS = ("1/1", "1/n", "n/1", "n/n")


def facts_of(scored: Scored) -> list[Fact]:
    """The relations of a document, its ends as places: characters of the text, or a box.

    Raises:
        ComparisonError: a flat line.
    """
    seen = view(scored)
    found = []
    for relation in seen.annotations.relations:
        head, tail = seen.targets[relation.head], seen.targets[relation.tail]
        types = (_type_of(head), _type_of(tail))
        found.append(Fact(_place(seen, head), _place(seen, tail), relation.type, types))
    return found


def _type_of(end: Entity | Region) -> str:
    return end.type if isinstance(end, Entity) else end.label or ""


def _place(seen: View, end: Entity | Region) -> Hashable:
    if isinstance(end, Entity):
        return seen.characters(end.span)
    return (end.media, end.box.xyxy if end.box is not None else end.id)


def find_negative(labels: Iterable[str]) -> str | None:
    """The label that means "no relation", or None."""
    known = set(labels)
    return next((name for name in NEGATIVES if name in known), None)


def prepare(
    gold: Sequence[Scored], predicted: Sequence[Scored], options: Mapping[str, Any]
) -> Prepared:
    """Finds the negative label, the rule of the type pairs, and the subsets of MORE.

    Raises:
        ComparisonError: a flat line, or types asked for that a document does not carry.
    """
    wanted = {scored.id: facts_of(scored) for scored in gold}
    found = {scored.id: facts_of(scored) for scored in predicted}
    labels = {fact.type for side in (wanted, found) for facts in side.values() for fact in facts}
    given = options["negative"]
    negative = find_negative(labels) if given == "auto" else given
    prepared: dict[str, Any] = {"negative_label": negative, "gold": wanted, "predicted": found}
    notes = _pairs_apart(wanted, found)
    if negative not in labels and not options.get("with_negative"):
        notes["negative label"] = "none among the labels: every class counts"
    if "pairs" in options:
        typed = wanted
        if options["pairs"] == "released":
            typed = {scored.id: _released(scored, wanted[scored.id]) for scored in gold}
        prepared["predicted_by_pair"], more = _by_type_pair(typed, options["pairs"], negative)
        notes |= more
    if "objects" in options:
        prepared["subset"], more = _subsets(gold, wanted, negative)
        notes |= more
    return Prepared(options=prepared, notes=notes)


def _pairs_apart(
    wanted: Mapping[str, list[Fact]], found: Mapping[str, list[Fact]]
) -> dict[str, int | str]:
    """How many pairs only one side has: pairs are given, so there should be none."""
    missing = surplus = 0
    for key, facts in wanted.items():
        ours = Counter((fact.head, fact.tail) for fact in facts)
        theirs = Counter((fact.head, fact.tail) for fact in found[key])
        missing += (ours - theirs).total()
        surplus += (theirs - ours).total()
    notes = {"gold pairs without prediction": missing, "predicted pairs not in the gold": surplus}
    return {name: number for name, number in notes.items() if number}


def _released(scored: Scored, facts: Sequence[Fact]) -> list[Fact]:
    """The facts with the types that MQA's files carry: known ones where there are any."""
    from magpie.corpora.mqa import typed_pair

    known, predicted = typed_pair(view(scored).document)
    types = known or predicted
    if types is None:
        raise ComparisonError(
            f"{scored.id!r} carries no types of MQA's files",
            mend="Score mqa@mnre1 or mqa@mnre2, or set pairs to entities.",
        )
    return [replace(fact, types=types) for fact in facts]


def _by_type_pair(
    wanted: Mapping[str, list[Fact]], pairs: str, negative: str | None
) -> tuple[dict[str, list[Fact]], dict[str, int | str]]:
    """What a rule answers that sees the types of the two ends only: their most frequent label."""

    def pair(fact: Fact) -> tuple[str, ...]:
        path = fact.type.strip("/").split("/")
        if pairs == "label" and fact.type != negative and len(path) > 2:
            return tuple(path[:2])
        return fact.types

    seen: defaultdict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for facts in wanted.values():
        for fact in facts:
            seen[pair(fact)][fact.type] += 1
    rule = {key: labels.most_common(1)[0][0] for key, labels in seen.items()}
    answers = {
        key: [replace(fact, type=rule[pair(fact)]) for fact in facts]
        for key, facts in wanted.items()
    }
    certain = sum(labels.total() for labels in seen.values() if len(labels) == 1)
    return answers, {"type pairs": len(seen), "facts whose type pair has one label": certain}


def _subsets(
    gold: Sequence[Scored], wanted: Mapping[str, list[Fact]], negative: str | None
) -> tuple[dict[str, str], dict[str, int | str]]:
    """Subset of each document, by the mentions and objects of its post in all gold facts.

    A post is a text with its pictures; a corpus may give one document a post, or one a fact.
    """
    posts: dict[Hashable, list[str]] = {}
    for scored in gold:
        document = view(scored).document
        media = tuple(medium.uri or medium.id for medium in document.media)
        posts.setdefault((document.text, media), []).append(scored.id)
    subset: dict[str, str] = {}
    facts_in: Counter[str] = Counter()
    negative_in: Counter[str] = Counter()
    for ids in posts.values():
        facts = [fact for key in ids for fact in wanted[key]]
        heads, tails = {fact.head for fact in facts}, {fact.tail for fact in facts}
        name = f"{'1' if len(heads) <= 1 else 'n'}/{'1' if len(tails) <= 1 else 'n'}"
        subset.update(dict.fromkeys(ids, name))
        facts_in[name] += len(facts)
        negative_in[name] += sum(fact.type == negative for fact in facts)
    notes: dict[str, int | str] = {
        f"share of {negative} in {name}": f"{100 * negative_in[name] / facts_in[name]:.1f} %"
        for name in SUBSETS
        if facts_in[name]
    }
    return subset, notes


def count(
    part: str, gold: Scored, predicted: Scored, options: Mapping[str, Any]
) -> Mapping[str, Value]:
    """Counts of one document; ``accuracy`` is a mean over the gold facts of every label."""
    if part in SUBSETS and options["subset"][gold.id] != part:
        return {}
    wanted, found = _sides(part, gold, options)
    near = options.get("objects") == "iou50"
    if part == "accuracy":
        correct = _counts(wanted, found, near=near)
        return {
            kind: Mean(counts.correct, counts.gold)
            for kind, counts in correct.items()
            if counts.gold
        }
    return _counts(wanted, found, near=near)


def pair(
    part: str, gold: Scored, predicted: Scored, options: Mapping[str, Any]
) -> FactPairing | None:
    """The facts that :func:`count` counts; ``accuracy`` is a mean, and the subsets are parts of a
    part."""
    if part == "accuracy" or part in SUBSETS:
        return None
    wanted, found = _sides(part, gold, options)
    same_place = _touch if options.get("objects") == "iou50" else _equal
    edges = [
        [j for j, g in enumerate(wanted) if g.type == p.type and _ends(g, p, same_place)]
        for p in found
    ]
    return FactPairing(
        gold=wanted,
        predicted=found,
        gold_types=[fact.type for fact in wanted],
        predicted_types=[fact.type for fact in found],
        partner=maximum_matching(edges, len(wanted)),
        same_place=same_place,
    )


def _sides(
    part: str, gold: Scored, options: Mapping[str, Any]
) -> tuple[Sequence[Fact], Sequence[Fact]]:
    """The facts of a document that a part looks at."""
    wanted: list[Fact] = options["gold"][gold.id]
    found: list[Fact] = options["predicted"][gold.id]
    if part == "type-pair":
        found = options["predicted_by_pair"][gold.id]
    if part == "accuracy" or options.get("with_negative"):
        return wanted, found
    negative = options["negative_label"]
    return (
        [fact for fact in wanted if fact.type != negative],
        [fact for fact in found if fact.type != negative],
    )


def _counts(wanted: Sequence[Fact], found: Sequence[Fact], *, near: bool) -> dict[str, Counts]:
    if near:
        return count_fitting(wanted, found, lambda fact: fact.type, _near)
    return count_equal(
        [(fact.type, (fact.head, fact.tail)) for fact in wanted],
        [(fact.type, (fact.head, fact.tail)) for fact in found],
    )


def _near(gold: Fact, predicted: Fact) -> bool:
    """Same label; ends equal, or boxes of one picture with an IoU from 0.5 on."""
    return gold.type == predicted.type and _ends(gold, predicted, _touch)


def _ends(gold: Fact, predicted: Fact, same: Callable[[Hashable, Hashable], bool]) -> bool:
    return same(gold.head, predicted.head) and same(gold.tail, predicted.tail)


def _equal(one: Hashable, other: Hashable) -> bool:
    return one == other


def _touch(one: Any, other: Any) -> bool:
    if one == other:
        return True
    boxes = isinstance(one[1], tuple) and isinstance(other[1], tuple)
    return boxes and one[0] == other[0] and iou(one[1], other[1]) >= 0.5
