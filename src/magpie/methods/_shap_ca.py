"""What both heads of Shap-CA share: a description beside the post, the picture, and two games.

Luo, Xia, Shen and Li, Shapley Value-based Contrastive Alignment for Multimodal Information
Extraction, ACM MM 2024 (arXiv 2407.17854); no public code, so that most of it is reconstructed and
a setting. A large multimodal model has described the picture beforehand; BERT reads ``[CLS]
description [SEP] post [SEP]``, a picture encoder the picture, and gates let both into the words
(:mod:`magpie.nn.bridge_gate`). Unusual: in training the posts of a batch play. Each description is
worth something to each post, the Shapley value of a softmax game (:mod:`magpie.nn.shapley`), and a
contrast raises the worth of its own description against that of the others, and the same with the
sides exchanged (semantic alignment) and between descriptions and pictures (modality alignment).

The description is cut before the post is. Without one, and without a picture, words are read as
they would be alone, and the post plays no part in that game.

Shapes: B documents, N rows of text (B, or one a pair), T pieces of a row, C pieces of a
description, P patches, D width of the text, K width in which things are compared.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Literal, Self, cast

import torch
from torch import Tensor, nn

from magpie.backbones import TextEncoder, VisionEncoder, load_text, load_vision
from magpie.errors import ConfigError
from magpie.features import Assets, Need, Pixels, Texts
from magpie.methods._shap_ca_games import AlignmentSettings, align
from magpie.methods.base import Batch, Example, Method, ParameterGroup
from magpie.methods.context import context_pieces
from magpie.methods.labels import LabelSpace
from magpie.nn.bridge_gate import BridgeGate, Fusion
from magpie.schema import Document

__all__ = ["BridgeSettings", "Bridged", "Reading"]

#: what is compared
_SIDES = ("text", "context", "picture")


# No slots, so that it can stand beside another config among the parents of one.
@dataclass(frozen=True, kw_only=True)
class BridgeSettings(AlignmentSettings):
    """Settings of both heads; beside what the encoders are, all of it is reconstructed."""

    #: picture encoder: a ViT or a ResNet
    vision: str = "vit-base"
    #: side of its pictures; None takes the encoder's own
    image_side: int | None = None
    #: keep the picture encoder as it is
    freeze_vision: bool = False
    #: side sources of descriptions; empty takes every caption of the document
    context: tuple[str, ...] = ()
    #: longest description in pieces (C)
    context_length: int = 128
    #: a post without description: empty reads none; refuse raises, naming the post
    missing_context: Literal["empty", "refuse"] = "empty"
    #: vectors of post and description come from encoding each apart: read together, a description
    #: has seen its own post
    separate_encoding: bool = False
    #: of states into one vector, of text, description and patches
    pooling: Literal["mean", "max"] = "mean"
    #: width in which vectors are compared (K)
    project_width: int = 256
    #: how description and picture enter the words
    fusion: Fusion = "bridge"
    #: of both attentions of the fusion
    heads: int = 8
    fusion_dropout: float = 0.1
    #: rate of what is not pre-trained; None takes the recipe's
    new_rate: float | None = 1e-4

    def check_bridge(self) -> None:
        """Raises ConfigError for an impossible value."""
        if self.context_length < 1 or self.project_width < 1 or self.heads < 1:
            raise ConfigError(
                f"need context_length, project_width and heads of at least 1, got "
                f"{self.context_length}, {self.project_width} and {self.heads}"
            )
        if not 0 <= self.fusion_dropout < 1:
            raise ConfigError(f"fusion_dropout must lie in [0, 1), got {self.fusion_dropout}")
        self.check_alignment()


@dataclass(slots=True)
class Reading:
    """What was read of N rows of text, D wide; masks are bool."""

    #: H_t at the places of ``input_ids``, [N, T, D]
    text: Tensor
    #: pieces between ``[CLS]`` and ``[SEP]``, [N, T]
    text_mask: Tensor
    #: H_c, [N, C, D]
    context: Tensor
    #: pieces that were read, [N, C]
    context_mask: Tensor
    #: V, [N, P, D]
    patches: Tensor
    #: whether there is a picture, [N]
    seen: Tensor


class Bridged(Method):
    """Reads post, description and picture, and aligns them; a class beside it adds the head."""

    config: Any

    def add_bridge(self, text: TextEncoder, vision: VisionEncoder) -> None:
        """Builds fusion and projections; called at the end of the constructor."""
        c = self.config
        if c.freeze_vision:
            vision.freeze()
        self.project_picture = nn.Linear(vision.width, text.width)
        self.fusion = BridgeGate(text.width, c.heads, c.fusion_dropout, c.fusion)
        self.projections = nn.ModuleDict(
            {side: nn.Linear(text.width, c.project_width) for side in _SIDES}
        )

    @classmethod
    def build(cls, config: Any, labels: LabelSpace) -> Self:
        text = load_text(config.text, attention_dropout=config.attention_dropout)
        vision = load_vision(config.vision, side=config.image_side)
        # Both heads take (config, labels, text, vision).
        return cast(Self, cast(Any, cls)(config, labels, text, vision))

    @property
    def vision(self) -> VisionEncoder:
        """The picture encoder."""
        return cast(VisionEncoder, self.backbones["vision"])

    @property
    def _reader(self) -> TextEncoder:
        return cast(TextEncoder, self.backbones["text"])

    @property
    def _texts(self) -> Texts:
        return Texts(sources=tuple(self.config.context))

    def needs(self) -> frozenset[Need]:
        return frozenset({self._texts, Pixels(self.vision.pixels)})

    def add_context(self, example: Example, assets: Assets) -> Example:
        """``context_ids``, ``context_mask`` [C], ``pixels`` [3, side, side], ``has_image`` [] and
        ``picture`` [], which is equal for posts of the same picture.

        Raises:
            ConfigError: the description is absent and ``missing_context`` is ``refuse``.
        """
        c, document = self.config, example.document
        said, shown = assets[self._texts], assets[Pixels(self.vision.pixels)]
        ids = context_pieces(said.texts, self._reader, c.context_length)
        if not ids and c.missing_context == "refuse":
            raise ConfigError(
                f"no description: {said.reason or 'its text is empty'}",
                where=document.id,
                mend="Add it to the file of descriptions, or set missing_context to empty.",
            )
        side = self.vision.pixels.side
        pixels = torch.zeros(3, side, side)
        if shown.present:
            pixels = torch.from_numpy(shown.arrays["pixels"].copy())
        example.inputs.update(
            # One masked piece, so that there is something to attend to.
            context_ids=torch.tensor(ids or [self._reader.pad_id]),
            context_mask=torch.tensor([True] * len(ids) or [False]),
            pixels=pixels,
            has_image=torch.tensor(shown.present),
            picture=torch.tensor(_picture_number(document, said.texts)),
        )
        return example

    def read(self, batch: Batch, owner: Tensor | None = None) -> Reading:
        """Post and description together, and the picture.

        Args:
            batch: with ``input_ids`` and ``attention_mask`` of N rows.
            owner: the document of each row, [N]; None where rows are documents.
        """
        i = batch.inputs
        rows = torch.arange(len(i["pixels"]), device=self.device) if owner is None else owner
        ids, mask = i["input_ids"], i["attention_mask"].bool()
        context, told = i["context_ids"][rows], i["context_mask"][rows]
        text_length = mask.sum(1)
        # What does not fit is cut off the description: the post stays whole.
        limit = min(self.config.max_length, self._reader.max_positions)
        length = torch.minimum(told.sum(1), (limit - text_length - 1).clamp(min=0))  # N
        shift = torch.where(length > 0, length + 1, 0)
        width = int((text_length + shift).max())
        at_text = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
        own = (at_text > 0) & (at_text < text_length.unsqueeze(1) - 1)
        at_text = at_text + shift.unsqueeze(1) * (at_text > 0)  # N,T: [CLS] stays in front
        at_context = torch.arange(context.shape[1], device=ids.device).expand_as(context) + 1
        told = at_context <= length.unsqueeze(1)  # N,C
        # Padding goes into one more column, which is cut off again.
        joint = ids.new_full((len(ids), width + 1), self._reader.pad_id)
        joint.scatter_(1, torch.where(told, at_context, width), context)
        joint.scatter_(1, torch.where(mask, at_text, width), ids)
        between = torch.where(length > 0, shift, torch.full_like(shift, width)).unsqueeze(1)
        joint.scatter_(1, between, int(self._reader.tokenizer.sep_token_id))
        read = torch.arange(width, device=ids.device) < (text_length + shift).unsqueeze(1)
        states = self.joint_states(
            batch, joint[:, :width], read.long(), torch.where(mask, at_text, width)
        )  # N,T+C+1,D
        return Reading(
            text=_at(states, at_text),
            text_mask=own,
            context=_at(states, at_context),
            context_mask=told,
            patches=self.patches(batch)[rows],
            seen=i["has_image"][rows],
        )

    def joint_states(self, batch: Batch, joint: Tensor, read: Tensor, places: Tensor) -> Tensor:
        """The encoder's states of post and description, [N, W, D].

        Args:
            batch: as :meth:`read` has it.
            joint, read: ids and 1/0 mask of both together, [N, W].
            places: where the pieces of the post stand there, [N, T]; W for padding.
        """
        states: Tensor = self._reader(joint, read)
        return states

    def patches(self, batch: Batch) -> Tensor:
        """V, [B, P, D]; zeros for pictures that are not there, which no encoder sees."""
        i = batch.inputs
        there = i["has_image"]
        summary = 0 if self.vision.convolutional else 1
        count = self.vision.cells - summary
        rows = torch.zeros(
            len(there), count, self.project_picture.out_features, device=there.device
        )
        if not bool(there.any()):
            return rows
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.config.freeze_vision):
            cells = self.vision(i["pixels"][there])[:, summary:]  # n,P,V
        found = self.project_picture(cells)
        return rows.to(found.dtype).index_put((there,), found)

    def fuse(self, reading: Reading) -> Tensor:
        """F, [N, T, D]."""
        fused: Tensor = self.fusion(
            reading.text,
            reading.patches,
            reading.seen,
            reading.context,
            reading.context_mask,
            _pooled(reading.context, reading.context_mask, "mean"),
        )
        return fused

    def vectors(
        self, reading: Reading, batch: Batch, owner: Tensor | None = None
    ) -> dict[str, Tensor]:
        """``text_vector``, ``context_vector`` and ``picture_vector`` [N, K], as they are compared;
        ``told`` and ``seen`` [N]: whether there is a description, and a picture."""
        how = self.config.pooling
        text, context = reading.text, reading.context
        text_mask, context_mask = reading.text_mask, reading.context_mask
        if self.config.separate_encoding:
            i = batch.inputs
            text = self._reader(i["input_ids"], i["attention_mask"])
            context, context_mask = self._alone(batch)
            if owner is not None:
                context, context_mask = context[owner], context_mask[owner]
        everywhere = torch.ones_like(reading.patches[:, :, 0], dtype=torch.bool)
        pooled = {
            "text": _pooled(text, text_mask, how),
            "context": _pooled(context, context_mask, how),
            "picture": _pooled(reading.patches, everywhere, how),
        }
        return {
            **{f"{name}_vector": self.projections[name](pooled[name]) for name in pooled},
            "told": context_mask.any(1),
            "seen": reading.seen,
        }

    def alignment(
        self, scores: dict[str, Tensor], batch: Batch, owner: Tensor | None = None
    ) -> dict[str, Tensor]:
        """``semantic`` and ``modality``, weighted; a game of fewer than two posts is left out."""
        picture = batch.inputs["picture"]
        return align(self.config, scores, picture if owner is None else picture[owner])

    def _alone(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """States of ``[CLS] description [SEP]`` at the description's pieces [B, C, D], its mask."""
        tokenizer = self._reader.tokenizer
        ids, mask = batch.inputs["context_ids"], batch.inputs["context_mask"]
        limit = min(self.config.max_length, self._reader.max_positions) - 2
        ids, mask = ids[:, :limit], mask[:, :limit]
        length = mask.sum(1, keepdim=True)
        framed = torch.cat([ids[:, :1], ids, ids[:, :1]], 1).masked_fill(
            torch.arange(ids.shape[1] + 2, device=ids.device) > length, self._reader.pad_id
        )
        framed[:, 0] = int(tokenizer.cls_token_id)
        framed.scatter_(1, length + 1, int(tokenizer.sep_token_id))
        read = torch.arange(framed.shape[1], device=ids.device) < length + 2
        return self._reader(framed, read.long())[:, 1:-1], mask

    def groups(self) -> list[ParameterGroup]:
        """Encoders at the recipe's rate, what is new at ``new_rate``."""
        pretrained = tuple(p for p in self.backbones.parameters() if p.requires_grad)
        own = {id(parameter) for parameter in pretrained}
        new = tuple(p for p in self.trainable() if id(p) not in own)
        return [
            ParameterGroup(name="encoders", parameters=pretrained),
            ParameterGroup(name="new", parameters=new, rate=self.config.new_rate),
        ]


def _at(states: Tensor, places: Tensor) -> Tensor:
    """States [N, W, D] at places [N, T], which may lie behind their end where nobody looks."""
    places = places.clamp(max=states.shape[1] - 1).unsqueeze(2)
    return states.gather(1, places.expand(-1, -1, states.shape[2]))


def _pooled(states: Tensor, mask: Tensor, how: str) -> Tensor:
    """[N, T, D] -> [N, D] over the places that count; zeros where none does."""
    counted = mask.unsqueeze(2)
    if how == "max":
        top = states.masked_fill(~counted, -torch.inf).amax(1)
        return top.masked_fill(~mask.any(1, keepdim=True), 0.0)
    share = counted.to(states.dtype) / mask.sum(1).clamp(min=1).view(-1, 1, 1)
    return (states * share).sum(1)


def _picture_number(document: Document, texts: tuple[str, ...]) -> int:
    """Equal for posts of one picture, be it here or not; of none, for posts of one description."""
    key = repr(texts) if texts else f"document {document.id}"
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass"))
    for medium in document.media[:1]:
        if medium.uri is not None:
            digest = hashlib.sha256(medium.uri.encode("utf-8", "surrogatepass"))
        elif medium.data is not None:
            digest = hashlib.sha256(medium.data)
    return int.from_bytes(digest.digest()[:7])
