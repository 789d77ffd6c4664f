"""A grounded method of our own, small enough to see through: it shows every name in one region.

``point`` finds its entities (words with a capital) itself, ``point-at`` is handed them.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from magpie.features import Assets, Need, RegionFeatures
from magpie.methods.base import Batch, Example, Method, MethodConfig, Output, Task
from magpie.methods.checkpoint import save_method
from magpie.methods.grounding import grounding_of, region_candidates
from magpie.methods.labels import LabelSpace
from magpie.methods.registry import METHODS, Entry
from magpie.schema import Annotations, Document, Entity, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class PointConfig(MethodConfig):
    """Settings of the two."""

    #: where regions come from
    source: str = "blobs"
    #: R
    count: int = 3
    #: F
    width: int = 768
    #: the region that shows every name
    index: int = 1


class Point(Method):
    """Words with a capital, each in region ``index``."""

    name: ClassVar[str] = "point"
    tasks: ClassVar[frozenset[Task]] = frozenset({Task.GMNER})
    Config: ClassVar[type[MethodConfig]] = PointConfig

    def __init__(self, config: Any, labels: LabelSpace) -> None:
        super().__init__(config, labels, {})
        self.weight = nn.Parameter(torch.ones(1))

    @classmethod
    def build(cls, config: Any, labels: LabelSpace) -> Self:
        return cls(config, labels)

    @property
    def need(self) -> RegionFeatures:
        return RegionFeatures(self.config.source, self.config.count, self.config.width)

    def needs(self) -> frozenset[Need]:
        return frozenset({self.need})

    def prepare(self, document: Document, assets: Assets) -> Example:
        candidates = region_candidates(document, assets[self.need], self.need)
        return Example(document, {"there": candidates.mask}, {"candidates": candidates})

    def targets(self, document: Document, example: Example) -> dict[str, Tensor]:
        return {}

    def forward(self, batch: Batch) -> Output:
        return Output({"there": batch.inputs["there"] * self.weight})

    def entities(self, document: Document) -> list[Entity]:
        return [
            Entity(id=f"e{n}", span=Span(block.id, m.start(), m.end()), type="PER", score=0.75)
            for n, (block, m) in enumerate(
                (block, m)
                for block in document.blocks
                for m in re.finditer("[A-Z]\\w+", block.text)
            )
        ]

    def decode(self, output: Output, batch: Batch) -> list[Annotations]:
        found = []
        for example in batch.examples:
            candidates = example.notes["candidates"]
            index = self.config.index if bool(candidates.mask[self.config.index]) else None
            # Without regions some methods say "absent"; the engine knows better.
            grounding = grounding_of(dataclasses.replace(candidates, looked=True), index, 0.5)
            entities = [
                dataclasses.replace(entity, grounding=grounding)
                for entity in self.entities(example.document)
            ]
            found.append(Annotations(entities=tuple(entities)))
        return found


class PointAt(Point):
    """The same for entities that somebody else found."""

    name: ClassVar[str] = "point-at"
    given: ClassVar[frozenset[str]] = frozenset({"entities", "types"})

    def entities(self, document: Document) -> list[Entity]:
        return list(document.entities)


@contextmanager
def registered() -> Iterator[None]:
    """Both stand in the table of methods for a while."""
    for cls in (Point, PointAt):
        METHODS[cls.name] = Entry(
            name=cls.name,
            module=__name__,
            cls=cls.__name__,
            family="tests",
            tasks=("gmner",),
            needs=("regions",),
            title="points",
            citation="none",
            spec="none",
        )
    try:
        yield
    finally:
        for cls in (Point, PointAt):
            del METHODS[cls.name]


def checkpoint(folder: Path, cls: type[Point], **config: Any) -> Path:
    """A checkpoint of one of the two."""
    save_method(cls(PointConfig(**config), LabelSpace(entity_types=("PER",))), folder)
    return folder
