"""RiVEG's published lists of entities: what it predicted on GMNER's test split, and its gold.

Both are rows of ``picture###text(TYPE)###...``. The predictions say of each entity whether it
shows (0 no, 2 yes) and explain it in a phrase; the boxes that RiVEG drew are not published. The
gold file says the same of the gold entities, with boxes: it names the answers, so it is no
context of anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from magpie._io import parse_json
from magpie.corpora.anomaly import Report
from magpie.corpora.pictures import PICTURE
from magpie.corpora.records import Raw
from magpie.corpora.side.reading import collect, number, picture_key
from magpie.corpora.side.rows import Answer, Text
from magpie.corpora.source import Found, iter_found_lines
from magpie.errors import FormatError
from magpie.schema import Box, Region

__all__ = ["expansions", "gold_answers", "predicted_answers"]

_ENTITY = re.compile(r"(.+)\(([A-Z]+)\)", re.DOTALL)
_PREDICTED = re.compile(r"Imageid:(\S+?)#[0-9a-f]+")
_VISIBLE = {"0": False, "2": True}


def predicted_answers(files: Sequence[Found], part: str, report: Report) -> Iterator[Answer]:
    """``Imageid:1.jpg#7060###text(TYPE)###text(TYPE)-phrase###0``."""

    def make(raw: Raw, where: str) -> Answer:
        picture, entity, expression, flag = _columns(raw.value, 4)
        match = _PREDICTED.fullmatch(picture)
        if match is None:
            raise FormatError(f"expected Imageid:<picture>#<number>, came {picture[:60]!r}")
        text, kind = _entity(entity)
        # The phrase stands behind the entity, which is written once more.
        phrase = expression.removeprefix(f"{entity}-")
        return Answer(
            key=picture_key(match[1]),
            where=where,
            text=text,
            type=kind,
            expression=phrase.strip(),
            visible=_visible(flag),
        )

    yield from _answers(files, make, report)


def gold_answers(files: Sequence[Found], part: str, report: Report) -> Iterator[Answer]:
    """``1.jpg###text(TYPE)###phrase###2###&[x1, y1, x2, y2]&[...]``; zeros stand for no box."""

    def make(raw: Raw, where: str) -> Answer:
        picture, entity, expression, flag, places = _columns(raw.value, 5)
        text, kind = _entity(entity)
        visible = _visible(flag)
        regions = []
        for place in places.split("&")[1:]:
            row = parse_json(place, where=where)
            if not isinstance(row, list) or len(row) != 4:
                raise FormatError(f"expected [x1, y1, x2, y2], came {place[:60]!r}")
            x1, y1, x2, y2 = (number(value, "a coordinate", where) for value in row)
            if visible:
                regions.append(Region.of_box(Box(x1, y1, x2, y2, PICTURE)))
        return Answer(
            key=picture_key(picture),
            where=where,
            text=text,
            type=kind,
            expression=expression.strip(),
            visible=visible,
            regions=tuple(regions),
        )

    yield from _answers(files, make, report)


def expansions(files: Sequence[Found], part: str, report: Report) -> Iterator[Text]:
    """The phrases of the predictions as texts, ``text: phrase``, several a picture.

    The predicted type is left out: whether it is right is what a method has to say.
    """
    for answer in predicted_answers(files, part, report):
        text = f"{answer.text}: {answer.expression}"
        yield Text(key=answer.key, where=answer.where, text=text)


def _answers(
    files: Sequence[Found], make: Callable[[Raw, str], Answer], report: Report
) -> Iterator[Answer]:
    (found,) = files
    raws = (
        Raw(f"{found.name}:{line.number}", line.number, line.text, error=line.error)
        for line in iter_found_lines(found)
        if line.error is not None or line.text.strip()
    )
    return collect(raws, found.name, make, report, unique=False)


def _columns(line: str, count: int) -> list[str]:
    columns = line.split("###")
    if len(columns) != count:
        raise FormatError(f"expected {count} columns parted by ###, came {line[:60]!r}")
    return columns


def _entity(column: str) -> tuple[str, str]:
    match = _ENTITY.fullmatch(column)
    if match is None:
        raise FormatError(f"expected text(TYPE), came {column[:60]!r}")
    return match[1], match[2]


def _visible(flag: str) -> bool:
    if flag not in _VISIBLE:
        raise FormatError(f"expected 0 (not in the picture) or 2, came {flag[:20]!r}")
    return _VISIBLE[flag]
