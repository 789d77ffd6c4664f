"""What all taggers share: words cut into pieces, tag inventories, chain loss and decoding.

The published taggers run their chain over word pieces with ``[CLS]`` and ``[SEP]`` inside it: the
first piece of a word carries its tag, further pieces carry ``X`` (bert_crf.md). ``first_only``
gathers the first pieces and runs the chain over words.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, cast

import torch
from torch import Tensor, nn

from magpie.backbones import TextEncoder
from magpie.errors import ConfigError
from magpie.methods.base import Batch, Example, Method, MethodConfig, Output, Task
from magpie.methods.casing import CASE_IDS, case_ids
from magpie.methods.components.ideas import Ideas, IdeasConfig
from magpie.methods.labels import LabelSpace, TagOrder, tag_names
from magpie.methods.words import cut_words, word_runs, word_tags
from magpie.nn.crf import CRF
from magpie.schema import Annotations, Document, Entity, Provenance, Span
from magpie.text.tags import decode_tags

__all__ = ["Tagging", "TaggingConfig"]

#: more pieces than any text has
_UNCUT = 1 << 60


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggingConfig(MethodConfig):
    """Settings of every tagger."""

    #: text encoder: hub name, folder, or tiny-bert
    text: str = "bert-base-cased"
    #: longest input in pieces, with the special ones (T)
    max_length: int = 128
    #: x_tag: chain over pieces with [CLS], [SEP], X; first_only: chain over words
    subtoken: Literal["x_tag", "first_only"] = "x_tag"
    #: BIOES needs first_only: later pieces of a word have no place in it
    scheme: Literal["BIO", "BIOES"] = "BIO"
    #: numbering of the published tag inventory; first_only numbers O and the tags of each type
    tag_order: Literal["umt", "umgf"] = "umt"
    #: how words are cased is summed into the piece embeddings: what a lower-casing encoder loses
    casing: bool = False
    #: replaces that of the encoder's configuration; 0 allows the fused kernel on a CPU
    attention_dropout: float | None = None
    #: on the encoder's last states
    dropout: float = 0.1
    #: false judges every position by itself, as a tagger with a softmax does
    chain: bool = True
    #: forbid, when decoding, an I- that continues nothing
    constrain_bio: bool = False
    #: over the sentences of a batch
    reduction: Literal["mean", "sum"] = "mean"
    #: parts that any tagger can switch on
    ideas: IdeasConfig = field(default_factory=IdeasConfig)

    def __post_init__(self) -> None:
        if self.max_length < 3:
            raise ConfigError(f"max_length must be at least 3, got {self.max_length}")
        for name in ("dropout", "attention_dropout"):
            if not 0 <= (getattr(self, name) or 0) < 1:
                raise ConfigError(f"{name} must lie in [0, 1), got {getattr(self, name)}")
        if self.scheme == "BIOES" and self.subtoken == "x_tag":
            raise ConfigError("scheme BIOES needs subtoken='first_only', got 'x_tag'")


class Tagging(Method):
    """Scores are emissions of a chain over the text; subclasses give :meth:`scores`."""

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.NER})
    padding: ClassVar[Mapping[str, float]] = {"first": -1}
    adjustable: ClassVar[frozenset[str]] = frozenset({"constrain_bio"})
    #: the ideas that it has a place for, beside the dictionary's part in the emissions
    places: ClassVar[frozenset[str]] = frozenset()
    #: why it has none for a boost of attention
    unboosted: ClassVar[str] = "it has no attention between words and picture"
    config: TaggingConfig

    def __init__(
        self, config: TaggingConfig, labels: LabelSpace, backbones: dict[str, Any]
    ) -> None:
        super().__init__(config, labels, backbones)
        if not labels.entity_types:
            raise ConfigError(
                f"{self.name} needs entity types", mend="Are there entities in the training data?"
            )
        order: TagOrder = config.tag_order
        if config.subtoken == "first_only":
            order = "bioes" if config.scheme == "BIOES" else "words"
        self.tag_names = tag_names(labels.entity_types, order)
        self.tag_ids = {name: index for index, name in enumerate(self.tag_names)}
        self.crf = CRF(self.tag_names, constrain_bio=config.constrain_bio, linked=config.chain)
        if homeless := sorted({*config.ideas.placed} - self.places):
            why = f": {self.unboosted}" if any("attn_boost" in name for name in homeless) else ""
            raise ConfigError(
                f"{self.name} has no place for ideas.{', ideas.'.join(homeless)}{why}",
                mend="Leave it out, or take a method that has one: docs/methods/ideas.md.",
            )
        self.ideas = Ideas(config.ideas, self.tag_names, self.text.width)
        self.casing: nn.Embedding | None = None
        if type(self).text_states is not Tagging.text_states:
            for name, value in (
                ("casing", config.casing or None),
                ("attention_dropout", config.attention_dropout),
            ):
                if value is not None:
                    raise ConfigError(f"{self.name} walks through its encoder: no place for {name}")
        if config.casing:
            self.casing = nn.Embedding(CASE_IDS, self.text.embedding_width, padding_idx=0)
            nn.init.zeros_(self.casing.weight)

    @property
    def text(self) -> TextEncoder:
        """The text encoder."""
        return cast(TextEncoder, self.backbones["text"])

    @property
    def room(self) -> int:
        """Pieces with the special ones, as ``prepare`` cuts them."""
        return min(self.config.max_length, self.text.max_positions)

    def piece_counts(self, document: Document) -> list[tuple[str, int, int, int]]:
        """As :func:`cut_words` counts them, without a limit."""
        pieces = cut_words(document, self.text, _UNCUT)
        starts = [place for place in pieces.first if place >= 0]
        following = iter([*starts[1:], len(pieces.ids) - 1])
        return [
            (block, start, end, 0 if place < 0 else next(following) - place)
            for (block, start, end), place in zip(pieces.words, pieces.first, strict=True)
        ]

    def prepare_words(self, document: Document) -> Example:
        """``input_ids``, ``attention_mask`` [T], ``first`` [W] of the document's words."""
        pieces = cut_words(document, self.text, self.room)
        example = Example(
            document,
            {
                "input_ids": torch.tensor(pieces.ids),
                "attention_mask": torch.ones(len(pieces.ids), dtype=torch.long),
                "first": torch.tensor(pieces.first, dtype=torch.long),
            },
            {"words": pieces.words, "cut": pieces.cut},
        )
        self.look_up(example, pieces.first, len(pieces.ids))
        return example

    def look_up(
        self, example: Example, first: Sequence[int], length: int, behind: Sequence[str] = ()
    ) -> None:
        """Adds what the dictionary says and how words are cased, where that is on.

        Args:
            example: with its input and ``words``.
            first: of the text's words.
            length: pieces of the text.
            behind: further words of the input, whose places follow in ``first``.
        """
        texts = {block.id: block.text for block in example.document.blocks}
        words = [texts[block][start:end] for block, start, end in example.notes["words"]]
        self.ideas.read_words(words, first[: len(words)], length, example.inputs, example.notes)
        if self.casing is not None:
            ids = case_ids([*words, *behind], first, len(example.inputs["input_ids"]))
            example.inputs["case"] = torch.tensor(ids)

    def targets(self, document: Document, example: Example) -> dict[str, Tensor]:
        """``tags``: [T] for ``x_tag``, [words kept] for ``first_only``."""
        tags = word_tags(document, example.notes["words"], self.config.scheme)
        first = example.inputs["first"].tolist()
        if self.config.subtoken == "first_only":
            kept = [tag for tag, place in zip(tags, first, strict=True) if place >= 0]
            # A text of which nothing is left still has one position, so that the chain has one.
            return {"tags": torch.tensor([self.tag_ids[tag] for tag in kept] or [0])}
        names = ["X"] * len(example.inputs["input_ids"])
        umt = self.config.tag_order == "umt"
        names[0], names[-1] = ("[CLS]", "[SEP]") if umt else ("CLS", "SEP")
        for tag, place in zip(tags, first, strict=True):
            if place >= 0:
                names[place] = tag
        return {"tags": torch.tensor([self.tag_ids[name] for name in names])}

    def forward(self, batch: Batch) -> Output:
        """Scores ``emissions`` [B, T or W, L]; the loss terms when there are targets."""
        scores = self.scores(batch)
        if self.ideas.biases:
            scores["emissions"] = scores["emissions"] + self.idea_bias(batch)
        losses: dict[str, Tensor] = {}
        if batch.targets:
            mask = self.chain_mask(batch)
            losses["main"] = self.crf(
                scores["emissions"], batch.targets["tags"], mask, reduction=self.config.reduction
            )
            losses.update(self.extra_losses(scores, batch))
        return Output(scores, losses)

    @abstractmethod
    def scores(self, batch: Batch) -> dict[str, Tensor]:
        """At least ``emissions``, over the positions of :meth:`chain_mask`."""

    def extra_losses(self, scores: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Further terms, already weighted."""
        return {}

    def text_states(self, batch: Batch) -> Tensor:
        """The encoder's last states [B, T, D], the dictionary's features added where that is on."""
        read = [batch.inputs["input_ids"], batch.inputs["attention_mask"]]
        read += [] if self.casing is None else [self.casing(batch.inputs["case"])]
        return self.ideas.add_features(self.text(*read), batch.inputs)

    def idea_bias(self, batch: Batch) -> Tensor:
        """What the dictionary adds to the emissions, [B, T or W, L]."""
        types, inside = (
            self.chain_states(batch.inputs[name], batch) for name in ("kb_types", "kb_inside")
        )
        return self.ideas.bias(types, inside)

    def chain_states(self, states: Tensor, batch: Batch) -> Tensor:
        """States of the chain's positions: [B, T, D] as they are, or gathered first pieces."""
        if self.config.subtoken == "x_tag":
            return states
        places = self._kept(batch)
        return states.gather(1, places.unsqueeze(2).expand(-1, -1, states.shape[2]))

    def chain_mask(self, batch: Batch) -> Tensor:
        """[B, T] or [B, W]: where the chain runs; its first position always does."""
        if self.config.subtoken == "x_tag":
            return batch.inputs["attention_mask"].bool()
        lengths = (batch.inputs["first"] >= 0).sum(1).clamp(min=1)
        width = int(self._kept(batch).shape[1])
        return torch.arange(width, device=lengths.device) < lengths.unsqueeze(1)

    def _kept(self, batch: Batch) -> Tensor:
        """First pieces of the words that have one, in order, [B, W']; the rest points at 0."""
        first = batch.inputs["first"]
        there = first >= 0
        width = max(1, int(there.sum(1).max())) if first.numel() else 1
        # A stable sort brings the words with pieces to the front and keeps their order.
        order = torch.argsort((~there).to(torch.int8), dim=1, stable=True)
        places = (
            first.gather(1, order)[:, :width]
            if first.shape[1]
            else first.new_zeros((len(batch), 1))
        )
        return places.clamp(min=0)

    def decode(self, output: Output, batch: Batch) -> list[Annotations]:
        """Entities of the best paths; tags are read at first pieces, special ones mean O.

        An entity's score is the mean posterior of its words' tags.
        """
        emissions = output.scores["emissions"]
        mask = self.chain_mask(batch)
        paths = self.crf.decode(emissions, mask)
        marginals = self.crf.marginals(emissions, mask).unary.tolist()
        found = []
        for row, example in enumerate(batch.examples):
            first = batch.inputs["first"][row].tolist()[: len(example.notes["words"])]
            places = self._places(first)
            tags, scores = [], []
            for place in places:
                name = "O" if place < 0 else self.tag_names[paths[row][place]]
                tags.append(name if name[1:2] == "-" else "O")
                scores.append(0.0 if place < 0 else marginals[row][place][paths[row][place]])
            found.append(self._annotations(example, tags, scores))
        return found

    def _places(self, first: Sequence[int]) -> list[int]:
        """Chain position of every word, -1 where it has none."""
        if self.config.subtoken == "x_tag":
            return list(first)
        places, following = [], 0
        for piece in first:
            places.append(following if piece >= 0 else -1)
            following += piece >= 0
        return places

    def _annotations(
        self, example: Example, tags: Sequence[str], scores: Sequence[float]
    ) -> Annotations:
        words = example.notes["words"]
        entities: list[Entity] = []
        for block, begin, after in word_runs(words):
            for kind, start, end in decode_tags(tags[begin:after]):
                inside = scores[begin + start : begin + end]
                entities.append(
                    Entity(
                        id=f"e{len(entities)}",
                        span=Span(block, words[begin + start][1], words[begin + end - 1][2]),
                        type=kind,
                        score=min(1.0, max(0.0, sum(inside) / len(inside))),
                    )
                )
        return Annotations(entities=tuple(entities), provenance=Provenance(method=self.name))
