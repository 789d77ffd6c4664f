"""Corpora of one small file a document, in an archive or a folder; a bad file is one bad record."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from magpie.corpora.anomaly import Anomaly, Report
from magpie.corpora.dataset_card import DataFile
from magpie.corpora.pictures import PICTURE, Pictures
from magpie.corpora.reader import Corpus, ReadOptions, UniqueIds, Watch
from magpie.corpora.records import Reading
from magpie.corpora.source import Folder, Found, find, open_folder
from magpie.errors import ConfigError, FormatError, MagpieError, MediaError, NotFoundError
from magpie.schema import Document, Media, Source

__all__ = ["MAX_FILE_BYTES", "FileCorpus", "decode", "find_folder", "picture_of"]

#: Largest annotation file of one document.
MAX_FILE_BYTES = 16 * 1024 * 1024


class FileCorpus(Corpus):
    """A split is a folder (``SplitCard.file`` with ``folder``); subclasses say which files of it
    are records and make a Document of one."""

    #: ending of the pictures' names
    picture_suffix: ClassVar[str] = ".jpg"

    def read(
        self, split: str, root: Path, options: ReadOptions, report: Report
    ) -> Iterator[Document]:
        if options.types == "coarse":
            raise ConfigError(
                f"{self.card.ref} has no map to the coarse types", mend='Use types="own".'
            )
        found = find(self.card.splits[split].file, root)
        watch = Watch(found.name, report)
        reading = Reading(
            card=self.card,
            split=split,
            found=found,
            root=root,
            options=options,
            pictures=Pictures(self.card.images, root, options.images),
            ids=UniqueIds(watch.take),
            report=watch.take,
        )
        return self._stream(reading, watch)

    @abstractmethod
    def names(self, folder: Folder) -> list[str]:
        """The record files among the folder's names, in order."""

    @abstractmethod
    def document(self, name: str, folder: Folder, reading: Reading, pages: Folder) -> Document:
        """The document of one file; ``pages`` is the folder with the pictures.

        Raises:
            MagpieError: the record is set aside.
        """

    def pages(self, reading: Reading) -> Found:
        """Where the pictures lie: beside the records, unless overridden."""
        return reading.found

    def _stream(self, reading: Reading, watch: Watch) -> Iterator[Document]:
        with open_folder(reading.found) as folder, open_folder(self.pages(reading)) as pages:
            for name in folder.twice:
                watch.take(Anomaly("member-twice", f"{name} stands twice", folder.name))
            for name in self.names(folder):
                where = folder.place(name) or folder.name
                try:
                    document = self.document(name, folder, reading, pages)
                except MagpieError as error:
                    located = error if error.where.startswith(where) else error.at(where)
                    watch.take(Anomaly.lost(located, record=name))
                    continue
                watch.good += 1
                yield document
        watch.close()

    def source(self, name: str, reading: Reading) -> Source:
        """Where a document was read: the record's own file."""
        label = f"{reading.found.file.label}/{name}"
        return Source(corpus=self.card.ref, split=reading.split, file=label)

    def picture(
        self, identifier: str, name: str, where: str, reading: Reading, pages: Folder
    ) -> Media:
        """The picture ``name`` of the folder, or that of the pictures folder given outright."""
        if reading.options.images is None and pages.place(name) is not None:
            return picture_of(pages, name, where, identifier, reading.report)
        suffix = self.picture_suffix
        return reading.pictures.media(identifier, where, reading.report, suffix=suffix)


def picture_of(
    pages: Folder, name: str, where: str, record: str, report: Report, *, medium: str = PICTURE
) -> Media:
    """A picture that lies in an archive or folder, with the size its header states.

    A picture that cannot be opened is reported and comes back as missing.
    """
    uri = pages.place(name)
    try:
        width, height = pages.picture_size(name)
    except (FormatError, MediaError) as error:
        report(Anomaly("picture-unreadable", error.message, error.where or where, record))
        return Media(id=medium, uri=uri, missing=error.message)
    return Media(id=medium, uri=uri, width=width, height=height)


def find_folder(file: DataFile, root: Path) -> Found | None:
    """The folder, or None where it is not there."""
    try:
        return find(file, root)
    except NotFoundError:
        return None


def decode(data: bytes, where: str) -> str:
    """UTF-8 text without a byte order mark.

    Raises:
        FormatError: it is none.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise FormatError(
            f"byte {error.start} is not valid UTF-8",
            code="format-encoding",
            where=f"{where}:{line}",
            mend="Convert the file to UTF-8.",
        ) from error
