"""GMNER 2.0: tweets of Twitter-2015 and 2017, re-split, with boxes for the entities that show.

Text files are those of the Twitter corpora; one Pascal-VOC file a picture names its boxes after
the entities' texts. An entity is joined to every box whose name equals its words joined by single
spaces, so two mentions of one text share their boxes. A tweet without a file, or an entity
without a box, was looked at and shows nothing: grounding "absent".
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from magpie.corpora.anomaly import Anomaly, Report
from magpie.corpora.columns import Record
from magpie.corpora.dataset_card import Card, Counts, DataFile, SplitCard
from magpie.corpora.pictures import PICTURE
from magpie.corpora.reader import ColumnCorpus, Shown
from magpie.corpora.sentence import Mention
from magpie.corpora.source import Folder, find, open_folder
from magpie.corpora.twitter2015 import COARSE, TWEETS
from magpie.corpora.voc import MAX_XML_BYTES, VocObject, parse_voc
from magpie.errors import FormatError, NotFoundError
from magpie.schema import Block, Box, Grounding, Region

__all__ = ["BOXES", "BoxedTweets", "Gmner"]

#: the box files, shared with FMNERG
BOXES = DataFile(
    "gmner/xml.zip",
    "97426ca30029e18ef5c690965c16d293cc1b1143285f450d2fe096bdb054d398",
    folder=True,
)


class BoxedTweets(ColumnCorpus):
    """Tweets whose entities are grounded by box files."""

    layout = TWEETS
    box_file: ClassVar[DataFile] = BOXES

    @contextlib.contextmanager
    def boxes(self, root: Path, report: Report) -> Iterator[Folder | None]:
        """The box files, or None when they are absent (then nobody knows what shows)."""
        try:
            found = find(self.box_file, root)
        except NotFoundError as error:
            report(Anomaly("boxes-missing", error.message, error.where))
            yield None
            return
        with open_folder(found) as folder:
            yield folder

    def look(
        self,
        record: Record,
        block: Block,
        mentions: tuple[Mention, ...],
        boxes: object,
        report: Report,
    ) -> Shown:
        unknown = Shown((Grounding(),) * len(mentions))
        if not isinstance(boxes, Folder) or record.id is None:
            return unknown
        name = f"{record.id}.xml"
        where = f"{boxes.name}!{name}"
        try:
            data = boxes.read(name, limit=MAX_XML_BYTES)
            if data is None:
                return Shown((Grounding("absent"),) * len(mentions))
            file = parse_voc(data, where=where)
        except FormatError as error:
            report(Anomaly("box-unreadable", error.message, error.where, record.id))
            return unknown
        by_name: dict[str, list[Region]] = {}
        for item in file.objects:
            region = _region(item, file.size, where, record.id, report)
            if region is not None:
                by_name.setdefault(item.name, []).append(region)
        groundings = []
        matched = set()
        for mention in mentions:
            span = block.word_span(mention.start, mention.end)
            text = block.text[span.start : span.end]
            matched.add(text)
            groundings.append(Grounding.in_regions(*by_name.get(text, ())))
        free = []
        for text, regions in by_name.items():
            if text not in matched:
                message = f"{len(regions)} boxes are named {text!r}, no entity is"
                report(Anomaly("box-unmatched", message, where, record.id))
                free.extend(regions)
        return Shown(tuple(groundings), file.size, tuple(free))


def _region(
    item: VocObject, size: tuple[int, int] | None, where: str, record: str, report: Report
) -> Region | None:
    """The region of one object, cut to its picture; None, and reported, if it has no box."""
    place = f"{where}:{item.line}"
    if item.box is None:
        report(Anomaly("box-skipped", f"object {item.name!r}: {item.problem}", place, record))
        return None
    box: Box | None = Box(*item.box, media=PICTURE)
    if box is not None and size is not None:
        inside = box.clipped(*size)
        if inside is None:
            message = f"object {item.name!r}: its box {box.xyxy} lies outside its picture"
            report(Anomaly("box-skipped", message, place, record))
            return None
        if inside != box:
            message = f"object {item.name!r}: box {box.xyxy} leaves the picture {size}"
            report(Anomaly("box-clipped", message, place, record))
        box = inside
    return Region(media=PICTURE, box=box, label=item.name or None)


def _counts(
    documents: int,
    words: int,
    types: tuple[int, int, int, int],
    *,
    grounded: int,
    boxes: int,
    box_mentions: int,
) -> Counts:
    """``types`` are LOC, ORG, OTHER, PER; strict and lenient counts are one."""
    per_type = dict(zip(("LOC", "ORG", "OTHER", "PER"), types, strict=True))
    return Counts(
        documents=documents,
        words=words,
        entities=sum(types),
        entities_lenient=sum(types),
        types=per_type,
        types_lenient=per_type,
        grounded=grounded,
        boxes=boxes,
        box_mentions=box_mentions,
    )


COUNTS = {
    "train": _counts(
        7000, 112542, (1918, 3035, 1807, 5019), grounded=4733, boxes=5652, box_mentions=5723
    ),
    "dev": _counts(1500, 24199, (407, 595, 376, 1072), grounded=991, boxes=1164, box_mentions=1171),
    "test": _counts(
        1500, 23738, (404, 638, 397, 1104), grounded=1046, boxes=1242, box_mentions=1254
    ),
}


class Gmner(BoxedTweets):
    """Grounded entities with the four coarse types."""

    card = Card(
        name="gmner",
        version="2.0",
        title="GMNER (Twitter-GMNER 2.0)",
        task="named entities in tweets, grounded in the tweet's picture",
        licence="none stated; tweets under the terms of Twitter; research use",
        origin="NUSTM/GMNER @ c567956",
        citation="Yu et al., Grounded Multimodal Named Entity Recognition on Social Media, "
        "ACL 2023",
        types=("PER", "LOC", "ORG", "OTHER"),
        coarse=COARSE,
        images=("images/gmner",),
        shared=(BOXES,),
        splits={
            "train": SplitCard(
                DataFile(
                    "gmner/txt/train.txt",
                    "72770413f5a80b75c6d8b59d985048bc8b26c489b7b8a09c4cc7ed2b97f3cc41",
                ),
                COUNTS["train"],
            ),
            "dev": SplitCard(
                DataFile(
                    "gmner/txt/dev.txt",
                    "07435237d7bfc1f2dd66f564fecab9637ff0bb9d08025d722859dbb2bd3f8532",
                ),
                COUNTS["dev"],
            ),
            "test": SplitCard(
                DataFile(
                    "gmner/txt/test.txt",
                    "a178a5f6f422a43f8e8692d84cbde4eb590dec9b2a0da4aa67e3ecf3ac690f0a",
                ),
                COUNTS["test"],
            ),
        },
        defects=(
            (
                "coordinates are 1-based as labelImg writes them (954 boxes touch 1) and are "
                "kept so, because the public evaluators use them as they are"
            ),
            (
                "75 / 12 / 14 entity texts (train / dev / test) stand twice in their tweet and "
                "share their boxes"
            ),
            "release 1.0 has 56 box names that match no entity; 2.0 has none",
            (
                "tweets stem from twitter2015 and twitter2017 under other splits: see "
                "`magpie corpora overlap`"
            ),
        ),
    )
