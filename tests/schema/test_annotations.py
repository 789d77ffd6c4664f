"""Regions, entities, relations, events: what belongs together and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from magpie.errors import SchemaError
from magpie.schema import (
    Annotations,
    Argument,
    Box,
    Entity,
    Event,
    Grounding,
    Link,
    Mask,
    Provenance,
    Region,
    Relation,
    Span,
    TimeRange,
)

BOX = Box(0, 0, 10, 10, "m0")


def refused(code: str) -> pytest.RaisesExc[SchemaError]:
    return pytest.raises(SchemaError, check=lambda error: error.code == code)


def entity(id: str = "e0", grounding: Grounding | None = None) -> Entity:
    return Entity(id=id, span=Span("b0", 0, 3), type="PER", grounding=grounding or Grounding())


def test_grounding_is_unknown_until_somebody_looks() -> None:
    assert entity().grounding == Grounding("unknown")
    assert entity().boxes == ()


def test_in_regions_without_regions_means_absent() -> None:
    assert Grounding.in_regions() == Grounding("absent")
    assert Grounding.in_regions(Region.of_box(BOX)).status == "regions"


@pytest.mark.parametrize(
    ("status", "regions"),
    [
        ("regions", ()),
        ("unknown", (Region.of_box(BOX),)),
        ("absent", (Region.of_box(BOX),)),
        ("maybe", ()),
    ],
)
def test_contradicting_grounding_is_refused(status: str, regions: tuple[Region, ...]) -> None:
    with refused("schema-grounding"):
        Grounding(status, regions)  # type: ignore[arg-type]


def test_entity_boxes_leave_out_whole_pictures() -> None:
    whole = Region(media="m0")
    assert entity(grounding=Grounding.in_regions(whole, Region.of_box(BOX))).boxes == (BOX,)


def test_region_of_box_takes_the_boxs_picture() -> None:
    region = Region.of_box(BOX, label="face", score=0.5, id="r0")
    assert (region.media, region.box, region.label, region.id) == ("m0", BOX, "face", "r0")


def test_region_is_one_kind_of_place() -> None:
    mask = Mask(width=2, height=2, counts=(4,))
    with refused("schema-type"):
        Region(media="m0", box=BOX, mask=mask)
    with refused("schema-type"):
        Region(media="m0", mask=mask, time=TimeRange(0, 1))


def test_region_and_its_box_share_the_picture() -> None:
    with refused("schema-mixed-pictures"):
        Region(media="m1", box=BOX)


@pytest.mark.parametrize("score", [-0.01, 1.01, math.nan, math.inf])
@pytest.mark.parametrize(
    "make",
    [
        lambda score: Region(media="m0", score=score),
        lambda score: Entity(id="e", span=Span("b0", 0, 1), type="PER", score=score),
        lambda score: Relation(id="r", head="a", tail="b", type="t", score=score),
        lambda score: Event(id="v", type="t", score=score),
        lambda score: Argument(role="agent", target="e", score=score),
        lambda score: Link(head="a", tail="b", score=score),
    ],
)
def test_scores_lie_between_zero_and_one(make: Callable[[float], object], score: float) -> None:
    with refused("schema-number"):
        make(score)


@pytest.mark.parametrize("score", [0, 1, 0.0, 1.0])
def test_the_ends_of_the_scale_are_scores(score: float) -> None:
    assert Region(media="m0", score=score).score == score


@pytest.mark.parametrize(
    "make",
    [
        lambda: Entity(id="", span=Span("b0", 0, 1), type="PER"),
        lambda: Entity(id="e", span=Span("b0", 0, 1), type=""),
        lambda: Entity(id="e", span=Span("b0", 0, 1), type="PER", fine_type=""),
        lambda: Relation(id="r", head="", tail="b", type="t"),
        lambda: Event(id="v", type=""),
        lambda: Argument(role="", target="e"),
        lambda: Provenance(method=""),
        lambda: Region(media="m0", id=""),
    ],
)
def test_names_are_not_empty(make: Callable[[], object]) -> None:
    with refused("schema-id"):
        make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Region(media="m0", label="a\ud800"),
        lambda: Entity(id="e", span=Span("b0", 0, 1), type="PER\0"),
        lambda: Provenance(method="m", version="\udfff"),
        lambda: Provenance(method="m", evidence=("fine", "\0")),
    ],
)
def test_names_can_be_written(make: Callable[[], object]) -> None:
    with refused("schema-text"):
        make()


def test_relation_may_join_entity_and_region() -> None:
    annotations = Annotations(
        entities=(entity("e0"),),
        regions=(Region.of_box(BOX, id="r0"),),
        relations=(Relation(id="x", head="e0", tail="r0", type="holds"),),
    )
    assert annotations.relations[0].tail == "r0"


def test_relation_may_end_at_a_grounding_region() -> None:
    grounded = entity("e0", Grounding.in_regions(Region.of_box(BOX, id="r0")))
    relation = Relation(id="x", head="e0", tail="r0", type="shown in")
    assert Annotations(entities=(grounded,), relations=(relation,)).relations == (relation,)


def test_references_to_nothing_are_refused() -> None:
    one = (entity("e0"),)
    with refused("schema-reference"):
        Annotations(entities=one, relations=(Relation(id="x", head="e0", tail="e9", type="t"),))
    with refused("schema-reference"):
        event = Event(id="v", type="t", arguments=(Argument(role="agent", target="e9"),))
        Annotations(entities=one, events=(event,))
    with refused("schema-reference"):
        Annotations(entities=one, links=(Link(head="e9", tail="e0"),))


def test_form_links_join_fields_with_text_and_fields_of_ink_alone() -> None:
    signed = Annotations(
        entities=(entity("e0"),),
        regions=(Region(media="m0", id="r0"),),
        links=(Link(head="e0", tail="r0"),),
    )
    assert signed.links[0].tail == "r0"
    with refused("schema-reference"):
        Annotations(
            entities=(entity("e0"),),
            relations=(Relation(id="x", head="e0", tail="e0", type="t"),),
            links=(Link(head="e0", tail="x"),),
        )


@pytest.mark.parametrize(
    "parts",
    [
        {"entities": (entity("a"), entity("a"))},
        {"entities": (entity("a"),), "regions": (Region(media="m0", id="a"),)},
        {"entities": (entity("a"),), "events": (Event(id="a", type="t"),)},
        {
            "regions": (
                Region(media="m0", id="a", label="cat"),
                Region(media="m0", id="a", label="dog"),
            )
        },
    ],
)
def test_ids_share_one_space(parts: dict[str, tuple[object, ...]]) -> None:
    with refused("schema-id"):
        Annotations(**parts)  # type: ignore[arg-type]


def test_one_region_may_show_two_entities() -> None:
    shared = Grounding.in_regions(Region.of_box(BOX, id="r0"))
    annotations = Annotations(entities=(entity("a", shared), entity("b", shared)))
    assert len(list(annotations.all_regions())) == 2


def test_parts_are_tuples_of_the_right_things() -> None:
    with refused("schema-type"):
        Annotations(entities=[entity()])  # type: ignore[arg-type]
    with refused("schema-type"):
        Annotations(entities=(Region(media="m0"),))  # type: ignore[arg-type]
    with refused("schema-type"):
        Grounding("regions", [Region(media="m0")])  # type: ignore[arg-type]


def test_values_are_frozen_and_hashable() -> None:
    value = entity(grounding=Grounding.in_regions(Region.of_box(BOX)))
    with pytest.raises(AttributeError):
        value.type = "LOC"  # type: ignore[misc]
    assert hash(value) == hash(entity(grounding=Grounding.in_regions(Region.of_box(BOX))))


def test_repr_counts_what_is_there() -> None:
    assert repr(Annotations()) == "<Annotations: nothing>"
    filled = Annotations(entities=(entity(),), regions=(Region(media="m0"), Region(media="m1")))
    assert repr(filled) == "<Annotations: 1 entities, 2 regions>"
