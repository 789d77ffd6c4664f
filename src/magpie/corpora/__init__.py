"""Published corpora as Documents: readers, dataset cards, checks, leaks between splits.

>>> from magpie.corpora import load
>>> for document in load("gmner", "test", root="data"):  # doctest: +SKIP
...     print(document.id, document.entities)

One file a corpus; :mod:`magpie.corpora.registry` lists them. See docs/corpora.md.
"""

from magpie.corpora.anomaly import Anomaly
from magpie.corpora.checking import CheckReport, FileReport, SplitReport, check, check_many
from magpie.corpora.converting import Conversion, convert
from magpie.corpora.dataset_card import Card, Counts, DataFile, SplitCard
from magpie.corpora.digests import digest_status, is_verified
from magpie.corpora.loading import load
from magpie.corpora.overlaps import (
    HeldOut,
    Overlap,
    Pair,
    compare,
    leaks,
    overlap,
    picture_key,
    text_key,
)
from magpie.corpora.reader import Corpus, is_orphan
from magpie.corpora.registry import card, cards, names
from magpie.corpora.tallying import tally

__all__ = [
    "Anomaly",
    "Card",
    "CheckReport",
    "Conversion",
    "Corpus",
    "Counts",
    "DataFile",
    "FileReport",
    "HeldOut",
    "Overlap",
    "Pair",
    "SplitCard",
    "SplitReport",
    "card",
    "cards",
    "check",
    "check_many",
    "compare",
    "convert",
    "digest_status",
    "is_orphan",
    "is_verified",
    "leaks",
    "load",
    "names",
    "overlap",
    "picture_key",
    "tally",
    "text_key",
]
