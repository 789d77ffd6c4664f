"""What relation methods share: pairs of given mentions, markers around them, and the readout.

The two mentions are input by definition of the task (mre_metrics.md), so a relation method is
given the document's entities (their spans) and, where somebody listed them, the pairs; types of
entities and relations are hidden. One example may hold several pairs: each is a row of its own in
a batch, and ``owner`` says of which document, so that a picture is read once.

Shape letters: B documents, N pairs, T pieces, D width, C relation types.
"""

from __future__ import annotations

import dataclasses
import logging
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

import torch
from torch import Tensor
from torch.nn import functional

from magpie.backbones import TextEncoder
from magpie.errors import ConfigError
from magpie.features import Assets
from magpie.methods.base import (
    HIDDEN_TYPE,
    Batch,
    Example,
    Method,
    MethodConfig,
    Output,
    Task,
    under_one_another,
)
from magpie.methods.labels import LabelSpace
from magpie.methods.marking import (
    add_markers,
    add_masks,
    mark_pair,
    masked_words,
    reserved_pieces,
    word_pieces,
)
from magpie.methods.pairs import candidate_pairs, pair_types, word_range
from magpie.methods.type_constraint import masked
from magpie.methods.words import document_words
from magpie.schema import Annotations, Document, Provenance, Relation

__all__ = [
    "Relating",
    "RelatingConfig",
]

_log = logging.getLogger(__name__)

#: pairs of one forward pass while predicting
ROWS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class RelatingConfig(MethodConfig):
    """Settings of every relation method."""

    #: text encoder: hub name, folder, or tiny-bert
    text: str = "bert-base-uncased"
    #: longest input in pieces, with the special ones and the markers (T)
    max_length: int = 80
    #: public: no closing marker at the end of the sentence, and none of nesting; fixed: every
    #: marker, the inner mention closed before the outer one
    markers: Literal["fixed", "public"] = "fixed"
    #: in the marked text one piece stands for the head and one for the tail, so that names tell
    #: nothing; what a method reads beside that text, such as phrases, keeps them
    mask_mentions: bool = False
    #: mask: a relation is chosen among those whose path (/per/org/member_of) fits the types that
    #: another method predicted for the two mentions; off: types play no part, as published
    type_constraint: Literal["off", "mask"] = "off"

    def __post_init__(self) -> None:
        if self.max_length < 8:
            raise ConfigError(
                f"max_length must be at least 8, got {self.max_length}",
                mend="[CLS], [SEP], four markers and a piece of each mention have to fit.",
            )


class Relating(Method):
    """A method that scores relation types for pairs of given mentions.

    Subclasses implement :meth:`scores`, which returns at least ``logits`` [N, C].
    """

    tasks: ClassVar[frozenset[Task]] = frozenset({Task.MRE})
    given: ClassVar[frozenset[str]] = frozenset({"entities", "predicted_types", "pairs"})
    adjustable: ClassVar[frozenset[str]] = frozenset({"type_constraint"})
    #: inputs and targets with a row a pair; all others have one a document
    by_pair: ClassVar[frozenset[str]] = frozenset({"input_ids", "attention_mask", "ends"})
    config: RelatingConfig

    def __init__(
        self, config: RelatingConfig, labels: LabelSpace, backbones: dict[str, Any]
    ) -> None:
        super().__init__(config, labels, backbones)
        if not labels.relation_types:
            raise ConfigError(
                f"{self.name} needs relation types", mend="Are there relations in the data?"
            )
        self.relation_ids = {name: index for index, name in enumerate(labels.relation_types)}
        self.markers = add_markers(self.text)
        self.masks = add_masks(self.text) if config.mask_mentions else None
        self.reserved = reserved_pieces(self.text)

    @property
    def text(self) -> TextEncoder:
        """The text encoder."""
        return cast(TextEncoder, self.backbones["text"])

    def prepare_pairs(self, document: Document) -> Example:
        """Rows ``input_ids``, ``attention_mask`` [K, T] and ``ends`` [K, 2] of K pairs.

        ``ends`` are the positions of the opening markers, head first. A pair with a mention that
        holds no word is not judged, and a mention that loses pieces is named in the log. Notes:
        ``pairs`` (ids of both mentions), ``mentions`` (their half-open word indices), ``listed``
        (whether the document named its pairs), ``cut``, ``shortened`` and ``words`` as
        :class:`MarkedPair` has them.
        """
        c = self.config
        places = document_words(document)
        texts = {block.id: block.text for block in document.blocks}
        words = [texts[block][start:end] for block, start, end in places]
        pieces = word_pieces(self.text, words, self.reserved)
        ends = self.text.ends
        pairs, mentions, rows = [], [], []
        for head, tail in candidate_pairs(document):
            first, second = (word_range(entity, places) for entity in (head, tail))
            if first is None or second is None:
                continue
            limit = min(c.max_length, self.text.max_positions)
            shown = pieces
            if self.masks is not None:
                shown = masked_words(pieces, list(zip((first, second), self.masks, strict=True)))
            row = mark_pair(shown, first, second, self.markers, ends, limit, c.markers)
            for role in row.shortened:
                _log.warning(
                    "%s: the %s %s of the pair %s -> %s lost its last pieces, both mentions being "
                    "longer than the %d pieces of a text",
                    document.id, role, (head if role == "head" else tail).id, head.id, tail.id,
                    limit,
                )  # fmt: skip
            pairs.append((head.id, tail.id))
            mentions.append((first, second))
            rows.append(row)
        longest = max((len(row.ids) for row in rows), default=0)
        pad = self.text.pad_id
        return Example(
            document,
            {
                "input_ids": torch.tensor(
                    [row.ids + [pad] * (longest - len(row.ids)) for row in rows], dtype=torch.long
                ).view(len(rows), longest),
                "attention_mask": torch.tensor(
                    [[1] * len(row.ids) + [0] * (longest - len(row.ids)) for row in rows],
                    dtype=torch.long,
                ).view(len(rows), longest),
                "ends": torch.tensor([[r.head, r.tail] for r in rows], dtype=torch.long).view(
                    len(rows), 2
                ),
            },
            {
                "pairs": pairs,
                "mentions": mentions,
                "listed": bool(document.annotations and document.annotations.relations),
                "cut": sum(row.cut for row in rows),
                "shortened": [row.shortened for row in rows],
                "words": [row.words for row in rows],
            },
        )

    def targets(self, document: Document, example: Example) -> dict[str, Tensor]:
        """``relations`` [K]: the type of every pair; the null relation where gold has none.

        Raises:
            ConfigError: a type that the method was not built for.
        """
        gold = pair_types(document)
        ids = []
        for pair in example.notes["pairs"]:
            kind = gold.get(pair, self.labels.null_relation)
            if kind is None:
                raise ConfigError(
                    f"nobody says how {pair[0]} and {pair[1]} relate, and no type of this method "
                    f"stands for none: {', '.join(self.labels.relation_types)}",
                    where=document.id,
                    mend="List the pairs of every document with entities, or give some the "
                    "relation none.",
                )
            if kind not in self.relation_ids:
                raise ConfigError(
                    f"the relation {kind!r} is not among the types of this method: "
                    f"{', '.join(self.labels.relation_types)}",
                    where=document.id,
                    mend="Is this checkpoint or recipe meant for another corpus?",
                )
            ids.append(self.relation_ids[kind])
        return {"relations": torch.tensor(ids, dtype=torch.long)}

    def collate(
        self, examples: Sequence[Example], targets: Sequence[Mapping[str, Tensor]] = ()
    ) -> Batch:
        """Rows of all documents under one another, with ``owner`` [N], the document of each."""
        paired = [{n: e.inputs[n] for n in self.by_pair if n in e.inputs} for e in examples]
        own = [{n: t for n, t in e.inputs.items() if n not in self.by_pair} for e in examples]
        inputs = {
            **{name: self._rows(name, [p[name] for p in paired]) for name in paired[0]},
            **self._stack(own),
            "owner": torch.repeat_interleave(
                torch.arange(len(examples)),
                torch.tensor([len(e.notes["pairs"]) for e in examples]),
            ),
        }
        aims = {name: torch.cat([t[name] for t in targets]) for name in (targets or [{}])[0]}
        return Batch(list(examples), inputs, aims)

    def _rows(self, name: str, parts: Sequence[Tensor]) -> Tensor:
        """[K, ...] of every document -> [N, ...], padded at the ends."""
        fill = float(self.text.pad_id) if name == "input_ids" else self.padding.get(name, 0.0)
        return under_one_another(parts, fill)

    def pair_states(self, states: Tensor, batch: Batch) -> Tensor:
        """States at the opening markers, side by side: [N, T, D] -> [N, 2 D], head first."""
        places = batch.inputs["ends"].unsqueeze(2).expand(-1, -1, states.shape[2])
        return states.gather(1, places).flatten(1)

    @abstractmethod
    def scores(self, batch: Batch) -> dict[str, Tensor]:
        """At least ``logits`` [N, C]; N is at least 1."""

    def extra_losses(self, scores: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Further terms, already weighted."""
        return {}

    def forward(self, batch: Batch) -> Output:
        """Scores ``logits`` [N, C], and their cross-entropy, the mean over the pairs."""
        if not len(batch.inputs["owner"]):
            return self._nothing(batch)
        scores = self.scores(batch)
        losses: dict[str, Tensor] = {}
        if batch.targets:
            losses["main"] = functional.cross_entropy(scores["logits"], batch.targets["relations"])
            losses.update(self.extra_losses(scores, batch))
        return Output(scores, losses)

    def _nothing(self, batch: Batch) -> Output:
        """No document of the batch holds a pair: no scores, and a loss that moves nothing."""
        zero = torch.stack([p.sum() for p in self.trainable()[:1]]).sum() * 0.0
        logits = zero.new_zeros((0, len(self.relation_ids)))
        return Output({"logits": logits}, {"main": zero} if batch.targets else {})

    def judged(self, document: Document) -> list[tuple[str, str]]:
        """Ids of the pairs that a document asks for."""
        return [(head.id, tail.id) for head, tail in candidate_pairs(document)]

    def predict(self, documents: Sequence[Document], assets: Sequence[Assets]) -> list[Annotations]:
        """As every method, at most ``ROWS`` pairs at once: n mentions make n (n - 1) of them."""
        found: list[list[Annotations]] = [[] for _ in documents]
        group: list[tuple[int, Document]] = []
        size = 0

        def flush() -> None:
            rows = [row for row, _ in group]
            parts = super(Relating, self).predict([d for _, d in group], [assets[r] for r in rows])
            for row, part in zip(rows, parts, strict=True):
                found[row].append(part)
            group.clear()

        for row, document in enumerate(documents):
            pairs = self.judged(document)
            cuts = range(0, max(1, len(pairs)), ROWS)
            for begin in cuts:
                part = pairs[begin : begin + ROWS]
                if group and size + len(part) > ROWS:
                    flush()
                    size = 0
                group.append((row, document if len(cuts) == 1 else _asking(document, part)))
                size += len(part)
        if group:
            flush()
        return [
            parts[0] if len(parts) == 1 else self._joined(document, parts)
            for document, parts in zip(documents, found, strict=True)
        ]

    def _joined(self, document: Document, parts: Sequence[Annotations]) -> Annotations:
        """The answers of all parts; pairs that nobody listed and that do not relate left out."""
        listed = bool(document.annotations and document.annotations.relations)
        relations = [
            relation
            for part in parts
            for relation in part.relations
            if listed or relation.type != self.labels.null_relation
        ]
        taken = {entity.id for entity in parts[0].entities}
        taken |= {region.id for region in parts[0].regions if region.id is not None}
        named = tuple(
            dataclasses.replace(relation, id=_fresh(f"f{number}", taken))
            for number, relation in enumerate(relations)
        )
        return dataclasses.replace(parts[0], relations=named)

    def decode(self, output: Output, batch: Batch) -> list[Annotations]:
        """The given mentions, and the best relation of every pair with its probability.

        Listed pairs are all answered, the null relation included; of pairs that nobody listed only
        those with a relation are returned.
        """
        logits = output.scores["logits"].float()
        if self.config.type_constraint == "mask":
            ends = [pair for example in batch.examples for pair in _types_of_pairs(example)]
            logits = masked(logits, self.labels.relation_types, ends)
        rows = iter(logits.softmax(1).tolist())
        found = []
        for example in batch.examples:
            given = example.document.annotations or Annotations()
            taken = {entity.id for entity in given.entities}
            taken |= {region.id for region in given.regions if region.id is not None}
            relations: list[Relation] = []
            for head, tail in example.notes["pairs"]:
                row = next(rows)
                best = max(range(len(row)), key=row.__getitem__)
                kind = self.labels.relation_types[best]
                if kind == self.labels.null_relation and not example.notes["listed"]:
                    continue
                name = _fresh(f"f{len(relations)}", taken)
                score = min(1.0, max(0.0, row[best]))
                relations.append(Relation(id=name, head=head, tail=tail, type=kind, score=score))
            found.append(
                Annotations(
                    entities=given.entities,
                    regions=given.regions,
                    relations=tuple(relations),
                    provenance=Provenance(method=self.name),
                )
            )
        return found


def _asking(document: Document, pairs: Sequence[tuple[str, str]]) -> Document:
    """The document with these pairs listed, and no others."""
    given = cast(Annotations, document.annotations)
    listed = tuple(
        Relation(id=f"asked {number}", head=head, tail=tail, type=HIDDEN_TYPE)
        for number, (head, tail) in enumerate(pairs)
    )
    return document.with_annotations(dataclasses.replace(given, relations=listed))


def _types_of_pairs(example: Example) -> list[tuple[str | None, str | None]]:
    """Predicted types of every pair's ends; None where nobody predicted one."""
    given = example.document.annotations or Annotations()
    kinds = {each.id: each.type for each in given.entities if each.type != HIDDEN_TYPE}
    return [(kinds.get(head), kinds.get(tail)) for head, tail in example.notes["pairs"]]


def _fresh(name: str, taken: set[str]) -> str:
    """``name``, or the first variant of it that no entity has."""
    while name in taken:
        name += "_"
    taken.add(name)
    return name
