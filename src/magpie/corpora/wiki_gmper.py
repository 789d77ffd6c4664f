"""Wiki-GMPER: procedures in steps, each with a picture, and the things they handle.

The corpus is described in its paper and not released; its repository is empty. This reads the
description's content in magpie's own layout, one procedure a line::

    {"id": "tea", "title": "Make tea", "topic": "Recipes", "steps": [
        {"words": ["Boil", "water"], "image": "tea_1.jpg", "entities": [
            {"start": 1, "end": 2, "boxes": [[10, 20, 200, 180]]}]}]}

``start`` and ``end`` count words, half-open; ``boxes`` are pixels, an empty list says that the
thing does not show, no list that nobody looked. Entities have no type in this corpus.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from magpie.corpora.dataset_card import Card
from magpie.corpora.forms import page_box
from magpie.corpora.records import Raw, Reading, RecordCorpus, field, iter_json_lines, word_list
from magpie.corpora.source import Found
from magpie.errors import FormatError
from magpie.schema import (
    Annotations,
    Block,
    ContextText,
    Document,
    Entity,
    Grounding,
    Media,
    Region,
)

__all__ = ["TITLE", "TYPE", "WikiGmper"]

#: type of every entity
TYPE = "THING"

#: source of the context that holds title and topic
TITLE = "wiki-gmper-title"


class WikiGmper(RecordCorpus):
    """Give the file itself as root, or a folder with ``train.jsonl`` and so on."""

    suffixes = (".jsonl",)
    card = Card(
        name="wiki-gmper",
        version="1",
        title="Wiki-GMPER (layout of magpie)",
        task="things handled in procedures, grounded in the step's picture",
        licence="none stated; wikiHow text is CC BY-NC-SA",
        origin="betterAndTogether/SeqGMPNER @ 491b00b, which holds no data",
        citation="Grounded Multimodal Procedural Entity Recognition for Procedural Documents: A "
        "New Dataset and Baseline, LREC-COLING 2024",
        types=(TYPE,),
        images=("images/wiki-gmper",),
        defects=("not released: sizes, splits and the original file layout are unknown",),
    )

    def records(self, found: Found) -> Iterator[Raw]:
        return iter_json_lines(found)

    def document(self, raw: Raw, reading: Reading) -> Document:
        where = raw.where
        identifier = field(raw.value, "id", str, where)
        blocks: list[Block] = []
        media: list[Media] = []
        entities: list[Entity] = []
        for number, step in enumerate(field(raw.value, "steps", list, where), start=1):
            place = f"{where}: step {number}"
            words = word_list(field(step, "words", list, place), "words", place)
            medium = _picture(step, place, len(media), reading)
            if medium is not None:
                media.append(medium)
            block = Block.from_words(
                words,
                id=f"b{number}",
                step=number,
                media=medium.id if medium is not None else None,
            )
            blocks.append(block)
            for item in field(step, "entities", list, place):
                entities.append(_entity(item, len(entities), block, medium, place, reading))
        if not blocks:
            raise FormatError("a procedure without steps", where=where)
        return Document(
            id=reading.ids.take(identifier, where),
            blocks=tuple(blocks),
            media=tuple(media),
            context=tuple(_titles(raw.value)),
            annotations=Annotations(entities=tuple(entities), provenance=reading.provenance()),
            source=reading.source(raw.line),
        )


def _titles(record: dict[str, Any]) -> Iterator[ContextText]:
    for name in ("title", "topic"):
        text = record.get(name)
        if isinstance(text, str) and text:
            yield ContextText(kind="note", text=text, source=TITLE)


def _picture(step: dict[str, Any], where: str, number: int, reading: Reading) -> Media | None:
    if step.get("image") is None:
        return None
    name = field(step, "image", str, where)
    stem, dot, ending = name.rpartition(".")
    return reading.pictures.media(
        stem or name,
        where,
        reading.report,
        suffix=f"{dot}{ending}" if stem else "",
        medium=f"m{number}",
    )


def _entity(
    item: Any, number: int, block: Block, medium: Media | None, where: str, reading: Reading
) -> Entity:
    span = block.word_span(field(item, "start", int, where), field(item, "end", int, where))
    return Entity(
        id=f"e{number}",
        span=span,
        type=TYPE,
        grounding=_grounding(item, medium, where, reading),
    )


def _grounding(
    item: dict[str, Any], medium: Media | None, where: str, reading: Reading
) -> Grounding:
    """Unknown also where no box of a list can be used: somebody saw it, nobody knows where."""
    if item.get("boxes") is None or medium is None:
        return Grounding()
    rows = field(item, "boxes", list, where)
    boxes = [page_box(row, "box", medium, where, medium.id, reading.report) for row in rows]
    regions = [Region(media=medium.id, box=box) for box in boxes if box is not None]
    return Grounding.in_regions(*regions) if regions or not rows else Grounding()
