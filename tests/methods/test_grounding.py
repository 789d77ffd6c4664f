"""Candidates from an asset, gold boxes against them, and back into the document."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from magpie.errors import ConfigError  # noqa: E402
from magpie.features import Asset, RegionFeatures  # noqa: E402
from magpie.methods.grounding import (  # noqa: E402
    Candidates,
    entity_words,
    gold_ious,
    gold_target,
    grounding_of,
    picture_of,
    region_candidates,
    words_span,
)
from magpie.schema import (  # noqa: E402
    Annotations,
    Block,
    Box,
    Document,
    Entity,
    Grounding,
    Media,
    Region,
    Span,
)

NEED = RegionFeatures(source="any", count=3, width=2)
BOXES = [(0, 0, 100, 100), (50, 50, 200, 100), (10, 10, 20, 20), (0, 0, 1, 1)]


def post(*entities: Entity, width: int | None = 200, height: int | None = 100) -> Document:
    """Four words, one picture."""
    return Document(
        id="p",
        blocks=(Block.from_words(["Kevin", "Love", "plays", "Cavs"]),),
        media=(Media(uri="p.jpg", width=width, height=height),),
        annotations=Annotations(entities=entities),
    )


def asset(boxes: Any = BOXES, features: Any = None, **more: Any) -> Asset:
    """Regions of a picture of 200 x 100 pixels."""
    count = len(boxes)
    features = np.ones((count, 2)) if features is None else features
    arrays = {
        "boxes": np.asarray(boxes, np.float32).reshape(-1, 4),
        "features": np.asarray(features, np.float32),
        "scores": np.linspace(0.9, 0.1, count, dtype=np.float32),
        "size": np.asarray([200, 100], np.float32),
        **{name: np.asarray(value, np.float32) for name, value in more.items()},
    }
    return Asset(arrays)


def entity(start: int, end: int, *boxes: tuple[int, int, int, int], id: str = "e") -> Entity:
    """An entity of these characters, shown in these boxes."""
    regions = tuple(Region.of_box(Box(*box, "m0")) for box in boxes)
    block = post().blocks[0].id
    span = Span(block, start, end)
    return Entity(id=id, span=span, type="PER", grounding=Grounding.in_regions(*regions))


def test_more_regions_than_the_limit_are_cut_and_fewer_padded() -> None:
    found = region_candidates(post(), asset(), NEED)
    assert found.boxes.tolist() == [list(box) for box in BOXES[:3]]
    assert found.mask.tolist() == [True] * 3
    assert found.scores.tolist() == pytest.approx([0.9, 0.633333, 0.366667])
    few = region_candidates(post(), asset(BOXES[:1]), NEED)
    assert few.mask.tolist() == [True, False, False]
    assert few.features.tolist() == [[1, 1], [0, 0], [0, 0]]
    assert few.looked
    assert few.media == "m0"


def test_the_norm_is_that_of_the_whole_picture() -> None:
    features = [[3.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 4.0]]
    alone = region_candidates(post(), asset(features=features), NEED, normalise=True)
    assert alone.features[0].tolist() == pytest.approx([0.6, 0])
    # The supplier cut the rows, and says what the norm was before.
    told = region_candidates(post(), asset(BOXES[:1], [[3.0, 0.0]], norm=6.0), NEED, normalise=True)
    assert told.features[0].tolist() == [0.5, 0]
    zero = region_candidates(post(), asset(BOXES[:1], [[0.0, 0.0]]), NEED, normalise=True)
    assert zero.features.tolist() == [[0, 0]] * 3


def test_boxes_follow_a_picture_of_another_size() -> None:
    found = region_candidates(post(width=400, height=50), asset(), NEED)
    assert found.boxes[0].tolist() == [0, 0, 200, 50]
    unknown = region_candidates(post(width=None, height=None), asset(), NEED)
    assert unknown.boxes[0].tolist() == [0, 0, 100, 100]


def test_regions_that_leave_the_picture_are_cut_and_those_outside_masked() -> None:
    boxes = [(-5, -5, 50, 50), (210, 10, 260, 60), (30, 30, 30, 40)]
    found = region_candidates(post(), asset(boxes), NEED)
    assert found.boxes[0].tolist() == [0, 0, 50, 50]
    assert found.mask.tolist() == [True, False, False]
    assert found.features[1:].tolist() == [[0, 0], [0, 0]]
    assert grounding_of(found, 1).status == "absent"


def test_what_is_not_a_number_is_masked_and_stays_out_of_the_norm() -> None:
    features = [[float("nan"), 1.0], [3.0, 4.0], [float("inf"), 0.0]]
    found = region_candidates(post(), asset(BOXES[:3], features), NEED, normalise=True)
    assert found.mask.tolist() == [False, True, False]
    assert found.features.tolist() == [[0, 0], [pytest.approx(0.6), pytest.approx(0.8)], [0, 0]]
    bad = region_candidates(
        post(), asset([(float("nan"), 0, 5, 5), (0, 0, 5, 5)]), NEED, normalise=True
    )
    assert bad.mask.tolist() == [False, True, False]
    assert bool(bad.boxes.isfinite().all())


def test_a_picture_without_regions_was_looked_at() -> None:
    empty = region_candidates(post(), asset([], np.zeros((0, 2))), NEED)
    assert empty.looked
    assert not empty.mask.any()
    assert grounding_of(empty, None) == Grounding("absent")
    assert grounding_of(empty, 0) == Grounding("absent")


def test_without_an_asset_or_a_picture_nobody_looked() -> None:
    absent = region_candidates(post(), Asset.absent("no file"), NEED)
    bare = region_candidates(Document.from_text("a b"), asset(), NEED)
    for found in (absent, bare):
        assert not found.looked
        assert not found.mask.any()
        assert grounding_of(found, 0) == Grounding("unknown")
        assert grounding_of(found, None) == Grounding("unknown")
    assert bare.media is None


def test_vectors_of_another_width_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"expected \[n, 2\]"):
        region_candidates(post(), asset(BOXES, np.ones((4, 5))), NEED)


def test_a_region_comes_back_in_pixels_of_the_document() -> None:
    found = region_candidates(post(width=400, height=200), asset(), NEED)
    grounding = grounding_of(found, 1, 1.25)
    (region,) = grounding.regions
    assert region.media == "m0"
    assert region.box is not None
    assert region.box.xyxy == (100, 100, 400, 200)
    assert region.score == 1
    # The document accepts it: it lies inside its picture.
    span = Span(post().blocks[0].id, 0, 5)
    Annotations(entities=(Entity(id="e", span=span, type="PER", grounding=grounding),))


def test_gold_boxes_against_candidates() -> None:
    candidates = region_candidates(post(), asset(), NEED)
    kevin = entity(0, 10, (0, 0, 100, 100), (10, 10, 21, 20))
    ious = gold_ious(kevin, candidates)
    assert ious.shape == (2, 3)
    assert ious[0, 0].item() == 1
    assert ious[1, 2].item() == pytest.approx(10 / 11)
    q, covered = gold_target(kevin, candidates)
    assert covered
    assert q.tolist() == pytest.approx([0.52381, 0, 0.47619], abs=1e-5)


def test_uncovered_absent_and_foreign_boxes_have_no_target() -> None:
    candidates = region_candidates(post(), asset(), NEED)
    foreign = Region.of_box(Box(0, 0, 100, 100, "m7"))
    span = Span(post().blocks[0].id, 0, 5)
    cases = (
        entity(0, 5, (150, 0, 200, 20)),
        entity(0, 5),
        Entity(id="e", span=span, type="PER", grounding=Grounding.in_regions(foreign)),
    )
    for case in cases:
        q, covered = gold_target(case, candidates)
        assert not covered
        assert q.tolist() == [0, 0, 0]


def test_exactly_one_half_by_both_rules() -> None:
    candidates = region_candidates(post(), asset(), NEED)
    half = entity(0, 5, (0, 0, 100, 50))
    assert gold_target(half, candidates)[1] is False
    q, covered = gold_target(half, candidates, legacy_half=True)
    assert covered
    assert bool(q.isnan().all())


def test_masked_candidates_cover_nothing() -> None:
    candidates = region_candidates(post(), asset(), NEED)
    hidden = Candidates(
        candidates.features,
        candidates.boxes,
        torch.zeros(3, dtype=torch.bool),
        candidates.scores,
        "m0",
        looked=True,
    )
    assert gold_ious(entity(0, 5, (0, 0, 100, 100)), hidden).sum() == 0


def test_entities_by_words_in_text_order() -> None:
    cavs, kevin = entity(17, 21, id="c"), entity(0, 8, id="k")
    again = entity(0, 10, id="x")
    document = post(cavs, kevin, again)
    block = document.blocks[0]
    words = [(block.id, *pair) for pair in block.words or ()]
    found = entity_words(document, words)
    # "Kevin Lo" takes both words, and the second mention of the same words is left out.
    assert [(e.id, first, last) for e, first, last in found] == [("k", 0, 2), ("c", 3, 4)]
    assert words_span(words, 0, 2) == Span(block.id, 0, 10)
    assert entity_words(document, []) == []


def test_words_of_two_blocks_are_no_span() -> None:
    words = [("a", 0, 1), ("b", 0, 1)]
    for first, last in ((0, 2), (1, 1), (0, 3)):
        with pytest.raises(ConfigError, match="words"):
            words_span(words, first, last)


def test_the_picture_is_the_first_that_is_there() -> None:
    gone = Media(id="m0", missing="lost")
    there = Media(id="m1", uri="x.jpg")
    one = Document(id="d", blocks=(Block(text="a"),), media=(gone, there))
    found = picture_of(one)
    assert found is there
    named = picture_of(Document(id="d", blocks=(Block(text="a"),), media=(gone,)))
    assert named is gone
