"""Breakdowns with values, examples with their documents, and the JSON that carries both."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from magpie.corpora import load
from magpie.corpora.anomaly import ignore
from magpie.corpora.side.predictions import predictions
from magpie.metrics import Counts, Item, Mean, Scored, items_of, score
from magpie.metrics.analysis import Analysis, analyse
from magpie.metrics.breakdowns import words_of
from magpie.schema import Block, Document, Media

from .builders import Builder
from .test_categories import FAR, NEAR


def rows(found: Analysis, name: str, part: str) -> dict[str, tuple[int, int, int]]:
    (table,) = [each for each in found.breakdowns if (each.name, each.part) == (name, part)]
    counted = {}
    for row in table.rows:
        assert isinstance(row.value, Counts)
        counted[row.name] = (row.value.gold, row.value.predicted, row.value.correct)
    return counted


def mention(text: str, start: int, kind: str, *boxes: tuple[float, float, float, float]) -> Item:
    shown = tuple(("m0", box) for box in boxes)
    status = "regions" if boxes else "absent"
    return Item(text, start, start + len(text), kind, grounding=status, boxes=shown)  # type: ignore[arg-type]


TEXT = "Ada Byron met Rio in Rio de Janeiro"
GOLD = [
    Scored(
        "a",
        (
            mention("Ada Byron", 0, "PER", NEAR),
            mention("Rio", 14, "PER"),
            mention("Rio de Janeiro", 21, "LOC"),
        ),
        text=TEXT,
    ),
    Scored("b", (mention("Porto", 0, "LOC"),), text="Porto " + "so " * 20),
]
PREDICTED = [
    Scored(
        "a",
        (
            mention("Ada Byron", 0, "PER", FAR),
            mention("Rio", 14, "LOC"),
            mention("Rio de Janeiro", 21, "LOC"),
        ),
        text=TEXT,
    ),
    Scored("b", (), text=GOLD[1].text),
]
TRAIN = [
    Scored("t1", (mention("Rio", 0, "LOC"), mention("Porto", 9, "LOC"))),
    Scored("t2", tuple(mention("Ada Byron", 10 * n, "PER") for n in range(12))),
]


@pytest.fixture(scope="module")
def found() -> Analysis:
    return analyse(GOLD, PREDICTED, "gmner-iou50@1", train=TRAIN)


def test_by_length_of_the_text(found: Analysis) -> None:
    assert rows(found, "text-words", "gmner") == {"0-10": (3, 3, 1), "21-30": (1, 0, 0)}


def test_by_picture_where_some_are_missing() -> None:
    gold = []
    for name, media in (
        ("a", (Media(uri="a.jpg"), Media(id="m1", uri="b.jpg", missing="not found"))),
        ("b", (Media(uri="b.jpg", missing="not found"),)),
        ("c", (Media(kind="audio", uri="c.wav"),)),
    ):
        items = (mention("Porto", 0, "LOC"),)
        document = Document(id=name, blocks=(Block(text="Porto"),), media=media)
        gold.append(Scored(name, items, text="Porto", document=document))
    silent = [gold[0], *(Scored(each.id, (), text="Porto") for each in gold[1:])]
    found = analyse(gold, silent, "gmner-iou50@1")
    assert rows(found, "picture", "mner") == {
        "at hand": (1, 1, 1),
        "missing": (1, 0, 0),
        "none": (1, 0, 0),
    }
    alike = analyse(gold[1:2], silent[1:2], "gmner-iou50@1")
    assert "picture" not in {each.name for each in alike.breakdowns}


def test_by_length_of_the_mention(found: Analysis) -> None:
    assert rows(found, "entity-words", "mner") == {"1": (2, 1, 0), "2": (1, 1, 1), "3": (1, 1, 1)}
    assert rows(found, "entity-words", "gmner") == {"1": (2, 1, 0), "2": (1, 1, 0), "3": (1, 1, 1)}


def test_seen_and_unseen(found: Analysis) -> None:
    # Rio is a place in training. The gold's person Rio was seen otherwise; the prediction, a
    # place, stands in the row of its own type.
    assert rows(found, "seen", "mner") == {
        "seen": (2, 2, 1),
        "seen with another type": (1, 0, 0),
        "unseen": (1, 1, 1),
    }
    # EEG asks for no type: the same prediction is right, and stands in its partner's row.
    assert rows(found, "seen", "eeg")["seen with another type"] == (1, 1, 1)


def test_in_the_picture_or_not(found: Analysis) -> None:
    assert rows(found, "grounding", "gmner") == {
        "with a box": (1, 1, 0),
        "without a box": (3, 2, 1),
    }
    assert not [
        each for each in found.breakdowns if (each.name, each.part) == ("grounding", "mner")
    ]


def test_by_frequency_of_the_type(found: Analysis) -> None:
    assert rows(found, "type-frequency", "mner") == {"1-9": (2, 2, 1), "10-99": (2, 1, 1)}
    without = analyse(GOLD, PREDICTED, "ner-span-conll@1")
    assert rows(without, "type-frequency", "mner") == {"1-9": (4, 3, 2)}
    assert [each.by for each in without.breakdowns if each.name == "type-frequency"] == [
        "occurrences of the type in this gold"
    ]
    assert not [each for each in without.breakdowns if each.name == "seen"]


def test_types_of_training_are_spelled_as_those_of_the_gold() -> None:
    gold = [Scored("a", (mention("Rio", 0, "MISC"),))]
    train = [Scored("t", (mention("Rio", 0, "OTHER"),) * 10)]
    found = analyse(gold, gold, train=train)
    assert rows(found, "seen", "mner") == {"seen": (1, 1, 1)}
    assert rows(found, "type-frequency", "mner") == {"10-99": (1, 1, 1)}


def test_words_are_those_of_the_corpus() -> None:
    blocks = (
        Block.from_words(("Rio-de-Janeiro", "shines")),
        Block(id="b1", text="#Ada now", words=((0, 1), (1, 4), (5, 8))),
    )
    scored = items_of(Document(id="d", blocks=blocks))
    assert words_of(scored) == [(0, 14), (15, 21), (22, 23), (23, 26), (27, 30)]
    text = scored.text or ""
    items = tuple(mention(text[a:b], a, "X") for a, b in ((0, 14), (4, 6), (22, 26), (0, 23)))
    pair = [Scored("d", items, text=text, document=scored.document)]
    found = analyse(pair, pair)
    assert rows(found, "entity-words", "mner") == {"1": (2, 2, 2), "2": (1, 1, 1), "3": (1, 1, 1)}
    assert rows(found, "text-words", "mner") == {"0-10": (4, 4, 4)}


def test_flat_lines_have_no_length_of_text() -> None:
    lines = [Scored("a", (mention("New York", 0, "LOC"),))]
    found = analyse(lines, lines)
    assert {each.name for each in found.breakdowns} == {"type-frequency", "entity-words"}
    assert rows(found, "entity-words", "mner") == {"2": (1, 1, 1)}


def test_mentions_without_a_spelling_stand_apart() -> None:
    gold = [Scored("a", (Item("", 0, 3, "LOC"), mention("Rio", 5, "LOC")))]
    found = analyse(gold, gold, train=[Scored("t", (Item("", 0, 3, "LOC"),))])
    assert rows(found, "seen", "mner") == {"unseen": (1, 1, 1), "spelling unknown": (1, 1, 1)}


def test_means_break_down_too() -> None:
    gold, predicted = Builder(), Builder()
    for document, label in ((gold, "knows"), (predicted, "near")):
        a, b, c = (document.entity(n, n + 1) for n in (0, 2, 4))
        document.relate(a, label, b)
        document.relate(a, "near", c)
    sides = [items_of(gold.build())], [items_of(predicted.build())]
    train = [items_of(gold.build())]
    found = analyse(*sides, "mre-no-none@1", train=train)
    tables = {(each.name, each.part): each.rows for each in found.breakdowns}
    (row,) = tables["text-words", "accuracy"]
    assert (row.name, row.value) == ("0-10", Mean(1.0, 2))
    (row,) = tables["type-frequency", "mre"]
    assert (row.name, row.value) == ("1-9", Counts(2, 2, 1))
    assert "entity-words" not in {name for name, _ in tables}


def test_protocols_without_pairs_say_so() -> None:
    document = Builder()
    document.event("Attack", (0, 3))
    scored = [items_of(document.build())]
    found = analyse(scored, scored, "m2e2-text@1")
    assert found.errors is None
    assert found.to_dict()["errors"] is None
    assert {each.name for each in found.breakdowns} == {"text-words", "type-frequency"}


def test_the_report_is_that_of_score(found: Analysis) -> None:
    assert found.report == score(GOLD, PREDICTED, "gmner-iou50@1")


def test_json(found: Analysis) -> None:
    body = json.loads(json.dumps(found.to_dict(examples=1)))
    assert body["micro"]["correct"] == 1
    first = body["breakdowns"][0]
    assert (first["name"], first["part"], first["by"]) == (
        "text-words",
        "gmner",
        "words of the text",
    )
    assert first["rows"][1] == {
        "name": "21-30",
        "gold": 1,
        "predicted": 0,
        "correct": 0,
        "precision": 0.0,
        "recall": 0.0,
        "f1": 0.0,
    }
    errors = body["errors"]
    assert errors["part"] == "gmner"
    assert [(e["category"], e["gold"], e["predicted"]) for e in errors["categories"]] == [
        ("correct", 1, 1),
        ("wrong region", 1, 1),
        ("type", 1, 1),
        ("missing", 1, 0),
    ]
    assert errors["categories"][0]["examples"] == []
    (example,) = errors["categories"][1]["examples"]
    assert example["document"] == "a"
    assert example["gold"] == {
        "text": "Ada Byron",
        "start": 0,
        "end": 9,
        "type": "PER",
        "grounding": "regions",
        "boxes": [{"media": "m0", "box": [0, 0, 10, 10]}],
    }
    assert example["predicted"]["boxes"][0]["box"] == [50, 50, 60, 60]


def test_examples_come_from_all_over_the_file() -> None:
    gold = [Scored(f"d{n}", (mention("Rio", 0, "LOC"),)) for n in range(20)]
    found = analyse(gold, [Scored(each.id, ()) for each in gold])
    assert found.errors is not None
    shown = found.errors.examples("missing", 4)
    assert [each.document for each in shown] == ["d0", "d5", "d10", "d15"]
    assert found.errors.examples("missing", 0) == []
    assert len(found.errors.examples("missing", 100)) == 20


def test_ends_of_relations_are_spelled_out() -> None:
    gold, predicted = Builder(), Builder()
    first, second = gold.entity(0, 3), gold.entity(10, 12, "LOC")
    gold.relate(first, "near", second)
    predicted.entity(0, 3)
    gold.relate(first, "holds", gold.region(*NEAR))
    found = analyse([items_of(gold.build())], [items_of(predicted.build())], "mre-no-none@1")
    assert found.errors is not None
    (category,) = found.errors.to_dict()["categories"]
    assert [each["gold"] for each in category["examples"]] == [
        {
            "type": "near",
            "head": {"text": "abc", "start": 0, "end": 3, "type": "PER"},
            "tail": {"text": "ab", "start": 10, "end": 12, "type": "LOC"},
        },
        {
            "type": "holds",
            "head": {"text": "abc", "start": 0, "end": 3, "type": "PER"},
            "tail": {"media": "m0", "box": [0.0, 0.0, 10.0, 10.0]},
        },
    ]


@pytest.mark.corpus
@pytest.mark.slow
def test_rivegs_published_predictions(data_dir: Path) -> None:
    gold = [items_of(each) for each in load("gmner", "test", root=data_dir)]
    train = [items_of(each) for each in load("gmner", "train", root=data_dir)]
    made = predictions("riveg-predictions", "test", root=data_dir, on_problem=ignore)
    found = analyse(gold, [items_of(each) for each in made], train=train)
    assert found.errors is not None
    assert {name: (t.gold, t.predicted) for name, t in found.errors.tally().items()} == {
        "correct": (2206, 2206),
        "type": (120, 120),
        "boundary": (72, 72),
        "boundary+type": (13, 13),
        "missing": (132, 0),
        "spurious": (0, 124),
    }
    assert rows(found, "seen", "mner") == {
        "seen": (1107, 1121, 1037),
        "seen with another type": (42, 41, 25),
        "unseen": (1394, 1373, 1144),
    }
