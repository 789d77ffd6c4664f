"""TIGER: what is read out of its sentences, odd input, and what each legacy option does."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from magpie.errors import ConfigError, FormatError  # noqa: E402
from magpie.features import Asset  # noqa: E402
from magpie.methods.base import Output  # noqa: E402
from magpie.methods.checkpoint import load_method, save_method  # noqa: E402
from magpie.methods.grounded.tiger import Tiger  # noqa: E402
from magpie.schema import Annotations, Grounding, Region  # noqa: E402

from .samples import BOXES, picture_post, regions_of  # noqa: E402
from .tigers import (  # noqa: E402
    EXAMPLE,
    FIRST,
    LOVE,
    SECOND,
    WIDTH,
    batch_of,
    decoded,
    fined,
    scores_at,
    target_text,
    tiger,
)

# reading what was written


def test_each_sentence_reads_its_own_region() -> None:
    post = picture_post("Rocky and Jordan met Austin")
    text = (
        "Rocky is a person and a athlete, which is in the image [SSEP] "
        "Jordan is a person and a athlete, which is not in the image [SSEP] "
        "Austin is a location and a city, which is in the image"
    )
    method = tiger()
    z = scores_at(method, text, [2, 0, 1])
    (found,) = decoded(method, [post], [text], z.unsqueeze(0))
    boxes = [[box.xyxy for box in entity.boxes] for entity in found.entities]
    assert boxes == [[BOXES[2]], [], [BOXES[1]]]
    region = found.entities[0].grounding.regions[0]
    size = len(method.phrase)
    spread = torch.tensor([(size - 1) / size, 0.0, 1.0]).softmax(0)
    assert region.score == pytest.approx(float(spread[2]), abs=1e-6)
    assert found.entities[0].score == pytest.approx(np.exp(-0.5))


def test_a_score_is_that_of_the_entitys_own_sentence() -> None:
    method = tiger(types="fine", image_clause=False)
    texts = ["Rocky is a athlete", "who knows", "Jordan is a athlete"]
    text = " [SSEP] ".join(texts)
    post = picture_post("Rocky and Jordan")
    ids = [*method.spelling.ids(text), method.seq2seq.end_id]
    chances = torch.zeros(1, len(ids))
    chances[0, : len(method.spelling.ids(texts[0]))] = -2.0
    batch = batch_of(method, [post], gold=False)
    output = Output(
        {
            "ids": torch.tensor([ids]),
            "log_probabilities": chances,
            "regions": torch.zeros(1, len(ids), 0),
        }
    )
    (found,) = method.decode(output, batch)
    assert [e.score for e in found.entities] == pytest.approx([np.exp(-2.0), 1.0])


BROKEN = "Rocky is a person, which is in the image"
WHOLE = "Jordan is a person and a athlete, which is in the image"


def test_a_broken_sentence_does_not_disturb_the_others() -> None:
    post = picture_post("Rocky and Jordan")
    text = f"{BROKEN} [SSEP] {WHOLE}"
    for options, region in ({}, 1), ({"legacy_running_regions": True}, 2):
        method = tiger(**options)
        z = scores_at(method, text, [2, 1]).unsqueeze(0)
        (found,) = decoded(method, [post], [text], z)
        assert [post.text_of(e) for e in found.entities] == ["Jordan"]
        assert found.entities[0].boxes[0].xyxy == BOXES[region]
        assert found.provenance is not None
        assert "unparsable" in " ".join(found.provenance.evidence)


def test_legacy_running_regions_cross_documents() -> None:
    posts = [picture_post("Rocky today", name="a"), picture_post("Jordan today", name="b")]
    texts = [BROKEN, WHOLE]
    for options, region in ({}, 1), ({"legacy_running_regions": True}, 2):
        method = tiger(**options)
        z = torch.stack([scores_at(method, texts[0], [2]), scores_at(method, texts[1], [1])])
        first, second = decoded(method, posts, texts, z)
        assert first.entities == ()
        assert second.entities[0].boxes[0].xyxy == BOXES[region]


TWO = fined(
    picture_post(
        "Cavs met the image of Rocky", ("sports_team", 0, 1, []), ("athlete", 2, 6, [FIRST])
    )
)


def test_legacy_kl_positions_slide() -> None:
    right, legacy = tiger(), tiger(legacy_kl_positions=True)
    a, b = (batch_of(method, [TWO]).targets for method in (right, legacy))
    assert torch.equal(a["labels"], b["labels"])
    spots = [targets["queries"][0, 0].nonzero()[:, 0].tolist() for targets in (a, b)]
    labels = a["labels"][0].tolist()
    assert tuple(labels[place] for place in spots[0]) == right.phrase
    # Behind "not": all pieces of the phrase but the first are lost; so are those of the name that
    # are among them, "the", "image" and letters like "m" and "e", but for a broken beginning.
    slid = spots[0][0] - spots[1][0]
    assert slid >= len(right.phrase) - 1
    assert [place + slid for place in spots[1]] == spots[0]
    assert a["wanted"].tolist() == b["wanted"].tolist()


def test_legacy_not_flag_loses_the_phrase_behind_a_name_with_not() -> None:
    post = fined(
        picture_post(
            "not Rocky met Jordan", ("athlete", 0, 2, [FIRST]), ("athlete", 3, 4, [SECOND])
        )
    )
    right, legacy = tiger(), tiger(legacy_not_flag=True)
    text = target_text(right, post)
    assert text == target_text(legacy, post)
    assert batch_of(right, [post]).targets["queries"].shape[1] == 2
    # The second phrase is paired with the first entity, and the second entity has none.
    targets = batch_of(legacy, [post]).targets
    assert targets["wanted"][0].argmax(1).tolist() == [0]
    assert torch.equal(targets["queries"][0, 0], batch_of(right, [post]).targets["queries"][0, 1])
    z = scores_at(right, text, [0, 1]).unsqueeze(0)
    (found,) = decoded(right, [post], [text], z)
    assert [e.grounding.status for e in found.entities] == ["regions", "regions"]
    (found,) = decoded(legacy, [post], [text], z)
    assert [e.grounding.status for e in found.entities] == ["absent", "regions"]
    assert found.entities[1].boxes[0].xyxy == BOXES[1]


def test_legacy_padded_regions_may_win() -> None:
    text = "Rocky is a person and a athlete, which is in the image"
    post = picture_post("Rocky today")
    for options, status in ({}, "regions"), ({"legacy_padded_regions": True}, "absent"):
        method = tiger(**options)
        z = torch.zeros(1, 150, 5)
        z[..., 4] = 1.0  # only three of five slots hold a region
        (found,) = decoded(method, [post], [text], z)
        assert found.entities[0].grounding.status == status


def test_legacy_silent_boxes() -> None:
    gold = LOVE.annotations
    assert gold is not None
    boxless = dataclasses.replace(
        gold.entities[1], grounding=Grounding.in_regions(Region(media="m0"))
    )
    post = LOVE.with_annotations(Annotations(entities=(gold.entities[0], boxless)))
    with pytest.raises(FormatError, match=r"post: e1: a gold region without a box"):
        batch_of(tiger(), [post])
    # One region that cannot be compared hides every entity of the document.
    text = target_text(tiger(legacy_silent_boxes=True), post)
    assert text.count("which is not in the image") == 2


# pictures and texts that are not as they should be


def test_without_a_picture_it_trains_and_says_unknown() -> None:
    method = tiger().train()
    absent = Asset.absent("no picture")
    batch = batch_of(method, [LOVE], absent)
    assert target_text(method, LOVE, absent).count("not in the image") == 2
    output = method(batch)
    assert output.losses["regions"].item() == 0.0
    output.loss.backward()
    # What reads regions has seen none; all the same a distributed run finds a gradient.
    assert method.project.weight.grad is not None
    assert not method.project.weight.grad.any()
    method.eval()
    rows = [[*method.spelling.ids(EXAMPLE), method.seq2seq.end_id]]
    scores = {
        "ids": torch.tensor(rows),
        "log_probabilities": torch.zeros(1, len(rows[0])),
        "regions": torch.zeros(1, len(rows[0]), 5),
    }
    (found,) = method.decode(Output(scores), batch)
    assert [e.grounding.status for e in found.entities] == ["unknown", "unknown"]


def test_a_picture_without_regions() -> None:
    method = tiger()
    nothing = regions_of(WIDTH, ())
    assert target_text(method, LOVE, nothing).count("not in the image") == 2
    batch = batch_of(method, [LOVE], nothing, gold=False)
    ids = [*method.spelling.ids(EXAMPLE), method.seq2seq.end_id]
    scores = {
        "ids": torch.tensor([ids]),
        "log_probabilities": torch.zeros(1, len(ids)),
        "regions": torch.zeros(1, len(ids), 5),
    }
    (found,) = method.decode(Output(scores), batch)
    assert [e.grounding.status for e in found.entities] == ["absent", "absent"]


def test_regions_that_are_no_numbers_or_leave_the_picture() -> None:
    asset = regions_of(WIDTH, ((0, 0, 40, 40), (200, 200, 240, 240), (50, 50, 90, 900)))
    asset.arrays["features"][0] = np.nan  # type: ignore[index]
    method = tiger()
    batch = batch_of(method, [LOVE], asset)
    assert batch.inputs["region_mask"][0].tolist() == [0, 0, 1, 0, 0]
    assert batch.inputs["regions"].isfinite().all()
    assert method(batch).loss.isfinite()
    # Kevin Love's box would be the first candidate's, which cannot be read.
    assert target_text(method, LOVE, asset).count("not in the image") == 2


def test_a_name_that_stands_twice() -> None:
    post = fined(
        picture_post("Rocky and Rocky", ("athlete", 0, 1, [FIRST]), ("athlete", 2, 3, [FIRST]))
    )
    sentence = "Rocky is a person and a athlete, which is in the image"
    twice = f"{sentence} [SSEP] {sentence}"
    once, again = tiger(), tiger(keep_repeats=True)
    assert target_text(once, post) == sentence
    assert target_text(again, post) == twice
    spans = [
        [(e.span.start, e.span.end) for e in decoded(method, [post], [twice])[0].entities]
        for method in (once, again)
    ]
    assert spans == [[(0, 5)], [(0, 5), (10, 15)]]


def test_entities_of_one_span_and_names_no_sentence_can_hold() -> None:
    method = tiger()
    post = fined(
        picture_post(
            "this is a test of Rocky , which",
            ("athlete", 5, 6, [FIRST]), ("city", 5, 6, []), ("city", 0, 4, []), ("city", 6, 8, []),
        )
    )  # fmt: skip
    only = "Rocky is a person and a athlete, which is in the image"
    assert target_text(method, post).startswith(only)
    assert "this is a test" not in target_text(method, post)


def test_an_item_over_two_blocks_is_no_entity() -> None:
    post = picture_post("Rocky")
    second = dataclasses.replace(picture_post("Jordan").blocks[0], id="b1")
    post = dataclasses.replace(post, blocks=(*post.blocks, second))
    text = "Rocky Jordan is a person and a athlete, which is not in the image"
    (found,) = decoded(tiger(), [post], [text])
    assert found.entities == ()


def test_constrained_decoding_writes_what_the_grammar_has() -> None:
    """A network that knows nothing: free, it writes no sentence at all; masked, only sentences."""
    posts = [
        picture_post("Rocky met Jordan and Kevin Love today", name="a"),
        picture_post("", name="b"),
        picture_post("Rocky \U0001f98a is a city", name="c"),
    ]
    free, masked = tiger(target_length=90), tiger(target_length=90, constrained=True)
    masked.load_state_dict(free.state_dict())
    found: dict[bool, list[Annotations]] = {}
    for method in (free, masked):
        batch = batch_of(method, posts, gold=False)
        with torch.no_grad():
            output = method(batch)
        found[method is masked] = method.decode(output, batch)
        if method is masked:
            for row, post in zip(output.scores["ids"].tolist(), posts, strict=True):
                kept = row[: row.index(method.seq2seq.end_id)]
                parsed = method.grammar.parse(method.spelling.read(kept), post.text)
                assert not parsed.diagnostics, (parsed.raw, parsed.diagnostics)
    assert not any(annotations.entities for annotations in found[False])
    assert found[True][0].entities
    assert found[True][1].entities == ()


def test_a_checkpoint_writes_the_same(tmp_path: Path) -> None:
    before = tiger(target_length=40, constrained=True, legacy_not_flag=True)
    with torch.no_grad():
        before.project.weight.mul_(3.0)
    save_method(before, tmp_path / "c")
    after = load_method(tmp_path / "c")
    assert isinstance(after, Tiger)
    assert after.config == before.config
    assert (after.phrase, after.negation) == (before.phrase, before.negation)
    assert after.grammar.parents == before.grammar.parents
    posts = [LOVE, picture_post("Rocky and Jordan", name="b")]
    assets = [dict.fromkeys(before.needs(), regions_of(WIDTH))] * 2
    found = before.predict(posts, assets)
    assert found[0].entities
    assert after.predict(posts, assets) == found


@given(st.lists(st.integers(0, 370), max_size=30), st.booleans())
@settings(max_examples=40)
def test_whatever_is_generated_is_read(ids: list[int], legacy: bool) -> None:
    method = cached(legacy)
    batch = batch_of(method, [LOVE], gold=False)
    length = max(1, len(ids))
    scores = {
        "ids": torch.tensor([ids or [1]]),
        "log_probabilities": torch.zeros(1, length),
        "regions": torch.randn(1, length, 5),
    }
    (found,) = method.decode(Output(scores), batch)
    assert LOVE.with_annotations(found).annotations is found


_MADE: dict[bool, Tiger] = {}


def cached(legacy: bool) -> Tiger:
    if legacy not in _MADE:
        _MADE[legacy] = tiger(legacy_running_regions=legacy, legacy_not_flag=legacy)
    return _MADE[legacy]


def test_the_grammar_may_be_asked_for_after_training(tmp_path: Path) -> None:
    free = tiger(target_length=40)
    save_method(free, tmp_path / "c")
    held = load_method(tmp_path / "c", settings={"constrained": True})
    assert isinstance(held, Tiger)
    assert free.plans is None
    assert held.plans is not None
    with pytest.raises(ConfigError, match="target_length of tiger cannot be set after training"):
        load_method(tmp_path / "c", settings={"target_length": 8})
