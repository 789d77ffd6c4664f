"""GLiNER's two shapes: the items themselves, what they lose, and files of other origin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from magpie.errors import MagpieError
from magpie.export import ExportReport, export, read
from magpie.schema import Annotations, Block, Document, Entity, Relation, Span

from . import samples


def people(text: str = "Ada met Ada in New York", **more: Any) -> Document:
    """Nested and repeated names, and relations between them."""
    spans = {"e0": (0, 3, "PER"), "e1": (8, 11, "PER"), "e2": (15, 23, "LOC"), "e3": (19, 23, "X")}
    entities = tuple(
        Entity(id=name, span=Span("b0", a, b), type=kind) for name, (a, b, kind) in spans.items()
    )
    relations = (
        Relation(id="r0", head="e1", tail="e2", type="in"),
        Relation(id="r1", head="e0", tail="e1", type="met"),
    )
    annotations = Annotations(entities=entities, relations=relations)
    return Document(id="d", blocks=(Block(text=text),), annotations=annotations, **more)


def two_blocks() -> Document:
    entities = (
        Entity(id="a", span=Span("x", 0, 3), type="PER"),
        Entity(id="b", span=Span("y", 0, 4), type="PER"),
        Entity(id="c", span=Span("y", 5, 8), type="PER"),
    )
    relations = (
        Relation(id="across", head="a", tail="b", type="t"),
        Relation(id="within", head="c", tail="b", type="t"),
    )
    blocks = (Block(id="x", text="Ada"), Block(id="y", text="Lord\tBen"))
    annotations = Annotations(entities=entities, relations=relations)
    return Document(id="two", blocks=blocks, annotations=annotations)


def written(folder: Path, name: str, *documents: Document, **options: Any) -> ExportReport:
    return export(documents, name, folder / "out.json", **options)


def back(name: str, path: Path) -> tuple[list[Document], list[MagpieError]]:
    problems: list[MagpieError] = []
    return list(read(name, path, on_problem=problems.append)), problems


def foreign(folder: Path, name: str, content: str) -> tuple[list[Document], list[MagpieError]]:
    (folder / "in.json").write_text(content, "utf-8")
    return back(name, folder / "in.json")


def found(one: Document) -> list[tuple[str, str]]:
    return [(one.text_of(entity), entity.type) for entity in one.entities]


def joined(one: Document) -> list[tuple[str, str, str]]:
    names = {entity.id: one.text_of(entity) for entity in one.entities}
    relations = one.annotations.relations if one.annotations else ()
    return [(names[r.head], r.type, names[r.tail]) for r in relations]


# gliner


def test_an_item_of_gliner(tmp_path: Path) -> None:
    report = written(tmp_path, "gliner", people(), samples.plain(), labels=True)
    first, second = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert first == {
        "tokenized_text": ["Ada", "met", "Ada", "in", "New", "York"],
        "ner": [[0, 0, "PER"], [2, 2, "PER"], [4, 5, "LOC"], [5, 5, "X"]],
        "id": "d",
        "text": "Ada met Ada in New York",
        "relations": [[1, 2, "in"], [0, 1, "met"]],
        "ner_labels": ["PER", "LOC", "X"],
    }
    assert second["ner_labels"] == ["PER", "LOC", "X"]
    assert len((tmp_path / "out.json").read_text("utf-8").splitlines()) == 4
    assert set(report.losses) == {"ids"}


def test_words_of_the_corpus_need_no_text_beside(tmp_path: Path) -> None:
    block = Block.from_words(["Ada", "New York", "=cmd()"])
    written(tmp_path, "gliner", Document(id="d", blocks=(block,), annotations=Annotations()))
    (item,) = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert item == {
        "tokenized_text": ["Ada", "New York", "=cmd()"],
        "ner": [],
        "id": "d",
        "relations": [],
    }
    (one,), _ = back("gliner", tmp_path / "out.json")
    assert one.blocks == (block,)


@pytest.mark.parametrize("name", ["gliner", "gliner2"])
def test_nested_and_repeated_names_and_relations_come_back(name: str, tmp_path: Path) -> None:
    written(tmp_path, name, people())
    (one,), problems = back(name, tmp_path / "out.json")
    assert sorted((e.span, e.type) for e in one.entities) == sorted(
        (e.span, e.type) for e in people().entities
    )
    spans = {e.id: e.span.start for e in one.entities}
    assert one.annotations is not None
    assert [(spans[r.head], r.type, spans[r.tail]) for r in one.annotations.relations] == [
        *((8, "in", 15), (0, "met", 8))
    ]
    assert problems == []


@pytest.mark.parametrize("name", ["gliner", "gliner2"])
def test_relations_across_blocks_are_lost_by_name(name: str, tmp_path: Path) -> None:
    report = written(tmp_path, name, two_blocks())
    assert report.losses["relations: between two blocks"].examples == ["two/across"]
    (one,), _ = back(name, tmp_path / "out.json")
    assert [(block.id, block.text) for block in one.blocks] == [("x", "Ada"), ("y", "Lord\tBen")]
    assert joined(one) == [("Ben", "t", "Lord")]
    report = written(tmp_path, name, samples.pictures())
    assert [loss.count for kind, loss in report.losses.items() if kind[:10] == "relations:"] == [2]


@pytest.mark.parametrize("name", ["gliner", "gliner2"])
def test_no_block_at_all_is_said(name: str, tmp_path: Path) -> None:
    report = written(tmp_path, name, Document(id="none", blocks=()))
    assert report.losses["documents: without any block"].examples == ["none"]
    assert back(name, tmp_path / "out.json") == ([], [])


def test_gliner_of_other_origin(tmp_path: Path) -> None:
    content = (
        '[{"tokenized_text": ["Ada", "Byron", "left"], "ner": [[0, 1, "person"]]},'
        '\n {"tokenized_text": ["Turin"], "ner": []}]'
    )
    documents, problems = foreign(tmp_path, "gliner", content)
    assert [(one.id, one.text) for one in documents] == [
        ("in-1", "Ada Byron left"),
        ("in-2", "Turin"),
    ]
    assert found(documents[0]) == [("Ada Byron", "person")]
    assert problems == []


@pytest.mark.parametrize(
    ("item", "complaint"),
    [
        ({"tokenized_text": "Ada"}, "expected tokenized_text to be a list of words"),
        ({"tokenized_text": ["Ada", ""]}, "expected tokenized_text to be a list of words"),
        ({"tokenized_text": ["Ada"], "ner": [[0, 1, "X"]]}, "leaves the 1 words"),
        ({"tokenized_text": ["Ada"], "ner": [[-1, 0, "X"]]}, "leaves the 1 words"),
        ({"tokenized_text": ["Ada"], "ner": [["0", 0, "X"]]}, "expected two whole numbers in ner"),
        ({"tokenized_text": ["Ada"], "ner": [[0, True, "X"]]}, "expected two whole numbers in ner"),
        ({"tokenized_text": ["Ada"], "ner": [[0, 0]]}, "expected [number, number, type] in ner"),
        ({"tokenized_text": ["Ada"], "ner": {"a": 1}}, "expected ner to be a list"),
        ({"tokenized_text": ["Ada"], "ner": [[0, 0, ""]]}, "entity.type"),
        ({"tokenized_text": ["a"], "relations": [[0, 0, "r"]]}, "points outside the 0 entities"),
        ({"tokenized_text": ["Ada"], "text": "Eve and Ada"}, "do not hold the same characters"),
        ({"tokenized_text": ["Ada"], "text": "Ada", "words": [[0, 9]]}, "out of order, empty or"),
        ({"tokenized_text": ["Ada"], "text": 3}, "expected text to be a text"),
        ({"tokenized_text": ["Ada"], "id": ["x"]}, "expected id to be a text"),
        ("Ada", "expected an object"),
    ],
)
def test_a_bad_item_costs_itself_only(item: Any, complaint: str, tmp_path: Path) -> None:
    good = {"tokenized_text": ["good"], "ner": []}
    documents, problems = foreign(tmp_path, "gliner", json.dumps([good, item, good]))
    assert [one.text for one in documents] == ["good", "good"]
    assert len(problems) == 1
    assert complaint in str(problems[0])
    assert "in.json" in problems[0].where


# gliner2


def test_a_line_of_gliner2(tmp_path: Path) -> None:
    written(tmp_path, "gliner2", people())
    (line,) = (tmp_path / "out.json").read_text("utf-8").splitlines()
    item = json.loads(line)
    assert item["input"] == "Ada met Ada in New York"
    assert item["output"] == {
        "entities": {"PER": ["Ada", "Ada"], "LOC": ["New York"], "X": ["York"]},
        "relations": [
            {"in": {"head": "Ada", "tail": "New York"}},
            {"met": {"head": "Ada", "tail": "Ada"}},
        ],
    }
    assert item["places"]["relations"][0] == [[8, 11], [15, 23]]


def test_an_end_that_shares_its_place_is_lost(tmp_path: Path) -> None:
    twins = (
        Entity(id="a", span=Span("b0", 0, 3), type="PER"),
        Entity(id="b", span=Span("b0", 0, 3), type="SHIP"),
    )
    relations = (Relation(id="r", head="b", tail="a", type="t"),)
    annotations = Annotations(entities=twins, relations=relations)
    report = written(tmp_path, "gliner2", Document.from_text("Ada").with_annotations(annotations))
    assert report.losses["relations: an end shares its place"].examples == ["d0/r"]


def test_gliner2_of_other_origin_is_located(tmp_path: Path) -> None:
    lines = [
        {
            "input": "Ada met ADA in Hannover; Ann too",
            "output": {
                "entities": {"person": ["Ada", "Ada", "Ann"], "city": ["hannover"], "none": []},
                "relations": [{"in": {"head": "Ada", "tail": "Hannover"}}],
            },
        },
        {"text": "Hannover", "schema": {"entities": {"part": ["Hann", "Rome"]}}},
        {"input": "x", "output": {"relations": [{"in": {"head": "x", "tail": "y"}}, 3, {}]}},
    ]
    content = "\n".join(map(json.dumps, lines))
    documents, problems = foreign(tmp_path, "gliner2", content)
    assert found(documents[0]) == [
        *(("Ada", "person"), ("ADA", "person"), ("Ann", "person"), ("Hannover", "city"))
    ]
    assert joined(documents[0]) == [("Ada", "in", "Hannover")]
    assert found(documents[1]) == [("Hann", "part")]  # inside a word where there is no other
    assert [str(error).partition(": ")[2].partition(" [")[0] for error in problems] == [
        "mention 'Rome' is not in the text",
        "relation {'in': {'head': 'x', 'tail': 'y'}} does not join two entities",
        "relation 3 does not join two entities",
        "relation {} does not join two entities",
    ]


def test_places_that_do_not_fit_are_not_believed(tmp_path: Path) -> None:
    item = {
        "input": "Ada and Ada",
        "output": {"entities": {"PER": ["Ada"], "X": ["and"]}},
        "places": {"entities": {"PER": [[4, 7]], "X": [[4]]}, "relations": 7},
    }
    documents, problems = foreign(tmp_path, "gliner2", json.dumps(item))
    assert [(e.span.start, e.type) for e in documents[0].entities] == [(0, "PER"), (4, "X")]
    assert problems == []


@pytest.mark.parametrize(
    ("item", "complaint"),
    [
        (3, "expected an object"),
        ({"input": 3, "output": {}}, "expected input to be a text"),
        ({"input": "x"}, "expected input to be a text and output to be an object"),
        ({"input": "x", "output": {"entities": ["x"]}}, "lists of mentions by type"),
        ({"input": "x", "output": {"entities": {"A": [1]}}}, "lists of mentions by type"),
        ({"input": "x", "output": {"entities": {"": ["x"]}}}, "entity.type"),
        ({"input": "a\0b", "output": {}}, "NUL"),
    ],
)
def test_a_bad_line_costs_itself_only(item: Any, complaint: str, tmp_path: Path) -> None:
    good = {"input": "good", "output": {}}
    content = "\n".join(map(json.dumps, [good, item, good]))
    documents, problems = foreign(tmp_path, "gliner2", content)
    assert [one.text for one in documents] == ["good", "good"]
    assert len(problems) == 1
    assert complaint in str(problems[0])
