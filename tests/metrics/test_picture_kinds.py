"""Scores by what kind of picture a document has."""

from __future__ import annotations

import dataclasses

from magpie.metrics import Counts, Item, Scored
from magpie.metrics.analysis import Analysis, analyse
from magpie.metrics.picture_kinds import SUBSETS, picture_kind, subset
from magpie.schema import Block, ContextText, Document, Media
from magpie.vision.kinds import KIND_SOURCE

PER, LOC = Item("Ada", 0, 3, "PER"), Item("Rio", 8, 11, "LOC")


def scored(name: str, kind: str | None, *items: Item, picture: bool = True) -> Scored:
    media = (Media(uri="a.jpg"),) if picture else ()
    notes = () if kind is None else (ContextText(kind="note", text=kind, source=KIND_SOURCE),)
    document = Document(id=name, blocks=(Block(text="Ada met Rio"),), media=media, context=notes)
    return Scored(name, items, text=document.text, document=document)


GOLD = [
    scored("a", "photo", PER, LOC),
    scored("b", "cartoon_or_drawing", PER),
    scored("c", " abstract_or_graphic ", LOC),
    scored("d", None, PER),
    scored("e", None, PER, picture=False),
    scored("f", "sketch", LOC),
]
FOUND = [
    Scored("a", (PER, dataclasses.replace(LOC, type="PER"))),
    Scored("b", (PER,)),
    Scored("c", ()),
    Scored("d", (LOC,)),
    Scored("e", (PER,)),
    Scored("f", (LOC,)),
]


def rows(found: Analysis, name: str) -> dict[str, Counts]:
    (table,) = [each for each in found.breakdowns if each.name == name]
    assert all(isinstance(row.value, Counts) for row in table.rows)
    return {row.name: row.value for row in table.rows}  # type: ignore[misc]


def test_who_names_the_kind() -> None:
    kinds = [picture_kind(each) for each in GOLD]
    assert kinds == [
        "photo", "cartoon_or_drawing", "abstract_or_graphic", "not told", "no picture", "sketch",
    ]  # fmt: skip
    assert [subset(each) for each in GOLD] == [SUBSETS[n] for n in (0, 1, 1, 3, 2, 1)]
    gone = scored("g", "photo", PER)
    assert gone.document is not None
    missing = dataclasses.replace(gone.document, media=(Media(uri="a.jpg", missing="lost"),))
    assert picture_kind(dataclasses.replace(gone, document=missing)) == "no picture"
    assert picture_kind(Scored("flat", ())) == "not told"


def test_the_score_by_subset_and_kind() -> None:
    found = analyse(GOLD, FOUND)
    assert rows(found, "picture-subset") == {
        "photo": Counts(2, 2, 1),
        "not photo": Counts(3, 2, 2),
        "no picture": Counts(1, 1, 1),
        "not told": Counts(1, 1, 0),
    }
    kinds = rows(found, "picture-kind")
    assert list(kinds) == [
        "photo", "cartoon_or_drawing", "abstract_or_graphic", "sketch", "no picture", "not told",
    ]  # fmt: skip
    assert kinds["abstract_or_graphic"] == Counts(1, 0, 0)
    whole = found.report.parts["mner"].micro
    assert sum(kinds.values(), Counts()) == whole


def test_the_score_of_each_type_by_kind() -> None:
    found = rows(analyse(GOLD, FOUND), "picture-kind-type")
    # Of the wrong LOC of the photo its gold stands under LOC, its prediction under PER.
    assert found["photo: PER"] == Counts(1, 2, 1)
    assert found["photo: LOC"] == Counts(1, 0, 0)
    assert found["cartoon_or_drawing: PER"] == Counts(1, 1, 1)
    assert found["not told: LOC"] == Counts(0, 1, 0)
    assert found["photo: PER"].f1 == 2 / 3
    assert sum(found.values(), Counts()) == Counts(7, 6, 4)


def test_nothing_is_said_where_no_kind_is_told() -> None:
    found = analyse(GOLD[3:5], FOUND[3:5])
    names = {each.name for each in found.breakdowns}
    assert "picture" in names
    assert not {"picture-kind", "picture-subset", "picture-kind-type"} & names
