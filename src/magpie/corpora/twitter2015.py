"""Twitter-2015: tweets with one picture each, in the two label sets that circulate.

``IMGID:<id>`` opens a tweet, then ``word<TAB>tag``. The fourth type is called OTHER. Some I- tags
follow no B-: they open entities by the CoNLL scorer's rule and none by the strict one, which is
why published counts of this corpus differ.
"""

from __future__ import annotations

from magpie.corpora.columns import Layout
from magpie.corpora.dataset_card import Card, Counts, DataFile, SplitCard
from magpie.corpora.reader import ColumnCorpus

__all__ = ["COARSE", "TWEETS", "Twitter2015", "Twitter2015Tmr"]

#: layout of every corpus of this family
TWEETS = Layout(columns=2, opener="IMGID:")

#: types of this family -> the four coarse types
COARSE = {"PER": "PER", "LOC": "LOC", "ORG": "ORG", "OTHER": "OTHER"}

_TITLE = "Twitter-2015"
_TASK = "named entities in tweets with pictures"
_LICENCE = "none stated; tweets under the terms of Twitter; research use"
_CITATION = (
    "Zhang et al., Adaptive Co-attention Network for Named Entity Recognition in Tweets, "
    "AAAI 2018; "
    "this release: Yu et al., Improving Multimodal Named Entity Recognition via Entity Span "
    "Detection with Unified Multimodal Transformer, ACL 2020"
)


def _types(loc: int, org: int, other: int, per: int) -> dict[str, int]:
    return {"LOC": loc, "ORG": org, "OTHER": other, "PER": per}


class Twitter2015(ColumnCorpus):
    """The release of UMT, which UMGF, PGIM and most others use."""

    layout = TWEETS
    card = Card(
        name="twitter2015",
        version="umt",
        title=_TITLE,
        task=_TASK,
        licence=_LICENCE,
        origin="jefferyYu/UMT @ f478ee6",
        citation=_CITATION,
        types=("PER", "LOC", "ORG", "OTHER"),
        coarse=COARSE,
        images=("images/twitter2015",),
        splits={
            "train": SplitCard(
                DataFile(
                    "twitter2015/train.txt",
                    "a6246e37aa1c8acd738747fa8257e01775f2a1cc0d4f36f82f9d41d6246ad6fa",
                ),
                Counts(
                    documents=4000,
                    words=64439,
                    entities=6166,
                    entities_lenient=6352,
                    types=_types(2091, 927, 931, 2217),
                    types_lenient=_types(2135, 957, 975, 2285),
                ),
                {"orphan-tag": 186},
            ),
            "dev": SplitCard(
                DataFile(
                    "twitter2015/valid.txt",
                    "9dcc7f9df7331de3c9cdf67a3450e041c41c6254b5e43925c576e2dfaaabe2ad",
                ),
                Counts(
                    documents=1000,
                    words=16178,
                    entities=1541,
                    entities_lenient=1594,
                    types=_types(522, 247, 220, 552),
                    types_lenient=_types(543, 251, 233, 567),
                ),
                {"orphan-tag": 53},
            ),
            "test": SplitCard(
                DataFile(
                    "twitter2015/test.txt",
                    "edb2665b89bfe58bca06a2c10b9b31cbfa95456135b6a4cbf55c872e48d9b8f9",
                ),
                Counts(
                    documents=3257,
                    words=52822,
                    entities=5072,
                    entities_lenient=5207,
                    types=_types(1697, 839, 720, 1816),
                    types_lenient=_types(1720, 860, 754, 1873),
                ),
                {"orphan-tag": 135},
            ),
        },
        defects=(
            (
                "186 / 53 / 135 entities (train / dev / test) are opened by an I- tag that "
                "continues nothing; the paper's table (6176 / 1546 / 5078) equals neither count"
            ),
            (
                "239 test tweets are labelled differently in twitter2015@tmr: scores on the two "
                "test files are not comparable"
            ),
            "one word of dev is a no-break space",
            "tweets recur in gmner and fmnerg under other splits: see `magpie corpora overlap`",
        ),
    )


class Twitter2015Tmr(ColumnCorpus):
    """The release of TMR: the same tweets, 239 test tweets labelled differently."""

    layout = TWEETS
    card = Card(
        name="twitter2015",
        version="tmr",
        title=f"{_TITLE}, labels of TMR",
        task=_TASK,
        licence=_LICENCE,
        origin="thecharm/TMR @ 279b3e2",
        citation=_CITATION + "; label variant: Zheng et al., Rethinking Multimodal Entity and "
        "Relation Extraction from a Translation Point of View, ACL 2023",
        types=("PER", "LOC", "ORG", "OTHER"),
        coarse=COARSE,
        images=("images/twitter2015",),
        splits={
            "train": SplitCard(
                DataFile(
                    "twitter2015/variant_tmr/train.txt",
                    "66c1336f27fe854504623248942f0c1348baa39533167e636835bf04234b05d7",
                ),
                Counts(
                    documents=4000,
                    words=64434,
                    entities=6170,
                    entities_lenient=6352,
                    types=_types(2091, 928, 933, 2218),
                    types_lenient=_types(2135, 957, 975, 2285),
                ),
                {"orphan-tag": 182},
            ),
            "dev": SplitCard(
                DataFile(
                    "twitter2015/variant_tmr/val.txt",
                    "51e003ec71c202d786f53968ed901841c3e23bcec9a381c06120432cba0d56d1",
                ),
                Counts(
                    documents=1000,
                    words=16175,
                    entities=1541,
                    entities_lenient=1594,
                    types=_types(522, 247, 220, 552),
                    types_lenient=_types(543, 251, 233, 567),
                ),
                {"orphan-tag": 53},
            ),
            "test": SplitCard(
                DataFile(
                    "twitter2015/variant_tmr/test.txt",
                    "a4ef7f191a456021a7e2355dfd9f8e531a85bf62c275646c7d4c741563abab40",
                ),
                Counts(
                    documents=3257,
                    words=52822,
                    entities=5119,
                    entities_lenient=5237,
                    types=_types(1730, 839, 725, 1825),
                    types_lenient=_types(1750, 859, 748, 1880),
                ),
                {"orphan-tag": 118},
            ),
        },
        defects=(
            (
                "182 / 53 / 118 entities (train / dev / test) are opened by an I- tag that "
                "continues nothing"
            ),
            (
                "the labels of 239 test tweets differ from twitter2015@umt (9 of train, 3 of dev); "
                "nobody states why"
            ),
            "the words of 5 train and 3 dev tweets differ from twitter2015@umt",
        ),
    )
