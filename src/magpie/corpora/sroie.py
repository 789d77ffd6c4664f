"""SROIE: scanned receipts, their lines of text with boxes, and four key values.

The archive holds ``<split>/box/<id>.txt`` (``x1,y1,x2,y2,x3,y3,x4,y4,text`` per line, four corners
clockwise) and ``<split>/entities/<id>.txt`` (JSON with company, date, address and total). A line
is a block. The files give the values and not their places, so every place where a value stands is
an entity: the same date printed twice makes two, an address of three lines makes three, one a
line. Provenance's evidence holds the published value and how it was found (exact, normalised,
fuzzy; see :mod:`magpie.text.locate`). Dates and totals are never matched fuzzily.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from magpie._io import parse_json
from magpie.corpora.anomaly import Anomaly, Report
from magpie.corpora.dataset_card import Card, Counts, DataFile, SplitCard
from magpie.corpora.files import MAX_FILE_BYTES, FileCorpus, decode, find_folder
from magpie.corpora.forms import page_box
from magpie.corpora.reader import METHOD
from magpie.corpora.records import Reading
from magpie.corpora.source import Folder, Found
from magpie.errors import FormatError
from magpie.schema import Annotations, Block, Document, Entity, Media, Provenance, Span
from magpie.text.locate import Locator

__all__ = ["KEYS", "Sroie"]

#: the key values, which are the entity types
KEYS = ("company", "date", "address", "total")

#: keys whose values are names that a scanner may misread by a letter
_FUZZY = ("company", "address")

_CORNERS = 8


def _counts(receipts: int, lines: int, places: tuple[int, int, int, int]) -> Counts:
    """``places`` in the order of :data:`KEYS`."""
    types = dict(zip(KEYS, places, strict=True))
    return Counts(
        documents=receipts,
        entities=sum(places),
        entities_lenient=sum(places),
        types=types,
        types_lenient=types,
        blocks=lines,
        pictures=receipts,
    )


def _split(
    name: str, annotations: str, pictures: str, counts: Counts, anomalies: dict[str, int]
) -> SplitCard:
    return SplitCard(
        DataFile("forms/sroie_annotations.zip", annotations, member=name, folder=True),
        counts,
        anomalies,
        more=(DataFile("forms/sroie_images_sample.zip", pictures, member=name, folder=True),),
    )


class Sroie(FileCorpus):
    """One document a receipt, one block a line."""

    card = Card(
        name="sroie",
        version="1",
        title="SROIE",
        task="company, date, address and total of scanned receipts",
        licence="none stated; competition data, research use",
        origin="yoldoz/Projet-BNP @ 6e1dddf, a copy of the competition's archive",
        citation="Huang et al., ICDAR2019 Competition on Scanned Receipt OCR and Information "
        "Extraction, ICDAR 2019",
        types=KEYS,
        images=("images/sroie",),
        splits={
            "train": _split(
                "train",
                "82f38aa3ffbd5ac345568539155724323fec225ab4f800bac054aa3e684e2d7d",
                "1e821756d060e0ed66e48fa4cf71bf66f2b576ddac7199331fc7a3336c9f93ca",
                _counts(626, 33626, (702, 759, 1666, 1596)),
                {"value-missing": 2, "value-unlocated": 15},
            ),
            "test": _split(
                "test",
                "979023f55a60e533001b43e728ba49d8f3e4625a7733963fc9dbbb6d2fb1e139",
                "bb02caa0d4380c7b25b76071c651bbc1db417e83409f1e03ee0cbcbc19f68edd",
                _counts(347, 18705, (382, 410, 898, 839)),
                {"value-unlocated": 14, "box-skipped": 1, "bytes-replaced": 1},
            ),
        },
        defects=(
            (
                "the values have no places; 15 of the 2502 / 14 of the 1388 (train / test) stand "
                "nowhere in the lines, mostly because the lines were misread"
            ),
            "training receipt X51005663280 has no address, X51005433522 an empty total",
            (
                "totals recur as prices, dates and names in several lines: entities are places, "
                "not values; a value's own string is in the evidence of its provenance"
            ),
            "line 8 of test receipt X51006619503 ends in two bytes of another encoding",
            "line 32 of test receipt X51006008092 has a box without height; it is a block without",
            "2 training receipts stand in test with the same text: see `magpie corpora overlap`",
            "the pictures at hand are those of 40 / 20 receipts",
        ),
    )

    def names(self, folder: Folder) -> list[str]:
        return [n for n in folder.names() if n.startswith("box/") and n.endswith(".txt")]

    def pages(self, reading: Reading) -> Found:
        (sample,) = self.card.splits[reading.split].more
        return find_folder(sample, reading.root) or reading.found

    def document(self, name: str, folder: Folder, reading: Reading, pages: Folder) -> Document:
        where = folder.place(name) or name
        stem = name.removeprefix("box/").removesuffix(".txt")
        data = folder.read(name, limit=MAX_FILE_BYTES)
        if data is None:
            raise FormatError("the file is not there", where=where)
        medium = self.picture(stem, f"img/{stem}.jpg", where, reading, pages)
        blocks = tuple(_blocks(data, medium, where, stem, reading.report))
        values = _values(folder, f"entities/{stem}.txt", stem, reading.report)
        annotations = None
        if values is not None:
            entities = tuple(_entities(values, blocks, where, stem, reading))
            annotations = Annotations(entities=entities, provenance=reading.provenance())
        return Document(
            id=reading.ids.take(stem, where),
            blocks=blocks,
            media=(medium,),
            annotations=annotations,
            source=self.source(name, reading),
        )


def _blocks(data: bytes, medium: Media, where: str, record: str, report: Report) -> Iterator[Block]:
    """The lines that have text."""
    count = 0
    for number, raw in enumerate(data.removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        place = f"{where}:{number}"
        try:
            line = raw.decode("utf-8")
        except UnicodeDecodeError:
            line = raw.decode("utf-8", "replace")
            message = f"bytes of {line.strip()[:60]!r} are not UTF-8"
            report(Anomaly("bytes-replaced", message, place, record))
        columns = line.strip().split(",", _CORNERS)
        if columns == [""]:
            continue
        try:
            corners = [float(column) for column in columns[:_CORNERS]]
        except ValueError:
            corners = []
        if len(columns) != _CORNERS + 1 or len(corners) != _CORNERS:
            raise FormatError(
                f"expected eight numbers and a text, came {line.strip()[:60]!r}",
                where=place,
                mend="Is the file cut off, or of another corpus?",
            )
        box = page_box(
            _upright(corners, place, record, report), "line", medium, place, record, report
        )
        text = columns[_CORNERS].strip()
        if text:
            yield Block(id=f"b{count}", text=text, box=box, media=medium.id)
            count += 1


def _upright(corners: list[float], where: str, record: str, report: Report) -> list[float]:
    """The smallest upright box round four corners."""
    if not all(map(math.isfinite, corners)):
        return corners[:4]
    xs, ys = corners[::2], corners[1::2]
    x1, y1, x2, y2 = min(xs), min(ys), max(xs), max(ys)
    if corners != [x1, y1, x2, y1, x2, y2, x1, y2]:
        report(Anomaly("box-turned", f"corners {corners}", where, record))
    return [x1, y1, x2, y2]


def _values(folder: Folder, name: str, record: str, report: Report) -> dict[str, str] | None:
    """The key values; None, and reported, if nobody gave any.

    Raises:
        FormatError: something else than texts under the four keys.
    """
    data = folder.read(name, limit=MAX_FILE_BYTES)
    where = folder.place(name) or f"{folder.name}/{name}"
    if data is None:
        report(Anomaly("value-missing", "no file of key values", where, record))
        return None
    values = parse_json(decode(data, where), where=where)
    if not isinstance(values, dict) or not values.keys() <= set(KEYS):
        raise FormatError(
            f"expected an object with {', '.join(KEYS)}, came {str(values)[:60]}",
            where=where,
            mend="Is the file of another corpus?",
        )
    for key in KEYS:
        value = values.get(key, "")
        if not isinstance(value, str):
            raise FormatError(f"expected a text as {key}, came {value!r:.40}", where=where)
        if not value.strip():
            report(Anomaly("value-missing", f"no {key}", where, record))
    return values


def _entities(
    values: dict[str, str], blocks: tuple[Block, ...], where: str, record: str, reading: Reading
) -> Iterator[Entity]:
    """An entity for each line of each place where a value stands."""
    text = "\n".join(block.text for block in blocks)
    strict, lenient = Locator(text, max_distance=0), Locator(text)
    number = 0
    for key in KEYS:
        value = values.get(key, "").strip()
        if not value:
            continue
        places = (lenient if key in _FUZZY else strict).locate_all(value)
        if not places:
            message = f"{key} {value[:60]!r} stands nowhere in the text"
            reading.report(Anomaly("value-unlocated", message, where, record))
        for place in places:
            provenance = Provenance(
                method=METHOD, version=reading.card.ref, evidence=(value, place.status.value)
            )
            for span in _spans(*place.span, blocks):
                yield Entity(id=f"e{number}", span=span, type=key, provenance=provenance)
                number += 1


def _spans(start: int, end: int, blocks: tuple[Block, ...]) -> Iterator[Span]:
    """A range of the joined text, line by line, without spaces at the ends."""
    first = 0
    for block in blocks:
        low, high = max(start - first, 0), min(end - first, len(block.text))
        first += len(block.text) + 1
        if low >= high:
            continue
        piece = block.text[low:high]
        low, high = low + len(piece) - len(piece.lstrip()), high - len(piece) + len(piece.rstrip())
        if low < high:
            yield block.span(low, high)
