"""XFUND in its published layout, from samples of our own; FUNSD's single pages read alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from magpie.corpora import load
from magpie.errors import FormatError


def item(number: int, words: list[str], label: str, links: list[list[int]]) -> dict[str, Any]:
    box = [10, 20 * number + 5, 90, 20 * number + 20]
    parts = [{"box": box, "text": word} for word in words]
    return {
        "id": number,
        "text": "".join(words),
        "label": label,
        "box": box,
        "words": parts,
        "linking": links,
    }


def page(identifier: str, **more: Any) -> dict[str, Any]:
    fields = [
        item(0, ["姓", "名", "："], "question", [[0, 1]]),
        item(1, ["艾", "达"], "answer", [[0, 1]]),
    ]
    image = {"fname": f"{identifier}.jpg", "width": 300, "height": 200}
    return {"id": identifier, "uid": "u", "document": fields, "img": image, **more}


def write(path: Path, *pages: Any, **more: Any) -> Path:
    content = {"lang": "zh", "version": "0.1", "split": "val", "documents": list(pages), **more}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_pages_of_one_file(tmp_path: Path) -> None:
    path = write(tmp_path / "zh.val.json", page("zh_val_0"), page("zh_val_1"))
    first, second = load("xfund", "dev", path)
    assert (first.id, second.id) == ("zh_val_0", "zh_val_1")
    assert [block.text for block in first.blocks] == ["姓名：", "艾达"]
    assert first.blocks[0].word_texts() == ["姓", "名", "："]
    assert [(e.type, first.text_of(e)) for e in first.entities] == [
        ("question", "姓名："),
        ("answer", "艾达"),
    ]
    assert first.annotations is not None
    assert [(x.head, x.tail) for x in first.annotations.links] == [("e0", "e1")]
    (medium,) = first.media
    assert (medium.uri, medium.width, medium.height) == ("zh_val_0.jpg", 300, 200)
    assert medium.missing == "no pictures folder was given"
    assert first.source is not None
    assert first.source.corpus == "xfund@1"


def test_split_files_of_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "train.json", page("a"))
    write(tmp_path / "val.json", page("b"))
    assert [d.id for d in load("xfund", "train", tmp_path)] == ["a"]
    assert [d.id for d in load("xfund", "dev", tmp_path)] == ["b"]


def test_pictures_are_found_by_name(tmp_path: Path) -> None:
    path = write(tmp_path / "zh.val.json", page("p0"))
    (tmp_path / "img").mkdir()
    (tmp_path / "img" / "p0.jpg").write_bytes(b"jpg")
    (document,) = load("xfund", "dev", path, images=tmp_path / "img")
    assert document.media[0].uri == str(tmp_path / "img" / "p0.jpg")


def test_a_file_of_funsd_is_one_page(tmp_path: Path, notes: Any) -> None:
    path = tmp_path / "letter.json"
    path.write_text(json.dumps({"form": page("x")["document"]}))
    (document,) = load("xfund", "test", path, on_problem=notes)
    assert document.id == "letter"
    assert len(document.blocks) == 2
    assert notes == []


@pytest.mark.parametrize(
    "broken",
    [
        "no page",
        {"id": "x"},
        page("x", document={}),
        page("x", id=7),
        page("x", img={"fname": "x.jpg", "width": 0, "height": 10}),
        page("x", img={"fname": "x.jpg", "width": "10", "height": 10}),
        page("x", img={"fname": "../../x.jpg", "width": 10, "height": 10}),
        page("x", document=[{**item(0, ["a"], "PER", [])}]),
    ],
)
def test_a_broken_page_is_one_lost_record(broken: Any, tmp_path: Path, notes: Any) -> None:
    path = write(tmp_path / "zh.val.json", page("a"), broken, page("c"))
    documents = list(load("xfund", "dev", path, on_problem=notes))
    assert [d.id for d in documents] == ["a", "c"]
    assert notes.kinds == ["unreadable"]
    assert "document 1" in notes[0].where


def test_a_box_that_is_no_number_spoils_only_itself(tmp_path: Path, notes: Any) -> None:
    odd = page("x")
    odd["document"][0]["box"] = [float("nan"), 1, 2, 3]
    path = write(tmp_path / "zh.val.json", odd, page("x"))
    first, second = load("xfund", "dev", path, on_problem=notes)
    assert sorted(notes.kinds) == ["box-skipped", "duplicate-id"]
    assert first.blocks[0].box is None
    assert second.id == "x#2"


@pytest.mark.parametrize("text", ['{"documents": [', "[]", '{"documents": 3}', "{}", "nothing"])
def test_other_files_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "zh.val.json"
    path.write_text(text)
    with pytest.raises(FormatError) as caught:
        list(load("xfund", "dev", path))
    assert "zh.val.json" in caught.value.where


@pytest.mark.corpus
def test_the_published_example_page(data_dir: Path, notes: Any) -> None:
    path = data_dir / "forms" / "re2_sample" / "annotations" / "50-135_1.2.json"
    (document,) = load("xfund", "test", path, on_problem=notes)
    assert notes.kinds == []
    assert {entity.type for entity in document.entities} <= {
        "question",
        "answer",
        "header",
        "other",
    }
    assert len(document.blocks) == len(document.entities)
