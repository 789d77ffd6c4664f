"""Supplies graphs of words, scene graphs of texts and pictures, and alignments between both.

Addresses are hidden from parsers, as the published preparations do; every other word keeps its
number among the document's words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import numpy as np

from magpie.errors import ConfigError
from magpie.features.needs import Asset, Need
from magpie.features.node_alignment import structural_alignment
from magpie.features.parsing import Parsers
from magpie.features.picture_scenes import PictureSceneSource
from magpie.features.scene_graph import PictureScene, SceneGraph, TextScene
from magpie.features.side_graphs import WORDS, SideGraphs
from magpie.features.source import Arrays, Ask, Source
from magpie.features.text_scene import scene_from_trees
from magpie.features.trees import Sentence, dependency_edges
from magpie.schema import Document
from magpie.text.words import is_address, split_words

__all__ = [
    "AlignmentSource",
    "NodeAlignment",
    "TextSceneSource",
    "WordGraph",
    "WordGraphSource",
]


@dataclass(frozen=True, slots=True)
class WordGraph(Need):
    """Dependencies between the words of a document, all blocks counted through: ``edges`` int64
    [E, 2] of head and dependent, ``words`` int64 [1], how many there are.

    ``parser`` is a name of :mod:`magpie.features.parsing`.
    """

    parser: str = "chunks"


@dataclass(frozen=True, slots=True)
class NodeAlignment(Need):
    """Words beside the objects of the first picture, by their places in both graphs: ``alignment``
    float32 [W, objects] (see :mod:`magpie.features.node_alignment`).

    Raises:
        ConfigError: an impossible number.
    """

    parser: str = "chunks"
    picture: PictureScene = field(default_factory=PictureScene)
    hops: int = 2
    alpha: float = 0.01
    nearest: int = 5
    landmarks: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        few = self.landmarks is not None and self.landmarks < 1
        if few or self.hops < 0 or self.nearest < 1 or not self.alpha >= 0:
            raise ConfigError(
                "need hops >= 0, alpha >= 0, nearest >= 1 and landmarks >= 1 or none, got "
                f"{self.hops}, {self.alpha}, {self.nearest} and {self.landmarks}"
            )


def block_words(document: Document) -> list[list[str]]:
    """The words of each block: those of the corpus, else our own cut."""
    return [
        block.word_texts()
        if block.words is not None
        else [block.text[start:end] for start, end in split_words(block.text)]
        for block in document.blocks
    ]


class _Parsed(Source):
    """Parses documents; a class beside it makes something of the trees."""

    batch = 32

    def __init__(self, parsers: Parsers) -> None:
        self.parsers = parsers

    def ask(self, document: Document, need: Any) -> Ask | Asset:
        words = block_words(document)
        if not any(words):
            return Asset.absent("the document has no words")
        self.parsers.parser(need.parser)
        return Ask({"words": words}, words)

    def fingerprint(self, need: Any) -> dict[str, Any]:
        return {"version": self.version, "parser": self.parsers.parser(need.parser).fingerprint()}

    def trees(self, asks: Sequence[Ask], parser: str) -> list[tuple[list[Sentence], list[int]]]:
        """Sentences of each document, and the number of each of their words in it."""
        shown: list[list[str]] = []
        numbers: list[list[int]] = []
        begins = []
        for ask in asks:
            begins.append(len(shown))
            before = 0
            for block in ask.payload:
                kept = [i for i, word in enumerate(block) if not is_address(word)]
                shown.append([block[i] for i in kept])
                numbers.append([before + i for i in kept])
                before += len(block)
        parsed = self.parsers.parser(parser).parse(shown)
        ends = [*begins[1:], len(shown)]
        return [
            (
                [sentence for text in parsed[begin:end] for sentence in text],
                [number for text in numbers[begin:end] for number in text],
            )
            for begin, end in zip(begins, ends, strict=True)
        ]


class WordGraphSource(_Parsed):
    """Edges of dependency trees, or those published for MNRE 1."""

    kind: ClassVar[type[Need]] = WordGraph

    def __init__(self, parsers: Parsers, published: SideGraphs) -> None:
        super().__init__(parsers)
        self.published = published

    def ask(self, document: Document, need: WordGraph) -> Ask | Asset:
        if need.parser != WORDS:
            return super().ask(document, need)
        words = sum(map(len, block_words(document)))
        edges = self.published.word_edges(document, words)
        if isinstance(edges, Asset):
            return edges
        return Ask({"edges": edges, "words": words}, (edges, words))

    def compute(self, asks: Sequence[Ask], need: WordGraph) -> list[Arrays | Asset]:
        if need.parser == WORDS:
            return [_edges(*ask.payload) for ask in asks]
        return [
            _edges(
                [(numbers[a], numbers[b]) for a, b in dependency_edges(sentences)],
                sum(map(len, ask.payload)),
            )
            for ask, (sentences, numbers) in zip(asks, self.trees(asks, need.parser), strict=True)
        ]

    def fingerprint(self, need: WordGraph) -> dict[str, Any]:
        if need.parser == WORDS:
            return {"version": self.version, "published": WORDS}
        return super().fingerprint(need)


def _edges(edges: Sequence[tuple[int, int]], words: int) -> Arrays:
    return {
        "edges": np.array(edges, np.int64).reshape(-1, 2),
        "words": np.array([words], np.int64),
    }


class TextSceneSource(_Parsed):
    """Scene graphs by rules over dependency trees."""

    kind: ClassVar[type[Need]] = TextScene

    def compute(self, asks: Sequence[Ask], need: TextScene) -> list[Arrays | Asset]:
        return [
            scene_from_trees(sentences, numbers, need.parser).to_arrays()
            for sentences, numbers in self.trees(asks, need.parser)
        ]


class AlignmentSource(Source):
    """Aligns the graph of the words with that of the picture.

    Args:
        words, pictures: supply both.
    """

    kind: ClassVar[type[Need]] = NodeAlignment
    batch = 32

    def __init__(self, words: WordGraphSource, pictures: PictureSceneSource) -> None:
        self.words = words
        self.pictures = pictures

    def ask(self, document: Document, need: NodeAlignment) -> Ask | Asset:
        words = self.words.ask(document, WordGraph(need.parser))
        if isinstance(words, Asset):
            return words
        picture = self.pictures.ask(document, need.picture)
        if isinstance(picture, Asset):
            return picture
        depends = {"words": words.depends, "picture": picture.depends}
        return Ask(depends, (words, picture))

    def compute(self, asks: Sequence[Ask], need: NodeAlignment) -> list[Arrays | Asset]:
        words = self.words.compute([ask.payload[0] for ask in asks], WordGraph(need.parser))
        pictures = self.pictures.compute([ask.payload[1] for ask in asks], need.picture)
        found: list[Arrays | Asset] = []
        for text, picture in zip(words, pictures, strict=True):
            if isinstance(text, Asset) or isinstance(picture, Asset):
                found.append(text if isinstance(text, Asset) else cast(Asset, picture))
            else:
                found.append(_aligned(text, SceneGraph.from_arrays(picture), need))
        return found

    def fingerprint(self, need: NodeAlignment) -> dict[str, Any]:
        return {
            "version": self.version,
            "words": self.words.fingerprint(WordGraph(need.parser)),
            "picture": self.pictures.fingerprint(need.picture),
        }


def _aligned(text: Arrays, scene: SceneGraph, need: NodeAlignment) -> Arrays:
    words, objects = int(text["words"][0]), need.picture.count
    edges = [(int(a), int(b)) for a, b in text["edges"]]
    edges += [(words + int(a), words + int(b)) for a, b in scene.edges]
    found = structural_alignment(
        edges,
        words,
        objects,
        hops=need.hops,
        alpha=need.alpha,
        nearest=need.nearest,
        landmarks=need.landmarks,
        seed=need.seed,
    )
    return {"alignment": found.astype(np.float32)}
