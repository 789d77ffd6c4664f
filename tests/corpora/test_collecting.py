from __future__ import annotations

from pathlib import Path

import pytest

from magpie.corpora import registry
from magpie.corpora.collecting import Collector
from magpie.corpora.dataset_card import DataFile
from magpie.corpora.pairs import UNTYPED
from magpie.corpora.pictures import Pictures
from magpie.corpora.reader import ReadOptions, UniqueIds
from magpie.corpora.records import Reading
from magpie.corpora.source import Found
from magpie.errors import FormatError
from magpie.schema import Block, Box

from .conftest import Notes


@pytest.fixture
def collector(tmp_path: Path, notes: Notes) -> Collector:
    reading = Reading(
        card=registry.card("uie"),
        split="test",
        found=Found(DataFile("a"), tmp_path / "a"),
        root=tmp_path,
        options=ReadOptions(),
        pictures=Pictures((), tmp_path, None),
        ids=UniqueIds(notes),
        report=notes,
    )
    return Collector(Block(text="Ada and “Bea” meet Ada"), reading, "a:1")


def test_places(collector: Collector, notes: Notes) -> None:
    assert collector.place("and") == (4, 7)
    assert collector.place("BEA") == (9, 12)
    assert not notes
    assert collector.place("Ada") == (0, 3)
    assert collector.place("Ada", used=[(0, 3)]) == (19, 22)
    assert notes.kinds == ["mention-ambiguous"] * 2
    assert collector.place("Grace") is None
    assert collector.place("Adab") is None  # nothing is guessed
    assert notes.kinds[2:] == ["value-unlocated"] * 2
    assert {note.where for note in notes} == {"a:1"}


def test_each_mention_is_one_entity(collector: Collector) -> None:
    first = collector.entity((0, 3), "person")
    assert collector.entity((0, 3), "person") == first
    assert collector.mention((0, 3)) == first
    assert collector.entity((0, 3), "cat") != first
    other = collector.mention((9, 12))
    kinds = [(e.id, e.type) for e in collector.annotations().entities]
    assert kinds == [(first, "person"), ("e1", "cat"), (other, UNTYPED)]
    assert collector.known("Ada") == (0, 3)
    assert collector.known("Ada", used=[(0, 3)]) is None
    assert collector.known("meet") is None


def test_relations_stand_once(collector: Collector, notes: Notes) -> None:
    ada, bea = collector.entity((0, 3), "person"), collector.entity((9, 12), "person")
    collector.relation(ada, bea, "kin")
    collector.relation(bea, ada, "kin")
    collector.relation(ada, bea, "kin")
    found = [(r.id, r.head, r.tail) for r in collector.annotations().relations]
    assert found == [("r0", ada, bea), ("r1", bea, ada)]
    assert notes.kinds == ["relation-repeated"]
    for head, tail, kind in ((ada, ada, "kin"), (ada, bea, "")):
        with pytest.raises(FormatError):
            collector.relation(head, tail, kind)


def test_events_with_mentions_and_boxes(collector: Collector) -> None:
    ada = collector.entity((0, 3), "person")
    box = collector.region("O1", "m0", Box(0, 0, 2, 2, media="m0"))
    assert collector.region("O1", "m0", Box(0, 0, 2, 2, media="m0")) == box
    collector.event("meet", (14, 18), [("who", ada), ("whom", box)])
    collector.event("meet", None, [])
    annotations = collector.annotations()
    assert [(e.id, len(e.arguments)) for e in annotations.events] == [("v0", 2), ("v1", 0)]
    assert [r.id for r in annotations.regions] == ["O1"]
    with pytest.raises(FormatError, match="without a type"):
        collector.event("", None, [])
    with pytest.raises(FormatError, match="without a type"):
        collector.entity((0, 3), "")
