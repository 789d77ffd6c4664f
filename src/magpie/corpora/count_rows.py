"""Counts of several splits side by side, one row a count, for tables and pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from magpie.corpora.dataset_card import Counts

__all__ = ["CountRow", "count_rows"]

#: Counts that say the same for every split of a corpus without them, or repeat another row.
_SAME_AS = {"entities_lenient": "entities", "types_lenient": "types", "box_mentions": "boxes"}


@dataclass(frozen=True, slots=True)
class CountRow:
    """``name`` is a field of :class:`Counts`, or ``field.kind``; one number a split, None where
    it does not apply; ``total`` is None where adding up would count something twice."""

    name: str
    numbers: tuple[int | None, ...]
    total: int | None


def count_rows(splits: Sequence[Counts | None], *, most: int | None = None) -> list[CountRow]:
    """The rows that say something: none of zeros, and none that repeats the strict count.

    Relations are also counted without those of a null type ("None", "none"), as ``relations
    without None``: those are the positives of the relation corpora.

    Args:
        splits: counts of each split; None for one that could not be read.
        most: types are listed one by one only where there are at most so many; all if None.
    """
    dicts = [None if each is None else each.to_dict() for each in splits]
    rows: list[CountRow] = []
    for field in Counts(documents=0).to_dict():
        values = [None if each is None else each[field] for each in dicts]
        if not any(values):
            continue
        twin = _SAME_AS.get(field)
        if twin is not None and values == [None if each is None else each[twin] for each in dicts]:
            continue
        if not any(isinstance(value, dict) for value in values):
            rows.append(_row(field, values))
            continue
        for kind in sorted({kind for value in values if value for kind in value}):
            numbers = [value.get(kind, 0) if value else None for value in values]
            rows.append(_row(f"{field}.{kind}", numbers))
    rows = _with_positives(rows)
    if most is None:
        return rows
    long = Counter(row.name.partition(".")[0] for row in rows if "." in row.name)
    return [row for row in rows if long[row.name.partition(".")[0]] <= most]


def _row(name: str, numbers: Sequence[int | None]) -> CountRow:
    known = [number for number in numbers if number is not None]
    # One picture may stand in several splits.
    total = sum(known) if known and name != "pictures" and len(numbers) > 1 else None
    return CountRow(name, tuple(numbers), total)


def _with_positives(rows: list[CountRow]) -> list[CountRow]:
    by_name = {row.name: row for row in rows}
    null = by_name.get("relation_types.None") or by_name.get("relation_types.none")
    if null is None or "relations" not in by_name:
        return rows
    whole = by_name["relations"]
    numbers = [
        None if every is None else every - (none or 0)
        for every, none in zip(whole.numbers, null.numbers, strict=True)
    ]
    place = rows.index(whole) + 1
    return [*rows[:place], _row("relations without None", numbers), *rows[place:]]
