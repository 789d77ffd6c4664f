"""Steps of a document and their way into and out of SeqGMPER's tensors.

Shapes: T pieces, W words, K regions, F width of published features, M gold entities.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from magpie.backbones import TextEncoder
from magpie.methods.grounding import (
    Candidates,
    entity_words,
    gold_target,
    grounding_of,
    picture_of,
)
from magpie.methods.words import cut_words
from magpie.schema import Block, Document, Entity, Grounding, Media, Span
from magpie.text.tags import decode_tags

__all__ = [
    "Found",
    "StepNotes",
    "choose",
    "gold_of_steps",
    "grounding",
    "mentions",
    "read_step",
    "steps_of",
]

#: (block id, start, end) of a word, in code points
Word = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class StepNotes:
    """What leads from a step's tensors back to its text and picture.

    ``words`` are those that were read; ``first`` and ``ends`` are the position of the first piece
    of each and the one after its last; ``cut`` words were too many.
    """

    words: list[Word]
    first: list[int]
    ends: list[int]
    candidates: Candidates
    cut: int


@dataclass(frozen=True, slots=True)
class Found:
    """A mention: ``row`` of the batch; ``span`` is step, first piece, piece after the last."""

    row: int
    span: tuple[int, int, int]
    type: str
    words: list[Word]
    score: float

    def entity(self, number: int, place: Grounding) -> Entity:
        """As an entity of its document."""
        block, start, _ = self.words[0]
        return Entity(
            id=f"e{number}",
            span=Span(block, start, self.words[-1][2]),
            type=self.type,
            grounding=place,
            score=min(1.0, max(0.0, self.score)),
        )


def steps_of(document: Document) -> list[tuple[Document, Media | None]]:
    """Each step's text as a document of its own, with its picture, in the order of the steps.

    Steps are blocks, by their numbers where all have one. Where blocks name pictures, one that
    names none has none; where no block does, all go with the document's picture.
    """
    blocks = list(document.blocks) or [Block(text="")]
    numbers = [block.step for block in blocks if block.step is not None]
    if len(numbers) == len(blocks):
        blocks.sort(key=lambda block: block.step or 0)
    shared = None if any(block.media for block in blocks) else picture_of(document)
    images = {medium.id: medium for medium in document.media if medium.kind == "image"}
    return [
        (
            Document(id=document.id, blocks=(dataclasses.replace(block, media=None, box=None),)),
            images.get(block.media) if block.media is not None else shared,
        )
        for block in blocks
    ]


def read_step(
    alone: Document, encoder: TextEncoder, max_length: int, candidates: Candidates
) -> tuple[StepNotes, dict[str, Tensor]]:
    """A step of :func:`steps_of` as tensors: ``input_ids``, ``attention_mask`` [T], ``first`` [W],
    ``regions`` [K, F], ``region_mask`` [K]; a word without pieces is passed over."""
    pieces = cut_words(alone, encoder, max_length)
    kept = [place for place, first in enumerate(pieces.first) if first >= 0]
    first = [pieces.first[place] for place in kept]
    notes = StepNotes(
        words=[pieces.words[place] for place in kept],
        first=first,
        ends=[*first[1:], len(pieces.ids) - 1] if first else [],
        candidates=candidates,
        cut=pieces.cut,
    )
    return notes, {
        "input_ids": torch.tensor(pieces.ids),
        "attention_mask": torch.ones(len(pieces.ids), dtype=torch.long),
        # A step without a word still has a place, so that tensors have that dimension.
        "first": torch.tensor(first or [-1]),
        "regions": candidates.features,
        "region_mask": candidates.mask,
    }


def gold_of_steps(document: Document, steps: Sequence[StepNotes]) -> tuple[Tensor, Tensor, Tensor]:
    """Gold entities in the words that were read.

    Returns:
        spans [M, 3] (step, first piece, piece after the last), whether they show [M] (-1 where
        nobody looked), and which regions cover them [M, K], above 0 where one does: an entity
        that no region covers shows all the same.
    """
    places = [(s, w) for s, step in enumerate(steps) for w in range(len(step.words))]
    words = [steps[s].words[w] for s, w in places]
    spans, flags, covered = [], [], []
    for entity, begin, after in entity_words(document, words):
        (number, first), (_, last) = places[begin], places[after - 1]
        step = steps[number]
        spans.append((number, step.first[first], step.ends[last]))
        flags.append({"absent": 0, "regions": 1}.get(entity.grounding.status, -1))
        covered.append(gold_target(entity, step.candidates)[0])
    regions = len(steps[0].candidates.mask)
    return (
        torch.tensor(spans, dtype=torch.long).view(-1, 3),
        torch.tensor(flags, dtype=torch.long),
        torch.stack(covered) if covered else torch.zeros(0, regions),
    )


def mentions(
    step: StepNotes, row: int, number: int, tags: Sequence[str], sure: Sequence[float]
) -> list[Found]:
    """The mentions that a step's tags tell; an ``I`` that continues nothing opens one.

    Args:
        step: in the document ``row``, counted as ``number``.
        tags: of its words.
        sure: posterior of each; a mention's score is the mean of its words.
    """
    return [
        Found(
            row,
            (number, step.first[begin], step.ends[after - 1]),
            kind,
            step.words[begin:after],
            sum(sure[begin:after]) / (after - begin),
        )
        for kind, begin, after in decode_tags(tags)
    ]


def choose(p: Tensor, mask: Tensor, threshold: float, *, allow_empty: bool) -> list[int]:
    """The regions of an entity that shows.

    Args:
        p: [K], the probability of each.
        mask: [K], true where there is a region.
        threshold: every region above it is chosen.
        allow_empty: choose none where none is above it, instead of the best.
    """
    there = mask.tolist()
    chosen = [k for k, share in enumerate(p.tolist()) if there[k] and share > threshold]
    if chosen or allow_empty or not any(there):
        return chosen
    return [int(p.masked_fill(~mask, -1.0).argmax())]


def grounding(candidates: Candidates, chosen: Sequence[int], p: Tensor) -> Grounding:
    """All chosen regions, the likeliest first; ``unknown`` where nobody could look."""
    ordered = sorted(chosen, key=lambda k: (-float(p[k]), k))
    single = [grounding_of(candidates, k, float(p[k])) for k in ordered]
    if not single:
        return grounding_of(candidates, None)
    return Grounding.in_regions(*(region for place in single for region in place.regions))
