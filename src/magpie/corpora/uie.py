"""Records of unified extraction with offsets: UIE's (which UMIE trains on) and InstructUIE's.

UIE: ``{"text", "tokens", "entity": [{"type", "offset": [words], "text"}], "relation": [{"type",
"args": [head, tail]}], "event": [{"type", "offset", "text", "args": [...]}]}``; an argument's
``type`` is its role. InstructUIE: ``{"sentence", "entities": [{"name", "type", "pos": [start,
end]}], "relations": [{"head", "type", "tail"}], "events": [{"trigger", "type", "arguments":
[{"name", "role"}]}]}`` with offsets in characters, where there are any; what has none is put back
into the text.

Both come as a JSON list or one object a line. ``image_id`` or ``img_id`` names the picture.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Collection, Iterator
from typing import Any

from magpie.corpora.anomaly import Anomaly
from magpie.corpora.collecting import Collector, Range
from magpie.corpora.dataset_card import Card
from magpie.corpora.json_items import iter_json
from magpie.corpora.mnre import picture_id
from magpie.corpora.records import Raw, Reading, RecordCorpus, field, word_list
from magpie.corpora.source import Found
from magpie.errors import FormatError
from magpie.schema import Block, Document, Media

__all__ = ["InstructUie", "Uie"]

_SPACE = re.compile(r"\s+")
#: how InstructUIE writes "no relation here" and "no event here"
_NOTHING = ("", "NA")


class _Unified(RecordCorpus):
    def records(self, found: Found) -> Iterator[Raw]:
        return iter_json(found)

    def document(self, raw: Raw, reading: Reading) -> Document:
        where = raw.where
        collector = Collector(self.block(raw), reading, where)
        self.collect(raw.value, collector, reading)
        name = raw.value.get("image_id", raw.value.get("img_id"))
        picture = None if name is None else picture_id(name, where)
        media: tuple[Media, ...] = ()
        if picture is not None:
            media = (reading.pictures.media(picture, where, reading.report),)
        number = raw.number or raw.line
        return Document(
            id=reading.ids.take(f"{picture or reading.split}-{number}", where),
            blocks=(collector.block,),
            media=media,
            annotations=collector.annotations(),
            source=reading.source(raw.line),
        )

    @abstractmethod
    def block(self, raw: Raw) -> Block:
        """The text of a record."""

    @abstractmethod
    def collect(self, record: Any, collector: Collector, reading: Reading) -> None:
        """Gathers what a record says."""


def _items(record: Any, name: str, where: str) -> list[Any]:
    """A list that may be absent."""
    return field(record, name, list, where) if name in record else []


class Uie(_Unified):
    """Offsets are lists of words."""

    card = Card(
        name="uie",
        version="1",
        title="UIE records (format)",
        task="entities, relations and events",
        licence="that of the files",
        origin="universal-ie/UIE; with pictures ZUCC-AI/UMIE @ a50b479 (code only)",
        citation="Lu et al., Unified Structure Generation for Universal Information Extraction, "
        "ACL 2022",
        defects=("UMIE's converter keeps one event a sentence, the last",),
    )

    def block(self, raw: Raw) -> Block:
        if not isinstance(raw.value, dict) or "tokens" not in raw.value:
            return Block.from_words(
                word_list(field(raw.value, "text", str, raw.where).split(), "text", raw.where)
            )
        words = word_list(field(raw.value, "tokens", list, raw.where), "tokens", raw.where)
        return Block.from_words(words)

    def collect(self, record: Any, collector: Collector, reading: Reading) -> None:
        where = collector.where
        for item in _items(record, "entity", where):
            place = _words(item, collector, reading)
            collector.entity(place, field(item, "type", str, where))
        for item in _items(record, "relation", where):
            ends = field(item, "args", list, where)
            if len(ends) != 2:
                raise FormatError(f"a relation of {len(ends)} arguments, not 2", where=where)
            head, tail = (
                collector.entity(_words(end, collector, reading), field(end, "type", str, where))
                for end in ends
            )
            collector.relation(head, tail, field(item, "type", str, where))
        for item in _items(record, "event", where):
            arguments = [
                (
                    field(part, "type", str, where),
                    collector.mention(_words(part, collector, reading)),
                )
                for part in _items(item, "args", where)
            ]
            trigger = _words(item, collector, reading)
            collector.event(field(item, "type", str, where), trigger, arguments)


def _words(item: Any, collector: Collector, reading: Reading) -> Range:
    """The characters of a list of neighbouring words; a differing text is reported."""
    where = collector.where
    offset = field(item, "offset", list, where)
    numbers = all(isinstance(word, int) and not isinstance(word, bool) for word in offset)
    if not offset or not numbers or offset != list(range(offset[0], offset[0] + len(offset))):
        raise FormatError(
            f"expected neighbouring words in 'offset', came {offset!r:.60}", where=where
        )
    span = collector.block.word_span(offset[0], offset[-1] + 1)
    came = collector.block.text[span.start : span.end]
    text = field(item, "text", str, where)
    if _SPACE.sub("", came) != _SPACE.sub("", text):
        message = f"{text[:60]!r} stands at words that say {came[:60]!r}"
        reading.report(Anomaly("name-mismatch", message, where))
    return span.start, span.end


class InstructUie(_Unified):
    """Offsets are characters, or absent."""

    card = Card(
        name="instructuie",
        version="1",
        title="InstructUIE records (format)",
        task="entities, relations and events",
        licence="that of the files",
        origin="BeyonderXX/InstructUIE @ 01d3fa3 (code only)",
        citation="Wang et al., InstructUIE: Multi-task Instruction Tuning for Unified Information "
        "Extraction, 2023",
        defects=(
            "where a record has no offsets, the first place of a text counts",
            "relations and events of type NA say that there are none; they are left out",
        ),
    )

    def block(self, raw: Raw) -> Block:
        text = field(raw.value, "sentence", str, raw.where)
        if not text.strip():
            raise FormatError("a record without text", where=raw.where)
        return Block(text=text)

    def collect(self, record: Any, collector: Collector, reading: Reading) -> None:
        where = collector.where
        taken: list[Range] = []
        for item in _items(record, "entities", where):
            kind = field(item, "type", str, where)
            place = (
                None if kind in _NOTHING else _place(item, "name", collector, taken, again=False)
            )
            if place is not None:
                taken.append(place)
                collector.entity(place, kind)
        for item in _items(record, "relations", where):
            kind = field(item, "type", str, where)
            if kind in _NOTHING:
                continue
            ends = [field(item, name, dict, where) for name in ("head", "tail")]
            head = _place(ends[0], "name", collector)
            tail = _place(ends[1], "name", collector, () if head is None else (head,))
            if head is None or tail is None:
                raise FormatError("head or tail is not in the text", where=where)
            collector.relation(_end(ends[0], head, collector), _end(ends[1], tail, collector), kind)
        for item in _items(record, "events", where):
            kind = field(item, "type", str, where)
            if kind in _NOTHING:
                continue
            arguments = []
            for part in _items(item, "arguments", where):
                place = _place(part, "name", collector)
                if place is not None:
                    arguments.append((field(part, "role", str, where), collector.mention(place)))
            collector.event(kind, _place(item, "trigger", collector), arguments)


def _end(end: dict[str, Any], place: Range, collector: Collector) -> str:
    """An end of a relation: typed if the record types it."""
    kind = end.get("type")
    if isinstance(kind, str) and kind:
        return collector.entity(place, kind)
    return collector.mention(place)


def _place(
    item: Any, name: str, collector: Collector, used: Collection[Range] = (), *, again: bool = True
) -> Range | None:
    """The offsets of a text where they are given and right, else where the text stands.

    With ``again``, an entity of that text is meant rather than another place.
    """
    text = field(item, name, str, collector.where)
    pos = item.get("pos")
    if (
        isinstance(pos, list)
        and len(pos) == 2
        and all(isinstance(value, int) for value in pos)
        and pos[0] >= 0
    ):
        # Half-open; some sets converted into the format count the last character in.
        for end in (pos[1], pos[1] + 1):
            if text and collector.block.text[pos[0] : end] == text:
                return pos[0], end
    place = collector.known(text, used=used) if again else None
    return place or collector.place(text, used=used)
