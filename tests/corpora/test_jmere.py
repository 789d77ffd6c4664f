from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from magpie.corpora import load, registry
from magpie.corpora.jmere import PSEUDO
from magpie.schema import Document

from .conftest import Notes


def end(name: str, start: int, stop: int, tags: str) -> dict[str, Any]:
    return {"name": name, "pos": [start, stop], "tags": tags}


ADA, BEA = end("Ada", 0, 1, "per"), end("Bea Byron", 2, 4, "Per")
OWLS = end("Turin Owls", 5, 7, "org")
POST: dict[str, Any] = {
    "token": ["Ada", "beats", "Bea", "Byron", "at", "Turin", "Owls"],
    "img_id": "p7.jpg",
    "label_list": [
        [{"beg_ent": ADA, "sec_ent": BEA, "relation": "peer"}],
        [{"beg_ent": BEA, "sec_ent": OWLS, "relation": "Member_of"}],
    ],
}


def read(tmp_path: Path, content: str, notes: Notes, **options: Any) -> list[Document]:
    path = tmp_path / "test.json"
    path.write_text(content, encoding="utf-8")
    return list(load("jmere", "test", path, on_problem=notes, **options))


def triples(document: Document) -> list[tuple[str, str, str]]:
    assert document.annotations is not None
    names = {e.id: f"{document.text_of(e)}:{e.type}" for e in document.entities}
    return [(names[r.head], r.type, names[r.tail]) for r in document.annotations.relations]


@pytest.mark.parametrize("shape", ["list", "lines", "indented"])
def test_both_shapes_are_read(tmp_path: Path, notes: Notes, shape: str) -> None:
    content = {
        "list": json.dumps([POST, POST]),
        "indented": json.dumps([POST, POST], indent=2),
        "lines": f"{json.dumps(POST)}\n{json.dumps(POST)}\n",
    }[shape]
    documents = read(tmp_path, content, notes)
    assert [d.id for d in documents] == ["p7-1", "p7-2"]
    assert triples(documents[0]) == [
        ("Ada:per", "peer", "Bea Byron:per"),
        ("Bea Byron:per", "member_of", "Turin Owls:org"),
    ]
    assert len(documents[0].entities) == 3
    assert not notes


def test_coarse_types(tmp_path: Path, notes: Notes) -> None:
    (document,) = read(tmp_path, json.dumps([POST]), notes, types="coarse")
    assert [e.type for e in document.entities] == ["PER", "PER", "ORG"]


def test_a_triple_that_stands_twice_counts_once(tmp_path: Path, notes: Notes) -> None:
    post = {**POST, "label_list": [*POST["label_list"], POST["label_list"][0]]}
    (document,) = read(tmp_path, json.dumps([post]), notes)
    assert len(triples(document)) == 2
    assert notes.kinds == ["relation-repeated"]


def test_a_mention_of_two_types_keeps_the_first(tmp_path: Path, notes: Notes) -> None:
    other = {"beg_ent": {**ADA, "tags": "org"}, "sec_ent": OWLS, "relation": "subsidiary"}
    post = {**POST, "label_list": [*POST["label_list"], other]}
    (document,) = read(tmp_path, json.dumps([post]), notes)
    assert triples(document)[2] == ("Ada:per", "subsidiary", "Turin Owls:org")
    assert notes.kinds == ["label-conflict"]


def test_regions_a_model_found_are_no_gold(tmp_path: Path, notes: Notes) -> None:
    found = [["Ada", " person", [1, 2, 30, 40]], ["Owls", "organization", [5, 5, 5, 9]]]
    posts = [{**POST, "entity_region": found}, {"token": ["x"], "img_id": 3}]
    posts.append({"token": ["x"], "img_id": 4, "entity_region": found})
    documents = read(tmp_path, json.dumps(posts), notes)
    assert documents[0].annotations is not None
    (region,) = documents[0].annotations.regions
    assert region.box is not None
    assert region.box.xyxy == (1, 2, 30, 40)
    assert region.provenance is not None
    assert (region.provenance.method, region.provenance.evidence) == (PSEUDO, ("person",))
    assert documents[1].annotations is None
    assert documents[2].annotations is not None
    assert documents[2].annotations.provenance is not None
    assert documents[2].annotations.provenance.method == PSEUDO
    assert notes.kinds == ["box-skipped", "box-skipped"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"label_list": [[{"beg_ent": ADA, "sec_ent": ADA, "relation": "peer"}]]}, "format-record"),
        ({"label_list": [[{"beg_ent": ADA, "sec_ent": OWLS, "relation": "rival"}]]}, "format-tags"),
        ({"label_list": [[{"beg_ent": ADA, "relation": "peer"}]]}, "format-record"),
        (
            {
                "label_list": [
                    [{"beg_ent": {**ADA, "tags": "thing"}, "sec_ent": OWLS, "relation": "peer"}]
                ]
            },
            "format-tags",
        ),
        (
            {"label_list": [[{"beg_ent": end("Ada", 0, 9, "per"), "sec_ent": OWLS}]]},
            "format-record",
        ),
        ({"label_list": {}}, "format-record"),
        ({"entity_region": [["Ada", "person"]]}, "format-record"),
        ({"token": []}, "format-record"),
    ],
)
def test_broken_records_are_set_aside(
    tmp_path: Path, notes: Notes, change: dict[str, Any], code: str
) -> None:
    documents = read(tmp_path, json.dumps([POST, {**POST, **change}, POST]), notes)
    assert [d.id for d in documents] == ["p7-1", "p7-3"]
    assert notes.codes == [code]


def test_relations_are_those_of_the_official_program() -> None:
    relations = registry.card("jmere").relations
    assert len(relations) == 22  # 21 and none
    assert relations["alternate_names"] == (("per", "org"), ("per", "org"))
    assert relations["held_on"] == (("misc",), ("loc",))
    assert relations["none"] == ((), ())
