"""The controlled corpus: reproducible, balanced, and silent without its pictures."""

from __future__ import annotations

import io
import random
from collections import Counter, defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from magpie.corpora.controlled import (
    EVENTS,
    KINDS,
    RELATIONS,
    SHAPES,
    TASKS,
    TYPES,
    ControlledConfig,
    SceneStyle,
    controlled,
    draw_scene,
    shuffle_pictures,
    text_optimum,
    without_pictures,
)
from magpie.errors import ConfigError


def corpus(split="test", **settings):
    return list(controlled(split, ControlledConfig(**{"size": 80, **settings})))


def test_the_same_seed_gives_the_same_corpus_and_splits_differ():
    first, again = corpus(), corpus()
    assert [d.to_json() for d in first] == [d.to_json() for d in again]
    pictures = {d.media[0].data for d in first}
    assert pictures.isdisjoint(d.media[0].data for d in corpus("train"))
    assert pictures.isdisjoint(d.media[0].data for d in corpus(seed=1))


def test_each_text_that_does_not_tell_comes_with_every_type_equally_often():
    types = defaultdict(Counter)
    for document in corpus(told=0.0, size=160):
        types[document.text][document.entities[0].type] += 1
    for counts in types.values():
        assert set(counts) == set(TYPES)
        assert len(set(counts.values())) == 1


@pytest.mark.parametrize("task", ["ner", "mre", "jmere", "object-relation", "events", "procedure"])
def test_text_alone_is_right_a_quarter_of_the_time(task):
    assert text_optimum(corpus(task=task, told=0.0), task) == pytest.approx(1 / KINDS)


def test_told_posts_lift_the_optimum_by_their_share():
    assert text_optimum(corpus(told=0.25, size=400), "ner") == pytest.approx(0.25 + 0.75 / 4)
    assert text_optimum(corpus(told=1.0), "ner") == 1.0


def test_where_many_texts_tell_silence_about_the_others_is_best():
    """Answering all: 0.5 + 0.5 / 4 = 0.625. The told half alone: P = 1, R = 0.5, F1 = 2/3."""
    assert text_optimum(corpus(told=0.5, size=400), "ner") == pytest.approx(2 / 3)
    # At a third both are 0.5, below it the guess pays.
    assert text_optimum(corpus(told=0.3, size=400), "ner") == pytest.approx(0.3 + 0.7 / 4)


@pytest.mark.parametrize("told", [0.0, 0.25, 0.5])
def test_no_choice_of_places_and_answers_beats_the_optimum(told):
    """Brute force: every subset of the texts answered, each with its best constant."""
    documents = corpus(size=24, told=told)
    groups = defaultdict(Counter)
    for document in documents:
        groups[document.text][document.entities[0].type] += 1
    best = 0.0
    for chosen in range(2 ** len(groups)):
        some = [c for i, c in enumerate(groups.values()) if chosen >> i & 1]
        right, given = sum(max(c.values()) for c in some), sum(c.total() for c in some)
        best = max(best, 2 * right / (given + len(documents)))
    assert text_optimum(documents, "ner") == pytest.approx(best)


def test_no_constant_answer_a_text_beats_the_optimum():
    """Brute force over what anything deterministic can answer, text by text."""
    documents = corpus(size=48)
    best = 0
    for text in {d.text for d in documents}:
        group = [d for d in documents if d.text == text]
        best += max(sum(d.entities[0].type == kind for d in group) for kind in TYPES)
    assert best / len(documents) == pytest.approx(text_optimum(documents, "ner"))


def test_the_grounded_optimum_is_no_better_than_the_typed_one():
    documents = corpus(task="gmner")
    assert text_optimum(documents, "gmner") <= text_optimum(documents, "ner")


@pytest.mark.parametrize("task", [task for task in TASKS if task != "procedure"])
def test_gold_of_every_task(task):
    for document in corpus(task=task):
        gold = document.annotations
        shown = document.entities[0].grounding.status == "regions"
        if task in ("mre", "jmere"):
            (relation,) = gold.relations
            assert relation.type in ((*RELATIONS,) if shown else ("none",))
            assert (relation.head, relation.tail) == ("e0", "e1")
        elif task == "object-relation":
            assert len(gold.relations) == int(shown)
            assert all(r.tail == "r0" and r.type in RELATIONS for r in gold.relations)
        elif task == "events":
            assert len(gold.events) == int(shown)
            assert all(e.type in EVENTS for e in gold.events)
            assert all(document.text_of(e.trigger) == "moves" for e in gold.events)
        else:
            assert not gold.relations
            assert not gold.events
        if shown:
            (box,) = document.entities[0].boxes
            assert box.media == "m0"
            assert 0 <= box.x1 < box.x2 <= 64


def test_types_of_a_pair_follow_the_picture_only_where_they_are_asked_for():
    assert {e.type for d in corpus(task="mre") for e in d.entities} == {"PER"}
    assert {e.type for d in corpus(task="jmere") for e in d.entities} == set(TYPES)


def test_the_caption_names_the_glyph_that_was_drawn():
    shapes = dict(zip(TYPES, SHAPES, strict=True))
    for document in corpus(told=0.0):
        assert shapes[document.entities[0].type] in document.context[0].text


def test_told_posts_may_show_a_glyph_that_misleads():
    def named(d):
        return any(shape in d.context[0].text for shape in SHAPES)

    told = corpus(told=1.0, misleading=1.0)
    assert all(named(d) and d.entities[0].grounding.status == "absent" for d in told)
    assert not any(named(d) for d in corpus(told=1.0, misleading=0.0))


@given(st.integers(0, KINDS - 1), st.integers(0, 2**32))
def test_the_box_holds_the_glyph(kind, seed):
    """Every pixel that differs from the same scene without its glyph lies in the box."""
    style = SceneStyle(side=48)
    with_glyph = draw_scene(kind, random.Random(seed), style)
    without = draw_scene(None, random.Random(seed), style)
    pictures = [Image.open(io.BytesIO(s.png)).convert("RGB") for s in (with_glyph, without)]
    x1, y1, x2, y2 = with_glyph.box
    assert without.box is None
    for y in range(48):
        for x in range(48):
            if pictures[0].getpixel((x, y)) != pictures[1].getpixel((x, y)):
                assert x1 - 1 <= x <= x2
                assert y1 - 1 <= y <= y2


def test_kinds_share_everything_but_the_glyph():
    """Same random state, other kind: place and size of the glyph do not give the kind away."""
    boxes = {draw_scene(kind, random.Random(5)).box for kind in range(KINDS)}
    assert len(boxes) == 1


def test_shuffled_pictures_all_belong_to_others():
    documents = corpus()
    shuffled = shuffle_pictures(documents, seed=3)
    pairs = list(zip(documents, shuffled, strict=True))
    assert all(a.media[0].data != b.media[0].data for a, b in pairs)
    assert Counter(d.media[0].data for d in documents) == Counter(d.media[0].data for d in shuffled)
    assert all(a.annotations == b.annotations and a.blocks == b.blocks for a, b in pairs)


def test_without_pictures_says_so():
    for document in without_pictures(corpus()):
        assert not document.media[0].present
        assert "probe" in document.media[0].missing
        assert document.context == ()


@pytest.mark.parametrize(
    "settings",
    [{"task": "nothing"}, {"size": 3}, {"told": 1.5}, {"told": -0.1}, {"misleading": 2.0}],
)
def test_impossible_settings(settings):
    with pytest.raises(ConfigError):
        ControlledConfig(**settings)


@pytest.mark.parametrize("settings", [{"side": 8}, {"smallest": 0.05}, {"smallest": 0.9}])
def test_impossible_styles(settings):
    with pytest.raises(ConfigError):
        SceneStyle(**settings)


def test_no_such_kind():
    with pytest.raises(ConfigError):
        draw_scene(KINDS, random.Random(0))
