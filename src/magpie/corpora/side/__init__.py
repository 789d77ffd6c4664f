"""Files published beside the corpora: captions, knowledge, boxes, weights, graphs, features.

>>> from magpie.corpora import load, side
>>> documents = load("gmner", "test", context=("blip2", "riveg"))  # doctest: +SKIP
>>> crops = side.regions("focalmre-detector", "test")  # doctest: +SKIP

Texts become ``Document.context``. Regions are what detectors proposed, never gold, so they are
kept out of documents and handed out by picture or row. :data:`SOURCES` lists everything; see
docs/corpora.md.
"""

from magpie.corpora.side.access import FRACTIONS, read, regions
from magpie.corpora.side.card import Part, SideSource
from magpie.corpora.side.places import (
    GENERATED,
    GENERATED_SIZE,
    RELEASE_SIZE,
    box_from_fractions,
    fractions_from_box,
)
from magpie.corpora.side.predictions import PREDICTIONS, predictions
from magpie.corpora.side.rows import (
    Answer,
    Crops,
    Graph,
    Mention,
    Phrases,
    Places,
    Post,
    Relatedness,
    Row,
    Tagged,
    Target,
    Text,
    Weights,
)
from magpie.corpora.side.table import SOURCES, source
from magpie.corpora.side.vinvl import VinvlRegions, read_vinvl, write_vinvl

__all__ = [
    "FRACTIONS",
    "GENERATED",
    "GENERATED_SIZE",
    "PREDICTIONS",
    "RELEASE_SIZE",
    "SOURCES",
    "Answer",
    "Crops",
    "Graph",
    "Mention",
    "Part",
    "Phrases",
    "Places",
    "Post",
    "Relatedness",
    "Row",
    "SideSource",
    "Tagged",
    "Target",
    "Text",
    "VinvlRegions",
    "Weights",
    "box_from_fractions",
    "fractions_from_box",
    "predictions",
    "read",
    "read_vinvl",
    "regions",
    "source",
    "write_vinvl",
]
