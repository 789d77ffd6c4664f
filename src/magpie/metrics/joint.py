"""Joint entities and relations (JMERE): sets of quintuples, and the grid of the public program.

A quintuple is two typed spans and their relation; it is right only as a whole, and repeated ones
count once. The public programs lose the direction of a relation, so that by default it does not
count here either.

``grid`` is what the public word-pair taggers score (EEGA's program): both sides are written into
a grid over the words and read back. That fuses entities that touch, and yields every relation in
both directions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from magpie.errors import ComparisonError, FormatError
from magpie.metrics.counts import Counts
from magpie.metrics.declare import Prepared
from magpie.metrics.documents import View, add, count_equal, view
from magpie.metrics.items import Scored
from magpie.metrics.pairing import Fact, FactPairing
from magpie.metrics.relations import NEGATIVES
from magpie.schema import Entity

__all__ = [
    "GRID_LABELS",
    "Grid",
    "TypedSpan",
    "count",
    "count_grid",
    "decode_grid",
    "encode_grid",
    "pair",
    "prepare_grid",
]

#: first word, last word, type
TypedSpan: TypeAlias = tuple[int, int, str]

#: cell of word a and word b, upper triangle; -1 is no cell
Grid: TypeAlias = list[list[int]]

#: the label numbers of the public grid; 1 to 4 are types of the diagonal
GRID_LABELS = (
    "none",
    *("per", "org", "misc", "loc"),
    *("parent", "siblings", "couple", "neighbor", "peer", "charges", "alumi", "alternate_names"),
    *("place_of_residence", "place_of_birth", "member_of", "subsidiary", "locate_at", "contain"),
    *("present_in", "awarded", "race", "religion", "nationality", "part_of", "held_on"),
)

_TYPES = 4
_NUMBER = {name: number for number, name in enumerate(GRID_LABELS)}
_TYPE_NAMES = {
    "other": "misc",
    "miscellaneous": "misc",
    "person": "per",
    "organization": "org",
    "location": "loc",
}


def count(
    part: str, gold: Scored, predicted: Scored, options: Mapping[str, Any]
) -> Mapping[str, Counts]:
    """Counter of quintuples (``jmere``) and entities, as sets; ``typed`` off leaves types out."""
    sides = [view(side) for side in (gold, predicted)]
    if part == "entities":
        entities = [
            {(entity.type, seen.characters(entity.span)) for entity in seen.annotations.entities}
            for seen in sides
        ]
        return count_equal(*entities)
    wanted, found = (_facts(seen, options) for seen in sides)
    return count_equal(
        [(fact.type, fact) for fact in wanted], [(fact.type, fact) for fact in found]
    )


def pair(
    part: str, gold: Scored, predicted: Scored, options: Mapping[str, Any]
) -> FactPairing | None:
    """The quintuples that :func:`count` counts; its entities are not paired."""
    if part == "entities":
        return None
    wanted, found = (_facts(view(side), options) for side in (gold, predicted))
    places = {fact: number for number, fact in enumerate(wanted)}
    return FactPairing(
        gold=wanted,
        predicted=found,
        gold_types=[fact.type for fact in wanted],
        predicted_types=[fact.type for fact in found],
        partner=[places.get(fact, -1) for fact in found],
    )


def _facts(seen: View, options: Mapping[str, Any]) -> list[Fact]:
    """Each quintuple once; the negative label and ends that are no entity are left out."""
    facts: dict[Fact, None] = {}
    for relation in seen.annotations.relations:
        head, tail = seen.targets[relation.head], seen.targets[relation.tail]
        if relation.type in NEGATIVES:
            continue
        if not isinstance(head, Entity) or not isinstance(tail, Entity):
            continue
        ends = [
            (seen.characters(entity.span), entity.type if options["typed"] else "")
            for entity in (head, tail)
        ]
        first, second = ends if options["directed"] else sorted(ends)
        facts[Fact(first[0], second[0], relation.type, (first[1], second[1]))] = None
    return list(facts)


def encode_grid(
    length: int, entities: Sequence[TypedSpan], relations: Iterable[tuple[int, int, str]]
) -> Grid:
    """The grid over ``length`` words; relations are (index of an entity, of another, name).

    Raises:
        FormatError: a type or relation that the grid has no number for, or words outside.
    """
    grid = [[0 if a <= b else -1 for b in range(length)] for a in range(length)]
    for first, last, kind in entities:
        if not 0 <= first <= last < length:
            raise FormatError(
                f"words {first} to {last} leave the sentence of {length} words", code="format-tags"
            )
        for word in range(first, last + 1):
            grid[word][word] = _number(kind, range(1, _TYPES + 1))
    for one, other, name in relations:
        number = _number(name, range(_TYPES + 1, len(GRID_LABELS)))
        for a in range(entities[one][0], entities[one][1] + 1):
            for b in range(entities[other][0], entities[other][1] + 1):
                if a != b:
                    grid[min(a, b)][max(a, b)] = number
    return grid


def _number(name: str, allowed: Collection[int]) -> int:
    number = _NUMBER.get(name, 0)
    if number not in allowed:
        raise FormatError(
            f"the grid has no label {name!r}",
            code="format-tags",
            mend=f"Its labels are: {', '.join(GRID_LABELS[n] for n in allowed)}.",
        )
    return number


def decode_grid(
    grid: Sequence[Sequence[int]],
) -> tuple[list[TypedSpan], set[tuple[TypedSpan, TypedSpan, str]]]:
    """Entities and relations of a grid, read as the public program does.

    An entity is a run of words whose diagonal cells hold a type, its type that of the first; a
    diagonal of -1 is passed over. Each ordered pair of entities has the relation that most cells
    of their block hold, the smaller number where two are equal.
    """
    entities: list[TypedSpan] = []
    first = last = -1
    for word, row in enumerate([*grid, None]):
        cell = 0 if row is None else row[word]
        if cell == -1:
            continue
        if 1 <= cell <= _TYPES:
            first, last = (word if first < 0 else first), word
        elif first >= 0:
            entities.append((first, last, GRID_LABELS[grid[first][first]]))
            first = -1
    relations = set()
    for one in entities:
        for other in entities:
            if one == other:
                continue
            votes = Counter(
                grid[min(a, b)][max(a, b)]
                for a in range(one[0], one[1] + 1)
                for b in range(other[0], other[1] + 1)
            )
            best = max(
                range(_TYPES + 1, len(GRID_LABELS)), key=lambda label: (votes[label], -label)
            )
            if votes[best]:
                relations.add((one, other, GRID_LABELS[best]))
    return entities, relations


def prepare_grid(
    gold: Sequence[Scored], predicted: Sequence[Scored], options: Mapping[str, Any]
) -> Prepared:
    """Writes every document into its grid and reads it back.

    Raises:
        ComparisonError: a gold document without words.
    """
    decoded, left_out = {}, Counter[str]()
    for document, prediction in zip(gold, predicted, strict=True):
        words = _words(document)
        sides = []
        for name, side in (("gold", document), ("predicted", prediction)):
            grid, lost = _grid_of(view(side), words)
            left_out[f"{name} entities or relations that the grid cannot hold"] += lost
            sides.append(decode_grid(grid))
        decoded[document.id] = sides
    return Prepared(options={"decoded": decoded}, notes=+left_out)


def count_grid(
    part: str, gold: Scored, predicted: Scored, options: Mapping[str, Any]
) -> Mapping[str, Counts]:
    """Counter of what :func:`prepare_grid` read back."""
    (wanted, wanted_relations), (found, found_relations) = options["decoded"][gold.id]
    if part == "entities":
        return count_equal([(e[2], e[:2]) for e in wanted], [(e[2], e[:2]) for e in found])
    counts: dict[str, Counts] = {}
    for column, triples in (
        (Counts(gold=1), wanted_relations),
        (Counts(predicted=1), found_relations),
        (Counts(correct=1), wanted_relations & found_relations),
    ):
        for _, _, name in triples:
            add(counts, name, column)
    return counts


def _words(scored: Scored) -> tuple[dict[int, int], dict[int, int]]:
    """Word index by the character it starts at, and by the one it ends at."""
    seen = view(scored)
    starts: dict[int, int] = {}
    ends: dict[int, int] = {}
    for block in seen.document.blocks:
        if block.words is None:
            raise ComparisonError(
                f"the grid is one over words, and the gold document {scored.id!r} has none",
                code="compare-protocol",
                mend="Score it with jmere-strict@1.",
            )
        for start, end in block.words:
            ends[seen.starts[block.id] + end] = len(starts)
            starts[seen.starts[block.id] + start] = len(starts)
    return starts, ends


def _grid_of(seen: View, words: tuple[dict[int, int], dict[int, int]]) -> tuple[Grid, int]:
    """The grid of a document, and how many entities and relations it cannot hold."""
    starts, ends = words
    spans: list[TypedSpan] = []
    index: dict[str, int] = {}
    lost = 0
    for entity in seen.annotations.entities:
        start, end = seen.characters(entity.span)
        kind = entity.type.casefold()
        kind = _TYPE_NAMES.get(kind, kind)
        if start in starts and end in ends and _NUMBER.get(kind, 0) in range(1, _TYPES + 1):
            index[entity.id] = len(spans)
            spans.append((starts[start], ends[end], kind))
        else:
            lost += 1
    relations = []
    for relation in seen.annotations.relations:
        name = relation.type.rpartition("/")[2]
        if relation.type in NEGATIVES:
            continue
        if _NUMBER.get(name, 0) > _TYPES and {relation.head, relation.tail} <= index.keys():
            relations.append((index[relation.head], index[relation.tail], name))
        else:
            lost += 1
    return encode_grid(len(starts), spans, relations), lost
