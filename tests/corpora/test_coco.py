"""COCO from files of our own: regions, captions, keypoints, and what refers to nothing."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from magpie.corpora import load
from magpie.corpora.coco import CROWD, read_keypoints
from magpie.errors import ConfigError, FormatError, NotFoundError
from magpie.schema import ContextText, Document
from magpie.vision import load_image

CATEGORIES = [
    {"id": 1, "name": "person", "supercategory": "person"},
    {"id": 18, "name": "dog", "supercategory": "animal"},
]


def image(number: int, **more: Any) -> dict[str, Any]:
    base = {"id": number, "file_name": f"{number:03}.jpg", "width": 100, "height": 80}
    return {**base, **more}


def box(number: int, of: int, category: int = 18, **more: Any) -> dict[str, Any]:
    base = {"id": number, "image_id": of, "category_id": category, "bbox": [10, 20, 30, 40]}
    return {**base, "segmentation": [[1, 2, 3]], "iscrowd": 0, **more}


def instances(images: list[Any], annotations: list[Any], **more: Any) -> dict[str, Any]:
    return {"images": images, "annotations": annotations, "categories": CATEGORIES, **more}


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_objects_become_regions(tmp_path: Path, notes: Any) -> None:
    content = instances([image(7), image(8)], [box(1, 7), box(2, 7, 1, iscrowd=1)])
    first, second = load("coco", "dev", write(tmp_path / "mine.json", content), on_problem=notes)
    assert notes == []
    assert (first.id, first.blocks) == ("007", ())
    assert first.annotations is not None
    dog, crowd = first.annotations.regions
    assert (dog.id, dog.label, dog.provenance) == ("a1", "dog", None)
    assert dog.box is not None
    assert dog.box.xyxy == (10, 20, 40, 60)
    assert crowd.provenance is not None
    assert crowd.provenance.evidence == (CROWD,)
    assert second.annotations is not None
    assert second.annotations.regions == ()
    (medium,) = first.media
    assert (medium.uri, medium.width, medium.height) == ("007.jpg", 100, 80)


KEYPOINTS = {
    "images": [image(7)],
    "categories": [{**CATEGORIES[0], "keypoints": ["nose", "chin", "toe"]}],
    "annotations": [
        box(2, 7, 1, keypoints=[11, 12, 2, 13, 14, 1, 0, 0, 0], num_keypoints=2),
        box(3, 7, 1, keypoints=[0] * 9, num_keypoints=0),
    ],
}
CAPTIONS = {
    "images": [image(7)],
    "annotations": [
        {"id": 5, "image_id": 7, "caption": "A dog runs. "},
        {"id": 6, "image_id": 7, "caption": "Somebody with a dog"},
    ],
}


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A folder as the complete release has it."""
    root = tmp_path / "coco"
    content = instances([image(7)], [box(1, 7), box(2, 7, 1), box(3, 7, 1)])
    write(root / "annotations" / "instances_val2017.json", content)
    write(root / "annotations" / "captions_val2017.json", CAPTIONS)
    write(root / "annotations" / "person_keypoints_val2017.json", KEYPOINTS)
    (root / "val2017").mkdir()
    (root / "val2017" / "007.jpg").write_bytes(b"jpg")
    return root


def test_captions_and_keypoints_become_context(release: Path, notes: Any) -> None:
    (document,) = load("coco", "dev", release, on_problem=notes)
    assert notes == []
    captions = [t.text for t in document.context if t.source == "coco-captions"]
    assert captions == ["A dog runs.", "Somebody with a dog"]
    assert all(text.media == "m0" for text in document.context)
    assert read_keypoints(document) == {"a2": {"nose": (11, 12, 2), "chin": (13, 14, 1)}}
    assert document.annotations is not None
    assert "a2" in {region.id for region in document.annotations.regions}
    assert document.media[0].uri == str(release / "val2017" / "007.jpg")


def test_a_note_of_another_hand_is_no_keypoints() -> None:
    note = ContextText(kind="note", text="nose at 3", source="coco-keypoints")
    with pytest.raises(FormatError):
        read_keypoints(Document(id="d", blocks=(), context=(note,)))


def test_an_archive_is_read_in_place(release: Path, tmp_path: Path) -> None:
    path = tmp_path / "data" / "photos" / "tiny_coco.zip"
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(release.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(release).as_posix())
    for root in (tmp_path / "data", path):
        (document,) = load("coco", "val", root)
        assert len(document.context) == 3
        assert document.media[0].uri == f"{path}!val2017/007.jpg"


def test_without_captions_and_pictures_boxes_are_read(release: Path) -> None:
    (release / "annotations" / "captions_val2017.json").unlink()
    (release / "val2017" / "007.jpg").unlink()
    (document,) = load("coco", "dev", release)
    assert [text.source for text in document.context] == ["coco-keypoints"]
    assert not document.media[0].present
    assert document.annotations is not None
    assert len(document.annotations.regions) == 3


def test_pictures_folder_given_outright(release: Path, tmp_path: Path, notes: Any) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    (document,) = load("coco", "dev", release, images=folder, on_problem=notes)
    assert notes.kinds == ["picture-missing"]
    assert document.media[0].uri == "007.jpg"


ODD = [
    box(1, 7, bbox=[10, 20, 0, 40]),
    box(2, 7, bbox=[10, 20, -5, 40]),
    box(3, 7, bbox=[float("nan"), 20, 5, 40]),
    box(4, 7, bbox="box"),
    box(5, 7, bbox=[90, 70, 30, 30]),
    box(6, 99),
    box(7, 7, 4),
    box(8, 7, category_id=[1]),
    box(9, 7),
    box(9, 7),
    box(9, 7),
]


def test_annotations_that_are_odd_are_said_and_the_rest_goes_on(tmp_path: Path, notes: Any) -> None:
    path = write(tmp_path / "mine.json", instances([image(7), image(7)], ODD))
    (document,) = load("coco", "train", path, on_problem=notes)
    assert Counter(notes.kinds) == {
        "box-skipped": 4,
        "box-clipped": 1,
        "link-dangling": 3,
        "duplicate-id": 3,
    }
    assert document.annotations is not None
    assert [region.id for region in document.annotations.regions] == ["a5", "a9", "a9#2", "a9#3"]
    assert all("mine.json: " in note.where for note in notes)


@pytest.mark.parametrize(
    "bad",
    [
        "text",
        image(8, file_name=3),
        image(8, width=0),
        image(8, width="100"),
        image(8, id=None),
        image(8, id=True),
        image(8, file_name="folder/"),
        image(8, file_name=".."),
    ],
)
def test_an_image_that_cannot_be_used_is_one_lost_record(
    bad: Any, tmp_path: Path, notes: Any
) -> None:
    path = write(tmp_path / "mine.json", instances([image(7), bad, image(9)], []))
    documents = list(load("coco", "train", path, on_problem=notes))
    assert [document.id for document in documents] == ["007", "009"]
    assert notes.kinds == ["unreadable"]


@pytest.mark.parametrize(
    "bad",
    [
        "text",
        {"id": 1},
        {"id": 1, "image_id": 7, "caption": 3},
        box(1, 7, 1, keypoints=[1, 2]),
        box(1, 7, 1, keypoints=[1, 2, "x"]),
        box(1, 7, 1, keypoints=[1, 2, float("nan")]),
    ],
)
def test_an_annotation_that_cannot_be_used_is_one_lost_record(
    bad: Any, tmp_path: Path, notes: Any
) -> None:
    content = instances([image(7)], [bad])
    content["categories"] = [{**CATEGORIES[0], "keypoints": ["nose"]}]
    (document,) = load("coco", "train", write(tmp_path / "a.json", content), on_problem=notes)
    assert notes.kinds == ["unreadable"]
    assert "annotation 0" in notes[0].where
    assert document.context == ()


def test_folders_in_file_names_are_left_out(tmp_path: Path) -> None:
    content = instances([image(7, file_name="../../val/007.jpg")], [])
    (document,) = load("coco", "train", write(tmp_path / "mine.json", content))
    assert (document.id, document.media[0].uri) == ("007", "007.jpg")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ('{"images": [', "format-json"),
        ("[]", "format-record"),
        ("{}", "format-record"),
        ({"documents": []}, "format-record"),
        ({"images": [], "annotations": []}, "format-record"),
        ({"images": [], "annotations": {}}, "format-record"),
    ],
)
def test_other_files_are_refused(content: Any, code: str, tmp_path: Path) -> None:
    path = write(tmp_path / "mine.json", content)
    with pytest.raises(FormatError) as caught:
        list(load("coco", "train", path))
    assert caught.value.code == code
    assert "mine.json" in caught.value.where


def test_wrong_roots_and_options(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="instances_val2017"):
        load("coco", "dev", tmp_path)
    with pytest.raises(ConfigError, match="coarse"):
        load("coco", "dev", tmp_path, types="coarse")


@pytest.mark.corpus
def test_the_published_cut_out(data_dir: Path) -> None:
    for split, regions, people in (("train", 470, 57), ("dev", 382, 46)):
        documents = list(load("coco", split, data_dir))
        assert len(documents) == 50
        assert sum(len(d.annotations.regions) for d in documents if d.annotations) == regions
        captions = [t for d in documents for t in d.context if t.source == "coco-captions"]
        assert len(captions) == 250
        keypoints = [points for d in documents for points in read_keypoints(d).values()]
        assert len(keypoints) == people
        ids = {r.id for d in documents if d.annotations for r in d.annotations.regions}
        assert {key for d in documents for key in read_keypoints(d)} <= ids
    loaded = load_image(documents[0].media[0])
    assert (loaded.width, loaded.height) == (
        documents[0].media[0].width,
        documents[0].media[0].height,
    )
