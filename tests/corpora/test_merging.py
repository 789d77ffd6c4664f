from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from magpie.corpora.merging import labels_of, merge, parse_label, read_label_map
from magpie.errors import ConfigError, FormatError, NotFoundError
from magpie.schema import (
    Annotations,
    Block,
    Document,
    Entity,
    Event,
    Relation,
    Source,
    Span,
    from_json,
)

from .conftest import TWEETS

Write = Callable[..., Path]


def post(identifier: str, text: str, *types: str, corpus: str = "") -> Document:
    entities = tuple(
        Entity(id=f"e{n}", span=Span("b0", 0, 1), type=kind) for n, kind in enumerate(types)
    )
    source = Source(corpus=corpus, split="test", digest="f" * 64) if corpus else None
    return Document(
        id=identifier,
        blocks=(Block(text=text),),
        annotations=Annotations(entities=entities),
        source=source,
    )


def write(path: Path, *documents: Document) -> str:
    lines = "".join(document.to_json() + "\n" for document in documents)
    path.write_text(lines, encoding="utf-8")
    return str(path)


def read(path: Path) -> list[Document]:
    return [from_json(line) for line in path.read_bytes().splitlines()]


@pytest.fixture
def two(tmp_path: Path) -> list[str]:
    a = write(tmp_path / "a.jsonl", post("1", "Ada", "PER"), post("2", "Oscar", "MISC"))
    b = write(tmp_path / "b.jsonl", post("1", "Turin", "OTHER", "LOC"), post("3", "ADA !", "PER"))
    return [a, b]


def test_inputs_follow_one_another_with_unique_ids(two: list[str], tmp_path: Path) -> None:
    result = merge(two, tmp_path / "all.jsonl")
    documents = read(tmp_path / "all.jsonl")
    assert [d.id for d in documents] == ["1", "2", "1#2", "3"]
    assert [d.text for d in documents] == ["Ada", "Oscar", "Turin", "ADA !"]
    value = result.to_dict()
    assert value["documents"] == 4
    assert value["renamed"] == {"number": 1, "examples": ["1#2"]}
    assert value["inputs"] == {"a.jsonl": 2, "b.jsonl": 2}
    assert value["mapped"] == {}


def test_labels_are_mapped_and_counted(two: list[str], tmp_path: Path) -> None:
    labels = {"MISC": "OTHER", "PER": "PER", "LOC": "LOC", "GPE": "LOC"}
    result = merge(two, tmp_path / "all.jsonl", labels=labels)
    types = [[e.type for e in d.entities] for d in read(tmp_path / "all.jsonl")]
    assert types == [["PER"], ["OTHER"], ["OTHER", "LOC"], ["PER"]]
    assert result.mapped == {"MISC -> OTHER": 1}
    assert result.unused == ("GPE",)


def test_unknown_labels_are_refused_with_the_list(two: list[str], tmp_path: Path) -> None:
    output = tmp_path / "all.jsonl"
    with pytest.raises(ConfigError, match="entity types LOC, PER") as caught:
        merge(two, output, labels={"MISC": "OTHER"})
    assert "PER=PER" in caught.value.mend
    assert not output.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "b.jsonl"]


def test_only_kinds_that_the_map_touches_must_be_complete(tmp_path: Path) -> None:
    entities = tuple(Entity(id=f"e{n}", span=Span("b0", n, n + 1), type="X") for n in range(2))
    relation = Relation(id="r0", head="e0", tail="e1", type="none")
    event = Event(id="v0", type="Attack", trigger=Span("b0", 0, 1))
    annotations = Annotations(entities=entities, relations=(relation,), events=(event,))
    document = Document(id="1", blocks=(Block(text="ab"),), annotations=annotations)
    path = write(tmp_path / "a.jsonl", document)
    merge([path], tmp_path / "all.jsonl", labels={"none": "None"})
    (found,) = read(tmp_path / "all.jsonl")
    assert found.annotations is not None
    assert found.annotations.relations[0].type == "None"
    assert found.annotations.events[0].type == "Attack"
    merge([path], tmp_path / "all.jsonl", labels={"Attack": "Conflict"})
    (found,) = read(tmp_path / "all.jsonl")
    assert found.annotations is not None
    assert found.annotations.events[0].type == "Conflict"


def test_labels_of_one_corpus(tmp_path: Path) -> None:
    a = write(tmp_path / "a.jsonl", post("1", "a", "X", corpus="wnut17@1.0"))
    b = write(tmp_path / "b.jsonl", post("2", "b", "X", corpus="mine@2"))
    merge([a, b], tmp_path / "all.jsonl", labels={"wnut17:X": "Y", "mine@2:X": "Z"})
    assert [d.entities[0].type for d in read(tmp_path / "all.jsonl")] == ["Y", "Z"]


def test_changed_documents_lose_their_digest(tmp_path: Path) -> None:
    documents = (post("1", "a", "MISC", corpus="c@1"), post("2", "b", "OTHER", corpus="c@1"))
    path = write(tmp_path / "a.jsonl", *documents)
    merge([path], tmp_path / "all.jsonl", labels={"MISC": "OTHER"})
    first, second = read(tmp_path / "all.jsonl")
    assert first.source is not None
    assert second.source is not None
    assert (first.source.digest, second.source.digest) == (None, "f" * 64)
    assert first.source.corpus == "c@1"


def test_held_out_posts_are_dropped_and_counted(two: list[str], tmp_path: Path) -> None:
    away = write(tmp_path / "test.jsonl", post("9", "Ada"), post("8", "oscar !"))
    result = merge(two, tmp_path / "all.jsonl", held_out=[away])
    assert [d.text for d in read(tmp_path / "all.jsonl")] == ["Turin"]
    assert result.held_out == {"a.jsonl": 2, "b.jsonl": 1}
    assert result.to_dict()["held_out"] == {"a.jsonl": 2, "b.jsonl": 1}


def test_posts_of_an_earlier_input_are_left_out_on_request(tmp_path: Path) -> None:
    a = write(tmp_path / "a.jsonl", post("1", "Ada"), post("2", "ada"))
    b = write(tmp_path / "b.jsonl", post("3", "ADA"), post("4", "new"))
    result = merge([a, b], tmp_path / "all.jsonl", unique=True)
    assert [d.id for d in read(tmp_path / "all.jsonl")] == ["1", "2", "4"]
    assert result.repeated == {"b.jsonl": 1}


def test_corpora_by_name(twitter2015: Write, tmp_path: Path) -> None:
    root = twitter2015()
    twitter2015(TWEETS.replace("Rain", "Snow"), "train.txt")
    result = merge(
        ["twitter2015:train", "twitter2015:test"], tmp_path / "all.jsonl", root,
        held_out=["twitter2015:test"],
    )  # fmt: skip
    assert result.documents == 0  # one shares its picture, the other its text
    assert result.held_out == {"twitter2015@umt:train": 2, "twitter2015@umt:test": 2}


def test_label_files(tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    path.write_text('{"MISC": "OTHER", "PER": "PER"}', encoding="utf-8")
    assert labels_of(["MISC=THING", " a = b "], path) == {"MISC": "THING", "PER": "PER", "a": "b"}
    assert labels_of([]) == {}
    with pytest.raises(NotFoundError):
        read_label_map(tmp_path / "none.json")
    for wrong in ("[]", '{"a": 1}', '{"a": ""}'):
        path.write_text(wrong, encoding="utf-8")
        with pytest.raises(FormatError, match="JSON object of labels"):
            read_label_map(path)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(FormatError, match=r"labels\.json"):
        read_label_map(path)


@pytest.mark.parametrize("wrong", ["MISC", "=OTHER", "MISC=", "", " = "])
def test_label_pairs(wrong: str) -> None:
    with pytest.raises(ConfigError, match="TYPE=TYPE"):
        parse_label(wrong)


def test_nothing_or_twice_is_refused(two: list[str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no corpus"):
        merge([], tmp_path / "all.jsonl")
    with pytest.raises(ConfigError, match="named twice"):
        merge([two[0], two[0]], tmp_path / "all.jsonl")
