"""G3, the separator text of UMIE as its paper writes it: fields between ``<spot>``.

Entities and triggers: ``TYPE, NAME <spot> TYPE, NAME`` (the joiner of several is reconstructed).
Relations: ``HEAD <spot> RELATION <spot> TAIL``. Arguments: ``EVENT <spot> ROLE, ARG <spot> ...``
where an argument is a name of the text or the number of a region, ``O1`` and so on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from magpie.methods.generation.names import Labels
from magpie.methods.generation.result import Diagnostics, ParseResult, Target, cut, writable
from magpie.methods.generation.statements import (
    EventArgument,
    EventName,
    Mention,
    Reader,
    Triple,
    events,
)

__all__ = ["ArgumentText", "MentionText", "RelationText"]

_SPOT = "<spot>"
_JOIN = f" {_SPOT} "
_COMMA = ", "


def _fields(text: str) -> list[tuple[int, str]]:
    """The fields of an output with their offsets; none of an empty one."""
    if not text.strip():
        return []
    found, begin = [], 0
    for part in text.split(_SPOT):
        found.append((begin, part.strip()))
        begin += len(part) + len(_SPOT)
    return found


@dataclass(frozen=True)
class MentionText:
    """Entities, or triggers with their event types.

    Args:
        types: in any case in an output.
    """

    types: tuple[str, ...]

    def encode(
        self,
        items: Sequence[Mention],
        *,
        source: str | None = None,
        limit: int | None = None,
        measure: Callable[[str], int] = len,
        drop: bool = False,
    ) -> Target[Mention]:
        """The text; options as in :mod:`magpie.methods.generation.sentences`.

        Raises:
            UnencodableTarget: an unknown type, a name with ``<spot>`` in it or not in the source.
        """
        dropped = Diagnostics()
        said: list[Mention] = []

        def write(some: Sequence[Mention]) -> str:
            return _JOIN.join(f"{item.type}{_COMMA}{item.name}" for item in some)

        def check(item: Mention) -> str | None:
            back = self.parse(write([*said, item]), source)
            if back.diagnostics or back.items != (*said, item):
                return ", ".join(back.diagnostics) or "it reads back differently"
            said.append(item)
            return None

        kept = writable(items, check, grammar="separator text", drop=drop, dropped=dropped)
        fitting = cut(kept, write, limit=limit, measure=measure, dropped=dropped)
        return Target(items=fitting, text=write(fitting), dropped=dropped)

    def parse(self, text: str, source: str | None = None) -> ParseResult[Mention]:
        """The mentions of an output; without ``source`` names are not looked for."""
        diagnostics = Diagnostics()
        reader = Reader(source, 0, diagnostics)
        found: list[Mention] = []
        for offset, field in _fields(text):
            kind, comma, name = field.partition(_COMMA)
            if not comma:
                diagnostics.note("no_separator", offset, field)
                continue
            item = reader.mention(self._labels, kind, name, offset)
            if item is not None:
                found.append(item)
        return ParseResult(tuple(found), diagnostics, text)

    @cached_property
    def _labels(self) -> Labels:
        return Labels(self.types)


@dataclass(frozen=True)
class RelationText:
    """One relation between two given names.

    Args:
        relations: with the one that stands for none.
        strict: skip an output that names others than the two given, instead of a remark.
    """

    relations: tuple[str, ...]
    strict: bool = False

    def encode(self, item: Triple) -> Target[Triple]:
        """The text.

        Raises:
            UnencodableTarget: an unknown relation, or a name with ``<spot>`` in it.
        """
        text = _JOIN.join((item.head, item.relation, item.tail))

        def check(item: Triple) -> str | None:
            back = self.parse(text)
            return None if back.items == (item,) else ", ".join(back.diagnostics) or "blanks"

        writable([item], check, grammar="separator text", drop=False, dropped=Diagnostics())
        return Target(items=(item,), text=text)

    def parse(self, text: str, given: tuple[str, str] | None = None) -> ParseResult[Triple]:
        """The relation; ``given`` are the names of the question."""
        diagnostics = Diagnostics()
        fields = [field for _, field in _fields(text)]
        if not fields:
            diagnostics.note("empty_output")
        if len(fields) != 3:
            if fields:
                diagnostics.note("bad_arity", 0, text)
            return ParseResult((), diagnostics, text)
        reader = Reader(None, 0, diagnostics)
        item = reader.triple(self._labels, (fields[0], fields[1], fields[2]), given)
        if self.strict and diagnostics["head_tail_mismatch"]:
            del diagnostics["head_tail_mismatch"]
            diagnostics.note("wrong_names", 0, text)
            item = None
        return ParseResult(() if item is None else (item,), diagnostics, text)

    @cached_property
    def _labels(self) -> Labels:
        return Labels(self.relations)


@dataclass(frozen=True)
class ArgumentText:
    """The arguments of one event.

    Args:
        roles: event type -> its roles; both in any case in an output.
    """

    roles: Mapping[str, Sequence[str]]

    def encode(
        self,
        event: str,
        arguments: Sequence[EventArgument],
        *,
        source: str | None = None,
        regions: int = 0,
        limit: int | None = None,
        measure: Callable[[str], int] = len,
        drop: bool = False,
    ) -> Target[EventName | EventArgument]:
        """The text of an event and its arguments; ``source`` and ``regions`` as in :meth:`parse`.

        Raises:
            UnencodableTarget: an unknown event or role, a name with ``<spot>`` in it, one that is
                not in the source or reads as a region.
        """
        dropped = Diagnostics()
        head = EventName(event)

        def write(some: Sequence[EventArgument]) -> str:
            return _JOIN.join([event, *(f"{a.role}{_COMMA}{_value(a)}" for a in some)])

        def check(item: EventArgument) -> str | None:
            back = self.parse(write([item]), source, regions=regions)
            fair = back.items == (head, item) and not back.diagnostics.skipped
            return None if fair else ", ".join(back.diagnostics) or "it reads back differently"

        def check_event(item: EventName) -> str | None:
            return None if self.parse(event).items == (item,) else "its event type is unknown"

        writable([head], check_event, grammar="separator text", drop=False, dropped=dropped)
        kept = writable(arguments, check, grammar="separator text", drop=drop, dropped=dropped)
        fitting = cut(kept, write, limit=limit, measure=measure, dropped=dropped)
        return Target(items=(head, *fitting), text=write(fitting), dropped=dropped)

    def parse(
        self,
        text: str,
        source: str | None = None,
        *,
        regions: int = 0,
        trigger_type: str | None = None,
    ) -> ParseResult[EventName | EventArgument]:
        """The event, then its arguments.

        Args:
            text: an output.
            source: the text that names must occur in.
            regions: real regions of the example; O1 ... On are theirs.
            trigger_type: event type of the trigger pass, taken where the output names none.
        """
        diagnostics = Diagnostics()
        reader = Reader(source, regions, diagnostics)
        types, roles = self._labels
        fields = _fields(text)
        if not fields:
            diagnostics.note("empty_output")
            return ParseResult((), diagnostics, text)
        (offset, first), *rest = fields
        event = types.find(first)
        if event is None and trigger_type is not None:
            event = types.find(trigger_type)
            if event is not None:
                diagnostics.note("repair_event_from_trigger", offset, first)
                rest = [(offset, first), *rest] if _COMMA in first else rest
        if event is None:
            diagnostics.note("unknown_event", offset, first, count=max(1, len(rest)))
            return ParseResult((), diagnostics, text)
        found: list[EventName | EventArgument] = [EventName(event)]
        for place, field in rest:
            role, comma, value = field.partition(_COMMA)
            if not comma:
                diagnostics.note("no_separator", place, field)
                continue
            item = reader.argument(event, roles[event], role, value, place)
            if item is not None:
                found.append(item)
        return ParseResult(tuple(found), diagnostics, text)

    @cached_property
    def _labels(self) -> tuple[Labels, dict[str, Labels]]:
        return events(self.roles)


def _value(item: EventArgument) -> str:
    return str(item.name) if item.region is None else f"O{item.region}"
