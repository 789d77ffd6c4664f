"""Chat messages for instruction tuning and for asking a model: one JSON object a line.

::

    {"messages": [{"role": "system", "content": [...]},
                  {"role": "user", "content": [{"type": "image", "image": "a.jpg"},
                                               {"type": "text", "text": "..."}]},
                  {"role": "assistant", "content": [{"type": "text", "text": "{...}"}]}],
     "template": "extract@1", "boxes": "pixels", "images": ["m0"], "held": [], "document": {...}}

``messages`` is all that a trainer needs. A document that nobody annotated gets no answer: the line
is a question to a model. ``template`` names the wording, which never changes under its name.
``images`` are the pictures that are shown, in order, and ``held`` those of them whose bytes stand
in the messages and nowhere else. ``document`` is the document without what was extracted, so that
answers written into the same lines are read back by :func:`read` (rules and counts:
:mod:`magpie.export.chat_answers`).
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from magpie._io import dump_json, iter_lines, parse_json
from magpie.errors import ConfigError, FormatError, MagpieError
from magpie.export._pictures import encoded_picture
from magpie.export.chat_answers import BoxUnit, read_answer
from magpie.export.report import ExportReport
from magpie.schema import Box, Document, Entity, Media, from_dict, to_dict
from magpie.text.locate import Locator

__all__ = ["TEMPLATES", "read", "write"]

#: name@version -> the system message; what stands under a name is never changed.
TEMPLATES: dict[str, str] = {
    "extract@1": (
        "You find entities in a text that may come with pictures. Answer with one JSON object "
        "and nothing else:\n"
        '{"entities": [{"text": ..., "type": ..., "fine_type": ..., "boxes": [{"image": n, '
        '"box": [x1, y1, x2, y2]}]}], "relations": [{"head": i, "type": ..., "tail": j}]}\n'
        "Copy each entity's text letter by letter, in the order of the text. Leave out fine_type "
        "and boxes where they are not known; an empty list of boxes means that the entity is in "
        "no picture. Pictures are numbered from 1. The ends of a relation are the places of its "
        "entities in the list, from 0. Where a string occurs several times and its order does not "
        'tell which is meant, add "occurrence": k, counted from 1.'
    )
}

_UNITS = {
    "pixels": "Boxes are in pixels.",
    "thousandths": "Boxes are in thousandths of the picture's width and height.",
}

Style = Literal["parts", "openai"]


def write(
    documents: Iterator[Document],
    path: Path,
    report: ExportReport,
    *,
    template: str = "extract@1",
    style: Style = "parts",
    boxes: BoxUnit = "pixels",
    types: str | Sequence[str] = (),
    embed: bool = False,
    root: Path | None = None,
) -> None:
    """One line a document.

    Args:
        template: a key of :data:`TEMPLATES`.
        style: how a picture is named: ``parts``: ``{"type": "image", "image": ...}`` as the chat
            templates of open models read it; ``openai``: ``{"type": "image_url", ...}``, and
            content that is only text as a plain string.
        boxes: what coordinates count; ``pixels`` are exact, ``thousandths`` are rounded to whole
            ones and a loss for it.
        types: the types that the question names; in one text they are parted by commas.
        embed: put pictures into the file, as data addresses; without it only those held as bytes.
        root: where relative picture paths start.

    Raises:
        ConfigError: no such template, style or unit.
    """
    for name, value, known in (
        ("template", template, tuple(TEMPLATES)),
        ("style", style, get_args(Style)),
        ("boxes", boxes, get_args(BoxUnit)),
    ):
        if value not in known:
            raise ConfigError(f"{name} must be one of {', '.join(known)}, got {value!r}")
    system = f"{TEMPLATES[template]}\n{_UNITS[boxes]}"
    if types:
        names = types.split(",") if isinstance(types, str) else types
        system += f"\nTypes: {dump_json([name.strip() for name in names])}"
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        for document in documents:
            pictures = list(_pictures(document, embed, root, report))
            question = [_image(address, style) for _, address in pictures]
            messages = [
                {"role": "system", "content": _text(system, style)},
                {
                    "role": "user",
                    "content": [*question, {"type": "text", "text": document.text}]
                    if question
                    else _text(document.text, style),
                },
            ]
            images = [medium.id for medium, _ in pictures]
            if document.annotations is not None:
                target = dump_json(_target(document, images, boxes, report))
                messages.append({"role": "assistant", "content": _text(target, style)})
            line = {
                "messages": messages,
                "template": template,
                "boxes": boxes,
                "images": images,
                "held": [medium.id for medium, _ in pictures if medium.data is not None],
                "document": _question(document),
            }
            stream.write(dump_json(line) + "\n")


def _text(text: str, style: Style) -> Any:
    return text if style == "openai" else [{"type": "text", "text": text}]


def _image(address: str, style: Style) -> dict[str, Any]:
    if style == "openai":
        return {"type": "image_url", "image_url": {"url": address}}
    return {"type": "image", "image": address}


def _question(document: Document) -> dict[str, Any]:
    """The document without annotations; pictures held as bytes stand in the messages."""
    value = to_dict(document.with_annotations(None))
    for medium in value.get("media", ()):
        medium.pop("data", None)
    return value


def _pictures(
    document: Document, embed: bool, root: Path | None, report: ExportReport
) -> Iterator[tuple[Media, str]]:
    """The pictures that the model is shown, and where each is."""
    for medium in document.media:
        if medium.kind != "image" or not medium.present:
            if medium.data is not None:
                report.lose("data", document, medium.id, why="no picture")
            continue
        if medium.data is None and not embed:
            yield medium, str(medium.uri)
            continue
        data = encoded_picture(document, medium, root, report)
        if data is None and medium.data is not None:
            report.lose("data", document, medium.id, why="not shown")
        if data is not None:
            kind = _mime(data)
            yield medium, f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _mime(data: bytes) -> str:
    """Of the four kinds of pictures that are accepted anywhere."""
    if data.startswith(b"\x89PNG"):
        return "image/png"
    if data.startswith(b"GIF8"):
        return "image/gif"
    return "image/webp" if data[8:12] == b"WEBP" else "image/jpeg"


# the answer


def _target(
    document: Document, images: list[str], boxes: BoxUnit, report: ExportReport
) -> dict[str, Any]:
    """What the model is to answer, made so that reading it gives the same entities."""
    starts, at = {}, 0
    for block in document.blocks:
        starts[block.id] = at
        at += len(block.text) + 1
    order = sorted(
        document.entities, key=lambda e: (starts[e.span.block] + e.span.start, e.span.end)
    )
    order = _once(document, order, report)
    spans = [
        (starts[e.span.block] + e.span.start, starts[e.span.block] + e.span.end) for e in order
    ]
    items = []
    for entity, number in zip(order, _occurrences(document.text, spans), strict=True):
        item: dict[str, Any] = {"text": document.text_of(entity), "type": entity.type}
        if number is not None:
            item["occurrence"] = number
        if entity.fine_type is not None:
            item["fine_type"] = entity.fine_type
        if entity.grounding.status != "unknown":
            found = _boxes(document, entity, images, boxes, report)
            if found or entity.grounding.status == "absent":
                item["boxes"] = found
            else:
                report.lose("groundings", document, entity.id, why="no box of a shown picture")
        items.append(item)
    for index, region in enumerate(document.annotations.regions if document.annotations else ()):
        if region.box is not None:
            report.lose("boxes", document, region.id or f"region {index}", why="shows no entity")
    places = {entity.id: place for place, entity in enumerate(order)}
    relations = []
    for relation in document.annotations.relations if document.annotations else ():
        if relation.head in places and relation.tail in places:
            ends = {"head": places[relation.head], "tail": places[relation.tail]}
            relations.append({"head": ends["head"], "type": relation.type, "tail": ends["tail"]})
        else:
            report.lose("relations", document, relation.id, why="an end is no entity")
    return {"entities": items, "relations": relations} if relations else {"entities": items}


def _once(document: Document, entities: list[Entity], report: ExportReport) -> list[Entity]:
    """Without those that say the same of the same place as one before."""
    known = set()
    kept = []
    for entity in entities:
        key = (entity.span, entity.type, entity.fine_type)
        if key in known:
            report.lose("entities", document, entity.id, why="said twice")
        else:
            known.add(key)
            kept.append(entity)
    return kept


def _occurrences(text: str, spans: list[tuple[int, int]]) -> list[int | None]:
    """Which occurrence each string must name to come back where it was; None where none must."""
    strings = [text[start:end] for start, end in spans]
    numbers = [_number(text, start, end) for start, end in spans]
    locator = Locator(text)
    wrong: set[int] = set()
    while True:  # those that name their occurrence take places from the others
        rest = [i for i in range(len(spans)) if i not in wrong]
        used = [spans[i] for i in sorted(wrong)]
        found = locator.locate_each([strings[i] for i in rest], in_order=True, used=used)
        more = {i for i, p in zip(rest, found, strict=True) if not p.found or p.span != spans[i]}
        if not more:
            break
        wrong |= more
    return [number if i in wrong else None for i, number in enumerate(numbers)]


def _number(text: str, start: int, end: int) -> int:
    """1-based number of the place among those of the same characters, overlapping ones too."""
    string, number, place = text[start:end], 1, text.find(text[start:end])
    while place < start:
        number += 1
        place = text.find(string, place + 1)
    return number


def _boxes(
    document: Document, entity: Entity, images: list[str], unit: BoxUnit, report: ExportReport
) -> list[dict[str, Any]]:
    found = []
    for index, region in enumerate(entity.grounding.regions):
        if region.box is None:
            continue  # masks and times are losses of the format
        name = f"{entity.id} region {index}"
        corners = _corners(document.medium(region.media), region.box, unit)
        if region.media not in images or corners is None:
            why = "picture not shown" if region.media not in images else "size of picture unknown"
            report.lose("boxes", document, name, why=why)
            continue
        found.append({"image": images.index(region.media) + 1, "box": corners})
        if unit == "thousandths":
            report.lose("boxes", document, name, why="rounded")
    return found


def _corners(medium: Media, box: Box, unit: BoxUnit) -> list[float] | None:
    """Thousandths are rounded outwards, so that no box becomes empty."""
    if unit == "pixels":
        return [int(value) if value == int(value) else value for value in box.xyxy]
    if medium.width is None or medium.height is None:
        return None
    x1, x2 = (1000 * x / medium.width for x in (box.x1, box.x2))
    y1, y2 = (1000 * y / medium.height for y in (box.y1, box.y2))
    return [math.floor(x1), math.floor(y1), math.ceil(x2), math.ceil(y2)]


# reading


def read(path: Path, problem: Callable[[MagpieError], None]) -> Iterator[Document]:
    """Streams the documents with what the last assistant message of each line says of them.

    Lines of other origin need a ``document``, or a user message with a text. What is left out of an
    answer is reported, one problem a line; without an answer the document is not annotated.
    """
    for line in iter_lines(path):
        where = f"{path}:{line.number}"
        if line.error is None and not line.text.strip():
            continue
        try:
            if line.error is not None:
                raise line.error
            value = parse_json(line.text, where=where)
            if not isinstance(value, dict) or not isinstance(value.get("messages"), list):
                raise FormatError("expected an object with messages", where=where)
            document, counts = _read(value, f"{path.stem}-{line.number}", where)
        except MagpieError as error:
            problem(error if error.where else error.at(where))
            continue
        if counts:
            problem(FormatError(f"left out of the answer: {counts}", where=where))
        yield document


def _read(value: dict[str, Any], default: str, where: str) -> tuple[Document, str]:
    messages = value["messages"]
    if isinstance(value.get("document"), dict):
        document = from_dict(value["document"], where=where)
    else:
        document = Document.from_text(_said(messages, "user", where), id=default)
    images = value.get("images")
    known = [medium.id for medium in document.media]
    if not isinstance(images, list) or any(each not in known for each in images):
        images = None
    held = value.get("held")
    document = _with_data(document, images or [], held if isinstance(held, list) else [], messages)
    if not any(isinstance(m, dict) and m.get("role") == "assistant" for m in messages):
        return document, ""
    unit: BoxUnit = "thousandths" if value.get("boxes") == "thousandths" else "pixels"
    answer = read_answer(document, _said(messages, "assistant", where), boxes=unit, images=images)
    left = {c: n for c, n in sorted(answer.counts.items()) if not c.startswith("repair-")}
    counts = ", ".join(f"{code} {count}" for code, count in left.items())
    return document.with_annotations(answer.annotations), counts


def _said(messages: list[Any], role: str, where: str) -> str:
    """The text of the last message of a role."""
    for message in reversed(messages):
        if isinstance(message, dict) and message.get("role") == role:
            content = message.get("content")
            parts = [content] if isinstance(content, str) else _parts(message)
            return "".join(
                part if isinstance(part, str) else str(part.get("text", "")) for part in parts
            )
    raise FormatError(f"no message of the role {role}", where=where)


def _parts(message: dict[str, Any]) -> list[Any]:
    content = message.get("content")
    return [p for p in content if isinstance(p, dict | str)] if isinstance(content, list) else []


def _with_data(
    document: Document, images: list[str], held: list[Any], messages: list[Any]
) -> Document:
    """The pictures whose bytes stand in the messages only, put back."""
    addresses = []
    for message in messages:
        for part in _parts(message) if isinstance(message, dict) else ():
            if isinstance(part, dict) and part.get("type") in ("image", "image_url"):
                given = part.get("image") or part.get("image_url")
                addresses.append(given.get("url") if isinstance(given, dict) else given)
    data = dict(zip(images, map(_data, addresses), strict=False))
    media = tuple(
        dataclasses.replace(medium, data=data.get(medium.id)) if medium.id in held else medium
        for medium in document.media
    )
    return dataclasses.replace(document, media=media)


def _data(address: Any) -> bytes | None:
    if not isinstance(address, str) or not address.startswith("data:"):
        return None
    try:
        return base64.b64decode(address.partition(",")[2], validate=True)
    except binascii.Error:
        return None
