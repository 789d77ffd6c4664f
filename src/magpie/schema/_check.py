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
    try:
        finite = math.isfinite(value)
    except OverflowError:  # an integer beyond the range of floats
        finite = False
    if not finite:
        raise SchemaError(f"{name} must be finite, got {value!r:.40}", code="schema-number")
    if low is not None and value < low:
        raise SchemaError(f"{name} must be at least {low}, got {value!r}", code="schema-number")


def check_integer(name: str, value: object, *, low: int | None = None) -> None:
    """A whole number of type int, at least ``low`` if given."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise SchemaError(f"{name} must be an integer, got {value!r}")
    if low is not None and value < low:
        raise SchemaError(f"{name} must be at least {low}, got {value!r}", code="schema-number")


def check_items(name: str, value: object, kind: type) -> None:
    """A tuple of ``kind``: a list would make the value mutable and unequal to its own copy."""
    if not isinstance(value, tuple):
        raise SchemaError(
            f"{name} must be a tuple of {kind.__name__}, got {type(value).__name__}",
            mend="Write tuple(...) around it.",
        )
    for index, item in enumerate(value):
        if not isinstance(item, kind):
            raise SchemaError(
                f"{name}[{index}] must be of type {kind.__name__}, got {type(item).__name__}"
            )


def check_texts(kind: str, value: object, *names: str) -> None:
    """The text fields called ``names`` of a value; None stands for "not given"."""
    for name in names:
        text = getattr(value, name)
        if text is not None:
            check_text(f"{kind}.{name}", text)


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
