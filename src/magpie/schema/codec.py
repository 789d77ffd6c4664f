"""Documents as JSON: one object a line, with a format version, bit-exact both ways.

Fields at their default are left out, so that a line holds what is known and nothing else.
"""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any

from magpie.errors import FormatError, MagpieError, SchemaError
from magpie.schema._check import check_text
from magpie.schema.document import Document

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

__all__ = ["FORMAT", "from_dict", "from_json", "json_schema", "to_dict", "to_json"]

#: Format version written into every line; a reader refuses versions it does not know.
FORMAT = 1


@functools.cache
def _adapter() -> TypeAdapter[Document]:
    from pydantic import TypeAdapter

    return TypeAdapter(Document)


def to_json(document: Document) -> str:
    """One line of JSON without a newline; floats in their shortest exact form."""
    body = _adapter().dump_json(document, exclude_defaults=True).decode("utf-8")
    return f'{{"format":{FORMAT},{body[1:]}'


def to_dict(document: Document) -> dict[str, Any]:
    """As :func:`to_json`, as plain JSON values."""
    body = _adapter().dump_python(document, mode="json", exclude_defaults=True)
    return {"format": FORMAT, **body}


def from_json(text: str | bytes, *, where: str = "") -> Document:
    """Reads one document.

    Args:
        text: one JSON object.
        where: file and line, for messages.

    Raises:
        FormatError: not JSON, or not an object.
        SchemaError: an object that is no valid document; the message names the field.
    """
    from magpie._io import parse_json

    return from_dict(parse_json(text, where=where), where=where)


def from_dict(value: Any, *, where: str = "") -> Document:
    """As :func:`from_json`, from parsed JSON."""
    from pydantic import ValidationError

    if not isinstance(value, dict):
        raise FormatError(
            f"expected a JSON object, found {type(value).__name__}",
            where=where,
            mend="Each line must be one Document.",
        )
    version = value.get("format", FORMAT)
    if isinstance(version, bool) or version != FORMAT:
        raise SchemaError(
            f"format {version!r} is unknown, this release reads {FORMAT}",
            code="schema-version",
            where=where,
            mend="Upgrade magpie, or write the file again.",
        )
    try:
        # Through JSON text, because only there does pydantic's strict mode (no "3" for 3, no true
        # for 1) still take an array for a tuple and base64 for bytes.
        body = {key: item for key, item in value.items() if key != "format"}
        return _adapter().validate_json(json.dumps(body), strict=True)
    except ValidationError as error:
        if error.errors(include_url=False)[0]["type"] == "json_invalid":
            _check_texts(body, "", where)
        raise _located(error, where) from None


def _check_texts(value: Any, path: str, where: str) -> None:
    """Finds the text that Python can hold and JSON cannot: a lone surrogate, with its field."""
    if isinstance(value, str):
        try:
            check_text(path, value)
        except SchemaError as error:
            raise (error.at(where) if where else error) from None
    elif isinstance(value, dict):
        for key, item in value.items():
            _check_texts(key, f"{path}: key", where)
            _check_texts(item, f"{path}.{key}".lstrip("."), where)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _check_texts(item, f"{path}.{index}", where)


def _located(error: ValidationError, where: str) -> MagpieError:
    """The first problem pydantic found, as one of ours."""
    first = error.errors(include_url=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    ours = first.get("ctx", {}).get("error")
    if isinstance(ours, MagpieError):
        located = ours.at(path) if path else ours
    else:
        received = repr(first.get("input"))
        shown = received if len(received) <= 60 else received[:57] + "..."
        code = "schema-number" if first["type"] == "finite_number" else "schema-type"
        located = SchemaError(
            f"{first['msg'][0].lower()}{first['msg'][1:]}, got {shown}", code=code, where=path
        )
    return located.at(where) if where else located


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of one line, as checked in at ``docs/document.schema.json``."""
    schema = _adapter().json_schema(mode="validation")
    properties = {"format": {"const": FORMAT, "title": "Format version"}, **schema["properties"]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"magpie/document/{FORMAT}",
        **schema,
        "properties": properties,
    }
