"""COCO: photographs with boxes, captions and the keypoints of persons.

The format is one big JSON object: ``images``, ``categories`` and ``annotations`` that refer to
images by id. Objects become regions labelled with their category's name; captions become context
and so do the keypoints, as notes that :func:`read_keypoints` reads. Polygons are dropped while
parsing: they are by far the largest part, and a region is a box here. The counts of the card are
those of a cut-out of 100 photographs; the complete release, or any file of this format, is read
likewise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from magpie._io import dump_json, parse_json
from magpie.corpora.anomaly import Anomaly, Report
from magpie.corpora.coco_card import CARD
from magpie.corpora.files import find_folder
from magpie.corpora.forms import page_box
from magpie.corpora.json_file import load_json
from magpie.corpora.pictures import PICTURE, Pictures
from magpie.corpora.reader import METHOD, Corpus, ReadOptions, UniqueIds, Watch
from magpie.corpora.records import field as item_of
from magpie.corpora.source import Folder, Found, find, open_folder
from magpie.errors import ConfigError, FormatError, MagpieError
from magpie.schema import (
    Annotations,
    ContextText,
    Document,
    Media,
    Provenance,
    Region,
    Source,
)

__all__ = ["CAPTIONS", "CROWD", "KEYPOINTS", "Coco", "read_keypoints"]

#: sources of the context texts
CAPTIONS = "coco-captions"
KEYPOINTS = "coco-keypoints"

#: evidence of a region that stands for many objects of one kind; scorers pass over it
CROWD = "crowd"


@dataclass(slots=True)
class _Photo:
    """An image record with what the annotations say about it."""

    stem: str
    name: str
    size: tuple[int, int]
    where: str
    objects: list[dict[str, Any]] = field(default_factory=list)
    texts: list[ContextText] = field(default_factory=list)


class Coco(Corpus):
    """Give a folder with ``annotations/instances_<split>2017.json`` as root (captions, keypoints
    and pictures beside it are found), or one annotation file."""

    card = CARD

    def read(
        self, split: str, root: Path, options: ReadOptions, report: Report
    ) -> Iterator[Document]:
        if options.types == "coarse":
            raise ConfigError(
                f"{self.card.ref} has no map to the coarse types", mend='Use types="own".'
            )
        card = self.card.splits[split]
        found = [find(card.file, root)]
        pages = None
        if root.is_dir() or root.suffix == ".zip":
            further = [(file, find_folder(file, root)) for file in card.more]
            found += [place for file, place in further if place and not file.folder]
            pages = next((place for file, place in further if place and file.folder), None)
        if options.images is not None:
            pages = None
        reading = _Reading(
            split, found, Pictures((), root, options.images), Watch(found[0].name, report)
        )
        return reading.documents(pages)


class _Reading:
    """One split while it is read."""

    def __init__(self, split: str, found: list[Found], pictures: Pictures, watch: Watch) -> None:
        self.split = split
        self.found = found
        self.pictures = pictures
        self.watch = watch
        self.ids = UniqueIds(watch.take)
        self.photos: dict[object, _Photo] = {}
        self.categories: dict[object, str] = {}
        self.keypoints: dict[object, list[str]] = {}

    def documents(self, pages: Found | None) -> Iterator[Document]:
        for number, found in enumerate(self.found):
            data = load_json(found, drop=("segmentation",))
            if number == 0:
                self._take_images(data, found.name)
            self._take_categories(data, found.name)
            self._take_annotations(data, found.name, first=number == 0)
        if pages is None:
            yield from self._documents(None)
        else:
            with open_folder(pages) as folder:
                yield from self._documents(folder)
        self.watch.close()

    def _lose(self, error: MagpieError, record: str | None = None) -> None:
        self.watch.take(Anomaly.lost(error, record=record))

    def _odd(self, kind: str, message: str, where: str, record: str | None = None) -> None:
        self.watch.take(Anomaly(kind, message, where, record))

    def _take_images(self, data: object, name: str) -> None:
        for number, item in enumerate(item_of(data, "images", list, name)):
            where = f"{name}: image {number}"
            try:
                file = item_of(item, "file_name", str, where).rpartition("/")[2]
                size = (item_of(item, "width", int, where), item_of(item, "height", int, where))
                key = _key(item, "id", where)
                if min(size) < 1 or not file:
                    raise FormatError(
                        f"picture {file!r} of {size[0]}x{size[1]} pixels", where=where
                    )
            except MagpieError as error:
                self._lose(error)
                continue
            if key in self.photos:
                self._odd("duplicate-id", f"image {key} stands twice, the first counts", where)
                continue
            stem = file.rpartition(".")[0] or file
            self.photos[key] = _Photo(stem, file, size, where)

    def _take_categories(self, data: object, name: str) -> None:
        # The captions of the complete release have none.
        listed = data.get("categories") if isinstance(data, dict) else None
        for number, item in enumerate(listed if isinstance(listed, list) else ()):
            where = f"{name}: category {number}"
            try:
                key = _key(item, "id", where)
                self.categories.setdefault(key, item_of(item, "name", str, where))
                names = item.get("keypoints")
                if isinstance(names, list) and all(isinstance(each, str) for each in names):
                    self.keypoints[key] = names
            except MagpieError as error:
                self._lose(error)

    def _take_annotations(self, data: object, name: str, *, first: bool) -> None:
        for number, item in enumerate(item_of(data, "annotations", list, name)):
            where = f"{name}: annotation {number}"
            try:
                key = _key(item, "image_id", where)
                photo = self.photos.get(key)
                if photo is None:
                    self._odd("link-dangling", f"image {key} is not in the file", where)
                    continue
                if "caption" in item:
                    text = item_of(item, "caption", str, where).strip()
                    photo.texts.append(_context("caption", text, CAPTIONS))
                if first and "bbox" in item:
                    photo.objects.append({**item, "where": where})
                if item.get("keypoints"):
                    self._take_keypoints(item, photo, where)
            except MagpieError as error:
                self._lose(error)

    def _take_keypoints(self, item: dict[str, Any], photo: _Photo, where: str) -> None:
        """The labelled keypoints of one person, as a note that names the person's region."""
        names = self.keypoints.get(item.get("category_id"), [])
        values = item_of(item, "keypoints", list, where)
        if len(values) != 3 * len(names) or not all(isinstance(v, int | float) for v in values):
            message = f"{len(values)} numbers for {len(names)} keypoints"
            raise FormatError(message, where=where)
        points = {
            name: values[3 * index : 3 * index + 3]
            for index, name in enumerate(names)
            if values[3 * index + 2]
        }
        if points:
            region = f"a{_key(item, 'id', where)}"
            try:
                text = dump_json({"region": region, "keypoints": points})
            except ValueError as error:  # NaN
                raise FormatError("a keypoint is no number", where=where) from error
            photo.texts.append(_context("note", text, KEYPOINTS))

    def _documents(self, pages: Folder | None) -> Iterator[Document]:
        label = self.found[0].file.label
        for photo in self.photos.values():
            try:
                medium = self._medium(photo, pages)
                regions = tuple(self._regions(photo, medium))
                document = Document(
                    id=self.ids.take(photo.stem, photo.where),
                    blocks=(),
                    media=(medium,),
                    context=tuple(photo.texts),
                    annotations=Annotations(
                        regions=regions,
                        provenance=Provenance(method=METHOD, version=CARD.ref),
                    ),
                    source=Source(corpus=CARD.ref, split=self.split, file=label),
                )
            except MagpieError as error:
                located = error if error.where else error.at(photo.where)
                self._lose(located, photo.stem)
                continue
            self.watch.good += 1
            yield document

    def _medium(self, photo: _Photo, pages: Folder | None) -> Media:
        width, height = photo.size
        uri = pages.place(photo.name) if pages is not None else None
        if uri is not None:
            return Media(id=PICTURE, uri=uri, width=width, height=height)
        suffix = photo.name.removeprefix(photo.stem)
        take = self.watch.take
        return self.pictures.media(photo.stem, photo.where, take, size=photo.size, suffix=suffix)

    def _regions(self, photo: _Photo, medium: Media) -> Iterator[Region]:
        seen: set[str] = set()
        for item in photo.objects:
            where = item["where"]
            category = item.get("category_id")
            label = self.categories.get(category) if isinstance(category, int | str) else None
            if label is None:
                self._odd("link-dangling", f"no category {category!r:.40}", where, photo.stem)
                continue
            corners = _corners(item["bbox"])
            box = page_box(corners, label, medium, where, photo.stem, self.watch.take)
            if box is None:
                continue
            key = f"a{_key(item, 'id', where)}"
            if key in seen:
                self._odd("duplicate-id", f"annotation {key[1:]} stands twice", where, photo.stem)
                number = 2
                while f"{key}#{number}" in seen:
                    number += 1
                key = f"{key}#{number}"
            seen.add(key)
            crowd = None
            if item.get("iscrowd"):
                crowd = Provenance(method=METHOD, version=CARD.ref, evidence=(CROWD,))
            yield Region(media=medium.id, box=box, label=label, id=key, provenance=crowd)


def _context(kind: Literal["caption", "note"], text: str, source: str) -> ContextText:
    return ContextText(kind=kind, text=text, source=source, media=PICTURE)


def _key(item: object, name: str, where: str) -> int | str:
    value = item_of(item, name, object, where)
    if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
        raise FormatError(f"expected a number or text in {name!r}, came {value!r:.40}", where=where)
    return value


def _corners(bbox: object) -> object:
    """Corners of ``[x, y, width, height]``; anything else as it is, for the message."""
    if not isinstance(bbox, list) or len(bbox) != 4:
        return bbox
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in bbox):
        return bbox
    x, y, width, height = bbox
    return [x, y, x + width, y + height]


def read_keypoints(document: Document) -> dict[str, dict[str, tuple[float, float, int]]]:
    """The keypoints in a document's context.

    Returns:
        id of a person's region -> name of a keypoint -> x and y in pixels, and 2 where it can be
        seen or 1 where it is hidden. Keypoints that nobody marked are left out.

    Raises:
        FormatError: a note of :data:`KEYPOINTS` that this reader did not write.
    """
    found = {}
    for text in document.context:
        if text.source == KEYPOINTS:
            note = parse_json(text.text, where=document.id)
            region = item_of(note, "region", str, document.id)
            points = item_of(note, "keypoints", dict, document.id)
            found[region] = {name: (p[0], p[1], int(p[2])) for name, p in points.items()}
    return found
