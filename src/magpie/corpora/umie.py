"""UMIE's records: a text, a picture and the answer as one string, a version for each of four tasks.

``{"text": ..., "label": ..., "image_id": ...}``, as a JSON list or one a line. ``label`` is what
the model is to write, its parts parted by ``<spot>``:

========  ==========================================  ==============================
version   label                                       becomes
========  ==========================================  ==============================
entity    ``TYPE, TEXT <spot> TYPE, TEXT``            entities
relation  ``HEAD <spot> RELATION <spot> TAIL``        two mentions and a relation
trigger   ``EVENT, WORD <spot> EVENT, WORD``          events with a trigger
argument  ``EVENT <spot> ROLE, TEXT <spot> ROLE, O1``  one event with its arguments
========  ==========================================  ==============================

``O1`` is an object of the picture whose corners stand under the same name, in pixels. The strings
give no offsets, so they are put back into the text (:mod:`magpie.text.locate`, never fuzzily). The
four tasks look alike, entity and trigger even the same, so the reader has to be told which it is.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator

from magpie.corpora.collecting import Collector, Range
from magpie.corpora.dataset_card import Card
from magpie.corpora.json_items import iter_json
from magpie.corpora.mnre import picture_id
from magpie.corpora.pictures import PICTURE
from magpie.corpora.records import Raw, Reading, RecordCorpus, field
from magpie.corpora.source import Found
from magpie.errors import FormatError
from magpie.schema import Block, Box, Document

__all__ = ["UmieArgument", "UmieEntity", "UmieRelation", "UmieTrigger"]

_SPOT = re.compile(r"\s*<spot>\s*")
_OBJECT = re.compile(r"O[1-9][0-9]{0,3}\Z")
#: what a label says when there is nothing to find
_NOTHING = ("", "none")


def _card(version: str, task: str) -> Card:
    return Card(
        name="umie",
        version=version,
        title=f"UMIE, {version} (format)",
        task=task,
        licence="that of the files",
        origin="ZUCC-AI/UMIE @ a50b479 (code only)",
        citation="Sun et al., UMIE: Unified Multimodal Information Extraction with Instruction "
        "Tuning, AAAI 2024",
        defects=(
            "addresses and user names are replaced by fixed words in the text",
            "labels give no offsets: of several places of one text the first counts",
        ),
    )


class _Umie(RecordCorpus):
    def records(self, found: Found) -> Iterator[Raw]:
        return iter_json(found)

    def document(self, raw: Raw, reading: Reading) -> Document:
        where = raw.where
        text = field(raw.value, "text", str, where).strip()
        if not text:
            raise FormatError("a record without text", where=where)
        block = Block(text=text)
        label = field(raw.value, "label", str, where).strip()
        collector = Collector(block, reading, where)
        if label.lower() not in _NOTHING:
            self.collect(_SPOT.split(label), raw, collector)
        picture = picture_id(field(raw.value, "image_id", object, where), where)
        return Document(
            id=reading.ids.take(f"{picture}-{raw.number or raw.line}", where),
            blocks=(block,),
            media=(reading.pictures.media(picture, where, reading.report),),
            annotations=collector.annotations(),
            source=reading.source(raw.line),
        )

    @abstractmethod
    def collect(self, parts: list[str], raw: Raw, collector: Collector) -> None:
        """Gathers what the parts of a label say."""


def _pair(part: str, what: str, where: str) -> tuple[str, str]:
    """``TYPE, TEXT``: the text may hold commas, the type does not."""
    kind, comma, text = part.partition(", ")
    if not comma or not kind.strip() or not text.strip():
        raise FormatError(f"expected {what}, came {part[:60]!r}", where=where)
    return kind.strip(), text.strip()


class UmieEntity(_Umie):
    """``person, Kyrie``."""

    card = _card("entity", "named entities in tweets with pictures")

    def collect(self, parts: list[str], raw: Raw, collector: Collector) -> None:
        taken: list[Range] = []
        for part in parts:
            kind, text = _pair(part, "TYPE, TEXT", raw.where)
            place = collector.place(text, used=taken)
            if place is not None:
                taken.append(place)
                collector.entity(place, kind)


class UmieRelation(_Umie):
    """``Ryan Reynolds <spot> couple <spot> Blake Lively``."""

    card = _card("relation", "the relation between two given mentions of a tweet with a picture")

    def collect(self, parts: list[str], raw: Raw, collector: Collector) -> None:
        if len(parts) != 3:
            raise FormatError(
                f"expected HEAD <spot> RELATION <spot> TAIL, came {len(parts)} parts",
                where=raw.where,
                mend="Is the file of another task of UMIE?",
            )
        head = collector.place(parts[0])
        tail = collector.place(parts[2], used=() if head is None else (head,))
        if head is None or tail is None:
            raise FormatError("head or tail is not in the text", where=raw.where)
        collector.relation(collector.mention(head), collector.mention(tail), parts[1])


class UmieTrigger(_Umie):
    """``attack, airstrike``."""

    card = _card("trigger", "events and their trigger words in news with pictures")

    def collect(self, parts: list[str], raw: Raw, collector: Collector) -> None:
        taken: list[Range] = []
        for part in parts:
            kind, text = _pair(part, "EVENT, WORD", raw.where)
            place = collector.place(text, used=taken)
            if place is not None:
                taken.append(place)
                collector.event(kind, place, ())


class UmieArgument(_Umie):
    """``attack <spot> attacker, coalition <spot> target, O1``."""

    card = _card("argument", "the arguments of an event in text and picture")

    def collect(self, parts: list[str], raw: Raw, collector: Collector) -> None:
        if "," in parts[0]:
            raise FormatError(
                f"expected EVENT before the first <spot>, came {parts[0][:60]!r}",
                where=raw.where,
                mend="Is the file of another task of UMIE?",
            )
        arguments = []
        for part in parts[1:]:
            role, text = _pair(part, "ROLE, TEXT", raw.where)
            if _OBJECT.match(text) and isinstance(raw.value, dict) and text in raw.value:
                box = _box(raw.value[text], text, raw.where)
                arguments.append((role, collector.region(text, PICTURE, box)))
                continue
            place = collector.place(text)
            if place is not None:
                arguments.append((role, collector.mention(place)))
        collector.event(parts[0], None, arguments)


def _box(value: object, name: str, where: str) -> Box:
    try:
        x1, y1, x2, y2 = (float(corner) for corner in value)  # type: ignore[attr-defined]
    except (TypeError, ValueError) as error:
        raise FormatError(
            f"expected [x1, y1, x2, y2] in {name!r}, came {value!r:.60}", where=where
        ) from error
    return Box(x1, y1, x2, y2, media=PICTURE)
