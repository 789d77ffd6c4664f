"""Procedures taken apart step by step, and put together again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from magpie.engine.steps import join_steps, split_steps
from magpie.schema import (
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
    Media,
    Region,
    Relation,
    Span,
)


def document(*pictures: str | None, shared: tuple[str, ...] = ()) -> Document:
    """A step of the text "cut it" for each picture; every picture is a medium."""
    names = dict.fromkeys([*shared, *(picture for picture in pictures if picture)])
    return Document(
        id="d",
        blocks=tuple(
            Block(id=f"b{n}", text="cut it", step=n, media=picture)
            for n, picture in enumerate(pictures)
        ),
        media=tuple(Media(id=name, data=b"x") for name in names),
    )


def brief(steps: list[Document]) -> list[tuple[list[str], list[str]]]:
    return [([b.id for b in step.blocks], [m.id for m in step.media]) for step in steps]


def test_a_post_is_not_taken_apart() -> None:
    post = document(None, None, shared=("m0", "m1"))
    (only,) = split_steps(post)
    assert only is post
    found = Annotations()
    assert join_steps(post, [(post, found)]) is found


def test_each_step_keeps_its_own_picture() -> None:
    steps = split_steps(document("a", None, "b", "a"))
    assert brief(steps) == [(["b0"], ["a"]), (["b1"], []), (["b2"], ["b"]), (["b3"], ["a"])]
    # What no step names belongs to the steps that name nothing.
    assert brief(split_steps(document("a", None, shared=("cover",)))) == [
        (["b0"], ["a"]), (["b1"], ["cover"]),
    ]  # fmt: skip


def test_the_lines_of_a_page_stay_together() -> None:
    blocks = tuple(Block(id=f"b{n}", text="Name", media="page") for n in range(3))
    form = Document(id="d", blocks=blocks, media=(Media(id="page", data=b"x"),))
    assert brief(split_steps(form)) == [(["b0", "b1", "b2"], ["page"])]


def test_context_and_entities_follow_their_step() -> None:
    whole = document("a", "b")
    entities = tuple(
        Entity(
            id=f"e{n}",
            span=Span(f"b{n}", 0, 3),
            type="X",
            grounding=Grounding.in_regions(Region(media="ab"[n])),
        )
        for n in range(2)
    )
    notes = tuple(
        ContextText(kind="caption", text=str(media), source="s", media=media)
        for media in (None, "a", "b")
    )
    whole = Document(
        id="d",
        blocks=whole.blocks,
        media=whole.media,
        context=notes,
        annotations=Annotations(entities=entities, regions=(Region(media="b"),)),
    )
    first, second = split_steps(whole)
    assert [note.text for note in first.context] == ["None", "a"]
    assert [note.text for note in second.context] == ["None", "b"]
    assert [(e.id, e.grounding.status) for e in first.entities] == [("e0", "unknown")]
    assert [(e.id, e.grounding.status) for e in second.entities] == [("e1", "unknown")]


def found_in(step: Document, media: str) -> Annotations:
    """Two entities, a relation, a link, an event and a free region, always under the same ids."""
    (block,) = step.blocks
    box = Box(0, 0, 1, 1, media)
    shown = Grounding.in_regions(Region.of_box(box, id="r0"))
    return Annotations(
        entities=(
            Entity(id="e0", span=Span(block.id, 0, 3), type="X", grounding=shown),
            Entity(id="e1", span=Span(block.id, 4, 6), type="Y"),
        ),
        regions=(Region.of_box(box, label="free"),),
        relations=(Relation(id="q", head="e0", tail="r0", type="t"),),
        links=(Link(head="e0", tail="e1", score=0.5),),
        events=(Event(id="v", type="Cut", arguments=(Argument(role="what", target="e1"),)),),
    )


def test_what_steps_found_gets_ids_of_its_own() -> None:
    whole = document("a", "b", "a")
    steps = split_steps(whole)
    joined = join_steps(whole, [(step, found_in(step, step.media[0].id)) for step in steps])
    assert [(e.id, e.span.block) for e in joined.entities] == [
        ("e0", "b0"), ("e1", "b0"), ("e2", "b1"), ("e3", "b1"), ("e4", "b2"), ("e5", "b2"),
    ]  # fmt: skip
    assert [(r.head, r.tail) for r in joined.relations] == [
        ("e0", "s0-r0"), ("e2", "s1-r0"), ("e4", "s2-r0"),
    ]  # fmt: skip
    assert [r.id for r in joined.relations] == ["r0", "r1", "r2"]
    assert [(link.head, link.tail) for link in joined.links] == [
        ("e0", "e1"), ("e2", "e3"), ("e4", "e5"),
    ]  # fmt: skip
    assert [(v.id, v.arguments[0].target) for v in joined.events] == [
        ("ev0", "e1"), ("ev1", "e3"), ("ev2", "e5"),
    ]  # fmt: skip
    # Two steps that share a picture see the same free region in it.
    assert [(region.media, region.label) for region in joined.regions] == [
        ("a", "free"), ("b", "free"),
    ]  # fmt: skip
    assert whole.with_annotations(joined).entities == joined.entities


def test_given_entities_that_nobody_answered_for_are_unknown() -> None:
    absent = Grounding("absent")
    entities = tuple(
        Entity(id=name, span=Span(block, 0, 3), type="X", grounding=absent)
        for name, block in (("late", "b1"), ("early", "b0"))
    )
    whole = document("a", "b").with_annotations(Annotations(entities=entities))
    first, second = split_steps(whole)
    (early,) = first.entities
    shown = Entity(
        id=early.id, span=early.span, type="X", grounding=Grounding.in_regions(Region(media="a"))
    )
    answers = [(first, Annotations(entities=(shown,))), (second, Annotations())]
    joined = join_steps(whole, answers, given=True)
    assert [(e.id, e.grounding.status) for e in joined.entities] == [
        ("late", "unknown"), ("early", "regions"),
    ]  # fmt: skip


@given(st.lists(st.sampled_from([None, "a", "b"]), min_size=1, max_size=6))
def test_no_block_is_lost_or_read_twice(pictures: list[str | None]) -> None:
    whole = document(*pictures)
    steps = split_steps(whole)
    assert [block for step in steps for block in step.blocks] == list(whole.blocks)
    if any(pictures):
        for step in steps:
            named = {block.media for block in step.blocks} - {None}
            assert {medium.id for medium in step.media} == named
