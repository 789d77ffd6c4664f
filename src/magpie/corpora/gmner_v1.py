"""GMNER 1.0: the first release, the files of 2.0 before their correction in July 2023.

Layout, tags and box files are those of :mod:`magpie.corpora.gmner`. The data was not at hand: the
card states what others counted and no digest, so its results are never called verified.
"""

from __future__ import annotations

from magpie.corpora.dataset_card import Card, Counts, DataFile, SplitCard
from magpie.corpora.gmner import BoxedTweets, Gmner
from magpie.corpora.twitter2015 import COARSE

__all__ = ["Gmner1"]

_BOXES = DataFile("gmner_v1/xml.zip", folder=True)


def _split(
    name: str, tweets: int, strict: int, lenient: int, grounded: int, unmatched: int
) -> SplitCard:
    counts = Counts(documents=tweets, entities=strict, entities_lenient=lenient, grounded=grounded)
    anomalies = {"box-unmatched": unmatched, "orphan-tag": lenient - strict}
    return SplitCard(DataFile(f"gmner_v1/txt/{name}.txt"), counts, anomalies)


class Gmner1(BoxedTweets):
    """Grounded entities as first released; use 2.0 unless results on 1.0 are compared."""

    box_file = _BOXES
    card = Card(
        name="gmner",
        version="1.0",
        title="GMNER (Twitter-GMNER 1.0)",
        task=Gmner.card.task,
        licence=Gmner.card.licence,
        origin="NUSTM/GMNER before 2023-07-28",
        citation=Gmner.card.citation,
        types=Gmner.card.types,
        coarse=COARSE,
        images=Gmner.card.images,
        shared=(_BOXES,),
        splits={
            "train": _split("train", 7000, 11778, 11782, 4694, 41),
            "dev": _split("dev", 1500, 2450, 2453, 986, 5),
            "test": _split("test", 1500, 2542, 2543, 1036, 10),
        },
        defects=(
            "not at hand: counts are those of others, digests are unknown",
            (
                "counted strictly 11778 / 2450 / 2542 entities, leniently 11782 / 2453 / 2543; the "
                "difference is taken for I- tags that continue nothing"
            ),
            (
                "5 / 3 / 1 sentences (train / dev / test) have other labels than in 2.0, and 48 "
                "box files differ (5613 files with 8061 boxes, 2.0 has 5612 with 8058)"
            ),
            "56 box names match no entity (41 / 5 / 10)",
        ),
    )
