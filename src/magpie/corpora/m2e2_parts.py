"""The records of M2E2: sentences with entities and events, pictures with an event and boxes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from magpie.corpora.anomaly import Anomaly, Report
from magpie.corpora.forms import page_box
from magpie.corpora.records import field as item_of
from magpie.corpora.records import word_list
from magpie.errors import FormatError
from magpie.schema import Argument, Block, Box, Entity, Media, Region

__all__ = [
    "Mention",
    "PictureEvent",
    "Sentence",
    "TextEvent",
    "article_of",
    "entities_of",
    "read_picture",
    "read_sentence",
    "regions_of",
    "text_arguments",
]


@dataclass(frozen=True, slots=True)
class Mention:
    """Words ``start`` up to but excluding ``end``; ``kind`` is an entity type or a role."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class TextEvent:
    """An event that words trigger; ``arguments`` are mentions whose kind is the role."""

    type: str
    start: int
    end: int
    arguments: tuple[Mention, ...]


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence record; ``images`` are the file names of its article's pictures."""

    id: str
    words: list[str]
    entities: tuple[Mention, ...]
    events: tuple[TextEvent, ...]
    images: tuple[str, ...]
    where: str
    line: int

    def block(self, identifier: str = "b0") -> Block:
        """The sentence as a block of its words."""
        return Block.from_words(self.words, id=identifier)

    def event(self, kind: str) -> TextEvent | None:
        """The first event of that type."""
        return next((event for event in self.events if event.type == kind), None)


@dataclass(frozen=True, slots=True)
class PictureEvent:
    """The event that a picture shows; ``roles`` are (role, box) in file order."""

    id: str
    type: str
    roles: tuple[tuple[str, Box], ...]
    where: str
    line: int


def article_of(identifier: str) -> str:
    """The article of a sentence or picture: its id without the last ``_<number>``."""
    return identifier.rpartition("_")[0] or identifier


def read_sentence(
    value: object, *, types: Iterable[str], where: str, line: int, report: Report
) -> Sentence:
    """One record of a sentence file.

    Args:
        value: as parsed from JSON.
        types: the event types that may occur.
        where, line: its place.
        report: is called where a quoted text is not that of its place.

    Raises:
        FormatError: it lacks something, or a place lies outside the sentence.
    """
    identifier = item_of(value, "sentence_id", str, where)
    words = word_list(item_of(value, "words", list, where), "words", where)

    def mention(item: object, kind: str) -> Mention:
        start, end = (item_of(item, name, int, where) for name in ("start", "end"))
        text = item_of(item, "text", str, where)
        if not 0 <= start < end <= len(words):
            raise FormatError(
                f"{text[:40]!r} at words [{start}, {end}) of {len(words)}",
                code="schema-span",
                where=where,
            )
        there = " ".join(words[start:end])
        if "".join(there.split()) != "".join(text.split()):
            message = f"{text[:40]!r} is said to stand where {there[:40]!r} stands"
            report(Anomaly("name-mismatch", message, where, identifier))
        return Mention(kind, start, end)

    entities = [
        mention(item, item_of(item, "entity-type", str, where))
        for item in item_of(value, "golden-entity-mentions", list, where)
    ]
    events = []
    for item in item_of(value, "golden-event-mentions", list, where):
        kind = _event_type(item, types, where)
        trigger = mention(item_of(item, "trigger", dict, where), kind)
        arguments = tuple(
            mention(argument, item_of(argument, "role", str, where))
            for argument in item_of(item, "arguments", list, where)
        )
        events.append(TextEvent(kind, trigger.start, trigger.end, arguments))
    images = item_of(value, "image", list, where)
    if images:
        images = word_list(images, "image", where)
    return Sentence(identifier, words, tuple(entities), tuple(events), tuple(images), where, line)


def _event_type(item: object, types: Iterable[str], where: str) -> str:
    kind = item_of(item, "event_type", str, where)
    if kind not in types:
        raise FormatError(
            f"M2E2 has no event type {kind[:40]!r}, its types are {', '.join(types)}",
            where=where,
            mend="Is this the file of another corpus?",
        )
    return kind


def read_picture(
    key: str | None,
    value: object,
    *,
    types: Iterable[str],
    where: str,
    line: int,
    report: Report,
) -> PictureEvent:
    """One member of a picture file; boxes are ``[noun id, x1, y1, x2, y2]`` in pixels.

    Args:
        key: the picture's id.
        value, types, where, line: as for :func:`read_sentence`.
        report: is called for each box that is none.

    Raises:
        FormatError: it lacks something.
    """
    if key is None:
        raise FormatError(
            "expected a picture id in front of the record",
            where=where,
            mend="Is this the file of another corpus?",
        )
    roles: list[tuple[str, Box]] = []
    for role, rows in item_of(value, "role", dict, where).items():
        if not isinstance(rows, list):
            raise FormatError(f"expected a list of boxes for {role!r}", where=where)
        for row in rows:
            corners = row[1:] if isinstance(row, list) and len(row) == 5 else row
            box = page_box(corners, f"{role} of {key}", Media(), where, key, report)
            if box is not None:
                roles.append((role, box))
    return PictureEvent(key, _event_type(value, types, where), tuple(roles), where, line)


def entities_of(
    sentence: Sentence, block: Block, kinds: Mapping[str, str], first: int = 0
) -> list[Entity]:
    """The sentence's entities, their types mapped by ``kinds``; ids count from ``first``."""
    return [
        Entity(
            id=f"e{number}",
            span=block.word_span(m.start, m.end),
            type=kinds.get(m.kind, m.kind),
        )
        for number, m in enumerate(sentence.entities, start=first)
    ]


def text_arguments(
    event: TextEvent, sentence: Sentence, entities: list[Entity]
) -> tuple[Argument, ...]:
    """The event's arguments; each must be one of the sentence's entities.

    Raises:
        FormatError: one is not.
    """
    by_place = {
        (mention.start, mention.end): entity.id
        for mention, entity in zip(sentence.entities, entities, strict=True)
    }
    arguments = []
    for argument in event.arguments:
        target = by_place.get((argument.start, argument.end))
        if target is None:
            raise FormatError(
                f"the {argument.kind} of an event is no entity of its sentence",
                code="schema-reference",
                where=sentence.where,
            )
        arguments.append(Argument(role=argument.kind, target=target))
    return tuple(arguments)


def regions_of(
    picture: PictureEvent, media: str, first: int = 0
) -> tuple[list[Region], tuple[Argument, ...]]:
    """A region a box with ids that count from ``first``, and the arguments that name them."""
    regions, arguments = [], []
    for number, (role, box) in enumerate(picture.roles, start=first):
        place = Box(*box.xyxy, media=media)
        regions.append(Region(media=media, box=place, label=role, id=f"r{number}"))
        arguments.append(Argument(role=role, target=f"r{number}"))
    return regions, tuple(arguments)
