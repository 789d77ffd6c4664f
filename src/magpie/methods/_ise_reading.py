"""How ISE turns a document into nodes, edges and bags of words.

What a row holds, for K pairs of a document (W pieces of a phrase, -1 where there are none):

``text_words`` [K, M, W]    what every text node is called
``text_real`` [K, M]        1 for nodes that are there
``text_spans`` [K, M, 2]    where its pieces stand in the pair's marked text, half-open
``text_edges`` [K, M, M]    numbers of edge labels
``label_words`` [K, L, W]   the labels: those of the text, "similar", those of the picture
``offsets`` [K, 4]          word indices of head and tail, as the public code looks nodes up
``visual_words`` [V, W], ``visual_cut`` [V] (-1 none), ``visual_number`` [V] (0 none),
``visual_box`` [V, 4] (fractions), ``visual_real`` [V], ``visual_edges`` [V, V]
``pixels`` [1 + R, 3, side, side], ``seen`` [1 + R]   the picture and its cut-outs
``bag`` [n]                 places of the post's words in the vocabulary
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor

from magpie.backbones import TextEncoder
from magpie.errors import ConfigError
from magpie.features import Asset, Assets, Crops, Need, Pixels, Texts
from magpie.features.chunks import ChunkParser
from magpie.features.scene_graph import PictureScene, SceneGraph, TextScene, scene_of
from magpie.features.text_scene import scene_from_trees
from magpie.methods._ise_graphs import (
    SIMILAR,
    NodeGraph,
    edge_matrix,
    join_visual,
    nodes_of,
    pair_graph,
    spelled_out,
)
from magpie.methods._ise_words import Vocabularies, phrase_ids
from magpie.methods.base import Example, pad_stack
from magpie.methods.relating import RelatingConfig
from magpie.text.words import word_texts
from magpie.vision import PixelSpec

__all__ = ["GraphReader", "GraphReadingConfig", "pair_rows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphReadingConfig(RelatingConfig):
    """What is read of text and picture."""

    #: longest text in pieces, with markers
    max_length: int = 64
    #: text nodes of a graph, head and tail among them
    text_nodes: int = 10
    #: visual nodes of a graph, the whole picture among them
    visual_nodes: int = 15
    #: compact: an attribute is part of its thing's name and a relation labels an edge, as in the
    #: public code; explicit: both are nodes of their own, as drawn in the paper
    node_kinds: Literal["compact", "explicit"] = "compact"
    #: pieces of what a node or an edge is called, with the special ones
    phrase_length: int = 8
    #: picture encoder; empty where no pictures are read
    vision: str = "openai/clip-vit-base-patch32"
    #: side of a picture, where it differs from the encoder's own
    image_side: int | None = None
    #: boxes of the cut-outs: a name of features/region_names; empty for none
    objects: str = "proposals"
    #: cut-outs that are read
    object_count: int = 10
    #: who parses the text: a name of features/parsing
    parser: str = "chunks"
    #: graph of the picture's things: mega-scene, or a name of boxes that are related by where they
    #: lie; empty for none, then the cut-outs stand unrelated
    scene: str = ""
    #: things of that graph that are read
    scene_count: int = 10
    #: sources of captions whose things are visual nodes, too; () for none
    told: tuple[str, ...] = ()

    def check_reading(self) -> None:
        """Raises ConfigError for an impossible value."""
        if self.text_nodes < 2 or self.visual_nodes < 1 or self.phrase_length < 3:
            raise ConfigError(
                "need text_nodes >= 2 (head and tail), visual_nodes >= 1 and phrase_length >= 3, "
                f"got {self.text_nodes}, {self.visual_nodes} and {self.phrase_length}"
            )
        if self.objects and self.object_count < 1:
            raise ConfigError(
                f"object_count must be at least 1, got {self.object_count}",
                mend="Leave objects empty to read no cut-outs.",
            )


class GraphReader:
    """Reads documents for a method.

    Args:
        config: what is read.
        text: cuts phrases into pieces.
        pixels: what the picture encoder expects; None where no pictures are read.
        vocabularies: of the bags.
    """

    def __init__(
        self,
        config: GraphReadingConfig,
        text: TextEncoder,
        pixels: PixelSpec | None,
        vocabularies: Vocabularies,
    ) -> None:
        self.config, self.text, self.pixels = config, text, pixels
        self.vocabularies = vocabularies

    @property
    def whole(self) -> Pixels:
        """The picture itself."""
        return Pixels(cast(PixelSpec, self.pixels))

    @property
    def cuts(self) -> Crops:
        """Its cut-outs."""
        c = self.config
        return Crops(c.objects, c.object_count, cast(PixelSpec, self.pixels))

    @property
    def sentence(self) -> TextScene:
        """What the text says of things."""
        return TextScene(self.config.parser)

    @property
    def scene(self) -> PictureScene:
        """How the picture's things stand to each other."""
        return PictureScene(self.config.scene, self.config.scene_count)

    @property
    def captions(self) -> Texts:
        """What somebody told of the picture."""
        return Texts(sources=tuple(self.config.told))

    def needs(self) -> frozenset[Need]:
        """What has to be supplied."""
        wanted: set[Need] = {self.sentence}
        if self.config.scene:
            wanted.add(self.scene)
        if self.pixels is not None:
            wanted.add(self.whole)
            if self.config.objects:
                wanted.add(self.cuts)
        if self.config.told:
            wanted.add(self.captions)
        return frozenset(wanted)

    def pictures(self, assets: Assets) -> tuple[Tensor, Tensor]:
        """The picture and its cut-outs [1 + R, 3, side, side], and which are there [1 + R]."""
        if self.pixels is None:
            return torch.zeros(1, 3, 1, 1), torch.zeros(1, dtype=torch.bool)
        side, count = self.pixels.side, self.config.object_count if self.config.objects else 0
        pixels = torch.zeros(1 + count, 3, side, side)
        seen = torch.zeros(1 + count, dtype=torch.bool)
        if (whole := assets[self.whole]).present:
            pixels[0], seen[0] = _tensor(whole, "pixels"), True
        if count and (cuts := assets[self.cuts]).present:
            pixels[1:] = _tensor(cuts, "pixels")
            seen[1:] = torch.from_numpy(np.array(cuts.arrays["there"], dtype=bool))
        return pixels, seen

    def read(self, example: Example, assets: Assets, words: Sequence[str]) -> Example:
        """Adds nodes, edges and bags to an example of pairs.

        Args:
            example: of :meth:`Relating.prepare_pairs`.
            assets: of the needs.
            words: of the document.
        """
        c = self.config
        pixels, seen = self.pictures(assets)
        spoken = scene_of(assets[self.sentence])
        text_graph = nodes_of(spoken, len(spoken.objects))
        scene = scene_of(assets[self.scene]) if c.scene else SceneGraph()
        told = SceneGraph()
        if c.told:
            # Captions are whole sentences, whose chunks are good enough for nodes beside others.
            texts = [word_texts(text) for text in assets[self.captions].texts]
            told = scene_from_trees([tree for one in ChunkParser().parse(texts) for tree in one])
        visual = join_visual(
            int(seen[1:].sum()),
            bool(seen[0]),
            nodes_of(scene, c.scene_count, numbered=True),
            nodes_of(told, c.visual_nodes),
            c.visual_nodes,
        )
        explicit = c.node_kinds == "explicit"
        visual = spelled_out(visual, c.visual_nodes) if explicit else visual
        visual_edges, visual_labels = edge_matrix(visual)
        rows: list[dict[str, Tensor]] = []
        graphs: list[NodeGraph] = []
        for (head, tail), places in zip(
            example.notes["mentions"], example.notes["words"], strict=True
        ):
            graph = pair_graph(text_graph, words, head, tail, c.text_nodes)
            graph = spelled_out(graph, c.text_nodes, mentions=2) if explicit else graph
            graphs.append(graph)
            edges, labels = edge_matrix(graph)
            spans = [_span(node.words, places) for node in graph.nodes]
            called = [*labels, SIMILAR, *visual_labels]
            rows.append(
                {
                    "text_words": self._pieces([node.text for node in graph.nodes]),
                    "text_real": torch.ones(len(spans), dtype=torch.long),
                    "text_spans": torch.tensor(spans),
                    "text_edges": edges,
                    "label_words": self._pieces(called),
                    "offsets": torch.tensor([*head, *tail]),
                }
            )
        nodes = visual.nodes
        example.inputs.update(
            pair_rows(rows),
            visual_words=self._pieces([node.text for node in nodes]),
            visual_cut=_integers([-1 if n.picture is None else n.picture for n in nodes]),
            visual_number=_integers([0 if n.number is None else n.number + 1 for n in nodes]),
            visual_box=torch.tensor([n.box or (0.0,) * 4 for n in nodes]).view(len(nodes), 4),
            visual_real=torch.ones(len(nodes), dtype=torch.bool),
            visual_edges=visual_edges,
            pixels=pixels,
            seen=seen,
            bag=self.vocabularies.bag(words),
        )
        example.notes.update(graphs=graphs, visual=visual)
        return example

    def _pieces(self, phrases: Sequence[str]) -> Tensor:
        return phrase_ids(self.text, phrases, self.config.phrase_length)


#: rank of every input that has a row a pair, without the row
_RANKS = {
    "text_words": 2,
    "text_real": 1,
    "text_spans": 2,
    "text_edges": 2,
    "label_words": 2,
    "offsets": 1,
}
#: what stands for nothing in them
_FILLS = {"text_words": -1, "label_words": -1}


def pair_rows(rows: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Rows of K pairs stacked, padded to the largest; of no pair empty tensors of the same rank."""
    if not rows:
        return {
            name: torch.zeros((0,) * (rank + 1), dtype=torch.long) for name, rank in _RANKS.items()
        }
    return {name: pad_stack([row[name] for row in rows], _FILLS.get(name, 0)) for name in _RANKS}


def _span(words: tuple[int, int] | None, places: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Positions from the first to the last piece of these words that is left; (0, 0) of none."""
    left = [places[word] for word in range(*(words or (0, 0))) if places[word][1]]
    return (min(a for a, _ in left), max(b for _, b in left)) if left else (0, 0)


def _integers(values: Sequence[int]) -> Tensor:
    return torch.tensor(values, dtype=torch.long)


def _tensor(asset: Asset, name: Literal["pixels"]) -> Tensor:
    array: Any = asset.arrays[name]
    return torch.from_numpy(np.array(array, dtype=np.float32))
