"""H-Index: entities, types and regions as one sequence of indices.

Yu, Li, Wang, Zhang, Xia: Grounded Multimodal Named Entity Recognition on Social Media, ACL 2023. A
BART reads the regions of a picture beside the text and writes places of the text, a flag whether a
region shows the entity, and the entity's type. Which region it is follows from the decoder's state
that has read the flag: it is compared with the encoder's states of all regions, and drawn towards
the distribution that the gold boxes spread over them.

Unusual: the decoder has no vocabulary of its own (:mod:`magpie.nn.pointer`); regions have neither
positions nor a norm; an entity whose boxes no candidate covers is trained as not in the picture.
Where the public code (NUSTM/GMNER) departs from its own intention, the default follows the
intention and an option named ``legacy_*`` the code; docs/methods/h_index.md has the list.

A text without regions (no picture, nothing supplied) is read by the same layers: nothing shows, and
what the decoder says about regions is passed on as "unknown" (:mod:`magpie.methods.grounding`).

Shapes: B batch, S source positions, R regions, F feature width, L target length, D width, K types.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from magpie.backbones import Seq2Seq, load_seq2seq
from magpie.backbones.beside import check_bart, encode_beside
from magpie.features import Asset, Assets, Need, RegionFeatures
from magpie.methods._h_index import (
    HIndexConfig,
    add_markers,
    marker_pieces,
    pointed_span,
    type_order,
)
from magpie.methods.base import (
    Batch,
    Example,
    Method,
    MethodConfig,
    Output,
    Task,
    pad_stack,
)
from magpie.methods.generation.constrain import IndexMask, Mask, constrained
from magpie.methods.generation.index_sequence import IndexGrammar, IndexItem
from magpie.methods.generation.result import ParseResult
from magpie.methods.generation.special import check
from magpie.methods.grounding import (
    Candidates,
    entity_words,
    gold_target,
    grounding_of,
    region_candidates,
)
from magpie.methods.labels import LabelSpace
from magpie.methods.words import document_words
from magpie.nn.pointer import PointerLayer
from magpie.nn.region_losses import mask_regions, region_bce, region_kl
from magpie.schema import Annotations, Document, Entity

__all__ = ["HIndex", "HIndexConfig"]


class HIndex(Method):
    """BART with a pointing output layer and scores of regions.

    Args:
        config: settings.
        labels: entity types of the corpus.
        seq2seq: a BART whose vocabulary has the markers already (:meth:`build` adds them).
    """

    name: ClassVar[str] = "h-index"
    tasks: ClassVar[frozenset[Task]] = frozenset({Task.GMNER})
    Config: ClassVar[type[MethodConfig]] = HIndexConfig
    #: BART pads with 1, and so do index sequences
    padding: ClassVar[Mapping[str, float]] = {"input_ids": 1, "target": 1}
    adjustable: ClassVar[frozenset[str]] = frozenset({"constrained"})
    config: HIndexConfig

    def __init__(self, config: HIndexConfig, labels: LabelSpace, seq2seq: Seq2Seq) -> None:
        super().__init__(config, labels, {"seq2seq": seq2seq})
        check_bart(seq2seq)
        markers = marker_pieces(labels)
        self.grammar = IndexGrammar(
            tuple(type_order(labels.entity_types)), legacy_types=config.legacy_types
        )
        self.need = RegionFeatures(
            source=config.source,
            count=config.region_count,
            width=config.feature_width,
            order=config.region_order,
        )
        width = seq2seq.width
        self.region_projection = nn.Linear(config.feature_width, width)
        self.region_dropout = nn.Dropout(config.region_dropout)
        self.pointer = PointerLayer(width, config.dropout)
        check(seq2seq.tokenizer, markers, where=seq2seq.name)
        places = seq2seq.tokenizer.get_vocab()
        #: piece ids of start, end, flags and types: what indices 0 to 3 + K are fed as
        self.special = [
            int(seq2seq.transformer.config.bos_token_id),
            seq2seq.end_id,
            *(places[marker] for marker in markers),
        ]

    @property
    def seq2seq(self) -> Seq2Seq:
        """The BART."""
        return cast(Seq2Seq, self.backbones["seq2seq"])

    @classmethod
    def build(cls, config: HIndexConfig, labels: LabelSpace) -> Self:
        seq2seq = load_seq2seq(config.seq2seq, dropout=config.backbone_dropout)
        add_markers(seq2seq, marker_pieces(labels), legacy=config.legacy_markers)
        return cls(config, labels, seq2seq)

    @property
    def room(self) -> int:
        return min(self.config.max_length, self.seq2seq.max_positions or self.config.max_length)

    def piece_counts(self, document: Document) -> list[tuple[str, int, int, int]]:
        words = document_words(document)
        return [
            (*word, len(ids)) for word, ids in zip(words, self._cut(document, words), strict=True)
        ]

    def needs(self) -> frozenset[Need]:
        return frozenset() if self.config.source == "none" else frozenset({self.need})

    def prepare(self, document: Document, assets: Assets) -> Example:
        """``input_ids``, ``attention_mask`` [S]; ``regions`` [R, F], ``region_mask`` [R]."""
        words = document_words(document)
        limit = self.room - 2
        body: list[int] = []
        first: list[int] = []
        for ids in self._cut(document, words):
            first.append(len(body) + 1 if len(body) < limit else -1)
            body.extend(ids)
        source = [self.special[0], *body[:limit], self.special[1]]
        asset = assets.get(self.need, Asset.absent("read without regions"))
        candidates = region_candidates(document, asset, self.need, normalise=self.config.normalise)
        return Example(
            document,
            {
                "input_ids": torch.tensor(source),
                "attention_mask": torch.ones(len(source), dtype=torch.long),
                "regions": candidates.features,
                "region_mask": candidates.mask,
            },
            {"words": words, "first": first, "candidates": candidates},
        )

    def _cut(self, document: Document, words: Sequence[tuple[str, int, int]]) -> list[list[int]]:
        """Pieces of every word, a blank in front of each; at least the unknown one."""
        if not words:
            return []
        tokenizer: Any = self.seq2seq.tokenizer
        texts = {block.id: block.text for block in document.blocks}
        # A marker's name inside a text is text like any other.
        found = tokenizer(
            [f" {texts[block][start:end]}" for block, start, end in words],
            add_special_tokens=False,
            return_attention_mask=False,
            split_special_tokens=True,
        )["input_ids"]
        return [ids or [int(tokenizer.unk_token_id)] for ids in found]

    def targets(self, document: Document, example: Example) -> dict[str, Tensor]:
        """``target`` [L] with start and end; ``region_target`` [L, R], a soft target at each flag
        of an entity that shows; ``target_length`` [].

        Entities of unknown types, and those that were cut off with the text, are left out.
        """
        c, first = self.config, example.notes["first"]
        candidates: Candidates = example.notes["candidates"]
        wanted: dict[tuple[int, ...], Tensor] = {}
        items = []
        for entity, begin, after in entity_words(document, example.notes["words"]):
            places = tuple(first[begin:after])
            if -1 in places:
                continue
            q, covered = gold_target(
                entity, candidates, threshold=c.threshold, legacy_half=c.legacy_half
            )
            items.append(IndexItem(positions=places, grounded=covered, type=entity.type))
            wanted[places] = q
        target = self.grammar.encode(items, limit=self.seq2seq.max_positions, drop=True)
        regions = torch.zeros(len(target.ids), c.region_count)
        for item in target.items:
            if item.grounded and item.step is not None:
                regions[item.step] = wanted[item.positions]
        return {
            "target": torch.tensor(target.ids),
            "region_target": regions,
            "target_length": torch.tensor(len(target.ids)),
        }

    def forward(self, batch: Batch) -> Output:
        """The encoder's side of every score; with targets also ``logits`` [B, L - 1, 4 + K + S]
        and ``region_scores`` [B, L - 1, R] of the gold sequence, and the losses."""
        scores = self._read(batch)
        if not batch.targets:
            return Output(scores)
        c, target = self.config, batch.targets["target"]
        fed, wanted = target[:, :-1], target[:, 1:]
        states = self.seq2seq.decode(
            self.pieces(fed, batch), scores["memory"], scores["memory_mask"]
        )  # B,L-1,D
        scores |= self.score_states(states, scores, batch)
        steps = torch.arange(wanted.shape[1], device=wanted.device)
        counted = steps < (batch.targets["target_length"] - 1).unsqueeze(1)  # B,L-1
        ce = functional.cross_entropy(scores["logits"][counted], wanted[counted])
        flags = (fed == self.grammar.grounded) & counted
        mask = batch.inputs["region_mask"].unsqueeze(1).expand(-1, flags.shape[1], -1)
        loss = region_kl if c.region_loss == "kl" else region_bce
        region = loss(
            scores["region_scores"][flags],
            batch.targets["region_target"][:, :-1][flags],
            None if c.legacy_padded_regions else mask[flags],
        )
        return Output(scores, {"ce": ce, "region": c.region_weight * region})

    def _read(self, batch: Batch) -> dict[str, Tensor]:
        """Regions and text through the encoder, and what decoder states are compared with."""
        inputs, bart = batch.inputs, self.seq2seq
        v = self.region_projection(inputs["regions"])  # B,R,D
        there, text = inputs["region_mask"].bool(), inputs["attention_mask"].bool()
        count = there.shape[1]
        seen = torch.cat([~there if self.config.legacy_encoder_mask else there, text], 1)
        memory = encode_beside(bart, self.region_dropout(v), inputs["input_ids"], seen)  # B,R+S,D
        embedded = functional.embedding(inputs["input_ids"], self._table)  # B,S,D
        return {
            "memory": memory,
            "memory_mask": torch.cat([there, text], 1),
            "words": self.pointer.memory(memory[:, count:], embedded),
            "regions": self.pointer.memory(memory[:, :count], v),
        }

    @property
    def _table(self) -> Tensor:
        return cast(Tensor, self.seq2seq.transformer.get_input_embeddings().weight)

    def score_states(
        self, states: Tensor, read: Mapping[str, Tensor], batch: Batch
    ) -> dict[str, Tensor]:
        """Decoder states [B, L, D] -> ``logits`` [B, L, 4 + K + S], ``region_scores`` [B, L, R].

        Scores of empty regions are -1e32 unless ``legacy_padded_regions``.
        """
        states = self.pointer.dropout(states)
        mask = batch.inputs["attention_mask"].bool()
        # Neither the start piece nor the end piece, which is the last one, is a word.
        inner = torch.cat([torch.zeros_like(mask[:, :1]), mask[:, 2:], ~mask[:, :1]], 1)
        special = functional.embedding(
            torch.tensor(self.special[1:], device=states.device), self._table
        )  # 3+K,D
        there = None if self.config.legacy_padded_regions else batch.inputs["region_mask"]
        regions = states @ read["regions"].transpose(1, 2)  # B,L,R
        return {
            "logits": self.pointer.scores(states, special, read["words"], inner),
            "region_scores": mask_regions(regions, None if there is None else there.unsqueeze(1)),
        }

    def pieces(self, indices: Tensor, batch: Batch) -> Tensor:
        """Indices [B, L] -> ids of the pieces that the decoder is fed, [B, L]."""
        special = torch.tensor(self.special, device=indices.device)
        closed = special[indices.clamp(max=len(self.special) - 1)]
        places = (indices - len(self.special)).clamp(min=0)
        pointed = batch.inputs["input_ids"].gather(1, places)
        return torch.where(indices < len(self.special), closed, pointed)

    def limits(self, read: Mapping[str, Tensor]) -> Tensor:
        """Indices of every output at most, the start included, [B]."""
        c = self.config
        counts = read["memory_mask"].sum(1).tolist()
        longest = self.seq2seq.max_positions or math.inf
        found = [min(c.output_length + int(c.output_share * n), longest) for n in counts]
        return torch.tensor(found, dtype=torch.long, device=read["memory"].device)

    @torch.no_grad()
    def generate(self, read: Mapping[str, Tensor], batch: Batch) -> tuple[Tensor, Tensor]:
        """Greedy sequences without their start [B, L] and the states that wrote them [B, L, D]."""
        limits = self.limits(read) - 1
        mask = self._mask(batch, limits) if self.config.constrained else None

        def choose(state: Tensor, symbols: Tensor) -> Tensor:
            logits = self.score_states(state.unsqueeze(1), read, batch)["logits"][:, 0]
            return self.choose(logits, symbols, mask)

        return self.seq2seq.generate(
            read["memory"],
            read["memory_mask"],
            max_length=int(limits.max()),
            choose=choose,
            feed=lambda chosen: self.pieces(chosen.unsqueeze(1), batch)[:, 0],
            start=self.special[0],
            end=self.grammar.end,
            pad=self.grammar.end,
            limits=limits,
        )

    def choose(self, logits: Tensor, symbols: Tensor, mask: Mask | None = None) -> Tensor:
        """The next index of every row, [B].

        Args:
            logits: [B, 4 + K + S].
            symbols: those written so far, [B, t].
            mask: what the grammar allows; None means everything.
        """
        return (logits if mask is None else constrained(logits, mask, symbols)).argmax(-1)

    def _mask(self, batch: Batch, limits: Tensor) -> Mask:
        rows = [[p for p in example.notes["first"] if p >= 0] for example in batch.examples]
        starts = pad_stack([torch.tensor(row, dtype=torch.long) for row in rows], -1)  # B,W
        return IndexMask(
            self.grammar,
            starts.to(limits.device),
            len(self.special) + batch.inputs["input_ids"].shape[1],
            limits=limits,
            groundable=batch.inputs["region_mask"].any(1),
        )

    def decode(self, output: Output, batch: Batch) -> list[Annotations]:
        """What the written sequences say; what is malformed is counted in the provenance.

        An entity's score is the mean probability of its indices, a region's its share among the
        candidates.
        """
        indices, states = self.generate(output.scores, batch)
        scored = self.score_states(states, output.scores, batch)
        chances = scored["logits"].softmax(-1).gather(2, indices.unsqueeze(2)).squeeze(2)  # B,L
        regions = scored["region_scores"].softmax(-1).max(-1)
        return [
            self._annotations(example, *row)
            for example, *row in zip(
                batch.examples,
                indices.tolist(),
                chances.tolist(),
                regions.indices.tolist(),
                regions.values.tolist(),
                strict=True,
            )
        ]

    def parse(self, indices: Sequence[int], example: Example) -> ParseResult[IndexItem]:
        """The items of a sequence without its start, and what is malformed."""
        first = [place for place in example.notes["first"] if place >= 0]
        return self.grammar.parse([0, *indices], starts=first)

    def region_step(self, item: IndexItem) -> int | None:
        """The step whose region scores belong to an item; None where no region shows it.

        Step t is the one that reads the t-th index of the sequence, the start being the 0-th.
        """
        if not item.grounded or item.step is None:
            return None
        return item.step - 1 if self.config.legacy_region_step else item.step

    def _annotations(
        self,
        example: Example,
        indices: Sequence[int],
        chances: Sequence[float],
        regions: Sequence[int],
        shares: Sequence[float],
    ) -> Annotations:
        candidates: Candidates = example.notes["candidates"]
        entities: list[Entity] = []
        parsed = self.parse(indices, example)
        for item in sorted(parsed, key=lambda item: item.positions):
            span = pointed_span(item.positions, example)
            if span is None or item.step is None:
                continue
            step = self.region_step(item)
            # Its pointers end before the flag, its type follows it; index t is written at t - 1.
            written = chances[item.step - len(item.positions) - 1 : item.step + 1]
            entities.append(
                Entity(
                    id=f"e{len(entities)}",
                    span=span,
                    type=item.type,
                    grounding=grounding_of(
                        candidates,
                        None if step is None else regions[step],
                        None if step is None else shares[step],
                    ),
                    score=min(1.0, max(0.0, sum(written) / len(written))),
                )
            )
        return Annotations(entities=tuple(entities), provenance=parsed.provenance(self.name))
