"""Protocols: the registry, what each one counts, and what its report says."""

from __future__ import annotations

import re
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from magpie.errors import ComparisonError, ConfigError, NotFoundError
from magpie.metrics import DEFAULTS, PROTOCOLS, check_comparable, protocol, score
from magpie.metrics.counts import Counts, add_up
from magpie.metrics.items import Item, Scored, items_of
from magpie.metrics.table import ENTITY_PROTOCOLS, RELATION_PROTOCOLS
from magpie.schema import Annotations, Block, Document, Entity, Relation


def doc(id: str, *entities: tuple[Any, ...], **fields: Any) -> Scored:
    """A document from (start, end, type) or (start, end, type, fine type, orphan)."""
    items = tuple(
        Item(
            "x" * (end - start), start, end, kind, *(rest[:1] or [None]), orphan=rest[1:] == [True]
        )
        for start, end, kind, *rest in entities
    )
    return Scored(id, items, **fields)


def test_the_registry() -> None:
    grounded = ("gmner", "mner", "eeg")
    assert {p.name: (p.task, p.parts) for p in ENTITY_PROTOCOLS} == {
        "ner-span-conll@1": ("ner", ("mner",)),
        "ner-span-strict@1": ("ner", ("mner",)),
        "ner-umt@1": ("ner", ("mner",)),
        "ner-hvpnet@1": ("ner", ("mner",)),
        "ner-umgf@1": ("ner", ("mner",)),
        "ner-adaseq@1": ("ner", ("mner",)),
        "gmner-iou50@1": ("gmner", grounded),
        "gmner-surface@1": ("gmner", grounded),
        "gmner-candidates@1": ("gmner", grounded),
        "fmnerg-iou50@1": (
            "fmnerg",
            ("fmnerg", "fmner", "eeg", "coarse-gmner", "coarse-mner"),
        ),
    }
    assert {p.name: (p.task, p.parts) for p in RELATION_PROTOCOLS} == {
        "mre-no-none@1": ("mre", ("mre", "accuracy")),
        "mre-micro@1": ("mre", ("mre", "accuracy")),
        "mre-type-pair@1": ("mre", ("type-pair", "mre")),
        "object-entity@1": (
            "object-entity",
            ("more", "accuracy", "1/1", "1/n", "n/1", "n/n"),
        ),
        "jmere-strict@1": ("jmere", ("jmere", "entities")),
        "jmere-boundaries@1": ("jmere", ("jmere",)),
        "jmere-grid@1": ("jmere", ("jmere", "entities")),
    }
    assert all(PROTOCOLS[name].task == task for task, name in DEFAULTS.items())
    assert {p.task for p in PROTOCOLS.values()} == set(DEFAULTS)
    for name, p in PROTOCOLS.items():
        assert name == p.name
        assert re.fullmatch(r"[a-z0-9-]+@[1-9][0-9]*", name)
        assert p.summary
        assert set(p.means) <= set(p.parts)
        assert callable(p.load_counter())
        assert p.prepare is None or callable(p.load_prepare())
        assert all(option.check(option.default) == option.default for option in p.options)


def test_an_unknown_protocol_names_the_nearest() -> None:
    with pytest.raises(NotFoundError, match="no protocol 'ner-span-conl@1'") as caught:
        protocol("ner-span-conl@1")
    assert "ner-span-conll@1" in caught.value.mend
    with pytest.raises(NotFoundError) as caught:
        protocol("!")
    assert all(name in caught.value.mend for name in PROTOCOLS)


def test_a_switch_by_name_is_that_of_the_argument() -> None:
    by_name = score(GOLD, PREDICTED, "gmner-iou50@1", options={"mode": "riveg"})
    assert by_name == score(GOLD, PREDICTED, "gmner-iou50@1", mode="riveg")
    assert dict(by_name.options) == {"mode": "riveg"}
    fine = score(GOLD, PREDICTED, options={"level": "fine_type"})
    assert (fine.level, dict(fine.options)) == ("fine_type", {})
    with pytest.raises(ConfigError, match="one of None, 'gmner'"):
        score(GOLD, PREDICTED, "gmner-iou50@1", options={"mode": "h-index"})


def test_counts_of_each_document_stay_reachable() -> None:
    report = score(GOLD, PREDICTED)
    assert report.document_ids == ("1", "2", "3")
    assert report.main.per_document == (Counts(2, 2, 1), Counts(2, 2, 1), Counts(0, 1, 0))
    assert report.main.per_document_types[1] == {
        "ORG": Counts(1, 1, 1),
        "PER": Counts(1, 0, 0),
        "LOC": Counts(0, 1, 0),
    }
    assert add_up(report.main.per_document, Counts()) == report.main.micro


def test_gold_that_nobody_looked_for_is_counted() -> None:
    note = "gold mentions of unknown grounding, taken as not in the picture"
    report = score(GOLD, PREDICTED, "gmner-iou50@1")
    assert dict(report.notes) == {note: 4}
    assert report.to_dict()["notes"] == {note: 4}
    absent = [Scored("1", (Item("x", 0, 1, "PER", grounding="absent"),))]
    assert dict(score(absent, absent, "gmner-iou50@1").notes) == {}
    assert dict(score(GOLD, PREDICTED).notes) == {}


def test_the_macro_average_stands_beside_the_micro_score() -> None:
    body = score(GOLD, PREDICTED).to_dict()
    # LOC 0, ORG 1, PER 1/2 of two predicted and two gold ones.
    assert body["macro"] == {"precision": 0.5, "recall": 0.5, "f1": 0.5}


def test_flat_lines_are_too_little_for_some_protocols() -> None:
    with pytest.raises(ComparisonError, match="'1' is a flat line") as caught:
        score(GOLD, PREDICTED, "mre-no-none@1")
    assert caught.value.code == "compare-protocol"


GOLD = [
    doc("1", (0, 3, "PER"), (5, 9, "LOC")),
    doc("2", (0, 4, "ORG", None, True), (6, 8, "PER")),
    doc("3"),
]
PREDICTED = [
    doc("1", (0, 3, "PER"), (5, 8, "LOC")),
    doc("2", (0, 4, "ORG"), (6, 8, "LOC")),
    doc("3", (1, 2, "PER")),
]


def test_lenient_counts_orphans() -> None:
    report = score(GOLD, PREDICTED)
    assert report.protocol == "ner-span-conll@1"
    assert report.main.micro == Counts(gold=4, predicted=5, correct=2)
    assert dict(report.main.per_type) == {
        "LOC": Counts(1, 2, 0),
        "ORG": Counts(1, 1, 1),
        "PER": Counts(2, 2, 1),
    }


def test_strict_leaves_orphans_out() -> None:
    report = score(GOLD, PREDICTED, "ner-span-strict@1")
    assert report.main.micro == Counts(gold=3, predicted=5, correct=1)
    assert report.main.per_type["ORG"] == Counts(0, 1, 0)
    # A tagger's own orphan is none either.
    orphaned = [doc("1"), doc("2", (6, 8, "PER", None, True)), doc("3")]
    assert score(GOLD, orphaned, "ner-span-strict@1").main.micro == Counts(3, 0, 0)
    assert score(GOLD, orphaned).main.micro == Counts(4, 1, 1)


def test_one_span_may_be_right_once() -> None:
    doubled = [doc("1", (0, 3, "PER"), (0, 3, "PER"))]
    assert score([doc("1", (0, 3, "PER"))], doubled).main.micro == Counts(1, 2, 1)


@pytest.mark.parametrize(("mine", "theirs"), [("MISC", "OTHER"), ("OTHER", "MISC")])
def test_misc_and_other_are_one_type_under_the_golds_name(mine: str, theirs: str) -> None:
    report = score([doc("1", (0, 3, mine))], [doc("1", (0, 3, theirs))])
    assert dict(report.main.per_type) == {mine: Counts(1, 1, 1)}


def test_fine_types() -> None:
    gold = [doc("1", (0, 3, "PER", "artist"), (5, 9, "LOC", "city"))]
    predicted = [doc("1", (0, 3, "PER", "actor"), (5, 9, "LOC"))]
    assert score(gold, predicted).main.micro == Counts(2, 2, 2)
    fine = score(gold, predicted, level="fine_type")
    assert dict(fine.main.per_type) == {
        "actor": Counts(0, 1, 0),
        "artist": Counts(1, 0, 0),
        "city": Counts(1, 0, 0),
        "none": Counts(0, 1, 0),
    }
    assert fine.level == "fine_type"


@pytest.mark.parametrize("options", [{"mode": "riveg"}, {"inclusive": True}])
def test_options_about_boxes_need_a_protocol_about_boxes(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="has no option"):
        score(GOLD, PREDICTED, **options)


def test_the_legacy_scorer_belongs_to_its_mode() -> None:
    with pytest.raises(ConfigError, match="legacy_train_scorer"):
        score(GOLD, PREDICTED, "gmner-iou50@1", legacy_train_scorer=True)


def test_missing_and_failed_documents() -> None:
    with pytest.raises(ComparisonError):
        score(GOLD, PREDICTED[:2])
    report = score(GOLD, PREDICTED[:1], allow_missing=True)
    assert report.main.micro == Counts(4, 2, 1)
    failed = [PREDICTED[0], doc("2", (0, 4, "ORG"), failed=True), doc("3")]
    report = score(GOLD, failed)
    assert report.main.micro == Counts(4, 2, 1)
    assert (report.failed, report.documents) == (1, 3)


def test_json_of_one_score() -> None:
    gold = [doc("1", (0, 3, "PER"), source="fieldnotes@1:test")]
    body = score(gold, [doc("1", (0, 3, "PER"))]).to_dict()
    right = {"precision": 1.0, "recall": 1.0, "f1": 1.0, "gold": 1, "predicted": 1, "correct": 1}
    assert body["protocol"] == "ner-span-conll@1"
    assert body["micro"] == right
    assert body["per_type"] == {"PER": right}
    assert body["sources"] == ["fieldnotes@1:test"]
    assert (body["task"], body["level"], body["documents"], body["failed"]) == ("ner", "type", 1, 0)
    assert "parts" not in body


def test_json_of_three_scores() -> None:
    body = score(GOLD, PREDICTED, "gmner-iou50@1", inclusive=True).to_dict()
    assert list(body["parts"]) == ["gmner", "mner", "eeg"]
    assert body["micro"] == body["parts"]["gmner"]["micro"]
    assert body["parts"]["eeg"]["micro"]["correct"] == 3
    assert body["options"] == {"inclusive": True}


def test_intervals_hold_the_score() -> None:
    gold = [doc(str(n), (0, 3, "PER")) for n in range(40)]
    predicted = [doc(str(n), (0, 3, "PER" if n % 4 else "LOC")) for n in range(40)]
    body = score(gold, predicted, bootstrap=300).to_dict()
    low, high = body["f1_interval_95"]
    assert 0.5 < low < body["micro"]["f1"] == 0.75 < high < 1.0
    assert body == score(gold, predicted, bootstrap=300).to_dict()
    assert "f1_interval_95" not in score(gold, predicted).to_dict()


def test_the_table_shows_percentages_and_failures() -> None:
    failed = [PREDICTED[0], doc("2", failed=True), doc("3")]
    console = Console(file=StringIO(), width=120)
    console.print(score(GOLD, failed, "gmner-iou50@1", bootstrap=20))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "gmner-iou50@1" in shown
    assert "3 documents, 1 of them failed and count as empty" in shown
    assert all(part in shown for part in ("gmner", "mner", "eeg"))
    assert "50.00" in shown  # precision: one of two
    assert "25.00" in shown  # recall: one of four
    assert re.search(r"^ all +50\.00 +25\.00 +33\.33 +\d+\.\d\d to \d+\.\d\d ", shown, re.M)


def test_eighty_columns_show_every_number_and_the_whole_of_every_name() -> None:
    label = "/per/loc/place_of_residence"
    gold = [doc("1", (0, 3, label))]
    console = Console(file=StringIO(), width=80)
    console.print(score(gold, gold, "gmner-iou50@1", bootstrap=20))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    rows = [row.split() for row in shown.splitlines() if row.strip()]
    assert sum(row[1:] == ["100.00"] * 4 + ["to", "100.00", "1", "1", "1"] for row in rows) == 6
    first = rows.index(["all", *["100.00"] * 4, "to", "100.00", "1", "1", "1"])
    assert "".join(row[0] for row in rows[first + 1 : first + 4]) == label


def test_results_are_comparable_or_refused() -> None:
    lenient = score(GOLD, PREDICTED)
    check_comparable(lenient, score(GOLD, GOLD))
    with pytest.raises(ComparisonError, match="differ in protocol") as caught:
        check_comparable(lenient, score(GOLD, PREDICTED, "ner-span-strict@1"))
    assert caught.value.code == "compare-protocol"
    with pytest.raises(ComparisonError, match="differ in documents"):
        check_comparable(lenient, score(GOLD[:2], PREDICTED[:2]))
    boxes = score(GOLD, PREDICTED, "gmner-iou50@1")
    with pytest.raises(ComparisonError, match="differ in options"):
        check_comparable(boxes, score(GOLD, PREDICTED, "gmner-iou50@1", mode="riveg"))


def test_means_have_a_table_of_their_own() -> None:
    def one(label: str) -> Scored:
        block = Block.from_words(["Ada", "Ben"])
        entities = tuple(
            Entity(id=f"e{n}", span=block.word_span(n, n + 1), type="per") for n in (0, 1)
        )
        relation = Relation(id="r", head="e0", tail="e1", type=label)
        annotations = Annotations(entities=entities, relations=(relation,))
        return items_of(Document(id="1", blocks=(block,), annotations=annotations))

    report = score([one("peer")], [one("none")], "mre-no-none@1", bootstrap=10)
    body = report.to_dict()["parts"]["accuracy"]
    assert body["mean_interval_95"] == [0.0, 0.0]
    assert body["per_type"]["peer"] == {"mean": 0.0, "n": 1, "mean_interval_95": [0.0, 0.0]}
    console = Console(file=StringIO(), width=140)
    console.print(report)
    rows = [row.split() for row in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]
    # Counts and means have a table each, headed by the score.
    assert ["mre", "P", "R", "F1", "95", "%", "correct", "predicted", "gold"] in rows
    at = rows.index(["accuracy", "mean", "95", "%", "n"])
    assert rows[at + 2] == ["all", "0.00", "0.00", "to", "0.00", "1"]
    with pytest.raises(TypeError, match="no precision"):
        _ = report.parts["accuracy"].published
    plain = Console(file=StringIO(), width=120)
    plain.print(score(GOLD, PREDICTED))
    assert "mean" not in plain.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize(("start", "text", "right"), [(0, "Ada", 1), (8, "Ada", 1), (0, "Ana", 0)])
def test_surface_strings_are_compared_wherever_they_stand(
    start: int, text: str, right: int
) -> None:
    gold = [Scored("1", (Item("Ada", 0, 3, "PER", grounding="absent"),))]
    predicted = [Scored("1", (Item(text, start, start + 3, "PER"),))]
    report = score(gold, predicted, "gmner-surface@1")
    assert {part.micro for part in report.parts.values()} == {Counts(1, 1, right)}
    wrong = [Scored("1", (Item(text, start, start + 3, "ORG"),))]
    parts = score(gold, wrong, "gmner-surface@1").parts
    assert [part.micro.to_dict()["correct"] for part in parts.values()] == [0, 0, right]


def test_surface_strings_match_one_to_one_and_a_box_from_half_on() -> None:
    def box(right: float) -> Any:
        return (("", (0.0, 0.0, right, 10.0)),)

    gold = [Scored("1", (Item("Ada", 0, 3, "PER", boxes=box(10.0)), Item("Ada", 9, 12, "PER")))]
    # The first fits the boxed one only, the second the other only, whatever their order.
    items = (Item("Ada", 9, 12, "PER", boxes=box(5.0)), Item("Ada", 0, 3, "PER"))
    for given in (items, items[::-1]):
        report = score(gold, [Scored("1", given)], "gmner-surface@1")
        assert report.main.micro == Counts(2, 2, 2)
    less = [Scored("1", (Item("Ada", 0, 3, "PER", boxes=box(4.9)),))]
    assert score(gold, less, "gmner-surface@1").main.micro == Counts(2, 1, 0)
