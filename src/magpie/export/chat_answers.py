"""Answers of a language model, read back into annotations.

An answer is the JSON that :mod:`magpie.export.chat` asks for::

    {"entities": [{"text": "Ada", "type": "PER", "fine_type": "author",
                   "boxes": [{"image": 1, "box": [10, 20, 60, 90]}]}],
     "relations": [{"head": 0, "type": "left", "tail": 1}]}

Nothing a model writes raises. A malformed item is left out and counted under a fixed code, all
others stay; what was mended is counted under a code that begins with ``repair-``. Strings are put
back into the text with :class:`~magpie.text.locate.Locator`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from magpie.errors import SchemaError
from magpie.schema import Annotations, Box, Document, Entity, Grounding, Region, Relation, Span
from magpie.text.locate import Located, Locator, Status

__all__ = ["Answer", "BoxUnit", "read_answer"]

#: ``pixels`` of the picture, or ``thousandths`` of its width and height.
BoxUnit = Literal["pixels", "thousandths"]

_FENCE = re.compile(r"```[a-zA-Z]*\s*(.*?)(?:```|\Z)", re.DOTALL)


@dataclass(slots=True)
class Answer:
    """What an answer says, and what was wrong with it.

    Attributes:
        annotations: what could be read; ids are ``e0``, ``e1`` ... and ``r0``, ``r1`` ...
        counts: code -> how often: ``no-json``, ``no-entities``, ``bad-item``, ``unknown-type``,
            ``not-in-text``, ``across-blocks``, ``duplicate``, ``bad-box``, ``bad-relation``;
            mended: ``repair-fence``, ``repair-prose``, ``repair-truncated``, ``repair-normalised``,
            ``repair-fuzzy``.
        items: how many items the answer held, malformed ones included.
    """

    annotations: Annotations = field(default_factory=Annotations)
    counts: Counter[str] = field(default_factory=Counter)
    items: int = 0

    @property
    def skipped(self) -> int:
        """Items left out."""
        return sum(n for code, n in self.counts.items() if not code.startswith("repair-"))


def read_answer(
    document: Document,
    answer: str,
    *,
    boxes: BoxUnit = "pixels",
    images: Sequence[str] | None = None,
    types: Collection[str] = (),
) -> Answer:
    """Puts an answer about a document back into it.

    Args:
        document: what the model was asked about.
        answer: what it wrote, prose, code fences and cut-off ends included.
        boxes: what the coordinates count.
        images: ids of the pictures in the order the model saw them; those of the document that
            are present, if not given.
        types: the types that may occur, any if empty; compared without case, given as here.

    Returns:
        The annotations and the counts of everything left out or mended; never raises for any text.
    """
    result = Answer()
    value = _json(answer, result.counts)
    found = value.get("entities") if isinstance(value, dict) else value
    if not isinstance(found, list):
        result.counts["no-entities" if value is not None else "no-json"] += 1
        return result
    shown = [m.id for m in document.media if m.present] if images is None else list(images)
    reader = _Reader(document, boxes, shown, {kind.casefold(): kind for kind in types}, result)
    entities, ids = reader.entities(found)
    wanted = value.get("relations", []) if isinstance(value, dict) else []
    relations = reader.relations(wanted if isinstance(wanted, list) else [wanted], ids)
    result.annotations = Annotations(entities=tuple(entities), relations=tuple(relations))
    return result


# JSON from prose


def _json(answer: str, counts: Counter[str]) -> Any:
    """The JSON value in an answer, mended where it must be; None for none."""
    text = answer.strip()
    for attempt, code in ((text, ""), *_candidates(text)):
        try:
            value = json.loads(attempt)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict | list):
            if code:
                counts[code] += 1
            return value
    return _truncated(text, counts)


def _candidates(text: str) -> Iterator[tuple[str, str]]:
    fence = _FENCE.search(text)
    if fence is not None:
        yield fence[1], "repair-fence"
    start = _opening(text)
    end = text.rfind("}" if text[start : start + 1] == "{" else "]")
    if 0 <= start < end:
        yield text[start : end + 1], "repair-prose"


def _opening(text: str) -> int:
    """Where the first bracket is, -1 for none."""
    return min((place for place in map(text.find, "{[") if place >= 0), default=-1)


def _truncated(text: str, counts: Counter[str]) -> Any:
    """Whole items of an answer that was cut off: after the last complete one, all is closed.

    O(characters) to find the places where an item ends, and one attempt at the last few of them.
    """
    start = _opening(text)
    if start < 0:
        return None
    open_brackets: list[str] = []
    ends: list[tuple[int, str]] = []  # after an inner bracket: position, what closes the rest
    quoted = escaped = False
    for place in range(start, len(text)):
        char = text[place]
        if quoted:
            quoted = escaped or char != '"'
            escaped = char == "\\" and not escaped
        elif char == '"':
            quoted = True
        elif char in "{[":
            open_brackets.append("}" if char == "{" else "]")
            if len(open_brackets) > 64:
                return None
        elif char in "}]" and open_brackets:
            open_brackets.pop()
            if 0 < len(open_brackets) <= 2:
                ends.append((place + 1, "".join(reversed(open_brackets))))
    for place, closing in reversed(ends[-8:]):
        try:
            value = json.loads(text[start:place] + closing)
        except (ValueError, RecursionError):
            continue
        counts["repair-truncated"] += 1
        return value
    return None


# items


@dataclass(slots=True)
class _Reader:
    document: Document
    boxes: BoxUnit
    images: list[str]
    types: dict[str, str]
    result: Answer
    starts: list[tuple[int, int, str]] = field(default_factory=list)  # of blocks in the whole text

    def __post_init__(self) -> None:
        at = 0
        for block in self.document.blocks:
            self.starts.append((at, at + len(block.text), block.id))
            at += len(block.text) + 1

    def entities(self, items: list[Any]) -> tuple[list[Entity], dict[int, str]]:
        """The entities, and the id of each item that became one."""
        counts = self.result.counts
        self.result.items += len(items)
        good: list[tuple[int, Mapping[str, Any], str]] = []
        for index, item in enumerate(items):
            kind = self._type(item)
            if kind is not None:
                good.append((index, item, kind))
        places = self._places([item for _, item, _ in good])
        entities: list[Entity] = []
        ids: dict[int, str] = {}
        known: dict[tuple[Span, str, str | None], str] = {}
        for (index, item, kind), place in zip(good, places, strict=True):
            span = self._span(place)
            if span is None:
                counts["across-blocks" if place.found else "not-in-text"] += 1
                continue
            if place.status in (Status.NORMALISED, Status.FUZZY):
                counts[f"repair-{place.status.value}"] += 1
            fine = item.get("fine_type")
            fine = fine if isinstance(fine, str) and _clean(fine) else None
            name = f"e{len(entities)}"
            ids[index] = known.setdefault((span, kind, fine), name)
            if ids[index] != name:
                counts["duplicate"] += 1
                continue
            grounding = self._grounding(item)
            entities.append(
                Entity(id=name, span=span, type=kind, fine_type=fine, grounding=grounding)
            )
        return entities, ids

    def _type(self, item: Any) -> str | None:
        """The item's type, or None and a count."""
        if not isinstance(item, dict):
            self.result.counts["bad-item"] += 1
            return None
        text, kind = item.get("text"), item.get("type")
        if not isinstance(text, str) or not isinstance(kind, str) or not _clean(kind):
            self.result.counts["bad-item"] += 1
            return None
        if not self.types:
            return kind
        known = self.types.get(kind.strip().casefold())
        if known is None:
            self.result.counts["unknown-type"] += 1
        return known

    def _places(self, items: list[Mapping[str, Any]]) -> list[Located]:
        """Items that say which occurrence they mean go first; the others get what is free."""
        locator = Locator(self.document.text)
        places = [Located(Status.NOT_FOUND)] * len(items)
        for index, item in enumerate(items):
            number = item.get("occurrence")
            if isinstance(number, int) and not isinstance(number, bool) and number > 0:
                places[index] = _occurrence(self.document.text, str(item["text"]), number)
        rest = [index for index, place in enumerate(places) if not place.found]
        used = [place.span for place in places if place.found]
        texts = [str(items[index]["text"]) for index in rest]
        found = locator.locate_each(texts, in_order=True, used=used)
        for index, place in zip(rest, found, strict=True):
            # Where every place is taken, a mention may lie in another or be named twice.
            places[index] = place if place.found else locator.locate(str(items[index]["text"]))
        return places

    def _span(self, place: Located) -> Span | None:
        if place.found:
            start, end = place.span
            for first, last, block in self.starts:
                if first <= start and end <= last:
                    return Span(block, start - first, end - first)
        return None

    def _grounding(self, item: Mapping[str, Any]) -> Grounding:
        """Without ``boxes`` nobody looked; an empty list says that it is not there."""
        given = item.get("boxes")
        if not isinstance(given, list):
            return Grounding()
        regions = []
        for entry in given:
            region = self._region(entry)
            if region is None:
                self.result.counts["bad-box"] += 1
            else:
                regions.append(region)
        return Grounding.in_regions(*regions) if regions or not given else Grounding()

    def _region(self, entry: Any) -> Region | None:
        """``{"image": number, "box": [x1, y1, x2, y2]}``; of one picture the four numbers do."""
        entry = {"image": 1, "box": entry} if isinstance(entry, list) else entry
        if not isinstance(entry, dict):
            return None
        number, corners = entry.get("image", 1), entry.get("box")
        if not isinstance(number, int) or not 1 <= number <= len(self.images):
            return None
        if not isinstance(corners, list) or len(corners) != 4:
            return None
        if not all(isinstance(c, int | float) and not isinstance(c, bool) for c in corners):
            return None
        medium = self.document.medium(self.images[number - 1])
        width, height = medium.width, medium.height
        x1, y1, x2, y2 = corners
        try:
            if self.boxes == "pixels":
                box: Box | None = Box(x1, y1, x2, y2, medium.id)
            elif width is None or height is None:
                return None
            else:
                box = Box.from_normalised(
                    x1, y1, x2, y2, medium.id, width=width, height=height, scale=1000.0
                )
        except (SchemaError, OverflowError):
            return None
        if box is not None and width is not None and height is not None:
            box = box.clipped(width, height) if _leaves(box, width, height) else box
        return None if box is None else Region.of_box(box)

    def relations(self, items: list[Any], ids: dict[int, str]) -> list[Relation]:
        """Ends are numbers of entities in the answer, from 0."""
        self.result.items += len(items)
        found: list[Relation] = []
        for item in items:
            fields = item if isinstance(item, dict) else {}
            ends = [fields.get(end) for end in ("head", "tail")]
            head, tail = (ids.get(end) if type(end) is int else None for end in ends)
            kind = fields.get("type")
            if head is None or tail is None or not isinstance(kind, str) or not _clean(kind):
                self.result.counts["bad-relation"] += 1
                continue
            found.append(Relation(id=f"r{len(found)}", head=head, tail=tail, type=kind))
        return found


def _leaves(box: Box, width: int, height: int) -> bool:
    return box.x1 < 0 or box.y1 < 0 or box.x2 > width or box.y2 > height


def _occurrence(text: str, string: str, number: int) -> Located:
    """The n-th place of the very characters, overlapping ones counted, words or not."""
    start = -1
    for _ in range(number if string else 0):
        start = text.find(string, start + 1)
        if start < 0:
            break
    if start < 0:
        return Located(Status.NOT_FOUND)
    return Located(Status.EXACT, start, start + len(string), occurrence=number - 1)


def _clean(text: str) -> bool:
    """Whether the data model can carry it."""
    return bool(text) and "\0" not in text and not any("\ud800" <= c <= "\udfff" for c in text)
