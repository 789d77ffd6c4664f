"""Rows of a post as one document."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from magpie.corpora import load
from magpie.corpora.posts import whole_posts
from magpie.schema import (
    Annotations,
    Block,
    Box,
    ContextText,
    Document,
    Entity,
    Grounding,
    Link,
    Media,
    Region,
    Relation,
)

WORDS = ("Ada", "met", "Ben", "and", "Cleo", "in", "Rome")


def row(
    name: str, head: int, tail: int, kind: str = "peer", *, uri: str = "p.jpg", note: str = ""
) -> Document:
    block = Block.from_words(WORDS)
    ends = [
        Entity(id=f"e{n}", span=block.word_span(at, at + 1), type="entity")
        for n, at in enumerate((head, tail))
    ]
    return Document(
        id=name,
        blocks=(block,),
        media=(Media(uri=uri),),
        context=(ContextText(kind="caption", text=note, source="s"),) if note else (),
        annotations=Annotations(
            entities=tuple(ends), relations=(Relation(id="f0", head="e0", tail="e1", type=kind),)
        ),
    )


def facts(document: Document) -> list[tuple[str, str, str]]:
    said = document.annotations
    assert said is not None
    texts = {e.id: document.blocks[0].text[e.span.start : e.span.end] for e in said.entities}
    return [(texts[r.head], r.type, texts[r.tail]) for r in said.relations]


def test_pairs_of_a_post_share_its_mentions() -> None:
    rows = [
        row("p-1", 0, 2, note="two people"),
        row("q-1", 0, 6, uri="q.jpg"),
        row("p-2", 0, 4, "none", note="two people"),
        row("p-3", 6, 2, "visits", note="a city"),
    ]
    first, other = whole_posts(rows)
    assert (first.id, other.id) == ("p-1", "q-1")
    assert facts(first) == [
        ("Ada", "peer", "Ben"),
        ("Ada", "none", "Cleo"),
        ("Rome", "visits", "Ben"),
    ]
    assert [e.id for e in first.entities] == ["e0", "e1", "e2", "e3"]
    assert [text.text for text in first.context] == ["two people", "a city"]
    assert other is rows[1]


def test_both_directions_are_two_pairs() -> None:
    (post,) = whole_posts([row("1", 0, 2, "parent"), row("2", 2, 0, "child")])
    assert facts(post) == [("Ada", "parent", "Ben"), ("Ben", "child", "Ada")]


def test_rows_that_stay_by_themselves() -> None:
    one = row("1", 0, 2)
    again = row("2", 0, 2, "none")  # says otherwise of the same pair
    assert one.annotations is not None
    bare = dataclasses.replace(one, id="3", annotations=None)
    silent = one.with_annotations(dataclasses.replace(one.annotations, relations=()))
    linked = one.with_annotations(
        dataclasses.replace(one.annotations, links=(Link(head="e0", tail="e1"),))
    )
    # A relation may join what shows a mention, by its id.
    shown = Region(media="m0", box=Box(0, 0, 5, 5, media="m0"), id="shown")
    ada = dataclasses.replace(one.entities[0], grounding=Grounding("regions", (shown,)))
    relation = Relation(id="f0", head="e0", tail="shown", type="seen")
    pointing = one.with_annotations(Annotations(entities=(ada,), relations=(relation,)))
    further = row("4", 0, 4)
    found = whole_posts([one, again, bare, silent, linked, pointing, further])
    assert [document.id for document in found] == ["1", "2", "3", "1", "1", "1"]
    assert len(facts(found[0])) == 2
    assert found[1:] == [again, bare, silent, linked, pointing]


def test_regions_of_a_picture_are_shared() -> None:
    def fact(name: str, head: int, x: float) -> Document:
        base = row(name, head, 6)
        said = base.annotations
        assert said is not None
        region = Region(media="m0", box=Box(x, 0, x + 5, 5, media="m0"), id="o")
        relation = Relation(id="f", head="e0", tail="o", type="shown as")
        changed = dataclasses.replace(said, regions=(region,), relations=(relation,))
        return base.with_annotations(changed)

    (post,) = whole_posts([fact("1", 0, 1.0), fact("2", 2, 1.0), fact("3", 4, 9.0)])
    said = post.annotations
    assert said is not None
    assert [region.box.x1 for region in said.regions if region.box] == [1.0, 9.0]
    assert [relation.tail for relation in said.relations] == ["r0", "r0", "r1"]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.sampled_from("pq")), max_size=20)
)
def test_nothing_is_lost_and_nothing_invented(drawn: list[tuple[int, int, str]]) -> None:
    rows = [
        row(str(number), 2 * head, 2 * tail, str(number), uri=uri)
        for number, (head, tail, uri) in enumerate(drawn)
        if head != tail
    ]
    found = whole_posts(rows)

    def told(documents: list[Document]) -> Counter[tuple[str | None, tuple[str, str, str]]]:
        return Counter((d.media[0].uri, fact) for d in documents for fact in facts(d))

    assert told(found) == told(rows)
    for document in found:
        pairs = [(head, tail) for head, _, tail in facts(document)]
        assert len(set(pairs)) == len(pairs)
    assert whole_posts(found) == found


def test_posts_of_mnre(data_dir: Path) -> None:
    for name, rows, posts, most in (("mnre@2", 12247, 7356, 21), ("mnre@1", 7824, 3996, 15)):
        documents = list(load(name, "train", root=data_dir))
        assert len(documents) == rows
        found = whole_posts(documents)
        assert len(found) == posts
        counts = [len(facts(document)) for document in found]
        assert (sum(counts), max(counts)) == (rows, most)
