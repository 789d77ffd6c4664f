from __future__ import annotations

from magpie.corpora.count_rows import CountRow, count_rows
from magpie.corpora.dataset_card import Counts


def test_rows_in_the_order_of_the_card_with_totals() -> None:
    splits = [
        Counts(documents=3, entities=5, entities_lenient=6, types={"A": 5}, types_lenient={"A": 6}),
        Counts(documents=1, entities=2, entities_lenient=2, types={"B": 2}, types_lenient={"B": 2}),
    ]
    assert count_rows(splits) == [
        CountRow("documents", (3, 1), 4),
        CountRow("entities", (5, 2), 7),
        CountRow("entities_lenient", (6, 2), 8),
        CountRow("types.A", (5, 0), 5),
        CountRow("types.B", (0, 2), 2),
        CountRow("types_lenient.A", (6, 0), 6),
        CountRow("types_lenient.B", (0, 2), 2),
    ]


def test_what_says_nothing_or_the_same_is_left_out() -> None:
    counts = Counts(documents=3, entities=5, entities_lenient=5, links=0, regions=None)
    assert [row.name for row in count_rows([counts])] == ["documents", "entities"]


def test_one_split_has_no_total_and_pictures_are_not_added_up() -> None:
    assert count_rows([Counts(documents=3)]) == [CountRow("documents", (3,), None)]
    rows = count_rows([Counts(documents=1, pictures=1), Counts(documents=1, pictures=1)])
    assert rows[1] == CountRow("pictures", (1, 1), None)


def test_unreadable_splits_stay_empty() -> None:
    rows = count_rows([None, Counts(documents=2, types={"A": 1})])
    assert rows == [CountRow("documents", (None, 2), 2), CountRow("types.A", (None, 1), 1)]


def test_long_lists_on_request_only() -> None:
    counts = Counts(documents=1, fine_types={str(n): 1 for n in range(5)})
    assert len(count_rows([counts], most=4)) == 1
    assert len(count_rows([counts], most=5)) == 6


def test_positive_relations() -> None:
    for null in ("None", "none"):
        splits = [
            Counts(documents=1, relations=5, relation_types={null: 2, "peer": 3}),
            Counts(documents=1, relations=4, relation_types={"peer": 4}),
        ]
        rows = {row.name: row for row in count_rows(splits)}
        assert rows["relations without None"].numbers == (3, 4)
        assert rows["relations without None"].total == 7
        short = count_rows(splits, most=1)
        assert [row.name for row in short] == ["documents", "relations", "relations without None"]
