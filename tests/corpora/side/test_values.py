from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from magpie.corpora.dataset_card import DataFile
from magpie.corpora.side import values
from magpie.corpora.source import Found
from magpie.errors import FormatError


def four(write: Any, *columns: str) -> list[Found]:
    return [write(text, f"w{number}.txt") for number, text in enumerate(columns)]


def test_four_files_make_one_row(write: Any, notes: Any) -> None:
    files = four(
        write,
        "11.jpg\t0.25\n12.jpg\t1e-05\n",
        "11.jpg\t0.75\n12.jpg\t0.5\n",
        "11.jpg\t0.1\n12.jpg\t0\n",
        "11.jpg\t0.9\n12.jpg\t1\n",
    )
    first, second = values.weights(files, "test", notes)
    assert (first.key, first.strong, first.weak) == ("11", 0.25, 0.75)
    assert (first.generated_strong, first.generated_weak) == (0.1, 0.9)
    assert (second.strong, second.generated_weak) == (1e-05, 1.0)
    assert notes == []


def test_a_picture_may_have_several_rows(write: Any, notes: Any) -> None:
    files = four(write, *["11.jpg\t0.25\n11.jpg\t0.5\n"] * 4)
    assert [row.strong for row in values.weights(files, "test", notes)] == [0.25, 0.5]
    assert notes == []


def test_rows_that_do_not_belong_together(write: Any, notes: Any) -> None:
    files = four(
        write,
        "11.jpg\t0.2\n12.jpg\t0.2\n13.jpg\t2\n14.jpg 0.5\n15.jpg\t0.5\n16.jpg\t0.5\n",
        "11.jpg\t0.2\n99.jpg\t0.2\n13.jpg\t0.5\n14.jpg\t0.5\n15.jpg\tx\n",
        *["11.jpg\t0.2\n12.jpg\t0.2\n13.jpg\t0.5\n14.jpg\t0.5\n15.jpg\t0.5\n"] * 2,
    )
    assert [row.key for row in values.weights(files, "test", notes)] == ["11"]
    messages = [anomaly.message for anomaly in notes]
    assert "different pictures: 12.jpg, 99.jpg" in messages[0]
    assert "from 0 to 1" in messages[1]
    assert "<picture><TAB><weight>" in messages[2]
    assert "a weight as a number" in messages[3]
    assert "different numbers of lines" in messages[4]


def test_scene_graphs(write: Any, notes: Any) -> None:
    found = write({"11.jpg": {"rel": [[0, 2], [1, 0]]}, "12.jpg": {"rel": []}})
    rows = list(values.scene_graphs([found], "test", notes))
    assert [(row.key, row.edges) for row in rows] == [("11", ((0, 2), (1, 0))), ("12", ())]


@pytest.mark.parametrize("graph", [{}, {"rel": [[0]]}, {"rel": [[0, -1]]}, {"rel": ["01"]}, []])
def test_bad_graphs(graph: Any, write: Any, notes: Any) -> None:
    found = write({"11.jpg": graph, "12.jpg": {"rel": []}})
    assert [row.key for row in values.scene_graphs([found], "test", notes)] == ["12"]
    assert notes.codes == ["format-record"]


@pytest.fixture(params=["zip", "folder"])
def packed(request: Any, tmp_path: Path) -> Found:
    """Graphs of two splits whose files have the same names, packed or unpacked."""
    members = {"g/test/0": "0 1\n2 1\n", "g/test/10": "", "g/test/2": "4 x\n", "g/dev/0": "7 8\n"}
    path = tmp_path / "g.zip"
    if request.param == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in members.items():
                archive.writestr(name, text)
        return Found(DataFile("g.zip", "", "g/test", folder=True), path, "g/test")
    for name, text in members.items():
        target = tmp_path / "g" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return Found(DataFile("g.zip", "", "g/test", folder=True), tmp_path / "g", "g/test")


def test_combined_graphs_of_one_split(packed: Found, notes: Any) -> None:
    rows = list(values.combined_graphs([packed], "test", notes))
    assert [(row.key, row.edges) for row in rows] == [("0", ((0, 1), (2, 1))), ("10", ())]
    assert notes.kinds == ["unreadable"]
    assert "line 1" in notes[0].message


POST = {
    "text": "Ada sings in Turin http://t.co/x",
    "img_url": "https://example.org/1.jpg",
    "img_id": "11.jpg",
    "relationMentions": [{"em1Text": " Ada PER 1 ", "em2Text": "Turin LOC 2", "label": "None"}],
}


def test_raw_posts_keep_their_row(write: Any, notes: Any) -> None:
    numbered = {**POST, "img_id": 12, "img_url": "None", "relationMentions": []}
    found = write([POST, {"text": "x"}, numbered])
    first, third = values.raw_posts([found], "test", notes)
    assert (first.key, first.picture, first.address) == ("0", "11", "https://example.org/1.jpg")
    (mention,) = first.mentions
    assert (mention.head, mention.tail, mention.label) == ("Ada PER 1", "Turin LOC 2", "None")
    assert (third.key, third.picture, third.address, third.mentions) == ("2", "12", None, ())
    assert notes.kinds == ["unreadable"]


def test_a_mention_without_type(write: Any, notes: Any) -> None:
    bad = {**POST, "relationMentions": [{"em1Text": "Ada", "em2Text": "T LOC 2", "label": "x"}]}
    found = write([POST, bad, {**POST, "img_id": True}])
    assert [row.key for row in values.raw_posts([found], "test", notes)] == ["0"]
    assert len(notes) == 2


def test_relatedness(write: Any, notes: Any) -> None:
    rows = [
        {"words": ["Ada", "sings"], "image_id": "T1.jpg", "ifpairs": [0, 1]},
        {"words": [], "image_id": "T2.jpg", "ifpairs": [1, 1]},
        {"words": ["x"], "image_id": "T3.jpg", "ifpairs": [2, 1]},
        {"words": ["x"], "image_id": "T4.jpg", "ifpairs": [1]},
    ]
    found = write(rows)
    read = list(values.relatedness([found], "all", notes))
    assert [(row.key, row.words, row.labels) for row in read] == [
        ("T1", ("Ada", "sings"), (False, True)),
        ("T2", (), (True, True)),
    ]
    assert notes.kinds == ["unreadable", "unreadable"]


def test_a_list_where_an_object_belongs(write: Any, notes: Any) -> None:
    with pytest.raises(FormatError):
        list(values.scene_graphs([write("5")], "test", notes))
