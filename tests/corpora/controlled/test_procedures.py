"""Procedures of the controlled corpus: what each step asks for, and where the answer stands."""

from __future__ import annotations

import io
import random
from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from magpie.corpora.controlled import (
    KINDS,
    SHAPES,
    ControlledConfig,
    SceneStyle,
    controlled,
    draw_quarters,
    shuffle_pictures,
    text_optimum,
    without_pictures,
)
from magpie.corpora.controlled.procedures import STEPS, THING
from magpie.errors import ConfigError
from magpie.metrics import items_of, score


def corpus(split="test", **settings):
    return list(
        controlled(split, ControlledConfig(**{"task": "procedure", "size": 80, **settings}))
    )


def groups(documents):
    found = defaultdict(list)
    for document in documents:
        found[document.text].append(document)
    return list(found.values())


def quarter(box):
    return int((box.x1 + box.x2) / 2 > 32) + 2 * int((box.y1 + box.y2) / 2 > 32)


def test_each_step_has_its_picture_and_one_thing():
    for document in corpus():
        assert [block.step for block in document.blocks] == [1, 2, 3]
        assert [block.media for block in document.blocks] == ["m0", "m1", "m2"]
        assert [entity.span.block for entity in document.entities] == ["b1", "b2", "b3"]
        assert {entity.type for entity in document.entities} == {THING}
        first, second, third = (document.text_of(entity) for entity in document.entities)
        assert {first, third} <= {*SHAPES}
        assert second == "it"
        assert document.context == ()
        for entity, medium in zip(document.entities, document.media, strict=True):
            assert [box.media for box in entity.boxes] in ([], [medium.id])


def test_the_same_seed_gives_the_same_procedures_and_splits_differ():
    first, again = corpus(), corpus()
    assert [d.to_json() for d in first] == [d.to_json() for d in again]
    pictures = {medium.data for d in first for medium in d.media}
    assert len(pictures) > 0.95 * STEPS * len(first)
    assert pictures.isdisjoint(m.data for d in corpus("train") for m in d.media)


def test_what_is_asked_for_stands_once_in_every_quarter():
    shown = [g for g in groups(corpus(told=0.0, size=40)) if len(g) == KINDS]
    assert len(shown) > 5
    for group in shown:
        for step in range(STEPS):
            boxes = [document.entities[step].boxes[0] for document in group]
            assert sorted(map(quarter, boxes)) == [0, 1, 2, 3]


def test_no_box_is_right_for_two_of_a_group():
    """Whatever box is drawn: the quarters are apart, so it covers at most one by more than half."""
    rng = random.Random(0)
    for group in groups(corpus(told=0.0, size=40)):
        if len(group) != KINDS:
            continue
        for step in range(STEPS):
            boxes = [document.entities[step].boxes[0] for document in group]
            for _ in range(50):
                x1, x2 = sorted(rng.sample(range(65), 2))
                y1, y2 = sorted(rng.sample(range(65), 2))
                assert sum(_iou((x1, y1, x2, y2), box.xyxy) > 0.5 for box in boxes) <= 1


def _iou(a, b):
    wide, high = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0, wide) * max(0, high)
    areas = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
    return shared / (sum(areas) - shared)


def test_told_procedures_lift_the_optimum_by_their_share():
    assert text_optimum(corpus(told=0.25, size=400), "procedure") == pytest.approx(0.25 + 0.75 / 4)
    assert text_optimum(corpus(told=1.0), "procedure") == 1.0


def test_the_best_answer_from_text_scores_the_optimum():
    """Each group is answered with the gold of one member: one in four is right."""
    documents = corpus(told=0.25, size=160)
    answers = []
    for group in groups(documents):
        answers += [(d, d.with_annotations(group[0].annotations)) for d in group]
    gold, given_ = zip(*answers, strict=True)
    report = score(map(items_of, gold), map(items_of, given_), "procedure-gmper@1")
    assert report.main.micro.score == pytest.approx(text_optimum(documents, "procedure"), abs=0.02)


def test_the_second_step_by_itself_tells_neither_kind_nor_whether_it_shows():
    """Without the step before, the kind is anybody's guess: this fact needs the previous step."""
    kinds = defaultdict(Counter)
    for document in corpus(size=4000)[::KINDS]:
        shows = document.entities[0].grounding.status == "regions"
        kinds[document.blocks[1].text][document.text_of(document.entities[0]) if shows else ""] += 1
    assert len(kinds) == 4
    for counts in kinds.values():
        assert set(counts) == {*SHAPES, ""}
        assert max(counts.values()) / counts.total() < 0.35


def test_told_procedures_say_so_and_their_pictures_may_mislead():
    for share, bare in ((1.0, False), (0.0, True)):
        for document in corpus(told=1.0, misleading=share):
            first, _, last = (block.word_texts() for block in document.blocks)
            assert ("no" in first, "no" in last) == (True, True)
            assert all(e.grounding.status == "absent" for e in document.entities)
            assert all((_coloured(m.data) < 0.1) == bare for m in document.media)


def _coloured(png):
    """Share of pixels that are not the ground."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    counts = sorted((count for count, _ in image.getcolors(64 * 64)), reverse=True)
    return 1 - counts[0] / (64 * 64)


def test_shuffling_takes_the_pictures_of_another_procedure():
    documents = corpus()
    for own, other in zip(documents, shuffle_pictures(documents, 1), strict=True):
        assert [m.id for m in other.media] == ["m0", "m1", "m2"]
        assert all(a.data != b.data for a, b in zip(own.media, other.media, strict=True))
    for document in without_pictures(documents):
        assert not any(medium.present for medium in document.media)


@given(st.permutations(range(KINDS)), st.integers(0, 2**32), st.integers(0, KINDS))
def test_each_box_holds_its_glyph_in_its_quarter(kinds, seed, count):
    scene, boxes = draw_quarters(kinds[:count], random.Random(seed))
    assert set(boxes) == set(kinds[:count])
    assert scene.box is None
    image = Image.open(io.BytesIO(scene.png)).convert("RGB")
    ground = max(image.getcolors(64 * 64))[1]
    for place, kind in enumerate(kinds[:count]):
        x1, y1, x2, y2 = boxes[kind]
        assert place % 2 * 32 < x1 < x2 <= place % 2 * 32 + 32
        assert place // 2 * 32 < y1 < y2 <= place // 2 * 32 + 32
        # Only a ring is empty in its middle.
        if kind != SHAPES.index("ring"):
            assert image.getpixel(((x1 + x2) // 2, (y1 + y2) // 2)) != ground


@pytest.mark.parametrize("kinds", [(0, 0), (4,), (-1,), (0, 1, 2, 3, 0)])
def test_impossible_quarters(kinds):
    with pytest.raises(ConfigError):
        draw_quarters(kinds, random.Random(0), SceneStyle())
