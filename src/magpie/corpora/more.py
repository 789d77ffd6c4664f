"""MORE: news titles with a picture, one mention, one object of the picture, their relation.

The folder of the release holds ``txt/{train,valid,test}.txt`` with one Python literal a line
(``{'token': [...], 'h': {'name': ..., 'pos': [start, end]}, 't': {'name': ...}, 'img_id': ...,
'relation': ...}``), ``ent_{split}_dict`` with the objects of each picture by name (centre and size
as fractions of the picture), ``caption_dict.json`` with a caption of each object, ``rel2id.json``
with the labels and ``img_org/{split}`` with the pictures. The objects come pickled and have to be
converted to JSON first, see :mod:`magpie.corpora.layouts`.

A fact is a document: the mention is entity ``e0``, the objects of its picture are regions ``o0``,
``o1`` ... in the dictionary's order, and the relation leads from the one to the other. Fractions
become pixels by the picture's own size; without the picture a region stands for all of it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from magpie.corpora.anomaly import Anomaly, Report
from magpie.corpora.dataset_card import Card
from magpie.corpora.layouts import find_text, folders, read_members
from magpie.corpora.pairs import UNTYPED, check_relation, mention
from magpie.corpora.pictures import PICTURE, Pictures
from magpie.corpora.reader import ReadOptions
from magpie.corpora.records import (
    Raw,
    Reading,
    RecordCorpus,
    field,
    iter_literal_lines,
    word_list,
)
from magpie.corpora.source import Found
from magpie.errors import FormatError, MediaError
from magpie.schema import (
    Annotations,
    Block,
    Box,
    ContextText,
    Document,
    Entity,
    Media,
    Region,
    Relation,
)

__all__ = ["CAPTIONS", "More"]

#: source of the objects' captions in a document's context
CAPTIONS = "more:object-captions"


class _Extra(NamedTuple):
    objects: Mapping[str, Any] | None
    captions: Mapping[str, Any]
    relations: Mapping[str, Any] | None


class More(RecordCorpus):
    """Give the folder that holds ``txt`` as root, or one text file."""

    card = Card(
        name="more",
        version="1",
        title="MORE (format)",
        task="the relation between a mention and an object of the picture",
        licence="that of the files; news text and pictures",
        origin="NJUNLP/MORE @ 787d2c5 (code only; the data are passed on by hand)",
        citation="He et al., MORE: A Multimodal Object-Entity Relation Extraction Dataset with a "
        "Benchmark Evaluation, ACM MM 2023",
        types=(),
        defects=(
            (
                "two releases circulate: 20136 facts on 3522 titles (paper), 20264 facts on 3559 "
                "titles, train 15486 / dev 1742 / test 3036 (revised)"
            ),
            "objects are pickled in the release and have to be converted to JSON first",
            "the list of relations comes with the data, the null relation is none",
        ),
    )

    def locate(self, split: str, root: Path) -> Found:
        return find_text(split, root, ("txt/{}.txt", "{}.txt"))

    def open_pictures(self, split: str, root: Path, found: Found, options: ReadOptions) -> Pictures:
        base = _base(found)
        return Pictures((*folders(base, "img_org/{}", split), "img_org"), base, options.images)

    def open_extra(self, split: str, root: Path, found: Found, report: Report) -> _Extra:
        places = (_base(found), found.path.parent)
        objects = read_members(split, places, ("ent_{}_dict", "{}_ent_dict"), report)
        if objects is None:
            message = "no ent_<split>_dict.json: an object is its name, its place is unknown"
            report(Anomaly("boxes-missing", message, str(places[0])))
        captions = read_members(split, places, ("caption_dict",), report) or {}
        return _Extra(objects, captions, read_members(split, places, ("rel2id",), report))

    def records(self, found: Found) -> Iterator[Raw]:
        return iter_literal_lines(found)

    def document(self, raw: Raw, reading: Reading) -> Document:
        where = raw.where
        extra: _Extra = reading.extra
        words = word_list(field(raw.value, "token", list, where), "token", where)
        head = mention(raw.value, "h", words, reading, where)
        target = field(field(raw.value, "t", dict, where), "name", str, where)
        label = check_relation(field(raw.value, "relation", str, where), reading.card, where)
        if extra.relations is not None and label not in extra.relations:
            raise FormatError(
                f"rel2id.json has no relation {label[:60]!r}", code="format-tags", where=where
            )
        file = field(raw.value, "img_id", str, where)
        stem, dot, suffix = file.rpartition(".")
        if not dot:
            stem, suffix = file, "jpg"
        medium = reading.pictures.media(stem, where, reading.report, suffix=f".{suffix}")
        medium = _sized(medium, where, reading.report)
        regions = _regions(file, target, medium, extra, where, reading.report)
        tail = next(region.id for region in regions if region.label == target)
        block = Block.from_words(words)
        span = block.word_span(*head)
        return Document(
            id=reading.ids.take(f"{stem}-{raw.line}", where),
            blocks=(block,),
            media=(medium,),
            context=_context(file, target, extra, where),
            annotations=Annotations(
                entities=(Entity(id="e0", span=span, type=UNTYPED),),
                regions=regions,
                relations=(Relation(id="r0", head="e0", tail=tail or "", type=label),),
                provenance=reading.provenance(),
            ),
            source=reading.source(raw.line),
        )


def _base(found: Found) -> Path:
    """The folder of the release: that of the text, or the one above ``txt``."""
    folder = found.path.parent
    return folder.parent if folder.name == "txt" else folder


def _sized(medium: Media, where: str, report: Report) -> Media:
    """With the size of the picture, which fractions need; only its header is read."""
    if not medium.present or medium.uri is None:
        return medium
    from magpie.vision.header import picture_size

    try:
        with open(medium.uri, "rb") as stream:
            width, height = picture_size(stream, where=medium.uri)
    except (MediaError, OSError) as error:
        report(Anomaly("picture-unreadable", str(error), where))
        return medium
    return dataclasses.replace(medium, width=width, height=height)


def _regions(
    file: str, target: str, medium: Media, extra: _Extra, where: str, report: Report
) -> tuple[Region, ...]:
    """The objects of a picture; that of the fact alone where the dictionary is absent."""
    if extra.objects is None:
        return (Region(media=PICTURE, label=target, id="o0"),)
    objects = field(extra.objects, file, dict, where)
    if target not in objects:
        raise FormatError(
            f"object {target[:60]!r} is none of those of {file}: {', '.join(map(str, objects))}",
            where=where,
            mend="Do the text and the objects belong to one release?",
        )
    regions = []
    for index, (name, place) in enumerate(objects.items()):
        box = _box(name, place, medium, where, report)
        regions.append(Region(media=PICTURE, box=box, label=name, id=f"o{index}"))
    return tuple(regions)


def _box(name: str, place: object, medium: Media, where: str, report: Report) -> Box | None:
    """(centre x, centre y, width, height) as fractions -> pixels, cut to the picture."""
    if (
        not isinstance(place, list)
        or len(place) != 4
        or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in place)
    ):
        raise FormatError(
            f"expected four fractions for object {name[:60]!r}, came {place!r:.60}", where=where
        )
    if medium.width is None or medium.height is None:
        return None
    size = (medium.width, medium.height)
    cx, cy, width, height = (float(v) for v in place)
    if not (0.0 < width <= 2.0 and 0.0 < height <= 2.0):
        raise FormatError(
            f"object {name[:60]!r}: {place} are no fractions of a picture", where=where
        )
    scaled = (cx * size[0], cy * size[1], width * size[0], height * size[1])
    box = Box.from_cxcywh(*scaled, media=PICTURE)
    inside = box.clipped(*size)
    if inside is None:
        raise FormatError(f"object {name[:60]!r} lies outside its picture", where=where)
    if max(abs(a - b) for a, b in zip(inside.xyxy, box.xyxy, strict=True)) > 1.0:
        message = f"object {name!r}: box {box.xyxy} leaves the picture {size}"
        report(Anomaly("box-clipped", message, where))
    return inside


def _context(file: str, target: str, extra: _Extra, where: str) -> tuple[ContextText, ...]:
    """The caption of the fact's object."""
    captions = extra.captions.get(file)
    if captions is None or (isinstance(captions, dict) and target not in captions):
        return ()
    text = field(captions, target, str, where)
    return (ContextText(kind="caption", text=text, source=CAPTIONS, media=PICTURE),)
