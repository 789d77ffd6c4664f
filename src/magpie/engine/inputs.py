"""What `magpie extract` reads: JSON lines, tables, folders, texts, steps, standard input."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from magpie._io import file_digest, iter_lines, iter_open_lines
from magpie.engine.procedures import PICTURES
from magpie.engine.readers import read_json_lines, read_plain_lines, read_table
from magpie.engine.records import Columns, Record, failed_record, unreadable
from magpie.engine.texts import (
    items_in,
    pictures_beside,
    pictures_of_steps,
    read_folder,
    read_numbered,
    read_text,
    shows_steps,
)
from magpie.errors import ConfigError, FormatError, NotFoundError, SchemaError

__all__ = ["FORMATS", "InputFile", "InputFormat", "looks_like_path"]

InputFormat = Literal["jsonl", "csv", "tsv", "folder", "text", "steps", "lines"]
FORMATS: tuple[InputFormat, ...] = ("jsonl", "csv", "tsv", "folder", "text", "steps", "lines")

_BY_SUFFIX: dict[str, InputFormat] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "text",
    ".md": "steps",
}
#: endings that make a single word a file name even where no such file exists
_FILE_LIKE = {*_BY_SUFFIX, *PICTURES, ".conll", ".gz", ".html", ".json", ".parquet", ".xml", ".zip"}


def looks_like_path(argument: str) -> bool:
    """Whether a command-line argument names a file or folder rather than being the text itself.

    It does where something of that name exists, and where it is one word with a known ending: a
    misspelt file name must not be read as a text.
    """
    if argument == "-":
        return True
    if "\0" in argument:
        return False
    try:
        if argument and Path(argument).exists():
            return True
    except OSError:  # longer than any path: certainly a text
        return False
    return len(argument.split()) == 1 and Path(argument).suffix.lower() in _FILE_LIKE


@dataclass(slots=True)
class InputFile:
    """A source of records, which iterating reads.

    Args:
        place: a file, a folder, or ``-`` for standard input.
        given: format; by default from the ending, and JSON lines for standard input.
        columns: names of columns or keys.

    Raises:
        NotFoundError: there is nothing of that name.
        FormatError: the format is not recognised, or not that of what is there.
        ConfigError: an unknown name of a format.
    """

    place: str
    given: str | None = None
    columns: Columns = field(default_factory=Columns)
    format: InputFormat = field(init=False)

    def __post_init__(self) -> None:
        self.format = self._recognised()

    def _recognised(self) -> InputFormat:
        if self.is_stdin:
            if self.given in ("folder", "steps"):
                raise ConfigError(f"standard input is no {self.given.replace('steps', 'file')}")
            return self._named() or "jsonl"
        path = Path(self.place)
        if not path.exists():
            raise NotFoundError(
                "no such file or folder",
                where=self.place,
                mend="Check the path and its spelling; a text goes in quotes.",
            )
        if path.is_dir() or self.given == "folder":
            if path.is_dir() and self.given in (None, "folder"):
                return "folder"
            found = "folder" if path.is_dir() else "file"
            raise FormatError(f"expected {self.given} input, found a {found}", where=self.place)
        suffix = path.suffix.lower()
        found_format = self._named() or _BY_SUFFIX.get(suffix)
        if found_format is None:
            picture = "A picture goes with a text: --image. " if suffix in PICTURES else ""
            raise FormatError(
                f"the ending {path.suffix!r} is not known",
                code="format-unknown",
                where=self.place,
                mend=f"{picture}Name the format with --input-format: {', '.join(FORMATS)}.",
            )
        if found_format == "text" and self.given is None and shows_steps(path):
            return "steps"
        return found_format

    def _named(self) -> InputFormat | None:
        for name in FORMATS:
            if name == self.given:
                return name
        if self.given is None:
            return None
        raise ConfigError(f"input format must be one of {', '.join(FORMATS)}, got {self.given!r}")

    @property
    def is_stdin(self) -> bool:
        return self.place == "-"

    @property
    def name(self) -> str:
        """As it stands in messages."""
        return "<stdin>" if self.is_stdin else self.place

    @property
    def root(self) -> Path:
        """Folder from which the records' pictures are read."""
        if self.is_stdin:
            return Path()
        path = Path(self.place)
        return path if path.is_dir() else path.parent

    def count(self) -> int | None:
        """How many records there are at most, for a progress bar; None where nobody knows."""
        if self.is_stdin:
            return None
        if self.format == "folder":
            return len(items_in(self.root))
        if self.format in ("text", "steps"):
            return 1
        total = 0
        with open(self.place, "rb") as stream:
            while chunk := stream.read(1 << 20):
                total += chunk.count(b"\n")
        return total

    def digest(self) -> str:
        """Identity of the content, to be compared on resuming; empty for standard input.

        That of a folder covers the names and sizes of its texts and pictures, that of a text with
        steps those of its pictures as well.
        """
        if self.is_stdin:
            return ""
        if self.format == "steps":
            path = Path(self.place)
            return self._sized((path, *pictures_of_steps(path).values()), file_digest(path))
        if self.format != "folder":
            return file_digest(self.place)
        files = [each for item in items_in(self.root) for each in (*item.texts, *item.pictures)]
        return self._sized(files)

    def _sized(self, files: Iterable[Path], begin: str = "") -> str:
        total = hashlib.sha256(begin.encode())
        for each in files:
            total.update(f"{each.relative_to(self.root)}\0{each.stat().st_size}\0".encode())
        return total.hexdigest()

    def __iter__(self) -> Iterator[Record]:
        """The records in order; unreadable ones, and those whose id came before, as failed.

        Raises:
            FormatError: the header of a table lacks a column that is needed, or a folder is empty.
        """
        seen: set[int] = set()
        for record in self._records():
            if record.id is None or unreadable(record.document):
                yield record
                continue
            # 64-bit hashes instead of the ids: millions of records stay cheap.
            key = hash(record.id)
            if key in seen:
                twice = SchemaError(
                    f"the id {record.id!r} stands twice",
                    code="schema-id",
                    where=f"{self.name}:{record.line}",
                    mend="Give each record an id of its own.",
                )
                yield failed_record(record.line, record.id, twice)
                continue
            seen.add(key)
            yield record

    def _records(self) -> Iterator[Record]:
        if self.format == "folder":
            yield from read_folder(self.root)
        elif self.format in ("csv", "tsv"):
            # The descriptor of standard input is copied: closing the copy leaves the original.
            opened = os.dup(sys.stdin.fileno()) if self.is_stdin else self.place
            with open(opened, encoding="utf-8-sig", errors="surrogateescape", newline="") as stream:
                delimiter = "," if self.format == "csv" else "\t"
                yield from read_table(stream, self.name, self.columns, delimiter=delimiter)
        elif self.format == "text":
            yield self._text()
        elif self.format == "steps":
            path = Path(self.place)
            yield read_numbered(path, path.parent, path.stem)
        else:
            lines = (
                iter_open_lines(sys.stdin.buffer, name=self.name)
                if self.is_stdin
                else iter_lines(self.place)
            )
            if self.format == "jsonl":
                yield from read_json_lines(lines, self.name, self.columns)
            else:
                yield from read_plain_lines(lines, self.name)

    def _text(self) -> Record:
        if self.is_stdin:
            return read_text(sys.stdin.buffer, self.name, "stdin", [])
        path = Path(self.place)
        images = [picture.name for picture in pictures_beside(path)]
        with open(path, "rb") as stream:
            return read_text(stream, self.name, path.stem, images)
