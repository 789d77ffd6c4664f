"""Indoor photographs with a box for each thing in them: ``class x1 y1 x2 y2`` per line.

The archive holds ``ground-truth/<id>.txt`` and ``images-optional/<id>.jpg``.
"""

from __future__ import annotations

from magpie.corpora.anomaly import Anomaly
from magpie.corpora.dataset_card import Card, Counts, DataFile, SplitCard
from magpie.corpora.files import MAX_FILE_BYTES, FileCorpus, decode
from magpie.corpora.forms import page_box
from magpie.corpora.records import Reading
from magpie.corpora.source import Folder
from magpie.errors import FormatError
from magpie.schema import Annotations, Document, Media, Region

__all__ = ["RoomsBoxes"]


_LABELS = (
    "backpack",
    "bed",
    "book",
    "bookcase",
    "bottle",
    "bowl",
    "cabinetry",
    "chair",
    "coffeetable",
    "countertop",
    "cup",
    "diningtable",
    "doll",
    "door",
    "heater",
    "nightstand",
    "person",
    "pictureframe",
    "pillow",
    "pottedplant",
    "remote",
    "shelf",
    "sink",
    "sofa",
    "tap",
    "tincan",
    "tvmonitor",
    "vase",
    "wastecontainer",
    "windowblind",
)


class RoomsBoxes(FileCorpus):
    """One document a photograph, one region a box; there is one split, called ``all``."""

    card = Card(
        name="rooms-boxes",
        version="1",
        title="Rooms with boxes (sample data of mAP)",
        task="things in indoor photographs",
        licence="Apache-2.0",
        origin="Cartucho/mAP @ 3605865",
        citation="Cartucho et al., Robust Object Recognition Through Symbiotic Deep Learning In "
        "Mobile Robots, IROS 2018",
        splits={
            "all": SplitCard(
                DataFile(
                    "photos/rooms_boxes.zip",
                    "c8b5a8c9ca1f66c48b575ebf7f3bf6eec1ff4c4dd26deb64e7c8d2011be584b2",
                    folder=True,
                ),
                Counts(documents=85, entities=0, entities_lenient=0, pictures=85, regions=686),
                {"box-clipped": 5},
            ),
        },
        labels=_LABELS,
        defects=("5 boxes end at row 481 of pictures that have 480",),
    )

    def names(self, folder: Folder) -> list[str]:
        return [name for name in folder.names() if name.endswith(".txt")]

    def document(self, name: str, folder: Folder, reading: Reading, pages: Folder) -> Document:
        where = folder.place(name) or name
        stem = name.removesuffix(".txt")
        data = folder.read(name, limit=MAX_FILE_BYTES)
        if data is None:
            raise FormatError("the file is not there", where=where)
        medium = self.picture(stem, f"{stem}.jpg", where, reading, pages)
        regions = []
        for number, line in enumerate(decode(data, where).split("\n"), start=1):
            if line.strip():
                region = _region(line, medium, f"{where}:{number}", stem, reading)
                if region is not None:
                    regions.append(region)
        return Document(
            id=reading.ids.take(stem, where),
            blocks=(),
            media=(medium,),
            annotations=Annotations(regions=tuple(regions), provenance=reading.provenance()),
            source=self.source(name, reading),
        )


def _region(line: str, medium: Media, where: str, record: str, reading: Reading) -> Region | None:
    columns = line.split()
    try:
        label, corners = columns[0], [float(column) for column in columns[1:]]
    except ValueError:
        message = f"expected a class and four numbers, came {line[:60]!r}"
        reading.report(Anomaly("box-skipped", message, where, record))
        return None
    box = page_box(corners, label, medium, where, record, reading.report)
    return None if box is None else Region(media=medium.id, box=box, label=label)
