"""Parquet tables in a folder: ``documents.parquet``, ``entities.parquet`` and so on.

The tables of the CSV export with typed columns; pictures held as bytes stay. Written and read in
batches, so that any number of documents needs the memory of one batch a table.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magpie._optional import require
from magpie.errors import FormatError, MagpieError
from magpie.export._tables import TABLES, Row, rows_of
from magpie.export.csv_tables import documents_of
from magpie.export.report import ExportReport
from magpie.schema import Document

if TYPE_CHECKING:
    import pyarrow

__all__ = ["read", "write"]

#: rows held a table while writing, and read at once
BATCH = 4096


def write(documents: Iterator[Document], path: Path, report: ExportReport) -> None:
    """One file a table; all of them are written.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    require("pyarrow", "writing Parquet tables")
    import pyarrow as pa
    import pyarrow.parquet as pq

    schemas = {name: _schema(name) for name in TABLES}
    waiting: dict[str, list[Row]] = {name: [] for name in TABLES}
    with contextlib.ExitStack() as stack:
        writers = {
            name: stack.enter_context(pq.ParquetWriter(path / f"{name}.parquet", schema))
            for name, schema in schemas.items()
        }

        def flush(name: str) -> None:
            if waiting[name]:
                writers[name].write_table(pa.Table.from_pylist(waiting[name], schemas[name]))
                waiting[name] = []

        for document in documents:
            for name, rows in rows_of(document).items():
                waiting[name] += rows
                if len(waiting[name]) >= BATCH:
                    flush(name)
        for name in TABLES:
            flush(name)


def _schema(name: str) -> pyarrow.Schema:
    import pyarrow as pa

    types = {
        "text": pa.string(),
        "json": pa.string(),
        "integer": pa.int64(),
        "number": pa.float64(),
        "flag": pa.bool_(),
        "bytes": pa.binary(),
    }
    return pa.schema([(column, types[kind]) for column, kind in TABLES[name].items()])


def read(path: Path, problem: Callable[[MagpieError], None]) -> Iterator[Document]:
    """Streams the documents of a folder that :func:`write` made; tables but the first may lack.

    The rows of each table must stand in the order of the documents.

    Raises:
        FormatError: the path is no folder, or has no ``documents.parquet``.
        MissingExtraError: pyarrow is not installed.
    """
    require("pyarrow", "reading Parquet tables")
    if not path.is_dir():
        raise FormatError("expected a folder of Parquet tables, found a file", where=str(path))
    if not (path / "documents.parquet").is_file():
        raise FormatError(
            "expected a folder with documents.parquet in it",
            where=str(path),
            mend="Name the folder that holds the tables.",
        )
    tables = {name: _rows(path / f"{name}.parquet", name, problem) for name in TABLES}
    yield from documents_of(tables, path, ".parquet", {}, problem)


def _rows(path: Path, name: str, problem: Callable[[MagpieError], None]) -> Iterator[Row]:
    """The rows of one table without the cells that hold nothing."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.is_file():
        return
    try:
        with pq.ParquetFile(path) as file:
            wanted = [column for column in TABLES[name] if column in file.schema_arrow.names]
            for batch in file.iter_batches(batch_size=BATCH, columns=wanted):
                for row in batch.to_pylist():
                    yield {
                        column: _plain(value) for column, value in row.items() if value is not None
                    }
    except (pa.ArrowException, OSError) as error:
        problem(
            FormatError(
                f"not a Parquet table: {str(error).splitlines()[0][:120]}",
                where=str(path),
                mend="The file is damaged, or of another format.",
            )
        )


def _plain(value: Any) -> Any:
    """Bytes as JSON carries them."""
    import base64

    return base64.b64encode(value).decode() if isinstance(value, bytes) else value
