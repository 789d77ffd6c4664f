"""The table of corpora: one line each, imported when asked for, held by a golden test."""

from __future__ import annotations

import difflib
import functools
import importlib

from magpie.corpora.dataset_card import Card
from magpie.corpora.reader import Corpus
from magpie.errors import NotFoundError

__all__ = ["REGISTRY", "card", "cards", "corpus", "names", "with_type"]

#: name@version -> module and class; the first version of a name is its default
REGISTRY: dict[str, tuple[str, str]] = {
    "twitter2015@umt": ("magpie.corpora.twitter2015", "Twitter2015"),
    "twitter2015@tmr": ("magpie.corpora.twitter2015", "Twitter2015Tmr"),
    "twitter2017@umt": ("magpie.corpora.twitter2017", "Twitter2017"),
    "gmner@2.0": ("magpie.corpora.gmner", "Gmner"),
    "gmner@1.0": ("magpie.corpora.gmner_v1", "Gmner1"),
    "fmnerg@1.0": ("magpie.corpora.fmnerg", "Fmnerg"),
    "broad-twitter@1.0": ("magpie.corpora.broad_twitter", "BroadTwitter"),
    "wnut17@1.0": ("magpie.corpora.wnut17", "Wnut17"),
    "mnre@2": ("magpie.corpora.mnre", "Mnre2"),
    "mnre@1": ("magpie.corpora.mnre", "Mnre1"),
    "mqa@twitter2015": ("magpie.corpora.mqa", "MqaTwitter2015"),
    "mqa@twitter2017": ("magpie.corpora.mqa", "MqaTwitter2017"),
    "mqa@mnre1": ("magpie.corpora.mqa", "MqaMnre1"),
    "mqa@mnre2": ("magpie.corpora.mqa", "MqaMnre2"),
    "m2e2@1": ("magpie.corpora.m2e2", "M2e2"),
    "funsd@1": ("magpie.corpora.funsd", "Funsd"),
    "sroie@1": ("magpie.corpora.sroie", "Sroie"),
    "coco@1": ("magpie.corpora.coco", "Coco"),
    "rooms-boxes@1": ("magpie.corpora.rooms_boxes", "RoomsBoxes"),
    # formats: any file, any types
    "xfund@1": ("magpie.corpora.xfund", "Xfund"),
    "wikidiverse@1": ("magpie.corpora.wikidiverse", "WikiDiverse"),
    "wiki-gmper@1": ("magpie.corpora.wiki_gmper", "WikiGmper"),
    "conll@1": ("magpie.corpora.conll", "Conll"),
    "more@1": ("magpie.corpora.more", "More"),
    "jmere@1": ("magpie.corpora.jmere", "Jmere"),
    "umie@entity": ("magpie.corpora.umie", "UmieEntity"),
    "umie@relation": ("magpie.corpora.umie", "UmieRelation"),
    "umie@trigger": ("magpie.corpora.umie", "UmieTrigger"),
    "umie@argument": ("magpie.corpora.umie", "UmieArgument"),
    "uie@1": ("magpie.corpora.uie", "Uie"),
    "instructuie@1": ("magpie.corpora.uie", "InstructUie"),
    "hvpnet@ner": ("magpie.corpora.hvpnet", "HvpnetNer"),
    "hvpnet@re": ("magpie.corpora.hvpnet", "HvpnetRe"),
    "magpie@1": ("magpie.corpora.jsonl", "MagpieJsonl"),
}


def names() -> list[str]:
    """Every ``name@version``, in the table's order."""
    return list(REGISTRY)


@functools.cache
def corpus(name: str) -> Corpus:
    """The reader of ``name`` or ``name@version``.

    Raises:
        NotFoundError: nobody registered it; the nearest name is suggested.
    """
    ref = name if name in REGISTRY else _default_version(name)
    module, attribute = REGISTRY[ref]
    reader: Corpus = getattr(importlib.import_module(module), attribute)()
    return reader


def _default_version(name: str) -> str:
    for ref in REGISTRY:
        if ref.partition("@")[0] == name:
            return ref
    known = [*REGISTRY, *(ref.partition("@")[0] for ref in REGISTRY)]
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"Did you mean {near[0]}? " if near else ""
    raise NotFoundError(
        f"no corpus {name!r}", mend=f"{hint}`magpie corpora list` shows all of them."
    )


def card(name: str) -> Card:
    """The card of ``name`` or ``name@version``.

    Raises:
        NotFoundError: nobody registered it.
    """
    return corpus(name).card


def cards() -> list[Card]:
    """The cards of all corpora, in the table's order."""
    return [corpus(ref).card for ref in REGISTRY]


def with_type(kind: str) -> list[str]:
    """The corpora whose files use the entity type ``kind``."""
    return [each.ref for each in cards() if kind in each.types]
