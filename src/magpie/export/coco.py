"""COCO instances: images, categories and boxes, with the phrase that each box shows.

A box that shows an entity has the entity's type as its category, or, with ``fine``, the fine type
with the coarse one as supercategory; a box that shows none has its own label. Beyond the standard
keys an image names its document and medium, and an annotation its entity, the entity's text and
the score; readers of COCO ignore keys that they do not know. Reading is that of
:mod:`magpie.corpora.coco`: a document for each picture, with its boxes as regions.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from magpie._io import dump_json, text_digest
from magpie.corpora import Anomaly, load
from magpie.errors import MagpieError
from magpie.export._pictures import size_of
from magpie.export.report import ExportReport
from magpie.schema import Document, Entity, Mask, Media, Region

__all__ = ["UNLABELLED", "file_name", "read", "write"]

#: category of a box that shows no entity and has no label
UNLABELLED = "object"

#: annotations held in memory before they go to a temporary file
_SPOOL_BYTES = 16 << 20


def write(
    documents: Iterator[Document],
    path: Path,
    report: ExportReport,
    *,
    root: Path | None = None,
    fine: bool = False,
) -> None:
    """Writes one JSON file.

    Args:
        root: folder that relative picture paths start from; sizes that the documents do not say
            are read from the pictures' headers.
        fine: make fine types the categories.
    """
    categories = _Categories()
    images = boxes = 0
    with (
        open(path, "w", encoding="utf-8") as stream,
        tempfile.SpooledTemporaryFile(_SPOOL_BYTES, "w+", encoding="utf-8") as rest,
    ):
        stream.write('{"info":{"description":"written by magpie"},"images":[')
        for document in documents:
            numbers: dict[str, int] = {}
            for medium in document.media:
                if medium.kind != "image":
                    report.lose("media", document, medium.id, why="no picture")
                    continue
                size = size_of(medium, root)
                if size is None:
                    report.lose("media", document, medium.id, why="size of the picture unknown")
                    continue
                _separate(stream, images)
                images += 1
                numbers[medium.id] = images
                stream.write(dump_json(_image(document, medium, images, size)))
            for name, region, entity in _regions(document):
                item = _annotation(document, name, region, entity, report)
                if item is None:
                    continue
                if region.media not in numbers:
                    _lose_box(document, name, region, entity, report)
                    continue
                _separate(rest, boxes)
                boxes += 1
                category = categories.number(region, entity, fine=fine)
                ids = {"id": boxes, "image_id": numbers[region.media], "category_id": category}
                rest.write(dump_json({**ids, **item}))
        stream.write('],"annotations":[')
        rest.seek(0)
        while piece := rest.read(1 << 20):
            stream.write(piece)
        stream.write('],"categories":' + dump_json(categories.table) + "}\n")


def read(
    path: Path, problem: Callable[[MagpieError], None], *, images: str | None = None
) -> Iterator[Document]:
    """Streams a document for each picture.

    Args:
        images: the folder of the pictures; what is not there is missing in the documents.
    """

    def note(anomaly: Anomaly) -> None:
        if anomaly.error is not None:
            problem(anomaly.error)

    return load("coco", "train", path, images=images, on_problem=note)


def _separate(stream: IO[str], before: int) -> None:
    if before:
        stream.write(",\n")


@dataclass(slots=True)
class _Categories:
    """Numbers, from 1, in order of appearance."""

    known: dict[tuple[str, str], int] = field(default_factory=dict)

    def number(self, region: Region, entity: Entity | None, *, fine: bool) -> int:
        if entity is None:
            key = (region.label or UNLABELLED, "")
        elif fine and entity.fine_type is not None:
            key = (entity.fine_type, entity.type)
        else:
            key = (entity.type, "")
        return self.known.setdefault(key, len(self.known) + 1)

    @property
    def table(self) -> list[dict[str, Any]]:
        return [
            {"id": number, "name": name, **({"supercategory": above} if above else {})}
            for (name, above), number in self.known.items()
        ]


def _regions(document: Document) -> Iterator[tuple[str, Region, Entity | None]]:
    annotations = document.annotations
    if annotations is None:
        return
    for index, region in enumerate(annotations.regions):
        yield region.id or f"region {index}", region, None
    for entity in annotations.entities:
        for index, region in enumerate(entity.grounding.regions):
            yield f"{entity.id} region {index}", region, entity


def _image(document: Document, medium: Media, number: int, size: tuple[int, int]) -> dict[str, Any]:
    value = {"id": number, "file_name": file_name(document, medium)}
    if medium.uri is not None and medium.uri.lower().startswith(("http://", "https://")):
        value["coco_url"] = medium.uri
    value["width"], value["height"] = size
    return {**value, "document": document.id, "media": medium.id, "text": document.text}


def _lose_box(
    document: Document, name: str, region: Region, entity: Entity | None, report: ExportReport
) -> None:
    why = "on a picture that is not written"
    report.lose("boxes" if region.box is not None else "masks", document, name, why=why)
    if entity is None:
        report.lose("regions", document, name, why=why)
    if region.label is not None:
        report.lose("labels", document, name, why=why)


def file_name(document: Document, medium: Media) -> str:
    """The picture's path; one that has none gets a name made of the ids, safe on any disk."""
    if medium.uri is not None:
        return medium.uri
    name = f"{document.id}.{medium.id}"
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._") or "picture"
    if plain == name and len(name) <= 100:
        return name
    return f"{plain[:80]}-{text_digest(name)[:12]}"


def _annotation(
    document: Document,
    name: str,
    region: Region,
    entity: Entity | None,
    report: ExportReport,
) -> dict[str, Any] | None:
    value: dict[str, Any] = {}
    if region.box is not None:
        box = region.box
        value["bbox"] = [box.x1, box.y1, box.width, box.height]
        value["area"] = box.area
    elif region.mask is not None and region.mask.area:
        mask = region.mask
        value["bbox"] = list(_around(mask))
        value["area"] = mask.area
        value["segmentation"] = {"counts": list(mask.counts), "size": [mask.height, mask.width]}
    else:
        if entity is None:
            report.lose("regions", document, name, why="no box")
        if region.label is not None:
            report.lose("labels", document, name, why="of a region without a box")
        if region.mask is not None:
            report.lose("masks", document, name, why="empty")
        return None
    # The standard marks run lengths, as opposed to polygons, as crowds.
    value["iscrowd"] = int("segmentation" in value)
    if entity is not None:
        value["entity"] = entity.id
        value["phrase"] = document.text_of(entity)
        if region.label is not None:
            report.lose("labels", document, name, why="the entity's type is the category")
    for key in ("label", "score", "id"):
        found = getattr(region, key)
        if found is not None:
            value["region" if key == "id" else key] = found
    return value


def _around(mask: Mask) -> tuple[int, int, int, int]:
    """Left, top, width and height of the pixels set; the runs go down the columns."""
    left, right, top, bottom = mask.width, -1, mask.height, -1
    at = 0
    for index, run in enumerate(mask.counts):
        if index % 2 and run:
            last = at + run - 1
            left, right = min(left, at // mask.height), max(right, last // mask.height)
            whole = at // mask.height != last // mask.height
            top = 0 if whole else min(top, at % mask.height)
            bottom = mask.height - 1 if whole else max(bottom, last % mask.height)
        at += run
    return left, top, right - left + 1, bottom - top + 1
