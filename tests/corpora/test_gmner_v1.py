"""GMNER 1.0 reads as 2.0 does, from its own folder, and is never called verified."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from magpie.corpora import card, check, load
from magpie.errors import NotFoundError

TWEETS = "IMGID:7\nAda\tB-PER\nin\tO\nTurin\tI-LOC\n"
XML = """<annotation><size><width>50</width><height>40</height></size>
<object><name> Ada </name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>20</xmax><ymax>20</ymax>
</bndbox></object><object><name>Bo</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax>
</bndbox></object></annotation>"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "gmner_v1"
    (folder / "txt").mkdir(parents=True)
    (folder / "txt" / "test.txt").write_text(TWEETS)
    with zipfile.ZipFile(folder / "xml.zip", "w") as archive:
        archive.writestr("xml/7.xml", XML)
    return tmp_path


def test_tags_and_boxes(root: Path, notes: Any) -> None:
    (document,) = load("gmner@1.0", "test", root, on_problem=notes)
    ada, turin = document.entities
    assert [box.xyxy for box in ada.boxes] == [(1, 1, 20, 20)]
    assert (turin.type, turin.grounding.status) == ("LOC", "absent")
    assert sorted(notes.kinds) == ["box-unmatched", "orphan-tag"]
    assert document.source is not None
    assert document.source.corpus == "gmner@1.0"


def test_the_files_of_2_0_are_not_mistaken_for_it(root: Path) -> None:
    (root / "gmner_v1").rename(root / "gmner")
    with pytest.raises(NotFoundError, match="gmner_v1"):
        load("gmner@1.0", "test", root)


def test_its_digest_is_unknown(root: Path) -> None:
    report = check("gmner@1.0", root)
    assert not report.clean
    assert {file.status for file in report.files} == {"unknown", "missing"}


def test_card_states_what_others_counted() -> None:
    found = card("gmner@1.0")
    assert card("gmner").ref == "gmner@2.0"
    assert [split.counts.entities for split in found.splits.values()] == [11778, 2450, 2542]
    assert [split.counts.grounded for split in found.splits.values()] == [4694, 986, 1036]
    assert all(file.sha256 == "" for file in found.files())
    assert any("5613" in defect for defect in found.defects)
