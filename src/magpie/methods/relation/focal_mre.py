"""FocalMRE: frames drawn on the whole picture, one copy a region, asked by the text and gated.

Focus & Gating: A Multimodal Approach for Unveiling Relations in Noisy Social Media, ACM MM 2024;
public code honk2333/FocalMRE. A cut-out loses its scene; a copy of the picture with a frame around
the region keeps it. Regions of grounded phrases are framed red, those of a detector blue. Every
slot has an attention and a gate of its own (:mod:`magpie.nn.focal_attention`). Unusual: the plain
picture is never read; slots are added up with free weights, so a source of four slots has four
times the text's scale; and only text states at the two opening markers reach the classifier.

Where pictures are absent, published boxes are not: ``views`` lets places and sizes of the boxes be
looked at in place of the frames (:mod:`magpie.nn.box_tokens`), which is ours.

Shapes: B documents, N pairs, T pieces, M slots, R frames, P tokens of a view, D width, C relation
types.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Self, cast

import numpy as np
import torch
from torch import Tensor, nn

from magpie.backbones import TextEncoder, VisionEncoder, load_text, load_vision
from magpie.errors import ConfigError
from magpie.features import Asset, Assets, Need
from magpie.features.frames import BLUE, RED, Frames
from magpie.features.geometry import BoxGeometry
from magpie.methods.base import Batch, Example
from magpie.methods.labels import LabelSpace
from magpie.methods.relating import Relating, RelatingConfig
from magpie.nn.box_tokens import MEASURES, BoxTokens
from magpie.nn.focal_attention import FocalFusion, SlotNorm
from magpie.schema import Document

__all__ = ["FocalMre", "FocalMreConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FocalMreConfig(RelatingConfig):
    """Settings of FocalMRE; the defaults are the published ones, masks apart."""

    #: as in the run script
    max_length: int = 128
    #: picture encoder, trained along: CLIP's vision tower; vit-base as the paper words it
    vision: str = "clip-vit-base-patch32"
    #: side of the pictures; None takes the encoder's own
    image_side: int | None = None
    #: keep the picture encoder as it is
    freeze_vision: bool = False
    #: boxes that get red frames: "whole" or a source of boxes
    grounded: str = "focalmre-grounding"
    #: slots for them. On MNRE 2 more than two give gold away: pairs without a relation have two
    #: published boxes, most others four
    grounded_count: int = 4
    #: boxes that get blue frames, likewise
    detector: str = "focalmre-detector"
    detector_count: int = 3
    #: of the frames, in pixels of the picture
    stroke: int = 3
    #: how slots are weighted: none (free weights), mean over those that are there, softmax
    slot_norm: SlotNorm = "none"
    #: on text and views, for each slot anew, and on attention weights
    dropout: float = 0.1
    #: replaces the text encoder's own on attention weights; None keeps it
    attention_dropout: float | None = None
    #: what the text looks at: frames, so that a picture that is not there leaves its slots empty;
    #: geometry, places and sizes of the boxes, never the picture; either, frames where there is a
    #: picture and geometry where there is none
    views: Literal["frames", "geometry", "either"] = "frames"
    #: slots without a frame show a zero picture and take part, as in the public code
    legacy_no_mask: bool = False
    #: the classifier stays as it was drawn, as in the public code
    legacy_frozen_head: bool = False

    def __post_init__(self) -> None:
        RelatingConfig.__post_init__(self)
        if not 0 <= self.dropout < 1 or not 0 <= (self.attention_dropout or 0.0) < 1:
            raise ConfigError(
                f"dropout must lie in [0, 1), got {self.dropout} and {self.attention_dropout}"
            )
        if self.views not in ("frames", "geometry", "either"):
            raise ConfigError(f"views must be frames, geometry or either, got {self.views!r}")
        if self.legacy_no_mask and self.views != "frames":
            raise ConfigError(
                f"legacy_no_mask shows zero pictures in the slots that views={self.views!r} fills",
                mend="Leave one of them out.",
            )


class FocalMre(Relating):
    """Text states at both markers, each beside all framed copies, summed by source."""

    name: ClassVar[str] = "focal-mre"
    Config: ClassVar[type[FocalMreConfig]] = FocalMreConfig
    #: frames stand under one another, too: a document has as many as its picture has boxes
    by_pair: ClassVar[frozenset[str]] = Relating.by_pair | {"frames"}
    config: FocalMreConfig

    def __init__(
        self, config: FocalMreConfig, labels: LabelSpace, text: TextEncoder, vision: VisionEncoder
    ) -> None:
        super().__init__(config, labels, {"text": text, "vision": vision})
        if config.freeze_vision:
            vision.freeze()
        slots = (config.grounded_count, config.detector_count)
        self.fusion = FocalFusion(text.width, vision.width, slots, config.slot_norm, config.dropout)
        if config.views != "frames":
            self.box_tokens = BoxTokens(vision.width, len(slots))
        width = 2 * len(slots) * text.width
        self.classifier = nn.Linear(width, len(labels.relation_types))
        self.classifier.requires_grad_(not config.legacy_frozen_head)

    @classmethod
    def build(cls, config: FocalMreConfig, labels: LabelSpace) -> Self:
        text = load_text(config.text, attention_dropout=config.attention_dropout)
        return cls(config, labels, text, load_vision(config.vision, side=config.image_side))

    @property
    def vision(self) -> VisionEncoder:
        """The picture encoder."""
        return cast(VisionEncoder, self.backbones["vision"])

    @property
    def _sources(self) -> tuple[tuple[Frames, BoxGeometry], ...]:
        """(frames, geometry) of grounded phrases, then of the detector."""
        c, spec = self.config, self.vision.pixels
        return tuple(
            (Frames(name, count, colour, c.stroke, spec), BoxGeometry(name, count))
            for name, count, colour in (
                (c.grounded, c.grounded_count, RED),
                (c.detector, c.detector_count, BLUE),
            )
        )

    def needs(self) -> frozenset[Need]:
        wanted: set[Need] = set()
        for frames, geometry in self._sources:
            if self.config.views != "geometry":
                wanted.add(frames)
            if self.config.views != "frames":
                wanted.add(geometry)
        return frozenset(wanted)

    def prepare(self, document: Document, assets: Assets) -> Example:
        """As every relation method, with ``frames`` [R, 3, side, side] and ``there`` [M], the slots
        that have one; with geometry also ``boxes`` [M, 4] and ``boxed`` [M]."""
        example = self.prepare_pairs(document)
        side = self.vision.pixels.side
        frames, there, boxes, boxed = [], [], [], []
        none = Asset.absent("not asked for")
        for drawn, geometry in self._sources:
            slots = torch.arange(drawn.count)
            pixels = np.zeros((0, 3, side, side), np.float32)
            rows = np.zeros((0, 4), np.float32)
            seen, placed = (assets.get(need, none) for need in (drawn, geometry))
            if seen.present:
                pixels = cast(Any, seen.arrays["pixels"])
            elif placed.present:
                rows = cast(Any, placed.arrays["boxes"])
            frames.append(torch.tensor(pixels))
            there.append(slots < len(pixels))
            filled = torch.zeros(drawn.count, 4)
            filled[: len(rows)] = torch.tensor(rows)
            boxes.append(filled)
            boxed.append(slots < len(rows))
        example.inputs.update(frames=torch.cat(frames), there=torch.cat(there))
        if self.config.views != "frames":
            example.inputs.update(boxes=torch.cat(boxes), boxed=torch.cat(boxed))
        return example

    def seen(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor | None]:
        """What the text looks at.

        Returns:
            [B, M, P, width], slots that take part [B, M], and tokens that count [B, M, P] or None
            for all.
        """
        there, mask = batch.inputs["there"], None
        seen = self._frame_states(batch)
        if self.config.legacy_no_mask:
            return seen, torch.ones_like(there), None
        boxed = batch.inputs.get("boxed")
        if boxed is not None and bool(boxed.any()):
            counts = (self.config.grounded_count, self.config.detector_count)
            given = torch.arange(len(counts), device=there.device)
            given = given.repeat_interleave(torch.tensor(counts, device=there.device))
            tokens = self.box_tokens(batch.inputs["boxes"], given)  # B,M,5,width
            if bool(there.any()):
                lengths = ((there, seen.shape[2]), (boxed, len(MEASURES)))
                mask = torch.cat([m.unsqueeze(2).expand(-1, -1, n) for m, n in lengths], 2)
                seen = torch.cat([seen, tokens.to(seen.dtype)], 2)
            else:
                seen = tokens
            there = there | boxed
        return seen, there, mask

    def _frame_states(self, batch: Batch) -> Tensor:
        """States of every slot [B, M, P, width]; empty slots have those of a zero picture where
        they take part, else zeros. Without any picture P is 1."""
        frames, there = batch.inputs["frames"], batch.inputs["there"]
        if self.config.legacy_no_mask:
            # One zero picture stands for all.
            states = self._encode(torch.cat([frames, frames.new_zeros(1, *frames.shape[1:])]))
        elif len(frames):
            states = self._encode(frames)  # R,P,width
            states = torch.cat([states, torch.zeros_like(states[:1])])
        else:
            states = self.classifier.weight.new_zeros(1, 1, self.vision.width)
        index = there.flatten().cumsum(0) - 1
        index = torch.where(there.flatten(), index, len(states) - 1)
        return states[index].unflatten(0, there.shape)

    def _encode(self, pixels: Tensor) -> Tensor:
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.config.freeze_vision):
            return cast(Tensor, self.vision(pixels))

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        i = batch.inputs
        states = self.text(i["input_ids"], i["attention_mask"])  # N,T,D
        # Places do not look at one another behind the encoder, and two of them are read.
        marks = self.pair_states(states, batch).unflatten(1, (2, -1))  # N,2,D
        fused = self.fusion(marks, *self.seen(batch), i["owner"])
        read = torch.cat([h.flatten(1) for h in fused], 1)  # N,4D
        return {"logits": self.classifier(read)}  # N,C
