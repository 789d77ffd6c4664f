"""Taggers that read ``text </s> context`` as one input and tag the words of the text alone.

The form that PGIM, ITA and the retrieval experts share (more_retrieval.md, sections 4 and 5):
whatever is known about a post, be it captions, object words, printed words or a language model's
notes, stands as words behind its own, and self-attention does the rest. Context words have the
label X and no place in the chain: it runs over the first pieces of the text's words (BIOES).

Shapes: B batch, T pieces of text and context, W words in the chain, D width, L tags.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor, nn

from magpie.backbones import TextEncoder, load_text
from magpie.errors import ConfigError
from magpie.features import Assets, Need
from magpie.methods.base import Batch, Example, Output, ParameterGroup
from magpie.methods.labels import LabelSpace
from magpie.methods.tagging import Tagging, TaggingConfig
from magpie.methods.words import Pieces, cut_words, word_tags
from magpie.metrics import Counts
from magpie.metrics.sequences import score_tags
from magpie.nn.views import chain_log_posteriors, view_divergence
from magpie.schema import Document

__all__ = [
    "ContextConfig",
    "ContextTagging",
    "Joined",
    "context_pieces",
    "join_context",
    "label_row",
    "score_rows",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextConfig(TaggingConfig):
    """Settings of every tagger that reads context."""

    text: str = "xlm-roberta-large"
    #: longest input in prediction, in pieces; context is cut off at its end first
    max_length: int = 512
    #: longest input in training
    train_length: int = 512
    subtoken: Literal["x_tag", "first_only"] = "first_only"
    scheme: Literal["BIO", "BIOES"] = "BIOES"
    dropout: float = 0.0
    #: share of word states that training sets to zero; the others are not scaled up
    word_dropout: float = 0.0
    #: between text and context: the tokenizer's end token, or the word <EOS> cut into pieces
    eos: Literal["separator", "literal"] = "separator"
    #: context: with the context behind the text; text: the text alone, whatever was trained
    view: Literal["context", "text"] = "context"
    #: weights of the loss with context, of the loss of the text alone, and of the divergence
    #: between both; None trains the one view only
    views: tuple[float, float, float] | None = None
    #: of the posteriors in the divergence
    temperature: float = 1.0
    #: what the divergence compares
    compare: Literal["posteriors", "emissions"] = "posteriors"
    #: the chain also runs over separator and context, whose gold is O
    crf_over_context: bool = False
    #: rate of the linear layer; None takes the recipe's
    head_rate: float | None = None
    #: rate of the chain's scores; None takes the recipe's
    crf_rate: float | None = None

    def __post_init__(self) -> None:
        TaggingConfig.__post_init__(self)
        if self.subtoken != "first_only":
            raise ConfigError("context words have no place in a chain of pieces: use first_only")
        if self.train_length < 3:
            raise ConfigError(f"train_length must be at least 3, got {self.train_length}")
        if not 0 <= self.word_dropout < 1 or self.temperature <= 0:
            raise ConfigError(
                f"need word_dropout in [0, 1) and temperature > 0, got {self.word_dropout} and "
                f"{self.temperature}"
            )
        if self.views is not None and min(self.views) < 0:
            raise ConfigError(f"views must be weights from 0 on, got {self.views}")


@dataclass(frozen=True, slots=True)
class Joined:
    """Text and context as one input: ``[CLS] text [SEP] context [SEP]``.

    ``behind`` holds the position of the first piece of the separator and of each context word,
    -1 where it was cut off; empty without context, and the input then is that of the text alone.
    ``words`` are those words, the separator being empty.
    """

    text: Pieces
    ids: list[int]
    behind: list[int]
    words: list[str]

    @property
    def text_length(self) -> int:
        """Pieces of the text with its two special ones."""
        return len(self.text.ids)


def join_context(
    document: Document,
    context: Sequence[str],
    encoder: TextEncoder,
    max_length: int,
    *,
    eos: Literal["separator", "literal"] = "separator",
) -> Joined:
    """Cuts text and context into pieces; what does not fit is cut off the context's end first.

    Context is split at white space and each word cut on its own. A word without pieces becomes
    the unknown piece, in the text as well.
    """
    text = cut_words(document, encoder, max_length, unknown=True)
    words = [word for part in context for word in part.split()]
    if not words:
        return Joined(text, text.ids, [], [])
    tokenizer = encoder.tokenizer
    separator = int(tokenizer.sep_token_id)
    literal = eos == "literal"
    encoded = tokenizer(
        ["<EOS>", *words] if literal else words,
        add_special_tokens=False,
        return_attention_mask=False,
        return_token_type_ids=False,
    )["input_ids"]
    body = text.ids[1:-1]
    behind = []
    for cut in encoded if literal else [[separator], *encoded]:
        behind.append(len(body) + 1 if len(body) < max_length - 2 else -1)
        body.extend(cut or [int(tokenizer.unk_token_id)])
    ids = [text.ids[0], *body[: max_length - 2], separator]
    return Joined(text, ids, behind, ["", *words])


def context_pieces(context: Sequence[str], encoder: TextEncoder, limit: int) -> list[int]:
    """The first ``limit`` pieces of all texts together; for methods that read them by themselves.

    They are cut as running text: a word without pieces leaves none.
    """
    text = " ".join(word for part in context for word in part.split())
    if not text:
        return []
    cut = encoder.tokenizer(text, add_special_tokens=False, truncation=True, max_length=limit)
    return list(cut["input_ids"])


def label_row(tags: Sequence[str], behind: int) -> list[str]:
    """Labels of all words of the input: the text's, then X for separator and context."""
    return [*tags, *["X"] * behind]


def score_rows(
    gold: Sequence[Sequence[str]],
    predicted: Sequence[Sequence[str]],
    *,
    score_context: bool = False,
) -> Counts:
    """Chunks of label rows, over all types.

    ``score_context`` counts the context's words as O, as PGIM's code does, so that an entity
    predicted among them is a false positive; else they are not looked at.
    """
    rows = [
        ["O" if score_context and label == "X" else label for label in labels] for labels in gold
    ]
    counts = score_tags(rows, predicted).values()
    return sum(counts, Counts())


class ContextTagging(Tagging):
    """Encoder over text and context, first pieces, linear layer, chain; subclasses name texts."""

    places: ClassVar[frozenset[str]] = frozenset({"dictionary_features"})
    config: ContextConfig

    def __init__(self, config: ContextConfig, labels: LabelSpace, text: TextEncoder) -> None:
        super().__init__(config, labels, {"text": text})
        self.dropout = nn.Dropout(config.dropout)
        self.classifier = nn.Linear(text.width, len(self.tag_names))

    @classmethod
    def build(cls, config: ContextConfig, labels: LabelSpace) -> Self:
        return cls(
            config, labels, load_text(config.text, attention_dropout=config.attention_dropout)
        )

    @abstractmethod
    def context_needs(self) -> tuple[Need, ...]:
        """The texts behind the post, in their order."""

    def needs(self) -> frozenset[Need]:
        return frozenset(self.context_needs() if self.config.view == "context" else ())

    @property
    def room(self) -> int:
        """Shorter in training where ``train_length`` says so."""
        length = self.config.train_length if self.training else self.config.max_length
        return min(length, self.text.max_positions)

    def prepare(self, document: Document, assets: Assets) -> Example:
        needs = self.context_needs() if self.config.view == "context" else ()
        context = [text for need in needs for text in assets[need].texts]
        joined = join_context(document, context, self.text, self.room, eos=self.config.eos)
        behind = joined.behind if self.config.crf_over_context else []
        example = Example(
            document,
            {
                "input_ids": torch.tensor(joined.ids),
                "attention_mask": torch.ones(len(joined.ids), dtype=torch.long),
                "first": torch.tensor([*joined.text.first, *behind], dtype=torch.long),
                "text_length": torch.tensor(joined.text_length),
            },
            {"words": joined.text.words, "cut": joined.text.cut, "behind": len(joined.behind)},
        )
        places = [*joined.text.first, *joined.behind]
        self.look_up(example, places, joined.text_length, joined.words)
        return example

    def targets(self, document: Document, example: Example) -> dict[str, Tensor]:
        """``tags`` [W]: of the kept words, context words that are in the chain being O."""
        labels = self.gold_row(document, example)
        places = example.inputs["first"].tolist()
        # zip stops at the end of the text where the chain does.
        kept = [
            "O" if label == "X" else label
            for label, place in zip(labels, places, strict=False)
            if place >= 0
        ]
        return {"tags": torch.tensor([self.tag_ids[tag] for tag in kept] or [0])}

    def gold_row(self, document: Document, example: Example) -> list[str]:
        """Gold labels of all words of the input."""
        words = example.notes["words"]
        return label_row(word_tags(document, words, self.config.scheme), example.notes["behind"])

    def predicted_rows(self, output: Output, batch: Batch) -> list[list[str]]:
        """Tags of all words of the input; O where the chain does not run."""
        paths = self.crf.decode(output.scores["emissions"], self.chain_mask(batch))
        rows = []
        for path, example in zip(paths, batch.examples, strict=True):
            count = len(example.notes["words"]) + example.notes["behind"]
            tags = ["O"] * count
            places = self._places(example.inputs["first"].tolist())
            for word, place in enumerate(places):
                if place >= 0:
                    tags[word] = self.tag_names[path[place]]
            rows.append(tags)
        return rows

    def forward(self, batch: Batch) -> Output:
        """``emissions`` [B, W, L] with context; with targets the losses of the trained views."""
        c = self.config
        output = super().forward(batch)
        if c.views is None or c.view == "text" or not batch.targets:
            return output
        alone = self.text_view(batch)
        rich, poor = output.scores["emissions"], self.scores(alone)["emissions"]
        if self.ideas.biases:
            poor = poor + self.idea_bias(alone)
        mask = self.chain_mask(alone)
        loss = self.crf(poor, alone.targets["tags"], mask, reduction=c.reduction)
        losses = {
            **output.losses,
            "main": c.views[0] * output.losses["main"],
            "text": c.views[1] * loss,
            "views": c.views[2] * self._divergence(rich, poor, mask, batch),
        }
        return Output(output.scores, losses)

    def scores(self, batch: Batch) -> dict[str, Tensor]:
        states = self.text_states(batch)  # B,T,D
        words = self._drop_words(self.dropout(self.chain_states(states, batch)))  # B,W,D
        return {"emissions": self.classifier(words)}  # B,W,L

    def text_view(self, batch: Batch) -> Batch:
        """The same texts without their context: to the bit what they would be had they none."""
        inputs = batch.inputs
        length = inputs["text_length"]
        width = int(length.max())
        mask = torch.arange(width, device=length.device) < length.unsqueeze(1)
        ids = inputs["input_ids"][:, :width].masked_fill(~mask, self.text.pad_id)
        # The end token stands there already unless the separator is a word of its own.
        end = torch.full_like(ids[:, :1], int(self.text.tokenizer.sep_token_id))
        ids = ids.scatter(1, (length - 1).unsqueeze(1), end)
        inside = inputs["first"] < (length - 1).unsqueeze(1)
        first = inputs["first"].masked_fill(~inside, -1)
        alone = Batch(
            batch.examples,
            {
                **inputs,
                **{
                    k: v[:, :width] for k, v in inputs.items() if k.startswith("kb_") or k == "case"
                },
                "input_ids": ids,
                "attention_mask": mask.long(),
                "first": first,
            },
        )
        if batch.targets:
            words = self.chain_mask(alone).shape[1]
            alone.targets = {**batch.targets, "tags": batch.targets["tags"][:, :words]}
        return alone

    def _divergence(self, rich: Tensor, poor: Tensor, mask: Tensor, batch: Batch) -> Tensor:
        """Of the text view from the view with context, over posts that have context."""
        c = self.config
        teacher = rich[:, : mask.shape[1]].detach()
        student = poor
        if c.compare == "posteriors":
            # The transitions are shared and learn on both sides; only emissions are detached.
            teacher = chain_log_posteriors(self.crf, teacher, mask)
            student = chain_log_posteriors(self.crf, student, mask)
        there = batch.inputs["attention_mask"].sum(1) > batch.inputs["text_length"]
        return view_divergence(teacher, student, mask & there.unsqueeze(1), c.temperature)

    def _drop_words(self, words: Tensor) -> Tensor:
        rate = self.config.word_dropout
        if not self.training or not rate:
            return words
        kept = torch.rand(words.shape[:2], device=words.device) >= rate
        return words * kept.unsqueeze(2).to(words.dtype)

    def groups(self) -> list[ParameterGroup]:
        own = {
            "head": (tuple(self.classifier.parameters()), self.config.head_rate),
            "chain": (tuple(self.crf.parameters()), self.config.crf_rate),
        }
        taken = {id(p) for parameters, _ in own.values() for p in parameters}
        rest = tuple(p for p in self.trainable() if id(p) not in taken)
        return [
            ParameterGroup(name="text", parameters=rest),
            *(ParameterGroup(name=n, parameters=p, rate=r) for n, (p, r) in own.items()),
        ]
