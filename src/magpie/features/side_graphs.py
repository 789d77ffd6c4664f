"""Graphs that were published beside corpora: edges of objects, and of words, by document."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from magpie.corpora import side
from magpie.corpora.side.context import key_of
from magpie.errors import ConfigError
from magpie.features.needs import Asset
from magpie.schema import Document

__all__ = ["OBJECTS", "SCENES", "WORDS", "Edges", "SideGraphs"]

#: graphs of pictures
SCENES = "mega-scene"
#: graphs of the words of a post with those of its picture behind them
WORDS = "mega-combined"
#: things of a published graph of a picture
OBJECTS = 10

Edges: TypeAlias = tuple[tuple[int, int], ...]


class SideGraphs:
    """Reads a source of graphs when a split first asks.

    Args:
        root: the folder of all corpora (default: ``MAGPIE_DATA``).
    """

    def __init__(self, root: str | os.PathLike[str] | None = None) -> None:
        self._root = root
        self._tables: dict[tuple[str, str], Mapping[str, Edges]] = {}

    def edges(self, name: str, document: Document) -> Edges | Asset:
        """The edges of a document's graph, or an absent asset.

        Raises:
            ConfigError: the source holds no graphs.
        """
        place, source = document.source, side.source(name)
        if place is None or place.split is None:
            return Asset.absent("the document is of no corpus that graphs were published for")
        split = f"{place.corpus}:{place.split}"
        if not source.parts_of(place.corpus, place.split):
            return Asset.absent(f"{name} says nothing of {split}")
        if (name, split) not in self._tables:
            self._tables[name, split] = self._read(name, split)
        found = self._tables[name, split].get(key_of(document, source) or "")
        return Asset.absent(f"{name} has no graph of it") if found is None else found

    def word_edges(self, document: Document, words: int) -> Edges | Asset:
        """Edges between the first ``words`` words, of :data:`WORDS`.

        A file holds the edges of the words and, behind the last one, those of the picture's
        objects. How many words its parser saw is not written: it is where the picture's own graph
        begins. Parsers see other words than the corpus has; their numbers are taken as they are.
        Files of posts with several sentences number the words of each anew, which cannot be mended.
        """
        edges = self.edges(WORDS, document)
        if isinstance(edges, Asset):
            return edges
        scene = self.edges(SCENES, document)
        seen = words if isinstance(scene, Asset) else first_object(edges, scene)
        limit = words if seen is None else min(words, seen)
        return tuple((a, b) for a, b in edges if a < limit and b < limit)

    def _read(self, name: str, split: str) -> dict[str, Edges]:
        found: dict[str, Edges] = {}
        for row in side.read(name, split, self._root):
            if not isinstance(row, side.Graph):
                raise ConfigError(f"{name} holds no graphs: {side.source(name).title}")
            found[row.key] = row.edges
        return found


def first_object(edges: Sequence[tuple[int, int]], scene: Sequence[tuple[int, int]]) -> int | None:
    """Number of the first object in a graph of words and objects; None where it cannot be told.

    Args:
        edges: of both.
        scene: of the objects, counted from 0.
    """
    if not scene or not edges:
        return None
    there = {frozenset(edge) for edge in edges}
    begin = max(map(max, edges)) - max(map(max, scene))
    fits = begin >= 0 and all(frozenset((a + begin, b + begin)) in there for a, b in scene)
    return begin if fits else None
