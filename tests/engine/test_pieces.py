"""Long documents in parts, and their annotations joined."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from magpie.engine.pieces import Part, cut_document, join_annotations
from magpie.schema import (
    Annotations,
    Argument,
    Block,
    Document,
    Entity,
    Event,
    Link,
    Media,
    Region,
    Relation,
    Span,
)


def words_of(document: Document, pieces: int = 1) -> list[tuple[str, int, int, int]]:
    found = []
    for block in document.blocks:
        place = 0
        for word in block.text.split(" "):
            if word:
                found.append((block.id, place, place + len(word), pieces))
            place += len(word) + 1
    return found


def document_of(*texts: str) -> Document:
    blocks = tuple(
        Block.from_words(text.split(" "), id=f"b{number}") for number, text in enumerate(texts)
    )
    return Document(id="d", blocks=blocks, media=(Media(id="m0", data=b"x"),))


def annotated(part: Part) -> Annotations:
    """Every word that begins with a capital is an entity."""
    (block,) = part.document.blocks
    entities = []
    for index, (start, end) in enumerate(block.words or ()):
        if block.text[start].isupper():
            entities.append(Entity(id=f"e{index}", span=Span(block.id, start, end), type="X"))
    return Annotations(entities=tuple(entities))


def test_what_fits_is_not_cut() -> None:
    document = document_of("a b c", "d")
    assert cut_document(document, words_of(document), 6) == []
    assert len(cut_document(document, words_of(document), 5)) == 2


@given(st.lists(st.sampled_from(["a", "Bob", "c", "Dee"]), max_size=40), st.integers(4, 12))
def test_every_word_is_decided_once(words: list[str], room: int) -> None:
    document = document_of(" ".join(words) or "x", "Eve z")
    parts = cut_document(document, words_of(document), room)
    expected = [
        (block.id, start, end)
        for block in document.blocks
        for start, end in block.words or ()
        if block.text[start].isupper()
    ]
    if not parts:
        assert len(words_of(document)) + 2 <= room
        return
    for part in parts:
        assert len(part.document.blocks[0].words or ()) + 2 <= room
        assert part.document.media == document.media
    joined = join_annotations([(part, annotated(part)) for part in parts])
    assert [(e.span.block, e.span.start, e.span.end) for e in joined.entities] == expected
    assert len({e.id for e in joined.entities}) == len(expected)


def part(offset: int, first: int, last: int) -> Part:
    return Part(document_of("a b"), "b0", offset, first, last)


def entity(name: str, start: int, end: int) -> Entity:
    return Entity(id=name, span=Span("b0", start, end), type="X")


def test_an_entity_across_the_border_is_taken_once() -> None:
    left = Annotations(entities=(entity("e0", 8, 14),))
    right = Annotations(entities=(entity("e0", 2, 4), entity("e1", 5, 7)))
    joined = join_annotations([(part(0, 0, 10), left), (part(10, 10, 30), right)])
    # [8, 14) begins in the left part; the right one's [12, 14) overlaps it, [15, 17) does not.
    assert [(e.span.start, e.span.end) for e in joined.entities] == [(8, 14), (15, 17)]


def test_what_refers_follows_its_ends() -> None:
    found = Annotations(
        entities=(entity("a", 0, 2), entity("b", 3, 5), entity("c", 12, 14)),
        regions=(Region(id="r", media="m0"), Region(media="m0")),
        relations=(
            Relation(id="x", head="a", tail="b", type="T"),
            Relation(id="y", head="a", tail="c", type="T"),
            Relation(id="z", head="b", tail="r", type="T"),
        ),
        links=(Link(head="a", tail="b"), Link(head="b", tail="c")),
        events=(
            Event(
                id="v",
                type="E",
                trigger=Span("b0", 3, 5),
                arguments=(Argument(role="R", target="a"), Argument(role="R", target="c")),
            ),
            Event(id="w", type="E", trigger=Span("b0", 12, 14)),
            Event(id="u", type="E", media="m0"),
        ),
    )
    joined = join_annotations([(part(100, 100, 110), found), (part(110, 110, 120), found)])
    assert [(e.id, e.span.start) for e in joined.entities] == [
        ("e0", 100),
        ("e1", 103),
        ("e2", 110),
        ("e3", 113),
    ]
    assert [(r.id, r.head, r.tail) for r in joined.relations] == [
        ("r0", "e0", "e1"),
        ("r1", "e1", "p0-r"),
        ("r2", "e2", "e3"),
        ("r3", "e3", "p1-r"),
    ]
    assert [(link.head, link.tail) for link in joined.links] == [("e0", "e1"), ("e2", "e3")]
    assert [region.id for region in joined.regions] == ["p0-r", None, "p1-r"]
    assert [
        (v.id, v.trigger.start if v.trigger else None, [a.target for a in v.arguments])
        for v in joined.events
    ] == [("ev0", 103, ["e0"]), ("ev1", None, []), ("ev2", 113, ["e2"])]
    Document(
        id="d", blocks=(Block(text="x" * 130),), media=(Media(id="m0", data=b"x"),)
    ).with_annotations(joined)
