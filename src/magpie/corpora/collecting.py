"""Gathers the annotations of one text from records that name mentions over and over."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from magpie.corpora.anomaly import Anomaly
from magpie.corpora.pairs import UNTYPED
from magpie.corpora.records import Reading
from magpie.errors import FormatError
from magpie.schema import Annotations, Argument, Block, Box, Entity, Event, Region, Relation, Span
from magpie.text.locate import Locator

__all__ = ["Collector"]

#: first character and the one after the last
Range = tuple[int, int]


class Collector:
    """Entities, relations and events of one block, each mention once.

    Args:
        block: the text.
        reading: options and report.
        where: the record, for messages.
    """

    def __init__(self, block: Block, reading: Reading, where: str) -> None:
        self.block = block
        self.where = where
        self._reading = reading
        self._locator = Locator(block.text, max_distance=0)
        self._entities: dict[tuple[Range, str], Entity] = {}
        self._relations: dict[tuple[str, str, str], Relation] = {}
        self._events: list[Event] = []
        self._regions: dict[str, Region] = {}

    def place(self, text: str, *, used: Collection[Range] = ()) -> Range | None:
        """Where a text stands: exactly, or but for case, blanks and quotes. None, and reported,
        if nowhere; reported too if at several places, of which the first not in ``used`` counts.
        """
        found = self._locator.locate(text, used=tuple(used))
        if not found.found:
            self._note("value-unlocated", f"{text[:60]!r} is not in the text")
            return None
        if found.occurrences > 1:
            self._note("mention-ambiguous", f"{text[:60]!r} stands at {found.occurrences} places")
        return found.span

    def known(self, text: str, *, used: Collection[Range] = ()) -> Range | None:
        """The place of the first entity that is this text, those in ``used`` aside."""
        for (place, _), entity in self._entities.items():
            if place not in used and self.block.text[entity.span.start : entity.span.end] == text:
                return place
        return None

    def span(self, place: Range) -> Span:
        """The span of a range of characters."""
        return self.block.span(*place)

    def entity(self, place: Range, kind: str) -> str:
        """The id of the entity of this type at this place."""
        if not kind:
            raise FormatError("an entity without a type", where=self.where)
        own = self._reading.type_of(kind)
        known = self._entities.get((place, own))
        if known is None:
            known = Entity(id=f"e{len(self._entities)}", span=self.span(place), type=own)
            self._entities[(place, own)] = known
        return known.id

    def mention(self, place: Range) -> str:
        """The id of the entity at this place, of whatever type; one without a type if there is
        none."""
        for (other, _), entity in self._entities.items():
            if other == place:
                return entity.id
        return self.entity(place, UNTYPED)

    def region(self, identifier: str, media: str, box: Box) -> str:
        """The id of a box of a picture, which is ``identifier``."""
        self._regions.setdefault(identifier, Region(media=media, box=box, id=identifier))
        return identifier

    def relation(self, head: str, tail: str, kind: str) -> None:
        """A relation between two ids; one that stands twice is reported and kept once."""
        if head == tail:
            raise FormatError("head and tail are the same words", where=self.where)
        if not kind:
            raise FormatError("a relation without a label", where=self.where)
        key = (head, tail, kind)
        if key in self._relations:
            self._note("relation-repeated", f"{kind} from {head} to {tail} stands twice")
            return
        identifier = f"r{len(self._relations)}"
        self._relations[key] = Relation(id=identifier, head=head, tail=tail, type=kind)

    def event(self, kind: str, trigger: Range | None, arguments: Iterable[tuple[str, str]]) -> None:
        """An event; ``arguments`` are (role, id)."""
        if not kind:
            raise FormatError("an event without a type", where=self.where)
        parts = tuple(Argument(role=role, target=target) for role, target in arguments)
        span = None if trigger is None else self.span(trigger)
        identifier = f"v{len(self._events)}"
        self._events.append(Event(id=identifier, type=kind, trigger=span, arguments=parts))

    def annotations(self) -> Annotations:
        """Everything gathered."""
        return Annotations(
            entities=tuple(self._entities.values()),
            regions=tuple(self._regions.values()),
            relations=tuple(self._relations.values()),
            events=tuple(self._events),
            provenance=self._reading.provenance(),
        )

    def _note(self, kind: str, message: str) -> None:
        self._reading.report(Anomaly(kind, message, self.where))
