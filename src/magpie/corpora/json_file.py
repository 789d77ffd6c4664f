"""One JSON file that has to be held as a whole, because its parts refer to each other."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from magpie.corpora.source import Found, iter_found_text
from magpie.errors import FormatError

__all__ = ["MAX_JSON_CHARS", "load_json"]

#: Longest file held as a whole, in characters; COCO's train2017 has some 450 million.
MAX_JSON_CHARS = 1 << 29


def load_json(found: Found, *, max_chars: int = MAX_JSON_CHARS, drop: Collection[str] = ()) -> Any:
    """Parses a whole JSON file.

    NaN and infinity are let through as floats, so that one bad number spoils one record and not
    the file; whoever reads a number has to look.

    Args:
        found: the file.
        max_chars: longest file.
        drop: names of members that are thrown away while parsing, wherever they stand, to save
            memory.

    Raises:
        FormatError: not JSON, not UTF-8, too long, or in a damaged archive.
    """
    pieces: list[str] = []
    length = 0
    for piece in iter_found_text(found):
        length += len(piece)
        if length > max_chars:
            raise FormatError(
                f"the file is longer than {max_chars} characters",
                code="format-too-long",
                where=found.name,
                mend="It is held as a whole while it is read; split it.",
            )
        pieces.append(piece)
    text = "".join(pieces)
    if (line := _undecoded(text)) is not None:
        raise FormatError(
            "the file holds bytes that are not valid UTF-8",
            code="format-encoding",
            where=f"{found.name}:{line}",
            mend="Convert the file to UTF-8.",
        )

    def keep(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return {name: value for name, value in pairs if name not in drop}

    try:
        return json.loads(text, object_pairs_hook=keep if drop else None)
    except json.JSONDecodeError as error:
        raise FormatError(
            f"not valid JSON: {error.msg}",
            code="format-json",
            where=f"{found.name}:{error.lineno}",
            mend="Was the file cut off?",
        ) from error
    except (RecursionError, ValueError) as error:  # nested too deeply, or an endless number
        raise FormatError(
            f"not valid JSON: {error}",
            code="format-json",
            where=found.name,
            mend="Is the file of another corpus?",
        ) from error


def _undecoded(text: str) -> int | None:
    """The line of the first byte that was no UTF-8."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        return text.count("\n", 0, error.start) + 1
    return None
