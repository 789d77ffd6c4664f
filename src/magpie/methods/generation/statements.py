"""What the texts of UMIE say, in either of its spellings (G3 separators, G4 brackets)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from magpie.methods.generation.names import Finder, Labels
from magpie.methods.generation.result import Diagnostics

__all__ = ["EventArgument", "EventName", "Mention", "Statement", "Triple"]

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Mention:
    """A typed name: an entity, or the trigger of an event."""

    type: str
    name: str
    span: Range | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Triple:
    """A relation between two given names."""

    head: str
    relation: str
    tail: str


@dataclass(frozen=True, slots=True)
class EventName:
    """An event whose arguments follow; ``trigger`` is its word where the task asks for it."""

    type: str
    trigger: str | None = None
    span: Range | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class EventArgument:
    """An argument of the event named last: a name of the source, or the region of that number."""

    event: str
    role: str
    name: str | None = None
    region: int | None = None
    span: Range | None = field(default=None, compare=False)


Statement: TypeAlias = Mention | Triple | EventName | EventArgument

_REGION = re.compile(r"O([0-9]+)")


class Reader:
    """Checks the parts of one output; each method returns None for what it has counted.

    Args:
        source: the text that names must occur in; None lets every name pass.
        regions: real regions of the example, O1 ... On.
        diagnostics: where it counts.
    """

    def __init__(self, source: str | None, regions: int, diagnostics: Diagnostics) -> None:
        self.finder = Finder(source)
        self.source, self.regions, self.diagnostics = source, regions, diagnostics
        self._said: set[tuple[str, str]] = set()

    def mention(self, types: Labels, kind: str, name: str, offset: int) -> Mention | None:
        """A typed name; the same one again needs another place in the source."""
        found = types.find(kind)
        if found is None:
            self.diagnostics.note("unknown_type", offset, kind)
            return None
        name = self.name(name, offset)
        if not name:
            return None
        span, free = self.finder.take(name)
        # Without a source nobody knows how often the name stands there.
        if not free and (found, name) in self._said:
            self.diagnostics.note("duplicate", offset, name)
            return None
        self._said.add((found, name))
        return Mention(found, name, span)

    def name(self, text: str, offset: int) -> str:
        """A name of the source, unknown pieces filled in; "" where it is counted."""
        name = self.finder.complete(text.strip())
        if not name:
            self.diagnostics.note("empty_span", offset, text)
        elif not self.finder.has(name):
            self.diagnostics.note("span_not_in_text", offset, text)
            return ""
        return name

    def argument(
        self, event: str, roles: Labels, role: str, value: str, offset: int
    ) -> EventArgument | None:
        """A role and its name or region."""
        found = roles.find(role)
        if found is None:
            self.diagnostics.note("unknown_role", offset, role)
            return None
        value = value.strip()
        label = _REGION.fullmatch(value)
        if label is not None:
            # Longer numbers name no region and are no work for int().
            number = int(label.group(1)) if len(label.group(1)) < 10 else 0
            spelled = self.source is not None and self.finder.has(value)
            real = 1 <= number <= self.regions and value == f"O{number}"
            if spelled:
                self.diagnostics.note("ambiguous_box_label", offset, value)
            if real:
                return EventArgument(event, found, region=number)
            if not spelled:
                self.diagnostics.note("bad_box_label", offset, value)
                return None
        name = self.name(value, offset)
        if not name:
            return None
        return EventArgument(event, found, name=name, span=self.finder.take(name)[0])

    def triple(
        self, relations: Labels, parts: tuple[str, str, str], given: tuple[str, str] | None
    ) -> Triple | None:
        """A relation; the two given names stand for what was written."""
        head, relation, tail = (part.strip() for part in parts)
        found = relations.find(relation)
        if found is None:
            self.diagnostics.note("unknown_relation", 0, relation)
            return None
        if given is not None and (head, tail) != given:
            self.diagnostics.note("head_tail_mismatch", 0, f"{head}, {tail}")
            head, tail = given
        return Triple(head, found, tail)


def events(roles: Mapping[str, Sequence[str]]) -> tuple[Labels, dict[str, Labels]]:
    """The event types, and the roles of each."""
    return Labels(roles), {event: Labels(names) for event, names in roles.items()}
