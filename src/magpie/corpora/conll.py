"""Any column file: CoNLL-2003 and -2002, WNUT, MultiCoNER and one's own, in any tag scheme.

Sentences are parted by blank lines; ``-DOCSTART-`` rows and comment lines are passed over. A file
that starts with a line ``IMGID:123`` has its sentences opened by such lines instead, each with the
id of its post and picture, as the multimodal corpora write them. The file is read twice: once to
see whether its tags are IOB1, BIO, BIOES or BILOU, once for the documents.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from magpie.corpora.anomaly import Anomaly, Report
from magpie.corpora.columns import Layout, Record, iter_records
from magpie.corpora.dataset_card import Card
from magpie.corpora.pictures import Pictures
from magpie.corpora.reader import ColumnCorpus, ReadOptions
from magpie.corpora.sentence import Sentence, mark_up
from magpie.corpora.source import Found, iter_found_lines
from magpie.errors import ConfigError
from magpie.schema import Document
from magpie.text.tags import Scheme, convert_tags, detect_scheme

__all__ = ["Conll"]

#: how BILOU writes the ends that BIOES calls E- and S-
_BIOES = {"L-": "E-", "U-": "S-"}

_BLANK_LINES = Layout(columns=None, comments=True)
_OPENED = Layout(columns=None, opener="IMGID:")

_SUFFIXES = (".txt", ".conll", ".bio", ".iob", ".iob2", ".tsv")


class Conll(ColumnCorpus):
    """Give the file itself as root, or a folder with ``train.txt``, ``dev.conll`` and so on."""

    suffixes = _SUFFIXES
    card = Card(
        name="conll",
        version="1",
        title="Column file (CoNLL)",
        task="named entities in tokenised text",
        licence="that of the file",
        origin="any file with a word and a tag column",
        citation="Tjong Kim Sang and De Meulder, Introduction to the CoNLL-2003 Shared Task, 2003",
    )

    def __init__(self, scheme: Scheme = "BIO", layout: Layout = _BLANK_LINES) -> None:
        self.scheme = scheme
        self.layout = layout

    def read(
        self, split: str, root: Path, options: ReadOptions, report: Report
    ) -> Iterator[Document]:
        if options.types == "coarse":
            raise ConfigError(f"{self.card.ref} has no map to the coarse types")
        found = self.locate(split, root)
        layout = _layout(found)
        reader = Conll(_scheme(found, layout, options), layout)
        pictures = Pictures((), root, options.images)
        return reader._stream(found, split, root, options, pictures, report)

    def mark_up(self, record: Record, name: str, options: ReadOptions, report: Report) -> Sentence:
        """IOB1 is rewritten first: there, an I- that opens an entity is no defect."""
        tags = _column(record, options.tag_column)
        _column(record, options.word_column)
        if self.scheme == "IOB1":
            tags = convert_tags(tags, "BIO")
        elif self.scheme == "BILOU":
            tags = [_BIOES.get(tag[:2], tag[:2]) + tag[2:] for tag in tags]
        return mark_up(
            record,
            name=name,
            card=self.card,
            report=report,
            tags=tags,
            word_column=options.word_column,
            prefixes="BIES" if self.scheme in ("BIOES", "BILOU") else "BI",
        )


def _column(record: Record, index: int) -> list[str]:
    width = len(record.rows[0])
    if not -width <= index < width:
        raise ConfigError(
            f"column {index} does not exist, the file has {width} columns",
            mend="Columns count from 0, negative ones from the right.",
        )
    return [row[index] for row in record.rows]


def _layout(found: Found) -> Layout:
    """What parts the sentences of a file, told by its first line that is not blank."""
    first = next((line.text for line in iter_found_lines(found) if line.text.strip()), "")
    return _OPENED if first.startswith(_OPENED.opener or "\n") else _BLANK_LINES


def _scheme(found: Found, layout: Layout, options: ReadOptions) -> Scheme:
    """The tag scheme of a file, judged by the sentences that have well-formed tags."""

    def ignore(_: Anomaly) -> None:
        """The second reading reports."""

    records = iter_records(iter_found_lines(found), name=found.name, layout=layout, report=ignore)
    sentences = (_column(record, options.tag_column) for record in records)
    return detect_scheme(tags for tags in sentences if all(map(_well_formed, tags)))


def _well_formed(tag: str) -> bool:
    return tag == "O" or (tag[:1] in "BIESLU" and tag[1:2] == "-" and len(tag) > 2)
