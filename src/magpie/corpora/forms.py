"""Form fields as FUNSD and XFUND write them: text, box, label, words with boxes, links by id.

A field with text becomes a block and an entity; its grounding holds the words' boxes in word
order, so that nothing of the layout is lost. A field without text (a signature, a ticked box)
becomes a block and a region of its own. Links are written down at both ends in the files and kept
once.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from magpie.corpora.anomaly import Anomaly, Report
from magpie.corpora.records import field as item_of
from magpie.errors import FormatError
from magpie.schema import Block, Box, Entity, Grounding, Link, Media, Region

__all__ = ["LABELS", "Form", "page_box", "read_form"]

#: what a field is
LABELS = ("question", "answer", "header", "other")

#: Most fields one page may have; a page of FUNSD has up to some 160.
_MAX_FIELDS = 100_000


@dataclass(slots=True)
class Form:
    """The parts of a document that a list of fields makes."""

    blocks: list[Block] = field(default_factory=list)
    entities: list[Entity] = field(default_factory=list)
    regions: list[Region] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)


@dataclass(slots=True)
class _Page:
    """The page under way: its picture, and where oddities go."""

    medium: Media
    where: str
    record: str
    report: Report
    # id in the file -> entity or region; None for a field that has neither text nor place
    ends: dict[str, str | None] = field(default_factory=dict)

    def note(self, kind: str, message: str) -> None:
        self.report(Anomaly(kind, message, self.where, self.record))

    def box(self, value: object, what: str) -> Box | None:
        return page_box(value, what, self.medium, self.where, self.record, self.report)


def page_box(
    value: object, what: str, medium: Media, where: str, record: str, report: Report
) -> Box | None:
    """Four corners (x1, y1, x2, y2) as a box cut to its picture; None, and reported, if they
    are no box.

    Args:
        value: as the file has it.
        what: names the thing in messages.
        medium: the picture; without a size nothing is cut.
        where, record: for messages.
        report: is called for a box that is left out or cut.
    """
    corners = value if isinstance(value, list | tuple) and len(value) == 4 else ()
    numbers = [v for v in corners if isinstance(v, int | float) and not isinstance(v, bool)]
    if len(numbers) != 4 or not all(map(_usable, numbers)):
        report(Anomaly("box-skipped", f"{what}: {value!r:.80} are no four corners", where, record))
        return None
    x1, y1, x2, y2 = (float(number) for number in numbers)
    if x1 >= x2 or y1 >= y2 or not 0 < (x2 - x1) * (y2 - y1) < math.inf:
        report(Anomaly("box-skipped", f"{what}: {value!r:.80} has no area", where, record))
        return None
    box = Box(x1, y1, x2, y2, medium.id)
    if medium.width is None or medium.height is None:
        return box
    inside = box.clipped(medium.width, medium.height)
    size = f"the picture of {medium.width}x{medium.height}"
    if inside is None:
        report(Anomaly("box-skipped", f"{what}: {box.xyxy} lies outside {size}", where, record))
    elif inside != box:
        report(Anomaly("box-clipped", f"{what}: {box.xyxy} leaves {size}", where, record))
    return inside


def _usable(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # an integer beyond the range of floats
        return False


def read_form(items: list[Any], medium: Media, *, where: str, record: str, report: Report) -> Form:
    """Reads the fields of one page.

    Args:
        items: the list as parsed from JSON.
        medium: the page's picture.
        where: the file, for messages.
        record: the document's id, for messages.
        report: is called with each oddity.

    Raises:
        FormatError: something is no field, or has a label that forms do not have.
    """
    if len(items) > _MAX_FIELDS:
        raise FormatError(
            f"{len(items)} fields, the limit is {_MAX_FIELDS}", code="format-too-long", where=where
        )
    page = _Page(medium, where, record, report)
    form = Form()
    pairs: list[tuple[str, list[Any]]] = []
    for index, item in enumerate(items):
        place = f"{where}: field {index}"
        key = _key(item_of(item, "id", object, place), place)
        if key in page.ends:
            number = 2
            while f"{key}#{number}" in page.ends:
                number += 1
            page.note("duplicate-id", f"field id {key!r} stands twice; links lead to the first")
            key = f"{key}#{number}"
        _read_field(item, key, place, page, form)
        pairs.append((key, item_of(item, "linking", list, place)))
    form.links.extend(_links(pairs, page))
    return form


def _key(value: object, where: str) -> str:
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise FormatError(f"expected a number or text as id, came {value!r:.40}", where=where)
    return str(value)


def _read_field(item: dict[str, Any], key: str, place: str, page: _Page, form: Form) -> None:
    label = item_of(item, "label", str, place).lower()
    if label not in LABELS:
        raise FormatError(
            f"expected one of the labels {', '.join(LABELS)}, came {label[:40]!r}",
            where=place,
            mend="Is the file of another corpus?",
        )
    given = item_of(item, "text", str, place)
    words, boxes = _words(item_of(item, "words", list, place), place, key, page)
    text, offsets = _align(given, words)
    box = page.box(item_of(item, "box", object, place), f"field {key}")
    form.blocks.append(Block(id=f"b{key}", text=text, words=offsets, box=box, media=page.medium.id))
    start, end = len(text) - len(text.lstrip()), len(text.rstrip())
    if start >= end:
        page.note("empty-field", f"field {key} ({label}) has no text")
        page.ends[key] = None if box is None else f"r{key}"
        if box is None:  # a region without a box would claim the whole page
            return
        form.regions.append(Region(media=page.medium.id, box=box, label=label, id=f"r{key}"))
        return
    regions = [
        Region(media=page.medium.id, box=each, label=word)
        for word, each in zip(words, boxes, strict=True)
        if each is not None
    ]
    if not regions and box is not None:
        regions = [Region(media=page.medium.id, box=box)]
    page.ends[key] = f"e{key}"
    grounding = Grounding.in_regions(*regions) if regions else Grounding()
    span = form.blocks[-1].span(start, end)
    form.entities.append(Entity(id=f"e{key}", span=span, type=label, grounding=grounding))


def _words(
    items: list[Any], place: str, key: str, page: _Page
) -> tuple[list[str], list[Box | None]]:
    """The words that have text, without spaces around them, and their boxes."""
    words: list[str] = []
    boxes: list[Box | None] = []
    for item in items:
        word = item_of(item, "text", str, place).strip()
        if not word:
            page.note("empty-word", f"field {key} has a word without text")
            continue
        words.append(word)
        boxes.append(page.box(item_of(item, "box", object, place), f"word {word[:40]!r}"))
    return words, boxes


def _align(text: str, words: list[str]) -> tuple[str, tuple[tuple[int, int], ...]]:
    """The field's text with its words' offsets; the words joined by spaces if they do not stand
    in the text in their order."""
    offsets: list[tuple[int, int]] = []
    cursor = 0
    for word in words:
        start = text.find(word, cursor)
        if start < 0:
            joined = Block.from_words(words)
            return joined.text, joined.words or ()
        cursor = start + len(word)
        offsets.append((start, cursor))
    return text, tuple(offsets)


def _links(pairs: list[tuple[str, list[Any]]], page: _Page) -> Iterator[Link]:
    """Each link once, in the direction in which it is written down first."""
    seen: set[tuple[str, str]] = set()
    for key, written in pairs:
        here: Counter[tuple[str, str]] = Counter()
        for pair in written:
            ends = _ends(pair, page)
            if ends is None:
                continue
            here[ends] += 1
            if here[ends] > 1:
                page.note("link-repeated", f"field {key} repeats its link {pair!r:.40}")
            if ends in seen or (ends[1], ends[0]) in seen:
                continue
            seen.add(ends)
            if ends[0] == ends[1]:
                page.note("link-self", f"field {key} is linked to itself")
            yield Link(head=ends[0], tail=ends[1])


def _ends(pair: object, page: _Page) -> tuple[str, str] | None:
    if isinstance(pair, list) and len(pair) == 2:
        head, tail = (page.ends.get(str(end)) for end in pair)
        if head is not None and tail is not None:
            return head, tail
    page.note("link-dangling", f"link {pair!r:.60} does not join two fields of the page")
    return None
