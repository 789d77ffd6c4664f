"""Graphs of words, scenes and alignments, as they are supplied and kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from magpie.corpora import load, side
from magpie.errors import ConfigError
from magpie.features.graphs import NodeAlignment, WordGraph
from magpie.features.node_alignment import structural_alignment
from magpie.features.scene_graph import PictureScene, TextScene, scene_of
from magpie.features.side_graphs import first_object
from magpie.features.store import Store
from magpie.features.supply import Supplier
from magpie.features.trees import Sentence
from magpie.schema import Block, Document, Media

from .samples import GREEN, RED, png, post

#: three patches of one size in a row, the last one apart
PICTURE = png((2, 2, 8, 8, RED), (10, 2, 16, 8, GREEN), (34, 12, 40, 18, RED))
BLOBS = PictureScene("blobs", count=5)


class Chain:
    """A parser to be counted: every word hangs on the one before."""

    def __init__(self) -> None:
        self.texts: list[list[str]] = []

    def fingerprint(self) -> dict[str, Any]:
        return {"chain": 1}

    def parse(self, texts: Sequence[Sequence[str]]) -> list[list[Sentence]]:
        self.texts += [list(words) for words in texts]
        return [
            [
                Sentence(
                    tuple(words),
                    tuple(max(0, i - 1) for i in range(len(words))),
                    ("dep",) * len(words),
                )
            ]
            if words
            else []
            for words in texts
        ]


def test_words_are_counted_through_blocks_and_addresses_are_hidden() -> None:
    document = Document(
        id="d",
        blocks=(
            Block(id="b0", text="see https://t.co/xyz now here"),
            Block(id="b1", text="and there"),
        ),
    )
    chain = Chain()
    need = WordGraph("chain")
    found = Supplier(parsers={"chain": chain})(document, [need])[need].arrays
    assert chain.texts == [["see", "now", "here"], ["and", "there"]]
    # Word 1 is the address; the second block begins at 4.
    assert found["edges"].tolist() == [[0, 2], [2, 3], [4, 5]]
    assert found["words"].tolist() == [6]


def test_a_corpus_keeps_its_own_words() -> None:
    block = Block(text="New York-based", words=((0, 8), (8, 14)))
    need = WordGraph("chain")
    chain = Chain()
    Supplier(parsers={"chain": chain})(Document(id="d", blocks=(block,)), [need])
    assert chain.texts == [["New York", "-based"]]


def test_trees_are_made_once_and_kept(tmp_path: Path) -> None:
    chain = Chain()
    supplier = Supplier(parsers={"chain": chain}, store=Store(tmp_path))
    documents = [post("a"), post("b"), post("c", text="Anna sings")]
    needs = [WordGraph("chain"), TextScene("chain")]
    first = supplier.many(documents, needs)
    assert len(chain.texts) == 4  # "Rocky runs" once, "Anna sings" once, for either need
    again = Supplier(parsers={"chain": Chain()}, store=Store(tmp_path)).many(documents, needs)
    for need in needs:
        for one, other in zip(first, again, strict=True):
            for name, array in one[need].arrays.items():
                assert np.array_equal(array, other[need].arrays[name])
    assert supplier.fingerprints(needs)[needs[0].digest]["parser"] == {"chain": 1}


def test_a_text_without_words_is_absent() -> None:
    document = Document(id="d", blocks=(Block(text="  "),), media=post("a", PICTURE).media)
    supplied = Supplier()(document, [WordGraph(), TextScene(), NodeAlignment(picture=BLOBS)])
    assert [a.reason for a in supplied.values()] == ["the document has no words"] * 3


def test_a_parser_nobody_knows_is_refused() -> None:
    with pytest.raises(ConfigError, match="nobody parses under the name 'stanza'"):
        Supplier()(post("a"), [TextScene("stanza")])
    with pytest.raises(ConfigError, match="nobody parses under the name 'mega-combined'"):
        Supplier()(post("a"), [TextScene("mega-combined")])


def test_the_scene_of_a_text() -> None:
    need = TextScene()
    scene = scene_of(Supplier()(post("a", text="Anna Lee in Rome"), [need])[need])
    assert [(t.name, t.words) for t in scene.objects] == [("Anna Lee", (0, 2)), ("Rome", (3, 4))]
    assert [(r.subject, r.name, r.object) for r in scene.relations] == [(0, "in", 1)]
    assert scene.source == "chunks"


def test_the_scene_of_a_picture_is_made_of_its_regions() -> None:
    scene = scene_of(Supplier()(post("a", PICTURE), [BLOBS])[BLOBS])
    assert scene.source == "blobs"
    boxes = [thing.box for thing in scene.objects]
    # 40 x 20 pixels; the whole picture first, then patches of equal size from the left.
    assert boxes[:2] == [(0.0, 0.0, 1.0, 1.0), pytest.approx((0.05, 0.1, 0.2, 0.4))]
    names = {(r.subject, r.object): r.name for r in scene.relations}
    assert names == {(1, 0): "inside", (2, 0): "inside", (3, 0): "inside", (1, 2): "left of"}
    short = PictureScene("blobs", count=2)
    assert len(scene_of(Supplier()(post("a", PICTURE), [short])[short]).objects) == 2


def test_a_post_without_picture_has_no_scene() -> None:
    supplied = Supplier()(post("a"), [BLOBS, PictureScene()])
    assert {a.reason for a in supplied.values()} == {"the document has no picture"}
    odd = Document(id="d", blocks=(Block(text="hi"),), media=(Media(id="m0", missing="lost"),))
    assert not Supplier()(odd, [BLOBS])[BLOBS].present
    mega = PictureScene()
    assert "of no corpus" in Supplier()(odd, [mega])[mega].reason


def test_an_alignment_joins_both_graphs(tmp_path: Path) -> None:
    document = post("a", PICTURE, text="Rocky runs in Rome")
    need = NodeAlignment(parser="chain", picture=BLOBS)
    supplier = Supplier(parsers={"chain": Chain()}, store=Store(tmp_path))
    found = supplier(document, [need])[need].arrays["alignment"]
    edges = [(0, 1), (1, 2), (2, 3), (5, 4), (6, 4), (7, 4), (5, 6)]
    expected = structural_alignment(edges, 4, 5)
    assert found.shape == (4, 5)
    assert np.allclose(found, expected, atol=1e-6)
    assert np.array_equal(supplier(document, [need])[need].arrays["alignment"], found)
    other = NodeAlignment(parser="chain", picture=BLOBS, nearest=1)
    nearest = np.asarray(supplier(document, [other])[other].arrays["alignment"], np.float32)
    assert (nearest > 0).sum(1).tolist() == [1] * 4


def test_an_alignment_needs_both() -> None:
    need = NodeAlignment(picture=BLOBS)
    assert Supplier()(post("a"), [need])[need].reason == "the document has no picture"
    broken = post("a", b"no picture at all")
    assert not Supplier()(broken, [need])[need].present
    for wrong in ({"hops": -1}, {"alpha": -0.1}, {"nearest": 0}, {"landmarks": 0}):
        with pytest.raises(ConfigError, match="landmarks >= 1 or none"):
            NodeAlignment(**wrong)


def test_where_the_objects_of_a_published_graph_begin() -> None:
    scene = [(0, 2), (1, 0), (3, 0)]
    words = [(0, 1), (1, 2), (4, 3)]
    both = [*words, *((a + 5, b + 5) for a, b in scene)]
    assert first_object(both, scene) == 5
    assert first_object(words, []) is None
    assert first_object(words, scene) is None
    assert first_object([(0, 1)], [(0, 5)]) is None


@pytest.mark.corpus
def test_the_graphs_that_were_published(data_dir: Path) -> None:
    documents = list(load("mnre@1", "dev", data_dir))[:60]
    supplier = Supplier(corpora=data_dir)
    words, picture = WordGraph("mega-combined"), PictureScene()
    both = NodeAlignment("mega-combined", picture)
    inside = 0
    graphs = {row.key: row for row in side.read("mega-combined", "mnre@1:dev", data_dir)}
    for document in documents:
        supplied = supplier(document, [words, picture, both])
        edges, count = (supplied[words].arrays[name] for name in ("edges", "words"))
        assert count[0] == len(document.blocks[0].word_texts())
        assert (edges < count[0]).all()
        row = graphs[str(document.source.line - 1)]  # type: ignore[union-attr,operator]
        assert isinstance(row, side.Graph)
        scene = scene_of(supplied[picture])
        assert len(scene.objects) == 10
        assert scene.source == "mega-scene"
        inside += len(edges) + len(scene.edges) == len(row.edges)
        assert supplied[both].arrays["alignment"].shape == (count[0], 10)
    # Words that the corpus lacks lose their edges, so not every graph is whole.
    assert inside >= 40
    absent = supplier(next(iter(load("mnre@2", "dev", data_dir))), [words, picture, both])
    assert [a.present for a in absent.values()] == [False] * 3
    assert "says nothing of mnre@2" in absent[words].reason


@pytest.mark.corpus
def test_boxes_in_fractions_need_no_picture(data_dir: Path) -> None:
    document = next(iter(load("mnre@2", "dev", data_dir)))
    need = PictureScene("focalmre-detector")
    scene = scene_of(Supplier(corpora=data_dir)(document, [need])[need])
    assert scene.objects
    assert all(thing.box is not None for thing in scene.objects)
