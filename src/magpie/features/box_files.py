"""Boxes that somebody wrote into a JSON file: COCO's layout, or lists by picture."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from magpie._io import file_digest, parse_json
from magpie.errors import FormatError, NotFoundError, SchemaError
from magpie.features.boxes import by_picture
from magpie.schema import Box, Document, Region
from magpie.vision import LoadedImage

__all__ = ["MAX_BYTES", "FileBoxes", "read_box_file"]

#: largest file read
MAX_BYTES = 512 << 20

#: x1, y1, x2, y2 in pixels; score; label
Line = tuple[tuple[float, float, float, float], float | None, str | None]


class FileBoxes:
    """Boxes of a file, found by the name of the document's first picture.

    Args:
        path: of the file; it is read when the first document asks. See :func:`read_box_file`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._found: Mapping[str, Sequence[Line]] | None = None

    def depends(self, document: Document) -> Any:
        """The picture's boxes themselves."""
        return [[list(box), score, label] for box, score, label in self._lines(document)]

    def __call__(self, document: Document, media: str, image: LoadedImage) -> list[Box]:
        """In the order of the file, best first where it scores them."""
        return [Box(*box, media) for box, _, _ in self._lines(document)]

    def regions(self, document: Document, media: str, image: LoadedImage) -> list[Region]:
        """The same with scores and labels."""
        return [
            Region.of_box(Box(*box, media), label=label, score=score)
            for box, score, label in self._lines(document)
        ]

    def fingerprint(self) -> str:
        """SHA-256 of the file, hexadecimal."""
        return file_digest(self.path)

    def _lines(self, document: Document) -> Sequence[Line]:
        if self._found is None:
            self._found = read_box_file(self.path)
        name = by_picture(document)
        return () if name is None else self._found.get(name, ())


def read_box_file(path: str | os.PathLike[str]) -> dict[str, list[Line]]:
    """Boxes by picture name, without folder and ending.

    Two layouts are told apart by their keys. COCO has ``images`` (``id``, ``file_name``),
    ``annotations`` (``image_id``, ``bbox`` as x, y, width, height, perhaps ``score`` and
    ``category_id``) and ``categories``. Otherwise an object leads from a picture's name to a list
    of boxes: ``[x1, y1, x2, y2]``, or ``{"box": [x1, y1, x2, y2], "score": 0.9, "label": "dog"}``.
    All in pixels. Where every box of a picture is scored, the best comes first. A box without area
    is left out.

    Raises:
        NotFoundError: no such file.
        FormatError: no JSON, another layout, or an entry that is no box; the message says which.
    """
    place = Path(path)
    if not place.is_file():
        raise NotFoundError("no such file of boxes", where=str(path))
    if place.stat().st_size > MAX_BYTES:
        raise FormatError(
            f"the file has more than {MAX_BYTES} bytes", code="format-too-long", where=str(path)
        )
    value = parse_json(place.read_bytes(), where=str(path))
    if not isinstance(value, dict):
        raise FormatError(
            f"expected a JSON object, came {type(value).__name__}",
            where=str(path),
            mend='Write {"picture": [[x1, y1, x2, y2], ...]}, or COCO\'s layout.',
        )
    coco = isinstance(value.get("annotations"), list) and isinstance(value.get("images"), list)
    found = _coco(value, str(path)) if coco else _by_name(value, str(path))
    for lines in found.values():
        if all(score is not None for _, score, _ in lines):
            lines.sort(key=lambda line: -(line[1] or 0.0))
    return found


def _stem(name: str) -> str:
    short = name.replace("\\", "/").rsplit("/", maxsplit=1)[-1]
    return short.rsplit(".", maxsplit=1)[0]


def _by_name(value: Mapping[str, Any], path: str) -> dict[str, list[Line]]:
    found: dict[str, list[Line]] = {}
    for name, items in value.items():
        where = f"{path}: {name}"
        if not isinstance(items, list):
            raise FormatError(f"expected a list of boxes, came {items!r:.60}", where=where)
        lines = found.setdefault(_stem(name), [])
        for item in items:
            given = item if isinstance(item, dict) else {"box": item}
            _add(lines, given.get("box"), given.get("score"), given.get("label"), where)
    return found


def _coco(value: Mapping[str, Any], path: str) -> dict[str, list[Line]]:
    names: dict[Any, str] = {}
    found: dict[str, list[Line]] = {}
    for item in value["images"]:
        if not isinstance(item, dict) or not isinstance(item.get("file_name"), str):
            raise FormatError(f"an image without file_name: {item!r:.60}", where=path)
        names[_key(item.get("id"), path)] = _stem(item["file_name"])
        found.setdefault(_stem(item["file_name"]), [])
    categories = value.get("categories")
    kinds = {
        _key(item.get("id"), path): item.get("name")
        for item in (categories if isinstance(categories, list) else ())
        if isinstance(item, dict)
    }
    for number, item in enumerate(value["annotations"]):
        where = f"{path}: annotation {number}"
        image = _key(item.get("image_id"), where) if isinstance(item, dict) else None
        if image not in names:
            raise FormatError(f"it names no image of the file: {item!r:.60}", where=where)
        box = item.get("bbox")
        if isinstance(box, list) and len(box) == 4 and all(map(_is_number, box)):
            box = [box[0], box[1], box[0] + box[2], box[1] + box[3]]
        label = kinds.get(_key(item.get("category_id"), where))
        _add(found[names[image]], box, item.get("score"), label, where)
    return found


def _key(value: object, where: str) -> int | str | None:
    if value is None or isinstance(value, int | str):
        return value
    raise FormatError(f"an id must be a number or text, came {value!r:.60}", where=where)


def _add(lines: list[Line], box: object, score: object, label: object, where: str) -> None:
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
        raise FormatError(
            f"expected a box of four finite numbers, came {box!r:.60}",
            where=where,
            mend="Boxes are [x1, y1, x2, y2] in pixels; in COCO's layout [x, y, width, height].",
        )
    if score is not None and not (_is_number(score) and 0 <= score <= 1):  # type: ignore[operator]
        raise FormatError(f"a score must lie between 0 and 1, came {score!r:.60}", where=where)
    if label is not None and not isinstance(label, str):
        raise FormatError(f"a label must be text, came {label!r:.60}", where=where)
    x1, y1, x2, y2 = (float(number) for number in box)
    try:
        Box(x1, y1, x2, y2, "m0")
    except SchemaError:  # a stroke or a point shows nothing
        return
    rank = None if score is None else float(score)  # type: ignore[arg-type]
    lines.append(((x1, y1, x2, y2), rank, label or None))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
