"""MOREformer: how a mention of the text relates to an object of the picture.

He et al.: MORE: A Multimodal Object-Entity Relation Extraction Dataset with a Benchmark Evaluation,
ACM MM 2023 (arXiv 2312.09753); public code NJUNLP/MORE. MKGformer's two towers
(:mod:`magpie.nn.lockstep`) with three changes: a caption of the object behind the title, a depth
channel beside the colours, and objects in place of picture tokens in the last layers, with their
place (:mod:`magpie.nn.object_tokens`). Unusual: the picture as a whole is never read; objects are a
set, and which of them is meant enters only where its state is read.

In the public code padded pieces and empty object slots are seen by everybody
(``legacy_no_mask``). There an empty slot is the same whatever its number, so one is computed and
counted as often as there are.

Shapes: B documents, N pairs, T pieces, R objects, M objects whose tokens are computed, K tokens of
an object, D width, C relation types.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from magpie.backbones import TextEncoder, VisionEncoder, load_text, load_vision
from magpie.errors import ConfigError
from magpie.features import Assets, Need, Texts
from magpie.features.captions import is_captioner
from magpie.features.depth import ObjectDepth
from magpie.features.object_captions import ObjectCaptions, object_captions
from magpie.features.objects import ObjectCrops, given_objects, object_places
from magpie.methods._mkgformer import check_kinds, lengthened
from magpie.methods.base import Batch, Example, Task
from magpie.methods.labels import LabelSpace
from magpie.methods.marking import masked_words, word_pieces
from magpie.methods.pairs import object_pairs, word_range
from magpie.methods.relating import Relating, RelatingConfig
from magpie.methods.titling import MarkedTitle, mark_title
from magpie.methods.words import document_words
from magpie.nn.lockstep import LockStep, TowerStates
from magpie.nn.object_tokens import ObjectPlaces, ObjectTokens
from magpie.schema import Document, Region

__all__ = ["Moreformer", "MoreformerConfig"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class MoreformerConfig(RelatingConfig):
    """Settings of MOREformer; the defaults are the published ones, defects apart."""

    #: CLIP's vision tower, of the text encoder's width, depth and heads
    vision: str = "clip-vit-base-patch32"
    #: title, caption, special pieces and markers together (T)
    max_length: int = 96
    #: layers that exchange, the last ones
    fusion_layers: int = 4
    #: most objects of a picture (R)
    object_slots: int = 10
    #: side of a cut-out, pixels
    object_side: int = 64
    #: read a caption of the object behind the title
    use_cap: bool = True
    #: read depth beside colours
    use_dep: bool = True
    #: tell objects where they stand
    use_box: bool = True
    #: sources of the captions, or captioner:NAME for what a model says of each cut-out; see
    #: :meth:`Moreformer.caption_of`
    captions: tuple[str, ...] = ("more:object-captions",)
    #: an object without caption: empty marks an empty one; refuse raises, naming the document
    missing_caption: Literal["empty", "refuse"] = "empty"
    #: a folder of published maps as npz:FOLDER, or a monocular estimator by name
    depth: str = "depth-anything/Depth-Anything-V2-Small-hf"
    #: the channel is depth_shift + depth_scale * depth, not normalised any further, as published
    depth_scale: float = -100.0
    depth_shift: float = 255.0
    #: of objects that know their place
    place_dropout: float = 0.1
    #: the classifier and the map of object and caption stay as they were drawn: the public
    #: optimiser never receives them
    legacy_frozen_head: bool = False
    #: depth of the whole box is squashed to a square, colours are cut in the middle
    legacy_depth_resize: bool = False
    #: padded pieces and empty slots are seen, every text is padded to max_length
    legacy_no_mask: bool = False

    def __post_init__(self) -> None:
        RelatingConfig.__post_init__(self)
        if self.markers != "fixed":
            raise ConfigError(
                f"markers must be fixed, got {self.markers!r}",
                mend="MORE's code loses no marker: there is nothing else to choose.",
            )
        for name in ("fusion_layers", "object_slots", "object_side"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.place_dropout < 1:
            raise ConfigError(f"place_dropout must lie in [0, 1), got {self.place_dropout}")
        if self.use_cap and not self.captions:
            raise ConfigError(
                "use_cap needs a source of captions",
                mend="Name one in captions, or set use_cap to false.",
            )


class Moreformer(Relating):
    """Relation types of a mention and an object, from the last states of both towers."""

    name: ClassVar[str] = "moreformer"
    tasks: ClassVar[frozenset[Task]] = frozenset({Task.OBJECT_RELATION})
    given: ClassVar[frozenset[str]] = frozenset({"entities", "predicted_types", "regions", "pairs"})
    by_pair: ClassVar[frozenset[str]] = Relating.by_pair | {"token_type_ids", "tail"}
    adjustable: ClassVar[frozenset[str]] = Relating.adjustable | {"missing_caption"}
    Config: ClassVar[type[MoreformerConfig]] = MoreformerConfig
    config: MoreformerConfig

    def __init__(
        self,
        config: MoreformerConfig,
        labels: LabelSpace,
        text: TextEncoder,
        vision: VisionEncoder,
    ) -> None:
        check_kinds(text, vision)
        super().__init__(config, labels, {"text": text, "vision": vision})
        bert, clip = self._towers
        patch = int(clip.config.patch_size)
        if config.object_side < patch or config.object_side % patch:
            raise ConfigError(
                f"object_side must be a multiple of {patch}, got {config.object_side}"
            )
        patches = (config.object_side // patch) ** 2
        #: K
        self.tokens_each = patches * (2 if config.use_dep else 1)
        self.tokens = ObjectTokens(clip.embeddings.patch_embedding, patches, depth=config.use_dep)
        self.places = ObjectPlaces(text.width, placed=config.use_box, dropout=config.place_dropout)
        self.lockstep = LockStep(bert.config, clip.config, config.fusion_layers, every_layer=False)
        if config.use_cap:
            self.mm_linear = nn.Linear(2 * text.width, text.width)
        self.classifier = nn.Linear(2 * text.width, len(labels.relation_types))
        if config.legacy_frozen_head:
            for name in ("classifier", "mm_linear"):
                if hasattr(self, name):
                    getattr(self, name).requires_grad_(False)
        # What no object passes: it stays in the backbones and takes no part in training.
        clip.embeddings.class_embedding.requires_grad_(False)
        for unused in (clip.embeddings.position_embedding, clip.post_layernorm, bert.pooler):
            if unused is not None:
                unused.requires_grad_(False)
        if config.legacy_no_mask:
            # The public table, enlarged for the markers, has forgotten which row is padding. That
            # row is seen here, so it is trained.
            bert.get_input_embeddings().padding_idx = None

    @classmethod
    def build(cls, config: MoreformerConfig, labels: LabelSpace) -> Self:
        return cls(config, labels, load_text(config.text), load_vision(config.vision))

    @property
    def _towers(self) -> tuple[Any, Any]:
        """BERT and CLIP."""
        vision = cast(VisionEncoder, self.backbones["vision"])
        return self.text.transformer, vision.transformer

    @property
    def _crops(self) -> ObjectCrops:
        c, vision = self.config, cast(VisionEncoder, self.backbones["vision"])
        spec = replace(vision.pixels, side=c.object_side, fit="centre")
        return ObjectCrops(c.object_slots, spec)

    @property
    def _depth(self) -> ObjectDepth:
        c = self.config
        return ObjectDepth(c.depth, c.object_slots, c.object_side, c.legacy_depth_resize)

    @property
    def _texts(self) -> Texts:
        return Texts(sources=tuple(n for n in self.config.captions if not is_captioner(n)))

    @property
    def _spoken(self) -> list[ObjectCaptions]:
        c = self.config
        return [object_captions(n, c.object_slots) for n in c.captions if is_captioner(n)]

    def needs(self) -> frozenset[Need]:
        c = self.config
        found: set[Need] = {self._crops}
        if c.use_dep:
            found.add(self._depth)
        if c.use_cap:
            found |= {*self._spoken, *({self._texts} if self._texts.sources else ())}
        return frozenset(found)

    def caption_of(self, document: Document, region: Region, others: Sequence[str]) -> str:
        """What is said of an object: the texts whose source is one of ``captions`` followed by
        ``#`` and the region's id, else ``others``.

        Raises:
            ConfigError: there is none, and ``missing_caption`` is ``refuse``.
        """
        names = {f"{source}#{region.id}" for source in self.config.captions}
        own = [text.text for text in document.context if text.source in names]
        found = " ".join(own or others).strip()
        if not found and self.config.missing_caption == "refuse":
            raise ConfigError(
                f"no caption of the object {region.id}",
                where=document.id,
                mend="Add it to the context, or set missing_caption to empty.",
            )
        return found

    def judged(self, document: Document) -> list[tuple[str, str]]:
        """Ids of every mention and object that a document asks for."""
        given = document.annotations
        regions = () if given is None else tuple(given.all_regions())
        pairs = object_pairs(document, regions)
        return [(entity.id, region.id) for entity, region in pairs if region.id is not None]

    def prepare(self, document: Document, assets: Assets) -> Example:
        """By pair ``input_ids``, ``attention_mask``, ``token_type_ids`` [K, T], ``ends`` [K, 2] (of
        ``<s>`` and ``<o>``; without captions [K, 1]) and ``tail`` [K], the object; by document
        ``pixels`` [R, 3, side, side], ``depth`` [R, 1, side, side], ``places`` [R, 5] and ``there``
        [R].
        """
        c = self.config
        regions = given_objects(document, c.object_slots)
        rows: list[MarkedTitle] = []
        pairs: list[tuple[str, str]] = []
        slots: list[int] = []
        words = document_words(document)
        texts = {block.id: block.text for block in document.blocks}
        spelled = [texts[block][start:end] for block, start, end in words]
        pieces = word_pieces(self.text, spelled, self.reserved)
        said_of = self._captions_of(regions, assets)
        limit = min(c.max_length, self.text.max_positions)
        for entity, region in object_pairs(document, regions):
            place = word_range(entity, words)
            if place is None:
                continue
            caption = None
            if c.use_cap:
                said = self.caption_of(document, region, said_of[regions.index(region)])
                (caption,) = word_pieces(self.text, [said], self.reserved)
            shown = pieces
            if self.masks is not None:
                shown = masked_words(pieces, [(place, self.masks[0])])
            row = mark_title(shown, place, caption, self.markers, self.text.ends, limit)
            if row.shortened:
                _log.warning(
                    "%s: the mention %s lost its last pieces, being longer than the %d pieces of a "
                    "text", document.id, entity.id, limit,
                )  # fmt: skip
            rows.append(row)
            pairs.append((entity.id, cast(str, region.id)))
            slots.append(regions.index(region))
        return Example(
            document,
            {**self._text_inputs(rows, slots), **self._object_inputs(document, regions, assets)},
            {
                "pairs": pairs,
                "listed": bool(document.annotations and document.annotations.relations),
                "cut": sum(row.cut for row in rows),
                "shortened": [row.shortened for row in rows],
            },
        )

    def _captions_of(self, regions: Sequence[Region], assets: Assets) -> list[Sequence[str]]:
        """By object the texts of the document's sources, else what captioners say of it."""
        texts = self._texts
        shared = assets[texts].texts if self.config.use_cap and texts.sources else ()
        if shared or not self.config.use_cap:
            return [shared] * len(regions)
        spoken = [assets[need].texts for need in self._spoken]
        return [[part[row] for part in spoken if part] for row in range(len(regions))]

    def _text_inputs(self, rows: Sequence[MarkedTitle], slots: Sequence[int]) -> dict[str, Tensor]:
        longest = max((len(row.ids) for row in rows), default=0)

        def filled(parts: Sequence[Sequence[int]], value: int) -> Tensor:
            whole = [[*part, *[value] * (longest - len(part))] for part in parts]
            return torch.tensor(whole, dtype=torch.long).view(len(rows), longest)

        ends = [[row.head] if row.tail is None else [row.head, row.tail] for row in rows]
        return {
            "input_ids": filled([row.ids for row in rows], self.text.pad_id),
            "attention_mask": filled([[1] * len(row.ids) for row in rows], 0),
            "token_type_ids": filled([row.segments for row in rows], 0),
            "ends": torch.tensor(ends, dtype=torch.long).view(len(rows), 1 + self.config.use_cap),
            "tail": torch.tensor(slots, dtype=torch.long),
        }

    def _object_inputs(
        self, document: Document, regions: Sequence[Region], assets: Assets
    ) -> dict[str, Tensor]:
        c, seen = self.config, assets[self._crops]
        square = (c.object_side, c.object_side)
        if seen.present:
            pixels, places = (torch.from_numpy(seen.arrays[n].copy()) for n in ("pixels", "places"))
        else:
            pixels = torch.zeros((len(regions), 3, *square))
            places = torch.tensor(object_places(document, regions)).view(len(regions), 5)
        found = {
            "pixels": pixels,
            "places": places,
            "there": torch.ones(len(regions), dtype=torch.bool),
        }
        if c.use_dep:
            channel = torch.zeros((len(regions), 1, *square))
            asset = assets[self._depth]
            if asset.present:
                known = torch.from_numpy(asset.arrays["there"].copy())
                depth = torch.from_numpy(asset.arrays["depth"].copy())
                channel[known] = self.depth_channel(depth[known])
            found["depth"] = channel
        return found

    def depth_channel(self, depth: Tensor) -> Tensor:
        """D' = 255 - 100 d with the published settings.

        Example: a depth of 1.2 becomes 135.
        """
        return self.config.depth_shift + self.config.depth_scale * depth

    def collate(
        self, examples: Sequence[Example], targets: Sequence[Mapping[str, Tensor]] = ()
    ) -> Batch:
        """As of every relation method; where padding is seen, its length must be T."""
        batch = super().collate(examples, targets)
        if self.config.legacy_no_mask:
            names = ("input_ids", "attention_mask", "token_type_ids")
            room = min(self.config.max_length, self.text.max_positions)
            lengthened(batch.inputs, names, room, self.text.pad_id)
        return batch

    def states(self, batch: Batch, places: Tensor | None = None) -> TowerStates:
        """States of every layer of both towers; ``places`` as of :class:`LockStep`."""
        c, i = self.config, batch.inputs
        bert, clip = self._towers
        # Documents without a pair are not looked at.
        used, owner = i["owner"].unique(return_inverse=True)
        pixels, spots, there = (i[name][used] for name in ("pixels", "places", "there"))
        depth = i["depth"][used] if c.use_dep else None
        slots = None
        counts = there.to(pixels.dtype)  # B,M
        if c.legacy_no_mask:
            real = there.sum(1)  # B
            missing = c.object_slots - there.shape[1]
            if missing > 0:
                # One more slot, which is empty, stands for all that are.
                pixels, counts = (_one_more(part) for part in (pixels, counts))
                depth = None if depth is None else _one_more(depth)
            spots = functional.pad(spots, (0, 0, 0, max(0, missing)))
            empty = (c.object_slots - real).to(counts.dtype)
            first = real.clamp(max=counts.shape[1] - 1)
            counts = counts.scatter_add(1, first.unsqueeze(1), empty.unsqueeze(1))
            every = torch.arange(c.object_slots, device=real.device)
            slots = torch.minimum(every, first.unsqueeze(1))  # B,R
        else:
            # Documents that name no object would have nothing to look at.
            counts = torch.cat([counts[:, :1].clamp(min=1), counts[:, 1:]], 1)
        bias = None if bool((counts == 1).all()) else counts.log()
        tokens = self.tokens(clip.embeddings.patch_embedding, pixels, depth)  # B,MK,D
        words = bert.embeddings(input_ids=i["input_ids"], token_type_ids=i["token_type_ids"])
        return cast(
            TowerStates,
            self.lockstep(
                bert,
                clip,
                words,
                i["attention_mask"],
                clip.pre_layrnorm(tokens),
                owner,
                mask_prefix=not c.legacy_no_mask,
                token_bias=None if bias is None else bias.repeat_interleave(self.tokens_each, 1),
                between=lambda z: self.places(z, self.tokens_each, spots, slots),
                object_bias=None if c.legacy_no_mask else bias,
                places=places,
            ),
        )

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        i = batch.inputs
        states = self.states(batch, i["ends"])
        read = states.text[-1]  # N,Q,D
        objects = states.vision[-1]  # N,R,D
        tail = objects.gather(1, i["tail"].view(-1, 1, 1).expand(-1, 1, objects.shape[2]))[:, 0]
        if self.config.use_cap:
            tail = self.mm_linear(torch.cat([tail, read[:, 1]], 1))  # N,D
        return {"logits": self.classifier(torch.cat([read[:, 0], tail], 1))}  # N,C


def _one_more(values: Tensor) -> Tensor:
    """[B, M, ...] -> [B, M + 1, ...] with zeros."""
    return torch.cat([values, torch.zeros_like(values[:, :1])], 1)
