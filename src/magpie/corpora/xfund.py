"""XFUND: forms in seven languages, the fields of FUNSD and all pages of a split in one file.

``{"lang": "zh", "split": "val", "documents": [{"id": "zh_val_0", "document": [fields],
"img": {"fname": "zh_val_0.jpg", "width": 2480, "height": 3508}}]}``. Written from the published
description; the data was not at hand. A file of FUNSD (``{"form": [fields]}``) is read as one page.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from magpie.corpora.dataset_card import Card
from magpie.corpora.forms import LABELS, read_form
from magpie.corpora.json_file import load_json
from magpie.corpora.records import Raw, Reading, RecordCorpus, field
from magpie.corpora.source import Found
from magpie.errors import FormatError
from magpie.schema import Annotations, Document, Media, Source

__all__ = ["Xfund"]


class Xfund(RecordCorpus):
    """Give the file itself as root, or a folder with ``<split>.json``."""

    suffixes = (".json",)
    card = Card(
        name="xfund",
        version="1",
        title="XFUND (file format)",
        task="fields of forms in seven languages, their kinds and the links between them",
        licence="CC BY-NC-SA 4.0, as its repository states",
        origin="doc-analysis/XFUND, its releases",
        citation="Xu et al., XFUND: A Benchmark Dataset for Multilingual Visually Rich Form "
        "Understanding, Findings of ACL 2022",
        types=LABELS,
        images=("images/xfund",),
        defects=(
            (
                "the languages are zh, ja, es, fr, it, de and pt with 149 training and 50 test "
                "pages each; magpie has read no published file, so no count here is checked"
            ),
        ),
    )

    def records(self, found: Found) -> Iterator[Raw]:
        data = load_json(found)
        if isinstance(data, dict) and "form" in data:
            yield Raw(found.name, 1, {"id": Path(found.file.path).stem, "document": data["form"]})
            return
        for index, record in enumerate(field(data, "documents", list, found.name)):
            yield Raw(f"{found.name}: document {index}", 1, record)

    def document(self, raw: Raw, reading: Reading) -> Document:
        record: Any = raw.value
        identifier = field(record, "id", str, raw.where)
        medium = self._page(record, identifier, raw.where, reading)
        items = field(record, "document", list, raw.where)
        form = read_form(items, medium, where=raw.where, record=identifier, report=reading.report)
        return Document(
            id=reading.ids.take(identifier, raw.where),
            blocks=tuple(form.blocks),
            media=(medium,),
            annotations=Annotations(
                entities=tuple(form.entities),
                regions=tuple(form.regions),
                links=tuple(form.links),
                provenance=reading.provenance(),
            ),
            source=Source(
                corpus=reading.card.ref, split=reading.split, file=reading.found.file.label
            ),
        )

    def _page(self, record: dict[str, Any], identifier: str, where: str, reading: Reading) -> Media:
        """The page's picture, with the size that the file states."""
        image = record.get("img")
        if image is None:
            return reading.pictures.media(identifier, where, reading.report)
        name = field(image, "fname", str, where)
        stem, dot, ending = name.rpartition(".")
        size = (field(image, "width", int, where), field(image, "height", int, where))
        if min(size) < 1:
            raise FormatError(f"a page of {size[0]}x{size[1]} pixels", where=where)
        suffix = f"{dot}{ending}" if dot else ""
        return reading.pictures.media(stem or name, where, reading.report, size=size, suffix=suffix)
