"""Published corpora as Documents: readers, dataset cards, checks, leaks between splits.

>>> from magpie.corpora import load
>>> for document in load("gmner", "test", root="data"):  # doctest: +SKIP
...     print(document.id, document.entities)

One file a corpus; :mod:`magpie.corpora.registry` lists them. See docs/corpora.md.
"""

from magpie.corpora.anomaly import Anomaly
from magpie.corpora.card import Card, Counts, DataFile, SplitCard
from magpie.corpora.loading import load
from magpie.corpora.overlap import HeldOut, Overlap, Pair, compare, leaks, picture_key, text_key
from magpie.corpora.reader import Corpus
from magpie.corpora.registry import card, cards, names

__all__ = [
    "Anomaly",
    "Card",
    "Corpus",
    "Counts",
    "DataFile",
    "HeldOut",
    "Overlap",
    "Pair",
    "SplitCard",
    "card",
    "cards",
    "compare",
    "leaks",
    "load",
    "names",
    "picture_key",
    "text_key",
]
