"""Small checks shared by the value classes; each raises a located, coded SchemaError."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from magpie.errors import SchemaError

#: Understood by pydantic wherever these dataclasses are read from or written to JSON. A plain
#: dict, so that constructing values never imports pydantic.
JSON_CONFIG: dict[str, Any] = {
    "extra": "forbid",
    "ser_json_bytes": "base64",
    "val_json_bytes": "base64",
    "allow_inf_nan": False,
    "strict": False,
}


def check_number(name: str, value: object, *, low: float | None = None) -> None:
    """A finite real number, at least ``low`` if given."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SchemaError(f"{name} must be a number, got {value!r}")
    if not math.isfinite(value):
        raise SchemaError(f"{name} must be finite, got {value!r}", code="schema-number")
    if low is not None and value < low:
        raise SchemaError(f"{name} must be at least {low}, got {value!r}", code="schema-number")


def check_score(name: str, value: float | None) -> None:
    """A score is a probability-like number in [0, 1], or None when nobody gave one."""
    if value is None:
        return
    check_number(name, value, low=0.0)
    if value > 1.0:
        raise SchemaError(f"{name} must be at most 1, got {value!r}", code="schema-number")


def check_id(name: str, value: object) -> None:
    """A non-empty string that JSON can carry."""
    if not isinstance(value, str):
        raise SchemaError(f"{name} must be a string, got {value!r}", code="schema-id")
    if not value:
        raise SchemaError(f"{name} is empty", code="schema-id", mend="Give it an id.")
    check_text(name, value)


def check_text(name: str, value: object) -> None:
    """Text that any JSON reader, database and terminal can carry: no NUL, no lone surrogate."""
    if not isinstance(value, str):
        raise SchemaError(f"{name} must be text, got {type(value).__name__}")
    position = value.find("\0")
    if position >= 0:
        raise SchemaError(
            f"{name} holds a NUL character at {position}",
            code="schema-text",
            mend="Remove it, or replace it by a space to keep the offsets.",
        )
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise SchemaError(
            f"{name} holds a lone surrogate (U+{ord(value[error.start]):04X}) at {error.start}",
            code="schema-text",
            mend="Decode the source as UTF-8, or replace the character by U+FFFD.",
        ) from error


def unique(kind: str, ids: Iterable[str]) -> set[str]:
    """The ids as a set.

    Raises:
        SchemaError: if one of them stands twice.
    """
    seen: set[str] = set()
    for identifier in ids:
        if identifier in seen:
            raise SchemaError(
                f"{kind} id {identifier!r} stands twice",
                code="schema-id",
                mend="Give each one an id of its own.",
            )
        seen.add(identifier)
    return seen
