"""Oracle recall by hand: counts, thresholds, both IoU rules, types, pictures without regions."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magpie.errors import ConfigError
from magpie.features import Asset
from magpie.features.proposals import Proposals
from magpie.features.recall import ALL, gold_boxes, oracle_recall
from magpie.schema import Annotations, Block, Box, Document, Entity, Grounding, Media, Region


def box(x1: float, y1: float, x2: float, y2: float, media: str = "m0") -> Box:
    return Box(x1, y1, x2, y2, media)


def entity(number: int, kind: str, *boxes: Box, fine: str | None = None, seen: bool = True):  # type: ignore[no-untyped-def]
    grounding = Grounding.in_regions(*map(Region.of_box, boxes)) if seen else Grounding()
    block = Block.from_words(["a", "b", "c", "d", "e", "f"])
    span = block.word_span(number, number + 1)
    return Entity(id=f"e{number}", span=span, type=kind, fine_type=fine, grounding=grounding)


def document(name: str, *entities: Entity, media: int = 1, free: Sequence[Region] = ()) -> Document:
    return Document(
        id=name,
        blocks=(Block.from_words(["a", "b", "c", "d", "e", "f"]),),
        media=tuple(Media(id=f"m{i}", uri=f"{name}{i}.jpg") for i in range(media)),
        annotations=Annotations(entities=entities, regions=tuple(free)),
    )


def regions(*corners: tuple[float, float, float, float], scores: Sequence[float] = ()) -> Proposals:
    marks = scores or np.linspace(0.9, 0.5, len(corners))
    return Proposals(
        width=200,
        height=200,
        boxes=np.array(corners, np.float32).reshape(-1, 4),
        features=np.zeros((len(corners), 0), np.float32),
        scores=np.array(marks, np.float32),
        clipped=1,
    )


#: PER is met by the second region alone (IoU 0.9 with its second box), LOC by the first at exactly
#: 0.5, ORG by none, one entity is absent, and nobody knows of the last
POST = document(
    "a",
    entity(0, "PER", box(10, 10, 110, 110), box(150, 150, 160, 160), fine="actor"),
    entity(1, "LOC", box(0, 0, 100, 100)),
    entity(2, "ORG", box(190, 0, 199, 9)),
    entity(3, "OTHER"),
    entity(4, "OTHER", seen=False),
)
FOUND = regions((0, 0, 100, 50), (150, 150, 160, 159))


def measured(found: Proposals | Asset = FOUND, *documents: Document, **settings):  # type: ignore[no-untyped-def]
    rows = documents or (POST,)
    return oracle_recall(rows, lambda views: [found] * len(views), **settings)


def test_by_count_threshold_and_type() -> None:
    result = measured(counts=(2, 1), thresholds=(0.5, 0.95))
    assert result.counts == (1, 2)
    assert result.types == (ALL, "LOC", "ORG", "PER")
    assert [result.found(ALL, k, 0.5) for k in (1, 2)] == [0, 1]
    assert result.found("PER", 2, 0.5) == 1
    assert result.found("PER", 2, 0.95) == 0
    assert result.gold(ALL) == 3
    assert result.gold(ALL, "boxes") == 4
    assert result.found(ALL, 2, 0.5, "boxes") == 1
    assert result.recall(ALL, 2, 0.5) == pytest.approx(1 / 3)
    assert result.recall("LOC", 2, 0.5) == 0
    # 3 with boxes and 1 absent; the one of unknown grounding bounds nothing
    assert (result.absent, result.ceiling(2, 0.5)) == (1, 0.5)
    assert (result.regions, result.clipped) == (2, 1)


def test_an_iou_of_exactly_the_threshold() -> None:
    strict = measured(counts=(1,), thresholds=(0.5,))
    inclusive = measured(counts=(1,), thresholds=(0.5,), inclusive=True)
    assert strict.found("LOC", 1, 0.5) == 0
    assert inclusive.found("LOC", 1, 0.5) == 1


def test_the_first_by_score() -> None:
    found = regions((0, 0, 5, 5), (150, 150, 160, 160), scores=(0.1, 0.8))
    assert measured(found, counts=(1,)).found("PER", 1, 0.5) == 0
    assert measured(found, counts=(1,), order="score").found("PER", 1, 0.5) == 1


def test_fine_types() -> None:
    assert measured(fine=True).types == (ALL, "LOC", "ORG", "actor")


def test_pictures_without_regions_count_as_missed() -> None:
    other = dataclasses.replace(POST, id="b")
    bare = document("c")
    absent = Asset.absent("no file")

    def propose(views: Sequence[Document]) -> list[Proposals | Asset]:
        return [{"a": FOUND, "b": absent, "c": regions()}[view.id] for view in views]

    result = oracle_recall([POST, other, bare], propose, counts=(2,), thresholds=(0.5,), window=2)
    assert (result.pictures, result.with_gold) == (3, 2)
    assert (result.without_regions, result.without_regions_with_gold) == (2, 1)
    assert result.reasons == [("b", "no file"), ("c", "no region was proposed")]
    assert result.recall(ALL, 2, 0.5) == pytest.approx(1 / 6)
    assert result.recall(ALL, 2, 0.5, seen=True) == pytest.approx(1 / 3)
    assert result.gold("PER", seen=True) == 1
    assert result.gold(ALL, "boxes", seen=True) == 4
    cells = result.to_dict()["recall"]
    assert cells[0] == {
        "type": "all",
        "iou": 0.5,
        "count": 2,
        "targets": {
            "gold": 6,
            "found": 1,
            "recall": 0.1667,
            "gold_with_regions": 3,
            "recall_with_regions": 0.3333,
        },
        "boxes": {
            "gold": 8,
            "found": 1,
            "recall": 0.125,
            "gold_with_regions": 4,
            "recall_with_regions": 0.25,
        },
        "ceiling": 0.375,
    }


def test_every_picture_of_a_document_and_regions_of_no_entity() -> None:
    shown = entity(0, "PER", box(0, 0, 9, 9), box(1, 1, 9, 9, "m1"))
    free = (
        Region.of_box(box(0, 0, 9, 9)),  # the entity's own
        Region.of_box(box(20, 20, 30, 30, "m1"), label="dog"),
    )
    two = document("a", shown, media=2, free=free)
    assert [(g.type, len(g.boxes), g.entity) for g in gold_boxes(two, "m0")] == [("PER", 1, True)]
    assert [(g.type, g.entity) for g in gold_boxes(two, "m1")] == [("PER", True), ("dog", False)]
    asked = []

    def propose(views: Sequence[Document]) -> list[Proposals | Asset]:
        asked.extend(view.media[0].id for view in views)
        assert all(view.annotations is None for view in views)  # gold stays out of sight
        return [regions((20, 20, 30, 30))] * len(views)

    result = oracle_recall([two], propose, counts=(1,))
    assert asked == ["m0", "m1"]
    assert (result.found("dog", 1, 0.5), result.found("PER", 1, 0.5)) == (1, 0)


corner = st.integers(0, 19)
rectangles = st.tuples(corner, corner, corner, corner).map(
    lambda c: (min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]) + 1, max(c[1], c[3]) + 1)
)


@given(st.lists(rectangles, max_size=4), st.lists(rectangles, max_size=4))
def test_more_regions_and_lower_thresholds_find_no_less(
    gold: list[tuple[int, int, int, int]], found: list[tuple[int, int, int, int]]
) -> None:
    boxes = [box(*corners) for corners in gold]
    post = document("a", *(entity(i, "PER", b) for i, b in enumerate(boxes)))
    result = measured(regions(*found), post, counts=(1, 2, 4), thresholds=(0.3, 0.5, 0.9))
    for threshold in (0.3, 0.5, 0.9):
        counts = [result.found(ALL, k, threshold) for k in (1, 2, 4)]
        assert counts == sorted(counts)
        best = [max((box(*f).iou(g) for f in found), default=0.0) for g in boxes]
        assert counts[-1] == sum(value > threshold for value in best)
    assert result.found(ALL, 4, 0.3) >= result.found(ALL, 4, 0.5) >= result.found(ALL, 4, 0.9)


@pytest.mark.parametrize("wrong", [{"counts": ()}, {"counts": (0,)}, {"thresholds": (1.5,)}])
def test_impossible_settings(wrong: dict[str, tuple[float, ...]]) -> None:
    with pytest.raises(ConfigError, match="counts of at least 1"):
        measured(**wrong)
