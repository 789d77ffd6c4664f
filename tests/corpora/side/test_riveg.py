from __future__ import annotations

from typing import Any

import pytest

from magpie.corpora.side import riveg

PREDICTED = (
    "Imageid:11.jpg#7060###Ada Byron(PER)###Ada Byron(PER)-A poet's daughter.###2\n"
    "Imageid:11.jpg#6aac###Turin(LOC)###Turin(LOC)-A town.###0\n"
)
GOLD = (
    "11.jpg###Ada Byron(PER)###a poet's daughter###2###&[1.0, 2.0, 30.0, 40.0]&[5, 6, 7, 8]\n"
    "11.jpg###Turin(LOC)###a town###0###&[0, 0, 0, 0]\n"
)


def test_predicted_answers(write: Any, notes: Any) -> None:
    first, second = riveg.predicted_answers([write(PREDICTED)], "test", notes)
    assert (first.key, first.text, first.type, first.visible) == ("11", "Ada Byron", "PER", True)
    assert first.expression == "A poet's daughter."
    assert (second.text, second.visible, second.regions) == ("Turin", False, ())
    assert notes == []


def test_gold_answers(write: Any, notes: Any) -> None:
    first, second = riveg.gold_answers([write(GOLD)], "test", notes)
    assert [region.box.xyxy for region in first.regions if region.box] == [
        (1, 2, 30, 40),
        (5, 6, 7, 8),
    ]
    assert (second.visible, second.regions) == (False, ())
    assert notes == []


def test_expansions_leave_the_predicted_type_out(write: Any, notes: Any) -> None:
    rows = list(riveg.expansions([write(PREDICTED)], "test", notes))
    assert [(row.key, row.text) for row in rows] == [
        ("11", "Ada Byron: A poet's daughter."),
        ("11", "Turin: A town."),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "Imageid:11.jpg#7060###Ada(PER)###Ada(PER)-x",
        "11.jpg###Ada(PER)###Ada(PER)-x###2",
        "Imageid:11.jpg#7060###Ada###Ada-x###2",
        "Imageid:11.jpg#7060###Ada(PER)###Ada(PER)-x###1",
        "Imageid:11.jpg#7060###(PER)###(PER)-x###0",
    ],
)
def test_bad_predictions_are_set_aside(line: str, write: Any, notes: Any) -> None:
    found = write(f"{line}\n{PREDICTED}")
    assert len(list(riveg.predicted_answers([found], "test", notes))) == 2
    assert notes.kinds == ["unreadable"]
    assert notes[0].where == f"{found.name}:1"


@pytest.mark.parametrize("places", ["&[1, 2, 3]", "&[1, 2, 3, NaN]", "&[5, 5, 5, 9]", "&x"])
def test_bad_boxes_are_set_aside(places: str, write: Any, notes: Any) -> None:
    found = write(f"11.jpg###Ada(PER)###x###2###{places}\n{GOLD}")
    assert len(list(riveg.gold_answers([found], "test", notes))) == 2
    assert notes.kinds == ["unreadable"]


def test_a_name_with_parentheses_keeps_them(write: Any, notes: Any) -> None:
    found = write("Imageid:1.jpg#0a###Ada (poet)(PER)###Ada (poet)(PER)-x###0\n")
    (row,) = riveg.predicted_answers([found], "test", notes)
    assert (row.text, row.type) == ("Ada (poet)", "PER")
