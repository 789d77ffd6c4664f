"""Markdown for generated pages: text that cannot become markup, tables, folders of pages."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from magpie._io import atomic_write

__all__ = ["bullets", "code", "plain", "table", "write_pages"]

_NUMBER = re.compile(r"[-\d.,/ ]*")
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|$~])")


def plain(text: object) -> str:
    """Text as it is, on one line; marks that mean something are escaped."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(text).split()))


def code(text: object) -> str:
    """Text in the typewriter face; for a table, bars in it are escaped."""
    inside = " ".join(str(text).split())
    fence = "`" * (max(map(len, re.findall("`+", inside)), default=0) + 1)
    pad = " " if inside.startswith("`") or inside.endswith("`") else ""
    return f"{fence}{pad}{inside}{pad}{fence}".replace("|", "\\|")


def bullets(lines: Iterable[str]) -> str:
    """A list; its lines are markdown already."""
    return "".join(f"- {line}\n" for line in lines)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; headings and cells are markdown already, columns of numbers stand to the right."""
    body = list(rows)
    marks = [
        "---:" if any(column) and all(map(_NUMBER.fullmatch, column)) else "---"
        for column in ([row[index] for row in body] for index in range(len(headings)))
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in (headings, marks, *body))


def write_pages(folder: str | os.PathLike[str], pages: Mapping[str, str]) -> None:
    """Writes file name -> text; other markdown files of the folder are removed."""
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        atomic_write(place / name, text)
    for path in place.glob("*.md"):
        if path.name not in pages:
            path.unlink()
