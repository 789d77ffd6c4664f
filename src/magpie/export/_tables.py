"""Documents as rows of flat tables, and back: the one shape of the CSV and the Parquet export.

``documents`` has a row a document; every other table names it in ``document``, and its rows stand
in the order of the documents, so that both ways stream. What has no columns of its own (words,
masks, provenance) is one JSON text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from magpie._io import dump_json, parse_json
from magpie.errors import FormatError
from magpie.schema import Document, from_dict, to_dict

__all__ = ["TABLES", "Kind", "Row", "document_of", "rows_of"]

#: What a column holds; ``json`` is a text, too, and ``bytes`` only in tables that can hold it.
Kind = Literal["text", "integer", "number", "flag", "json", "bytes"]

Row = dict[str, Any]

_BOX: dict[str, Kind] = {"x1": "number", "y1": "number", "x2": "number", "y2": "number"}
_BY: dict[str, Kind] = {"score": "number", "provenance": "json"}

#: table -> column -> what it holds
TABLES: dict[str, dict[str, Kind]] = {
    "documents": {
        "document": "text",
        "text": "text",
        "status": "text",
        "annotated": "flag",
        "provenance": "json",
        "corpus": "text",
        "split": "text",
        "file": "text",
        "line": "integer",
        "digest": "text",
    },
    "blocks": {
        "document": "text",
        "block": "text",
        "text": "text",
        "words": "json",
        "step": "integer",
        "media": "text",
        "box_media": "text",
        **_BOX,
    },
    "media": {
        "document": "text",
        "media": "text",
        "kind": "text",
        "uri": "text",
        "width": "integer",
        "height": "integer",
        "duration": "number",
        "missing": "text",
        "data": "bytes",
    },
    "context": {
        "document": "text",
        "kind": "text",
        "text": "text",
        "source": "text",
        "media": "text",
    },
    "problems": {
        "document": "text",
        "code": "text",
        "message": "text",
        "where": "text",
        "mend": "text",
    },
    "entities": {
        "document": "text",
        "entity": "text",
        "block": "text",
        "start": "integer",
        "end": "integer",
        "text": "text",
        "type": "text",
        "fine_type": "text",
        "grounding": "text",
        **_BY,
    },
    "regions": {
        "document": "text",
        "entity": "text",
        "region": "text",
        "media": "text",
        **_BOX,
        "time_start": "number",
        "time_end": "number",
        "mask": "json",
        "label": "text",
        **_BY,
    },
    "relations": {
        "document": "text",
        "relation": "text",
        "head": "text",
        "type": "text",
        "tail": "text",
        **_BY,
    },
    "events": {
        "document": "text",
        "event": "text",
        "type": "text",
        "block": "text",
        "start": "integer",
        "end": "integer",
        "media": "text",
        **_BY,
    },
    "arguments": {
        "document": "text",
        "event": "text",
        "role": "text",
        "target": "text",
        "score": "number",
    },
    "links": {"document": "text", "head": "text", "tail": "text", "score": "number"},
}


def rows_of(document: Document) -> dict[str, list[Row]]:
    """The rows of each table; a cell that is not there is left out.

    ``text`` of documents and entities is for the reader of the table only; reading passes it over.
    """
    value = to_dict(document)
    parts = value.get("annotations") or {}
    rows: dict[str, list[Row]] = {name: [] for name in TABLES}
    rows["documents"].append(
        {
            "text": document.text,
            "status": document.status,
            "annotated": document.annotations is not None,
            "provenance": parts.get("provenance"),
            **(value.get("source") or {}),
        }
    )
    for source in value["blocks"]:
        block = {"id": "b0", **source}
        box = block.pop("box", None) or {}
        place = {**_renamed(box, media="box_media"), **_renamed(block, id="block")}
        rows["blocks"].append(place)
    for number, source in enumerate(value.get("media", ())):
        row = {"kind": "image", **_renamed({"id": document.media[number].id, **source}, id="media")}
        if "data" in row:
            row["data"] = document.media[number].data
        rows["media"].append(row)
    rows["context"] = list(value.get("context", ()))
    rows["problems"] = list(value.get("problems", ()))
    for region in parts.get("regions", ()):
        rows["regions"].append(_region_row(region))
    for number, source in enumerate(parts.get("entities", ())):
        row = _renamed(source, id="entity")
        grounding = row.pop("grounding", {})
        row["grounding"] = grounding.get("status", "unknown")
        row["text"] = document.text_of(document.entities[number])
        rows["entities"].append({**row.pop("span"), **row})
        for region in grounding.get("regions", ()):
            rows["regions"].append({"entity": source["id"], **_region_row(region)})
    for relation in parts.get("relations", ()):
        rows["relations"].append(_renamed(relation, id="relation"))
    for event in parts.get("events", ()):
        row = _renamed(event, id="event")
        for argument in row.pop("arguments", ()):
            rows["arguments"].append({"event": event["id"], **argument})
        rows["events"].append({**(row.pop("trigger", None) or {}), **row})
    rows["links"] = list(parts.get("links", ()))
    for name, found in rows.items():
        kinds = TABLES[name]
        rows[name] = [
            {
                "document": document.id,
                **{
                    k: dump_json(v) if kinds[k] == "json" else v
                    for k, v in row.items()
                    if v is not None
                },
            }
            for row in found
        ]
    return rows


def _renamed(value: Row, **names: str) -> Row:
    return {names.get(key, key): item for key, item in value.items()}


def _region_row(source: Row) -> Row:
    region = _renamed(source, id="region")
    box, time = region.pop("box", None) or {}, region.pop("time", None) or {}
    row = {**region, **{corner: box[corner] for corner in _BOX if box}}
    return row | {f"time_{end}": time[end] for end in ("start", "end") if time}


def document_of(rows: dict[str, list[Row]], *, where: str) -> Document:
    """The document of its rows; cells that are empty are left out of them.

    Raises:
        FormatError, SchemaError: a cell that is missing, or of a value that cannot be.
    """
    try:
        return from_dict(_value(rows), where=where)
    except KeyError as error:
        raise FormatError(f"a row without {error.args[0]}", where=where) from error


def _value(rows: dict[str, list[Row]]) -> Row:
    head = dict(rows["documents"][0])
    value: Row = {
        "id": head["document"],
        "status": head.get("status", "ok"),
        "blocks": [_block(row) for row in rows["blocks"]],
        "media": [_without(_renamed(row, media="id"), "document") for row in rows["media"]],
        "context": [_without(row, "document") for row in rows["context"]],
        "problems": [_without(row, "document") for row in rows["problems"]],
    }
    if "corpus" in head:
        keys = ("corpus", "split", "file", "line", "digest")
        value["source"] = {key: head[key] for key in keys if key in head}
    if head.get("annotated", True):
        value["annotations"] = _annotations(rows, head)
    return value


def _annotations(rows: dict[str, list[Row]], head: Row) -> Row:
    shown: dict[str, list[Row]] = {}
    free: list[Row] = []
    for row in rows["regions"]:
        region = _region(row)
        (shown.setdefault(row["entity"], []) if "entity" in row else free).append(region)
    arguments: dict[str, list[Row]] = {}
    for row in rows["arguments"]:
        found = arguments.setdefault(row["event"], [])
        found.append(_without(row, "document", "event"))
    parts: Row = {
        "entities": [_entity(row, shown.pop(row["entity"], [])) for row in rows["entities"]],
        "regions": free,
        "relations": [
            _parsed(_without(_renamed(row, relation="id"), "document")) for row in rows["relations"]
        ],
        "events": [_event(row, arguments.pop(row["event"], [])) for row in rows["events"]],
        "links": [_without(row, "document") for row in rows["links"]],
    }
    for owner in (*shown, *arguments):
        raise FormatError(f"rows of {owner!r}, which is no entity or event of the document")
    if "provenance" in head:
        parts["provenance"] = parse_json(head["provenance"])
    return parts


def _block(row: Row) -> Row:
    block = _without(_renamed(row, block="id"), "document", "box_media", "words", *_BOX)
    if "words" in row:
        block["words"] = parse_json(row["words"])
    if "box_media" in row:
        block["box"] = {corner: row[corner] for corner in _BOX} | {"media": row["box_media"]}
    return block


def _entity(row: Row, regions: list[Row]) -> Row:
    entity = _parsed(_without(_renamed(row, entity="id"), "document", "text", *_SPAN))
    entity["span"] = {key: row[key] for key in _SPAN}
    status = row.get("grounding", "regions" if regions else "unknown")
    entity["grounding"] = {"status": status, "regions": regions}
    return entity


def _region(row: Row) -> Row:
    region = _parsed(
        _without(_renamed(row, region="id"), "document", "entity", "time_start", "time_end", *_BOX)
    )
    if "x1" in row:
        region["box"] = {corner: row[corner] for corner in _BOX} | {"media": row["media"]}
    if "time_start" in row:
        region["time"] = {"start": row["time_start"], "end": row["time_end"]}
    return region


def _event(row: Row, arguments: list[Row]) -> Row:
    event = _parsed(_without(_renamed(row, event="id"), "document", *_SPAN))
    if "block" in row:
        event["trigger"] = {key: row[key] for key in _SPAN}
    event["arguments"] = arguments
    return event


_SPAN = ("block", "start", "end")


def _without(row: Row, *names: str) -> Row:
    return {key: item for key, item in row.items() if key not in names}


def _parsed(row: Row) -> Row:
    """JSON cells parsed; the others stay."""
    return {
        key: parse_json(item) if key in ("provenance", "mask") else item
        for key, item in row.items()
    }


def merged(
    tables: dict[str, Iterator[Row]],
) -> Iterator[tuple[dict[str, list[Row]], dict[str, Row | None]]]:
    """The rows of one document after the other, from tables in the order of the documents.

    Yields:
        The rows by table, and the row at which each table stands afterwards (None at its end).
    """
    ahead = {name: next(rows, None) for name, rows in tables.items()}
    while (head := ahead["documents"]) is not None:
        found: dict[str, list[Row]] = {name: [] for name in TABLES}
        found["documents"].append(head)
        ahead["documents"] = next(tables["documents"], None)
        for name, rows in tables.items():
            row = ahead[name]
            while name != "documents" and row and row.get("document") == head.get("document"):
                found[name].append(row)
                row = ahead[name] = next(rows, None)
        yield found, ahead
