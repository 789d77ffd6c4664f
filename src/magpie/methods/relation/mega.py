"""MEGA: objects ask the text, and words meet objects that stand in the same place of their graphs.

Zheng, Feng, Fu, Cai, Li, Wang: Multimodal Relation Extraction with Efficient Graph Alignment, ACM
MM 2021; public code thecharm/Mega. Two alignments of the words with up to ten objects: one learnt
(each object attends to the words), one computed beforehand and never trained, from the dependency
tree of the text and the scene graph of the picture (:mod:`magpie.features.node_alignment`).
Unusual: a sigmoid follows the attended vectors, so what a picture says is which words are heard,
and the objects' vectors themselves go no further; and the objects are summed behind a linear layer,
its bias once an object, empty places included.

Shapes: B documents, N pairs, T pieces, O objects, F numbers an object, D text width, E = 2 D, C
relation types.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Self, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from magpie.backbones import TextEncoder
from magpie.errors import ConfigError
from magpie.features import Assets, Need, RegionFeatures
from magpie.features.geometry import BoxGeometry
from magpie.features.graphs import NodeAlignment
from magpie.features.scene_graph import PictureScene
from magpie.methods.base import Batch, Example
from magpie.methods.labels import LabelSpace
from magpie.methods.marking import mark_words
from magpie.methods.relating import Relating, RelatingConfig
from magpie.methods.text_settings import text_encoder
from magpie.nn.multigrained import attend
from magpie.schema import Document

__all__ = ["Mega", "MegaConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MegaConfig(RelatingConfig):
    """Settings of MEGA; the defaults are the published ones."""

    max_length: int = 128
    #: features: what a detector says of its objects; boxes: no more than where they lie
    objects: Literal["features", "boxes"] = "features"
    #: source of the objects: a folder's name, or a name of regions or boxes
    regions: str = "mega"
    #: numbers an object is described by (F)
    region_width: int = 4096
    #: objects of a picture; missing ones are zeros (O)
    object_count: int = 10
    #: source of the picture's graph: mega-scene (published for MNRE 1), or a name of boxes, which
    #: must be those of the objects
    scene: str = "mega-scene"
    #: how far apart two related boxes may be, as a share of the picture
    reach: float = 0.25
    #: who parses: spacy:NAME, chunks, or mega-combined (published for MNRE 1)
    parser: str = "spacy:en_core_web_sm"
    #: how far around a node its graph is looked at
    hops: int = 2
    #: weight of each further hop
    alpha: float = 0.01
    #: objects that a word keeps
    nearest: int = 5
    #: nodes that all others are compared with; None takes int(10 log2 nodes)
    landmarks: int | None = None
    #: of the landmarks
    landmark_seed: int = 0
    #: before the classifier
    dropout: float = 0.5
    #: replaces the hidden and attention dropout of the text encoder
    text_dropout: float | None = None
    #: replaces the latter alone
    attention_dropout: float | None = None
    #: hide padded words from objects, and leave out objects that are not there; published: neither
    mask_padding: bool = False
    #: the alignment of words and objects is re-shaped, not transposed, which scrambles it
    legacy_reshape: bool = False
    #: the alignment's rows follow words, not word pieces, so that split words move all others
    legacy_no_expand: bool = False

    def __post_init__(self) -> None:
        RelatingConfig.__post_init__(self)
        if self.region_width < 1 or self.object_count < 1:
            raise ConfigError(
                "region_width and object_count must be at least 1, got "
                f"{self.region_width} and {self.object_count}"
            )
        if not 0 <= self.dropout < 1 or not 0 <= (self.text_dropout or 0.0) < 1:
            raise ConfigError(
                f"dropout must lie in [0, 1), got {self.dropout} and {self.text_dropout}"
            )
        if self.legacy_reshape and self.mask_padding:
            raise ConfigError(
                "legacy_reshape scrambles over padded texts, so it cannot go with mask_padding",
                mend="Leave one of them out.",
            )


class Mega(Relating):
    """[head ; tail] beside the sum over objects of W_f1 [semantic ; structural]."""

    name: ClassVar[str] = "mega"
    Config: ClassVar[type[MegaConfig]] = MegaConfig
    by_pair: ClassVar[frozenset[str]] = Relating.by_pair | {"alignment"}
    config: MegaConfig

    def __init__(self, config: MegaConfig, labels: LabelSpace, text: TextEncoder) -> None:
        super().__init__(config, labels, {"text": text})
        width = 2 * text.width
        self.object_map = nn.Linear(4 if config.objects == "boxes" else config.region_width, width)
        self.text_map = nn.Linear(text.width, width)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.join = nn.Linear(2 * width, width)
        self.final = nn.Linear(2 * width, width)
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(width, len(labels.relation_types))

    @classmethod
    def build(cls, config: MegaConfig, labels: LabelSpace) -> Self:
        return cls(config, labels, text_encoder(config))

    @property
    def _objects(self) -> Need:
        c = self.config
        if c.objects == "boxes":
            return BoxGeometry(c.regions, c.object_count)
        return RegionFeatures(c.regions, c.object_count, c.region_width)

    @property
    def _alignment(self) -> NodeAlignment:
        c = self.config
        return NodeAlignment(
            parser=c.parser,
            picture=PictureScene(c.scene, c.object_count, c.reach),
            hops=c.hops,
            alpha=c.alpha,
            nearest=c.nearest,
            landmarks=c.landmarks,
            seed=c.landmark_seed,
        )

    def needs(self) -> frozenset[Need]:
        return frozenset({self._objects, self._alignment})

    def prepare(self, document: Document, assets: Assets) -> Example:
        """As every relation method, with ``objects`` [O, F], ``there`` [O] and, a row a pair,
        ``alignment`` [K, T, O], the words' rows brought to their pieces."""
        example = self.prepare_pairs(document)
        objects = torch.zeros(self.config.object_count, self.object_map.in_features)
        there = torch.zeros(len(objects), dtype=torch.bool)
        found = assets[self._objects]
        if found.present:
            name = "boxes" if self.config.objects == "boxes" else "features"
            rows = torch.from_numpy(np.array(found.arrays[name], np.float32))
            objects[: len(rows)] = rows
            there[: len(rows)] = True
        length = example.inputs["input_ids"].shape[1]
        aligned = torch.zeros(len(example.notes["pairs"]), length, len(objects))
        known = assets[self._alignment]
        if known.present:
            words = torch.from_numpy(np.array(known.arrays["alignment"], np.float32))  # W,O
            for row, (places, mentions) in enumerate(
                zip(example.notes["words"], example.notes["mentions"], strict=True)
            ):
                if self.config.legacy_no_expand:
                    aligned[row] = self.word_rows(words, mentions, length)
                    continue
                for word, (begin, end) in enumerate(places):
                    aligned[row, begin:end] = words[word]
        example.inputs.update(objects=objects, there=there, alignment=aligned)
        return example

    def word_rows(
        self, words: Tensor, mentions: tuple[tuple[int, int], tuple[int, int]], length: int
    ) -> Tensor:
        """One row a word, in order, with zeros for [CLS] and the markers: [W, O] -> [length, O]."""
        layout = mark_words(len(words), *mentions, self.config.markers)
        rows = words.new_zeros(length, words.shape[1])
        for place, item in enumerate(layout[: length - 1], 1):
            if not isinstance(item, str):
                rows[place] = words[item]
        return rows

    def semantic(self, lifted: Tensor, objects: Tensor, mask: Tensor | None) -> Tensor:
        """S: sigmoid of what every object is answered, [N, T, E] and [N, O, E] -> [N, O, E]."""
        found = attend(self.query(objects), self.key(lifted), self.value(lifted), mask)
        return torch.sigmoid(found)

    def structural(self, lifted: Tensor, alignment: Tensor) -> Tensor:
        """G = R^T U: [N, T, E] and [N, T, O] -> [N, O, E]."""
        if self.config.legacy_reshape:
            # The numbers of R in their order, cut into rows of T: no transposition.
            turned = alignment.reshape(len(alignment), alignment.shape[2], alignment.shape[1])
        else:
            turned = alignment.transpose(1, 2)  # N,O,T
        return turned @ lifted

    def object_sum(self, semantic: Tensor, structural: Tensor, there: Tensor) -> Tensor:
        """o = sum over objects of W_f1 [S ; G] + b, [N, E]."""
        counted = there if self.config.mask_padding else torch.ones_like(there)
        share = counted.to(semantic.dtype)  # N,O
        joined = torch.cat([semantic, structural], 2) * share.unsqueeze(2)
        # Summed before the linear layer: the same numbers, one product a pair in place of O.
        summed = functional.linear(joined.sum(1), self.join.weight)
        return summed + share.sum(1, keepdim=True) * self.join.bias

    def representation(self, batch: Batch) -> Tensor:
        """rep = W_f2 [x ; o], [N, E]."""
        i, c = batch.inputs, self.config
        ids, mask, alignment = i["input_ids"], i["attention_mask"], i["alignment"]
        rest = c.max_length - ids.shape[1]
        if rest > 0 and not c.mask_padding:
            ids = functional.pad(ids, (0, rest), value=self.text.pad_id)
            mask = functional.pad(mask, (0, rest))
            alignment = functional.pad(alignment, (0, 0, 0, rest))
        states = self.text(ids, mask)  # N,T,D
        lifted = self.text_map(states)  # U: N,T,E
        objects = self.object_map(i["objects"])[i["owner"]]  # V: N,O,E
        s = self.semantic(lifted, objects, mask if c.mask_padding else None)
        g = self.structural(lifted, alignment.to(lifted.dtype))
        o = self.object_sum(s, g, i["there"][i["owner"]])
        x = self.pair_states(states, batch)  # N,E
        return cast(Tensor, self.final(torch.cat([x, o], 1)))

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        return {"logits": self.classifier(self.dropout(self.representation(batch)))}  # N,C
