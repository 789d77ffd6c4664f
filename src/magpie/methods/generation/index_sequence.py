"""G1, the index sequence of H-Index: word pointers, a region flag, a type, and so on.

``0 (pointer+ (2|3) type)* 1``: 0 starts, 1 ends, 2 and 3 say whether a region shows the entity,
then come the types, and behind them pointers: the first one plus the position of a word's first
piece in the source. Position 0 is the start piece of the source. Which region it is does not
stand in the sequence: it is the best-scored one of the step that reads flag 2.

The paper numbers everything one less (its sequence has no start); ``numbering="paper"``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Literal

from magpie.errors import ConfigError
from magpie.methods.generation.result import (
    OVERFLOW,
    Diagnostics,
    ParseResult,
    Target,
    writable,
)

__all__ = ["IndexGrammar", "IndexItem"]

Numbering = Literal["code", "paper"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexItem:
    """One entity of a sequence.

    Attributes:
        positions: source positions of its words' first pieces, ascending.
        grounded: whether the sequence says that a region shows it.
        type: one of the grammar's types.
        step: where the flag stands, the start index being 0. A decoder's state of this step has
            read the flag, the one before has written it. None before it is encoded.
    """

    positions: tuple[int, ...]
    grounded: bool
    type: str
    step: int | None = None

    @property
    def told(self) -> tuple[tuple[int, ...], bool, str]:
        """What it says, without where it says so."""
        return self.positions, self.grounded, self.type


@dataclass(frozen=True)
class IndexGrammar:
    """Writes and reads index sequences.

    Args:
        types: in the order of their indices; the release has LOC, PER, OTHER, ORG.
        numbering: ``code`` as above; ``paper``: every index one less, and no start.
        legacy_types: keep an item whose type index is none, as the release does; its type is
            then ``"#"`` and the index, which no gold has.

    Raises:
        ConfigError: no type, or one twice.
    """

    types: tuple[str, ...]
    numbering: Numbering = "code"
    legacy_types: bool = False

    def __post_init__(self) -> None:
        if not self.types or len(set(self.types)) != len(self.types):
            raise ConfigError(f"types must be different and at least one, got {self.types}")
        if self.numbering not in ("code", "paper"):
            raise ConfigError(f"numbering must be code or paper, got {self.numbering!r}")

    @cached_property
    def shift(self) -> int:
        """What every index is less than the code's."""
        return 1 if self.numbering == "paper" else 0

    @property
    def start(self) -> int | None:
        """The index that opens a sequence."""
        return None if self.shift else 0

    @property
    def end(self) -> int:
        """The index that closes a sequence, and that pads targets."""
        return 1 - self.shift

    @property
    def grounded(self) -> int:
        """The flag of an entity that a region shows."""
        return 2 - self.shift

    @property
    def ungrounded(self) -> int:
        """The flag of an entity that no region shows."""
        return 3 - self.shift

    @property
    def first_type(self) -> int:
        """The index of the first type."""
        return 4 - self.shift

    @property
    def first_pointer(self) -> int:
        """The index of source position 0."""
        return self.first_type + len(self.types)

    def encode(
        self,
        items: Sequence[IndexItem],
        *,
        starts: Sequence[int] | None = None,
        limit: int | None = None,
        drop: bool = False,
    ) -> Target[IndexItem]:
        """The sequence of a text's entities, which are put into text order.

        Args:
            items: their ``step`` is not looked at; those of the target have it.
            starts: as for :meth:`parse`.
            limit: indices at most, start and end included.
            drop: see :mod:`magpie.methods.generation.result`.

        Raises:
            UnencodableTarget: an unknown type, no positions, positions not ascending or taken
                already, or (with ``starts``) no run of words; unless ``drop``.
        """
        dropped = Diagnostics()
        seen: set[tuple[int, ...]] = set()

        def check(item: IndexItem) -> str | None:
            if not item.positions or not _ascends(item.positions) or item.positions[0] < 0:
                return "positions must ascend"
            if item.type not in self.types:
                return f"its types are {', '.join(self.types)}"
            if starts is not None and _run(item.positions, starts) is None:
                return "positions must be those of adjacent words"
            if item.positions in seen:
                return "the words stand twice"
            seen.add(item.positions)
            return None

        ordered = sorted(items, key=lambda item: item.positions)
        kept = writable(ordered, check, grammar="index sequence", drop=drop, dropped=dropped)
        ids = [0]
        written: list[IndexItem] = []
        for item in kept:
            more = len(item.positions) + 2
            if limit is not None and len(ids) + more + 1 - self.shift > limit:
                dropped.note(OVERFLOW, fragment=item, count=len(kept) - len(written))
                break
            step = len(ids) + len(item.positions)
            ids += [4 + len(self.types) + place for place in item.positions]
            ids += [2 if item.grounded else 3, 4 + self.types.index(item.type)]
            written.append(replace(item, step=step))
        ids.append(1)
        shifted = [index - self.shift for index in ids[self.shift :]]
        places = [item.step for item in written if item.step is not None]
        return Target(
            items=tuple(written),
            ids=tuple(shifted),
            positions=tuple((place, place + 1) for place in places),
            dropped=dropped,
        )

    def parse(
        self, indices: Sequence[int], *, starts: Sequence[int] | None = None
    ) -> ParseResult[IndexItem]:
        """The entities of a sequence, with or without its start; padding behind the end is fine.

        Args:
            indices: a sequence.
            starts: the position of every word's first piece, in order. With them, items that
                point into a word (``not_a_word_start``) or at words that are not adjacent
                (``not_contiguous``) are counted; they are kept, and no gold equals them.

        Returns:
            items in the order of their flags. Of two on the same words the last is kept
            (``duplicate``).
        """
        found: dict[tuple[int, ...], IndexItem] = {}
        diagnostics = Diagnostics()
        raw = tuple(int(index) for index in indices)
        body, opened = self._body([index + self.shift for index in raw], diagnostics)
        known = None if starts is None else frozenset(starts)
        begin = place = 0
        while place < len(body):
            if body[place] >= 4 + len(self.types):
                place += 1
                continue
            item = self._item(body, begin, place, diagnostics)
            place += 2
            if item is not None:
                item = replace(item, step=place - 1)
                if item.positions in found:
                    diagnostics.note("duplicate", begin + opened, item.positions)
                    del found[item.positions]
                found[item.positions] = item
                if known is not None and starts is not None:
                    if not known.issuperset(item.positions):
                        diagnostics.note("not_a_word_start", begin + opened, item.positions)
                    elif _run(item.positions, starts) is None:
                        diagnostics.note("not_contiguous", begin + opened, item.positions)
            begin = place
        if begin < len(body):
            diagnostics.note("truncated", begin + opened, body[begin:])
        return ParseResult(tuple(found.values()), diagnostics, raw)

    def words(self, item: IndexItem, starts: Sequence[int]) -> tuple[int, int] | None:
        """Half-open range of the words that an item points at; None where they are no run."""
        return _run(item.positions, starts)

    def _body(self, indices: list[int], diagnostics: Diagnostics) -> tuple[list[int], int]:
        """What stands between start and end, and at which offset; indices are the code's."""
        opened = 1 if not self.shift and indices[:1] == [0] else 0
        if 1 not in indices:
            diagnostics.note("repair_no_end", len(indices))
            return indices[opened:], opened
        end = indices.index(1)
        behind = [index for index in indices[end:] if index not in (0, 1)]
        if behind:
            diagnostics.note("after_end", end, behind)
        return indices[opened:end], opened

    def _item(
        self, body: list[int], begin: int, flag: int, diagnostics: Diagnostics
    ) -> IndexItem | None:
        """The item whose pointers are ``body[begin:flag]``; counts what is wrong with it."""
        positions = tuple(index - 4 - len(self.types) for index in body[begin:flag])
        kind = body[flag + 1] - 4 if flag + 1 < len(body) else None
        code = None
        if not positions:
            code = "empty_span"
        elif not _ascends(positions):
            code = "not_ascending"
        elif body[flag] not in (2, 3):
            code = "bad_region_flag"
        elif kind is None:
            code = "truncated"
        elif not 0 <= kind < len(self.types) and not self.legacy_types:
            code = "bad_type"
        if code is not None or kind is None:
            diagnostics.note(code or "truncated", begin, body[begin : flag + 2])
            return None
        name = self.types[kind] if 0 <= kind < len(self.types) else f"#{kind + 4 - self.shift}"
        return IndexItem(positions=positions, grounded=body[flag] == 2, type=name)


def _ascends(positions: Sequence[int]) -> bool:
    return all(one < other for one, other in pairwise(positions))


def _run(positions: Sequence[int], starts: Sequence[int]) -> tuple[int, int] | None:
    """Half-open range of the adjacent words that begin at ``positions``."""
    first = bisect_left(starts, positions[0]) if positions else 0
    if not positions or tuple(starts[first : first + len(positions)]) != tuple(positions):
        return None
    return first, first + len(positions)
