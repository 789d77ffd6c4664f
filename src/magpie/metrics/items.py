"""What a scorer looks at: one flat record per mention, from documents or from flat lines."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from magpie._io import iter_lines, parse_json
from magpie.errors import ComparisonError, FormatError, MagpieError, SchemaError
from magpie.metrics.malformed import Malformed, malformed_of
from magpie.schema import Document, Entity, from_dict
from magpie.schema._check import check_text
from magpie.text.tags import ORPHAN

__all__ = ["Item", "Scored", "items_of", "need_spellings", "pair_up", "read_scored"]

XYXY = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Item:
    """One mention as scorers see it.

    ``start`` and ``end`` are code points of the document's text (blocks joined by newlines);
    ``text`` is "" where a flat line leaves it out and nobody knows the document's text;
    ``boxes`` are (medium, (x1, y1, x2, y2)), where the medium is "" when a flat line does not say.
    """

    text: str
    start: int
    end: int
    type: str
    fine_type: str | None = None
    grounding: Literal["unknown", "absent", "regions"] = "unknown"
    boxes: tuple[tuple[str, XYXY], ...] = ()
    orphan: bool = False


@dataclass(frozen=True, slots=True)
class Scored:
    """The mentions of one document; ``failed`` when its extraction failed.

    ``text`` and ``document`` are known unless it came from a flat line; offsets count in the text.
    ``tags`` are those of a column file, one a word, where a protocol reads them as they stand;
    ``malformed`` is what a parser could not read of the output that the mentions come from.
    """

    id: str
    items: tuple[Item, ...]
    failed: bool = False
    source: str | None = None
    text: str | None = None
    document: Document | None = field(default=None, compare=False, repr=False)
    tags: tuple[str, ...] | None = None
    malformed: Malformed | None = field(default=None, compare=False)


def items_of(document: Document) -> Scored:
    """A document as scorers see it; its source is ``corpus:split`` where it is known."""
    starts: dict[str, int] = {}
    position = 0
    for block in document.blocks:
        starts[block.id] = position
        position += len(block.text) + 1
    items = tuple(_item(document, entity, starts) for entity in document.entities)
    source = document.source
    name = None
    if source is not None:
        name = source.corpus if source.split is None else f"{source.corpus}:{source.split}"
    failed = document.status == "failed"
    return Scored(
        document.id,
        items,
        failed,
        name,
        document.text,
        document,
        malformed=malformed_of(document),
    )


def _item(document: Document, entity: Entity, starts: Mapping[str, int]) -> Item:
    offset = starts[entity.span.block]
    return Item(
        text=document.text_of(entity),
        start=offset + entity.span.start,
        end=offset + entity.span.end,
        type=entity.type,
        fine_type=entity.fine_type,
        grounding=entity.grounding.status,
        boxes=tuple((box.media, box.xyxy) for box in entity.boxes),
        orphan=entity.provenance is not None and ORPHAN in entity.provenance.evidence,
    )


def read_scored(path: str | os.PathLike[str]) -> Iterator[Scored]:
    """Reads a file of documents, or of the flat lines that ``magpie extract --flat`` writes.

    Raises:
        FormatError, SchemaError: at the first line that is neither, naming file and line: a score
            over a part of the file would be a wrong score.
    """
    for line in iter_lines(path):
        where = f"{os.fspath(path)}:{line.number}"
        if line.error is not None:
            raise line.error
        if not line.text.strip():
            continue
        value = parse_json(line.text, where=where)
        if isinstance(value, dict) and "blocks" not in value and "entities" in value:
            try:
                yield _flat(value)
            except MagpieError as error:
                raise error.at(where) from None
        else:
            yield items_of(from_dict(value, where=where))


def _flat(value: Mapping[str, Any]) -> Scored:
    identifier = value.get("id")
    entities = value.get("entities")
    if not isinstance(identifier, str) or not isinstance(entities, list):
        raise FormatError(
            'a flat line needs "id" (a string) and "entities" (a list)',
            mend='Write it with: magpie extract ... --flat, or give "blocks" for a full document.',
        )
    check_text("id", identifier)
    return Scored(identifier, tuple(_flat_item(entity) for entity in entities))


def _flat_item(entity: Any) -> Item:
    try:
        start, end, kind = entity["start"], entity["end"], entity["type"]
        raw = entity.get("boxes") or ()
        boxes = tuple(("", _numbers(box)) for box in raw)
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        raise FormatError(
            f"an entity needs start, end, type and boxes of four numbers; got {str(entity)[:80]}"
        ) from error
    if not isinstance(kind, str) or not (
        isinstance(start, int) and isinstance(end, int) and 0 <= start < end
    ):
        raise SchemaError(
            f"entity [{start}, {end}) of type {kind!r} has no characters or no type",
            code="schema-span",
        )
    for name in ("text", "type", "fine_type"):
        if entity.get(name) is not None:
            check_text(name, entity[name])
    status = entity.get("grounding", "regions" if boxes else "unknown")
    if status not in ("unknown", "absent", "regions"):
        raise SchemaError(f"unknown grounding {status!r}", code="schema-grounding")
    return Item(
        text=entity.get("text") or "",
        start=start,
        end=end,
        type=kind,
        fine_type=entity.get("fine_type"),
        grounding=status,
        boxes=boxes,
    )


def _numbers(box: Any) -> XYXY:
    x1, y1, x2, y2 = (float(value) for value in box)
    if not (x1 < x2 and y1 < y2):
        raise ValueError(box)
    return (x1, y1, x2, y2)


def pair_up(
    gold: Iterable[Scored], predicted: Iterable[Scored], *, allow_missing: bool = False
) -> list[tuple[Scored, Scored]]:
    """Gold and prediction of each document, in the order of the gold.

    Args:
        gold, predicted: documents in any order.
        allow_missing: score a document without prediction as an empty one.

    Raises:
        ComparisonError: ids that stand twice, are missing or are not in the gold; two texts
            under one id.
    """
    gold_by_id = _by_id(gold, "gold")
    predicted_by_id = _by_id(predicted, "predictions")
    extra = [key for key in predicted_by_id if key not in gold_by_id]
    missing = [key for key in gold_by_id if key not in predicted_by_id]
    if extra:
        raise _differ(f"{len(extra)} documents are predicted but not in the gold", extra)
    if missing and not allow_missing:
        raise _differ(
            f"{len(missing)} of {len(gold_by_id)} gold documents have no prediction", missing
        )
    pairs = []
    for key, document in gold_by_id.items():
        prediction = predicted_by_id.get(key) or Scored(key, ())
        if prediction.failed:
            prediction = replace(prediction, items=(), tags=None)
        elif document.text != prediction.text and None not in (document.text, prediction.text):
            raise _differ("gold and predictions hold different texts under one id", [key])
        if document.text is None or prediction.text is None:
            text = document.text if document.text is not None else prediction.text
            pairs.append((_spelled(document, text), _spelled(prediction, text)))
        else:
            pairs.append((document, prediction))
    return pairs


def need_spellings(documents: Iterable[Scored]) -> None:
    """For protocols that compare spellings.

    Raises:
        ComparisonError: a mention of a flat line has none, and nobody knows the text.
    """
    for scored in documents:
        if not all(item.text for item in scored.items):
            raise ComparisonError(
                f"the protocol compares spellings, and {scored.id!r} has a mention without one",
                code="compare-protocol",
                mend='Give each entity its "text", or full documents on one side.',
            )


def _spelled(scored: Scored, text: str | None) -> Scored:
    """Fills in what flat lines may leave out: the characters of a mention."""
    if text is None or scored.text is not None or all(item.text for item in scored.items):
        return scored
    items = (
        item if item.text else replace(item, text=text[item.start : item.end])
        for item in scored.items
    )
    return replace(scored, items=tuple(items))


def _by_id(documents: Iterable[Scored], what: str) -> dict[str, Scored]:
    found: dict[str, Scored] = {}
    for document in documents:
        if document.id in found:
            raise ComparisonError(
                f"document {document.id!r} stands twice in the {what}",
                code="compare-alignment",
                mend="Give each document an id of its own.",
            )
        found[document.id] = document
    return found


def _differ(message: str, ids: list[str]) -> ComparisonError:
    shown = ", ".join(repr(key) for key in ids[:5])
    return ComparisonError(
        f"{message}, first: {shown}",
        code="compare-alignment",
        mend="Score files of the same documents, or count missing ones as empty with "
        "--allow-missing.",
    )
