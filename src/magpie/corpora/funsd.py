"""FUNSD: noisy scanned forms, each field with its box, words, label and links.

The archive holds ``training_data`` and ``testing_data``, each with ``annotations/<id>.json`` and
``images/<id>.png``. Fields are read by :mod:`magpie.corpora.forms`.
"""

from __future__ import annotations

from magpie._io import parse_json
from magpie.corpora.dataset_card import Card, Counts, DataFile, SplitCard
from magpie.corpora.files import MAX_FILE_BYTES, FileCorpus, decode
from magpie.corpora.forms import LABELS, read_form
from magpie.corpora.records import Reading, field
from magpie.corpora.source import Folder
from magpie.errors import FormatError
from magpie.schema import Annotations, Document

__all__ = ["Funsd"]

_FOLDER = "annotations/"


def _counts(
    forms: int, words: int, labels: tuple[int, int, int, int], *, blocks: int, links: int
) -> Counts:
    """``labels`` counts the fields with text, in the order of :data:`LABELS`."""
    types = dict(zip(LABELS, labels, strict=True))
    return Counts(
        documents=forms,
        words=words,
        entities=sum(labels),
        entities_lenient=sum(labels),
        types=types,
        types_lenient=types,
        grounded=sum(labels),
        box_mentions=words,
        blocks=blocks,
        pictures=forms,
        regions=blocks - sum(labels),
        links=links,
    )


class Funsd(FileCorpus):
    """One document a form, one block a field, one medium: the page."""

    picture_suffix = ".png"
    card = Card(
        name="funsd",
        version="1",
        title="FUNSD",
        task="fields of scanned forms, their kinds and the links between them",
        licence="non-commercial research and education",
        origin="yoldoz/Projet-BNP @ 6e1dddf, a copy of the published archive",
        citation="Jaume et al., FUNSD: A Dataset for Form Understanding in Noisy Scanned "
        "Documents, ICDAR-OST 2019",
        types=LABELS,
        splits={
            "train": SplitCard(
                DataFile(
                    "forms/funsd.zip",
                    "0143781711d0e4f7c95ae57fde9171f482d0c2b055bdeeffb39bda868a021322",
                    member="training_data",
                    folder=True,
                ),
                _counts(149, 21888, (3253, 2732, 441, 833), blocks=7411, links=4230),
                {"empty-field": 152, "empty-word": 624, "link-repeated": 13, "link-self": 1},
            ),
            "test": SplitCard(
                DataFile(
                    "forms/funsd.zip",
                    "1a50319a402669ffb59ac2305df9242cda046593d121e24c3e383051c0b3a6a6",
                    member="testing_data",
                    folder=True,
                ),
                _counts(50, 8707, (1070, 809, 119, 272), blocks=2332, links=1064),
                {"empty-field": 62, "empty-word": 266, "link-repeated": 24},
            ),
        },
        defects=(
            "the paper counts 9707 fields and 5304 links, the files hold 9743 and 5294",
            (
                "152 / 62 fields (train / test) have a box and a label but no text; they are "
                "blocks and regions, and 83 / 18 links lead to them"
            ),
            (
                "624 / 266 of the 22512 / 8973 words have no text and are left out; 43 / 19 "
                "others hold a space"
            ),
            (
                "every link is written down at both of its ends, 13 / 24 times twice at one of "
                "them, and one field of training form 0011906503 is linked to itself"
            ),
            (
                "3129 / 837 links lead from a question to an answer, 1016 / 224 from a header to "
                "a question, 85 / 3 join other kinds"
            ),
        ),
    )

    def names(self, folder: Folder) -> list[str]:
        return [n for n in folder.names() if n.startswith(_FOLDER) and n.endswith(".json")]

    def document(self, name: str, folder: Folder, reading: Reading, pages: Folder) -> Document:
        where = folder.place(name) or name
        stem = name.removeprefix(_FOLDER).removesuffix(".json")
        data = folder.read(name, limit=MAX_FILE_BYTES)
        if data is None:
            raise FormatError("the file is not there", where=where)
        items = field(parse_json(decode(data, where), where=where), "form", list, where)
        medium = self.picture(stem, f"images/{stem}.png", where, reading, pages)
        form = read_form(items, medium, where=where, record=stem, report=reading.report)
        return Document(
            id=reading.ids.take(stem, where),
            blocks=tuple(form.blocks),
            media=(medium,),
            annotations=Annotations(
                entities=tuple(form.entities),
                regions=tuple(form.regions),
                links=tuple(form.links),
                provenance=reading.provenance(),
            ),
            source=self.source(name, reading),
        )
