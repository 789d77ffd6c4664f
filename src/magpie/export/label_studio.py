"""Label Studio: text spans, boxes on pictures and arrows among both, in one task.

A folder with ``tasks.json`` and the labelling configuration ``config.xml``. An entity is a
labelled span, its fine type a choice on that span; a region is a rectangle in percent of the
picture. Arrows with a label are relations; an arrow without one from a span to a rectangle says
that the rectangle shows the entity, and one from span to span is a form link. Offsets are code
points, as Label Studio counts since 1.4 (before, in UTF-16 units). What has no place there and is
nobody's to edit (blocks, words, context ...) stands as JSON under ``data.magpie``.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from magpie._io import dump_json
from magpie.errors import ConfigError
from magpie.export._label_config import ABSENT, CONTROLS, LabelSets, config_xml, fits_xml
from magpie.export._label_tasks import read
from magpie.export._pictures import encoded_picture, size_of
from magpie.export.docbin import block_starts
from magpie.export.report import ExportReport
from magpie.schema import Document, Entity, Media, Region, to_dict

__all__ = ["read", "write"]

#: why something is lost that a configuration cannot name
_UNFIT = "characters that XML cannot hold"

#: first bytes of picture formats that browsers show
_SIGNATURES = (
    (b"\x89PNG", "png"),
    (b"\xff\xd8", "jpeg"),
    (b"GIF8", "gif"),
    (b"RIFF", "webp"),
    (b"BM", "bmp"),
)


def write(
    documents: Iterator[Document],
    path: Path,
    report: ExportReport,
    *,
    root: Path | None = None,
    pictures: Literal["path", "embed"] = "path",
    prefix: str = "",
    predictions: bool = False,
) -> None:
    """Writes the folder.

    Args:
        root: folder that relative picture paths start from.
        pictures: ``path`` names picture files, for Label Studio to fetch; ``embed`` puts them
            into the tasks, so that no file server is needed. Pictures that documents hold as
            bytes are always embedded.
        prefix: put before paths, such as ``/data/local-files/?d=``; they are then percent-encoded.
        predictions: offer the annotations as a model's predictions, to be corrected.
    """
    if pictures not in ("path", "embed"):
        raise ConfigError(f"pictures must be path or embed, got {pictures!r}")
    labels = LabelSets()
    with open(path / "tasks.json", "w", encoding="utf-8") as stream:
        mark = "[\n"
        for document in documents:
            data = _data(document, labels, report)
            _add_pictures(data, document, root, report, embed=pictures == "embed", prefix=prefix)
            task: dict[str, Any] = {"data": data}
            if document.annotations is not None:
                results = _Results(document, labels, report, root).all()
                if predictions:
                    by = document.annotations.provenance
                    task["predictions"] = [
                        {"model_version": by.method if by else "magpie", "result": results}
                    ]
                else:
                    task["annotations"] = [{"result": results}]
            stream.write(mark + dump_json(task))
            mark = ",\n"
        stream.write("[]\n" if mark == "[\n" else "\n]\n")
    (path / "config.xml").write_text(config_xml(labels), encoding="utf-8")


def _data(document: Document, labels: LabelSets, report: ExportReport) -> dict[str, Any]:
    rest = to_dict(document)
    rest.pop("annotations", None)
    rest["blocks"] = [{**block, "text": len(block["text"])} for block in rest["blocks"]]
    for medium in rest.get("media", ()):
        if "data" in medium:
            medium["data"] = ""
    images = [medium for medium in document.media if medium.kind == "image"]
    labels.pictures = max(labels.pictures, len(images))
    for medium in document.media:
        if medium.data is not None and medium.kind != "image":
            report.lose("data", document, medium.id, why="no picture")
    return {"id": document.id, "text": document.text, "magpie": dump_json(rest)}


def _add_pictures(
    data: dict[str, Any],
    document: Document,
    root: Path | None,
    report: ExportReport,
    *,
    embed: bool,
    prefix: str,
) -> None:
    """``images``, all of them, and ``image``, the first: a configuration shows one or the other."""
    places = []
    for medium in document.media:
        if medium.kind != "image":
            continue
        content = medium.data
        if content is None and embed:
            content = encoded_picture(document, medium, root, report)
        if content is not None:
            places.append(_data_uri(content))
        else:
            places.append(prefix + quote(medium.uri or "") if prefix else medium.uri or "")
    data["images"] = places
    data["image"] = places[0] if places else ""


def _data_uri(content: bytes) -> str:
    kind = next((name for mark, name in _SIGNATURES if content.startswith(mark)), "*")
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


@dataclass(slots=True)
class _Results:
    """The results of one task, and the ids of those that were written."""

    document: Document
    labels: LabelSets
    report: ExportReport
    root: Path | None
    results: list[dict[str, Any]] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    unnamed: int = 0

    def all(self) -> list[dict[str, Any]]:
        annotations = self.document.annotations
        assert annotations is not None  # noqa: S101  checked by the caller
        starts = block_starts(self.document)
        shown = {r.id for e in annotations.entities for r in e.grounding.regions if r.id}
        for index, region in enumerate(annotations.regions):
            name = region.id or f"region {index}"
            if region.id in shown:
                self._lose("regions", name, "it also shows an entity")
                self._lose_with(region, name)
            elif self._region(region, name) is None:
                self._lose("regions", name, "no box that could be drawn")
        for entity in annotations.entities:
            self._entity(entity, starts[entity.span.block])
        for relation in annotations.relations:
            if not fits_xml(relation.type):
                self._lose("relations", relation.id, _UNFIT)
            elif self._arrow(relation.head, relation.tail, relation.type):
                self.labels.relations[relation.type] = None
            else:
                self._lose("relations", relation.id, "one end is not there")
            self._lose_with(relation, relation.id)  # arrows have neither id nor score
        for link in annotations.links:
            name = f"{link.head}->{link.tail}"
            if not self._arrow(link.head, link.tail):
                self._lose("links", name, "one end is not there")
            self._lose_with(link, name)
        for event in annotations.events:
            self._lose_with(event, event.id)
            for argument in event.arguments:
                self._lose_with(argument, f"{event.id} {argument.role}")
        return self.results

    def _lose(self, part: str, item: str, why: str) -> None:
        self.report.lose(part, self.document, item, why=why)

    def _lose_with(self, item: object, name: str) -> None:
        """What goes along with an item that is lost, or that becomes an arrow."""
        why = "of arrows and of what is lost"
        for field_, part in (("id", "ids"), ("score", "scores"), ("label", "labels")):
            if getattr(item, field_, None) is not None:
                self._lose(part, name, why)

    def _entity(self, entity: Entity, at: int) -> None:
        if not fits_xml(entity.type):
            self._lose("entities", entity.id, _UNFIT)
            self._lose_with(entity, entity.id)
            if entity.fine_type is not None:
                self._lose("fine_types", entity.id, "of a lost entity")
            if entity.grounding.status == "absent":
                self._lose("absent", entity.id, "of a lost entity")
            elif entity.grounding.regions:
                self._lose("groundings", entity.id, "of a lost entity")
            for index, region in enumerate(entity.grounding.regions):
                self._lose_with(region, f"{entity.id} region {index}")
                if region.box is not None:
                    self._lose("boxes", f"{entity.id} region {index}", "of a lost entity")
            return
        self.labels.types[entity.type] = None
        place = {
            "start": at + entity.span.start,
            "end": at + entity.span.end,
            "text": self.document.text_of(entity),
        }
        self._add(entity.id, "entity", "labels", {**place, "labels": [entity.type]}, entity.score)
        if entity.fine_type is not None:
            if fits_xml(entity.fine_type):
                self.labels.fine_types[entity.fine_type] = None
                value = {**place, "choices": [entity.fine_type]}
                self._add(entity.id, "fine_type", "choices", value)
            else:
                self._lose("fine_types", entity.id, _UNFIT)
        if entity.grounding.status == "absent":
            self.labels.absent = True
            self._add(entity.id, "absent", "choices", {**place, "choices": [ABSENT]})
        drawn = 0
        for index, region in enumerate(entity.grounding.regions):
            name = self._region(region, f"{entity.id} region {index}")
            if name is not None:
                self._arrow(entity.id, name)
                drawn += 1
        if not drawn and entity.grounding.regions:
            self._lose("groundings", entity.id, "no box that could be drawn")

    def _region(self, region: Region, name: str) -> str | None:
        """The id of its rectangle; None where there is none to draw."""
        medium = self.document.medium(region.media)
        size = size_of(medium, self.root) if medium.kind == "image" and region.box else None
        if region.box is None or size is None:
            self._lose_with(region, name)
            if region.box is not None:
                self._lose("boxes", name, "size of the picture unknown")
            return None
        identifier = region.id
        if identifier is None:
            identifier = f"~{self.unnamed}"  # comes back without an id
            self.unnamed += 1
        elif identifier in self.ids:
            return identifier
        width, height = size
        box = region.box
        value: dict[str, Any] = {
            "x": 100 * box.x1 / width,
            "y": 100 * box.y1 / height,
            "width": 100 * box.width / width,
            "height": 100 * box.height / height,
            "rotation": 0,
        }
        control = "rectangle"
        if region.label is not None:
            if region.label and fits_xml(region.label):
                control, value["rectanglelabels"] = "region", [region.label]
                self.labels.regions[region.label] = None
            else:
                self._lose("labels", name, _UNFIT if region.label else "empty")
        kind = "rectanglelabels" if control == "region" else "rectangle"
        self._add(identifier, control, kind, value, region.score)
        self.results[-1].update(
            original_width=width,
            original_height=height,
            image_rotation=0,
            item_index=_position(self.document, medium),
        )
        return identifier

    def _add(
        self,
        identifier: str,
        control: str,
        kind: str,
        value: dict[str, Any],
        score: float | None = None,
    ) -> None:
        self.ids.add(identifier)
        result: dict[str, Any] = {
            "id": identifier,
            "from_name": CONTROLS[control],
            "to_name": "image" if kind.startswith("rectangle") else "text",
            "type": kind,
            "value": value,
        }
        if score is not None:
            result["score"] = score
        self.results.append(result)

    def _arrow(self, head: str, tail: str, label: str | None = None) -> bool:
        if not {head, tail} <= self.ids:
            return False
        self.results.append(
            {
                "type": "relation",
                "from_id": head,
                "to_id": tail,
                "direction": "right",
                "labels": [] if label is None else [label],
            }
        )
        return True


def _position(document: Document, medium: Media) -> int:
    """Which of the document's pictures it is."""
    images = [other.id for other in document.media if other.kind == "image"]
    return images.index(medium.id)
