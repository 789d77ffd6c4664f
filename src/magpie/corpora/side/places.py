"""Readers of regions that detectors proposed, and their ways of writing boxes.

==================  ===========================================================================
FocalMRE            centre x, centre y, width, height, area, as fractions of the picture
TMR, generated      corners in pixels of a generated picture of 768 x 768, :data:`GENERATED`
TMR, crops          file names only; those of MNRE are positions in FocalMRE's grounding crops
ITM                 corners in pixels, 1-based as in GMNER (the same annotation), kept so
==================  ===========================================================================

Everything comes out as :class:`magpie.schema.Box`: pixels, origin top-left, half-open.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter

from magpie.corpora.anomaly import Anomaly, Report
from magpie.corpora.pictures import PICTURE
from magpie.corpora.records import Raw, field
from magpie.corpora.side.reading import integer, number, picture_key, read_json, text_of
from magpie.corpora.side.rows import Crops, Phrases, Places, Target
from magpie.corpora.source import Found
from magpie.errors import FormatError
from magpie.schema import Box, Region

__all__ = [
    "GENERATED",
    "GENERATED_SIZE",
    "RELEASE_SIZE",
    "box_from_fractions",
    "crop_names",
    "detector_crops",
    "fractions_from_box",
    "generated_boxes",
    "grounding_crops",
    "phrase_lists",
    "phrase_texts",
    "targets",
]

#: medium of a picture that was generated from a post's text; documents do not hold it
GENERATED = "generated"

#: width and height of the generated pictures
GENERATED_SIZE = (768, 768)

#: width and height of every picture in the release of MNRE
RELEASE_SIZE = (800, 600)

_DETECTED = re.compile(r"(.+)_crop_(\d{1,9})\.jpg")
_GROUNDED = re.compile(r"(\d{1,9})_pred_yolo_crop_(\d{1,9})\.png")

#: fractions are written with six digits, so the edge of a box may lie that far outside
_ROUNDING = 1e-5


def box_from_fractions(
    row: Sequence[float], size: tuple[int, int] = RELEASE_SIZE, media: str = PICTURE
) -> Box:
    """A box of (centre x, centre y, width, height) as fractions of a picture.

    Raises:
        SchemaError: the box has no area.
    """
    width, height = size
    cx, cy, w, h = row[:4]
    return Box.from_cxcywh(cx * width, cy * height, w * width, h * height, media)


def fractions_from_box(box: Box, size: tuple[int, int] = RELEASE_SIZE) -> tuple[float, ...]:
    """(centre x, centre y, width, height, area) as fractions of the picture of that size."""
    width, height = size
    w, h = box.width / width, box.height / height
    return ((box.x1 + box.x2) / 2 / width, (box.y1 + box.y2) / 2 / height, w, h, w * h)


def detector_crops(files: Sequence[Found], part: str, report: Report) -> Iterator[Places]:
    """FocalMRE's detector crops, up to three a picture: ``{"<picture>_crop_0.jpg": [...]}``."""
    yield from _crops(files, _DETECTED, report)


def grounding_crops(files: Sequence[Found], part: str, report: Report) -> Iterator[Places]:
    """FocalMRE's grounding crops, up to four a row of MNRE: ``{"0_pred_yolo_crop_1.png": ...}``."""
    yield from _crops(files, _GROUNDED, report)


def _crops(files: Sequence[Found], pattern: re.Pattern[str], report: Report) -> Iterator[Places]:
    """Crops gathered by key, in order of their numbers (the file holds them in any order)."""
    (found,) = files
    gathered: dict[str, list[tuple[int, Region]]] = {}
    places: dict[str, str] = {}

    def make(raw: Raw, where: str) -> Places:
        match = pattern.fullmatch(raw.key or "")
        if match is None:
            raise FormatError(f"expected the name of a crop, came {str(raw.key)[:60]!r}")
        row = _numbers(raw.value, 5, where)
        if not all(-_ROUNDING <= value <= 1 + _ROUNDING for value in row):
            raise FormatError(f"expected fractions of the picture, came {row}")
        if row[2] <= 0 or row[3] <= 0:
            raise FormatError(f"a crop without area: {row}")
        box = box_from_fractions(row).clipped(*RELEASE_SIZE)
        regions = () if box is None else (Region.of_box(box),)
        key = str(int(match[1])) if pattern is _GROUNDED else match[1]
        gathered.setdefault(key, []).extend((int(match[2]), region) for region in regions)
        places.setdefault(key, where)
        return Places(key=raw.key or "", where=where, regions=regions)

    for _ in read_json(found, make, report):
        pass
    for key, numbered in gathered.items():
        regions = tuple(region for _, region in sorted(numbered, key=itemgetter(0)))
        yield Places(key=key, where=places[key], regions=regions)


def generated_boxes(files: Sequence[Found], part: str, report: Report) -> Iterator[Places]:
    """TMR's boxes on the generated picture: lists of corners by picture, or by row of MNRE.

    Two of the published files hold phrases in the boxes' place; such a record is reported and
    has no region.
    """
    (found,) = files

    def make(raw: Raw, where: str) -> Places:
        if not isinstance(raw.value, list):
            raise FormatError(f"expected a list of boxes, came {str(raw.value)[:60]!r}")
        key = picture_key(raw.key or "")
        if any(isinstance(item, str) for item in raw.value):
            message = f"phrases in place of boxes: {', '.join(map(str, raw.value))[:60]}"
            report(Anomaly("box-skipped", message, where, key))
            return Places(key=key, where=where, regions=())
        regions = _corners(raw.value, GENERATED, GENERATED_SIZE, where, key, report)
        return Places(key=key, where=where, regions=regions)

    return read_json(found, make, report)


def _corners(
    rows: Iterable[object],
    media: str,
    size: tuple[int, int] | None,
    where: str,
    key: str,
    report: Report,
) -> tuple[Region, ...]:
    """Regions of (x1, y1, x2, y2) in pixels; one without area is reported and left out."""
    regions = []
    for row in rows:
        x1, y1, x2, y2 = _numbers(row, 4, where)
        if x1 >= x2 or y1 >= y2:
            message = f"a box without area: {(x1, y1, x2, y2)}"
            report(Anomaly("box-skipped", message, where, key))
            continue
        box: Box | None = Box(x1, y1, x2, y2, media)
        if size is not None and box is not None and (inside := box.clipped(*size)) != box:
            report(Anomaly("box-clipped", f"box {box.xyxy} leaves the picture {size}", where, key))
            box = inside
        if box is not None:
            regions.append(Region.of_box(box))
    return tuple(regions)


def crop_names(files: Sequence[Found], part: str, report: Report) -> Iterator[Crops]:
    """TMR's crops of the post's own picture: lists of file names by picture, or by row of MNRE."""
    (found,) = files

    def make(raw: Raw, where: str) -> Crops:
        key = picture_key(raw.key or "")
        return Crops(key=key, where=where, names=_texts(raw.value, "file names", where))

    return read_json(found, make, report)


def phrase_texts(files: Sequence[Found], part: str, report: Report) -> Iterator[Phrases]:
    """TMR's phrases, one text by picture, or by row of MNRE."""
    (found,) = files

    def make(raw: Raw, where: str) -> Phrases:
        text = text_of(raw.value, "phrases", where)
        return Phrases(key=picture_key(raw.key or ""), where=where, phrases=(text,))

    return read_json(found, make, report)


def phrase_lists(files: Sequence[Found], part: str, report: Report) -> Iterator[Phrases]:
    """Phrases as lists by picture."""
    (found,) = files

    def make(raw: Raw, where: str) -> Phrases:
        key = picture_key(raw.key or "")
        return Phrases(key=key, where=where, phrases=_texts(raw.value, "phrases", where))

    return read_json(found, make, report)


def targets(files: Sequence[Found], part: str, report: Report) -> Iterator[Target]:
    """ITM's targets with their boxes, several a picture."""
    (found,) = files

    def make(raw: Raw, where: str) -> Target:
        picture = field(raw.value, "iid", str, where)
        boxes = field(raw.value, "boxes", list, where)
        return Target(
            key=picture,
            where=where,
            number=raw.key or "",
            sentence=field(raw.value, "sentence", str, where),
            target=field(raw.value, "aspect", str, where),
            sentiment=integer(raw.value.get("sentiment"), "sentiment", where),
            relation=integer(raw.value.get("relation"), "relation", where),
            regions=_corners(boxes, PICTURE, None, where, picture, report),
        )

    return read_json(found, make, report, unique=False)


def _numbers(value: object, length: int, where: str) -> tuple[float, ...]:
    if not isinstance(value, list) or len(value) != length:
        raise FormatError(f"expected {length} numbers, came {str(value)[:60]}", where=where)
    if any(isinstance(item, str) for item in value):
        raise FormatError(f"expected {length} numbers, came {str(value)[:60]}", where=where)
    return tuple(number(item, "a coordinate", where) for item in value)


def _texts(value: object, what: str, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise FormatError(f"expected a list of {what}, came {str(value)[:60]!r}", where=where)
    return tuple(value)
