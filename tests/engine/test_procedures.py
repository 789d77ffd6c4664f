"""Procedures on disk and in JSON: one document a procedure, a block and a picture a step."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.engine.inputs import InputFile
from magpie.engine.procedures import Step, StepPictures, numbered_steps, procedure
from magpie.engine.records import document_of
from magpie.errors import FormatError, SchemaError
from magpie.schema import Document

MARKDOWN = """# Make tea

A cup for one.

1. Boil the water,
   nearly a litre.

2) Pour 1.5 cups.
   2. is no new step here, 3.5 neither
### Step 3: Wait
![steeping](pics/steep.jpg "dark")
1. not the first again
"""


def write(path: Path, content: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, "utf-8")
    return path


def brief(document: Document) -> list[tuple[str, int | None, str, str | None]]:
    """(block, step, text, address of its picture) in order."""
    uris = {medium.id: medium.uri for medium in document.media}
    return [
        (b.id, b.step, b.text, None if b.media is None else uris[b.media]) for b in document.blocks
    ]


# numbered lines


def test_numbered_lines() -> None:
    title, steps = numbered_steps(MARKDOWN)
    assert title == "Make tea\n\nA cup for one."
    assert steps == [
        Step(1, "Boil the water,\nnearly a litre."),
        Step(2, "Pour 1.5 cups.\n2. is no new step here, 3.5 neither"),
        Step(3, "Wait\n\n1. not the first again", "pics/steep.jpg"),
    ]


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("1. Boil", "Boil"),
        ("1) Boil", "Boil"),
        ("1: Boil", "Boil"),
        ("Step 1. Boil", "Boil"),
        ("STEP 1 Boil", "Boil"),
        ("## Step 1", ""),
        ("**1.** Boil", "Boil"),
        ("**Step 1:** Boil", "Boil"),
        ("0. Rinse", "Rinse"),
    ],
)
def test_ways_to_number(line: str, text: str) -> None:
    ((number, found, image, _),) = numbered_steps(line)[1]
    assert (number, found, image) == (int(not line.startswith("0")), text, None)


@pytest.mark.parametrize(
    "line", ["1.5 cups", "1 cup", "2. Pour", "    1. quoted", "Steps 1 and 2", "#1 fan"]
)
def test_what_is_no_step(line: str) -> None:
    assert numbered_steps(line)[1] == []


def test_a_step_has_one_picture() -> None:
    with pytest.raises(FormatError, match=r"step 1 names 2 pictures, a\.jpg, b\.jpg") as caught:
        numbered_steps("1. Boil ![](a.jpg) ![](<b.jpg>)", "tea.md")
    assert caught.value.where == "tea.md"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=80))
def test_any_text_has_steps_numbered_on_from_its_first(text: str) -> None:
    try:
        _, steps = numbered_steps(text)
    except FormatError:
        return
    numbers = [step.number for step in steps]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True


@given(st.lists(st.text("abc .,", max_size=12).map(str.strip), min_size=1, max_size=5))
def test_steps_come_back(texts: list[str]) -> None:
    lines = [f"{number}. {text}" for number, text in enumerate(texts, 1)]
    assert [step.text for step in numbered_steps("\n".join(lines))[1]] == texts


# JSON


def test_steps_in_a_record() -> None:
    record: dict[str, Any] = {
        "id": 7,
        "title": "Tea",
        "steps": [
            {"text": "Boil", "image": "1.jpg", "caption": "a kettle"},
            "Wait",
            {"text": "Pour", "image": ["3.jpg"]},
            {"text": "Drink", "image": []},
        ],
    }
    document = document_of(record)
    assert document.id == "7"
    assert brief(document) == [
        ("title", None, "Tea", None),
        ("step-1", 1, "Boil", "1.jpg"),
        ("step-2", 2, "Wait", None),
        ("step-3", 3, "Pour", "3.jpg"),
        ("step-4", 4, "Drink", None),
    ]
    assert [medium.id for medium in document.media] == ["step-1", "step-3"]
    ((kind, text, media),) = [(c.kind, c.text, c.media) for c in document.context]
    assert (kind, text, media) == ("caption", "a kettle", "step-1")


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ("Boil", "expected a list of steps, found str"),
        ([], "no step in this procedure"),
        ([1], "expected a text or an object with 'text', found 1"),
        ([{"words": ["Boil"]}], "expected a text or an object with 'text'"),
        (["a", {"text": "b", "image": ["1", "2"]}], "expected one path as 'image'"),
    ],
)
def test_steps_that_are_none(steps: Any, message: str) -> None:
    with pytest.raises(FormatError, match=message) as caught:
        document_of({"id": "t", "steps": steps}, where="a.jsonl:3")
    assert caught.value.where.startswith("a.jsonl:3")


def test_a_text_beside_steps_is_a_post() -> None:
    document = document_of({"id": "t", "text": "Ten steps down", "steps": 10})
    assert brief(document) == [("b0", None, "Ten steps down", None)]


def test_a_text_no_document_may_hold() -> None:
    with pytest.raises(SchemaError):
        procedure("t", [Step(1, "a\0b")], where="x")
    with pytest.raises(SchemaError):
        procedure("t", [Step(1, "a"), Step(1, "b")])


# files


def test_pictures_by_name(tmp_path: Path) -> None:
    names = ["tea.md", "tea-1.jpg", "tea_02.png", "tea-step-3.gif", "step-4.jpg", "tea-1.png"]
    files = [tmp_path / name for name in names]
    found = StepPictures(files).of(files[0])
    assert {n: p.name for n, p in sorted(found.items())} == {
        1: "tea-1.jpg", 2: "tea_02.png", 3: "tea-step-3.gif", 4: "step-4.jpg",
    }  # fmt: skip
    # With a second text nobody knows whose step-4.jpg is.
    two = StepPictures([*files, tmp_path / "soup.txt"])
    assert sorted(two.of(files[0])) == [1, 2, 3]
    assert two.of(tmp_path / "soup.txt") == {}


def test_a_markdown_file(tmp_path: Path) -> None:
    path = write(tmp_path / "tea.md", MARKDOWN)
    write(tmp_path / "step-1.jpg")
    source = InputFile(str(path))
    assert (source.format, source.count()) == ("steps", 1)
    (record,) = source
    assert record.id == "tea"
    assert brief(record.document) == [
        ("title", None, "Make tea\n\nA cup for one.", None),
        ("step-1", 1, "Boil the water,\nnearly a litre.", "step-1.jpg"),
        ("step-2", 2, "Pour 1.5 cups.\n2. is no new step here, 3.5 neither", None),
        ("step-3", 3, "Wait\n\n1. not the first again", "pics/steep.jpg"),
    ]
    before = source.digest()
    write(tmp_path / "step-1.jpg", "another")
    assert source.digest() != before


def test_a_text_with_numbers_alone_stays_a_post(tmp_path: Path) -> None:
    path = write(tmp_path / "list.txt", "1. one\n2. two")
    assert InputFile(str(path)).format == "text"
    assert InputFile(str(path), "steps").format == "steps"
    write(tmp_path / "list-1.jpg")
    assert InputFile(str(path)).format == "steps"
    assert InputFile(str(path), "text").format == "text"


def test_bad_files_are_records_that_failed(tmp_path: Path) -> None:
    write(tmp_path / "none.md", "no steps at all")
    write(tmp_path / "few" / "few.md", "1. one")
    write(tmp_path / "few" / "few-2.jpg")
    (tmp_path / "bad.md").write_bytes(b"1. \xff")
    for name, code, message in (
        ("none.md", "format-record", "no step in this procedure"),
        ("few/few.md", "format-record", "few-2.jpg belongs to step 2, and there is none"),
        ("bad.md", "format-encoding", "byte 3 is not valid UTF-8"),
    ):
        (record,) = InputFile(str(tmp_path / name))
        (problem,) = record.document.problems
        assert (record.document.status, problem.code) == ("failed", code)
        assert message in problem.message


def test_a_folder_of_procedures_and_posts(tmp_path: Path) -> None:
    root = tmp_path / "kitchen"
    write(root / "post.txt", "a post")
    write(root / "post.jpg")
    write(root / "README.md", "1. about this folder")
    write(root / "tea" / "step-2.txt", "Pour\n")
    write(root / "tea" / "step-10.txt", "Drink")
    write(root / "tea" / "step-1.txt", "Boil")
    write(root / "tea" / "step-1.png")
    write(root / "tea" / "title.txt", "Tea")
    write(root / "soup" / "how.md", "1. Chop ![](cut.jpg)\n2. Cook")
    write(root / "soup" / "step-2.webp")
    source = InputFile(str(root))
    records = list(source)
    assert source.count() == len(records) == 3
    assert [(record.line, record.id) for record in records] == [
        (1, "post"), (2, "soup/how"), (3, "tea"),
    ]  # fmt: skip
    assert brief(records[0].document) == [("b0", None, "a post", None)]
    assert [m.uri for m in records[0].document.media] == ["post.jpg"]
    assert brief(records[1].document) == [
        ("step-1", 1, "Chop", "soup/cut.jpg"),
        ("step-2", 2, "Cook", "soup/step-2.webp"),
    ]
    assert brief(records[2].document) == [
        ("title", None, "Tea", None),
        ("step-1", 1, "Boil", "tea/step-1.png"),
        ("step-2", 2, "Pour", None),
        ("step-10", 10, "Drink", None),
    ]


def test_a_folder_that_is_one_procedure(tmp_path: Path) -> None:
    root = tmp_path / "tea"
    write(root / "step-1.txt", "Boil")
    write(root / "step_01.txt", "Boil again")
    (record,) = InputFile(str(root))
    assert record.id == "tea"
    assert "step 1 stands twice" in record.document.problems[0].message
    (root / "step_01.txt").unlink()
    secret = write(tmp_path / "secret.txt", "secret")
    os.symlink(secret, root / "step-2.txt")
    (record,) = InputFile(str(root))
    assert record.document.problems[0].code == "access-outside-root"
