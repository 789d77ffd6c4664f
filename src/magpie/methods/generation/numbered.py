"""G11, the numbered list of a language model's notes (PGIM): names with a free type in brackets.

``Named entities:1. A B (person)2. C (city)Reasoning:...``. It is auxiliary text: a note of which
nothing can be read is no reason to stop.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from magpie.methods.generation.result import (
    Diagnostics,
    ParseResult,
    Target,
    UnencodableTarget,
)
from magpie.methods.generation.tuples import NamedEntity

__all__ = ["encode", "parse", "reasoning"]

_HEAD = re.compile(r"named entities\s*:", re.IGNORECASE)
_REASON = re.compile(r"reasoning\s*:", re.IGNORECASE)
_NUMBER = re.compile(r"(?<![\w.])([0-9]{1,3})\.\s")
_ENTRY = re.compile(r"(.*\S)\s*\(([^()]+)\)\W*", re.DOTALL)


def encode(items: Sequence[NamedEntity], reasoning: str = "") -> Target[NamedEntity]:
    """The list.

    Raises:
        UnencodableTarget: a name or type that would read differently (a number with a stop that
            goes on counting, "Reasoning:", brackets in a type).
    """
    listed = "".join(f"{n}. {item.name} ({item.type})" for n, item in enumerate(items, 1))
    text = f"Named entities:{listed}Reasoning:{reasoning}"
    back = parse(text)
    if back.items != tuple(items) or back.diagnostics:
        raise UnencodableTarget(f"the numbered list cannot say {items!r:.200}")
    return Target(items=tuple(items), text=text)


def parse(text: str) -> ParseResult[NamedEntity]:
    """Names and types; entries without a number or a type are skipped."""
    diagnostics = Diagnostics()
    head, reason = _HEAD.search(text), _reason(text)
    begin = head.end() if head is not None else 0
    end = reason.start() if reason is not None else len(text)
    if reason is None and text.strip():
        diagnostics.note("repair_no_reasoning", len(text))
    found: list[NamedEntity] = []
    last, start = 0, None
    body = text[begin:end]
    for number in _NUMBER.finditer(body):
        value = int(number.group(1))
        if value <= last:
            continue  # part of a name
        _entry(body, start, number.start(), begin, found, diagnostics)
        last, start = value, number.end()
    _entry(body, start, len(body), begin, found, diagnostics)
    if head is None and not found and not diagnostics.skipped and text.strip():
        diagnostics.note("unparsable", 0, text)
    return ParseResult(tuple(found), diagnostics, text)


def reasoning(text: str) -> str:
    """What stands behind "Reasoning:", "" where it is missing."""
    found = _reason(text)
    return "" if found is None else text[found.end() :].strip()


def _reason(text: str) -> re.Match[str] | None:
    """The word behind the list, not one in prose before it."""
    head = _HEAD.search(text)
    return _REASON.search(text, 0 if head is None else head.end())


def _entry(
    body: str,
    start: int | None,
    end: int,
    offset: int,
    found: list[NamedEntity],
    diagnostics: Diagnostics,
) -> None:
    own = body[start or 0 : end].strip()
    match = _ENTRY.fullmatch(own) if start is not None else None
    if match is not None and match.group(2).strip():
        found.append(NamedEntity(match.group(1).strip(), match.group(2).strip()))
    elif own and not (start is None and own.casefold().strip(".") == "none"):
        diagnostics.note("unparsable", offset + (start or 0), own)
    elif start is not None:
        diagnostics.note("unparsable", offset + start, own)
