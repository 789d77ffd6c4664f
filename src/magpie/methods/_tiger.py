"""TIGER's settings, what is read out of its sentences, and how its public code goes astray there.

A parsed sentence knows the pieces of its clause (:mod:`magpie.methods.generation.sentences`), and
:func:`magpie.methods.generation.phrases.find_phrase` finds them by ids alone. The public code does
neither: its scans and its pairing are reproduced here, one defect a switch (tiger.md, "Paper vs
code", items 1 and 2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from magpie.errors import ConfigError, FormatError
from magpie.methods.base import MethodConfig
from magpie.methods.generation.phrases import piece_offsets, pieces_of
from magpie.methods.generation.result import ParseResult
from magpie.methods.generation.sentences import SentenceGrammar, SentenceItem
from magpie.methods.grounding import Candidates, gold_target, grounding_of, words_span
from magpie.methods.labels import LabelSpace
from magpie.nn.region_losses import mask_regions
from magpie.schema import Document, Entity, Grounding, Span
from magpie.text.align import words_of

__all__ = [
    "SEPARATOR",
    "Phrase",
    "TigerConfig",
    "TypeLevel",
    "Written",
    "best_region",
    "comparable_target",
    "joined_words",
    "pair_running",
    "query_places",
    "read_output",
    "released_marks",
    "released_phrases",
    "sentence_types",
]

#: what sentences say of an entity's kind
TypeLevel = Literal["coarse_fine", "fine", "coarse"]
#: (block id, start, end) of a word, in code points
Word = tuple[str, int, int]
Range = tuple[int, int]
#: how sentences call the types of GMNER; types of other corpora are called by their label
_WORDS = {"PER": "person", "LOC": "location", "ORG": "organization", "OTHER": "other"}
#: between two sentences; plain text
SEPARATOR = "[SSEP]"


@dataclass(frozen=True, slots=True, kw_only=True)
class TigerConfig(MethodConfig):
    """Settings of TIGER; the defaults are the published ones."""

    #: encoder-decoder, a T5 or a BART: hub name, folder, or tiny-t5
    seq2seq: str = "t5-base"
    #: longest text in pieces, the end piece included; every text is padded to it (T)
    source_length: int = 200
    #: longest target and longest output, in pieces (L)
    target_length: int = 200
    #: everywhere in the encoder-decoder
    dropout: float = 0.1
    #: what sentences say of an entity's kind: a coarse and a fine type, the fine one alone, or
    #: the coarse one alone, for corpora that have no fine types
    types: TypeLevel = "coarse_fine"
    #: whether sentences say that the picture shows the entity; without, no picture is read
    image_clause: bool = True
    #: a name that stands several times in the text may be said as often
    keep_repeats: bool = False
    #: where regions come from: a folder's name, or a proposer such as blobs
    source: str = "vinvl"
    #: candidates a picture (R)
    region_count: int = 32
    #: numbers that describe a region (F)
    feature_width: int = 2048
    #: file: as the detector wrote them; score: best first
    region_order: Literal["file", "score"] = "file"
    #: divide by the Frobenius norm of all vectors of the picture
    normalise: bool = True
    #: weight of the region loss
    region_weight: float = 1.0
    #: write only sentences that the grammar has, about names that the text has
    constrained: bool = False
    #: the public code's loss: query positions slide to the left behind a "the" or "image" that is
    #: in no phrase
    legacy_kl_positions: bool = False
    #: the public code's scans: a "not" anywhere hides the next "in the image"
    legacy_not_flag: bool = False
    #: the public code's decoding: one pointer pairs phrases and sentences of all documents of a
    #: call
    legacy_running_regions: bool = False
    #: the public code's softmax over regions: padded slots take part
    legacy_padded_regions: bool = False
    #: the public code's reader: gold that cannot be compared with the candidates makes all
    #: entities of its document invisible instead of stopping
    legacy_silent_boxes: bool = False

    def __post_init__(self) -> None:
        if self.source_length < 2 or self.target_length < 2:
            raise ConfigError(
                f"source_length and target_length must be at least 2, got {self.source_length} "
                f"and {self.target_length}"
            )
        if not 0 <= self.dropout < 1 or self.region_weight < 0:
            raise ConfigError(
                f"need dropout in [0, 1) and region_weight >= 0, got {self.dropout} and "
                f"{self.region_weight}"
            )
        if self.region_count < 1 or self.feature_width < 1:
            raise ConfigError(
                f"region_count and feature_width must be at least 1, got {self.region_count} and "
                f"{self.feature_width}"
            )


#: positions of the pieces of one "in the image"
Phrase = tuple[int, ...]


def released_marks(
    ids: Sequence[int], phrase: Sequence[int], negation: int, *, drops: bool, arms: bool
) -> list[bool]:
    """The mask of the public code's scan, True on the pieces of a phrase.

    Args:
        ids: pieces of a target or an output.
        phrase: the pieces of "in the image".
        negation: the piece of "not".
        drops: the training scan: a piece of the phrase out of its turn leaves no entry, so that
            all later marks slide to the left. The scan for inference leaves an entry.
        arms: the negation refuses the next phrase however far it is; else only one that follows
            at once.

    Returns:
        the mask; shorter than ``ids`` where entries were dropped.
    """
    marks: list[bool] = []
    held = 0  # pieces of a phrase that has begun and may yet break off
    armed = False
    for piece in ids:
        if piece == phrase[held]:
            if armed:
                armed = False
                marks.append(False)
                continue
            held += 1
            if held == len(phrase):
                marks += [True] * held
                held = 0
            continue
        if piece == negation or not arms:
            armed = piece == negation
        if drops and piece in phrase:
            continue
        marks += [False] * (held + 1)
        held = 0
    return marks + [False] * held


def released_phrases(
    ids: Sequence[int], phrase: Sequence[int], negation: int, *, drops: bool, arms: bool
) -> list[Phrase]:
    """:func:`released_marks` as positions, grouped as the public code groups its rows."""
    marks = released_marks(ids, phrase, negation, drops=drops, arms=arms)
    places = [place for place, marked in enumerate(marks) if marked]
    size = len(phrase)
    return [tuple(places[at : at + size]) for at in range(0, len(places), size)]


def pair_running(
    phrases: Sequence[Sequence[Phrase]], visible: Sequence[int]
) -> list[list[tuple[int, Phrase] | None]]:
    """The public code's pairing: one pointer runs over the phrases of all outputs.

    A sentence that says "in the image" but cannot be parsed does not move the pointer, so every
    sentence behind it is given the phrase of another one, of another document even.

    Args:
        phrases: of each output, in order.
        visible: how many parsed sentences of each output say "in the image".

    Returns:
        for each output a list of so many (output, positions there); None where none is left.
    """
    rows = iter([(output, phrase) for output, own in enumerate(phrases) for phrase in own])
    return [[next(rows, None) for _ in range(count)] for count in visible]


def query_places(
    written: Sequence[Written],
    phrase: Sequence[int],
    negation: int,
    *,
    running: bool = False,
    arms: bool = False,
) -> list[list[tuple[int, Phrase] | None]]:
    """Where the regions of the visible items are read.

    Args:
        written: all outputs of a call.
        phrase, negation: pieces of "in the image" and the piece of "not".
        running: :func:`pair_running` in place of each sentence's own phrase.
        arms: as for :func:`released_marks`; a phrase that it hides is none.

    Returns:
        of each output's visible items (output, positions there); None where there is no phrase.
    """
    if not running and not arms:
        return [
            [(row, item.pieces) if item.pieces else None for item in own.parsed if item.visible]
            for row, own in enumerate(written)
        ]
    found = [released_phrases(w.ids, phrase, negation, drops=False, arms=arms) for w in written]
    if running:
        return pair_running(found, [own.visible for own in written])
    return [
        [(row, i.pieces) if i.pieces in found[row] else None for i in own.parsed if i.visible]
        for row, own in enumerate(written)
    ]


def best_region(
    candidates: Candidates | None, scores: Tensor | None, *, padded: bool = False
) -> Grounding:
    """The best candidate with its probability.

    Args:
        candidates: of the document's picture; None where no picture is read.
        scores: [R]; None for an entity that is not in the picture.
        padded: slots without a candidate take part; where one is best, no region is.
    """
    if candidates is None:
        return Grounding("unknown")
    if scores is None:
        return grounding_of(candidates, None)
    if not padded:
        scores = mask_regions(scores, candidates.mask.to(scores.device))
    best = scores.float().softmax(0).max(0)
    return grounding_of(candidates, int(best.indices), float(best.values))


def sentence_types(labels: LabelSpace, level: TypeLevel) -> tuple[dict[str, str], dict[str, str]]:
    """How sentences call the types.

    Returns:
        word -> word of its parent, as the grammar wants them, and word -> label. Fine types are
        called by their label and have their parent in FMNERG's tree of eight coarse types, or,
        where that lacks them, in the corpus.

    Raises:
        ConfigError: the corpus has no such types.
    """
    if level == "coarse":
        if not labels.entity_types:
            raise ConfigError(
                "tiger needs entity types", mend="Are there entities in the training data?"
            )
        words = {_WORDS.get(label, label): label for label in labels.entity_types}
        if len(words) < len(labels.entity_types):
            words = {label: label for label in labels.entity_types}
        return {word: word for word in words}, words
    from magpie.corpora.fmnerg import FINE_TYPES

    if not labels.fine_types:
        raise ConfigError(
            f"types={level!r} needs fine types, and the corpus has none",
            mend="Set types='coarse', or train on a corpus with fine types, such as fmnerg.",
        )
    tree = {fine: coarse for coarse, fines in FINE_TYPES.items() for fine in fines}
    parents = {fine: tree.get(fine, labels.parents[fine]) for fine in labels.fine_types}
    return parents, {fine: fine for fine in labels.fine_types}


def joined_words(document: Document, words: Sequence[Word]) -> tuple[str, list[Range]]:
    """The words with one space between them, and the place of each."""
    texts = {block.id: block.text for block in document.blocks}
    ranges: list[Range] = []
    begin = 0
    for _, start, end in words:
        ranges.append((begin, begin + end - start))
        begin += end - start + 1
    return " ".join(texts[block][start:end] for block, start, end in words), ranges


def comparable_target(entity: Entity, candidates: Candidates) -> tuple[Tensor, bool]:
    """The wanted distribution over regions [R], and whether any of them shows the entity.

    Raises:
        FormatError: the entity is in the picture, but no box says where.
    """
    if entity.grounding.status == "regions" and not entity.boxes:
        raise FormatError(
            "a gold region without a box cannot be compared with candidate regions",
            where=entity.id,
            mend="Give its box, or set legacy_silent_boxes to train its document as if nothing "
            "were in the picture.",
        )
    return gold_target(entity, candidates)


@dataclass(frozen=True, slots=True)
class Written:
    """An output as it reads: its pieces, and where each parsed item has its place.

    ``spans`` are in the document, None where an item reaches over two blocks; ``sentences`` are
    the pieces that wrote each.
    """

    ids: tuple[int, ...]
    parsed: ParseResult[SentenceItem]
    spans: tuple[Span | None, ...]
    sentences: tuple[tuple[int, ...], ...]

    @property
    def visible(self) -> int:
        """How many items are said to be in the image."""
        return sum(bool(item.visible) for item in self.parsed)

    def chance(self, item: int, log_probabilities: Tensor) -> float:
        """Geometric mean of the probabilities [L] of the pieces of an item's sentence."""
        places = list(self.sentences[item])
        mean = float(log_probabilities[places].mean()) if places else 0.0
        return min(1.0, max(0.0, math.exp(mean)))


def read_output(
    ids: Sequence[int],
    read: Callable[[list[int]], str],
    grammar: SentenceGrammar,
    document: Document,
    words: Sequence[Word],
) -> Written:
    """Parses one output; ``ids`` without the end piece, ``words`` of the text it speaks about."""
    text, offsets = piece_offsets(ids, read)
    source, ranges = joined_words(document, words)
    parsed = grammar.parse(text, source, offsets=offsets)
    spans = []
    for item in parsed:
        covered = item.span and words_of(ranges, *item.span, how="widened")
        one_block = covered and words[covered[0]][0] == words[covered[1] - 1][0]
        spans.append(words_span(words, *covered) if covered and one_block else None)
    return Written(tuple(ids), parsed, tuple(spans), _sentences(text, parsed.items, offsets))


def _sentences(
    text: str, items: Sequence[SentenceItem], offsets: Sequence[Range]
) -> tuple[tuple[int, ...], ...]:
    """The pieces of each item's sentence."""
    found: list[tuple[int, ...]] = []
    begin = 0
    for sentence in text.split(SEPARATOR):
        end = begin + len(sentence)
        opening = f"{items[len(found)].name} is a " if len(found) < len(items) else None
        if opening is not None and sentence.strip().startswith(opening):
            inner = begin + len(sentence) - len(sentence.lstrip())
            found.append(pieces_of(offsets, (inner, begin + len(sentence.rstrip()))))
        begin = end + len(SEPARATOR)
    return tuple(found) + ((),) * (len(items) - len(found))
