"""Form fields become blocks, entities, regions and links; whatever is odd is said, not guessed."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.corpora.anomaly import Anomaly
from magpie.corpora.forms import Form, page_box, read_form
from magpie.errors import FormatError
from magpie.schema import Annotations, Document, Link, Media

PAGE = Media(width=200, height=100)


def word(text: str, x: float = 10) -> dict[str, Any]:
    return {"box": [x, 10, x + 8, 20], "text": text}


def form_field(
    number: int, text: str, label: str = "other", links: list[Any] | None = None, **more: Any
) -> dict[str, Any]:
    words = [word(each, 10 + 10 * n) for n, each in enumerate(text.split())]
    item = {"id": number, "text": text, "label": label, "box": [10, 10, 60, 20], "words": words}
    return {**item, "linking": links or [], **more}


def read(*items: Any, page: Media = PAGE) -> tuple[Form, list[Anomaly]]:
    notes: list[Anomaly] = []
    form = read_form(list(items), page, where="f.json", record="f", report=notes.append)
    return form, notes


def kinds(notes: list[Anomaly]) -> list[str]:
    return [note.kind for note in notes]


def test_a_question_its_answer_and_their_link() -> None:
    form, notes = read(
        form_field(0, "Your name:", "question", [[0, 1]]),
        form_field(1, "Ada Byron", "ANSWER", [[0, 1]]),
    )
    assert notes == []
    assert [(b.id, b.text, b.word_texts()) for b in form.blocks] == [
        ("b0", "Your name:", ["Your", "name:"]),
        ("b1", "Ada Byron", ["Ada", "Byron"]),
    ]
    assert form.blocks[0].box is not None
    assert form.blocks[0].box.xyxy == (10, 10, 60, 20)
    assert [(e.id, e.type, e.span.block, e.span.start, e.span.end) for e in form.entities] == [
        ("e0", "question", "b0", 0, 10),
        ("e1", "answer", "b1", 0, 9),
    ]
    first = form.entities[0].grounding
    assert [(r.label, r.box.xyxy if r.box else None) for r in first.regions] == [
        ("Your", (10, 10, 18, 20)),
        ("name:", (20, 10, 28, 20)),
    ]
    assert form.links == [Link(head="e0", tail="e1")]


def test_a_field_without_text_is_a_region_that_links_reach() -> None:
    blank = form_field(1, "", "answer", [[0, 1]], words=[word("")])
    form, notes = read(form_field(0, "Signed:", "question", [[0, 1]]), blank)
    assert kinds(notes) == ["empty-word", "empty-field"]
    assert [b.text for b in form.blocks] == ["Signed:", ""]
    (region,) = form.regions
    assert (region.id, region.label, region.media) == ("r1", "answer", "m0")
    assert region.box is not None
    assert form.links == [Link(head="e0", tail="r1")]
    document = Document(
        id="f",
        blocks=tuple(form.blocks),
        media=(PAGE,),
        annotations=Annotations(
            entities=tuple(form.entities), regions=tuple(form.regions), links=tuple(form.links)
        ),
    )
    assert Document.from_json(document.to_json()) == document


def test_a_field_with_neither_text_nor_place_is_a_block_and_nothing_else() -> None:
    blank = form_field(1, "", "answer", box=[5, 5, 5, 5])
    form, notes = read(form_field(0, "Signed:", "question", [[0, 1]]), blank, blank)
    assert len(form.blocks) == 3
    assert form.regions == []
    assert form.links == []
    assert sorted(set(kinds(notes))) == [
        "box-skipped",
        "duplicate-id",
        "empty-field",
        "link-dangling",
    ]


def test_text_that_differs_from_its_words_in_spaces_keeps_both() -> None:
    spaced = form_field(0, "a", words=[word("TO:"), word(" "), word(" Ann "), word("")])
    form, notes = read({**spaced, "text": " TO:   Ann"})
    (block,) = form.blocks
    assert block.text == " TO:   Ann"
    assert block.word_texts() == ["TO:", "Ann"]
    assert (form.entities[0].span.start, form.entities[0].span.end) == (1, 10)
    assert kinds(notes) == ["empty-word", "empty-word"]


def test_words_that_are_not_in_the_text_make_the_text() -> None:
    odd = form_field(0, "x", words=[word("Rate"), word("3%")])
    form, _ = read({**odd, "text": "3% Rate"})
    assert form.blocks[0].text == "Rate 3%"
    assert form.blocks[0].word_texts() == ["Rate", "3%"]


def test_script_without_spaces_keeps_its_text() -> None:
    chars = form_field(0, "x", "header", words=[word("姓"), word("名")])
    form, _ = read({**chars, "text": "姓名"})
    assert form.blocks[0].text == "姓名"
    assert form.blocks[0].words == ((0, 1), (1, 2))


def test_links_written_twice_reversed_dangling_and_to_oneself() -> None:
    form, notes = read(
        form_field(0, "q", "question", [[0, 1], [0, 1], [0, 9], [0], "x", [1, 0]]),
        form_field(1, "a", "answer", [[0, 1], [1, 1]]),
    )
    assert form.links == [Link(head="e0", tail="e1"), Link(head="e1", tail="e1")]
    assert kinds(notes) == [
        "link-repeated",
        "link-dangling",
        "link-dangling",
        "link-dangling",
        "link-self",
    ]
    assert "[0, 9]" in notes[1].message


def test_a_second_field_of_one_id_stays_a_field() -> None:
    form, notes = read(
        form_field(0, "first", "question", [[0, 0]]),
        form_field(0, "second", "answer"),
        form_field(0, "third", "answer"),
    )
    assert [e.id for e in form.entities] == ["e0", "e0#2", "e0#3"]
    assert kinds(notes) == ["duplicate-id", "duplicate-id", "link-self"]


@pytest.mark.parametrize(
    ("box", "kind"),
    [
        ([10, 10, 10, 20], "box-skipped"),
        ([20, 10, 10, 20], "box-skipped"),
        ([math.nan, 10, 20, 20], "box-skipped"),
        ([10, 10, math.inf, 20], "box-skipped"),
        ([10, 10, 20], "box-skipped"),
        (["10", 10, 20, 20], "box-skipped"),
        ([True, 10, 20, 20], "box-skipped"),
        ([10**400, 10, 20, 20], "box-skipped"),
        ("box", "box-skipped"),
        ([300, 10, 320, 20], "box-skipped"),
        ([190, 90, 220, 120], "box-clipped"),
        ([-5, 10, 20, 20], "box-clipped"),
    ],
)
def test_boxes_that_are_none_or_leave_the_page(box: Any, kind: str) -> None:
    form, notes = read(form_field(0, "a", box=box))
    assert kinds(notes) == [kind]
    assert notes[0].where == "f.json"
    assert notes[0].record == "f"
    assert (form.blocks[0].box is None) == (kind == "box-skipped")
    assert len(form.entities) == 1


def test_without_a_page_size_nothing_is_cut() -> None:
    form, notes = read(form_field(0, "a", box=[190, 90, 220, 120]), page=Media())
    assert notes == []
    assert form.blocks[0].box is not None
    assert form.blocks[0].box.xyxy == (190, 90, 220, 120)


def test_without_usable_word_boxes_the_field_is_the_place() -> None:
    bad = [{"text": "a", "box": [5, 5, 5, 5]}]
    form, _ = read(form_field(0, "a", words=bad))
    (region,) = form.entities[0].grounding.regions
    assert region.box == form.blocks[0].box
    nowhere, _ = read(form_field(0, "a", words=bad, box=[1, 1, 1, 1]))
    assert nowhere.entities[0].grounding.status == "unknown"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": "B-PER"}, "expected one of the labels"),
        ({"label": 3}, "expected str in 'label'"),
        ({"text": None}, "expected str in 'text'"),
        ({"words": {}}, "expected list in 'words'"),
        ({"words": [{"text": 1, "box": []}]}, "expected str in 'text'"),
        ({"linking": None}, "expected list in 'linking'"),
        ({"id": None}, "expected a number or text as id"),
        ({"id": True}, "number or text|expected object"),
        ({"id": ""}, "expected a number or text as id"),
    ],
)
def test_what_is_no_field_loses_the_page_with_a_reason(
    change: dict[str, Any], message: str
) -> None:
    with pytest.raises(FormatError, match=message) as caught:
        read(form_field(0, "a"), {**form_field(1, "b"), **change})
    assert "f.json: field 1" in caught.value.where


def test_fields_must_be_objects_and_not_endless() -> None:
    with pytest.raises(FormatError, match="expected a record"):
        read(["no field"])
    with pytest.raises(FormatError) as caught:
        read_form([{}] * 100_001, PAGE, where="f", record="f", report=lambda _: None)
    assert caught.value.code == "format-too-long"


NUMBER = st.one_of(
    st.integers(-50, 400), st.floats(width=32), st.none(), st.text(max_size=2), st.booleans()
)


@given(st.lists(NUMBER, min_size=0, max_size=6))
def test_whatever_four_things_are_given_a_box_lies_inside_or_is_reported(
    corners: list[Any],
) -> None:
    notes: list[Anomaly] = []
    box = page_box(corners, "thing", PAGE, "f", "r", notes.append)
    if box is None:
        assert kinds(notes) == ["box-skipped"]
    else:
        assert 0 <= box.x1 < box.x2 <= 200
        assert 0 <= box.y1 < box.y2 <= 100
        assert kinds(notes) == ([] if list(box.xyxy) == corners else ["box-clipped"])


@given(
    st.lists(st.text(alphabet="ab \t姓é", max_size=4), max_size=5),
    st.text(alphabet="ab \t姓é", max_size=12),
    st.lists(st.tuples(st.integers(-1, 4), st.integers(-1, 4)), max_size=6),
)
def test_any_field_gives_a_valid_document(
    words: list[str], text: str, links: list[tuple[int, int]]
) -> None:
    item = form_field(0, "x", "question", words=[word(each) for each in words])
    other = form_field(1, "a b", "answer", [list(pair) for pair in links])
    form, _ = read({**item, "text": text}, other)
    document = Document(
        id="f",
        blocks=tuple(form.blocks),
        media=(PAGE,),
        annotations=Annotations(
            entities=tuple(form.entities), regions=tuple(form.regions), links=tuple(form.links)
        ),
    )
    assert len(form.entities) + len(form.regions) == 2
    kept = [each.strip() for each in words if each.strip()]
    assert document.block("b0").word_texts() == kept
    pairs = {frozenset((link.head, link.tail)) for link in form.links}
    assert len(pairs) == len(form.links)
