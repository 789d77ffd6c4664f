"""Whatever a model writes is read without raising, and what is left out is counted."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.export.chat_answers import Answer, read_answer
from magpie.schema import Block, Document, Media

TEXT = "Kevin Love left the U . S . for Köln; Love sings"
DOCUMENT = Document(
    id="d",
    blocks=(Block(text=TEXT), Block(id="b1", text="Köln again")),
    media=(
        Media(id="m0", uri="a.jpg", width=100, height=50),
        Media(id="m1", uri="b.jpg", missing="deleted"),
        Media(id="m2", uri="c.jpg"),
    ),
)


def entity(text: str = "Kevin Love", type: str = "PER", **more: Any) -> dict[str, Any]:
    return {"text": text, "type": type, **more}


def answered(*entities: Any, relations: Any = None, **options: Any) -> Answer:
    value: dict[str, Any] = {"entities": list(entities)}
    if relations is not None:
        value["relations"] = relations
    return read_answer(DOCUMENT, json.dumps(value), **options)


def found(answer: Answer) -> list[tuple[str, str, int]]:
    return [(DOCUMENT.text_of(e), e.span.block, e.span.start) for e in answer.annotations.entities]


def test_strings_are_put_back_into_their_block() -> None:
    answer = answered(
        entity(), entity("U.S.", "LOC"), entity("koln"), entity("KÖLN"), entity("Love")
    )
    assert found(answer) == [
        ("Kevin Love", "b0", 0),
        ("U . S .", "b0", 20),
        ("Köln", "b0", 32),
        ("Love", "b0", 38),
    ]
    assert answer.counts == {"repair-normalised": 2, "not-in-text": 1}
    assert (answer.items, answer.skipped) == (5, 1)


def test_the_second_of_two_is_in_the_other_block() -> None:
    answer = answered(entity("Köln"), entity("Köln"), entity("Köln"))
    assert [(block, start) for _, block, start in found(answer)] == [("b0", 32), ("b1", 0)]
    assert answer.counts == {"duplicate": 1}


def test_a_guess_is_counted() -> None:
    answer = answered(entity("Kevin Lvoe"))
    assert found(answer) == [("Kevin Love", "b0", 0)]
    assert answer.counts == {"repair-fuzzy": 1}


def test_what_lies_in_no_single_block() -> None:
    answer = answered(entity("sings Köln"))
    assert answer.counts == {"across-blocks": 1}
    assert answer.annotations.entities == ()


@pytest.mark.parametrize(
    "item",
    [
        *(None, 3, "Kevin", [], {}, {"text": "Kevin"}, {"type": "PER"}),
        *({"text": 3, "type": "PER"}, {"text": "Love", "type": ""}, {"text": "Love", "type": "\0"}),
        {"text": "Love", "type": "\ud800"},
    ],
)
def test_items_that_are_none(item: Any) -> None:
    answer = answered(item, entity())
    assert answer.counts == {"bad-item": 1}
    assert found(answer) == [("Kevin Love", "b0", 0)]


def test_types_that_may_occur() -> None:
    answer = answered(entity(type=" per "), entity("Köln", "CITY"), types=["PER", "LOC"])
    assert [e.type for e in answer.annotations.entities] == ["PER"]
    assert answer.counts == {"unknown-type": 1}


def test_fine_types() -> None:
    answer = answered(entity(fine_type="player"), entity("Köln", fine_type=3))
    assert [e.fine_type for e in answer.annotations.entities] == ["player", None]


def test_an_occurrence_means_the_characters_themselves() -> None:
    answer = answered(entity("Love", occurrence=2), entity("Love"), entity("ov", occurrence=2))
    assert [start for _, _, start in found(answer)] == [38, 6, 39]
    answer = answered(
        entity("Love", occurrence=9), entity("U.S.", occurrence=1), entity("", occurrence=1)
    )
    assert [start for _, _, start in found(answer)] == [6, 20]


# boxes


@pytest.mark.parametrize(
    ("boxes", "status", "corners"),
    [
        ([], "absent", []),
        (None, "unknown", []),
        ("none", "unknown", []),
        ([{"image": 1, "box": [1, 2, 3, 4]}], "regions", [(1, 2, 3, 4)]),
        ([[1, 2, 3, 4.5]], "regions", [(1, 2, 3, 4.5)]),
        ([{"box": [-5, 0, 500, 60]}], "regions", [(0, 0, 100, 50)]),
        ([{"image": 2, "box": [1, 2, 3, 400]}], "regions", [(1, 2, 3, 400)]),  # size unknown
    ],
)
def test_boxes(boxes: Any, status: str, corners: list[tuple[float, ...]]) -> None:
    answer = answered(entity(boxes=boxes))
    (one,) = answer.annotations.entities
    assert one.grounding.status == status
    assert [box.xyxy for box in one.boxes] == corners
    assert answer.counts == {}


@pytest.mark.parametrize(
    "box",
    [
        *(None, 3, "x", {}, [1, 2, 3], [1, 2, 3, 4, 5], [3, 2, 1, 4], [1, 1, 1, 2]),
        *([1, 2, "3", 4], [1, 2, True, 4], [0, 0, 10**400, 1], [200, 60, 300, 70]),
        *({"image": 0, "box": [1, 2, 3, 4]}, {"image": 3, "box": [1, 2, 3, 4]}),
        {"image": "1", "box": [1, 2, 3, 4]},
    ],
)
def test_a_bad_box_is_no_claim_of_absence(box: Any) -> None:
    answer = answered(entity(boxes=[box]))
    assert answer.annotations.entities[0].grounding.status == "unknown"
    assert answer.counts == {"bad-box": 1}
    both = answered(entity(boxes=[box, [1, 2, 3, 4]]))
    assert len(both.annotations.entities[0].boxes) == 1


def test_boxes_in_thousandths_and_pictures_in_another_order() -> None:
    item = entity(boxes=[{"image": 2, "box": [0, 100, 500, 1000]}])
    answer = answered(item, boxes="thousandths", images=["m2", "m0"])
    (box,) = answer.annotations.entities[0].boxes
    assert (box.media, box.xyxy) == ("m0", (0, 5, 50, 50))
    assert answered(item, boxes="thousandths").counts == {"bad-box": 1}  # m2 has no known size


# relations


def test_relations() -> None:
    relations = [{"head": 0, "type": "left", "tail": 2}]
    answer = answered(entity(), entity("Rome"), entity("Köln"), relations=relations)
    (relation,) = answer.annotations.relations
    assert (relation.head, relation.type, relation.tail) == ("e0", "left", "e1")
    twins = answered(entity(), entity(), entity("Köln"), relations=[{**relations[0], "head": 1}])
    assert twins.annotations.relations[0].head == "e0"


@pytest.mark.parametrize(
    "relation",
    [
        *(None, 3, [], {}, {"head": 0, "tail": 0}, {"head": 0, "tail": 9, "type": "t"}),
        *({"head": -1, "tail": 0, "type": "t"}, {"head": "0", "tail": 0, "type": "t"}),
        *({"head": True, "tail": 0, "type": "t"}, {"head": 0, "tail": 1, "type": "t"}),
        {"head": 0, "tail": 0, "type": ""},
    ],
)
def test_relations_that_are_none(relation: Any) -> None:
    answer = answered(entity(), entity("Rome"), relations=[relation])
    assert answer.annotations.relations == ()
    assert answer.counts["bad-relation"] == 1
    assert answered(entity(), relations=relation).annotations.relations == ()


# JSON from prose

WHOLE = json.dumps({"entities": [entity(), entity("Köln")]}, ensure_ascii=False)


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        (WHOLE, {}),
        (f"  {WHOLE}\n", {}),
        (json.dumps([entity(), entity("Köln")]), {}),
        (f"```json\n{WHOLE}\n```", {"repair-fence": 1}),
        (f"Here:\n```\n{WHOLE}", {"repair-fence": 1}),
        (f"Sure, {WHOLE} as you wished.", {"repair-prose": 1}),
        (f"{WHOLE[:-2]}", {"repair-truncated": 1}),
        (f'{WHOLE[:-2]}, {{"text": "Lo', {"repair-truncated": 1}),
        (f'{WHOLE[:-1]}, "relations": [{{"head": 0, "ta', {"repair-truncated": 1}),
        (f"Sure: {WHOLE[:-2]},", {"repair-truncated": 1}),
    ],
)
def test_json_is_found(text: str, counts: dict[str, int]) -> None:
    answer = read_answer(DOCUMENT, text)
    assert found(answer) == [("Kevin Love", "b0", 0), ("Köln", "b0", 32)]
    assert answer.counts == counts


@pytest.mark.parametrize(
    ("text", "code"),
    [
        *(("", "no-json"), ("none", "no-json"), ('{"entities": [{"text": "Ke', "no-json")),
        *(("3", "no-json"), ("{}", "no-entities"), ('{"entities": "x"}', "no-entities")),
        *(("[" * 100_000, "no-json"), ("{[" * 1000 + "}", "no-json"), ('{"a": "\\', "no-json")),
    ],
)
def test_nothing_to_read(text: str, code: str) -> None:
    answer = read_answer(DOCUMENT, text)
    assert answer.counts == {code: 1}
    assert answer.annotations.entities == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["entities", "relations", "text", "type", "boxes", "box", "image", "head", "tail"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_json_is_survived(value: Any) -> None:
    answer = read_answer(DOCUMENT, json.dumps(value))
    assert len(answer.annotations.entities) <= answer.items
    read_answer(DOCUMENT, json.dumps({"entities": value, "relations": value}))


@given(st.text(alphabet='{}[]",:\\ae1 \n`jsontexty', max_size=40))
def test_any_text_is_survived(text: str) -> None:
    answer = read_answer(DOCUMENT, text)
    assert answer.skipped or answer.annotations.entities or answer.items == 0


@given(st.integers(0, len(WHOLE)))
def test_cut_anywhere_whole_items_stay(length: int) -> None:
    answer = read_answer(DOCUMENT, WHOLE[:length])
    whole = sum(length >= WHOLE.index("}", WHOLE.index(name)) + 1 for name in ("Kevin", "Köln"))
    assert len(answer.annotations.entities) == whole
