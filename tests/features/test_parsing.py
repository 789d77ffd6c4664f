"""Trees of texts: spaCy pipelines (annotated by hand), the stand-in without a model, and names."""

from __future__ import annotations

import builtins
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.errors import ConfigError, FormatError, MissingExtraError, ModelError
from magpie.features.chunks import ChunkParser
from magpie.features.parsing import Parsers, SpacyParser
from magpie.features.text_scene import scene_from_trees
from magpie.features.trees import Sentence, dependency_edges

from .trees import RIDER, THROWN, pipeline, tree

TEXT = [row[0] for row in (*RIDER, *THROWN)]


def test_edges_of_a_second_sentence_are_its_own() -> None:
    """Two sentences of two words, an edge in each: 0-1 and 2-3, not 0-1 twice."""
    one = Sentence(("stay", "home"), (0, 0), ("ROOT", "advmod"))
    assert dependency_edges([one, one]) == [(0, 1), (2, 3)]
    other = Sentence(("the", "cup"), (1, 1), ("det", "ROOT"))
    assert dependency_edges([one, other, one]) == [(0, 1), (3, 2), (4, 5)]
    assert dependency_edges([]) == []


def test_a_tree_holds_one_of_each_a_word() -> None:
    with pytest.raises(FormatError, match="each of 2 words, came 1, 2"):
        Sentence(("a", "b"), (0,), ("x", "y"))
    with pytest.raises(FormatError, match="outside its sentence"):
        Sentence(("a", "b"), (0, 2), ("x", "y"))
    plain = Sentence(("Cups",), (0,), ("ROOT",))
    assert (plain.tag(0), plain.lemma(0)) == ("", "cups")


def test_spacy_gives_the_annotated_trees_sentence_by_sentence() -> None:
    pytest.importorskip("spacy")
    parser = SpacyParser(pipeline(RIDER, THROWN))
    both, none, one = parser.parse([TEXT, [], [row[0] for row in THROWN]])
    assert both == [tree(RIDER), tree(THROWN)]
    assert none == []
    assert one == [tree(THROWN)]
    edges = dependency_edges(both)
    assert (3, 2) in edges  # rides -> man
    assert (12, 13) in edges  # ball -> thrown, counted behind the first sentence
    assert len(edges) == len(TEXT) - 2


def test_words_are_those_given_whatever_spacy_would_make_of_them() -> None:
    pytest.importorskip("spacy")
    rows = (("don't", 0, "ROOT", "VERB", "do"), ("#go!", 0, "dep", "NOUN", "go"))
    (sentences,) = SpacyParser(pipeline(rows)).parse([["don't", "#go!"]])
    assert sentences[0].words == ("don't", "#go!")


def test_parsing_leaves_the_fingerprint_and_other_weights_change_it() -> None:
    pytest.importorskip("spacy")
    parser = SpacyParser(pipeline(RIDER, THROWN))
    before = dict(parser.fingerprint())
    parser.parse([TEXT])
    assert SpacyParser(parser.pipeline).fingerprint() == before
    other = pipeline(RIDER)
    other.add_pipe("sentencizer")
    assert SpacyParser(other).fingerprint()["pipeline"] != before["pipeline"]


def test_a_pipeline_is_loaded_from_its_folder(tmp_path: Path) -> None:
    pytest.importorskip("spacy")
    pipeline(RIDER, THROWN).to_disk(tmp_path / "by-hand")
    found = Parsers().parser(f"spacy:{tmp_path / 'by-hand'}")
    assert found.parse([TEXT])[0] == [tree(RIDER), tree(THROWN)]


def test_an_absent_pipeline_says_how_to_get_it() -> None:
    pytest.importorskip("spacy")
    with pytest.raises(ModelError, match="no spaCy pipeline") as caught:
        Parsers().parser("spacy:en_not_there")
    assert caught.value.code == "model-missing"
    assert "spacy download en_not_there" in str(caught.value)


def test_a_pipeline_without_a_parser_is_refused() -> None:
    spacy = pytest.importorskip("spacy")
    with pytest.raises(ModelError, match="gives no dependencies") as caught:
        SpacyParser(spacy.blank("en")).parse([["a", "cup"]])
    assert caught.value.code == "model-mismatch"


def test_without_spacy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == "spacy":
            raise ImportError(name)
        return real(name, *rest, **named)

    for name in [n for n in sys.modules if n == "spacy" or n.startswith("spacy.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setitem(sys.modules, "spacy", None)
    with pytest.raises(MissingExtraError, match=r"parsing texts needs the package 'spacy'"):
        Parsers().parser("spacy:en_core_web_sm")


def test_parsers_are_found_by_name_and_kept() -> None:
    mine = ChunkParser()
    parsers = Parsers({"mine": mine})
    assert parsers.parser("mine") is mine
    assert parsers.parser("chunks") is parsers.parser("chunks")
    for name in ("yours", "spacy:"):
        with pytest.raises(ConfigError, match="chunks, mine, and spacy:NAME"):
            parsers.parser(name)


def test_the_stand_in_finds_chunks_and_what_joins_them() -> None:
    text = "The old man is on a horse near Rome . RT @ Anna Lee and Tom !"
    sentences = ChunkParser().parse([text.split()])[0]
    assert [len(s.words) for s in sentences] == [10, 7]
    first = sentences[0]
    assert first.heads == (2, 2, 2, 2, 2, 6, 4, 6, 7, 8)
    assert first.relations == (
        "det", "compound", "ROOT", "dep", "prep", "det", "pobj", "prep", "pobj", "punct",
    )  # fmt: skip
    scene = scene_from_trees(sentences)
    things = [thing.name for thing in scene.objects]
    assert things == ["old man", "horse", "Rome", "Anna Lee", "Tom"]
    assert [(things[r.subject], r.name, things[r.object]) for r in scene.relations] == [
        ("old man", "on", "horse"),
        ("horse", "near", "Rome"),
    ]


@given(st.lists(st.sampled_from(["the", "Rome", "cup", "in", "and", ".", "!", "is", "&", ""])))
def test_the_stand_in_keeps_every_word_in_a_tree(words: list[str]) -> None:
    sentences = ChunkParser().parse([words])[0]
    assert [word for s in sentences for word in s.words] == words
    for sentence in sentences:
        roots = [i for i, head in enumerate(sentence.heads) if head == i]
        assert len(roots) == 1
        for word in range(len(sentence.words)):
            above = word
            for _ in sentence.words:
                above = sentence.heads[above]
            assert above == roots[0]
