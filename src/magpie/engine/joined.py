"""Annotations of several readings of one document, collected under ids of their own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from magpie.schema import Annotations, Entity, Event, Link, Region, Relation

__all__ = ["Joined"]


def _as_it_is(event: Event) -> Event:
    return event


class Joined:
    """What was found so far; who adds decides what is kept of entities and regions."""

    def __init__(self) -> None:
        self.entities: list[Entity] = []
        self.regions: list[Region] = []
        self.relations: list[Relation] = []
        self.events: list[Event] = []
        self.links: list[Link] = []

    def add_linked(
        self,
        found: Annotations,
        new: Callable[[str], str | None],
        placed: Callable[[Event], Event | None] = _as_it_is,
    ) -> None:
        """Relations, links and arguments all of whose ends were kept, and events.

        Args:
            found: of one reading.
            new: id of an entity or region here; None for one that was not kept.
            placed: an event in the whole document; None for one that is another reading's.
        """
        for relation in found.relations:
            head, tail = new(relation.head), new(relation.tail)
            if head is not None and tail is not None:
                name = f"r{len(self.relations)}"
                self.relations.append(dataclasses.replace(relation, id=name, head=head, tail=tail))
        for link in found.links:
            head, tail = new(link.head), new(link.tail)
            if head is not None and tail is not None:
                self.links.append(dataclasses.replace(link, head=head, tail=tail))
        for event in map(placed, found.events):
            if event is None:
                continue
            arguments = tuple(
                dataclasses.replace(each, target=target)
                for each in event.arguments
                if (target := new(each.target)) is not None
            )
            name = f"ev{len(self.events)}"
            self.events.append(dataclasses.replace(event, id=name, arguments=arguments))

    def annotations(self) -> Annotations:
        """All of it."""
        return Annotations(
            entities=tuple(self.entities),
            regions=tuple(self.regions),
            relations=tuple(self.relations),
            events=tuple(self.events),
            links=tuple(self.links),
        )
