"""The scorers against stored results of the public evaluators, 300 random cases each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from magpie.metrics import score
from magpie.metrics.counts import Counts
from magpie.metrics.items import Item, Scored
from magpie.schema import Annotations, Block, Box, Document, Media, Region

pytestmark = pytest.mark.parity

Case = dict[str, Any]


@pytest.fixture(scope="module")
def cases(parity_dir: Path) -> list[Case]:
    found: list[Case] = json.loads((parity_dir / "gmner-scorer" / "cases.json").read_text())[
        "cases"
    ]
    assert len(found) == 300
    return found


def items(entities: list[dict[str, Any]], level: str) -> tuple[Item, ...]:
    """Entities of a tweet with the type of that level; their places count words."""
    built = []
    for entity in entities:
        boxes = entity["boxes"] if "boxes" in entity else [entity["box"]]
        places = tuple(("m0", tuple(map(float, box))) for box in boxes if box is not None)
        built.append(Item(entity["text"], *entity["span"], type=entity[level], boxes=places))
    return tuple(built)


def sides(case: Case, level: str) -> tuple[list[Scored], list[Scored]]:
    """Gold and predictions of a case, as the scorers take them."""
    gold, predicted = (
        [Scored(tweet["image"], items(tweet[side], level)) for tweet in case["tweets"]]
        for side in ("gold", "predictions")
    )
    return gold, predicted


def counts(expected: dict[str, Any]) -> Counts:
    return Counts(expected["gold"], expected["pred"], expected["tp"])


#: name of the stored score -> (part of the protocol, level of the types)
SCORES = {
    "gmner": ("gmner", "type"),
    "mner": ("mner", "type"),
    "eeg": ("eeg", "type"),
    "fmnerg": ("gmner", "fine"),
    "fmner": ("mner", "fine"),
    "coarse8": ("gmner", "coarse"),
}


def compared(
    cases: list[Case], evaluator: str, names: dict[str, tuple[str, str]], **options: Any
) -> Iterator[tuple[Case, dict[str, Any], Any]]:
    """(case, stored score, our part) for each score of an evaluator."""
    for case in cases:
        for name, (part, level) in names.items():
            report = score(*sides(case, level), "gmner-iou50@1", **options)
            yield case, case["expected"][evaluator][name], report.parts[part]


@pytest.mark.parametrize(
    ("evaluator", "inclusive"), [("project", False), ("project_inclusive", True)]
)
def test_our_definition(cases: list[Case], evaluator: str, inclusive: bool) -> None:
    found = Counts()
    for case, expected, part in compared(cases, evaluator, SCORES, inclusive=inclusive):
        assert part.micro == counts(expected), case["id"]
        ratios = (part.micro.precision, part.micro.recall, part.micro.f1)
        assert ratios == pytest.approx((expected["p"], expected["r"], expected["f1"]), abs=1e-9)
        found += part.micro
    assert found.correct > 3000


def test_the_totals_of_our_definition(cases: list[Case]) -> None:
    totals = {"gmner": Counts(), "mner": Counts(), "eeg": Counts()}
    for case in cases:
        for name, part in score(*sides(case, "type"), "gmner-iou50@1").parts.items():
            totals[name] += part.micro
    assert totals == {
        "gmner": Counts(1074, 1273, 441),
        "mner": Counts(1074, 1273, 716),
        "eeg": Counts(1074, 1273, 512),
    }


def test_riveg(cases: list[Case]) -> None:
    names = {name: SCORES[name] for name in ("gmner", "eeg")}
    for case, expected, part in compared(cases, "riveg", names, mode="riveg"):
        assert part.micro == counts(expected), case["id"]
        assert part.published == pytest.approx((expected["p"], expected["r"]), abs=1e-9)


def test_bipartite_matching_on_text(cases: list[Case]) -> None:
    for case in cases:
        report = score(*sides(case, "type"), "gmner-surface@1")
        for name, part in report.parts.items():
            assert part.micro == counts(case["expected"]["e2e"][name]), (case["id"], name)


def well_formed(cases: list[Case]) -> list[Case]:
    """Cases without a sentence that makes the release lose count of the regions after it."""
    kept = [case for case in cases if not case["tiger"]["has_malformed_sentence"]]
    assert len(kept) == 295
    return kept


def test_fmnerg(cases: list[Case]) -> None:
    names = {
        "fmnerg": ("gmner", "fine"),
        "fmner": ("mner", "fine"),
        "eeg": ("eeg", "fine"),
        "coarse8": ("gmner", "coarse"),
    }
    printed = 0
    for case, expected, part in compared(well_formed(cases), "fmnerg", names, mode="fmnerg"):
        assert part.micro == counts(expected), case["id"]
        if expected["reported"] is not None:  # null: the release divides by zero
            reported = (expected["reported"]["p"] / 100, expected["reported"]["r"] / 100)
            assert part.published == pytest.approx(reported, abs=1e-9), case["id"]
            printed += 1
    assert printed > 500


def test_the_scorer_inside_the_training_of_fmnerg(cases: list[Case]) -> None:
    names = {"in_training": ("gmner", "fine")}
    options: dict[str, Any] = {"mode": "fmnerg", "legacy_train_scorer": True}
    for case, expected, part in compared(well_formed(cases), "fmnerg", names, **options):
        assert part.micro == counts(expected), case["id"]
        if expected["gold"] > 0:
            assert part.published == pytest.approx((expected["p"], expected["r"]), abs=1e-9)


def test_h_index(cases: list[Case]) -> None:
    numbers = [case for case in cases if not case["expected"]["h_index"]["nan_labels"]]
    assert len(numbers) == 277
    for case in numbers:
        expected = case["expected"]["h_index"]
        part = score(*sides(case, "type"), "gmner-iou50@1", mode="gmner").main
        tp, fp, fn = expected["tp"], expected["fp"], expected["fn"]
        assert part.micro == Counts(gold=tp + fn, predicted=tp + fp, correct=tp), case["id"]
        percent = [round(100 * x, 2) for x in (*part.published, part.micro.f1)]
        stored = [expected["percent"][name] for name in ("p", "r", "f1")]
        assert percent == pytest.approx(stored, abs=1e-9), case["id"]
        mner = score(*sides(case, "type"), "gmner-iou50@1", mode="gmner").parts["mner"]
        assert mner.micro.correct == expected["span_type_correct"], case["id"]


def with_candidates(case: Case) -> tuple[list[Scored], list[Scored]]:
    """The sides with the detector's boxes in the gold documents."""
    gold, predicted = sides(case, "type")
    full = []
    for tweet, scored in zip(case["tweets"], gold, strict=True):
        boxes = [Box(*map(float, box), media="m0") for box in tweet["candidates"]]
        document = Document(
            id=scored.id,
            blocks=(Block.from_words(tweet["words"]),),
            media=(Media(id="m0", uri="p.jpg"),),
            annotations=Annotations(regions=tuple(map(Region.of_box, boxes))),
        )
        full.append(replace(scored, document=document))
    empty = [
        replace(scored, document=document.document)
        for scored, document in zip(predicted, full, strict=True)
    ]
    return full, empty


def test_h_index_by_candidates(cases: list[Case]) -> None:
    """Every case, those with labels that are no numbers included."""
    half = 0
    for case in cases:
        expected = case["expected"]["h_index"]
        parts = score(*with_candidates(case), "gmner-candidates@1").parts
        tp, fp, fn = expected["tp"], expected["fp"], expected["fn"]
        assert parts["gmner"].micro == Counts(gold=tp + fn, predicted=tp + fp, correct=tp), case[
            "id"
        ]
        assert parts["mner"].micro.correct == expected["span_type_correct"], case["id"]
        half += expected["nan_labels"]
    assert half == 23
