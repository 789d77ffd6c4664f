"""ISE's nodes: vectors of phrases and cut-outs, and the graph that joins text and picture.

Shapes: B documents, N pairs, T pieces, M nodes of a text and V of a picture, W pieces of a phrase,
D width of the graph, E of text states, G of picture vectors.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn

from magpie.backbones import VisionEncoder
from magpie.methods._ise_network import Graphs
from magpie.methods.base import Batch
from magpie.methods.relating import Relating
from magpie.nn.screening import cosine_edges, join_graphs, public_cross_edges

__all__ = ["NodeMaking"]


class NodeMaking(Relating):
    """Makes the graph of every pair; a class beside it screens it."""

    config: Any

    def add_nodes(self, text: int, picture: int) -> None:
        """Builds the maps into the graph; called in the constructor.

        Args:
            text: E.
            picture: G; 0 where pictures are not read.
        """
        c, width = self.config, self.config.width
        self.text_map = nn.Linear(text, width)
        self.visual_map = nn.Sequential(nn.Linear(text + picture, width), nn.Linear(width, width))
        self.label_map = nn.Linear(text, width)
        self.numbers = nn.Embedding(c.scene_count + 1, width, padding_idx=0) if c.placed else None
        self.boxes = nn.Linear(4, width) if c.placed else None
        self.similar = nn.Linear(width, width) if c.legacy_cross_edges else None

    @property
    def vision(self) -> VisionEncoder | None:
        """The picture encoder, where pictures are read."""
        return cast(VisionEncoder | None, getattr(self.backbones, "vision", None))

    def phrases(self, ids: Tensor) -> Tensor:
        """One vector a phrase: [..., W] pieces, -1 for none -> [..., E]; zeros of no pieces."""
        rows = ids.flatten(0, -2)
        there = (rows >= 0).any(1)
        found = torch.zeros(len(rows), self.text.width, device=rows.device)
        if bool(there.any()):
            # What occurs often is read once.
            each, places = torch.unique(rows[there], dim=0, return_inverse=True)
            real = each >= 0
            states = self.text(each.clamp(min=0), real.long())  # n,W,E
            vectors = (states * real.unsqueeze(2)).sum(1)
            if self.config.phrase_pooling == "mean":
                vectors = vectors / real.sum(1, keepdim=True)
            found = found.to(vectors.dtype).index_put((there,), vectors[places])
        return found.unflatten(0, ids.shape[:-1])

    def sentences(self, batch: Batch) -> Tensor | None:
        """States of the marked sentences [N, T, E], where they are read at all."""
        if self.config.node_text == "alone" and not self.config.with_text:
            return None
        return cast(Tensor, self.text(batch.inputs["input_ids"], batch.inputs["attention_mask"]))

    def text_nodes(self, batch: Batch, states: Tensor | None) -> Tensor:
        """[N, M, D]."""
        if self.config.node_text == "alone" or states is None:
            return cast(Tensor, self.text_map(self.phrases(batch.inputs["text_words"])))
        spans = batch.inputs["text_spans"]
        places = torch.arange(states.shape[1], device=states.device)
        inside = (places >= spans[..., :1]) & (places < spans[..., 1:])  # N,M,T
        found = inside.to(states.dtype) @ states
        if self.config.phrase_pooling == "mean":
            found = found / inside.sum(2, keepdim=True).clamp(min=1)
        if self.config.node_kinds == "explicit":
            # Attributes and relations stand nowhere in the sentence as such: they are their words.
            apart = (spans[..., 1] <= spans[..., 0]).unsqueeze(2)
            alone = self.phrases(batch.inputs["text_words"]).to(found.dtype)
            found = torch.where(apart, alone, found)
        return cast(Tensor, self.text_map(found))

    def looked_at(self, batch: Batch) -> Tensor | None:
        """Vectors of pictures and cut-outs, [B, 1 + R, G]; zeros for those not there."""
        if self.vision is None:
            return None
        pixels, seen = batch.inputs["pixels"], batch.inputs["seen"]
        found = torch.zeros(seen.numel(), self.vision.width, device=pixels.device)
        if bool(seen.any()):
            frozen = self.config.freeze_vision
            with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
                vectors = self._looked_at(pixels[seen])
            found = found.to(vectors.dtype).index_put((seen.flatten(),), vectors)
        return found.unflatten(0, seen.shape)

    def _looked_at(self, pixels: Tensor) -> Tensor:
        """[n, 3, side, side] -> [n, G]: the summary token, or the mean of a grid's cells."""
        vision = cast(VisionEncoder, self.vision)
        cells = vision(pixels)
        return cast(Tensor, cells.mean(1) if vision.convolutional else cells[:, 0])

    def visual_nodes(self, batch: Batch, vectors: Tensor | None) -> Tensor:
        """[B, V, D] of what a node is called, what shows it, and its number."""
        i = batch.inputs
        parts = [self.phrases(i["visual_words"])]  # B,V,E
        if vectors is not None:
            places = i["visual_cut"].clamp(min=0).unsqueeze(2).expand(-1, -1, vectors.shape[2])
            shown = vectors.gather(1, places)  # B,V,G
            parts.append(shown * (i["visual_cut"] >= 0).unsqueeze(2))
        found = self.visual_map(torch.cat(parts, 2))
        if self.numbers is not None and self.boxes is not None:
            found = found + self.numbers(i["visual_number"]) + self.boxes(i["visual_box"])
        return cast(Tensor, found)

    def graphs(self, batch: Batch, states: Tensor | None, vectors: Tensor | None) -> Graphs:
        """The graph of every pair, text nodes first."""
        i, c = batch.inputs, self.config
        owner = i["owner"]
        text, visual = self.text_nodes(batch, states), self.visual_nodes(batch, vectors)[owner]
        visual = visual.to(text.dtype)
        text_real, visual_real = i["text_real"].bool(), i["visual_real"][owner]
        if self.similar is not None:
            maps = self.similar(text), self.similar(visual)
            across = public_cross_edges(*maps, text_real, visual_real)
        else:
            across = cosine_edges(text.float(), visual.float(), text_real, visual_real, c.threshold)
        return Graphs(
            torch.cat([text, visual], 1),
            torch.cat([text_real, visual_real], 1),
            join_graphs(i["text_edges"], i["visual_edges"][owner], across),
            self.label_map(self.phrases(i["label_words"])).to(text.dtype),
            text.shape[1],
        )
