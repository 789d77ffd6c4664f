"""CAMIM: what a caption says of the picture, what the text says of a picture made of it, and the
information that both share.

Zhang et al., Caption-Aware Multimodal Relation Extraction with Mutual Information Maximization,
ACM MM 2024; public code zefanZhang-cn/CAMIM. TMR with two additions. A picture's rows and the words
that belong to them look at one another before the text is asked (:mod:`magpie.nn.caption_aware`):
the post's own picture beside its caption, the generated picture beside the post. And the two
picture vectors of a post are pulled together against those of the batch, an in-batch lower bound
on their mutual information. Unusual: captions have a text encoder of their own, all four streams
share one set of weights, and caption or post enter once more as a sentence vector laid beside
every row of the picture.

Where a picture is absent its rows are zeros, so that a branch says what its words say; a post
without picture and caption has no first branch and takes no part in the bound.

Shapes: B documents, N pairs, T pieces, K phrase pieces, L words of a branch, V the two pictures
(the post's own first), I a picture and its objects, P rows of each, D width, C relation types.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from magpie.backbones import TextEncoder, VisionEncoder, load_vision
from magpie.errors import ConfigError
from magpie.features import Assets, Need, Texts
from magpie.methods._tmr_relations import TranslatedPairs, TranslatedPairsConfig
from magpie.methods.base import Batch, Example
from magpie.methods.labels import LabelSpace
from magpie.methods.marking import add_markers, add_masks
from magpie.methods.relating import Relating
from magpie.methods.text_settings import text_encoder
from magpie.nn.caption_aware import CaptionAware
from magpie.nn.contrast import in_batch_loss
from magpie.nn.multigrained import Stream, attend, mix
from magpie.schema import Document

__all__ = ["Camim", "CamimConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CamimConfig(TranslatedPairsConfig):
    """Settings of CAMIM; the defaults are the published ones, masks apart."""

    #: sources of phrases; none takes the two mentions. Those published for MNRE 2 end with words
    #: for the mentions' types almost exactly where there is a relation: they give gold away
    phrases: tuple[str, ...] = ()
    #: side sources of captions; empty takes every caption of the document
    captions: tuple[str, ...] = ("minicpm",)
    #: pieces of the caption that are read, with the special ones
    max_caption_len: int = 40
    #: first pieces of the marked text that stand beside the generated picture
    text_length: int = 40
    #: a post without caption: empty reads none; refuse raises, naming the post
    missing_caption: Literal["empty", "refuse"] = "empty"
    #: weight of the mutual-information loss
    alpha: float = 0.1
    #: inside the caption-aware module
    module_dropout: float = 0.3
    #: hide padding everywhere; set to false by ``legacy_no_mask``
    mask_padding: bool = True
    #: padding is attended to, averaged and summed, as in the public code
    legacy_no_mask: bool = False
    #: in the attention of words to words keys ask and queries are asked, as in the public code
    legacy_swap: bool = False

    def __post_init__(self) -> None:
        TranslatedPairsConfig.__post_init__(self)
        if self.max_caption_len < 3 or self.text_length < 1:
            raise ConfigError(
                f"need max_caption_len >= 3 and text_length >= 1, got {self.max_caption_len} and "
                f"{self.text_length}"
            )
        if self.alpha < 0 or not 0 <= self.module_dropout < 1:
            raise ConfigError(
                f"need alpha >= 0 and module_dropout in [0, 1), got {self.alpha} and "
                f"{self.module_dropout}"
            )
        if self.legacy_no_mask:
            object.__setattr__(self, "mask_padding", False)


class Camim(TranslatedPairs):
    """Caption-aware streams of both pictures, TMR's readout, and InfoNCE between the pictures."""

    name: ClassVar[str] = "camim"
    adjustable: ClassVar[frozenset[str]] = Relating.adjustable | {"missing_caption"}
    Config: ClassVar[type[CamimConfig]] = CamimConfig
    config: CamimConfig

    def __init__(
        self,
        config: CamimConfig,
        labels: LabelSpace,
        text: TextEncoder,
        captions: TextEncoder,
        vision: VisionEncoder,
    ) -> None:
        parts = {"text": text, "captions": captions, "vision": vision}
        Relating.__init__(self, config, labels, parts)
        markers = add_markers(captions)
        masks = add_masks(captions) if config.mask_mentions else None
        if (markers, masks) != (self.markers, self.masks):
            raise ConfigError(
                "the encoder of captions cuts texts in another way than that of the text",
                mend="Build both from the same name.",
            )
        if config.freeze_vision:
            vision.freeze()
        self.project = nn.Linear(vision.width, text.width)
        self.aware = CaptionAware(text.width, config.module_dropout, swap=config.legacy_swap)
        self.word_stream = Stream(text.width)
        self.phrase_stream = Stream(text.width)
        self.add_readout(text.width)

    @classmethod
    def build(cls, config: CamimConfig, labels: LabelSpace) -> Self:
        text, captions = (text_encoder(config) for _ in range(2))
        vision = load_vision(config.vision, side=config.image_side)
        return cls(config, labels, text, captions, vision)

    @property
    def _captions(self) -> Texts:
        return Texts(sources=tuple(self.config.captions))

    def needs(self) -> frozenset[Need]:
        return super().needs() | {self._captions}

    def prepare(self, document: Document, assets: Assets) -> Example:
        """As TMR, with ``caption_ids``, ``caption_mask`` [L] and ``captioned`` [].

        Raises:
            ConfigError: the caption is absent and ``missing_caption`` is ``refuse``.
        """
        c, tokenizer = self.config, self.text.tokenizer
        example = super().prepare(document, assets)
        words = " ".join(assets[self._captions].texts)
        if not words.strip() and c.missing_caption == "refuse":
            raise ConfigError(
                f"no caption: {assets[self._captions].reason or 'its text is empty'}",
                where=document.id,
                mend="Add it to the caption file, or set missing_caption to empty.",
            )
        length = min(c.max_caption_len, self.text.max_positions)
        cut = {"add_special_tokens": False, "truncation": True, "max_length": length - 2}
        body = tokenizer(words, **cut)["input_ids"] if words.strip() else []
        ids = [int(tokenizer.cls_token_id), *body, int(tokenizer.sep_token_id)]
        rest = length - len(ids)
        example.inputs.update(
            caption_ids=torch.tensor(ids + [self.text.pad_id] * rest),
            caption_mask=torch.tensor([1] * len(ids) + [0] * rest),
            captioned=torch.tensor(bool(body)),
        )
        return example

    def image_rows(self, batch: Batch) -> Tensor:
        """[B, V, I, P, D], the whole picture before its objects; zeros for pictures not there."""
        i = batch.inputs
        images = torch.cat([i["pictures"].unsqueeze(2), i["objects"]], 2)  # B,V,I,3,side,side
        shape = (self.vision.cells, self.project.out_features)
        views = []
        for given, read in zip(images.unbind(1), self.read_views(batch).unbind(1), strict=True):
            rows = given.new_zeros(*given.shape[:2], *shape)
            # Decided before the encoder: absent pictures cost nothing and leave its norms alone.
            if bool(read.any()):
                seen = given[read]  # n,I,3,side,side
                # Four passes, as published: batch norms are of pictures of one kind.
                whole = self.cells(seen[:, 0]).unsqueeze(1)
                cuts = self.cells(seen[:, 1:].flatten(0, 1)).unflatten(0, (len(seen), -1))
                found = self.project(torch.cat([whole, cuts], 1))  # n,I,P,D
                rows = rows.to(found.dtype).index_put((read,), found)
            views.append(rows)
        return torch.stack(views, 1)

    def first_pieces(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Ids and mask of the marked text that stand beside the generated picture, [N, L]."""
        ids, mask = (batch.inputs[name] for name in ("input_ids", "attention_mask"))
        length = min(self.config.text_length, self.config.max_length)
        rest = length - ids.shape[1]
        if rest > 0 and not self.config.mask_padding:
            ids = functional.pad(ids, (0, rest), value=self.text.pad_id)
            mask = functional.pad(mask, (0, rest))
        return ids[:, :length], mask[:, :length]

    def aware_of(self, rows: Tensor, words: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Z of a picture and its objects [M, I, P + L, D], and which of its places count.

        Args:
            rows: [M, I, P, D].
            words: states of the words beside it, [M, L, D].
            mask: of these words, [M, L].
        """
        if not self.config.mask_padding:
            z = self.aware(rows, words.mean(1), words)
            return z, torch.ones_like(z[:, 0, :, 0], dtype=torch.bool)
        share = mask / mask.sum(1, keepdim=True)
        sentence = (words * share.unsqueeze(2).to(words.dtype)).sum(1)  # M,D
        return self.aware(rows, sentence, words, mask), self.aware.places(mask, rows.shape[2])

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        i, owner = batch.inputs, batch.inputs["owner"]
        states, phrases = self.read_texts(batch)  # N,T,D and N,K,D
        rows = self.image_rows(batch)  # B,V,I,P,D
        # The caption is the picture's: once a document. The post is marked: once a pair.
        captions, posts = (i["caption_ids"], i["caption_mask"]), self.first_pieces(batch)
        encoder = cast(TextEncoder, self.backbones["captions"])
        caption_words, post_words = encoder.both(captions, posts)  # B,L,D and N,L,D
        z_own, at_own = self.aware_of(rows[:, 0], caption_words, captions[1])
        z_made, at_made = self.aware_of(rows[owner, 1], post_words, posts[1])
        told = (self.read_views(batch)[:, 0] | i["captioned"])[owner]  # N
        branches = ((z_own[owner], at_own[owner]), (z_made, at_made))
        vectors = [
            self.fused_view(z, places, states, phrases, batch, view)
            for view, (z, places) in enumerate(branches)
        ]
        vectors[0] = vectors[0] * told.unsqueeze(1).to(states.dtype)
        own, made = (torch.tanh(self.picture_map(m)) for m in vectors)  # N,D
        rep = self.read_out(states, phrases, batch, (own, made))
        logits = self.classifier(self.dropout(rep))  # N,C
        return {"logits": logits, "own": own, "made": made, "told": told}

    def fused_view(
        self,
        z: Tensor,
        places: Tensor,
        states: Tensor,
        phrases: Tensor,
        batch: Batch,
        view: int,
    ) -> Tensor:
        """m of one picture, [N, D]: Z of the picture asks words, sums of its objects ask phrases.

        Args:
            z: [N, I, P + L, D], the whole picture first.
            places: which of P + L count, bool [N, P + L].
            states: X, [N, T, D].
            phrases: Ph, [N, K, D].
            batch: with masks and scores.
            view: 0 the post's own picture, 1 the generated one.
        """
        i = batch.inputs
        word_mask = phrase_mask = None
        if self.config.mask_padding:
            word_mask, phrase_mask = i["attention_mask"], i["phrase_mask"]
        whole, objects = z[:, 0], z[:, 1:].sum(2)  # N,P+L,D and N,R,D
        fine = self.word_patch(whole, places, states, word_mask) + torch.tanh(whole.sum(1))
        coarse = self.phrase_stream(objects, phrases, phrase_mask)
        coarse = coarse + torch.tanh(objects.mean(1))
        return mix(fine, coarse, i["scores"][i["owner"], view].to(fine.dtype))

    def word_patch(
        self, asking: Tensor, places: Tensor, states: Tensor, mask: Tensor | None
    ) -> Tensor:
        """tanh of what every place of Z is answered, summed over those that count: [N, D].

        Args:
            asking: Z of a whole picture, [N, P + L, D].
            places: which of them count, bool [N, P + L].
            states: X, [N, T, D].
            mask: [N, T], words that may be looked at.
        """
        stream = self.word_stream
        found = attend(stream.query(asking), stream.key(states), stream.value(states), mask)
        counted = places.unsqueeze(2).to(found.dtype)
        return (torch.tanh(found) * counted).sum(1)

    def extra_losses(self, scores: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """``mutual``: alpha times InfoNCE, generated pictures asking for the posts' own."""
        told = scores["told"]
        if not self.config.alpha or not bool(told.any()):
            return {}
        post = batch.inputs["owner"][told]
        # Rivals are other posts: a pair of the same post has the same two pictures.
        same = post[:, None] == post
        loss = in_batch_loss(scores["made"][told], scores["own"][told], ignored=same)
        return {"mutual": self.config.alpha * loss}
