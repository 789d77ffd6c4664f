"""WNUT-17: emerging and rare entities in tweets, comments and forum posts; text only."""

from __future__ import annotations

from magpie.corpora.dataset_card import Card, Counts, DataFile, SplitCard
from magpie.corpora.reader import ColumnCorpus

__all__ = ["Wnut17"]

_ARCHIVE = "text/wnut17.zip"
_TYPES = ("person", "location", "corporation", "group", "product", "creative-work")


def _split(member: str, sha256: str, documents: int, words: int, *types: int) -> SplitCard:
    """``types`` are counts in the order of ``_TYPES``."""
    per_type = dict(zip(_TYPES, types, strict=True))
    counts = Counts(
        documents=documents,
        words=words,
        entities=sum(types),
        entities_lenient=sum(types),
        types=per_type,
        types_lenient=per_type,
    )
    return SplitCard(DataFile(_ARCHIVE, sha256, member), counts)


class Wnut17(ColumnCorpus):
    """The shared task's three files; test is the one with gold labels only."""

    card = Card(
        name="wnut17",
        version="1.0",
        title="WNUT-17 emerging entities",
        task="named entities in noisy user text",
        licence="CC BY 4.0",
        origin="leondz/emerging_entities_17 @ e52a2d2",
        citation="Derczynski et al., Results of the WNUT2017 Shared Task on Novel and Emerging "
        "Entity Recognition, W-NUT 2017",
        types=_TYPES,
        coarse={
            "person": "PER",
            "location": "LOC",
            "corporation": "ORG",
            "group": "ORG",
            "product": "OTHER",
            "creative-work": "OTHER",
        },
        splits={
            "train": _split(
                "wnut17train.conll",
                "731820e13f71af324c6b55a1575ec2ce59fbaa2a0806f8f0400b98d56cd6a7a5",
                3394,
                62730,
                *(660, 548, 221, 264, 142, 140),
            ),
            "dev": _split(
                "emerging.dev.conll",
                "e053b752b8155113ca66e7db08af5f2f5f43ab993694e4774f1ec5bad42312d8",
                1009,
                15733,
                *(470, 74, 34, 39, 114, 105),
            ),
            "test": _split(
                "emerging.test.annotated",
                "2aa79b764e56ec9264a1b30fdd9b70195bd00ff400b62edd8f399d5f13c178f0",
                1287,
                23394,
                *(429, 150, 66, 165, 127, 142),
            ),
        },
        defects=(
            (
                "train is tweets of 2010, dev YouTube comments, test tweets, Reddit and "
                "StackExchange: the splits differ in genre on purpose"
            ),
            "blank lines of train hold a tab",
        ),
    )
