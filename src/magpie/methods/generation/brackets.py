"""G4, the bracket text of UMIE's code: nodes between T5's sentinels.

``0`` opens, ``1`` closes, ``5`` parts label and span (``<extra_id_N>`` in full). An outer node
holds records, a record may hold role nodes:

- mentions: ``0 [0 TYPE 5 NAME 1]* 1``
- relation: ``0 [0 HEAD [0 RELATION 5 TAIL 1] 1] 1``
- arguments: ``0 [0 EVENT [0 ROLE 5 ARG 1]* 1] 1``
- joint: ``0 [0 EVENT 5 WORD [0 ROLE 5 ARG 1]* 1] 1``

The release takes the first word of a node for its label, so that relations of heads with several
words and arguments of events with one word vanish from gold and prediction alike;
``legacy_labels`` does that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from magpie.methods.generation.names import Labels
from magpie.methods.generation.result import Diagnostics, ParseResult, Target, cut, writable
from magpie.methods.generation.statements import (
    EventArgument,
    EventName,
    Mention,
    Reader,
    Statement,
    Triple,
    events,
)
from magpie.methods.generation.trees import CLOSE, NULL, OPEN, SEPARATOR, Node, read, walk

__all__ = ["BracketText"]

Task = Literal["mentions", "relation", "arguments", "joint"]


@dataclass(frozen=True)
class BracketText:
    """Writes and reads bracket text.

    Args:
        task: which of the four forms.
        types: of mentions.
        relations: of relations, with the one that stands for none.
        roles: event type -> its roles, of the two event forms.
        legacy_labels: as above.
    """

    task: Task
    types: tuple[str, ...] = ()
    relations: tuple[str, ...] = ()
    roles: Mapping[str, Sequence[str]] = field(default_factory=dict)
    legacy_labels: bool = False

    def encode(
        self,
        items: Sequence[Statement],
        *,
        source: str | None = None,
        regions: int = 0,
        limit: int | None = None,
        measure: Callable[[str], int] = len,
        drop: bool = False,
    ) -> Target[Statement]:
        """The text of items; an event's arguments stand behind it.

        Args:
            items: of the kind that the task has.
            source, regions: as for :meth:`parse`.
            limit, measure, drop: as in :mod:`magpie.methods.generation.sentences`; arguments of an
                event that is dropped are dropped.

        Raises:
            UnencodableTarget: what would not read back.
        """
        dropped = Diagnostics()
        said: list[Statement] = []
        event: EventName | None = None

        def check(item: Statement) -> str | None:
            nonlocal event
            if isinstance(item, EventArgument):
                if event is None:
                    return "its event is missing"
                whole: list[Statement] = [event, item]
            else:
                # Mentions share the places of the source; events stand for themselves.
                whole = [*said, item] if isinstance(item, Mention) else [item]
            back = self.parse(self.write(whole), source, regions=regions)
            fair = list(back.items) == whole and not back.diagnostics.skipped
            fair = fair and back.diagnostics.repairs == 0
            if isinstance(item, EventName):
                event = item if fair else None
            said.extend([item] if fair else [])
            return None if fair else ", ".join(back.diagnostics) or "it reads back differently"

        kept = writable(items, check, grammar="bracket text", drop=drop, dropped=dropped)
        fitting = cut(kept, self.write, limit=limit, measure=measure, dropped=dropped)
        return Target(items=fitting, text=self.write(fitting), dropped=dropped)

    def write(self, items: Sequence[Statement]) -> str:
        """The text of items, unchecked."""
        parts: list[str] = []
        inside = False  # an event, whose arguments may follow
        for item in items:
            if inside and not isinstance(item, EventArgument):
                parts.append(CLOSE)
                inside = False
            if isinstance(item, Mention):
                parts.append(f"{OPEN} {item.type} {SEPARATOR} {item.name} {CLOSE}")
            elif isinstance(item, Triple):
                inner = f"{OPEN} {item.relation} {SEPARATOR} {item.tail} {CLOSE}"
                parts.append(f"{OPEN} {item.head} {inner} {CLOSE}")
            elif isinstance(item, EventName):
                word = f" {SEPARATOR} {item.trigger}" if self.task == "joint" else ""
                parts.append(f"{OPEN} {item.type}{word}")
                inside = True
            else:
                value = item.name if item.region is None else f"O{item.region}"
                parts.append(f"{OPEN} {item.role} {SEPARATOR} {value} {CLOSE}")
        return " ".join([OPEN, *parts, *([CLOSE] if inside else []), CLOSE])

    def parse(
        self,
        text: str,
        source: str | None = None,
        *,
        regions: int = 0,
        given: tuple[str, str] | None = None,
        trigger_type: str | None = None,
    ) -> ParseResult[Statement]:
        """The items of an output.

        Args:
            text: an output, the sentinels in it as text.
            source: the text that names must occur in.
            regions: real regions of the example; O1 ... On are theirs.
            given: head and tail of the question, of relations.
            trigger_type: event type of the trigger pass, taken where a record names none.
        """
        diagnostics = Diagnostics()
        first = read(text, diagnostics)
        if not first:
            diagnostics.note("ill_formed" if text.strip() else "empty_output", 0, text)
            return ParseResult((), diagnostics, text)
        if any(not node.empty for node in first):
            diagnostics.note("repair_no_outer", first[0].offset)
        records = [node for top in first for node in (top.children if top.empty else [top])]
        reader = Reader(source, regions, diagnostics)
        found: list[Statement] = []
        if self.task == "mentions":
            found += self._mentions(records, reader)
        else:
            last: str | None = None
            kind = None if trigger_type is None else self._events[0].find(trigger_type)
            for record, inner in self._nested(records, diagnostics):
                if self.task == "relation":
                    found += self._triples(record, inner, reader, given)
                else:
                    for item in self._event(record, inner, reader, last, kind):
                        last = item.type if isinstance(item, EventName) else last
                        found.append(item)
        return ParseResult(tuple(found), diagnostics, text)

    def _mentions(self, records: list[Node], reader: Reader) -> Iterator[Mention]:
        for node, depth in walk(records):
            if depth:
                reader.diagnostics.note("repair_lifted", node.offset, node.label)
            pair = self._pair(node, reader.diagnostics)
            item = reader.mention(self._types, *pair, node.offset) if pair else None
            if item is not None:
                yield item

    def _pair(self, node: Node, diagnostics: Diagnostics) -> tuple[str, str] | None:
        """Label and value of a node; None of wrappers, and of null spans, which are noise."""
        if node.empty:
            if not node.children:
                diagnostics.note("empty_span", node.offset)
        elif node.value is None:
            diagnostics.note("no_separator", node.offset, node.label)
        elif node.value != NULL:
            return node.label, node.value
        return None

    def _nested(
        self, records: list[Node], diagnostics: Diagnostics
    ) -> list[tuple[Node, list[Node]]]:
        """Each record with the nodes it holds, those that are too deep lifted to their level."""
        found: list[tuple[Node, list[Node]]] = []
        stack: list[tuple[Node, list[Node] | None, int]] = [(n, None, 0) for n in records[::-1]]
        while stack:
            node, owner, depth = stack.pop()
            inner = owner
            if node.empty and any(map(self._is_record, node.children)):
                pass  # a bracket too many: what it holds belongs one level higher
            elif owner is None or self._is_record(node):
                if depth:
                    diagnostics.note("repair_lifted", node.offset, node.label)
                inner = []
                found.append((node, inner))
                depth = 0
            else:
                if depth > 1:
                    diagnostics.note("repair_lifted", node.offset, node.label)
                owner.append(node)
            stack += [(child, inner, depth + 1) for child in reversed(node.children)]
        return found

    def _is_record(self, node: Node) -> bool:
        """Whether a node inside a record is one itself: a closer was lost before it."""
        if self.task == "relation":
            return node.value is None and bool(node.children)
        known = self._events[0].find(node.label) is not None
        return known and (node.value is not None) == (self.task == "joint")

    def _triples(
        self, record: Node, inner: list[Node], reader: Reader, given: tuple[str, str] | None
    ) -> Iterator[Triple]:
        if record.value is not None or not record.label or not inner:
            reader.diagnostics.note("bad_arity", record.offset, record.label)
            return
        if self.legacy_labels and len(record.label.split()) > 1:
            return
        for node in inner:
            pair = self._pair(node, reader.diagnostics)
            if pair is not None and not pair[1]:
                reader.diagnostics.note("empty_span", node.offset, node.label)
            elif pair is not None:
                item = reader.triple(self._relations, (record.label, *pair), given)
                if item is not None:
                    yield item

    def _event(
        self,
        record: Node,
        inner: list[Node],
        reader: Reader,
        last: str | None,
        fallback: str | None,
    ) -> Iterator[EventName | EventArgument]:
        """An event and its arguments.

        Args:
            last: type of the event before it: a role that stands outside of an event is its.
            fallback: type of the trigger pass.
        """
        (types, roles), diagnostics = self._events, reader.diagnostics
        if record.value == NULL:
            return
        event = types.find(record.label)
        alone = event is None and record.value is not None and not inner
        if alone and last is not None and roles[last].find(record.label):
            diagnostics.note("repair_lifted", record.offset, record.label)
            yield from self._arguments(last, [record], reader)
            return
        if event is None and fallback is not None:
            event = fallback
            diagnostics.note("repair_event_from_trigger", record.offset, record.label)
            if alone and self.task == "arguments":
                inner = [record]
        if event is None:
            diagnostics.note("unknown_event", record.offset, record.label, max(1, len(inner)))
            return
        trigger = None
        if self.task == "joint":
            if record.value is None:
                diagnostics.note("no_separator", record.offset, record.label)
            else:
                trigger = reader.name(record.value, record.offset) or None
        span = reader.finder.take(trigger)[0] if trigger else None
        yield EventName(event, trigger, span)
        if self.legacy_labels and len(event.split()) == 1:
            return
        yield from self._arguments(event, inner, reader)

    def _arguments(
        self, event: str, nodes: Sequence[Node], reader: Reader
    ) -> Iterator[EventArgument]:
        roles = self._events[1][event]
        for node in nodes:
            pair = self._pair(node, reader.diagnostics)
            item = reader.argument(event, roles, *pair, node.offset) if pair else None
            if item is not None:
                yield item

    @cached_property
    def _types(self) -> Labels:
        return Labels(self.types)

    @cached_property
    def _relations(self) -> Labels:
        return Labels(self.relations)

    @cached_property
    def _events(self) -> tuple[Labels, dict[str, Labels]]:
        return events(self.roles)
