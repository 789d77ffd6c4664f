"""Broad Twitter Corpus: tweets stratified over time, place and use; text only, three types."""

from __future__ import annotations

from magpie.corpora.dataset_card import Card, Counts, DataFile, SplitCard
from magpie.corpora.reader import ColumnCorpus

__all__ = ["BroadTwitter"]

_ARCHIVE = "text/broad_twitter_corpus.zip"


def _split(
    member: str, sha256: str, documents: int, words: int, loc: int, org: int, per: int, empty: int
) -> SplitCard:
    types = {"LOC": loc, "ORG": org, "PER": per}
    counts = Counts(
        documents=documents,
        words=words,
        entities=loc + org + per,
        entities_lenient=loc + org + per,
        types=types,
        types_lenient=types,
    )
    anomalies = {"empty-word": empty} if empty else {}
    file = DataFile(_ARCHIVE, sha256, f"train_dev_test_conll/{member}")
    return SplitCard(file, counts, anomalies)


class BroadTwitter(ColumnCorpus):
    """The suggested split: test is section F, dev half of section H, train the rest."""

    card = Card(
        name="broad-twitter",
        version="1.0",
        title="Broad Twitter Corpus",
        task="named entities in tweets",
        licence="CC BY 4.0",
        origin="GateNLP/broad_twitter_corpus @ 0c45ef7",
        citation="Derczynski, Bontcheva and Roberts, Broad Twitter Corpus: A Diverse Named Entity "
        "Recognition Resource, COLING 2016",
        types=("PER", "LOC", "ORG"),
        coarse={"PER": "PER", "LOC": "LOC", "ORG": "ORG"},
        splits={
            "train": _split(
                "btc.train",
                "2117732e744d8f1692786c7ebb919c52dadd406f082b43fe1e625a51f2cadd0f",
                6338,
                99933,
                2030,
                2665,
                4084,
                0,
            ),
            "dev": _split(
                "btc.dev",
                "9f7d33bcd195cecf9767357a5f1fe0ba879af6c55ebb68b8e846bff23c4e7fa5",
                1001,
                15024,
                156,
                380,
                1194,
                3,
            ),
            "test": _split(
                "btc.test",
                "3bd2387dfc98ebc9d8b77d8b9c59826262e9beadce71ce8edde272821b9c87c8",
                2001,
                35426,
                636,
                1090,
                2650,
                2,
            ),
        },
        defects=(
            "section G has 2138 tweets, its README says 2351",
            "3 rows of dev and 2 of test have a tag and no word; they are left out",
            "one tweet of test is cut in two by a line with a single space",
            "some words end in a space or hold one; they are kept as they are",
            "names of accounts are entities (@ and the name are tagged apart)",
        ),
    )
