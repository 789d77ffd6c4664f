"""Twitter-2017: tweets with one picture each; the fourth type is called MISC here."""

from __future__ import annotations

from magpie.corpora.dataset_card import Card, Counts, DataFile, SplitCard
from magpie.corpora.reader import ColumnCorpus
from magpie.corpora.twitter2015 import TWEETS

__all__ = ["Twitter2017"]


def _counts(documents: int, words: int, loc: int, misc: int, org: int, per: int) -> Counts:
    """Without orphan tags the strict and the lenient counts are one."""
    types = {"LOC": loc, "MISC": misc, "ORG": org, "PER": per}
    total = loc + misc + org + per
    return Counts(
        documents=documents,
        words=words,
        entities=total,
        entities_lenient=total,
        types=types,
        types_lenient=types,
    )


class Twitter2017(ColumnCorpus):
    """The release of UMT. ``types="coarse"`` calls MISC OTHER, as Twitter-2015 does."""

    layout = TWEETS
    card = Card(
        name="twitter2017",
        version="umt",
        title="Twitter-2017",
        task="named entities in tweets with pictures",
        licence="none stated; tweets under the terms of Twitter; research use",
        origin="jefferyYu/UMT @ f478ee6",
        citation="Lu et al., Visual Attention Model for Name Tagging in Multimodal Social Media, "
        "ACL 2018; this release: Yu et al., ACL 2020 (UMT)",
        types=("PER", "LOC", "ORG", "MISC"),
        coarse={"PER": "PER", "LOC": "LOC", "ORG": "ORG", "MISC": "OTHER"},
        images=("images/twitter2017",),
        splits={
            "train": SplitCard(
                DataFile(
                    "twitter2017/train.txt",
                    "801e149e8635b19d66b4ec1212c329be340ada501b35c5fa55455fb6f53633be",
                ),
                _counts(3373, 53007, 731, 701, 1674, 2943),
            ),
            "dev": SplitCard(
                DataFile(
                    "twitter2017/valid.txt",
                    "41b5db90cb32059c14c2c3ccd50845fb77f1e3d3e4f7d0c210a61bc507d8a73e",
                ),
                _counts(723, 11309, 173, 150, 375, 626),
            ),
            "test": SplitCard(
                DataFile(
                    "twitter2017/test.txt",
                    "a7d9e172ae85bd3e35276eb2b01ce223321bdc92a47b234e24305d72e7a05243",
                ),
                _counts(723, 11330, 178, 157, 395, 621),
            ),
        },
        defects=(
            "16 words become nothing in an accent-stripping tokenizer; all of them are tagged O",
            (
                "tweets recur in gmner and fmnerg (ids there with O_ in front) under other splits: "
                "see `magpie corpora overlap`"
            ),
        ),
    )
