"""One record of an input: a whole Document, or an id with a text and perhaps pictures.

A record that cannot be read becomes a document with status ``failed`` and the reason, so that it
keeps its place among the others and never stops them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from magpie.engine.procedures import procedure, steps_of_record
from magpie.errors import FormatError, MagpieError, SchemaError
from magpie.schema import Block, ContextText, Document, Media, Problem

__all__ = [
    "Columns",
    "Record",
    "document_of",
    "failed_document",
    "failed_record",
    "made_record",
    "unreadable",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Names of the columns of a table, or of the keys of simple JSON records."""

    id: str = "id"
    text: str = "text"
    image: str = "image"
    caption: str = "caption"
    steps: str = "steps"
    title: str = "title"


class Record(NamedTuple):
    """One record of the input: its 1-based line, its id where it has one, and its document."""

    line: int
    id: str | None
    document: Document


def document_of(
    record: Mapping[str, Any], *, where: str = "", columns: Columns | None = None
) -> Document:
    """The document of one parsed record: a whole Document, or ``id``, ``text``, ``image``.

    Args:
        record: has ``blocks`` where it is a whole document, and ``steps`` where it is a procedure:
            a list of texts, or of objects with ``text`` and perhaps ``image`` and ``caption``;
            ``title`` may stand beside it. Else ``image`` is a path or address or a list of them,
            ``caption`` a text about the picture, and other keys are ignored.
        where: file and line, for messages.
        columns: other names for the keys.

    Raises:
        FormatError, SchemaError: what is missing or wrong.
    """
    if "blocks" in record:
        from magpie.schema import from_dict

        return from_dict(dict(record), where=where)
    columns = columns or Columns()
    identifier = record.get(columns.id)
    if isinstance(identifier, int) and not isinstance(identifier, bool):
        identifier = str(identifier)
    wanted = [(columns.id, identifier)]
    is_procedure = columns.steps in record and columns.text not in record
    if not is_procedure:
        wanted.append((columns.text, record.get(columns.text)))
    for name, value in wanted:
        if not isinstance(value, str):
            found = "nothing" if value is None else repr(value)[:60]
            raise FormatError(
                f"expected a string as {name!r}, found {found}",
                where=where,
                mend=f"A record needs {columns.id!r} and {columns.text!r}, or be a Document.",
            )
    if is_procedure:
        names = (columns.text, columns.image, columns.caption)
        title = record.get(columns.title)
        return procedure(
            str(identifier),
            steps_of_record(record[columns.steps], names, where),
            title=title if isinstance(title, str) else "",
            where=where,
        )
    images = record.get(columns.image)
    paths = images if isinstance(images, list | tuple) else [images] if images else []
    if not all(isinstance(path, str) for path in paths):
        raise FormatError(
            f"expected a path or a list of paths as {columns.image!r}, got {images!r:.60}",
            where=where,
        )
    caption = record.get(columns.caption)
    try:
        context = (
            (ContextText(kind="caption", text=caption, source="input"),)
            if isinstance(caption, str) and caption
            else ()
        )
        media = tuple(Media(id=f"m{index}", uri=path) for index, path in enumerate(paths) if path)
        block = Block(text=record[columns.text])
        return Document(id=str(identifier), blocks=(block,), media=media, context=context)
    except SchemaError as error:
        raise error.at(where) if where else error from None


def made_record(
    number: int, value: Mapping[str, Any], where: str, columns: Columns | None = None
) -> Record:
    """The record of a parsed line, row or file, failed where it is no document."""
    try:
        document = document_of(value, where=where, columns=columns)
    except MagpieError as error:
        identifier = value.get("id" if columns is None or "blocks" in value else columns.id)
        known = isinstance(identifier, str | int) and not isinstance(identifier, bool)
        return failed_record(number, str(identifier) if known else None, error)
    return Record(number, document.id, document)


def failed_record(line: int, identifier: str | None, error: MagpieError) -> Record:
    """The record of something unreadable; an id that no document may carry is left out."""
    problems = (Problem.from_error(error),)
    if identifier:
        try:
            failed = Document(id=identifier, blocks=(), status="failed", problems=problems)
            return Record(line, identifier, failed)
        except SchemaError:
            pass
    failed = Document(id=f"line-{line}", blocks=(), status="failed", problems=problems)
    return Record(line, None, failed)


def failed_document(given: Document | Mapping[str, Any], error: MagpieError) -> Document:
    """What comes back for something that cannot be read: as much of it as can be carried."""
    problem = Problem.from_error(error)
    if isinstance(given, Document):
        return given.with_annotations(None).with_problem(problem, "failed")
    try:
        return Document(
            id=str(given.get("id") or "?"), blocks=(), status="failed", problems=(problem,)
        )
    except (MagpieError, AttributeError):
        return Document(id="?", blocks=(), status="failed", problems=(problem,))


def unreadable(document: Document) -> bool:
    """Whether this is the document of a record of which nothing could be read."""
    return document.status == "failed" and not document.blocks
