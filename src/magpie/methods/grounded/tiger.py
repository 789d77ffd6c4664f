"""TIGER: entities written as English sentences, and regions found where these say "in the image".

Wang et al., Fine-Grained Multimodal Named Entity Recognition and Grounding with a Generative
Framework, ACM MM 2023; public code NUSTM/FMNERG. Unusual: regions are further tokens of T5's
encoder, put behind the padded text without positions or boxes of their own; the output is text
alone, ``Kevin Love is a person and a athlete, which is in the image [SSEP] ...``; and the
decoder's states at the pieces "in", "the", "image" are the query that picks the region, by their
product with the projected region *input*, not with the encoder's output.

The specification's departures from the public code are its defaults; each of the code's own ways
is a ``legacy_`` option.

Shapes: B batch, T text pieces (always ``source_length``), R regions, L target pieces, D width,
V vocabulary, E visible entities of a document, Q pieces of "in the image".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from magpie.backbones import Seq2Seq, load_seq2seq
from magpie.errors import ConfigError, FormatError
from magpie.features import Assets, Need, RegionFeatures
from magpie.methods._tiger import (
    SEPARATOR,
    TigerConfig,
    Written,
    best_region,
    comparable_target,
    joined_words,
    query_places,
    read_output,
    released_phrases,
    sentence_types,
)
from magpie.methods._tiger_pieces import Spelling
from magpie.methods.base import Batch, Example, Method, Output, Task
from magpie.methods.generation.constrain import Mask, PlanMask, constrained
from magpie.methods.generation.phrases import pieces_of
from magpie.methods.generation.plans import SentencePlans, Source
from magpie.methods.generation.sentences import SentenceGrammar, SentenceItem
from magpie.methods.grounding import Candidates, entity_words, region_candidates
from magpie.methods.labels import LabelSpace
from magpie.methods.words import document_words
from magpie.nn.region_losses import region_kl
from magpie.schema import Annotations, Document, Entity

__all__ = ["Tiger", "TigerConfig"]

#: what a label has where the loss does not look
IGNORED = -100


class Tiger(Method):
    """T5 over text and regions; sentences out, regions from the states that say where."""

    name: ClassVar[str] = "tiger"
    tasks: ClassVar[frozenset[Task]] = frozenset({Task.GMNER})
    Config: ClassVar[type[TigerConfig]] = TigerConfig
    padding: ClassVar[Mapping[str, float]] = {"labels": IGNORED}
    adjustable: ClassVar[frozenset[str]] = frozenset({"constrained"})
    config: TigerConfig

    def __init__(self, config: TigerConfig, labels: LabelSpace, seq2seq: Seq2Seq) -> None:
        super().__init__(config, labels, {"seq2seq": seq2seq})
        longest = max(config.source_length + config.region_count, config.target_length)
        if seq2seq.max_positions is not None and longest > seq2seq.max_positions:
            raise ConfigError(
                f"{seq2seq.name!r} has {seq2seq.max_positions} positions, but text and regions, "
                f"or sentences, take up to {longest}",
                mend="Lower source_length, region_count or target_length.",
            )
        self.project = nn.Linear(config.feature_width, seq2seq.width)
        parents, self.type_labels = sentence_types(labels, config.types)
        self.type_words = {label: word for word, label in self.type_labels.items()}
        self.grammar = SentenceGrammar(
            parents,
            coarse=config.types == "coarse_fine",
            image=config.image_clause,
            keep_repeats=config.keep_repeats,
        )
        words = {*parents, *parents.values()}
        self.spelling = Spelling(seq2seq.tokenizer, SEPARATOR, words)
        self.phrase: tuple[int, ...] = tuple(self.spelling.ids("in the image"))
        self.negation: int = self.spelling.ids("not")[-1]
        #: of constrained decoding
        self.plans = SentencePlans(self.grammar, self.spelling.ids) if config.constrained else None

    @classmethod
    def build(cls, config: TigerConfig, labels: LabelSpace) -> Self:
        return cls(config, labels, load_seq2seq(config.seq2seq, dropout=config.dropout))

    @property
    def seq2seq(self) -> Seq2Seq:
        """The encoder-decoder."""
        return cast(Seq2Seq, self.backbones["seq2seq"])

    @property
    def picture(self) -> RegionFeatures:
        """What it reads of a picture."""
        c = self.config
        return RegionFeatures(c.source, c.region_count, c.feature_width, c.region_order)

    def needs(self) -> frozenset[Need]:
        return frozenset({self.picture} if self.config.image_clause else ())

    @property
    def room(self) -> int:
        """Pieces of the text with the end piece."""
        return self.config.source_length

    def piece_counts(self, document: Document) -> list[tuple[str, int, int, int]]:
        words = document_words(document)
        return [
            (*word, len(pieces))
            for word, pieces in zip(words, self._cut(document, words), strict=True)
        ]

    def _cut(self, document: Document, words: Sequence[tuple[str, int, int]]) -> list[list[int]]:
        """The pieces of every word; a blank stands before each, as between the words."""
        texts = {block.id: block.text for block in document.blocks}
        return self.spelling.words([texts[block][start:end] for block, start, end in words])

    def prepare(self, document: Document, assets: Assets) -> Example:
        """``input_ids``, ``attention_mask`` [T], ``regions`` [R, F], ``region_mask`` [R].

        Words that do not fit are left out, from the first one on that does not.
        """
        words = document_words(document)
        ids: list[int] = []
        kept = 0
        for pieces in self._cut(document, words):
            if len(ids) + len(pieces) >= self.room:
                break
            ids += pieces
            kept += 1
        ids.append(self.seq2seq.end_id)
        padded = torch.full((self.room,), self.seq2seq.pad_id)
        padded[: len(ids)] = torch.tensor(ids)
        mask = (torch.arange(self.room) < len(ids)).long()
        inputs = {"input_ids": padded, "attention_mask": mask}
        notes: dict[str, Any] = {"words": words, "kept": kept, "candidates": None}
        if self.config.image_clause:
            found = region_candidates(
                document, assets[self.picture], self.picture, normalise=self.config.normalise
            )
            inputs |= {"regions": found.features, "region_mask": found.mask.long()}
            notes["candidates"] = found
        return Example(document, inputs, notes)

    def targets(self, document: Document, example: Example) -> dict[str, Tensor]:
        """``labels`` [L]; of the visible entities ``queries`` [E, L], whose rows spread 1 over the
        positions of "in the image", and ``wanted`` [E, R], the distribution over regions.

        An entity that no candidate covers is written as not in the image and has no row. What the
        sentences cannot say is left out of them.
        """
        words, kept = example.notes["words"], example.notes["kept"]
        gold = entity_words(document, words[:kept])
        wanted = self._wanted([entity for entity, _, _ in gold], example)
        items = [
            (
                SentenceItem(
                    name=joined_words(document, words[first:last])[0],
                    type=self.type_words[label],
                    visible=q is not None,
                ),
                q,
            )
            for (entity, first, last), q in zip(gold, wanted, strict=True)
            if (label := self._label(entity)) in self.type_words
        ]
        target = self.grammar.encode(
            [item for item, _ in items],
            source=joined_words(document, words[:kept])[0],
            limit=self.config.target_length,
            measure=lambda text: len(self.spelling.ids(text)) + 1,
            drop=True,
        )
        pieces, offsets = self.spelling.placed(target.text)
        ids = [*pieces, self.seq2seq.end_id]
        # The target's items are some of ours, in our order.
        ours = iter(items)
        said = [
            next(q for item, q in ours if (item.name, item.type) == (kept.name, kept.type))
            for kept in target.items
        ]
        spots = [
            pieces_of(offsets, phrase)
            for phrase, q in zip(target.positions, said, strict=True)
            if q is not None
        ]
        drops, arms = self.config.legacy_kl_positions, self.config.legacy_not_flag
        if drops or arms:
            spots = released_phrases(ids, self.phrase, self.negation, drops=drops, arms=arms)
        shown = [q for q in said if q is not None]
        # The released scans may find fewer phrases than entities; the last ones stay without.
        count = min(len(spots), len(shown))
        queries = torch.zeros(count, len(ids))
        for row, spot in zip(queries, spots, strict=False):
            row[list(spot)] = 1 / len(spot)
        empty = torch.zeros(0, self.config.region_count)
        return {
            "labels": torch.tensor(ids),
            "queries": queries,
            "wanted": torch.stack(shown[:count]) if count else empty,
        }

    def _label(self, entity: Entity) -> str | None:
        """What sentences tell of its kind."""
        return entity.type if self.config.types == "coarse" else entity.fine_type

    def _wanted(self, gold: Sequence[Entity], example: Example) -> list[Tensor | None]:
        """Of each entity the distribution over regions [R]; None where none shows it."""
        candidates: Candidates | None = example.notes["candidates"]
        if candidates is None:
            return [None] * len(gold)
        try:
            found = [comparable_target(entity, candidates) for entity in gold]
        except FormatError as error:
            if not self.config.legacy_silent_boxes:
                raise error.at(example.document.id) from None
            return [None] * len(gold)
        return [q if covered else None for q, covered in found]

    def encode(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Memory [B, T+R, D], its mask [B, T+R], and the projected regions V [B, R, D]."""
        inputs = batch.inputs
        text = self.seq2seq.embed(inputs["input_ids"])  # B,T,D
        mask = inputs["attention_mask"]
        if not self.config.image_clause:
            nothing = text.new_zeros(len(text), 0, text.shape[2])
            return self.seq2seq.encode(text, mask), mask, nothing
        v = self.project(inputs["regions"])  # B,R,D
        mask = torch.cat([mask, inputs["region_mask"]], 1)  # B,T+R
        return self.seq2seq.encode(torch.cat([text, v], 1), mask), mask, v

    def region_scores(self, states: Tensor, v: Tensor) -> Tensor:
        """Z: decoder states [B, L, D] and projected regions [B, R, D] -> [B, L, R].

        The states are scaled as for the vocabulary.
        """
        if getattr(self.seq2seq.transformer.config, "scale_decoder_outputs", False):
            states = states * self.seq2seq.width**-0.5
        return states @ v.transpose(1, 2)

    def forward(self, batch: Batch) -> Output:
        """With targets ``logits`` [B, L, V], ``regions`` [B, L, R] (Z) and the losses; without,
        the output: ``ids`` [B, L], ``log_probabilities`` [B, L], and Z of the same steps."""
        memory, mask, v = self.encode(batch)
        if not batch.targets:
            return Output(self._generate(memory, mask, v, self._mask(batch)))
        labels = batch.targets["labels"]
        own = (labels != IGNORED).long()
        states = self.seq2seq.decode(self.seq2seq.shift(labels), memory, mask, own)  # B,L,D
        logits = self.seq2seq.logits(states)  # B,L,V
        z = self.region_scores(states, v)  # B,L,R
        losses = {
            "words": functional.cross_entropy(
                logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED
            )
        }
        if self.config.image_clause:
            losses["regions"] = self.config.region_weight * self._region_loss(z, batch)
        return Output({"logits": logits, "regions": z}, losses)

    def _region_loss(self, z: Tensor, batch: Batch) -> Tensor:
        """KL over the visible entities N of the batch; 0 without any."""
        wanted = batch.targets["wanted"]  # B,E,R
        scores = batch.targets["queries"] @ z  # B,E,R
        there = wanted.sum(2) > 0  # B,E
        mask = batch.inputs["region_mask"].unsqueeze(1).expand_as(wanted)[there]  # N,R
        return region_kl(
            scores[there], wanted[there], None if self.config.legacy_padded_regions else mask
        )

    def _mask(self, batch: Batch) -> Mask | None:
        """What the grammar allows at every step; None where anything is."""
        if self.plans is None:
            return None
        plans = []
        for example in batch.examples:
            words = [joined_words(example.document, [word])[0] for word in example.notes["words"]]
            plans.append(self.plans.plan(Source.of(words, self.spelling.ids, self.spelling.read)))
        size = int(self.seq2seq.transformer.config.vocab_size)
        limits = [self.config.target_length] * len(plans)
        return PlanMask(plans, size, end=self.seq2seq.end_id, limits=limits)

    def _generate(
        self, memory: Tensor, mask: Tensor, v: Tensor, allowed: Mask | None
    ) -> dict[str, Tensor]:
        chances: list[Tensor] = []

        def choose(state: Tensor, symbols: Tensor) -> Tensor:
            logits = self.seq2seq.logits(state.unsqueeze(1)).squeeze(1).float()  # B,V
            if allowed is not None:
                logits = constrained(logits, allowed, symbols)
            best = logits.max(1)
            chances.append(best.values - logits.logsumexp(1))
            return best.indices

        ids, states = self.seq2seq.generate(
            memory, mask, max_length=self.config.target_length, choose=choose
        )
        return {
            "ids": ids,
            "log_probabilities": torch.stack(chances, 1),
            "regions": self.region_scores(states, v),
        }

    def decode(self, output: Output, batch: Batch) -> list[Annotations]:
        """The entities of the sentences that can be read, in their order.

        An entity's score is the geometric mean of its pieces' probabilities, over its sentence.
        """
        z = output.scores["regions"]
        written = [self._written(output, row, e) for row, e in enumerate(batch.examples)]
        c = self.config
        places = query_places(
            written,
            self.phrase,
            self.negation,
            running=c.legacy_running_regions,
            arms=c.legacy_not_flag,
        )
        found = []
        for row, example in enumerate(batch.examples):
            own, candidates = written[row], example.notes["candidates"]
            visible = iter(places[row])
            entities: list[Entity] = []
            for number, item in enumerate(own.parsed.items):
                place = next(visible) if item.visible else None
                scores = None if place is None else z[place[0], list(place[1])].mean(0)  # R
                if (span := own.spans[number]) is None:
                    continue
                kind, fine = self._types(item.type)
                entities.append(
                    Entity(
                        id=f"e{len(entities)}",
                        span=span,
                        type=kind,
                        fine_type=fine,
                        grounding=best_region(candidates, scores, padded=c.legacy_padded_regions),
                        score=own.chance(number, output.scores["log_probabilities"][row]),
                    )
                )
            found.append(
                Annotations(entities=tuple(entities), provenance=own.parsed.provenance(self.name))
            )
        return found

    def _written(self, output: Output, row: int, example: Example) -> Written:
        ids = output.scores["ids"][row].tolist()
        if self.seq2seq.end_id in ids:
            ids = ids[: ids.index(self.seq2seq.end_id)]
        words = example.notes["words"]
        return read_output(ids, self.spelling.read, self.grammar, example.document, words)

    def _types(self, word: str) -> tuple[str, str | None]:
        """Type and fine type that a word of the sentences stands for."""
        label = self.type_labels[word]
        return (
            (label, None) if self.config.types == "coarse" else (self.labels.parents[label], label)
        )
