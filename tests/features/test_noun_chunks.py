"""Noun chunks stand in for phrases nobody published."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from magpie.errors import ModelError
from magpie.features.build import build
from magpie.features.noun_chunks import NounChunks, noun_chunks
from magpie.features.parsing import SpacyParser
from magpie.features.phrases import Phrases
from magpie.features.store import Store
from magpie.features.supply import Supplier
from magpie.features.trees import Sentence
from magpie.schema import Block, ContextText, Document

from .trees import RIDER, THROWN, Row, pipeline, tree

OWNED: tuple[Row, ...] = (
    ("Anna", 3, "poss", "PROPN", "Anna"),
    ("'s", 0, "case", "PART", "'s"),
    ("big", 3, "amod", "ADJ", "big"),
    ("dog", 4, "nsubj", "NOUN", "dog"),
    ("likes", 4, "ROOT", "VERB", "like"),
    ("it", 4, "dobj", "PRON", "it"),
    ("and", 4, "cc", "CCONJ", "and"),
    ("New", 9, "compound", "PROPN", "New"),
    ("York", 9, "compound", "PROPN", "York"),
    ("cabs", 5, "conj", "NOUN", "cab"),
)


def texts(sentence: Sentence) -> list[str]:
    return [" ".join(sentence.words[begin:end]) for begin, end in noun_chunks(sentence)]


def post(identifier: str, text: str) -> Document:
    return Document(id=identifier, blocks=(Block(text=text),))


def test_chunks_by_hand() -> None:
    assert texts(tree(RIDER)) == ["An old man", "a brown horse", "the beach"]
    assert texts(tree(THROWN)) == ["A ball", "Anna Lee"]
    assert texts(tree(OWNED)) == ["Anna 's big dog", "New York cabs"]


def test_labels_of_universal_dependencies() -> None:
    words = ("Rosa", "Parks", "visited", "Lyon")
    flat = Sentence(words, (2, 0, 2, 2), ("nsubj", "flat:name", "root", "obj"))
    assert texts(flat) == ["Rosa Parks", "Lyon"]
    named = dataclasses.replace(flat, tags=("PROPN", "PROPN", "VERB", "PROPN"))
    assert texts(named) == ["Rosa Parks", "Lyon"]


def test_a_sentence_without_nouns_has_none() -> None:
    assert noun_chunks(Sentence(("go", "!"), (0, 0), ("ROOT", "punct"), ("VERB", "PUNCT"))) == []


def test_phrases_by_a_pipeline_and_where_it_finds_none() -> None:
    pytest.importorskip("spacy")
    silent: tuple[Row, ...] = (("go", 0, "ROOT", "VERB", "go"),)
    parser = SpacyParser(pipeline(RIDER, THROWN, silent))
    need = Phrases(("mine", "by-hand"))
    told = dataclasses.replace(
        post("c", "go"), context=(ContextText(kind="note", text="said before", source="mine"),)
    )
    rider = post("a", " ".join(row[0] for row in RIDER))
    rows = Supplier(parsers={"by-hand": parser}).many([rider, post("b", "go"), told], {need})
    found = [row[need] for row in rows]
    assert found[0].texts == ("An old man", "a brown horse", "the beach")
    assert not found[1].present
    assert found[1].reason.endswith("by-hand finds no noun chunk")
    assert found[2].texts == ("said before",)


def test_a_pipeline_by_name(tmp_path: Path) -> None:
    pytest.importorskip("spacy")
    pipeline(RIDER).to_disk(tmp_path / "by-hand")
    need = Phrases((f"spacy:{tmp_path / 'by-hand'}",))
    document = post("a", " ".join(row[0] for row in RIDER))
    assert len(Supplier()(document, {need})[need].texts) == 3
    absent = Phrases(("spacy:no_such_pipeline",))
    with pytest.raises(ModelError, match="no spaCy pipeline"):
        Supplier()(document, {absent})


def test_addresses_are_no_phrases_and_chunks_are_kept(tmp_path: Path) -> None:
    need = Phrases(("chunks",))
    posts = [post("a", "the red square http://t.co/x"), post("b", "is it ?")]
    supply = Supplier(store=Store(tmp_path))
    (part,) = build(posts, {need}, supply).needs
    assert (part.need, part.computed, part.absent) == (NounChunks("chunks"), 1, 1)
    assert supply(posts[0], {need})[need].texts == ("the red square",)
    assert [group.need["parser"] for group in Store(tmp_path).groups()] == ["chunks"]
    assert set(supply.fingerprints([need])) == {NounChunks("chunks").digest}
