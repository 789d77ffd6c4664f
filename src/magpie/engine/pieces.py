"""Long documents for networks of limited length: cut into parts, and put together again.

A part is a document of its own, with a stretch of one block's text and all pictures. Stretches
overlap; what is found belongs to the part in which it begins deepest, see
:mod:`magpie.engine.windows`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

from magpie.engine.joined import Joined
from magpie.engine.windows import plan
from magpie.schema import Annotations, Document, Event, Span

__all__ = ["Part", "cut_document", "join_annotations"]

#: (block, start, end, pieces) of a word
Word = tuple[str, int, int, int]


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a block: characters ``offset`` on; what begins in [first, last) is its own."""

    document: Document
    block: str
    offset: int
    first: int
    last: int


def cut_document(document: Document, words: Sequence[Word], room: int) -> list[Part]:
    """The parts of a document that is too long for ``room`` pieces; none where it fits.

    Args:
        document: of any number of blocks.
        words: all its words with the pieces each takes.
        room: longest input in pieces, two special ones included.
    """
    if sum(word[3] for word in words) + 2 <= room:
        return []
    parts = []
    for block in document.blocks:
        own = [word for word in words if word[0] == block.id]
        # A word longer than the room is cut by the method, as it always was.
        lengths = [min(max(1, word[3]), room - 2) for word in own]
        for window in plan(lengths, room):
            start, end = own[window.start][1], own[window.end - 1][2]
            stretch = dataclasses.replace(
                block,
                text=block.text[start:end],
                words=None
                if block.words is None
                else tuple(
                    (a - start, b - start) for a, b in block.words if start <= a and b <= end
                ),
            )
            first = 0 if window.keep_start == 0 else own[window.keep_start][1]
            after = window.keep_end
            last = own[after][1] if after < len(own) else len(block.text)
            short = dataclasses.replace(document, blocks=(stretch,), annotations=None)
            parts.append(Part(short, block.id, start, first, last))
    return parts


def join_annotations(parts: Sequence[tuple[Part, Annotations]]) -> Annotations:
    """What was found in the parts, in the places of the whole document.

    An entity is taken from the part in which it begins, unless it overlaps one of an earlier part.
    Relations, events and links stay where all their ends do.
    """
    joined = _Joined()
    for number, (part, found) in enumerate(parts):
        joined.add(number, part, found)
    return joined.annotations()


class _Joined(Joined):
    def __init__(self) -> None:
        super().__init__()
        self._ends: dict[str, int] = {}

    def add(self, number: int, part: Part, found: Annotations) -> None:
        names: dict[str, str] = {}
        before = self._ends.get(part.block, 0)
        for entity in found.entities:
            span = _moved(entity.span, part)
            if not part.first <= span.start < part.last or span.start < before:
                continue
            names[entity.id] = f"e{len(self.entities)}"
            self._ends[part.block] = max(self._ends.get(part.block, 0), span.end)
            self.entities.append(dataclasses.replace(entity, id=names[entity.id], span=span))
        for region in found.regions:
            # All parts see the same pictures: unnamed regions are those of the first part.
            if region.id is None and number:
                continue
            named = None if region.id is None else f"p{number}-{region.id}"
            if region.id is not None and named is not None:
                names[region.id] = named
            self.regions.append(dataclasses.replace(region, id=named))

        def placed(event: Event) -> Event | None:
            if event.trigger is None:
                return None if number else event
            span = _moved(event.trigger, part)
            own = part.first <= span.start < part.last
            return dataclasses.replace(event, trigger=span) if own else None

        self.add_linked(found, names.get, placed)


def _moved(span: Span, part: Part) -> Span:
    return Span(part.block, span.start + part.offset, span.end + part.offset)
