"""Error categories: hand-made cases of each, and that every item falls into exactly one."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magpie.metrics import Counts, Item, Scored, items_of, score
from magpie.metrics.analysis import Analysis, analyse
from magpie.metrics.categories import ENTITY_CATEGORIES, FACT_CATEGORIES, Tally, region_error

from .builders import Builder

NEAR, FAR = (0.0, 0.0, 10.0, 10.0), (50.0, 50.0, 60.0, 60.0)


def item(
    start: int, end: int, kind: str = "PER", *boxes: tuple[float, float, float, float]
) -> Item:
    shown = tuple(("m0", box) for box in boxes)
    return Item(
        "x" * (end - start),
        start,
        end,
        kind,
        grounding="regions" if boxes else "absent",
        boxes=shown,
    )


def categories(
    gold: list[Item], predicted: list[Item], protocol: str = "gmner-iou50@1", **options: Any
) -> list[tuple[str, Item | None, Item | None, str | None]]:
    found = analyse(
        [Scored("d", tuple(gold))], [Scored("d", tuple(predicted))], protocol, options=options
    )
    assert found.errors is not None
    return [
        (each.case.category, each.case.gold, each.case.predicted, each.case.region)
        for each in found.errors.cases
    ]


@pytest.mark.parametrize(
    ("gold", "predicted", "category", "region"),
    [
        (item(0, 3, "PER", NEAR), item(0, 3, "PER", NEAR), "correct", None),
        (item(0, 3), item(0, 3), "correct", None),
        (item(0, 3, "PER", NEAR), item(0, 3, "PER", FAR), "wrong region", None),
        (item(0, 3, "PER", NEAR), item(0, 3, "PER"), "missed region", None),
        (item(0, 3, "PER"), item(0, 3, "PER", FAR), "over-grounded", None),
        (item(0, 3, "PER", NEAR), item(0, 3, "LOC", NEAR), "type", None),
        (item(0, 3, "PER", NEAR), item(0, 3, "LOC", FAR), "type", "wrong region"),
        (item(0, 3, "PER", NEAR), item(0, 3, "LOC"), "type", "missed region"),
        (item(0, 3, "PER"), item(1, 3, "PER"), "boundary", None),
        (item(0, 3, "PER"), item(2, 9, "PER", FAR), "boundary", "over-grounded"),
        (item(0, 3, "PER"), item(0, 2, "LOC"), "boundary+type", None),
    ],
)
def test_one_of_each(gold: Item, predicted: Item, category: str, region: str | None) -> None:
    assert categories([gold], [predicted]) == [(category, gold, predicted, region)]


def test_neighbours_are_not_linked() -> None:
    gold, predicted = item(0, 3), item(3, 6)
    assert categories([gold], [predicted]) == [
        ("missing", gold, None, None),
        ("spurious", None, predicted, None),
    ]


def test_regions_are_no_error_where_the_score_does_not_look_at_them() -> None:
    gold, predicted = item(0, 3, "PER", NEAR), item(0, 3, "PER", FAR)
    assert categories([gold], [predicted], "ner-span-conll@1")[0][0] == "correct"
    other = item(0, 3, "LOC", FAR)
    assert categories([gold], [other], "ner-span-conll@1") == [("type", gold, other, None)]


def test_the_closest_kind_of_link_goes_first() -> None:
    # The prediction overlaps both; it has the place of the second.
    gold = [item(0, 9, "PER"), item(0, 5, "ORG")]
    found = categories(gold, [item(0, 5, "PER")])
    assert found == [("type", gold[1], item(0, 5, "PER"), None), ("missing", gold[0], None, None)]


def test_as_many_links_as_possible() -> None:
    # The long prediction could take either; the short one only the second.
    gold = [item(0, 4), item(5, 9)]
    found = categories(gold, [item(0, 9), item(5, 8)])
    assert sorted((c, g.start if g else -1) for c, g, _, _ in found) == [
        ("boundary", 0),
        ("boundary", 5),
    ]


def test_a_repeated_prediction_is_spurious() -> None:
    assert [c for c, *_ in categories([item(0, 3)], [item(0, 3), item(0, 3)])] == [
        "correct",
        "spurious",
    ]


def test_spellings_where_the_protocol_compares_them() -> None:
    gold = Item("Ada", 0, 3, "PER")
    elsewhere = Item("Ada", 9, 12, "PER")
    assert categories([gold], [elsewhere], "gmner-surface@1")[0][0] == "correct"
    assert [c for c, *_ in categories([gold], [elsewhere])] == ["missing", "spurious"]
    kind = Item("Ada", 9, 12, "LOC")
    assert categories([gold], [kind], mode="riveg")[0][0] == "type"


def test_tigers_counting_knows_no_pairs() -> None:
    documents = [Scored("d", (item(0, 3),))]
    found = analyse(documents, documents, "gmner-iou50@1", options={"mode": "fmnerg"})
    assert found.errors is None
    assert {each.name for each in found.breakdowns} == {"type-frequency"}
    assert found.report.main.micro == Counts(1, 1, 1)


def test_region_errors_by_name() -> None:
    assert region_error(item(0, 1, "X", NEAR), item(0, 1, "X", FAR)) == "wrong region"
    assert region_error(item(0, 1, "X", NEAR), item(0, 1)) == "missed region"
    assert region_error(item(0, 1), item(0, 1, "X", FAR)) == "over-grounded"


# every item in exactly one category, whatever the protocol

ITEMS = st.lists(
    st.builds(
        lambda start, size, kind, fine, boxes, orphan: Item(
            "ab"[start % 2] * size,
            start,
            start + size,
            kind,
            fine,
            "regions" if boxes else "absent",
            tuple(("m0", box) for box in boxes),
            orphan,
        ),
        st.integers(0, 5),
        st.integers(1, 3),
        st.sampled_from(["PER", "LOC", "MISC"]),
        st.sampled_from([None, "politician", "city"]),
        st.lists(
            st.sampled_from([NEAR, FAR, (0.0, 0.0, 10.0, 6.0), (0.0, 0.0, 10.0, 5.0)]), max_size=2
        ),
        st.booleans(),
    ),
    max_size=6,
)
PROTOCOLS = [
    ("ner-span-conll@1", {}),
    ("ner-span-strict@1", {}),
    ("gmner-iou50@1", {}),
    ("gmner-iou50@1", {"inclusive": True, "level": "fine_type"}),
    ("gmner-iou50@1", {"mode": "gmner"}),
    ("gmner-iou50@1", {"mode": "riveg"}),
    ("gmner-surface@1", {}),
    ("fmnerg-iou50@1", {}),
]


def adds_up(found: Analysis, gold: list[Any], predicted: list[Any] | None = None) -> None:
    """The categories against the counts of the report and the items themselves."""
    assert found.errors is not None
    micro = found.report.main.micro
    assert isinstance(micro, Counts)
    sums = found.errors.tally()
    assert sum(each.gold for each in sums.values()) == micro.gold
    assert sum(each.predicted for each in sums.values()) == micro.predicted
    right = sums.get("correct", Tally())
    assert (right.gold, right.predicted) == (micro.correct, micro.correct)
    assert set(sums) <= set(found.errors.meanings)
    cases = [each.case for each in found.errors.cases]
    assert Counter(id(c.gold) for c in cases if c.gold) == Counter(map(id, gold))
    if predicted is not None:
        assert Counter(id(c.predicted) for c in cases if c.predicted) == Counter(map(id, predicted))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(PROTOCOLS), ITEMS, ITEMS)
def test_every_item_falls_into_exactly_one_category(
    protocol: tuple[str, dict[str, Any]], gold: list[Item], predicted: list[Item]
) -> None:
    name, options = protocol
    sides = [Scored("d", tuple(gold))], [Scored("d", tuple(predicted))]
    found = analyse(*sides, name, options=options)
    assert found.report.main.micro == score(*sides, name, options=options).main.micro
    if name == "ner-span-strict@1":
        gold = [each for each in gold if not each.orphan]
        predicted = [each for each in predicted if not each.orphan]
    # H-Index's counting drops all but the last prediction on a span.
    adds_up(found, gold, None if options.get("mode") == "gmner" else predicted)
    for each in found.breakdowns:
        total = sum((row.value for row in each.rows), Counts())
        assert total == found.report.parts[each.part].micro
        for row in each.rows:
            assert isinstance(row.value, Counts)
            if each.name != "type-frequency":
                assert row.value.correct <= min(row.value.gold, row.value.predicted)


def test_candidates_add_up_too() -> None:
    gold, predicted = Builder(), Builder()
    gold.region(*NEAR)
    gold.region(*FAR)
    gold.entity(0, 3, "PER", NEAR)
    gold.entity(4, 6, "LOC", NEAR)
    gold.entity(8, 9, "ORG")
    predicted.entity(0, 3, "PER", (0, 0, 10, 9))
    predicted.entity(4, 6, "LOC", FAR)
    predicted.entity(7, 9, "ORG")
    found = analyse([items_of(gold.build())], [items_of(predicted.build())], "gmner-candidates@1")
    assert found.errors is not None
    assert found.errors.tally() == {
        "correct": Tally(1, 1),
        "wrong region": Tally(1, 1),
        "boundary": Tally(1, 1),
    }
    assert found.report.main.micro == Counts(3, 3, 1)


# relations


def related(*facts: tuple[int, str, int], kinds: str = "PPPP") -> Builder:
    """Four entities, and relations between them by number."""
    document = Builder()
    names = [document.entity(9 * n, 9 * n + 3, kind) for n, kind in enumerate(kinds)]
    for head, kind, tail in facts:
        document.relate(names[head], kind, names[tail])
    return document


def relation_tally(
    gold: Builder, predicted: Builder, protocol: str, **options: Any
) -> dict[str, Tally]:
    sides = [items_of(gold.build())], [items_of(predicted.build())]
    found = analyse(*sides, protocol, options=options)
    assert found.errors is not None
    assert found.errors.meanings == FACT_CATEGORIES
    micro = found.report.main.micro
    assert isinstance(micro, Counts)
    sums = found.errors.tally()
    assert sum(each.gold for each in sums.values()) == micro.gold
    assert sum(each.predicted for each in sums.values()) == micro.predicted
    assert sums.get("correct", Tally()).gold == micro.correct
    return sums


def test_relations_of_given_pairs() -> None:
    gold = related(
        (0, "works_for", 1), (1, "near", 2), (2, "knows", 3), (0, "none", 3), (3, "near", 0)
    )
    predicted = related(
        (0, "works_for", 1), (1, "knows", 2), (2, "none", 3), (0, "near", 3), (1, "near", 3)
    )
    assert relation_tally(gold, predicted, "mre-no-none@1") == {
        "correct": Tally(1, 1),
        # 0 near 3 where the gold says 3 near 0
        "direction": Tally(1, 1),
        "wrong label": Tally(1, 1),
        "missed": Tally(1, 0),
        "spurious": Tally(0, 1),
    }
    # With the negative label among the classes, a missed relation is a wrong label.
    with_none = relation_tally(gold, predicted, "mre-micro@1")
    assert with_none["wrong label"] == Tally(2, 2)
    assert with_none["direction"] == Tally(1, 1)
    assert with_none["missed"] == Tally(1, 0)


def test_joint_relations() -> None:
    gold = related((0, "peer", 1), (1, "peer", 2), (2, "couple", 3))
    predicted = related((1, "peer", 0), (1, "couple", 2), (2, "couple", 3), kinds="PPPL")
    strict = relation_tally(gold, predicted, "jmere-strict@1")
    assert strict == {
        "correct": Tally(1, 1),
        "end type": Tally(1, 1),
        "wrong label": Tally(1, 1),
    }
    loose = relation_tally(gold, predicted, "jmere-boundaries@1")
    assert loose == {"correct": Tally(2, 2), "wrong label": Tally(1, 1)}
    directed = relation_tally(gold, predicted, "jmere-boundaries@1", directed=True)
    assert directed["direction"] == Tally(1, 1)


FACTS = st.lists(
    st.tuples(
        st.integers(0, 3), st.sampled_from(["near", "knows", "none"]), st.integers(0, 3)
    ).filter(lambda fact: fact[0] != fact[2]),
    max_size=6,
)


@settings(max_examples=50, deadline=None)
@given(FACTS, FACTS, st.sampled_from(["PPPP", "PLPL"]))
def test_relations_add_up(
    gold: list[tuple[int, str, int]], predicted: list[tuple[int, str, int]], kinds: str
) -> None:
    for name in ("mre-no-none@1", "mre-micro@1", "jmere-strict@1", "jmere-boundaries@1"):
        relation_tally(related(*gold), related(*predicted, kinds=kinds), name)


def test_objects_and_mentions() -> None:
    gold, predicted = Builder(), Builder()
    for document, box in ((gold, NEAR), (predicted, (0, 0, 10, 9))):
        mention, thing = document.entity(0, 3), document.region(*box)
        document.relate(mention, "holds", thing)
    assert relation_tally(gold, predicted, "object-entity@1", objects="iou50") == {
        "correct": Tally(1, 1)
    }
    assert relation_tally(gold, predicted, "object-entity@1") == {
        "missed": Tally(1, 0),
        "spurious": Tally(0, 1),
    }


def test_every_category_is_explained() -> None:
    assert list(ENTITY_CATEGORIES)[:4] == [
        "correct",
        "wrong region",
        "missed region",
        "over-grounded",
    ]
    assert set(FACT_CATEGORIES) & set(ENTITY_CATEGORIES) == {"correct", "spurious"}
