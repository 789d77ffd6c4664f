from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.corpora.statistics import Distribution, describe, statistics
from magpie.corpora.statistics_page import measures, statistics_page
from magpie.errors import NotFoundError
from magpie.schema import Annotations, Block, Document, Entity, Grounding, Media, Region, Span
from magpie.schema.geometry import Box

from .conftest import TWEETS, XML_11

Write = Callable[..., Path]


def grounded(*boxes: tuple[float, float, float, float]) -> Grounding:
    regions = (Region.of_box(Box(*corners, media="m0")) for corners in boxes)
    return Grounding.in_regions(*regions)


def post(identifier: str, text: str, *entities: tuple[str, str, Grounding]) -> Document:
    found = []
    for number, (mention, kind, grounding) in enumerate(entities):
        start = text.index(mention)
        span = Span("b0", start, start + len(mention))
        found.append(Entity(id=f"e{number}", span=span, type=kind, grounding=grounding))
    return Document(
        id=identifier,
        blocks=(Block(text=text),),
        media=(Media(uri="1.jpg", width=50, height=50),),
        annotations=Annotations(entities=tuple(found)),
    )


SHOWN = grounded((0, 0, 5, 5), (1, 1, 9, 9))
DOCUMENTS = [
    post("a", "Ada Byron met Ada Lovelace", ("Ada Byron", "PER", SHOWN),
         ("Ada Lovelace", "PER", Grounding("absent"))),
    post("b", "rain over ada byron", ("ada byron", "PER", SHOWN)),
    post("c", "Turin", ("Turin", "LOC", Grounding())),
    post("d", "nothing here at all"),
]  # fmt: skip


def test_values() -> None:
    found = statistics(DOCUMENTS, "mine")
    assert found.name == "mine"
    assert found.digest == "unlisted"
    assert found.words.counted == {5: 1, 4: 2, 1: 1}
    assert found.characters.counted == {26: 1, 19: 2, 5: 1}
    assert found.entities.counted == {2: 1, 1: 2, 0: 1}
    assert found.entity_words.counted == {2: 3, 1: 1}
    assert found.pictures.counted == {1: 4}
    assert found.boxes.counted == {2: 2}  # nobody looked at the pictures of c and d
    assert found.grounding == {"LOC": (0, 0, 1), "PER": (2, 1, 0)}
    assert found.groundable == pytest.approx(2 / 3)
    assert found.mentions.counted == {2: 1, 1: 2}  # "Ada Byron" and "ada byron" are one
    assert found.top_mentions == (("ada byron", 2), ("ada lovelace", 1), ("turin", 1))
    assert found.counts.types == {"PER": 3, "LOC": 1}


def test_boxes_shared_by_two_mentions_count_once() -> None:
    twice = post("a", "Ada and Byron", ("Ada", "PER", SHOWN), ("Byron", "PER", SHOWN))
    assert statistics([twice]).boxes.counted == {2: 1}


def test_nothing_at_all() -> None:
    found = statistics([])
    assert found.groundable is None
    assert found.words.mean is None
    assert found.to_dict()["words"] == {
        "total": 0,
        "mean": None,
        "min": None,
        "median": None,
        "p90": None,
        "max": None,
        "counted": {},
    }
    assert measures([found]) == [["documents", 0], ["files", "no card states a digest"]]
    assert "Corpora" in statistics_page([found])


@given(st.lists(st.integers(0, 50), min_size=1), st.floats(0.01, 1))
def test_quantiles_are_those_of_the_sorted_list(values: list[int], share: float) -> None:
    counted = {value: values.count(value) for value in values}
    found = Distribution(counted)
    smallest = next(v for v in sorted(values) if sum(w <= v for w in values) >= share * len(values))
    assert found.quantile(share) == smallest
    assert found.mean == pytest.approx(sum(values) / len(values))
    assert found.quantile(1.0) == max(values)


def test_describe_names_splits_and_warns(twitter2015: Write) -> None:
    root = twitter2015(TWEETS + "\nIMGID:13\ncut\n")
    (found,) = describe(["twitter2015:test"], root)
    assert found.name == "twitter2015@umt:test"
    assert found.unreadable == 1
    assert found.digest == "unknown"
    assert "does not know" in found.warnings[0]
    assert found.counts.documents == 2
    value = found.to_dict()
    assert value["counts"]["entities_lenient"] == 3
    assert value["words"]["counted"] == {"3": 1, "4": 1}
    with pytest.raises(NotFoundError):
        describe(["twitter2015"], root)  # train is not there


def test_page_holds_every_table(gmner: Write) -> None:
    root = gmner(boxes={"11": XML_11})
    (found,) = describe(["gmner:test"], root)
    text = statistics_page([found, dataclasses.replace(found, name="<b>other</b>")], title="T")
    for heading in ("Entity types", "Length of the texts", "Boxes a picture", "long tail"):
        assert heading in text
    assert text.count("<img ") == 8
    assert "<b>other" not in text
    assert "Relation types" not in text
    assert "results are not comparable" in text


def test_page_without_matplotlib(gmner: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("magpie.corpora.statistics_page.can_plot", lambda: False)
    (found,) = describe(["gmner:test"], gmner(boxes={"11": XML_11}))
    text = statistics_page([found])
    assert "<img " not in text
    assert text.count("magpie-ie[plots]") == 1
    assert "turin" in text
    assert "Boxes a picture" in text


def test_same_documents_same_page(gmner: Write) -> None:
    found = describe(["gmner:test"], gmner(boxes={"11": XML_11}))
    assert statistics_page(found) == statistics_page(found)
