"""Short ways to write documents, for the tests of scorers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from magpie.metrics import items_of, score
from magpie.metrics.counts import Counts, Mean
from magpie.schema import (
    Annotations,
    Argument,
    Block,
    Box,
    Document,
    Entity,
    Event,
    Grounding,
    Link,
    Media,
    Region,
    Relation,
    Span,
)

Quad = tuple[float, float, float, float]


class Builder:
    """A document of 60 letters with pictures m0 and m1, to which annotations are added."""

    def __init__(
        self, *, id: str = "d", block: str = "b0", media: Sequence[Media] | None = None
    ) -> None:
        self.id = id
        self.block = block
        self.media = tuple(media if media is not None else (Media(id="m0"), Media(id="m1")))
        self.entities: list[Entity] = []
        self.regions: list[Region] = []
        self.relations: list[Relation] = []
        self.events: list[Event] = []
        self.links: list[Link] = []

    def entity(self, start: int, end: int, kind: str = "PER", *regions: Region | Quad) -> str:
        """Without regions the entity is not in the picture."""
        places = [r if isinstance(r, Region) else Region.of_box(Box(*r, "m0")) for r in regions]
        name = f"e{len(self.entities)}"
        grounding = Grounding.in_regions(*places)
        span = Span(self.block, start, end)
        self.entities.append(Entity(id=name, span=span, type=kind, grounding=grounding))
        return name

    def region(self, *box: float, media: str = "m0", label: str | None = None) -> str:
        name = f"r{len(self.regions)}"
        x1, y1, x2, y2 = box
        self.regions.append(Region.of_box(Box(x1, y1, x2, y2, media), id=name, label=label))
        return name

    def event(
        self,
        kind: str,
        trigger: tuple[int, int] | None = None,
        media: str | None = None,
        **roles: str | Sequence[str],
    ) -> None:
        """Roles in the order given; each has one target or several."""
        arguments = [
            Argument(role=role, target=target)
            for role, targets in roles.items()
            for target in ([targets] if isinstance(targets, str) else targets)
        ]
        self.events.append(
            Event(
                id=f"v{len(self.events)}",
                type=kind,
                trigger=None if trigger is None else Span(self.block, *trigger),
                media=media,
                arguments=tuple(arguments),
            )
        )

    def relate(self, head: str, kind: str, tail: str) -> None:
        name = f"l{len(self.relations)}"
        self.relations.append(Relation(id=name, head=head, tail=tail, type=kind))

    def link(self, head: str, tail: str) -> None:
        self.links.append(Link(head=head, tail=tail))

    def build(self) -> Document:
        return Document(
            id=self.id,
            blocks=(Block(id=self.block, text="abcdefghij" * 6),),
            media=self.media,
            annotations=Annotations(
                entities=tuple(self.entities),
                regions=tuple(self.regions),
                relations=tuple(self.relations),
                events=tuple(self.events),
                links=tuple(self.links),
            ),
        )


def counted(
    count: Callable[..., Any], part: str, gold: Builder, predicted: Builder, **options: Any
) -> Any:
    """What a counter returns for two documents."""
    return count(part, items_of(gold.build()), items_of(predicted.build()), options)


def total(
    count: Callable[..., Any], part: str, gold: Builder, predicted: Builder, **options: Any
) -> Counts:
    """The sum over types."""
    return sum(counted(count, part, gold, predicted, **options).values(), Counts())


def scores(
    protocol: str, gold: Builder | Document, predicted: Builder | Document, **options: Any
) -> dict[str, Counts | Mean]:
    """The micro score of each part of a protocol."""
    sides = [d.build() if isinstance(d, Builder) else d for d in (gold, predicted)]
    report = score(*([items_of(d)] for d in sides), protocol, options=options)
    return {name: part.micro for name, part in report.parts.items()}
