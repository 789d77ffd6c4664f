"""JSON: arbitrary documents come back bit-exactly, and whatever is wrong is refused by name."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magpie.errors import FormatError, SchemaError
from magpie.schema import (
    FORMAT,
    Annotations,
    Argument,
    Block,
    Box,
    ContextText,
    Document,
    Entity,
    Event,
    Grounding,
    Link,
    Mask,
    Media,
    Problem,
    Provenance,
    Region,
    Relation,
    Source,
    Span,
    TimeRange,
    from_dict,
    from_json,
    json_schema,
    to_dict,
    to_json,
)

# Any Unicode but what the model refuses: NUL and lone surrogates.
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
names = texts.filter(bool)
scores = st.none() | st.floats(0, 1)
provenances = st.builds(
    Provenance,
    method=names,
    version=texts,
    config_digest=texts,
    evidence=st.lists(texts, max_size=2).map(tuple),
)


@st.composite
def boxes(draw: st.DrawFn, medium: Media) -> Box:
    width, height = medium.width or 5000, medium.height or 5000
    x = sorted((draw(st.floats(0, width)), draw(st.floats(0, width))))
    y = sorted((draw(st.floats(0, height)), draw(st.floats(0, height))))
    if x[0] + 1e-6 >= x[1] or y[0] + 1e-6 >= y[1]:
        return Box(0.0, 0.0, float(width), float(height), medium.id)
    return Box(x[0], y[0], x[1], y[1], medium.id)


@st.composite
def media(draw: st.DrawFn) -> tuple[Media, ...]:
    made = []
    for index in range(draw(st.integers(0, 2))):
        size = draw(st.none() | st.tuples(st.integers(1, 300), st.integers(1, 300)))
        made.append(
            Media(
                id=f"m{index}",
                kind=draw(st.sampled_from(["image", "video", "audio"])),
                uri=draw(st.none() | names),
                data=draw(st.none() | st.binary(max_size=9)),
                width=size and size[0],
                height=size and size[1],
                duration=draw(st.none() | st.floats(0, 1e6)),
                missing=draw(st.none() | texts),
            )
        )
    return tuple(made)


@st.composite
def regions(draw: st.DrawFn, media: tuple[Media, ...], id: str | None) -> Region:
    medium = draw(st.sampled_from(media))
    kind = draw(st.sampled_from(["box", "mask", "time", "whole"]))
    width, height = medium.width or 4, medium.height or 3
    cut = draw(st.integers(0, width * height))
    return Region(
        media=medium.id,
        box=draw(boxes(medium)) if kind == "box" else None,
        mask=Mask(width=width, height=height, counts=(cut, width * height - cut))
        if kind == "mask"
        else None,
        time=TimeRange(0.0, draw(st.floats(0.001, 1e5))) if kind == "time" else None,
        label=draw(st.none() | texts),
        score=draw(scores),
        id=id,
        provenance=draw(st.none() | provenances),
    )


@st.composite
def blocks(draw: st.DrawFn, media: tuple[Media, ...]) -> tuple[Block, ...]:
    made = []
    for index in range(draw(st.integers(0, 2))):
        text = draw(texts)
        cuts = sorted(draw(st.sets(st.integers(0, len(text)), max_size=4)))
        words = tuple(zip(cuts[::2], cuts[1::2], strict=False))
        medium = draw(st.none() | st.sampled_from(media)) if media else None
        made.append(
            Block(
                id=f"b{index}",
                text=text,
                words=draw(st.sampled_from([None, words])),
                step=draw(st.none() | st.integers(-5, 2**60)),
                box=None if medium is None else draw(st.none() | boxes(medium)),
                media=medium and medium.id,
            )
        )
    return tuple(made)


@st.composite
def spans(draw: st.DrawFn, blocks: list[Block]) -> Span:
    block = draw(st.sampled_from(blocks))
    start = draw(st.integers(0, len(block.text) - 1))
    return Span(block.id, start, draw(st.integers(start + 1, len(block.text))))


@st.composite
def annotations(draw: st.DrawFn, full: list[Block], media: tuple[Media, ...]) -> Annotations:
    entities, free = [], []
    for index in range(draw(st.integers(0, 3)) if full else 0):
        shown = [draw(regions(media, None)) for _ in range(draw(st.integers(0, 2)) if media else 0)]
        grounding = draw(st.sampled_from([Grounding(), Grounding.in_regions(*shown)]))
        entities.append(
            Entity(
                id=f"e{index}",
                span=draw(spans(full)),
                type=draw(names),
                fine_type=draw(st.none() | names),
                grounding=grounding,
                score=draw(scores),
            )
        )
    if media:
        free = [draw(regions(media, f"r{index}")) for index in range(draw(st.integers(0, 2)))]
    ends = [entity.id for entity in entities] + [f"r{index}" for index in range(len(free))]
    end = st.sampled_from(ends) if ends else st.nothing()
    relation = st.builds(Relation, id=st.just("x0"), head=end, tail=end, type=names, score=scores)
    argument = st.builds(Argument, role=names, target=end, score=scores)
    event = st.builds(
        Event,
        id=st.just("v0"),
        type=names,
        trigger=st.none() | spans(full) if full else st.none(),
        arguments=st.lists(argument, max_size=2).map(tuple) if ends else st.just(()),
        score=scores,
    )
    form = st.sampled_from([entity.id for entity in entities]) if entities else st.nothing()
    return Annotations(
        entities=tuple(entities),
        regions=tuple(free),
        relations=(draw(relation),) if ends and draw(st.booleans()) else (),
        events=(draw(event),) if draw(st.booleans()) else (),
        links=(draw(st.builds(Link, head=form, tail=form)),) if entities else (),
        provenance=draw(st.none() | provenances),
    )


@st.composite
def documents(draw: st.DrawFn) -> Document:
    pictures = draw(media())
    made = draw(blocks(pictures))
    full = [block for block in made if block.text]
    note = st.builds(
        ContextText,
        kind=st.sampled_from(["caption", "passage", "note", "ocr"]),
        text=texts,
        source=names,
    )
    return Document(
        id=draw(names),
        blocks=made,
        media=pictures,
        context=draw(st.lists(note, max_size=1).map(tuple)),
        annotations=draw(st.none() | annotations(full, pictures)),
        status=draw(st.sampled_from(["ok", "partial", "failed"])),
        problems=draw(
            st.lists(st.builds(Problem, code=texts, message=texts), max_size=1).map(tuple)
        ),
        source=draw(
            st.none() | st.builds(Source, corpus=names, line=st.none() | st.integers(0, 9**9))
        ),
    )


anything = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.slow
@anything
@given(documents())
def test_every_document_comes_back_bit_exactly(document: Document) -> None:
    line = to_json(document)
    assert "\n" not in line
    back = from_json(line, where="here:1")
    assert back == document
    assert to_json(back) == line
    assert from_json(line.encode()) == document
    # The three ways to look at a document agree: the line, the dictionary, the JSON Schema.
    assert json.loads(line) == to_dict(document)
    assert from_dict(to_dict(document)) == document
    VALIDATOR.validate(json.loads(line))


VALIDATOR = jsonschema.Draft202012Validator(json_schema())

FULL = Document(
    id="d",
    blocks=(Block(text="Ada in Rio 🎉", words=((0, 3),)),),
    media=(Media(width=100, height=50, uri="a.jpg"),),
    annotations=Annotations(
        entities=(
            Entity(
                id="e0",
                span=Span("b0", 0, 3),
                type="PER",
                score=0.1,
                grounding=Grounding.in_regions(Region.of_box(Box(0.1, 2, 30, 40, "m0"))),
            ),
        )
    ),
)


def test_line_by_value() -> None:
    assert to_json(FULL) == (
        '{"format":1,"id":"d","blocks":[{"text":"Ada in Rio 🎉","words":[[0,3]]}],'
        '"media":[{"uri":"a.jpg","width":100,"height":50}],'
        '"annotations":{"entities":[{"id":"e0","span":{"block":"b0","start":0,"end":3},'
        '"type":"PER","grounding":{"status":"regions","regions":[{"media":"m0",'
        '"box":{"x1":0.1,"y1":2.0,"x2":30.0,"y2":40.0,"media":"m0"}}]},"score":0.1}]}}'
    )


@given(st.floats(0, 1))
def test_floats_keep_every_bit(score: float) -> None:
    document = Document(
        id="d",
        blocks=(),
        media=(Media(),),
        annotations=Annotations(regions=(Region(media="m0", score=score),)),
    )
    back = from_json(to_json(document)).annotations
    assert back is not None
    assert math.copysign(1, back.regions[0].score or 0.0) == math.copysign(1, score)
    assert back.regions[0].score == score


@given(st.text(st.characters(categories=["Cs"]), min_size=1, max_size=1), texts)
def test_lone_surrogates_are_refused_wherever_they_stand(bad: str, text: str) -> None:
    for record in (
        {"id": "d", "blocks": [{"text": text + bad}]},
        {"id": bad, "blocks": []},
        {"id": "d", "blocks": [], "problems": [{"code": "x", "message": bad}]},
        {"id": "d", "blocks": [], bad: 1},
    ):
        with pytest.raises(SchemaError) as caught:
            from_dict(record, where="f:3")
        assert caught.value.code == "schema-text"
        assert str(caught.value).startswith("f:3")


def test_surrogate_pairs_in_escapes_are_one_character() -> None:
    document = from_json('{"id":"d","blocks":[{"text":"\\ud83c\\udf89"}]}')
    assert document.text == "🎉"


def test_bytes_travel_as_base64() -> None:
    document = Document(id="d", blocks=(), media=(Media(data=b"\xff\x00\xfe?"),))
    assert to_dict(document)["media"] == [{"data": "_wD-Pw=="}]
    assert from_json(to_json(document)).media[0].data == b"\xff\x00\xfe?"


def test_defaults_are_left_out_and_put_back() -> None:
    line = to_json(Document.from_text("x"))
    assert line == '{"format":1,"id":"d0","blocks":[{"text":"x"}]}'
    assert from_json(line).blocks[0].id == "b0"


def test_nobody_looked_is_not_found_nothing() -> None:
    empty = Document.from_text("x").with_annotations(Annotations())
    assert to_dict(empty)["annotations"] == {}
    assert from_json(to_json(empty)).annotations == Annotations()
    assert from_json(to_json(Document.from_text("x"))).annotations is None


# refusals

GOOD: dict[str, Any] = {"id": "d", "blocks": [{"text": "x"}]}


@pytest.mark.parametrize(
    ("change", "code", "place"),
    [
        ({"bloks": []}, "schema-type", "bloks"),
        ({"id": 5}, "schema-type", "id"),
        ({"id": ""}, "schema-id", ""),
        ({"blocks": "x"}, "schema-type", "blocks"),
        ({"blocks": [{"txt": "x"}]}, "schema-type", "blocks.0.t"),
        ({"blocks": [{"text": "x", "step": "3"}]}, "schema-type", "blocks.0.step"),
        ({"blocks": [{"text": "x", "step": True}]}, "schema-type", "blocks.0.step"),
        ({"blocks": [{"text": "x", "words": [[0, 1.5]]}]}, "schema-type", "blocks.0.words.0.1"),
        ({"blocks": [{"text": "x", "words": [[0, 2]]}]}, "schema-span", "blocks.0"),
        ({"blocks": [{"text": "x\0"}]}, "schema-text", "blocks.0"),
        ({"media": [{"data": "%"}]}, "schema-type", "media.0.data"),
        ({"media": [{"duration": float("inf")}]}, "schema-number", "media.0.duration"),
        ({"media": [{}, {}]}, "schema-id", "document 'd'"),
        ({"status": "fine"}, "schema-type", "status"),
        ({"annotations": {"entities": [{}]}}, "schema-type", "annotations.entities.0"),
    ],
)
def test_wrong_records_are_located(change: dict[str, Any], code: str, place: str) -> None:
    with pytest.raises(SchemaError) as caught:
        from_dict({**GOOD, **change}, where="posts.jsonl:7")
    assert caught.value.code == code
    assert caught.value.where.startswith("posts.jsonl:7")
    assert place in caught.value.where + caught.value.message


def test_missing_fields_are_named() -> None:
    with pytest.raises(SchemaError, match="blocks"):
        from_dict({"id": "d"})


@pytest.mark.parametrize("version", [0, 2, "1", None, True])
def test_unknown_versions_are_refused(version: object) -> None:
    with pytest.raises(SchemaError) as caught:
        from_dict({**GOOD, "format": version})
    assert caught.value.code == "schema-version"


def test_version_may_be_left_out() -> None:
    assert from_dict(GOOD) == from_dict({**GOOD, "format": FORMAT})


@pytest.mark.parametrize("text", ["", "{", "nul", '{"id": NaN}', '{"a": Infinity}', "{'id': 1}"])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(FormatError) as caught:
        from_json(text, where="f:1")
    assert caught.value.code == "format-json"


@pytest.mark.parametrize("text", ["[]", "3", '"x"', "null"])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(FormatError, match="expected a JSON object"):
        from_json(text)


def test_bytes_that_are_no_utf8_are_refused() -> None:
    with pytest.raises(FormatError) as caught:
        from_json(b'{"id": "\xff"}')
    assert caught.value.code == "format-encoding"


def test_reading_leaves_the_record_alone() -> None:
    record = {**GOOD, "format": 1}
    from_dict(record)
    assert record == {**GOOD, "format": 1}


# the JSON Schema


def _properties(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for value in schema.values():
            yield from _properties(value)


def test_checked_in_schema_is_current(root: Path) -> None:
    text = (root / "docs" / "document.schema.json").read_text(encoding="utf-8")
    assert json.loads(text) == json_schema(), (
        "run: python -m magpie.schema > docs/document.schema.json"
    )


def test_module_prints_the_schema(capsys: pytest.CaptureFixture[str]) -> None:
    import runpy

    sys.modules.pop("magpie.schema.__main__", None)
    runpy.run_module("magpie.schema.__main__", run_name="__main__")
    assert json.loads(capsys.readouterr().out) == json_schema()


def test_schema_is_valid_and_closed() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert all(part["additionalProperties"] is False for part in schema["$defs"].values())
    assert schema["additionalProperties"] is False
    assert {"fine_type", "grounding", "config_digest"} <= set(_properties(schema))


@pytest.mark.parametrize(
    "change",
    [
        {"bloks": []},
        {"id": 5},
        {"format": 2},
        {"blocks": [{"text": "x", "step": "3"}]},
        {"status": "fine"},
        {"annotations": {"entities": [{"id": "e0"}]}},
    ],
)
def test_schema_refuses_what_the_reader_refuses(change: dict[str, Any]) -> None:
    assert VALIDATOR.is_valid(GOOD)
    assert not VALIDATOR.is_valid({**GOOD, **change})
    with pytest.raises(SchemaError):
        from_dict({**GOOD, **change})
