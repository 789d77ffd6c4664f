"""Grounded NER by candidates: what a detector does not cover can never be right."""

from __future__ import annotations

from typing import Any

import pytest

from magpie.errors import ComparisonError, ConfigError
from magpie.metrics import score
from magpie.metrics.counts import Counts
from magpie.metrics.items import Scored, items_of
from magpie.schema import (
    Annotations,
    Block,
    Box,
    Document,
    Entity,
    Grounding,
    Media,
    Region,
)

NAME = "gmner-candidates@1"
Corners = tuple[int, int, int, int]


def region(corners: Corners) -> Region:
    return Region.of_box(Box(*map(float, corners), media="m0"))


def document(entities: dict[int, tuple[str, list[Corners]]], candidates: list[Corners]) -> Scored:
    """Word -> (type, boxes), and the detector's boxes."""
    block = Block.from_words([f"w{n}" for n in range(7)])
    found = tuple(
        Entity(
            id=f"e{word}",
            span=block.word_span(word, word + 1),
            type=kind,
            grounding=Grounding.in_regions(*map(region, boxes)),
        )
        for word, (kind, boxes) in entities.items()
    )
    annotations = Annotations(entities=found, regions=tuple(map(region, candidates)))
    media = (Media(id="m0", uri="p.jpg"),)
    return items_of(Document(id="1", blocks=(block,), media=media, annotations=annotations))


# The worked tweet: A with two boxes, B not shown, C without a candidate, D, E not shown; F is not
# in the gold.
CANDIDATES: list[Corners] = [(205, 20, 300, 210), (50, 50, 90, 70), (0, 0, 50, 50)]
GOLD: dict[int, tuple[str, list[Corners]]] = {
    0: ("PER", [(10, 10, 110, 210), (200, 10, 300, 210)]),
    1: ("ORG", []),
    2: ("LOC", [(300, 300, 400, 400)]),
    3: ("ORG", [(50, 50, 90, 70)]),
    4: ("OTHER", []),
}
PREDICTED: dict[int, tuple[str, list[Corners]]] = {
    0: ("PER", [CANDIDATES[0]]),
    1: ("ORG", []),
    2: ("LOC", []),
    3: ("OTHER", [CANDIDATES[1]]),
    4: ("OTHER", [CANDIDATES[2]]),
    5: ("ORG", []),
}


def test_the_worked_example() -> None:
    report = score([document(GOLD, CANDIDATES)], [document(PREDICTED, [])], NAME)
    assert {name: part.micro for name, part in report.parts.items()} == {
        "gmner": Counts(5, 6, 2),
        "mner": Counts(5, 6, 4),
        "eeg": Counts(5, 6, 3),
    }
    gmner = report.main.micro.to_dict()
    assert (gmner["precision"], gmner["recall"], gmner["f1"]) == pytest.approx(
        (0.3333, 0.4, 0.3636), abs=1e-4
    )
    assert dict(report.notes) == {"gold mentions that no candidate covers": 1}


def test_candidates_may_come_with_the_predictions() -> None:
    report = score([document(GOLD, [])], [document(PREDICTED, CANDIDATES)], NAME)
    assert report.main.micro == Counts(5, 6, 2)


def test_only_the_first_candidates_are_kept() -> None:
    sides: Any = [document(GOLD, CANDIDATES)], [document(PREDICTED, [])]
    report = score(*sides, NAME, options={"candidates": 1})
    # D loses its candidate, so that its region is wrong now.
    assert report.parts["eeg"].micro == Counts(5, 6, 2)
    assert dict(report.options) == {"candidates": 1}
    with pytest.raises(ConfigError, match="0 or more, got -1"):
        score(*sides, NAME, options={"candidates": -1})


def test_uncovered_gold_is_wrong_even_where_the_box_itself_is_right() -> None:
    far: list[Corners] = [(0, 0, 50, 50)]
    gold = document({0: ("LOC", [(300, 300, 400, 400)])}, far)
    for boxes in ([(300, 300, 400, 400)], far, []):
        predicted = document({0: ("LOC", boxes)}, [])
        assert score([gold], [predicted], NAME).main.micro == Counts(1, 1, 0)
    exact = document({0: ("LOC", [(300, 300, 400, 400)])}, [])
    assert score([gold], [exact], "gmner-iou50@1").main.micro == Counts(1, 1, 1)


@pytest.mark.parametrize(("option", "right"), [("published", 1), ("wrong", 0)])
def test_a_best_overlap_of_exactly_half(option: str, right: int) -> None:
    candidates: list[Corners] = [(0, 0, 100, 50), (500, 500, 600, 600)]
    gold = document({0: ("LOC", [(0, 0, 100, 100)])}, candidates)
    predicted = document({0: ("LOC", [candidates[1]])}, [])
    report = score([gold], [predicted], NAME, options={"exact_half": option})
    assert report.main.micro == Counts(1, 1, right)
    nowhere = document({0: ("LOC", [])}, [])
    report = score([gold], [nowhere], NAME, options={"exact_half": option})
    assert report.main.micro == Counts(1, 1, 0)


def test_without_any_candidate_there_is_no_such_score() -> None:
    with pytest.raises(ComparisonError, match="no document has candidate regions"):
        score([document(GOLD, [])], [document(PREDICTED, [])], NAME)
