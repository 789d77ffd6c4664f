"""Chat messages: what a model is asked and answers, and lines read back."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from magpie.errors import ConfigError, MagpieError
from magpie.export import ExportReport, export, read
from magpie.export.chat import TEMPLATES
from magpie.schema import (
    Annotations,
    Block,
    Box,
    Document,
    Entity,
    Grounding,
    Media,
    Region,
    Relation,
    Span,
)

from . import samples


def lines(folder: Path, *documents: Document, **options: Any) -> tuple[list[Any], ExportReport]:
    report = export(documents, "chat", folder / "out.jsonl", root=folder, **options)
    text = (folder / "out.jsonl").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()], report


def back(path: Path) -> tuple[list[Document], list[MagpieError]]:
    problems: list[MagpieError] = []
    return list(read("chat", path, on_problem=problems.append)), problems


def answer(line: Any) -> Any:
    content = line["messages"][-1]["content"]
    return json.loads(content if isinstance(content, str) else content[0]["text"])


def shown() -> Document:
    """Two pictures of known size; an entity in the second, one in none, one nobody looked for."""
    box = Box(10, 20, 60.5, 90, "b")
    entities = (
        Entity(
            id="x",
            span=Span("b0", 0, 3),
            type="PER",
            fine_type="author",
            grounding=Grounding.in_regions(Region.of_box(box)),
        ),
        Entity(id="y", span=Span("b0", 9, 14), type="LOC", grounding=Grounding("absent")),
        Entity(id="z", span=Span("b0", 4, 8), type="V"),
    )
    relations = (Relation(id="r", head="x", tail="y", type="left"),)
    return Document(
        id="d",
        blocks=(Block(text="Ada left Turin"),),
        media=(
            Media(id="a", uri="a.jpg", width=100, height=100),
            Media(id="b", uri="b.jpg", width=200, height=100),
        ),
        annotations=Annotations(entities=entities, relations=relations),
    )


def test_the_messages(tmp_path: Path) -> None:
    (line,), report = lines(tmp_path, shown(), types=["PER", "LOC"])
    system, user, assistant = line["messages"]
    assert [message["role"] for message in (system, user, assistant)] == [
        *("system", "user", "assistant")
    ]
    text = system["content"][0]["text"]
    assert text.startswith(TEMPLATES["extract@1"])
    assert text.endswith('Boxes are in pixels.\nTypes: ["PER","LOC"]')
    assert user["content"] == [
        {"type": "image", "image": "a.jpg"},
        {"type": "image", "image": "b.jpg"},
        {"type": "text", "text": "Ada left Turin"},
    ]
    assert answer(line) == {
        "entities": [
            {
                "text": "Ada",
                "type": "PER",
                "fine_type": "author",
                "boxes": [{"image": 2, "box": [10, 20, 60.5, 90]}],
            },
            {"text": "left", "type": "V"},
            {"text": "Turin", "type": "LOC", "boxes": []},
        ],
        "relations": [{"head": 0, "type": "left", "tail": 2}],
    }
    assert line["template"] == "extract@1"
    assert line["images"] == ["a", "b"]
    assert "annotations" not in line["document"]
    assert set(report.losses) == {"ids"}


def test_types_in_one_text(tmp_path: Path) -> None:
    (line,), _ = lines(tmp_path, samples.plain(), types="PER, =x", style="openai")
    assert line["messages"][0]["content"].endswith('\nTypes: ["PER","=x"]')


def test_a_published_wording_never_changes() -> None:
    """Change a template? Give it a new version: models were trained on this one."""
    import hashlib

    digests = {k: hashlib.sha256(v.encode()).hexdigest()[:16] for k, v in TEMPLATES.items()}
    assert digests == {"extract@1": "1a88951a3de4ba6c"}


def test_all_of_it_comes_back(tmp_path: Path) -> None:
    lines(tmp_path, shown())
    (one,), problems = back(tmp_path / "out.jsonl")
    assert problems == []
    assert one.media == shown().media
    assert one.annotations is not None
    texts = [(one.text_of(e), e.type, e.fine_type, e.grounding) for e in one.entities]
    mine = shown()
    assert texts == [
        (mine.text_of(e), e.type, e.fine_type, e.grounding)
        for e in (mine.entities[0], mine.entities[2], mine.entities[1])
    ]
    (relation,) = one.annotations.relations
    assert (relation.head, relation.type, relation.tail) == ("e0", "left", "e2")


def test_openai_style(tmp_path: Path) -> None:
    (line, plain), _ = lines(tmp_path, shown(), samples.plain(), style="openai")
    assert isinstance(line["messages"][0]["content"], str)
    assert line["messages"][1]["content"][0] == {
        "type": "image_url",
        "image_url": {"url": "a.jpg"},
    }
    assert answer(line)["entities"][1] == {"text": "left", "type": "V"}
    assert plain["messages"][1] == {"role": "user", "content": "Ada left"}
    (one, _), problems = back(tmp_path / "out.jsonl")
    assert len(one.entities) == 3
    assert problems == []


def test_thousandths_are_rounded_and_a_loss(tmp_path: Path) -> None:
    (line,), report = lines(tmp_path, shown(), boxes="thousandths")
    assert answer(line)["entities"][0]["boxes"] == [{"image": 2, "box": [50, 200, 303, 900]}]
    assert report.losses["boxes: rounded"].examples == ["d/x region 0"]
    (one,), _ = back(tmp_path / "out.jsonl")
    assert one.entities[0].boxes[0].xyxy == pytest.approx((10, 20, 60.6, 90))
    bare = Document(
        id="d",
        blocks=shown().blocks,
        media=(Media(id="a", uri="a"), Media(id="b", uri="b")),
        annotations=shown().annotations,
    )
    (line,), report = lines(tmp_path, bare, boxes="thousandths")
    assert "boxes" not in answer(line)["entities"][0]
    assert report.losses["boxes: size of picture unknown"].count == 1
    assert report.losses["groundings: no box of a shown picture"].count == 1


def test_a_question_without_an_answer(tmp_path: Path) -> None:
    (line, nothing), report = lines(tmp_path, samples.unannotated(), samples.nothing_found())
    assert [message["role"] for message in line["messages"]] == ["system", "user"]
    assert answer(nothing) == {"entities": []}
    (first, second), _ = back(tmp_path / "out.jsonl")
    assert first.annotations is None
    assert second.annotations == Annotations()
    assert report.losses == {} or set(report.losses) == {"ids"}


def test_pictures_within_the_file(tmp_path: Path) -> None:
    document = samples.pictures(tmp_path)
    (line,), _ = lines(tmp_path, document)
    assert line["images"] == ["m0", "m1"]
    assert line["held"] == ["m1"]
    parts = line["messages"][1]["content"]
    assert parts[0] == {"type": "image", "image": "first.png"}
    assert parts[1]["image"].startswith("data:image/png;base64,")
    (one,), _ = back(tmp_path / "out.jsonl")
    assert one.media == document.media
    (line,), _ = lines(tmp_path, document, embed=True)
    data = line["messages"][1]["content"][0]["image"].partition(",")[2]
    assert base64.b64decode(data) == (tmp_path / "first.png").read_bytes()
    (one,), _ = back(tmp_path / "out.jsonl")
    assert one.media == document.media


def test_a_picture_outside_the_folder_is_not_embedded(tmp_path: Path) -> None:
    inner = tmp_path / "in"
    inner.mkdir()
    (tmp_path / "secret.png").write_bytes(samples.png())
    document = Document.from_text("x", images=("../secret.png",)).with_annotations(Annotations())
    (line,), report = lines(inner, document, embed=True)
    assert line["images"] == []
    assert [kind for kind in report.losses if kind.startswith("media: picture not read")]
    assert "base64" not in json.dumps(line)


def mentions(text: str, *spans: tuple[int, int]) -> Document:
    entities = tuple(Entity(id=f"e{n}", span=Span("b0", *s), type="T") for n, s in enumerate(spans))
    annotations = Annotations(entities=entities)
    return Document(id="d", blocks=(Block(text=text),), annotations=annotations)


@pytest.mark.parametrize(
    ("document", "occurrences"),
    [
        (mentions("Ann met Ann", (0, 3), (8, 11)), [None, None]),
        (mentions("Ann met Ann", (8, 11)), [2]),
        (mentions("Hannah, Ann", (1, 4), (8, 11)), [1, None]),  # "ann" itself is found nowhere else
        (mentions("New York, Ann", (0, 8), (4, 8), (10, 13)), [1, 1, None]),
        (mentions("aaaa", (1, 3)), [2]),
        (mentions("Ann ann", (4, 7)), [None]),
        (mentions(" a b ", (0, 1), (4, 5)), [1, 3]),
    ],
)
def test_a_mention_names_its_occurrence_where_it_must(
    document: Document, occurrences: list[int | None], tmp_path: Path
) -> None:
    (line,), report = lines(tmp_path, document)
    found = [item.get("occurrence") for item in answer(line)["entities"]]
    assert found == occurrences
    (one,), problems = back(tmp_path / "out.jsonl")
    assert [e.span for e in one.entities] == [e.span for e in document.entities]
    assert problems == []
    assert set(report.losses) == {"ids"}


def test_the_same_said_twice_is_said(tmp_path: Path) -> None:
    _, report = lines(tmp_path, mentions("Ann", (0, 3), (0, 3)))
    assert report.losses["entities: said twice"].examples == ["d/e1"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"template": "extract@0"}, "template must be one of extract@1, got 'extract@0'"),
        ({"style": "x"}, "style must be one of parts, openai"),
        ({"boxes": "feet"}, "boxes must be one of pixels, thousandths"),
    ],
)
def test_impossible_options(options: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=complaint):
        lines(tmp_path, shown(), **options)
    assert not (tmp_path / "out.jsonl").exists()


# lines of other origin


def test_lines_of_other_origin(tmp_path: Path) -> None:
    value = {
        "messages": [
            {"role": "user", "content": "ADA left"},
            {"role": "assistant", "content": '{"entities": [{"text": "Ada", "type": "PER"}]}'},
        ]
    }
    (tmp_path / "in.jsonl").write_text(json.dumps(value) + "\n\n", "utf-8")
    (one,), problems = back(tmp_path / "in.jsonl")
    assert (one.id, one.text_of(one.entities[0])) == ("in-1", "ADA")
    assert problems == []


def test_a_model_s_answers_in_the_same_lines(tmp_path: Path) -> None:
    (line,), _ = lines(tmp_path, samples.unannotated())
    said = 'Sure!\n```json\n{"entities": [{"text": "NOBODY", "type": "P"}, {"text": "Rome"}]}\n```'
    line["messages"].append({"role": "assistant", "content": [{"type": "text", "text": said}]})
    (tmp_path / "out.jsonl").write_text(json.dumps(line), "utf-8")
    (one,), problems = back(tmp_path / "out.jsonl")
    assert [(one.text_of(e), e.type) for e in one.entities] == [("nobody", "P")]
    assert [error.message for error in problems] == ["left out of the answer: bad-item 1"]


@pytest.mark.parametrize(
    ("bad", "complaint"),
    [
        ("{", "not valid JSON"),
        ("[]", "expected an object with messages"),
        ('{"messages": 3}', "expected an object with messages"),
        ('{"messages": []}', "no message of the role user"),
        ('{"messages": [3, null]}', "no message of the role user"),
        ('{"messages": [], "document": {"id": ""}}', "blocks: field required"),
    ],
)
def test_a_bad_line_costs_itself_only(bad: str, complaint: str, tmp_path: Path) -> None:
    good = '{"messages": [{"role": "user", "content": "good"}]}'
    (tmp_path / "in.jsonl").write_text(f"{good}\n{bad}\n{good}\n", "utf-8")
    documents, problems = back(tmp_path / "in.jsonl")
    assert [one.text for one in documents] == ["good", "good"]
    assert len(problems) == 1
    assert complaint in str(problems[0])
    assert "in.jsonl:2" in str(problems[0])


@pytest.mark.parametrize("images", [["zz"], "m0", [["m0"]], None])
def test_images_that_are_none_of_the_document(images: Any, tmp_path: Path) -> None:
    (line,), _ = lines(tmp_path, shown())
    line["images"] = images
    (tmp_path / "out.jsonl").write_text(json.dumps(line), "utf-8")
    (one,), problems = back(tmp_path / "out.jsonl")
    assert problems == []
    assert one.entities[0].boxes[0].media == "b"
