"""A long extraction that a kill cannot spoil: lines out in the order of the records in, resumable.

Each record gives one line in the output where it could be read. What went wrong with it gives
lines in ``*.errors.jsonl``, written before that one. Lines are handed to the system one at a time
and in the order of the input, so after a kill the complete lines of the two files belong to the
first records of the input; what the last of them left half done is cut off. ``*.job.json``
remembers what the output was made from, so that it is never continued with other input, another
model or other options.
"""

from __future__ import annotations

import dataclasses
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from magpie._io import atomic_write, dump_json, last_complete_byte, parse_json
from magpie.engine.extractor import Extractor
from magpie.engine.failures import LineFile, error_lines, side_file
from magpie.engine.inputs import InputFile
from magpie.engine.records import Record
from magpie.errors import ConfigError, FormatError
from magpie.schema import Document

__all__ = ["Extracted", "Job", "Summary", "extract_records"]

_START_AGAIN = "Start again with --overwrite, or name another output."


@dataclass(slots=True)
class Summary:
    """What became of the records so far, those of an earlier run included.

    Args:
        documents: written.
        entities: in them.
        partial: of the documents, those with a picture that could not be used.
        failed: records that gave no document.
        resumed: records that an earlier run had done.
        seconds: wall time of this run.
    """

    documents: int = 0
    entities: int = 0
    partial: int = 0
    failed: int = 0
    resumed: int = 0
    seconds: float = 0.0

    @property
    def records(self) -> int:
        return self.documents + self.failed

    @property
    def clean(self) -> bool:
        """Whether something was written and nothing went wrong."""
        return self.documents > 0 and not self.failed and not self.partial

    def to_dict(self) -> dict[str, int | float]:
        """The shape under ``summary`` of ``magpie extract --json``."""
        return dataclasses.asdict(self)

    def count(self, document: Document) -> None:
        """Takes one more document into account."""
        if document.status == "failed":
            self.failed += 1
            return
        self.documents += 1
        self.entities += len(document.entities)
        self.partial += document.status == "partial"


class Extracted(NamedTuple):
    """A record and what became of it."""

    record: Record
    document: Document


def extract_records(
    extractor: Extractor, records: Iterable[Record], *, batch_size: int = 32
) -> Iterator[Extracted]:
    """Runs records through the extractor; they come back in order, beside their results."""
    waiting: deque[Record] = deque()

    def documents() -> Iterator[Document]:
        for record in records:
            waiting.append(record)
            yield record.document

    for document in extractor.stream(documents(), batch_size):
        yield Extracted(waiting.popleft(), document)


@dataclass(slots=True, kw_only=True)
class Job:
    """From an input to a file of lines.

    Args:
        extractor: does the work.
        input: where the records come from.
        output: file of lines; ``*.errors.jsonl`` and ``*.job.json`` stand beside it.
        line_of: one document as a line without its end; an object with the document's ``id``.
        options: everything that shapes a line and is not the extractor's; compared on resuming.
        resume: go on with a half-finished output, or begin where there is none.
        overwrite: replace an output that exists.
        limit: read at most so many records.
        batch_size: see :meth:`Extractor.stream`.
    """

    extractor: Extractor
    input: InputFile
    output: Path
    line_of: Callable[[Document], str]
    options: dict[str, Any] = field(default_factory=dict)
    resume: bool = False
    overwrite: bool = False
    limit: int | None = None
    batch_size: int = 32

    @property
    def errors(self) -> Path:
        """File of what went wrong; it exists only where something did."""
        return side_file(self.output, "errors.jsonl")

    @property
    def card(self) -> Path:
        """File that says what the output was made from."""
        return side_file(self.output, "job.json")

    def run(self, progress: Callable[[Summary], None] | None = None) -> Summary:
        """Extracts everything that is not done yet.

        Args:
            progress: called after each record.

        Raises:
            ConfigError: the output exists, and neither ``resume`` nor ``overwrite`` is set.
            FormatError: ``format-resume``, the output does not belong to this input.
        """
        begun = time.monotonic()
        summary = Summary()
        records: Iterator[Record] = islice(iter(self.input), self.limit)
        if self.resume and self.output.exists():
            self._check_card()
            records = self._rest(records, summary)
        else:
            self._begin()
        if progress is not None:
            progress(summary)
        with LineFile(self.output) as output, LineFile(self.errors) as errors:
            for record, document in extract_records(
                self.extractor, records, batch_size=self.batch_size
            ):
                for line in error_lines(record, document):
                    errors.write(dump_json(line))
                if document.status != "failed":
                    output.write(self.line_of(document))
                summary.count(document)
                if progress is not None:
                    progress(summary)
        summary.seconds = round(time.monotonic() - begun, 3)
        return summary

    def _identity(self) -> dict[str, Any]:
        provenance = self.extractor.provenance
        return {
            "format": 1,
            "input": self.input.digest(),
            "input_format": self.input.format,
            "version": provenance.version,
            "config_digest": provenance.config_digest,
            "options": self.options,
        }

    def _begin(self) -> None:
        if not self.input.is_stdin and self.output.resolve() == Path(self.input.place).resolve():
            raise ConfigError(
                "the output would replace the input",
                where=str(self.output),
                mend="Name another file.",
            )
        if self.output.exists() and not self.overwrite:
            raise ConfigError(
                "the output exists",
                where=str(self.output),
                mend="Go on with --resume, start again with --overwrite, or name another file.",
            )
        identity = self._identity()
        self.output.parent.mkdir(parents=True, exist_ok=True)
        # The output goes first and comes last: at no time does a card describe a stranger's lines.
        for path in (self.output, self.errors, self.card):
            path.unlink(missing_ok=True)
        atomic_write(self.card, dump_json(identity, indent=2) + "\n")
        self.output.touch()

    def _check_card(self) -> None:
        try:
            then = parse_json(self.card.read_text("utf-8"), where=str(self.card))
        except FileNotFoundError as error:
            raise FormatError(
                "nothing says what this output was made from: its job file is gone",
                code="format-resume",
                where=str(self.card),
                mend=_START_AGAIN,
            ) from error
        now = self._identity()
        different = [key for key in now if not isinstance(then, dict) or then.get(key) != now[key]]
        if different:
            raise FormatError(
                f"the output was begun with another {', '.join(different)}",
                code="format-resume",
                where=str(self.output),
                mend=f"Use the same input and options. {_START_AGAIN}",
            )

    def _rest(self, records: Iterator[Record], summary: Summary) -> Iterator[Record]:
        """Passes over the records that are done and cuts off what the last one left half done."""
        for path in (self.output, self.errors):
            if path.exists():
                os.truncate(path, last_complete_byte(path))
        output, errors = _Done(self.output), _Done(self.errors)
        for record in records:
            keep = errors.position
            statuses = []
            while errors.next is not None and errors.next.get("line") == record.line:
                statuses.append(errors.take()["status"])
            if "failed" in statuses:
                summary.failed += 1
            elif output.next is not None and output.next.get("id") == record.id:
                summary.documents += 1
                summary.partial += "partial" in statuses
                summary.entities += _count_entities(output.take())
            elif output.next is None and errors.next is None:
                # Its errors may have been written, its document was not: it is done again.
                if self.errors.exists():
                    os.truncate(self.errors, keep)
                return _chained(record, records)
            else:
                raise self._stranger(output, record)
            summary.resumed += 1
        if output.next is not None or errors.next is not None:
            raise self._stranger(output, None)
        return records

    def _stranger(self, output: _Done, record: Record | None) -> FormatError:
        done = "its errors go on" if output.next is None else f"has {output.next.get('id')!r}"
        found = "ends" if record is None else f"has {record.id!r} on line {record.line}"
        return FormatError(
            f"the output {done} where the input {found}",
            code="format-resume",
            where=str(self.output),
            mend=f"Use the same input. {_START_AGAIN}",
        )


class _Done:
    """The lines of an earlier run, one ahead; ``position`` is the byte where the next begins."""

    def __init__(self, path: Path) -> None:
        self.position = 0
        self._path = path
        self._lines = self._read()
        self._ahead = next(self._lines, None)

    @property
    def next(self) -> dict[str, Any] | None:
        return None if self._ahead is None else self._ahead[0]

    def take(self) -> dict[str, Any]:
        if self._ahead is None:
            raise FormatError("no further line", code="format-resume", where=str(self._path))
        value, length = self._ahead
        self.position += length
        self._ahead = next(self._lines, None)
        return value

    def _read(self) -> Iterator[tuple[dict[str, Any], int]]:
        if not self._path.exists():
            return
        with open(self._path, "rb") as stream:
            for number, line in enumerate(stream, start=1):
                where = f"{self._path}:{number}"
                value = parse_json(line, where=where)
                if not isinstance(value, dict):
                    raise FormatError(
                        "this line was not written by magpie",
                        code="format-resume",
                        where=where,
                        mend=_START_AGAIN,
                    )
                yield value, len(line)


def _count_entities(line: dict[str, Any]) -> int:
    """Entities on a line of output, be it a Document or the flat shape."""
    return len(line.get("entities") or line.get("annotations", {}).get("entities", ()))


def _chained(first: Record, rest: Iterator[Record]) -> Iterator[Record]:
    yield first
    yield from rest
