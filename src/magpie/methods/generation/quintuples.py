"""G5, the quintuples of CAG: ``( NAME | TYPE | RELATION | NAME | TYPE )`` joined by ``;``.

``none`` says that there is no relation. A backslash escapes ``| ; ( )`` and itself inside a name.
Relations are written with blanks for underscores. The form is reconstructed: the paper has no
code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from magpie.methods.generation.names import Finder, Labels, escape, split_unescaped, unescape
from magpie.methods.generation.result import Diagnostics, ParseResult, Target, cut, writable

__all__ = ["Quintuple", "QuintupleText"]

_SPECIAL = "|;()"
_NONE = "none"
_JOIN = " ; "


@dataclass(frozen=True, slots=True)
class Quintuple:
    """Two typed names and their relation; spans are None where the source lacks the name."""

    head: str
    head_type: str
    relation: str
    tail: str
    tail_type: str
    head_span: tuple[int, int] | None = field(default=None, compare=False)
    tail_span: tuple[int, int] | None = field(default=None, compare=False)


@dataclass(frozen=True)
class QuintupleText:
    """Writes and reads quintuples.

    Args:
        types: of names.
        relations: as in the data, with underscores or without.
    """

    types: tuple[str, ...]
    relations: tuple[str, ...]

    def encode(
        self,
        items: Sequence[Quintuple],
        *,
        limit: int | None = None,
        measure: Callable[[str], int] = len,
        drop: bool = False,
    ) -> Target[Quintuple]:
        """The text; options as in :mod:`magpie.methods.generation.sentences`.

        Raises:
            UnencodableTarget: an unknown label, an empty name or one with blanks at its ends, a
                quintuple that stands twice.
        """
        dropped = Diagnostics()
        said: set[Quintuple] = set()

        def check(item: Quintuple) -> str | None:
            back = self.parse(self._write(item))
            if back.items != (item,) or back.diagnostics:
                return ", ".join(back.diagnostics) or "it reads back differently"
            if item in said:
                return "it stands twice"
            said.add(item)
            return None

        def write(some: Sequence[Quintuple]) -> str:
            return _JOIN.join(map(self._write, some)) or _NONE

        kept = writable(items, check, grammar="quintuples", drop=drop, dropped=dropped)
        fitting = cut(kept, write, limit=limit, measure=measure, dropped=dropped)
        return Target(items=fitting, text=write(fitting), dropped=dropped)

    def parse(self, text: str, source: str | None = None) -> ParseResult[Quintuple]:
        """The quintuples of an output, each once; with ``source`` their names are looked for."""
        diagnostics = Diagnostics()
        found: dict[Quintuple, None] = {}
        finder = Finder(source)
        if text.strip() == _NONE:
            return ParseResult((), diagnostics, text)
        if not text.strip():
            diagnostics.note("empty_output")
            return ParseResult((), diagnostics, text)
        begin = 0
        for part in split_unescaped(text, ";"):
            item = self._read(part, begin, diagnostics)
            if item is not None and item in found:
                diagnostics.note("duplicate", begin, part)
            elif item is not None:
                found[_placed(item, finder)] = None
            begin += len(part) + 1
        return ParseResult(tuple(found), diagnostics, text)

    def _write(self, item: Quintuple) -> str:
        fields = (
            escape(item.head, _SPECIAL),
            item.head_type,
            item.relation.replace("_", " "),
            escape(item.tail, _SPECIAL),
            item.tail_type,
        )
        return f"( {' | '.join(fields)} )"

    def _read(self, part: str, offset: int, diagnostics: Diagnostics) -> Quintuple | None:
        own = part.strip()
        inner = own[1:-1]
        closed = len(own) > 1 and own[0] == "(" and own[-1] == ")" and not _open_escape(inner)
        if not closed or any(len(split_unescaped(inner, mark)) > 1 for mark in "()"):
            diagnostics.note("unbalanced", offset, part)
            return None
        fields = [unescape(field.strip()) for field in split_unescaped(inner, "|")]
        if len(fields) != 5:
            diagnostics.note("bad_arity", offset, part)
            return None
        head, head_type, relation, tail, tail_type = fields
        if not (head and tail):
            diagnostics.note("empty_span", offset, part)
            return None
        kinds = self._types.find(head_type), self._types.find(tail_type)
        named = self._relations.find(relation)
        if kinds[0] is None or kinds[1] is None:
            diagnostics.note("unknown_type", offset, part)
            return None
        if named is None:
            diagnostics.note("unknown_relation", offset, part)
            return None
        return Quintuple(head, kinds[0], named, tail, kinds[1])

    @cached_property
    def _types(self) -> Labels:
        return Labels(self.types, ignore_case=False)

    @cached_property
    def _relations(self) -> Labels:
        return Labels(self.relations, ignore_case=False)


def _open_escape(text: str) -> bool:
    """Whether the text ends in a backslash that escapes what follows it."""
    return (len(text) - len(text.rstrip("\\"))) % 2 == 1


def _placed(item: Quintuple, finder: Finder) -> Quintuple:
    head, _ = finder.take(item.head)
    tail, _ = finder.take(item.tail)
    return Quintuple(
        item.head, item.head_type, item.relation, item.tail, item.tail_type, head, tail
    )
