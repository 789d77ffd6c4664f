"""Walking through a grammar piece by piece: tries, and the automaton of one output.

A grammar is a row of stages; each stage is a trie of piece sequences (labels, template sentences,
names copied from the source). An output may stand in several stages at once (a name that goes on,
or the words behind it), so a :class:`Walk` follows all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

__all__ = ["Copy", "Node", "Plan", "Stage", "Trie", "Walk", "Words"]


class Node(Protocol):
    """What may follow, what ends here, and how many pieces the nearest end is away."""

    @property
    def following(self) -> Mapping[int, Node]: ...

    @property
    def ends(self) -> Sequence[Hashable]: ...

    @property
    def rest(self) -> float: ...


@dataclass(slots=True, eq=False)
class Trie:
    """A node of a finished set of piece sequences."""

    following: dict[int, Trie] = field(default_factory=dict)
    ends: list[Hashable] = field(default_factory=list)
    rest: float = float("inf")

    @classmethod
    def of(cls, entries: Iterable[tuple[Sequence[int], Hashable]]) -> Trie:
        """The trie of (pieces, what they mean); entries without pieces are left out."""
        root = cls()
        for pieces, meaning in entries:
            left = len(pieces)
            node = root
            if not left:
                continue
            for piece in pieces:
                node.rest = min(node.rest, left)
                node = node.following.setdefault(piece, cls())
                left -= 1
            node.rest = 0
            node.ends.append(meaning)
        return root


class Words:
    """The words that names may be copied from.

    Args:
        words: of the source, which joins them with blanks.
        pieces: of each word, as it stands behind a blank; a word without pieces is in no name.
        fits: whether a run of words may be a name.
        longest: words of a name at most.
    """

    def __init__(
        self,
        words: Sequence[str],
        pieces: Sequence[Sequence[int]],
        *,
        fits: Callable[[str], bool],
        longest: int,
    ) -> None:
        self.words, self.pieces, self.longest = words, pieces, longest
        self._fits = fits
        self._names: dict[tuple[int, int], str | None] = {}

    def name(self, first: int, last: int) -> str | None:
        """The words from ``first`` to ``last``, None where they are no name."""
        if (first, last) not in self._names:
            text = " ".join(self.words[first : last + 1])
            self._names[first, last] = text if self._fits(text) else None
        return self._names[first, last]

    def root(self, used: Collection[Hashable] = ()) -> Copy:
        """Before a name that is none of ``used``."""
        starts = [(n, n, -1) for n in range(len(self.words)) if self.pieces[n]]
        return Copy(self, frozenset(used), tuple(starts))


class Copy:
    """A node of the trie of all names of a source; made on the way, as most is never walked.

    ``threads`` are (first word, word, piece in the word) that the pieces so far may stand for.
    """

    def __init__(
        self, source: Words, used: frozenset[Hashable], threads: tuple[tuple[int, int, int], ...]
    ) -> None:
        self._source, self._used, self._threads = source, used, threads

    @cached_property
    def following(self) -> dict[int, Copy]:
        source = self._source
        found: dict[int, list[tuple[int, int, int]]] = {}
        for first, word, place in self._threads:
            step = (first, word, place + 1)
            if place + 1 == len(source.pieces[word]):
                if word + 1 == min(first + source.longest, len(source.words)):
                    continue
                step = (first, word + 1, 0)
            if source.pieces[step[1]]:
                found.setdefault(source.pieces[step[1]][step[2]], []).append(step)
        nodes = {
            piece: Copy(source, self._used, tuple(threads)) for piece, threads in found.items()
        }
        return {piece: node for piece, node in nodes.items() if node.rest < float("inf")}

    @cached_property
    def ends(self) -> list[Hashable]:
        found = [
            self._source.name(first, word)
            for first, word, place in self._threads
            if place + 1 == len(self._source.pieces[word])
        ]
        return [name for name in dict.fromkeys(found) if name and name not in self._used]

    @cached_property
    def rest(self) -> float:
        return min((self._rest(*thread) for thread in self._threads), default=float("inf"))

    def _rest(self, first: int, word: int, place: int) -> float:
        source, left = self._source, -1 - place
        while word < min(first + source.longest, len(source.words)) and source.pieces[word]:
            left += len(source.pieces[word])
            name = source.name(first, word)
            if name and name not in self._used and left >= 0:
                return left
            word += 1
        return float("inf")


@dataclass(frozen=True, slots=True)
class Stage:
    """Where an output stands: a node, the name of its stage, what was said before.

    ``tail`` is the number of pieces from the end of this stage to the end of the output, the end
    piece included, on the shortest way.
    """

    node: Node
    name: str
    memory: Any = None
    tail: float = 1


class Plan(Protocol):
    """The stages of one output's grammar."""

    def begin(self) -> tuple[list[Stage], bool]:
        """The stages an output may begin with, and whether it may be empty."""

    def after(self, stage: Stage, meaning: Hashable) -> tuple[list[Stage], bool]:
        """The stages that may follow ``meaning``, and whether the output may end behind it."""


class Walk:
    """One output on its way; told every piece, it knows which may come next.

    Args:
        plan: the grammar.
        end: the piece that ends an output.
        limit: pieces at most, the end included; no item is begun that could not be finished.
    """

    def __init__(self, plan: Plan, *, end: int, limit: int | None = None) -> None:
        self.plan, self.end = plan, end
        self.left = float("inf") if limit is None else limit
        self.stages, self.may_end = plan.begin()

    def allowed(self) -> set[int]:
        """The pieces that may come next; only the end where nothing else can be finished."""
        pieces = {
            piece
            for stage in self.stages
            for piece, node in stage.node.following.items()
            if 1 + node.rest + stage.tail <= self.left
        }
        if self.may_end or not pieces:
            pieces.add(self.end)
        return pieces

    def advance(self, piece: int) -> None:
        """The output goes on with ``piece``."""
        self.left -= 1
        reached = list(self._reached(piece)) if piece != self.end else []
        self.stages, self.may_end = [], piece == self.end
        for stage in reached:
            if stage.node.following:
                self.stages.append(stage)
            for meaning in stage.node.ends:
                more, may_end = self.plan.after(stage, meaning)
                self.stages += more
                self.may_end = self.may_end or may_end

    def _reached(self, piece: int) -> Iterator[Stage]:
        for stage in self.stages:
            node = stage.node.following.get(piece)
            if node is not None:
                yield Stage(node, stage.name, stage.memory, stage.tail)
