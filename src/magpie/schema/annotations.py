"""What is extracted: regions, entities, relations, events, form links, and where each came from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from magpie.errors import SchemaError
from magpie.schema._check import (
    JSON_CONFIG,
    check_id,
    check_items,
    check_score,
    check_text,
    check_texts,
    unique,
)
from magpie.schema.geometry import Box, Mask, Span, TimeRange

__all__ = [
    "Annotations",
    "Argument",
    "Entity",
    "Event",
    "Grounding",
    "Link",
    "Provenance",
    "Region",
    "Relation",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Who says so: ``method`` name, its version, digest of its configuration, and the evidence."""

    __pydantic_config__ = JSON_CONFIG

    method: str
    version: str = ""
    config_digest: str = ""
    evidence: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_id("provenance.method", self.method)
        check_texts("provenance", self, "version", "config_digest")
        check_items("provenance.evidence", self.evidence, str)
        for line in self.evidence:
            check_text("provenance.evidence", line)


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A place in a picture, clip or recording: exactly one of ``box``, ``mask``, ``time``.

    A region without any of them is the whole medium. ``id`` is needed only where a relation, an
    event or a link refers to the region.
    """

    __pydantic_config__ = JSON_CONFIG

    media: str
    box: Box | None = None
    mask: Mask | None = None
    time: TimeRange | None = None
    label: str | None = None
    score: float | None = None
    id: str | None = None
    provenance: Provenance | None = None

    def __post_init__(self) -> None:
        check_id("region.media", self.media)
        check_texts("region", self, "label")
        check_score("region.score", self.score)
        if self.id is not None:
            check_id("region.id", self.id)
        if sum(place is not None for place in (self.box, self.mask, self.time)) > 1:
            raise SchemaError("a region has one of box, mask and time, not several")
        if self.box is not None and self.box.media != self.media:
            raise SchemaError(
                f"region of {self.media!r} has a box of {self.box.media!r}",
                code="schema-mixed-pictures",
            )

    @classmethod
    def of_box(
        cls,
        box: Box,
        *,
        label: str | None = None,
        score: float | None = None,
        id: str | None = None,
    ) -> Region:
        """The region of one box; the picture is the box's."""
        return cls(media=box.media, box=box, label=label, score=score, id=id)


@dataclass(frozen=True, slots=True)
class Grounding:
    """Where an entity shows: ``unknown`` (nobody looked), ``absent`` (not there), or regions."""

    __pydantic_config__ = JSON_CONFIG

    status: Literal["unknown", "absent", "regions"] = "unknown"
    regions: tuple[Region, ...] = ()

    def __post_init__(self) -> None:
        if self.status not in ("unknown", "absent", "regions"):
            raise SchemaError(
                f"grounding status must be unknown, absent or regions, got {self.status!r}",
                code="schema-grounding",
            )
        check_items("grounding.regions", self.regions, Region)
        if (self.status == "regions") != bool(self.regions):
            raise SchemaError(
                f"grounding {self.status!r} with {len(self.regions)} regions",
                code="schema-grounding",
                mend='Status "regions" needs at least one region, the others none.',
            )

    @classmethod
    def in_regions(cls, *regions: Region) -> Grounding:
        """Visible in these regions; without any, ``absent``."""
        return cls("regions", regions) if regions else cls("absent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """A typed mention: characters of a block, and where it shows in the pictures."""

    __pydantic_config__ = JSON_CONFIG

    id: str
    span: Span
    type: str
    fine_type: str | None = None
    grounding: Grounding = field(default_factory=Grounding)
    score: float | None = None
    provenance: Provenance | None = None

    def __post_init__(self) -> None:
        check_id("entity.id", self.id)
        check_id("entity.type", self.type)
        if self.fine_type is not None:
            check_id("entity.fine_type", self.fine_type)
        check_score("entity.score", self.score)

    @property
    def boxes(self) -> tuple[Box, ...]:
        """The boxes among its regions; empty when it is not grounded."""
        return tuple(region.box for region in self.grounding.regions if region.box is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """``type`` from ``head`` to ``tail``, the ids of entities or regions of the same document."""

    __pydantic_config__ = JSON_CONFIG

    id: str
    head: str
    tail: str
    type: str
    score: float | None = None
    provenance: Provenance | None = None

    def __post_init__(self) -> None:
        for name in ("id", "head", "tail", "type"):
            check_id(f"relation.{name}", getattr(self, name))
        check_score("relation.score", self.score)


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """The entity or region with id ``target`` plays ``role`` in an event."""

    __pydantic_config__ = JSON_CONFIG

    role: str
    target: str
    score: float | None = None

    def __post_init__(self) -> None:
        check_id("argument.role", self.role)
        check_id("argument.target", self.target)
        check_score("argument.score", self.score)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happens; the trigger is a span, a picture (``media``), both or neither."""

    __pydantic_config__ = JSON_CONFIG

    id: str
    type: str
    trigger: Span | None = None
    media: str | None = None
    arguments: tuple[Argument, ...] = ()
    score: float | None = None
    provenance: Provenance | None = None

    def __post_init__(self) -> None:
        check_id("event.id", self.id)
        check_id("event.type", self.type)
        check_items("event.arguments", self.arguments, Argument)
        check_score("event.score", self.score)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link between two form fields: from ``head``, usually the key, to ``tail``.

    A field with text is an entity; one that holds only ink (a signature, a ticked box) is a region.
    """

    __pydantic_config__ = JSON_CONFIG

    head: str
    tail: str
    score: float | None = None

    def __post_init__(self) -> None:
        check_id("link.head", self.head)
        check_id("link.tail", self.tail)
        check_score("link.score", self.score)


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotations:
    """Everything extracted from one document; ``provenance`` holds for each part without its own.

    ``regions`` are those that stand alone (objects nobody mentions); the regions that show an
    entity live in its grounding. All ids share one space, because a relation may join any two.
    """

    __pydantic_config__ = JSON_CONFIG

    entities: tuple[Entity, ...] = ()
    regions: tuple[Region, ...] = ()
    relations: tuple[Relation, ...] = ()
    events: tuple[Event, ...] = ()
    links: tuple[Link, ...] = ()
    provenance: Provenance | None = None

    def __post_init__(self) -> None:
        for name, kind in _PARTS.items():
            check_items(f"annotations.{name}", getattr(self, name), kind)
        regions: dict[str, Region] = {}
        for region in self.all_regions():
            # One region may show two entities: the same value under the same id is no clash.
            if region.id is not None and regions.setdefault(region.id, region) != region:
                raise SchemaError(
                    f"two different regions have the id {region.id!r}", code="schema-id"
                )
        others = [entity.id for entity in self.entities]
        others += [relation.id for relation in self.relations]
        others += [event.id for event in self.events]
        unique("annotation", [*others, *regions])
        ends = {entity.id for entity in self.entities} | regions.keys()
        for relation in self.relations:
            for name, end in (("head", relation.head), ("tail", relation.tail)):
                _check_end(f"relation {relation.id!r}: {name}", end, ends)
        for event in self.events:
            for argument in event.arguments:
                _check_end(f"event {event.id!r}: {argument.role}", argument.target, ends)
        for link in self.links:
            for name, end in (("head", link.head), ("tail", link.tail)):
                _check_end(f"link: {name}", end, ends)

    def all_regions(self) -> Iterator[Region]:
        """Free-standing regions, then those of each entity's grounding."""
        yield from self.regions
        for entity in self.entities:
            yield from entity.grounding.regions

    def __repr__(self) -> str:
        counts = [f"{len(getattr(self, part))} {part}" for part in _PARTS if getattr(self, part)]
        return f"<Annotations: {', '.join(counts) or 'nothing'}>"

    def __rich__(self) -> object:
        from magpie.schema._show import annotations_table

        return annotations_table(self, None)

    def _repr_html_(self) -> str:
        from magpie.schema._show import annotations_html

        return annotations_html(self, None)


_PARTS: dict[str, type] = {
    "entities": Entity,
    "regions": Region,
    "relations": Relation,
    "events": Event,
    "links": Link,
}


def _check_end(what: str, identifier: str, known: set[str]) -> None:
    if identifier not in known:
        raise SchemaError(
            f"{what} refers to {identifier!r}, which is no entity or region here",
            code="schema-reference",
            mend="Refer to the id of an entity or region of the same document.",
        )
