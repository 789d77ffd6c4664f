"""EVG: regions ask a text that names one entity, and each says whether it shows that entity.

The entity-aware visual grounding of the pipeline systems in Yu, Li, Wang, Xia: Grounded Multimodal
Named Entity Recognition on Social Media, ACL 2023. There is no public code: the network is
reconstructed from the published description, and what that leaves open is a setting (the order of
the text, whether the type is written behind the entity, the threshold, several regions).

Unusual: the queries are the regions and the text is asked, not the other way round; every region
answers for itself (sigmoid, no competition between regions, no class "none"); it is trained on the
entities of the gold and applied to those that a tagger finds; and it does not see the other
entities, so that two may share a region.

Shapes: B documents, N rows (entities), T pieces, R regions, F region width, D width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self, cast

from torch import Tensor, nn

from magpie.backbones import TextEncoder, load_text
from magpie.errors import ConfigError
from magpie.methods.base import Batch, ParameterGroup
from magpie.methods.entity_grounding import EntityGrounding, EntityGroundingConfig
from magpie.methods.labels import LabelSpace
from magpie.methods.words import document_words
from magpie.nn.bert_layers import CrossStack, LayerSizes, bert_init
from magpie.schema import Document, Entity
from magpie.text.words import split_words

__all__ = ["TYPE_WORDS", "Evg", "EvgConfig"]

#: how the usual types are written behind an entity; others in lower case
TYPE_WORDS = {
    "PER": "person",
    "LOC": "location",
    "ORG": "organization",
    "OTHER": "miscellaneous",
    "MISC": "miscellaneous",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EvgConfig(EntityGroundingConfig):
    """Settings of EVG; none was published, the defaults are the specification's."""

    #: text encoder: hub name, folder, or tiny-bert
    text: str = "bert-base-cased"
    #: longest text in pieces, with the special ones (T); the post is cut, the entity is not
    max_length: int = 80
    #: post [SEP] entity, or the other way round
    order: Literal["post-entity", "entity-post"] = "post-entity"
    #: write the type behind the entity: "Kevin Love person"
    with_type: bool = False
    #: cross layers
    layers: int = 1
    #: on the text's states and the mapped regions
    dropout: float = 0.1
    #: of the new layers' weights at the start; None takes that of the encoder
    deviation: float | None = None
    #: rate of the new layers; None takes the recipe's
    head_rate: float | None = None

    def __post_init__(self) -> None:
        EntityGroundingConfig.__post_init__(self)
        if self.max_length < 8:
            raise ConfigError(f"max_length must be at least 8, got {self.max_length}")
        if not 0 <= self.dropout < 1:
            raise ConfigError(f"dropout must lie in [0, 1), got {self.dropout}")


class Evg(EntityGrounding):
    """BERT over post and entity, regions as queries of a cross layer, a sigmoid a region."""

    name: ClassVar[str] = "evg"
    Config: ClassVar[type[EvgConfig]] = EvgConfig
    config: EvgConfig

    def __init__(self, config: EvgConfig, labels: LabelSpace, text: TextEncoder) -> None:
        super().__init__(config, labels, {"text": text})
        sizes = LayerSizes.of(text.transformer.config)
        if config.deviation is not None:
            sizes = replace(sizes, deviation=config.deviation)
        self.dropout = nn.Dropout(config.dropout)
        self.map_regions = nn.Linear(config.width, sizes.width)
        self.regions_ask_text = CrossStack(sizes, config.layers)
        self.head = nn.Linear(sizes.width, 1)
        for layer in (self.map_regions, self.head):
            bert_init(layer, sizes.deviation)

    @classmethod
    def build(cls, config: EvgConfig, labels: LabelSpace) -> Self:
        return cls(config, labels, load_text(config.text))

    @property
    def text(self) -> TextEncoder:
        """The text encoder."""
        return cast(TextEncoder, self.backbones["text"])

    def rows(self, document: Document, entities: Sequence[Entity]) -> list[list[int]]:
        """``[CLS] post [SEP] entity [SEP]``; the end of the post goes where it is too long."""
        if not entities:
            return []
        texts = {block.id: block.text for block in document.blocks}
        post = self._pieces(
            [texts[block][start:end] for block, start, end in document_words(document)]
        )
        tokenizer = self.text.tokenizer
        cls, sep = int(tokenizer.cls_token_id), int(tokenizer.sep_token_id)
        room = min(self.config.max_length, self.text.max_positions) - 3
        rows = []
        for entity in entities:
            named = self._pieces(self._words(entity, texts[entity.span.block]))
            named = (named or [int(tokenizer.unk_token_id)])[:room]
            read = post[: room - len(named)]
            parts = (read, named) if self.config.order == "post-entity" else (named, read)
            rows.append([cls, *parts[0], sep, *parts[1], sep])
        return rows

    def _words(self, entity: Entity, text: str) -> list[str]:
        mention = text[entity.span.start : entity.span.end]
        words = [mention[start:end] for start, end in split_words(mention)]
        if self.config.with_type:
            words += TYPE_WORDS.get(entity.type, entity.type.lower().replace("_", " ")).split()
        return words

    def _pieces(self, words: Sequence[str]) -> list[int]:
        if not words:
            return []
        cut = self.text.tokenizer(
            list(words),
            add_special_tokens=False,
            return_attention_mask=False,
            return_token_type_ids=False,
        )["input_ids"]
        return [piece for word in cut for piece in word]

    def logits(self, batch: Batch) -> Tensor:
        inputs = batch.inputs
        mask = inputs["attention_mask"]
        ids = inputs["input_ids"].masked_fill(mask == 0, self.text.pad_id)
        states = self.dropout(self.text(ids, mask))  # H_t: N,T,D
        regions = self.dropout(self.map_regions(inputs["features"]))  # V: B,R,D
        # A picture's regions are mapped once and read by each of its entities.
        shown = self.regions_ask_text(regions[inputs["owner"]], states, mask)  # O: N,R,D
        return cast(Tensor, self.head(shown).squeeze(2))  # N,R

    def groups(self) -> list[ParameterGroup]:
        encoder = tuple(p for p in self.text.parameters() if p.requires_grad)
        taken = {id(p) for p in encoder}
        new = tuple(p for p in self.trainable() if id(p) not in taken)
        return [
            ParameterGroup(name="text", parameters=encoder),
            ParameterGroup(name="head", parameters=new, rate=self.config.head_rate),
        ]
