"""Relations of given pairs: the worked MNRE example, what leaks from type pairs, MORE's subsets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.corpora import load
from magpie.errors import ComparisonError, ConfigError
from magpie.metrics import score
from magpie.metrics.averages import macro_average, weighted_average
from magpie.metrics.counts import Counts, Mean
from magpie.metrics.items import Scored, items_of
from magpie.metrics.relations import find_negative
from magpie.schema import (
    Annotations,
    Block,
    Box,
    Document,
    Entity,
    Media,
    Provenance,
    Region,
    Relation,
)

Pair = tuple[str, str]


def document(id: str, labels: Sequence[str | None], types: Sequence[Pair] | None = None) -> Scored:
    """A document of one relation a label, from its word 2i to its word 2i + 1; None gives none."""
    block = Block.from_words([f"w{n}" for n in range(2 * len(labels))])
    entities, relations = [], []
    for number, label in enumerate(labels):
        ends = []
        for side in (0, 1):
            word = 2 * number + side
            ends.append(f"e{word}")
            kind = "thing" if types is None else types[number][side]
            entities.append(Entity(id=f"e{word}", span=block.word_span(word, word + 1), type=kind))
        if label is not None:
            relations.append(Relation(id=f"r{number}", head=ends[0], tail=ends[1], type=label))
    annotations = Annotations(entities=tuple(entities), relations=tuple(relations))
    return items_of(Document(id=id, blocks=(block,), annotations=annotations))


def one_each(labels: Iterable[str | None]) -> list[Scored]:
    """One document an instance, as the corpus files have it."""
    return [document(str(number), [label]) for number, label in enumerate(labels)]


WORKED = [
    ("None", "None"),
    ("None", "None"),
    ("None", "peer"),
    ("None", "member_of"),
    ("member_of", "member_of"),
    ("member_of", "member_of"),
    ("member_of", "None"),
    ("peer", "peer"),
    ("peer", "couple"),
    ("contain", "contain"),
    ("awarded", "present_in"),
    ("couple", "couple"),
]
GOLD, PREDICTED = [gold for gold, _ in WORKED], [predicted for _, predicted in WORKED]


@pytest.mark.parametrize("together", [True, False])
def test_the_worked_example(together: bool) -> None:
    sides = (
        ([document("d", GOLD)], [document("d", PREDICTED)])
        if together
        else (one_each(GOLD), one_each(PREDICTED))
    )
    report = score(*sides, "mre-no-none@1")
    assert report.main.micro == Counts(gold=8, predicted=9, correct=5)
    assert report.main.micro.f1 == pytest.approx(10 / 17)
    assert report.parts["accuracy"].micro == Mean(7, 12)
    assert report.parts["accuracy"].micro.score == pytest.approx(0.583333, abs=1e-6)
    assert dict(report.notes) == {}
    per_type = {
        kind: (c.precision, c.recall, c.f1)
        for kind, c in report.main.per_type.items()
        if isinstance(c, Counts)
    }
    third = pytest.approx(2 / 3)
    assert per_type == {
        "member_of": (third, third, third),
        "peer": (0.5, 0.5, 0.5),
        "couple": (0.5, 1.0, third),
        "contain": (1.0, 1.0, 1.0),
        "awarded": (0.0, 0.0, 0.0),
        "present_in": (0.0, 0.0, 0.0),
    }
    macro = report.main.macro
    assert macro is not None
    assert macro.f1 == pytest.approx(0.566667, abs=1e-6)
    body = report.to_dict()
    assert body["parts"]["accuracy"]["micro"] == {"mean": pytest.approx(7 / 12), "n": 12}
    assert "macro" not in body["parts"]["accuracy"]


def test_with_the_negative_label_the_f1_is_the_accuracy() -> None:
    report = score(one_each(GOLD), one_each(PREDICTED), "mre-micro@1")
    assert report.main.micro == Counts(12, 12, 7)
    assert report.main.micro.f1 == report.parts["accuracy"].micro.score
    assert report.main.per_type["None"] == Counts(4, 3, 2)


def test_an_accuracy_by_label_is_the_recall_of_it() -> None:
    accuracy = score(one_each(GOLD), one_each(PREDICTED), "mre-no-none@1").parts["accuracy"]
    assert accuracy.per_type["None"] == Mean(2, 4)
    assert accuracy.per_type["member_of"] == Mean(2, 3)
    assert "present_in" not in accuracy.per_type


def test_answers_none_everywhere() -> None:
    report = score(one_each(GOLD), one_each(["None"] * 12), "mre-no-none@1")
    assert report.main.micro == Counts(8, 0, 0)
    assert report.main.micro.f1 == 0.0
    assert report.parts["accuracy"].micro.score == pytest.approx(1 / 3)
    empty = score(one_each(["None"]), one_each(["None"]), "mre-no-none@1")
    assert (empty.main.micro, empty.parts["accuracy"].micro) == (Counts(), Mean(1, 1))


def test_the_negative_label_is_found_by_name_or_given() -> None:
    def renamed(labels: list[str], name: str) -> list[Scored]:
        return one_each([name if label == "None" else label for label in labels])

    lower = score(renamed(GOLD, "none"), renamed(PREDICTED, "none"), "mre-no-none@1")
    assert lower.main.micro == Counts(8, 9, 5)
    sides = renamed(GOLD, "nothing"), renamed(PREDICTED, "nothing")
    unknown = score(*sides, "mre-no-none@1")
    assert unknown.main.micro == Counts(12, 12, 7)
    assert dict(unknown.notes) == {"negative label": "none among the labels: every class counts"}
    given_name = score(*sides, "mre-no-none@1", options={"negative": "nothing"})
    assert given_name.main.micro == Counts(8, 9, 5)
    assert dict(given_name.options) == {"negative": "nothing"}
    assert find_negative(["None", "Other"]) == "Other"
    assert find_negative(["peer"]) is None


def test_missing_and_surplus_pairs_are_named() -> None:
    predicted = document("d", [None, "peer", "peer"])
    gold = document("d", ["None", "couple", None])
    report = score([gold], [predicted], "mre-no-none@1")
    assert report.main.micro == Counts(1, 2, 0)
    assert report.parts["accuracy"].micro == Mean(0, 2)
    assert dict(report.notes) == {
        "gold pairs without prediction": 1,
        "predicted pairs not in the gold": 1,
    }
    nothing = score([gold], [], "mre-no-none@1", allow_missing=True)
    assert (nothing.main.micro, nothing.main.per_document) == (Counts(1, 0, 0), (Counts(1, 0, 0),))
    failed = replace(predicted, failed=True)
    assert score([gold], [failed], "mre-no-none@1").main.micro == Counts(1, 0, 0)


def test_direction_counts() -> None:
    def one(head: str, tail: str) -> Scored:
        block = Block.from_words(["Ada", "Ben"])
        entities = tuple(
            Entity(id=name, span=block.word_span(word, word + 1), type="per")
            for word, name in enumerate(("a", "b"))
        )
        relation = Relation(id="r", head=head, tail=tail, type="parent")
        annotations = Annotations(entities=entities, relations=(relation,))
        return items_of(Document(id="d", blocks=(block,), annotations=annotations))

    assert score([one("a", "b")], [one("a", "b")], "mre-no-none@1").main.micro.score == 1.0
    assert score([one("a", "b")], [one("b", "a")], "mre-no-none@1").main.micro.score == 0.0


@given(st.lists(st.tuples(*[st.sampled_from(["None", "peer", "couple"])] * 2), min_size=1))
def test_splitting_a_document_changes_nothing(pairs: list[tuple[str, str]]) -> None:
    gold, predicted = zip(*pairs, strict=True)
    whole = score([document("d", gold)], [document("d", predicted)], "mre-no-none@1")
    parts = score(one_each(gold), one_each(predicted), "mre-no-none@1")
    assert whole.main.micro == parts.main.micro
    assert whole.main.per_type == parts.main.per_type
    right = sum(g == p for g, p in pairs)
    assert whole.parts["accuracy"].micro == Mean(right, len(pairs))
    positive = sum(g == p != "None" for g, p in pairs)
    assert whole.main.micro == Counts(
        len(gold) - gold.count("None"), len(predicted) - predicted.count("None"), positive
    )


TYPES = [("per", "org"), ("per", "org"), ("misc", "loc"), ("misc", "loc"), ("per", "per")]
LEAKY = ["/per/org/member_of", "/per/org/member_of", "None", "None", "/per/per/peer"]


def test_what_the_type_pair_alone_gives() -> None:
    gold = [document("d", LEAKY, TYPES)]
    predicted = [document("d", ["None"] * 5, [("x", "y")] * 5)]
    report = score(gold, predicted, "mre-type-pair@1")
    assert report.main.micro == Counts(3, 3, 3)
    assert report.parts["mre"].micro == Counts(3, 0, 0)
    assert dict(report.notes) == {"type pairs": 3, "facts whose type pair has one label": 5}
    # One type for all pairs: the rule can only name the most frequent label.
    flat = [document("d", LEAKY)]
    report = score(flat, flat, "mre-type-pair@1")
    assert report.main.micro == Counts(3, 5, 2)
    assert report.parts["mre"].micro == Counts(3, 3, 3)
    # The path of a positive label gives its types away even then.
    by_label = score(flat, flat, "mre-type-pair@1", options={"pairs": "label"})
    assert by_label.main.micro == Counts(3, 3, 3)
    assert dict(by_label.options) == {"pairs": "label"}
    with pytest.raises(ConfigError, match="'entities', 'label', 'released'"):
        score(flat, flat, "mre-type-pair@1", options={"pairs": "gold"})
    with pytest.raises(ComparisonError, match="'d' carries no types"):
        score(flat, flat, "mre-type-pair@1", options={"pairs": "released"})


def test_types_released_with_the_questions() -> None:
    def noted(number: int, label: str, *notes: tuple[str, ...]) -> Scored:
        plain = document(str(number), [label]).document
        assert plain is not None
        assert plain.annotations is not None
        entities = tuple(
            replace(entity, provenance=Provenance(method="corpus", evidence=note))
            for entity, note in zip(plain.entities, notes, strict=True)
        )
        return items_of(plain.with_annotations(replace(plain.annotations, entities=entities)))

    gold = [
        noted(1, "peer", ("known-type:per", "predicted-type:org"), ("known-type:per",)),
        noted(2, "None", ("predicted-type:misc",), ("predicted-type:loc",)),
        noted(3, "None", ("predicted-type:misc",), ("predicted-type:loc",)),
        noted(4, "held_on", ("known-type:misc",), ("known-type:loc",)),
    ]
    report = score(gold, gold, "mre-type-pair@1", options={"pairs": "released"})
    # Of (misc, loc) two are None and one is not: the rule answers None.
    assert report.main.micro == Counts(2, 1, 1)
    assert dict(report.notes) == {"type pairs": 2, "facts whose type pair has one label": 1}


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("release", "counts", "f1"),
    [("v1", Counts(533, 529, 404), 76.08), ("v2", Counts(640, 276, 156), 34.06)],
)
def test_the_released_types_of_mnre_leak(
    data_dir: Path, release: str, counts: Counts, f1: float
) -> None:
    corpus = f"mqa@mnre{release[1]}"
    gold = [items_of(each) for each in load(corpus, "test", root=data_dir)]
    report = score(gold, gold, "mre-type-pair@1", options={"pairs": "released"})
    assert report.main.micro == counts
    assert 100 * report.main.micro.score == pytest.approx(f1, abs=0.005)


def fact(
    id: str, heads: int, boxes: Sequence[tuple[float, float]], labels: Sequence[str]
) -> Scored:
    """A post whose mentions and objects are joined in all ways, with a label each, row by row.

    ``boxes`` are left and right edges of the objects.
    """
    block = Block.from_words([f"w{n}" for n in range(heads)], id="b0")
    entities = tuple(
        Entity(id=f"e{n}", span=block.word_span(n, n + 1), type="per") for n in range(heads)
    )
    regions = tuple(
        Region.of_box(Box(x1, 0.0, x2, 10.0, media="m0"), id=f"o{n}")
        for n, (x1, x2) in enumerate(boxes)
    )
    ends = [(f"e{h}", f"o{o}") for h in range(heads) for o in range(len(boxes))]
    relations = tuple(
        Relation(id=f"r{n}", head=head, tail=tail, type=label)
        for n, ((head, tail), label) in enumerate(zip(ends, labels, strict=True))
    )
    annotations = Annotations(entities=entities, regions=regions, relations=relations)
    return items_of(
        Document(
            id=id,
            blocks=(block,),
            media=(Media(id="m0", uri=f"{id}.jpg"),),
            annotations=annotations,
        )
    )


ONE, TWO = [(0.0, 10.0)], [(0.0, 10.0), (20.0, 30.0)]


def test_subsets_by_mentions_and_objects() -> None:
    gold = [
        fact("a", 1, ONE, ["self"]),
        fact("b", 1, TWO, ["self", "none"]),
        fact("c", 2, ONE, ["none", "peer"]),
        fact("d", 2, TWO, ["none", "none", "none", "peer"]),
    ]
    predicted = [
        fact("a", 1, ONE, ["self"]),
        fact("b", 1, TWO, ["self", "self"]),
        fact("c", 2, ONE, ["none", "none"]),
        fact("d", 2, TWO, ["none", "none", "none", "self"]),
    ]
    report = score(gold, predicted, "object-entity@1")
    assert {name: part.micro for name, part in report.parts.items()} == {
        "more": Counts(4, 4, 2),
        "accuracy": Mean(6, 9),
        "1/1": Counts(1, 1, 1),
        "1/n": Counts(1, 2, 1),
        "n/1": Counts(1, 0, 0),
        "n/n": Counts(1, 1, 0),
    }
    assert report.notes["share of none in n/n"] == "75.0 %"
    assert report.notes["share of none in 1/1"] == "0.0 %"


def test_a_post_is_one_whether_its_facts_stand_together_or_apart() -> None:
    apart = [
        replace(part, id=str(number), document=replace(document, id=str(number)))
        for number, part in enumerate(
            [fact("b", 1, ONE, ["self"]), fact("b", 1, TWO[1:], ["self"])]
        )
        if (document := part.document) is not None
    ]
    report = score(apart, apart, "object-entity@1")
    assert report.parts["1/n"].micro == Counts(2, 2, 2)
    assert report.parts["1/1"].micro == Counts()


@pytest.mark.parametrize(("right", "given", "near"), [(10.0, 1, 1), (5.0, 0, 1), (4.9, 0, 0)])
def test_objects_given_or_found(right: float, given: int, near: int) -> None:
    sides = [fact("a", 1, ONE, ["self"])], [fact("a", 1, [(0.0, right)], ["self"])]
    assert score(*sides, "object-entity@1").main.micro == Counts(1, 1, given)
    found = score(*sides, "object-entity@1", options={"objects": "iou50"})
    assert found.main.micro == Counts(1, 1, near)


@pytest.mark.slow
@pytest.mark.parity
def test_the_public_relation_scorers(parity_dir: Path) -> None:
    """Accuracy, micro, the library's report by label and its averages, in 300 random cases."""
    stored: dict[str, Any] = json.loads(
        (parity_dir / "mre-scorer" / "cases.json").read_text("utf-8")
    )
    assert len(stored["cases"]) == 300
    rows = 0
    for case in stored["cases"]:
        numbers = stored["vocabularies"][case["vocabulary"]]
        names = {number: name for name, number in numbers.items()}
        sides = [
            [document("d", [names[number] for number in case[side]])] for side in ("gold", "pred")
        ]
        report = score(*sides, "mre-no-none@1")
        expected = case["expected"]["function"]
        micro = report.main.micro
        assert isinstance(micro, Counts)
        found = (report.parts["accuracy"].micro.score, micro.precision, micro.recall, micro.f1)
        keys = ("acc", "micro_p", "micro_r", "micro_f1")
        assert found == pytest.approx([expected[key] for key in keys], abs=1e-9), case["id"]

        per_label = {
            kind: value
            for kind, value in score(*sides, "mre-micro@1").main.per_type.items()
            if isinstance(value, Counts)
        }
        # The library's report is restricted to all labels but the first of the vocabulary.
        library = case["expected"]["report"]
        listed = {name: per_label.get(name, Counts()) for name in library["per_class"]}
        for name, row in library["per_class"].items():
            value = listed[name]
            here = [value.precision, value.recall, value.f1, value.gold]
            assert here == pytest.approx(row, abs=1e-9), (case["id"], name)
        for average, key in (
            (macro_average(listed, listed), "macro"),
            (weighted_average(listed), "weighted"),
        ):
            here = [average.precision, average.recall, average.f1]
            assert here == pytest.approx(library[key][:3], abs=1e-9), (case["id"], key)
        if library["micro"] is not None:
            total = sum(listed.values(), Counts())
            here = [total.precision, total.recall, total.f1, total.gold]
            assert here == pytest.approx(library["micro"], abs=1e-9), case["id"]
            rows += 1
        # Its counters by class put the negative label into slot 0, whatever its number is.
        slots = [Mean()] * len(names)
        for name, hits in report.parts["accuracy"].per_type.items():
            assert isinstance(hits, Mean)
            number = 0 if name == find_negative(names.values()) else numbers[name]
            slots[number] += hits
        camim = case["expected"]["camim"]
        rates = zip(camim["correct"], camim["positives_per_class"], strict=True)
        assert slots == [Mean(*rate) for rate in rates], case["id"]
    assert rows > 250
