"""Label Studio: spans, boxes and arrows in one task; offsets, percentages, tasks of others."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.errors import ConfigError, FormatError, MagpieError, NotFoundError
from magpie.export import export, read
from magpie.schema import (
    Annotations,
    Box,
    Document,
    Entity,
    Grounding,
    Media,
    Provenance,
    Region,
    Relation,
    Span,
    to_dict,
)

from . import samples


def tasks(folder: Path) -> list[Any]:
    value = json.loads((folder / "tasks.json").read_text("utf-8"))
    assert isinstance(value, list)
    return value


def configuration(folder: Path) -> ET.Element:
    return ET.parse(folder / "config.xml").getroot()  # noqa: S314  written by the test


def results(task: Any, kind: str) -> list[Any]:
    return [r for r in task["annotations"][0]["result"] if r["type"] == kind]


def theirs(folder: Path, *tasks: Any) -> Path:
    """A file as Label Studio exports it."""
    path = folder / "export.json"
    path.write_text(json.dumps(list(tasks)), encoding="utf-8")
    return path


def span(id: str, start: int, end: int, text: str | None, *labels: str) -> dict[str, Any]:
    value = {"start": start, "end": end, "labels": list(labels)}
    if text is not None:
        value["text"] = text
    return {"id": id, "from_name": "l", "to_name": "t", "type": "labels", "value": value}


def rectangle(id: str, x: float, y: float, w: float, h: float, **more: Any) -> dict[str, Any]:
    value = {"x": x, "y": y, "width": w, "height": h, "rotation": more.pop("rotation", 0)}
    value["rectanglelabels"] = more.pop("labels", ["thing"])
    size = {"original_width": 200, "original_height": 100}
    head = {"id": id, "from_name": "r", "to_name": "i", "type": "rectanglelabels"}
    return {**head, **size, "value": value, **more}


def arrow(head: str, tail: str, *labels: str, direction: str = "right") -> dict[str, Any]:
    return {
        "type": "relation",
        "from_id": head,
        "to_id": tail,
        "direction": direction,
        "labels": list(labels),
    }


def task(*result: Any, **data: Any) -> dict[str, Any]:
    return {"id": 7, "data": data, "annotations": [{"id": 1, "result": list(result)}]}


# writing


def test_a_task(tmp_path: Path) -> None:
    export([samples.pictures(tmp_path)], "label-studio", tmp_path / "out")
    (found,) = tasks(tmp_path / "out")
    assert found["data"]["text"] == "Ada lives in Turin"
    assert found["data"]["images"][0] == found["data"]["image"] == "first.png"
    picture = base64.b64decode(found["data"]["images"][1].partition("base64,")[2])
    assert picture == samples.png()
    ada, turin = results(found, "labels")
    assert (ada["id"], ada["to_name"], ada["from_name"]) == ("e0", "text", "entity")
    assert ada["value"] == {"start": 0, "end": 3, "text": "Ada", "labels": ["PER"]}
    assert turin["value"]["text"] == "Turin"
    fine, absent = results(found, "choices")
    assert (fine["id"], fine["value"]["choices"]) == ("e0", ["author"])
    assert (absent["id"], absent["value"]["choices"]) == ("e1", ["absent"])
    dog, hat = results(found, "rectanglelabels")
    assert (hat["item_index"], hat["original_width"], hat["original_height"]) == (1, 40, 30)
    assert hat["value"] == {
        "x": pytest.approx(7.5),
        "y": pytest.approx(100 / 6),
        "width": pytest.approx(92.5),
        "height": pytest.approx(250 / 3),
        "rotation": 0,
        "rectanglelabels": ["a hat"],
    }
    assert dog["score"] == 1.0
    arrows = [(r["from_id"], r["to_id"], r["labels"]) for r in results(found, "relation")]
    assert arrows == [
        ("e0", "~0", []),
        ("e0", "hat", []),
        ("e0", "~1", []),
        ("e0", "e1", ["lives in"]),
        ("e1", "hat", ["contains"]),
        ("dog", "e0", ["of"]),
    ]


def test_all_of_it_comes_back(tmp_path: Path) -> None:
    given = samples.pictures()
    report = export([given], "label-studio", tmp_path / "out")
    (back,) = read("label-studio", tmp_path / "out")
    assert set(report.losses) == {"ids: of arrows and of what is lost"}  # those of relations
    assert (back.text, back.media, back.status) == (given.text, given.media, "ok")
    assert [e.grounding.status for e in back.entities] == ["regions", "absent"]
    assert [r.id for r in back.entities[0].grounding.regions] == [None, "hat", None]
    for ours, other in zip(back.all_boxes(), given.all_boxes(), strict=True):
        assert ours.media == other.media
        assert ours.xyxy == pytest.approx(other.xyxy, abs=1e-9)
    assert back.annotations is not None
    assert given.annotations is not None
    assert back.annotations.relations == given.annotations.relations


@given(
    width=st.integers(1, 20_000),
    height=st.integers(1, 20_000),
    corners=st.tuples(*[st.floats(0, 1)] * 4),
)
def test_boxes_survive_percentages(
    width: int, height: int, corners: tuple[float, float, float, float]
) -> None:
    """To a billionth of a pixel, and never outside the picture."""
    import tempfile

    x1, x2 = sorted((corners[0] * width, corners[1] * width))
    y1, y2 = sorted((corners[2] * height, corners[3] * height))
    if x2 - x1 < 1e-6 or y2 - y1 < 1e-6:
        return
    region = Region.of_box(Box(x1, y1, x2, y2, "m0"))
    document = Document(
        id="d",
        blocks=(),
        media=(Media(uri="a.png", width=width, height=height),),
        annotations=Annotations(regions=(region,)),
    )
    with tempfile.TemporaryDirectory() as folder:
        export([document], "label-studio", Path(folder) / "out")
        (back,) = read("label-studio", Path(folder) / "out")
    (box,) = back.all_boxes()
    assert box.xyxy == pytest.approx((x1, y1, x2, y2), abs=1e-9)


def test_the_configuration_names_every_label_and_stays_xml(tmp_path: Path) -> None:
    export([samples.evil(), samples.pictures()], "label-studio", tmp_path / "out")
    view = configuration(tmp_path / "out")
    values = {
        tag: [child.get("value") for child in view.find(tag) or []]
        for tag in ("Relations", "Labels", "RectangleLabels")
    }
    assert values == {
        "Relations": [samples.EVIL, "lives in", "contains", "of"],
        "Labels": [samples.EVIL, "PER", "LOC"],
        "RectangleLabels": [samples.EVIL, "dog", "a hat"],
    }
    choices = {c.get("name"): [x.get("value") for x in c] for c in view.findall("Choices")}
    assert choices == {
        "fine_type": [f"fine {samples.EVIL}", "author"],
        "grounding": ["absent"],
    }
    image = view.find("Image")
    assert image is not None
    assert image.attrib == {"name": "image", "valueList": "$images"}  # one has two pictures
    assert not list(view.iter("script"))


def test_the_configuration_without_pictures(tmp_path: Path) -> None:
    export([samples.plain()], "label-studio", tmp_path / "out")
    view = configuration(tmp_path / "out")
    assert [child.tag for child in view] == ["Labels", "Text"]


def test_labels_that_xml_cannot_hold_are_lost(tmp_path: Path) -> None:
    bad = "bell\x07"
    region = Region.of_box(Box(0, 0, 1, 1, "m0"), label=bad, id="box")
    keep = Entity(
        id="keep", span=Span("b0", 4, 7), type="T", grounding=Grounding.in_regions(region)
    )
    gone = Entity(
        id="gone",
        span=Span("b0", 0, 3),
        type=bad,
        fine_type="f",
        score=0.5,
        grounding=Grounding("absent"),
    )
    document = Document(
        id="d",
        blocks=samples.plain().blocks,
        media=(Media(uri="a.png", width=9, height=9),),
        annotations=Annotations(
            entities=(keep, gone),
            relations=(
                Relation(id="r", head="keep", tail="gone", type="T"),
                Relation(id="s", head="keep", tail="keep", type=bad),
            ),
        ),
    )
    report = export([document], "label-studio", tmp_path / "out")
    unfit = "characters that XML cannot hold"
    assert {kind: loss.examples for kind, loss in report.losses.items()} == {
        f"labels: {unfit}": ["d/keep region 0"],
        f"entities: {unfit}": ["d/gone"],
        "ids: of arrows and of what is lost": ["d/gone", "d/r", "d/s"],
        "scores: of arrows and of what is lost": ["d/gone"],
        "fine_types: of a lost entity": ["d/gone"],
        "absent: of a lost entity": ["d/gone"],
        "relations: one end is not there": ["d/r"],
        f"relations: {unfit}": ["d/s"],
    }
    configuration(tmp_path / "out")
    (back,) = read("label-studio", tmp_path / "out")
    assert [e.id for e in back.entities] == ["keep"]


def test_options(tmp_path: Path) -> None:
    document = samples.pictures(tmp_path)
    folder = tmp_path / "a"
    export([document], "label-studio", folder, prefix="/data/local-files/?d=sub folder/")
    assert tasks(folder)[0]["data"]["image"] == "/data/local-files/?d=sub folder/first.png"
    export([document], "label-studio", tmp_path / "b", root=tmp_path, pictures="embed")
    assert tasks(tmp_path / "b")[0]["data"]["image"].startswith("data:image/png;base64,")
    assert next(iter(read("label-studio", tmp_path / "b"))).media == document.media
    by = Annotations(provenance=Provenance(method="tagger"))
    export([samples.plain().with_annotations(by)], "label-studio", tmp_path / "c", predictions=True)
    (found,) = tasks(tmp_path / "c")
    assert found["predictions"] == [{"model_version": "tagger", "result": []}]
    assert "annotations" not in found
    (back,) = read("label-studio", tmp_path / "c")
    assert back.annotations == Annotations()
    with pytest.raises(ConfigError, match="path or embed"):
        export([document], "label-studio", tmp_path / "d", pictures="all")


def test_evil_paths_are_quoted_behind_a_prefix(tmp_path: Path) -> None:
    document = Document(id="d", blocks=(), media=(Media(uri='a b/"<é?>#.png'),))
    export([document], "label-studio", tmp_path / "out", prefix="/f/?d=")
    assert tasks(tmp_path / "out")[0]["data"]["image"] == "/f/?d=a%20b/%22%3C%C3%A9%3F%3E%23.png"
    assert list(read("label-studio", tmp_path / "out")) == [document]


# reading what people did with it


def test_edits_come_back(tmp_path: Path) -> None:
    export([samples.pictures()], "label-studio", tmp_path / "out")
    (found,) = tasks(tmp_path / "out")
    result = found["annotations"][0]["result"]
    result[:] = [r for r in result if r.get("id") != "e1" and r.get("to_id") != "e1"]
    result[:] = [r for r in result if r.get("from_id") != "e1"]
    new = span("NEW", 4, 9, "lives", "VERB")
    new.update(from_name="entity", to_name="text")
    result += [new, arrow("~0", "NEW"), arrow("NEW", "~1", "at")]
    found["annotations"].insert(0, {"was_cancelled": True, "result": []})
    path = theirs(tmp_path, found)
    (back,) = read("label-studio", path)
    assert [(e.id, back.text_of(e), e.type) for e in back.entities] == [
        ("e0", "Ada", "PER"),
        ("NEW", "lives", "VERB"),
    ]
    assert back.entities[0].fine_type == "author"
    # the box now shows two entities, and the one with a relation has kept its name
    assert back.entities[1].grounding.regions == (back.entities[0].grounding.regions[0],)
    assert back.entities[0].grounding.regions[2].id == "~1"
    assert back.annotations is not None
    assert [(r.head, r.tail, r.type) for r in back.annotations.relations] == [
        ("dog", "e0", "of"),
        ("NEW", "~1", "at"),
    ]
    assert back.media == samples.pictures().media
    assert back.status == "ok"


EMOJI = "👩🏽‍🚀 met 💩 Ada"
START = EMOJI.index("Ada")
UNITS = len(EMOJI[:START].encode("utf-16-le")) // 2


def test_emoji_make_the_two_ways_of_counting_differ() -> None:
    assert (START, UNITS) == (11, 15)


@pytest.mark.parametrize(
    ("start", "text", "offsets", "found"),
    [
        (START, "Ada", "auto", "Ada"),
        (UNITS, "Ada", "auto", "Ada"),  # written by a release before 1.4
        (START, None, "auto", "Ada"),
        (START, "other", "code-points", "Ada"),
        (UNITS, "Ada", "utf-16", "Ada"),
        (UNITS, None, "utf-16", "Ada"),
    ],
)
def test_offsets(start: int, text: str | None, offsets: str, found: str, tmp_path: Path) -> None:
    path = theirs(tmp_path, task(span("a", start, start + 3, text, "PER"), text=EMOJI))
    (back,) = read("label-studio", path, offsets=offsets)
    assert [back.text_of(e) for e in back.entities] == [found]
    assert back.status == "ok"


def test_offsets_that_fit_neither_way_become_problems(tmp_path: Path) -> None:
    bad = [
        span("a", 1, 4, "Ada", "PER"),
        span("b", 14, 99, None, "PER"),
        span("c", 3, 3, None, "PER"),
        span("d", -1, 2, None, "PER"),
        span("e", 0, 1, None),
        span("f", START, START + 3, "Ada", "PER"),
    ]
    (back,) = read("label-studio", theirs(tmp_path, task(*bad, text=EMOJI)))
    assert [e.id for e in back.entities] == ["f"]
    assert [p.where for p in back.problems] == ["a", "b", "c", "d", "e"]
    assert back.status == "partial"
    with pytest.raises(ConfigError, match="offsets must be"):
        list(read("label-studio", tmp_path / "export.json", offsets="bytes"))


@given(st.text(max_size=8), st.text(min_size=1, max_size=5), st.text(max_size=3))
def test_utf16_offsets_of_any_text(before: str, inside: str, after: str) -> None:
    from magpie.export._label_results import TextPlaces

    text = before + inside + after
    try:
        text.encode("utf-16-le")
    except UnicodeEncodeError:
        return
    places = TextPlaces(text, [(0, len(text), "b")])
    start = len(before.encode("utf-16-le")) // 2
    end = start + len(inside.encode("utf-16-le")) // 2
    wanted = {"block": "b", "start": len(before), "end": len(before) + len(inside)}
    assert places.span({"start": start, "end": end}, "utf-16") == wanted
    points = {"start": wanted["start"], "end": wanted["end"], "text": inside}
    assert places.span(points, "auto") == wanted


def test_tasks_of_other_origin(tmp_path: Path) -> None:
    """A project of somebody's own: other names, two labels, a relation across text and picture."""
    found = task(
        span("x1", 0, 3, "Ada", "PER", "AUTHOR"),
        rectangle("x2", 25, 50, 50, 25, labels=["face"], score=0.75),
        rectangle("x3", 90, 90, 20, 20),
        arrow("x1", "x2", "looks like", "is"),
        arrow("x1", "x2"),
        arrow("x2", "x1", "of", direction="left"),
        arrow("x1", "x3", "near", direction="bi"),
        body="Ada left",
        photo="https://example.org/a.png?x=1",
        note="kept out",
    )
    config = tmp_path / "config.xml"
    config.write_text(
        '<View><Text name="t" value="$body"/><Image name="i" value="$photo"/></View>',
        encoding="utf-8",
    )
    (back,) = read("label-studio", theirs(tmp_path, found), config=str(config))
    assert (back.id, back.text, back.status) == ("7", "Ada left", "ok")
    assert back.media == (Media(uri="https://example.org/a.png?x=1", width=200, height=100),)
    assert [(e.id, e.type) for e in back.entities] == [("x1", "PER"), ("x1/1", "AUTHOR")]
    (face,) = back.entities[0].grounding.regions
    assert (face.label, face.score, face.id) == ("face", 0.75, "x2")
    assert face.box is not None
    assert face.box.xyxy == (50, 50, 150, 75)
    assert back.annotations is not None
    (free,) = back.annotations.regions
    assert free.box is not None
    assert free.box.xyxy == (180, 90, 200, 100)  # cut at the edge
    assert [(r.head, r.tail, r.type) for r in back.annotations.relations] == [
        ("x1", "x2", "looks like"),
        ("x1", "x2", "is"),
        ("x1", "x2", "of"),
        ("x1", "x3", "near"),
        ("x3", "x1", "near"),
    ]


def test_keys_are_guessed_where_only_one_fits(tmp_path: Path) -> None:
    one = task(span("a", 0, 3, "Ada", "PER"), rectangle("b", 0, 0, 9, 9), s="Ada", p="x.PNG")
    (back,) = read("label-studio", theirs(tmp_path, one))
    assert (back.text, back.media[0].uri) == ("Ada", "x.PNG")
    two = task(span("a", 0, 3, "Ada", "PER"), s="Ada", other="Bob")
    with pytest.raises(FormatError, match=r"2 keys that 't' may show: s, other.*config="):
        list(read("label-studio", theirs(tmp_path, two)))


def test_turned_rectangles_become_upright_ones(tmp_path: Path) -> None:
    """20 x 10 pixels at (100, 50), a quarter turn clockwise about that corner."""
    found = task(rectangle("a", 50, 50, 10, 10, rotation=90), text="", image="a.png")
    (back,) = read("label-studio", theirs(tmp_path, found))
    (box,) = back.all_boxes()
    assert box.xyxy == pytest.approx((90, 50, 100, 70))
    assert [p.message for p in back.problems] == [
        "a turned rectangle became the upright one around it"
    ]


def test_what_cannot_be_read_is_a_problem_of_the_document(tmp_path: Path) -> None:
    polygon = {"id": "p", "type": "polygonlabels", "to_name": "i", "value": {"points": []}}
    choice = {"id": "c", "type": "choices", "from_name": "mood", "value": {"choices": ["up"]}}
    found = task(
        polygon,
        choice,
        rectangle("a", 0, 0, 9, 9, item_index=3),
        rectangle("b", 300, 0, 9, 9),
        rectangle("c", float(0), 0, 0, 9),
        {**rectangle("d", 0, 0, 9, 9), "value": {"x": "far"}},
        rectangle("e", 0, 0, 9, 9),
        rectangle("e", 0, 0, 9, 9),
        rectangle("f", 1, 1, 9, 9, labels=[]),
        arrow("e", "f"),
        arrow("e", "nobody", "x"),
        {"type": "labels", "value": {}},
        text="hello",
        image="a.png",
    )
    (back,) = read("label-studio", theirs(tmp_path, found))
    assert back.annotations is not None
    assert [(r.id, r.label) for r in back.annotations.regions] == [("e", "thing"), ("f", None)]
    assert sorted(p.where for p in back.problems) == sorted(
        ["p", "c", "a", "b", "c", "d", "e", "e->f", "e->nobody", "None->None"]
    )
    assert {p.code for p in back.problems} == {"format-record"}


def test_which_annotation_counts(tmp_path: Path) -> None:
    def one(label: str, **more: Any) -> dict[str, Any]:
        return {"result": [span("a", 0, 3, "Ada", label)], **more}

    data = {"text": "Ada"}
    variants = [
        {"id": 1, "data": data, "annotations": [one("FIRST"), one("SECOND")]},
        {"id": 2, "data": data, "annotations": [one("FIRST"), one("TRUE", ground_truth=True)]},
        {"id": 3, "data": data, "annotations": [one("NO", was_cancelled=True), one("YES")]},
        {"id": 4, "data": data, "predictions": [one("GUESS")], "annotations": []},
        {"id": 5, "data": data, "completions": [one("OLD")]},
        {"id": 6, "data": data, "annotations": []},
    ]
    back = list(read("label-studio", theirs(tmp_path, *variants)))
    assert [[e.type for e in d.entities] for d in back] == [
        ["FIRST"],
        ["TRUE"],
        ["YES"],
        ["GUESS"],
        ["OLD"],
        [],
    ]
    assert [d.annotations is None for d in back] == [False] * 5 + [True]


def test_bad_tasks_are_set_aside_with_their_line(tmp_path: Path) -> None:
    good = task(span("a", 0, 3, "Ada", "PER"), text="Ada")
    texts = [
        json.dumps({"text": "JSON-MIN", "label": []}),
        json.dumps({"id": 1, "data": {"text": 7}}),
        json.dumps({"id": 2, "data": {"text": "x"}, "annotations": [{"result": "no"}]}),
        json.dumps({"id": 3, "data": {"text": "x", "magpie": "{broken"}}),
        json.dumps({"id": 4, "data": {"text": "x", "magpie": '{"blocks": [{"text": 5}]}'}}),
        json.dumps(good),
        '{"id": 8',
    ]
    path = tmp_path / "export.json"
    path.write_text("[\n" + ",\n".join(texts), encoding="utf-8")
    problems: list[MagpieError] = []
    (back,) = read("label-studio", path, on_problem=problems.append)
    assert back.id == "7"
    assert len(problems) == 6
    assert [f"{path}:{n}" in p.where for n, p in zip([2, 3, 4, 5, 6, 8], problems, strict=True)]
    assert "JSON-MIN" in problems[0].mend
    with pytest.raises(FormatError):
        list(read("label-studio", path))


def test_scores_out_of_range_are_refused(tmp_path: Path) -> None:
    found = span("a", 0, 3, "Ada", "PER")
    problems: list[MagpieError] = []
    path = tmp_path / "x.json"
    for score in ("1.5", "NaN", '"high"'):
        text = json.dumps([task({**found, "score": 0.125}, text="Ada")])
        path.write_text(text.replace("0.125", score), encoding="utf-8")
        assert list(read("label-studio", path, on_problem=problems.append)) == []
    assert [p.code for p in problems] == ["schema-number", "format-json", "schema-type"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


def damaged(value: Any, at: int, by: Any) -> tuple[Any, int]:
    """The JSON value with the part number ``at``, counted from the outside, replaced."""
    if at == 0:
        return by, -1
    at -= 1
    if isinstance(value, dict):
        value = dict(value)
    elif isinstance(value, list):
        value = list(value)
    else:
        return value, at
    for key in value if isinstance(value, dict) else range(len(value)):
        if at >= 0:
            value[key], at = damaged(value[key], at, by)
    return value, at


OWN = {**to_dict(samples.pictures()), "annotations": None}
OWN["blocks"] = [{"text": 18}]
WHOLE = task(
    span("a", 0, 3, "Ada", "PER"),
    rectangle("b", 0, 0, 9, 9, score=0.5, item_index=0),
    {"id": "a", "type": "choices", "from_name": "fine_type", "value": {"choices": ["x"]}},
    arrow("a", "b"),
    arrow("b", "a", "of"),
    text="Ada lives in Turin",
    images=["a.png"],
    t="Ada lives in Turin",
)


@given(part=st.integers(0, 120), by=JSON, inner=st.booleans())
def test_damaged_tasks_never_raise_anything_else(part: int, by: Any, inner: bool) -> None:
    import tempfile

    whole = json.loads(json.dumps(WHOLE))
    if inner:
        whole["data"]["magpie"] = json.dumps(damaged(OWN, part, by)[0])
    else:
        whole = damaged(whole, part, by)[0]
    problems: list[MagpieError] = []
    with tempfile.TemporaryDirectory() as folder:
        path = theirs(Path(folder), whole, WHOLE)
        found = list(read("label-studio", path, on_problem=problems.append))
    assert 1 <= len(found) + len(problems) <= 3
    assert found  # the good one behind it is always read, unless both have one id
    assert all(isinstance(problem, MagpieError) for problem in problems)


# the configuration, read


@pytest.mark.parametrize(
    ("xml", "code"),
    [
        ("<View><Text></View>", "format-xml"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><View>&a;</View>', "format-xml"),
        ("", "format-xml"),
        ("<View>" + " " * (5 << 20), "format-too-long"),
    ],
    ids=["open", "doctype", "empty", "long"],
)
def test_bad_configurations(xml: str, code: str, tmp_path: Path) -> None:
    config = tmp_path / "c.xml"
    config.write_text(xml, encoding="utf-8")
    with pytest.raises(FormatError) as caught:
        list(read("label-studio", theirs(tmp_path, task(text="")), config=str(config)))
    assert caught.value.code == code


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        list(read("label-studio", theirs(tmp_path), config=str(tmp_path / "no.xml")))
    (tmp_path / "folder").mkdir()
    with pytest.raises(NotFoundError, match=r"no tasks\.json"):
        list(read("label-studio", tmp_path / "folder"))


def test_documents_keep_what_the_tool_does_not_know(tmp_path: Path) -> None:
    given = samples.everything()
    export([given], "label-studio", tmp_path / "out")
    (back,) = read("label-studio", tmp_path / "out")
    ours, other = to_dict(back), to_dict(given)
    for key in ("blocks", "media", "context", "status", "problems", "source"):
        assert ours[key] == other[key], key
    assert back.annotations is not None
    assert [(x.head, x.tail) for x in back.annotations.links] == [
        ("key", "value"),
        ("key", "over"),
    ]
