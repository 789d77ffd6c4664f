"""Procedures for what reads one post at a time: a step beside its own picture, and back together.

A document is a procedure where blocks name their picture (``Block.media``). What a step does not
show it cannot ground: a mention is looked for in its own step's picture, never in a neighbour's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import groupby

from magpie.engine.joined import Joined
from magpie.schema import Annotations, Block, Document, Grounding, Region

__all__ = ["join_steps", "split_steps"]


def split_steps(document: Document) -> list[Document]:
    """A document a step, in order; the document itself where no block names a picture.

    Consecutive blocks of one step and picture stay together. A block that names no picture is
    read beside those that no block names; there may be none. Of annotations a step keeps its own
    entities, without their boxes.
    """
    named = {block.media for block in document.blocks if block.media is not None}
    if not named:
        return [document]
    shared = tuple(medium for medium in document.media if medium.id not in named)
    steps = []
    for (_, own), run in groupby(document.blocks, key=lambda block: (block.step, block.media)):
        media = tuple(m for m in document.media if m.id == own) if own is not None else shared
        steps.append(_step(document, tuple(run), {medium.id for medium in media}))
    return steps


def _step(document: Document, blocks: tuple[Block, ...], pictures: set[str]) -> Document:
    inside = {block.id for block in blocks}
    annotations = document.annotations
    if annotations is not None:
        entities = tuple(
            dataclasses.replace(entity, grounding=Grounding())
            for entity in annotations.entities
            if entity.span.block in inside
        )
        annotations = Annotations(entities=entities, provenance=annotations.provenance)
    return dataclasses.replace(
        document,
        blocks=blocks,
        media=tuple(medium for medium in document.media if medium.id in pictures),
        context=tuple(note for note in document.context if note.media in {None, *pictures}),
        annotations=annotations,
    )


def join_steps(
    document: Document, steps: Sequence[tuple[Document, Annotations]], *, given: bool = False
) -> Annotations:
    """What was found in the steps, as annotations of the whole document.

    Args:
        document: the whole.
        steps: as :func:`split_steps` gave them, each with what was found in it.
        given: the entities are the document's own, which keep their ids and places; else they are
            numbered anew.
    """
    if len(steps) == 1 and steps[0][0] is document:
        return steps[0][1]
    if given:
        known = {entity.id: entity for _, found in steps for entity in found.entities}
        entities = tuple(
            known.get(entity.id, dataclasses.replace(entity, grounding=Grounding()))
            for entity in document.entities
        )
        regions = tuple(region for _, found in steps for region in found.regions)
        return Annotations(entities=entities, regions=regions)
    joined = _Joined()
    for number, (_, found) in enumerate(steps):
        joined.add(number, found)
    return joined.annotations()


class _Joined(Joined):
    """Collects the steps' annotations under ids of their own."""

    def add(self, number: int, found: Annotations) -> None:
        names: dict[str, str] = {}

        def renamed(region: Region) -> Region:
            if region.id is None:
                return region
            names[region.id] = f"s{number}-{region.id}"
            return dataclasses.replace(region, id=names[region.id])

        for entity in found.entities:
            names[entity.id] = f"e{len(self.entities)}"
            regions = tuple(renamed(region) for region in entity.grounding.regions)
            grounding = Grounding(entity.grounding.status, regions)
            self.entities.append(
                dataclasses.replace(entity, id=names[entity.id], grounding=grounding)
            )
        # Steps that share a picture find the same in it.
        fresh = (renamed(region) for region in found.regions)
        self.regions += [region for region in fresh if region not in self.regions]
        self.add_linked(found, names.get)
