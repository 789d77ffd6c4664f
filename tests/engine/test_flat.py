"""The flat line: its exact shape, offsets into the whole text, boxes as lists."""

from __future__ import annotations

from magpie._io import dump_json
from magpie.engine.flat import flat
from magpie.schema import Annotations, Block, Box, Document, Entity, Grounding, Media, Region, Span


def test_exact_shape() -> None:
    box = Box(1, 2, 3.5, 4, "m0")
    entities = (
        Entity(
            id="e0",
            span=Span("a", 3, 8),
            type="LOC",
            fine_type="city",
            score=0.9,
            grounding=Grounding.in_regions(Region.of_box(box), Region(media="m0")),
        ),
        Entity(id="e1", span=Span("b", 0, 2), type="PER", grounding=Grounding("absent")),
        Entity(id="e2", span=Span("b", 3, 5), type="PER"),
    )
    document = Document(
        id="d",
        blocks=(Block(id="a", text="in Paris"), Block(id="b", text="Jo Al")),
        media=(Media(id="m0", uri="a.jpg"),),
        annotations=Annotations(entities=entities),
    )
    value = flat(document)
    assert dump_json(value) == (
        '{"id":"d","entities":['
        '{"text":"Paris","start":3,"end":8,"type":"LOC","fine_type":"city","score":0.9,'
        '"grounding":"regions","boxes":[[1,2,3.5,4]]},'
        '{"text":"Jo","start":9,"end":11,"type":"PER","fine_type":null,"score":null,'
        '"grounding":"absent","boxes":[]},'
        '{"text":"Al","start":12,"end":14,"type":"PER","fine_type":null,"score":null,'
        '"grounding":"unknown","boxes":[]}]}'
    )
    for entity in value["entities"]:
        assert document.text[entity["start"] : entity["end"]] == entity["text"]


def test_nothing_extracted() -> None:
    assert flat(Document.from_text("a", id="x")) == {"id": "x", "entities": []}
