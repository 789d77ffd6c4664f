"""Small corpora of our own wording, laid out as the published ones are."""

from __future__ import annotations

import dataclasses
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from magpie.corpora import Anomaly
from magpie.schema import Document

#: two posts: one orphan I-LOC, one entity of two words
TWEETS = (
    "IMGID:11\n"
    "Rain\tO\n"
    "over\tO\n"
    "Turin\tI-LOC\n"
    "\n"
    "IMGID:12\n"
    "Ada\tB-PER\n"
    "Byron\tI-PER\n"
    "visits\tO\n"
    "Turin\tB-LOC\n"
)

XML_11 = """<annotation>
	<size><width>200</width><height>100</height><depth>3</depth></size>
	<object>
		<name> Turin </name>
		<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>200</xmax><ymax>100</ymax></bndbox>
	</object>
</annotation>"""


class Notes(list[Anomaly]):
    """Collects anomalies; called as ``on_problem``.

    Every file that is written for a test has a digest that no card knows: these stand apart.
    """

    def __init__(self) -> None:
        super().__init__()
        self.digests: list[Anomaly] = []

    def __call__(self, anomaly: Anomaly) -> None:
        (self.digests if anomaly.kind == "unknown-digest" else self).append(anomaly)

    @property
    def kinds(self) -> list[str]:
        return [anomaly.kind for anomaly in self]

    @property
    def codes(self) -> list[str]:
        return [anomaly.error.code for anomaly in self if anomaly.error is not None]


def undigested(documents: Iterable[Document]) -> list[Document]:
    """Documents without the digest of their file, for comparing what two files say."""
    return [
        dataclasses.replace(document, source=dataclasses.replace(document.source, digest=None))
        for document in documents
        if document.source is not None
    ]


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def twitter2015(tmp_path: Path) -> Callable[..., Path]:
    """Writes a test split of Twitter-2015 and returns the corpus root."""

    def write(content: str | bytes = TWEETS, name: str = "test.txt") -> Path:
        folder = tmp_path / "data" / "twitter2015"
        folder.mkdir(parents=True, exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(data)
        return tmp_path / "data"

    return write


@pytest.fixture
def gmner(tmp_path: Path) -> Callable[..., Path]:
    """Writes a test split of GMNER, its box files given by picture id."""

    def write(content: str = TWEETS, boxes: dict[str, str | bytes] | None = None) -> Path:
        folder = tmp_path / "data" / "gmner"
        (folder / "txt").mkdir(parents=True, exist_ok=True)
        (folder / "txt" / "test.txt").write_text(content, encoding="utf-8")
        if boxes is not None:
            with zipfile.ZipFile(folder / "xml.zip", "w", zipfile.ZIP_DEFLATED) as archive:
                for identifier, xml in boxes.items():
                    archive.writestr(f"xml/{identifier}.xml", xml)
        return tmp_path / "data"

    return write
