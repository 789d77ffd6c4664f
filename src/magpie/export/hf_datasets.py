"""Hugging Face ``datasets``: every field typed, pictures as an ``Image`` column.

A row is a document whose annotations are columns of their own; ``images[i]`` is the picture of
``media[i]``, null where there is none. Nothing here opens a connection: datasets are written to
and read from folders (``save_to_disk``, ``load_from_disk``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from magpie.errors import FormatError, MagpieError, SchemaError
from magpie.export._pictures import encoded_picture
from magpie.export.report import ExportReport
from magpie.schema import Document, from_dict

if TYPE_CHECKING:
    import datasets

__all__ = ["features", "from_rows", "read", "to_dataset", "write"]

#: rows held before they go to disk; pictures make them large
_BATCH = 64

#: columns that are fields of the annotations
_ANNOTATIONS = ("entities", "regions", "relations", "events", "links", "provenance")

_INT64 = 1 << 63


def features() -> datasets.Features:
    """The columns and their types."""
    from datasets import Features, Image, List, Value

    text, whole, number = Value("string"), Value("int64"), Value("float64")
    box = {"x1": number, "y1": number, "x2": number, "y2": number, "media": text}
    span = {"block": text, "start": whole, "end": whole}
    provenance = {
        "method": text,
        "version": text,
        "config_digest": text,
        "evidence": List(text),
    }
    region = {
        "id": text,
        "media": text,
        "box": box,
        "mask": {"width": whole, "height": whole, "counts": List(whole)},
        "time": {"start": number, "end": number},
        "label": text,
        "score": number,
        "provenance": provenance,
    }
    scored = {"id": text, "type": text, "score": number, "provenance": provenance}
    return Features(
        {
            "id": text,
            "text": text,
            "blocks": List(
                {
                    "id": text,
                    "text": text,
                    "words": List(List(whole)),
                    "step": whole,
                    "box": box,
                    "media": text,
                }
            ),
            "images": List(Image()),
            "media": List(
                {
                    "id": text,
                    "kind": text,
                    "uri": text,
                    "width": whole,
                    "height": whole,
                    "duration": number,
                    "missing": text,
                    "held": Value("bool"),
                }
            ),
            "context": List({"kind": text, "text": text, "source": text, "media": text}),
            "annotated": Value("bool"),
            "entities": List(
                {
                    **scored,
                    "fine_type": text,
                    "span": span,
                    "grounding": {"status": text, "regions": List(region)},
                }
            ),
            "regions": List(region),
            "relations": List({**scored, "head": text, "tail": text}),
            "events": List(
                {
                    **scored,
                    "trigger": span,
                    "media": text,
                    "arguments": List({"role": text, "target": text, "score": number}),
                }
            ),
            "links": List({"head": text, "tail": text, "score": number}),
            "provenance": provenance,
            "status": text,
            "problems": List({"code": text, "message": text, "where": text, "mend": text}),
            "source": {
                "corpus": text,
                "split": text,
                "file": text,
                "line": whole,
                "digest": text,
            },
        }
    )


# writing


def write(
    documents: Iterator[Document],
    path: Path,
    report: ExportReport,
    *,
    root: Path | None = None,
    pictures: bool = True,
) -> None:
    """Writes a folder for ``datasets.load_from_disk``.

    Args:
        root: folder that relative picture paths start from.
        pictures: put picture files into the ``images`` column; without it only those that the
            documents hold as bytes.
    """
    with _quiet():
        dataset = to_dataset(
            documents, path.parent / "rows.arrow", report, root=root, pictures=pictures
        )
        # By itself the library writes no file at all for no rows, and then cannot load that.
        dataset.save_to_disk(path, num_shards=None if len(dataset) else 1)


def to_dataset(
    documents: Iterator[Document],
    file: Path,
    report: ExportReport,
    *,
    root: Path | None = None,
    pictures: bool = True,
) -> datasets.Dataset:
    """A dataset backed by the Arrow ``file``, which is written row by row and must stay."""
    from datasets import Dataset
    from datasets.arrow_writer import ArrowWriter

    columns = features()
    rows = 0
    with ArrowWriter(features=columns, path=str(file), writer_batch_size=_BATCH) as writer:
        for document in documents:
            try:
                row = _row(document, columns, root, report, pictures=pictures)
            except SchemaError as error:
                report.failed.append(error.at(f"document {document.id!r}"))
                continue
            writer.write(columns.encode_example(row))
            rows += 1
        writer.finalize()
    if not rows:  # a file without rows cannot be opened
        return Dataset.from_dict({name: [] for name in columns}, features=columns)
    return cast("datasets.Dataset", Dataset.from_file(str(file)))


def _row(
    document: Document,
    columns: datasets.Features,
    root: Path | None,
    report: ExportReport,
    *,
    pictures: bool,
) -> dict[str, Any]:
    value = asdict(document)
    annotations = value.pop("annotations")
    value.update(annotations or {}, text=document.text, annotated=annotations is not None)
    value["images"] = []
    for medium, entry in zip(document.media, value["media"], strict=True):
        entry["held"] = medium.data is not None
        data = medium.data
        if data is None and pictures:
            data = encoded_picture(document, medium, root, report)
        value["images"].append(None if data is None else {"bytes": data, "path": None})
    return cast("dict[str, Any]", _fit(value, columns))


def _fit(value: Any, feature: Any) -> Any:
    """The value in the shape of its column; a document without annotations has empty lists."""
    from datasets import Image, List, Value

    if isinstance(feature, dict):
        if value is None:
            return None
        return {
            key: _fit(value.get(key, [] if isinstance(inner, List) else None), inner)
            for key, inner in feature.items()
        }
    if isinstance(feature, List):
        return None if value is None else [_fit(item, feature.feature) for item in value]
    if isinstance(feature, Image) or value is None:
        return value
    if isinstance(feature, Value) and feature.dtype == "float64":
        return float(value)
    if isinstance(value, int) and not -_INT64 <= value < _INT64:
        raise SchemaError(f"{value} does not fit into 64 bits", code="schema-number")
    return value


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without progress bars, whatever the caller's setting."""
    from datasets.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    were_on = not are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if were_on:
            enable_progress_bars()


# reading


def read(
    path: Path, problem: Callable[[MagpieError], None], *, pictures: bool = False
) -> Iterator[Document]:
    """Streams the documents of a folder that :func:`write` or ``save_to_disk`` wrote.

    Args:
        pictures: keep every picture of the ``images`` column as bytes, not only those that the
            documents held themselves.
    """
    from datasets import DatasetDict, load_from_disk

    try:
        found = load_from_disk(str(path))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FormatError(
            f"expected a saved dataset: {error}",
            where=str(path),
            mend="Name the folder that save_to_disk wrote.",
        ) from error
    parts = dict(found) if isinstance(found, DatasetDict) else {"": found}
    for name, dataset in parts.items():
        missing = sorted({"id", "blocks"} - set(dataset.column_names))
        if missing:
            raise FormatError(
                f"expected the columns that magpie writes, {', '.join(missing)} are not there",
                where=f"{path}/{name}" if name else str(path),
                mend="Map the dataset's columns to those of magpie.export.hf_datasets.features().",
            )
    for name, dataset in parts.items():
        yield from from_rows(
            dataset, problem, where=f"{path}/{name}" if name else str(path), pictures=pictures
        )


def from_rows(
    dataset: datasets.Dataset,
    problem: Callable[[MagpieError], None],
    *,
    where: str = "dataset",
    pictures: bool = False,
) -> Iterator[Document]:
    """The documents of a dataset with the columns of :func:`features`, also after ``map``."""
    number = 0
    # Arrow rows hold a picture as its bytes: nothing is decoded only to be encoded again.
    for batch in dataset.with_format("arrow").iter(batch_size=_BATCH):
        for row in batch.to_pylist():
            number += 1
            try:
                document = _document(row, pictures=pictures)
            except MagpieError as error:
                problem(error.at(f"{where}: row {number}"))
                continue
            yield document


def _document(row: dict[str, Any], *, pictures: bool) -> Document:
    import base64

    value = {key: item for key, item in row.items() if item is not None}
    value.pop("text", None)
    images = value.pop("images", [])
    annotations = {key: value.pop(key) for key in _ANNOTATIONS if key in value}
    if value.pop("annotated", any(annotations.values())):
        value["annotations"] = annotations
    for position, medium in enumerate(value.get("media", ())):
        held = medium.pop("held", False)
        image = images[position] if position < len(images) else None
        if image is not None and image.get("bytes") is not None and (held or pictures):
            medium["data"] = base64.b64encode(image["bytes"]).decode("ascii")
    return from_dict(_without_nulls(value))


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_nulls(item) for k, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value
