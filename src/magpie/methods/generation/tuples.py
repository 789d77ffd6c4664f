"""The tuples in a UIE block: entities, relations and events in round brackets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from magpie.methods.generation.names import Labels
from magpie.methods.generation.result import Diagnostics

__all__ = ["Element", "EventRecord", "NamedEntity", "RelationTuple", "TupleReader", "names_of"]


@dataclass(frozen=True, slots=True)
class NamedEntity:
    """``(NAME, TYPE)``; the name may hold commas, the type none."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class RelationTuple:
    """``(HEAD, RELATION, TAIL)``; names may hold commas."""

    head: str
    relation: str
    tail: str


@dataclass(frozen=True, slots=True)
class EventRecord:
    """``(Type: T, Trigger: W, ROLE: A, ...)``; without a trigger its arguments still count."""

    type: str
    trigger: str | None
    arguments: tuple[tuple[str, str], ...] = ()


Element: TypeAlias = NamedEntity | RelationTuple | EventRecord


def names_of(item: object) -> tuple[str, ...]:
    """The names that an instruction may be about."""
    if isinstance(item, NamedEntity):
        return (item.name,)
    if isinstance(item, RelationTuple):
        return (item.head, item.tail)
    if isinstance(item, EventRecord):
        own = () if item.trigger is None else (item.trigger,)
        return (*own, *(name for _, name in item.arguments))
    return ()


class TupleReader:
    """Reads and writes tuples of one task; labels and keys in any case."""

    def __init__(
        self, task: Literal["ner", "re", "ee"], labels: tuple[str, ...], roles: tuple[str, ...]
    ) -> None:
        self.task = task
        self._labels = Labels(labels)
        self._roles = Labels(roles)
        keys = "|".join(sorted(map(re.escape, ("Type", "Trigger", *roles)), key=len, reverse=True))
        self._key = re.compile(rf"(?:^|,)\s*({keys})\s*:", re.IGNORECASE)

    def write(self, item: Element) -> str:
        """The tuple, unchecked."""
        if isinstance(item, NamedEntity):
            return f"({item.name}, {item.type})"
        if isinstance(item, RelationTuple):
            return f"({item.head}, {item.relation}, {item.tail})"
        pairs = [("Type", item.type)]
        pairs += [] if item.trigger is None else [("Trigger", item.trigger)]
        pairs += item.arguments
        return f"({', '.join(f'{key}: {value}' for key, value in pairs)})"

    def read(self, text: str, offset: int, diagnostics: Diagnostics) -> Iterator[Element]:
        """The tuples of a block. A lost bracket costs the tuple that lost it."""
        begin: int | None = None
        last = 0
        for place, char in enumerate(text):
            if char == "(":
                if begin is not None:
                    diagnostics.note("unbalanced", offset + begin, text[begin:place])
                begin = place
            elif char == ")":
                if begin is None:
                    diagnostics.note("unbalanced", offset + last, text[last : place + 1])
                else:
                    item = self._one(text[begin + 1 : place], offset + begin, diagnostics)
                    if item is not None:
                        yield item
                begin, last = None, place + 1
        if begin is not None:
            diagnostics.note("unbalanced", offset + begin, text[begin:])
        elif re.search(r"\w", text[last:]):
            diagnostics.note("unparsable", offset + last, text[last:])

    def _one(self, text: str, offset: int, diagnostics: Diagnostics) -> Element | None:
        if self.task == "ee":
            return self._event(text, offset, diagnostics)
        parts = [part.strip() for part in text.split(",")]
        if self.task == "ner":
            name = text.rpartition(",")[0].strip()
            found = self._labels.find(parts[-1])
            if len(parts) < 2 or not name:
                diagnostics.note("bad_arity", offset, text)
            elif found is None:
                diagnostics.note("unknown_type", offset, text)
            else:
                return NamedEntity(name, found)
            return None
        if len(parts) < 3:
            diagnostics.note("bad_arity", offset, text)
            return None
        for place in range(1, len(parts) - 1):
            found = self._labels.find(parts[place])
            sides = _side(text, 0, place), _side(text, place + 1, len(parts))
            if found is not None and all(sides):
                return RelationTuple(sides[0], found, sides[1])
        diagnostics.note("unknown_type", offset, text)
        return None

    def _event(self, text: str, offset: int, diagnostics: Diagnostics) -> EventRecord | None:
        keys = list(self._key.finditer(text))
        if not keys or text[: keys[0].start()].strip():
            diagnostics.note("unparsable", offset, text)
            return None
        kind, trigger = None, None
        arguments: list[tuple[str, str]] = []
        ends = [key.start() for key in keys[1:]] + [len(text)]
        for key, end in zip(keys, ends, strict=True):
            value = text[key.end() : end].strip()
            name = key.group(1).casefold()
            role = self._roles.find(name)
            if not value:
                diagnostics.note("empty_span", offset, key.group())
            elif name == "type" and kind is None:
                kind = value
            elif name == "trigger" and trigger is None:
                trigger = value
            elif role is not None:
                arguments.append((role, value))
            else:
                diagnostics.note("duplicate", offset, key.group())
        found = None if kind is None else self._labels.find(kind)
        if found is None:
            diagnostics.note("unknown_type", offset, text)
            return None
        if trigger is None:
            diagnostics.note("no_trigger", offset, text)
        return EventRecord(found, trigger, tuple(arguments))


def _side(text: str, first: int, last: int) -> str:
    """The fields of a comma list from ``first`` to before ``last``, as they were written."""
    return ",".join(text.split(",")[first:last]).strip()
