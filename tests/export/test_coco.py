"""COCO: images, categories, boxes and masks, with their phrases; read as the corpora room does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from magpie.errors import MagpieError
from magpie.export import export, read
from magpie.export.coco import file_name
from magpie.schema import Annotations, Box, Document, Mask, Media, Region

from . import samples


def written(path: Path, *documents: Document, **options: Any) -> Any:
    export(documents, "coco", path, **options)
    return json.loads(path.read_text("utf-8"))


def test_images_categories_and_annotations(tmp_path: Path) -> None:
    value = written(tmp_path / "x.json", samples.pictures(tmp_path), root=tmp_path)
    assert [(i["id"], i["file_name"], i["width"], i["height"]) for i in value["images"]] == [
        (1, "first.png", 64, 48),
        (2, "pictures.m1", 40, 30),
    ]
    assert {(i["document"], i["text"]) for i in value["images"]} == {
        ("pictures", "Ada lives in Turin")
    }
    assert value["categories"] == [{"id": 1, "name": "dog"}, {"id": 2, "name": "PER"}]
    first, second, third, fourth = value["annotations"]
    assert first == {
        "id": 1,
        "image_id": 1,
        "category_id": 1,
        "bbox": [5, 5, 1, 1],
        "area": 1,
        "iscrowd": 0,
        "label": "dog",
        "score": 1.0,
        "region": "dog",
    }
    assert (second["image_id"], second["phrase"], second["entity"]) == (1, "Ada", "e0")
    assert second["bbox"] == pytest.approx([0.1, 0.2, 63.2, 47.5], abs=1e-9)
    assert second["area"] == pytest.approx(63.2 * 47.5)
    assert (third["image_id"], third["bbox"], third["category_id"]) == (2, [3, 5, 37, 25], 2)
    assert fourth["id"] == 4


def test_fine_types_as_categories(tmp_path: Path) -> None:
    value = written(tmp_path / "x.json", samples.pictures(), fine=True)
    assert value["categories"] == [
        {"id": 1, "name": "dog"},
        {"id": 2, "name": "author", "supercategory": "PER"},
    ]


@pytest.mark.parametrize(
    ("counts", "box", "area"),
    [
        ((5, 2, 5), [1, 0, 2, 3], 2),  # rows 2 of column 1 and 0 of column 2
        ((0, 12), [0, 0, 4, 3], 12),
        ((4, 1, 7), [1, 1, 1, 1], 1),
        ((3, 3, 6), [1, 0, 1, 3], 3),
        ((4, 1, 2, 1, 4), [1, 1, 2, 1], 2),
    ],
)
def test_masks_keep_their_runs(
    counts: tuple[int, ...], box: list[int], area: int, tmp_path: Path
) -> None:
    region = Region(media="m0", mask=Mask(4, 3, counts))
    document = Document(
        id="d",
        blocks=(),
        media=(Media(uri="a.png", width=4, height=3),),
        annotations=Annotations(regions=(region,)),
    )
    (found,) = written(tmp_path / "x.json", document)["annotations"]
    assert (found["bbox"], found["area"], found["iscrowd"]) == (box, area, 1)
    assert found["segmentation"] == {"counts": list(counts), "size": [3, 4]}


def test_losses(tmp_path: Path) -> None:
    report = export(samples.all_documents(tmp_path), "coco", tmp_path / "x.json", root=tmp_path)
    assert report.written == {"media": 5, "boxes": 7, "masks": 1, "regions": 2, "labels": 1}
    found = {kind: loss.count for kind, loss in report.losses.items() if ":" in kind}
    assert found == {
        "labels: the entity's type is the category": 2,
        "media: size of the picture unknown": 1,
        "media: no picture": 1,
        "regions: no box": 1,
        "labels: of a region without a box": 1,
    }
    assert report.losses["documents"].count == len(samples.all_documents())
    assert report.losses["data"].examples == ["pictures/m1", "everything/tiny"]


def test_boxes_on_pictures_without_a_size_are_lost(tmp_path: Path) -> None:
    region = Region.of_box(Box(1, 2, 3, 4, "m0"), label="x")
    media = (Media(uri="none.png"), Media(id="m1", uri="first.png"))
    document = Document(id="d", blocks=(), media=media, annotations=Annotations(regions=(region,)))
    (tmp_path / "first.png").write_bytes(samples.png(7, 5))
    report = export([document], "coco", tmp_path / "x.json", root=tmp_path)
    assert report.written == {"media": 1}
    value = json.loads((tmp_path / "x.json").read_text("utf-8"))
    assert value["annotations"] == value["categories"] == []
    # the size of the other one is read from its header
    assert [(i["width"], i["height"]) for i in value["images"]] == [(7, 5)]


@pytest.mark.parametrize(
    ("uri", "ids", "name"),
    [
        ("a/b.jpg", ("d", "m"), "a/b.jpg"),
        (None, ("d-1", "m0"), "d-1.m0"),
        (None, ("../../etc/passwd", "m0"), "etc_passwd.m0-"),
        (None, ("a\\b:c", "<m>"), "a_b_c._m-"),
        (None, ("...", "..."), "picture-"),
        (None, ("x" * 300, "m"), "x" * 80 + "-"),
        (None, ("👩", "ب"), "picture-"),
    ],
)
def test_file_names(uri: str | None, ids: tuple[str, str], name: str) -> None:
    medium = Media(id=ids[1], uri=uri)
    found = file_name(Document(id=ids[0], blocks=(), media=(medium,)), medium)
    assert found.startswith(name)
    if name.endswith("-"):
        assert len(found) == len(name) + 12
        assert "/" not in found
        assert found.isascii()
    else:
        assert found == name


def test_names_made_of_different_ids_differ() -> None:
    names = set()
    for document, medium in (("a/b", "c"), ("a:b", "c"), ("a", "b.c"), ("a_b", "c")):
        item = Media(id=medium)
        names.add(file_name(Document(id=document, blocks=(), media=(item,)), item))
    assert len(names) == 4


def test_addresses_are_marked(tmp_path: Path) -> None:
    media = (Media(uri="https://example.org/a.png", width=1, height=1),)
    value = written(tmp_path / "x.json", Document(id="d", blocks=(), media=media))
    assert value["images"][0]["coco_url"] == "https://example.org/a.png"


def test_it_comes_back_picture_by_picture(tmp_path: Path) -> None:
    given = samples.pictures()
    export([given], "coco", tmp_path / "x.json")
    one, two = read("coco", tmp_path / "x.json")
    assert [(d.id, d.media[0].width, d.media[0].height) for d in (one, two)] == [
        ("first", 64, 48),
        ("pictures", 40, 30),
    ]
    assert one.annotations is not None
    assert [r.label for r in one.annotations.regions] == ["dog", "PER"]
    back = [box.xyxy for d in (one, two) for box in d.all_boxes()]
    wanted = [box.xyxy for box in given.all_boxes()]
    assert len(back) == len(wanted) == 4
    for ours, other in zip(back, wanted, strict=True):
        assert ours == pytest.approx(other, abs=1e-9)


def test_unreadable_records_are_handed_over(tmp_path: Path) -> None:
    value = written(tmp_path / "x.json", samples.pictures())
    value["images"][0]["width"] = "wide"
    (tmp_path / "x.json").write_text(json.dumps(value), encoding="utf-8")
    problems: list[MagpieError] = []
    (back,) = read("coco", tmp_path / "x.json", on_problem=problems.append)
    assert back.id == "pictures"
    assert len(problems) == 1
    assert "image 0" in problems[0].where
    with pytest.raises(MagpieError):
        list(read("coco", tmp_path / "x.json"))


def test_many_annotations_pass_through_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("magpie.export.coco._SPOOL_BYTES", 100)
    boxes = tuple(Region.of_box(Box(n, 0, n + 1, 1, "m0")) for n in range(500))
    document = Document(
        id="d",
        blocks=(),
        media=(Media(uri="a.png", width=600, height=9),),
        annotations=Annotations(regions=boxes),
    )
    value = written(tmp_path / "x.json", document)
    assert [a["bbox"][0] for a in value["annotations"]] == list(range(500))
    assert value["categories"] == [{"id": 1, "name": "object"}]
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]
