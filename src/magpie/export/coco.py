"""COCO instances: images, categories and boxes, with the phrase that each box shows.

A box that shows an entity has the entity's type as its category, or, with ``fine``, the fine type
with the coarse one as supercategory; a box that shows none has its own label. Beyond the standard
keys an image names its document and medium, and an annotation its entity, the entity's text and
the score; readers of COCO ignore keys that they do not know.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from magpie._io import dump_json, text_digest
from magpie.export._pictures import size_of
from magpie.export.report import ExportReport
from magpie.schema import Document, Entity, Mask, Media, Region

__all__ = ["UNLABELLED", "file_name", "write"]

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
                _separate(stream, images)
                images += 1
                numbers[medium.id] = images
                stream.write(dump_json(_image(document, medium, images, root, report)))
            if not numbers:
                report.lose("documents", document, why="without a picture")
            for name, region, entity in _regions(document):
                item = _annotation(document, name, region, entity, report)
                if item is None or region.media not in numbers:
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


def _image(
    document: Document, medium: Media, number: int, root: Path | None, report: ExportReport
) -> dict[str, Any]:
    value: dict[str, Any] = {"id": number, "file_name": file_name(document, medium)}
    if medium.uri is not None and medium.uri.lower().startswith(("http://", "https://")):
        value["coco_url"] = medium.uri
    size = size_of(medium, root)
    if size is None:
        why = "size of the picture unknown"
        report.lose("media", document, medium.id, why=why, partly=True)
    else:
        value["width"], value["height"] = size
    return {**value, "document": document.id, "media": medium.id, "text": document.text}


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
    if document.medium(region.media).kind != "image":
        if region.box is not None:
            report.lose("boxes", document, name, why="not in a picture")
        return None
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
        report.lose("regions" if entity is None else "groundings", document, name, why="no box")
        return None
    # The standard marks run lengths, as opposed to polygons, as crowds.
    value["iscrowd"] = int("segmentation" in value)
    if entity is not None:
        value["entity"] = entity.id
        value["phrase"] = document.text_of(entity)
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
