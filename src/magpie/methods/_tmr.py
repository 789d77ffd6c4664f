"""What TMR's two heads share: pictures, phrases, scores, and one vector a picture.

Zheng et al., Rethinking Multimodal Entity and Relation Extraction from a Translation Point of
View, ACL 2023; public code thecharm/TMR. A post is read beside two pictures, its own and one that
a diffusion model made of its text; both go through the same weights. Patches of a picture ask the
words, its objects ask the phrases, and the scores of a divergence estimator say how much of either
enters (:mod:`magpie.nn.multigrained`).

Shapes: B documents, M rows of text (B, or more where a document has several), T pieces, K phrase
pieces, V the two pictures (the post's own first), P patches, R objects, D width.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from magpie.backbones import TextEncoder, VisionEncoder, load_vision
from magpie.errors import ConfigError
from magpie.features import Asset, Assets, Crops, Need, Pixels
from magpie.features.divergence import DivergenceScores
from magpie.features.generated import Generated
from magpie.features.phrases import Phrases
from magpie.methods.base import Batch, Example, Method
from magpie.methods.labels import LabelSpace
from magpie.methods.text_settings import text_encoder
from magpie.nn.multigrained import MultiGrained
from magpie.vision import PixelSpec
from magpie.vision.pixels import Normalisation

__all__ = ["BYTES", "Translated", "TranslationSettings"]

#: values 0 to 255 as they are in the file
BYTES = Normalisation((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255))


# No slots, so that it can stand beside another config among the parents of one.
@dataclass(frozen=True, kw_only=True)
class TranslationSettings:
    """Settings of the two pictures and the two streams."""

    #: picture encoder, a ResNet; trained along
    vision: str = "resnet-50"
    #: side of the pictures; None takes the encoder's own
    image_side: int | None = None
    #: where the objects of the post's own picture come from: media, whole, or a source of boxes
    objects: str = "focalmre-grounding"
    #: the same of the generated picture
    generated_objects: str = "tmr-generated-mnre"
    #: objects of either picture; missing ones are black cut-outs that take part all the same
    object_count: int = 3
    #: folder of generated pictures, named as the posts' own, or pipeline:NAME, which draws them;
    #: documents may bring them as well
    generated_folder: str = ""
    #: context or side sources of the phrases; where none has any, relations take the mentions and
    #: entities the first words
    phrases: tuple[str, ...] = ("tmr-phrases-mnre",)
    #: phrase pieces that are read (K)
    phrase_length: int = 6
    #: where the scores come from: a side source, or estimator:FOLDER
    scores: str = "tmr-weights"
    #: score of "strengthen" for a pair that has none
    strong: float = 0.5
    #: a picture that is not there: hidden adds nothing; zeros is read as a black one
    missing: Literal["hidden", "zeros"] = "hidden"
    #: hide padding from patches and objects; published streams look at it
    mask_padding: bool = False
    #: keep the picture encoder as it is
    freeze_vision: bool = False
    #: replaces the hidden and attention dropout of the text encoder
    text_dropout: float | None = None
    #: replaces the latter alone
    attention_dropout: float | None = None

    def check_translation(self) -> None:
        """Raises ConfigError for an impossible value."""
        if self.object_count < 1 or self.phrase_length < 1:
            raise ConfigError(
                f"need object_count >= 1 and phrase_length >= 1, got {self.object_count} and "
                f"{self.phrase_length}"
            )
        if not 0 <= self.strong <= 1:
            raise ConfigError(f"strong must lie in [0, 1], got {self.strong}")


class Translated(Method):
    """Reads text beside two pictures; a class beside it adds the head."""

    config: Any
    #: how a whole picture is scaled
    fit: Literal["squash", "crop"] = "crop"
    #: whether phrases stand between [CLS] and [SEP]
    framed_phrases: bool = False

    def add_streams(self, text: TextEncoder, vision: VisionEncoder) -> None:
        """Builds W_p and both streams; called at the end of the constructor."""
        if self.config.freeze_vision:
            vision.freeze()
        self.project = nn.Linear(vision.width, text.width)
        self.fusion = MultiGrained(text.width)

    @classmethod
    def build(cls, config: Any, labels: LabelSpace) -> Self:
        text = text_encoder(config)
        vision = load_vision(config.vision, side=config.image_side)
        # Both heads take (config, labels, text, vision).
        return cast(Self, cast(Any, cls)(config, labels, text, vision))

    @property
    def vision(self) -> VisionEncoder:
        """The picture encoder."""
        return cast(VisionEncoder, self.backbones["vision"])

    @property
    def whole(self) -> Pixels:
        """How a whole picture is read."""
        return self.scaled

    @property
    def scaled(self) -> Pixels:
        """A whole picture, scaled and normalised as the encoder's own."""
        return Pixels(dataclasses.replace(self._spec, fit=self.fit))

    @property
    def _spec(self) -> PixelSpec:
        own = self.vision.pixels
        return PixelSpec(side=own.side, fit="crop", normalisation=own.normalisation)

    @property
    def _views(self) -> tuple[tuple[Need, Need], tuple[Need, Need]]:
        """(whole picture, objects) of the post's own picture and of the generated one."""
        c = self.config
        own = Crops(c.objects, c.object_count, self._spec)
        made = Crops(c.generated_objects, c.object_count, self._spec)
        folder = c.generated_folder
        return (self.whole, own), (Generated(self.whole, folder), Generated(made, folder))

    @property
    def _phrases(self) -> Phrases:
        return Phrases(tuple(self.config.phrases))

    @property
    def _scores(self) -> DivergenceScores:
        return DivergenceScores(self.config.scores, self.config.generated_folder)

    def needs(self) -> frozenset[Need]:
        wanted: set[Need] = {need for view in self._views for need in view}
        if self.config.phrases:
            wanted.add(self._phrases)
        return frozenset(wanted | {self._scores})

    def add_views(self, example: Example, assets: Assets) -> Example:
        """``pictures`` [V, 3, side, side], ``objects`` [V, R, 3, side, side], ``seen`` [V] and
        ``scores`` [V, 2].

        Args:
            example: the text.
            assets: of the needs.
        """
        c, side = self.config, self.vision.pixels.side
        views = self._views
        pictures = torch.zeros(len(views), 3, side, side)
        objects = torch.zeros(len(views), c.object_count, 3, side, side)
        seen = torch.zeros(len(views), dtype=torch.bool)
        for number, (whole, crops) in enumerate(views):
            if assets[whole].present:
                seen[number] = True
                pictures[number] = self.read_whole(_tensor(assets[whole], "pixels"))
            if assets[crops].present and self.reads_objects(number):
                objects[number] = _tensor(assets[crops], "pixels")
        scores = torch.tensor([[c.strong, 1 - c.strong]] * len(views))
        known = assets[self._scores]
        if known.present:
            scores = _tensor(known, "scores")
        example.inputs.update(pictures=pictures, objects=objects, seen=seen, scores=scores)
        return example

    def phrases_named(self, assets: Assets) -> list[str]:
        """Words of the document's phrases; none where nobody named any."""
        texts = assets[self._phrases].texts if self.config.phrases else ()
        return " ".join(texts).split()

    def read_whole(self, pixels: Tensor) -> Tensor:
        """A whole picture as the encoder is handed it, [3, side, side]."""
        return pixels

    def reads_objects(self, view: int) -> bool:
        """Whether the objects of a view are read; black ones stand in for them."""
        return True

    def phrase_pieces(self, words: Sequence[str]) -> tuple[list[int], list[int]]:
        """Ids and 1/0 mask of the phrases, both of ``phrase_length``."""
        length, tokenizer = self.config.phrase_length, self._text.tokenizer
        room = max(0, length - 2) if self.framed_phrases else length
        cut = {"add_special_tokens": False, "truncation": True, "max_length": room}
        ids = tokenizer(" ".join(words), **cut)["input_ids"]
        if self.framed_phrases:
            ids = [int(tokenizer.cls_token_id), *ids, int(tokenizer.sep_token_id)]
        return self.filled(ids[:length])

    def filled(self, ids: list[int]) -> tuple[list[int], list[int]]:
        """Padded to ``phrase_length``; of no ids at all the first padding is looked at."""
        rest = self.config.phrase_length - len(ids)
        mask = [1] * max(1, len(ids)) + [0] * (rest if ids else rest - 1)
        return ids + [self._text.pad_id] * rest, mask

    @property
    def _text(self) -> TextEncoder:
        return cast(TextEncoder, self.backbones["text"])

    def padded(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """[M, T'] -> [M, T], padded to ``max_length`` where padding is looked at."""
        rest = self.config.max_length - ids.shape[1]
        if rest > 0 and not self.config.mask_padding:
            ids = functional.pad(ids, (0, rest), value=self._text.pad_id)
            mask = functional.pad(mask, (0, rest))
        return ids, mask

    def padded_states(self, ids: Tensor, mask: Tensor) -> Tensor:
        """X: [M, T'] -> [M, T, D], padded as :meth:`padded` does."""
        return cast(Tensor, self._text(*self.padded(ids, mask)))

    def phrase_states(self, batch: Batch) -> Tensor:
        """Ph: [M, K, D], through the same encoder as the text."""
        return cast(Tensor, self._text(batch.inputs["phrase_ids"], batch.inputs["phrase_mask"]))

    def read_texts(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """X and Ph of every row, [M, T, D] and [M, K, D]."""
        i = batch.inputs
        texts = self.padded(i["input_ids"], i["attention_mask"])
        return self._text.both(texts, (i["phrase_ids"], i["phrase_mask"]))

    def cells(self, pixels: Tensor) -> Tensor:
        """[N, 3, side, side] -> the encoder's last grid [N, P, C]."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.config.freeze_vision):
            return cast(Tensor, self.vision(pixels))

    def picture_rows(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Patches [B, V, P, D] and objects [B, V, R, D]; zeros for pictures that are hidden."""
        pictures, objects = batch.inputs["pictures"], batch.inputs["objects"]
        read = self.read_views(batch).flatten()  # B V
        count, width = objects.shape[2], self.project.out_features
        patches = pictures.new_zeros(len(read), self.vision.cells, width)
        regions = pictures.new_zeros(len(read), count, width)
        # Decided before the encoder: hidden pictures cost nothing and leave its norms alone.
        if bool(read.any()):
            found = self.project(self.cells(pictures.flatten(0, 1)[read]))  # N,P,D
            cuts = self.cells(objects.flatten(0, 1)[read].flatten(0, 1)).sum(1)  # N R,C
            patches = patches.to(found.dtype).index_put((read,), found)
            made = self.project(cuts).unflatten(0, (-1, count))  # N,R,D
            regions = regions.to(made.dtype).index_put((read,), made)
        shape = pictures.shape[:2]
        return patches.unflatten(0, shape), regions.unflatten(0, shape)

    def read_views(self, batch: Batch) -> Tensor:
        """Which pictures are read, [B, V]."""
        seen = batch.inputs["seen"]
        return torch.ones_like(seen) if self.config.missing == "zeros" else seen

    def fused(
        self, words: Tensor, phrases: Tensor, batch: Batch, owner: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """m of both pictures, [M, D] each; zero where a picture is hidden.

        Args:
            words: X, [M, T, D].
            phrases: Ph, [M, K, D].
            batch: with phrases of M rows, and pictures and scores of B documents.
            owner: the document of each row, [M]; None where rows are documents.
        """
        i = batch.inputs
        patches, regions = self.picture_rows(batch)
        scores, read, phrase_mask = i["scores"].to(words.dtype), self.read_views(batch), None
        word_mask = i["attention_mask"] if self.config.mask_padding else None
        if self.config.mask_padding:
            phrase_mask = i["phrase_mask"]
        if owner is not None:
            patches, regions = patches[owner], regions[owner]
            scores, read = scores[owner], read[owner]
        found = []
        for view in range(patches.shape[1]):
            m = self.fusion(
                patches[:, view],
                regions[:, view],
                words,
                phrases,
                scores[:, view],
                word_mask,
                phrase_mask,
            )  # M,D
            found.append(m * read[:, view : view + 1].to(m.dtype))
        return found[0], found[1]


def _tensor(asset: Asset, name: str) -> Tensor:
    return torch.from_numpy(np.array(asset.arrays[name], dtype=np.float32))
