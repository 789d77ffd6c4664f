"""FMNERG: the tweets and boxes of GMNER 2.0 with 8 coarse and 51 fine types.

``IMGID:<id>`` opens a tweet, then ``word<TAB>coarse tag<TAB>fine tag``; spans are equal in both
columns. ``Entity.type`` is one of the four types of GMNER, ``Entity.fine_type`` the fine label;
the card's hierarchy leads from a fine label to its coarse one and from there to the four.
"""

from __future__ import annotations

import dataclasses

from magpie.corpora.anomaly import Anomaly, Report
from magpie.corpora.columns import Layout, Record
from magpie.corpora.dataset_card import Card, DataFile, SplitCard
from magpie.corpora.gmner import BOXES, COUNTS, BoxedTweets
from magpie.corpora.reader import ReadOptions
from magpie.corpora.sentence import Sentence, mark_up
from magpie.corpora.twitter2015 import COARSE

__all__ = ["COARSE_8", "FINE_TYPES", "Fmnerg"]

#: the eight coarse types -> the four of GMNER, exact on all 16772 entities
COARSE_8 = {
    "person": "PER",
    "organization": "ORG",
    "location": "LOC",
    "building": "LOC",
    "art": "OTHER",
    "product": "OTHER",
    "event": "OTHER",
    "other": "OTHER",
}

#: coarse type -> fine type -> entities in train, dev, test
FINE_TYPES: dict[str, dict[str, tuple[int, int, int]]] = {
    "person": {
        "actor": (653, 141, 140),
        "artist": (419, 76, 85),
        "athlete": (1228, 272, 261),
        "author": (143, 42, 34),
        "businessman": (170, 37, 52),
        "character": (186, 29, 53),
        "coach": (81, 17, 15),
        "director": (53, 5, 17),
        "intellectual": (73, 21, 21),
        "journalist": (85, 10, 13),
        "musician": (912, 193, 205),
        "person_other": (173, 25, 30),
        "politician": (843, 204, 178),
    },
    "organization": {
        "band": (198, 35, 29),
        "company": (479, 82, 104),
        "educational_institution": (167, 30, 36),
        "government_agency": (113, 26, 30),
        "news_agency": (187, 39, 44),
        "organization_other": (45, 11, 12),
        "political_party": (62, 12, 10),
        "social_organization": (135, 31, 30),
        "sports_league": (498, 103, 106),
        "sports_team": (1151, 226, 237),
    },
    "location": {
        "city": (613, 132, 128),
        "continent": (22, 6, 6),
        "country": (353, 79, 72),
        "location_other": (218, 54, 57),
        "park": (157, 39, 30),
        "road": (51, 8, 11),
        "state": (139, 27, 23),
    },
    "building": {
        "building_other": (88, 13, 21),
        "cultural_place": (54, 11, 8),
        "entertainment_place": (166, 26, 31),
        "sports_facility": (57, 12, 17),
    },
    "art": {
        "art_other": (27, 3, 7),
        "film_and_television_works": (308, 70, 64),
        "magazine": (38, 7, 4),
        "music": (81, 16, 19),
        "written_work": (41, 7, 12),
    },
    "product": {
        "brand_name_products": (110, 15, 22),
        "game": (37, 11, 8),
        "product_other": (125, 36, 34),
        "software": (83, 20, 24),
    },
    "event": {
        "event_other": (49, 9, 8),
        "festival": (425, 90, 91),
        "sports_event": (140, 27, 30),
    },
    "other": {
        "animal": (77, 20, 14),
        "award": (98, 18, 19),
        "medical_thing": (25, 5, 7),
        "ordinance": (25, 8, 6),
        "website": (118, 14, 28),
    },
}

_PARENT = {fine: coarse for coarse, fines in FINE_TYPES.items() for fine in fines}


def _split(split: str, index: int, sha256: str) -> SplitCard:
    fine_types = {
        fine: counts[index] for fines in FINE_TYPES.values() for fine, counts in fines.items()
    }
    file = DataFile(f"fmnerg/txt_fine/{split}.txt", sha256)
    return SplitCard(file, dataclasses.replace(COUNTS[split], fine_types=fine_types))


class Fmnerg(BoxedTweets):
    """Grounded entities with fine types."""

    layout = Layout(columns=3, opener="IMGID:")
    card = Card(
        name="fmnerg",
        version="1.0",
        title="FMNERG (Twitter-FMNERG)",
        task="fine-grained named entities in tweets, grounded in the tweet's picture",
        licence="none stated; tweets under the terms of Twitter; research use",
        origin="zzk80/GMNER @ 5c857b9; original NUSTM/FMNERG @ 4182626",
        citation="Wang et al., Fine-Grained Multimodal Named Entity Recognition and Grounding with "
        "a Generative Framework, ACM Multimedia 2023",
        types=("PER", "LOC", "ORG", "OTHER"),
        coarse=COARSE,
        hierarchy={**_PARENT, **COARSE_8},
        images=("images/fmnerg", "images/gmner"),
        shared=(BOXES,),
        splits={
            "train": _split(
                "train", 0, "b067446640d71ffad116e67c359f095f99c9d5ca2d0f2a1bc103909ebc8505e9"
            ),
            "dev": _split(
                "dev", 1, "3ff31ebca3c858926ec6c98694820fda39c0f9718645174c00069ee5bcffab69"
            ),
            "test": _split(
                "test", 2, "70e726cc49fa8f9003c29857294f9bb68fe017af4a63a95ad22f2d58c526277e"
            ),
        },
        defects=(
            "the text files are a copy; dev has the length of the original",
            "the public evaluator knows a 52nd type, common_person, that does not occur",
            "tweets, spans and boxes are those of gmner@2.0, and so are the overlaps",
        ),
    )

    def mark_up(self, record: Record, name: str, options: ReadOptions, report: Report) -> Sentence:
        """Spans come from the coarse column; a fine tag that disagrees is left out."""
        coarse = [row[1] for row in record.rows]
        sentence = mark_up(
            record, name=name, card=self.card, report=report, tags=coarse, known=tuple(COARSE_8)
        )
        mentions = []
        for mention in sentence.mentions:
            fine: str | None = record.rows[mention.row][2].partition("-")[2]
            if _PARENT.get(fine or "") != mention.type:
                where = f"{name}:{record.lines[mention.row]}"
                message = f"fine type {fine!r} is none of {mention.type}"
                report(Anomaly("column-mismatch", message, where, record.id))
                fine = None
            mentions.append(
                dataclasses.replace(mention, type=COARSE_8[mention.type], fine_type=fine)
            )
        return Sentence(sentence.words, tuple(mentions))
