"""The folders that HVPNeT, DeepKE and MKGformer train on: text, pictures and crops of objects.

``hvpnet@ner`` is a folder of column files (``IMGID:`` opens a post), ``hvpnet@re`` one of MNRE's
records, each with labels of its own choice:

=============  =========================================  =================================
what           ner, root ``NER_data/twitter2015``          re, root ``RE_data``
=============  =========================================  =================================
text           ``{train,valid,test}.txt``                 ``txt/ours_{train,val,test}.txt``
pictures       ``../twitter2015_images``                  ``img_org/{train,val,test}``
crops          ``../twitter2015_aux_images/{}/crops``     ``img_vg/{}/crops``
crops of each  ``twitter2015_{}_dict``, by picture name   ``txt/mre_{}_dict``, by row from 0
=============  =========================================  =================================

The last is pickled in the releases and has to be converted to JSON
(:mod:`magpie.corpora.layouts`). With it, the crops of a post are its media ``m1``, ``m2`` ...; a
crop is part of the picture ``m0``, but nobody wrote down which.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from magpie.corpora.anomaly import Anomaly, Report
from magpie.corpora.columns import Record
from magpie.corpora.dataset_card import Card
from magpie.corpora.layouts import find_text, folders, read_members
from magpie.corpora.mnre import MnreCorpus
from magpie.corpora.pictures import Pictures
from magpie.corpora.reader import ColumnCorpus, ReadOptions
from magpie.corpora.records import Raw, Reading
from magpie.corpora.sentence import Sentence, mark_up
from magpie.corpora.source import Found
from magpie.corpora.twitter2015 import TWEETS
from magpie.errors import ConfigError, FormatError
from magpie.schema import Document, Media

__all__ = ["HvpnetNer", "HvpnetRe"]

_ORIGIN = "zjunlp/HVPNeT @ 410bd0c, zjunlp/DeepKE @ 4b27718, zjunlp/MKGformer @ 6dc924d"
_CITATION = (
    "Chen et al., Good Visual Guidance Makes A Better Extractor: Hierarchical Visual Prefix for "
    "Multimodal Entity and Relation Extraction, Findings of NAACL 2022"
)
_DEFECTS = (
    "the crops of a post come pickled; convert the dictionary to JSON to read them",
    "where a crop was cut is not recorded",
)


class _Crops(NamedTuple):
    """The crops of each post by its key, and the folder they lie in."""

    names: Mapping[str, Any]
    pictures: Pictures

    def media(self, key: str, where: str, report: Report) -> tuple[Media, ...]:
        """The crops of a post, there or not."""
        names = self.names.get(key, [])
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise FormatError(
                f"expected a list of crops under {key!r}, came {names!r:.60}", where=where
            )
        media = []
        for index, name in enumerate(names, start=1):
            stem, _, suffix = name.rpartition(".")
            media.append(
                self.pictures.media(stem, where, report, suffix=f".{suffix}", medium=f"m{index}")
            )
        return tuple(media)


def _crops(
    split: str,
    places: tuple[Path, ...],
    names: tuple[str, ...],
    base: Path,
    pattern: str,
    report: Report,
) -> _Crops | None:
    members = read_members(split, places, names, report)
    if members is None:
        return None
    return _Crops(members, Pictures(folders(base, pattern, split), base, None))


class HvpnetNer(ColumnCorpus):
    """Entities. HVPNeT itself calls the type OTHER of Twitter-2015 MISC; here it keeps its name."""

    layout = TWEETS
    card = Card(
        name="hvpnet",
        version="ner",
        title="HVPNeT folder, entities (format)",
        task="named entities in tweets with pictures and crops of objects",
        licence="that of the files",
        origin=_ORIGIN,
        citation=_CITATION,
        defects=_DEFECTS,
    )

    def locate(self, split: str, root: Path) -> Found:
        return find_text(split, root, ("{}.txt",))

    def read(
        self, split: str, root: Path, options: ReadOptions, report: Report
    ) -> Iterator[Document]:
        if options.types == "coarse":
            raise ConfigError(f"{self.card.ref} has no map to the coarse types")
        found = self.locate(split, root)
        folder = found.path.parent
        base, name = folder.parent, folder.name
        candidates = (f"{name}_images", f"{name}/images")
        pictures = Pictures(candidates, base, options.images)
        crops = _crops(
            split,
            (folder,),
            (f"{name}_{{}}_dict",),
            base,
            f"{name}_aux_images/{{}}/crops",
            report,
        )
        documents = self._stream(found, split, root, options, pictures, report)
        return documents if crops is None else _with_crops(documents, crops, found, report)

    def mark_up(self, record: Record, name: str, options: ReadOptions, report: Report) -> Sentence:
        """Any types."""
        return mark_up(record, name=name, card=self.card, report=report, known=())


def _with_crops(
    documents: Iterator[Document], crops: _Crops, found: Found, report: Report
) -> Iterator[Document]:
    for document in documents:
        line = document.source.line if document.source is not None else None
        where = f"{found.name}:{line}"
        uri = (document.media[0].uri or "").replace("\\", "/")
        try:
            media = crops.media(uri.rsplit("/", maxsplit=1)[-1], where, report)
        except FormatError as error:
            report(Anomaly("side-unreadable", error.message, error.where, document.id))
            media = ()
        yield dataclasses.replace(document, media=(*document.media, *media))


class HvpnetRe(MnreCorpus):
    """Relations; any labels."""

    card = Card(
        name="hvpnet",
        version="re",
        title="HVPNeT folder, relations (format)",
        task="the relation between two given mentions of a tweet with a picture and crops",
        licence="that of the files",
        origin=_ORIGIN,
        citation=_CITATION,
        defects=_DEFECTS,
    )

    def locate(self, split: str, root: Path) -> Found:
        return find_text(split, root, ("txt/ours_{}.txt", "txt/{}.txt", "ours_{}.txt", "{}.txt"))

    def open_pictures(self, split: str, root: Path, found: Found, options: ReadOptions) -> Pictures:
        base = _base(found)
        return Pictures((*folders(base, "img_org/{}", split), "img_org"), base, options.images)

    def open_extra(self, split: str, root: Path, found: Found, report: Report) -> _Crops | None:
        base = _base(found)
        places = (found.path.parent, base)
        return _crops(split, places, ("mre_{}_dict",), base, "img_vg/{}/crops", report)

    def document(self, raw: Raw, reading: Reading) -> Document:
        document = super().document(raw, reading)
        crops: _Crops | None = reading.extra
        if crops is None:
            return document
        # Rows count from 0 and there are no blank lines between them.
        media = crops.media(str(raw.line - 1), raw.where, reading.report)
        return dataclasses.replace(document, media=(*document.media, *media))


def _base(found: Found) -> Path:
    """The folder that holds ``txt``, ``img_org`` and ``img_vg``."""
    folder = found.path.parent
    return folder.parent if folder.name == "txt" else folder
