"""Documents: references, places, words, and how a document grows without changing."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from magpie.errors import MediaError, SchemaError
from magpie.schema import (
    Annotations,
    Block,
    Box,
    ContextText,
    Document,
    Entity,
    Event,
    Grounding,
    Mask,
    Media,
    Problem,
    Region,
    Source,
    Span,
)

TEXT = "Zoë met Bob 🎉 in Rio"
PICTURE = Media(width=100, height=50)


def refused(code: str) -> pytest.RaisesExc[SchemaError]:
    return pytest.raises(SchemaError, check=lambda error: error.code == code)


def entity(start: int = 0, end: int = 3, *regions: Region, block: str = "b0") -> Entity:
    grounding = Grounding.in_regions(*regions) if regions else Grounding()
    return Entity(id="e0", span=Span(block, start, end), type="PER", grounding=grounding)


def document(*entities: Entity, media: tuple[Media, ...] = (PICTURE,)) -> Document:
    return Document(
        id="d",
        blocks=(Block(text=TEXT),),
        media=media,
        annotations=Annotations(entities=entities),
    )


# spans and boxes


def test_offsets_count_code_points() -> None:
    found = document(entity(17, 20))
    assert found.text_of(found.entities[0]) == "Rio"
    assert found.text_of(Span("b0", 12, 13)) == "🎉"


def test_span_may_end_with_the_text_and_no_later() -> None:
    document(entity(0, len(TEXT)))
    with refused("schema-span") as caught:
        document(entity(0, len(TEXT) + 1))
    assert "document 'd'" in str(caught.value)
    assert "e0" in str(caught.value)


def test_span_names_an_existing_block() -> None:
    with refused("schema-reference"):
        document(entity(block="b7"))


def test_box_may_touch_the_edge_and_not_leave() -> None:
    document(entity(0, 3, Region.of_box(Box(0, 0, 100, 50, "m0"))))
    for corners in ((-1, 0, 9, 9), (0, -0.5, 9, 9), (0, 0, 100.5, 9), (0, 0, 9, 51)):
        with refused("schema-box"):
            document(entity(0, 3, Region.of_box(Box(*corners, "m0"))))


def test_box_on_a_picture_of_unknown_size_is_taken() -> None:
    boxed = entity(0, 3, Region.of_box(Box(0, 0, 9999, 9999, "m0")))
    assert document(boxed, media=(Media(uri="a.jpg"),)).entities == (boxed,)


def test_region_names_an_existing_picture() -> None:
    with refused("schema-reference"):
        document(entity(0, 3, Region(media="m5")))


def test_mask_has_the_pictures_size() -> None:
    document(entity(0, 3, Region(media="m0", mask=Mask(width=100, height=50, counts=(5000,)))))
    with refused("schema-box"):
        document(entity(0, 3, Region(media="m0", mask=Mask(width=50, height=100, counts=(5000,)))))


def test_block_box_and_media_are_checked() -> None:
    with refused("schema-reference"):
        Document(id="d", blocks=(Block(text="x", media="m0"),))
    with refused("schema-box"):
        Document(id="d", blocks=(Block(text="x", box=Box(0, 0, 101, 9, "m0")),), media=(PICTURE,))


def test_context_and_events_are_checked() -> None:
    with refused("schema-reference"):
        note = ContextText(kind="caption", text="x", source="s", media="m9")
        Document(id="d", blocks=(), context=(note,))
    for event in (
        Event(id="v", type="t", trigger=Span("b9", 0, 1)),
        Event(id="v", type="t", media="m9"),
    ):
        with refused("schema-reference"):
            Document(id="d", blocks=(Block(text="x"),), annotations=Annotations(events=(event,)))


def test_ids_of_blocks_and_media_are_unique() -> None:
    with refused("schema-id"):
        Document(id="d", blocks=(Block(text="x"), Block(text="y")))
    with refused("schema-id"):
        Document(id="d", blocks=(), media=(Media(), Media()))


# fields


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: Document(id="", blocks=()), "schema-id"),
        (lambda: Document(id="d", blocks=[Block(text="x")]), "schema-type"),
        (lambda: Document(id="d", blocks=("x",)), "schema-type"),
        (lambda: Document(id="d", blocks=(), status="fine"), "schema-type"),
        (lambda: Block(text="a\0b"), "schema-text"),
        (lambda: Block(text="\ud83d alone"), "schema-text"),
        (lambda: Block(text=b"bytes"), "schema-type"),
        (lambda: Block(text="x", step=1.5), "schema-type"),
        (lambda: Media(kind="film"), "schema-type"),
        (lambda: Media(uri=""), "schema-id"),
        (lambda: Media(width=5), "schema-type"),
        (lambda: Media(width=5.5, height=5), "schema-type"),
        (lambda: Media(width=0, height=5), "schema-number"),
        (lambda: Media(duration=-1.0), "schema-number"),
        (lambda: Media(data="text"), "schema-type"),
        (lambda: Media(missing="\ud800"), "schema-text"),
        (lambda: ContextText(kind="rumour", text="x", source="s"), "schema-type"),
        (lambda: ContextText(kind="note", text="x", source=""), "schema-id"),
        (lambda: Problem(code="x", message="\ud800"), "schema-text"),
        (lambda: Source(corpus=""), "schema-id"),
        (lambda: Source(corpus="c", line="3"), "schema-type"),
    ],
)
def test_wrong_fields_are_refused(make: Callable[[], object], code: str) -> None:
    with refused(code):
        make()


def test_surrogate_is_named_with_its_place() -> None:
    with pytest.raises(SchemaError, match=r"U\+D83D\) at 3"):
        Block(text="abc\ud83d")


def test_media_is_present_with_bytes_or_path_unless_missing() -> None:
    assert Media(uri="a.jpg").present
    assert Media(data=b"x").present
    assert not Media().present
    assert not Media(uri="a.jpg", missing="deleted").present


# words


def test_from_words_keeps_offsets() -> None:
    block = Block.from_words(["Zoë", "met", "🎉"], id="b1", step=2)
    assert block.text == "Zoë met 🎉"
    assert block.words == ((0, 3), (4, 7), (8, 9))
    assert block.word_texts() == ["Zoë", "met", "🎉"]
    assert block.word_span(0, 2) == Span("b1", 0, 7)


@pytest.mark.parametrize("words", [((0, 0),), ((0, 3), (2, 5)), ((0, 99),), ((3, 1),)])
def test_words_are_in_order_and_inside(words: tuple[tuple[int, int], ...]) -> None:
    with refused("schema-span"):
        Block(text="abcdef", words=words)


@pytest.mark.parametrize(("first", "last"), [(0, 0), (2, 1), (0, 4), (-1, 2)])
def test_word_span_needs_such_words(first: int, last: int) -> None:
    with refused("schema-span"):
        Block.from_words(["a", "b", "c"]).word_span(first, last)


def test_word_span_needs_words() -> None:
    with refused("schema-span"):
        Block(text="a b").word_span(0, 1)


def test_block_span_stays_inside() -> None:
    assert Block(text="abc").span(1, 3) == Span("b0", 1, 3)
    with refused("schema-span"):
        Block(text="abc").span(1, 4)


# building and growing


def test_from_text_names_the_pictures() -> None:
    made = Document.from_text("hello", id="d7", images=("a.jpg", b"bytes"))
    assert [(m.id, m.uri, m.data) for m in made.media] == [
        ("m0", "a.jpg", None),
        ("m1", None, b"bytes"),
    ]
    assert made.text == "hello"
    assert made.annotations is None
    assert made.entities == ()


def test_text_of_several_blocks_is_one_a_line() -> None:
    made = Document(id="d", blocks=(Block(id="a", text="x"), Block(id="b", text="y")))
    assert made.text == "x\ny"
    assert made.block("b").text == "y"
    with refused("schema-reference"):
        made.block("c")
    with refused("schema-reference"):
        made.medium("m0")


def test_problems_add_up_and_failure_stays() -> None:
    problem = Problem.from_error(MediaError("cut off", where="a.jpg", mend="Fetch it again."))
    assert problem == Problem(
        code="media-unreadable", message="cut off", where="a.jpg", mend="Fetch it again."
    )
    plain = Document.from_text("x")
    failed = plain.with_problem(problem, "failed").with_problem(problem, "partial")
    assert failed.status == "failed"
    assert len(failed.problems) == 2
    assert plain.status == "ok"
    assert plain.with_problem(problem).status == "partial"


def test_with_annotations_replaces_and_checks() -> None:
    made = Document.from_text("abc")
    annotated = made.with_annotations(Annotations(entities=(entity(0, 3),)))
    assert made.annotations is None
    assert annotated.entities[0].span == Span("b0", 0, 3)
    with refused("schema-span"):
        made.with_annotations(Annotations(entities=(entity(0, 4),)))


def test_replace_checks_again() -> None:
    with refused("schema-reference"):
        dataclasses.replace(document(entity(0, 3, Region(media="m0"))), media=())


def test_all_boxes_come_from_blocks_and_regions() -> None:
    page, face = Box(0, 0, 5, 5, "m0"), Box(1, 1, 4, 4, "m0")
    made = Document(
        id="d",
        blocks=(Block(text="abc", box=page),),
        media=(PICTURE,),
        annotations=Annotations(entities=(entity(0, 3, Region.of_box(face)),)),
    )
    assert list(made.all_boxes()) == [page, face]
