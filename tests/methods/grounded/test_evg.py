"""EVG: what the specification asks of the grounding head, at its numbers."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from torch import nn  # noqa: E402

from magpie.errors import ConfigError  # noqa: E402
from magpie.features import Asset  # noqa: E402
from magpie.methods.base import Batch, Output, without_gold  # noqa: E402
from magpie.methods.grounded.evg import Evg, EvgConfig  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.nn.region_losses import region_bce  # noqa: E402
from magpie.schema import Box, Document, Grounding  # noqa: E402

from .samples import BOXES, picture_post, regions_of  # noqa: E402

FOUR = LabelSpace(entity_types=("LOC", "ORG", "OTHER", "PER"))
TINY: dict[str, Any] = {"text": "tiny-bert", "source": "own", "count": 4, "width": 6}
POST = picture_post("we saw rocky with jordan today", ("PER", 2, 3, [BOXES[1]]), ("LOC", 4, 5, []))


def evg(**settings: Any) -> Evg:
    torch.manual_seed(0)
    method = Evg.build(EvgConfig(**{**TINY, **settings}), FOUR)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return method.eval()


def batch_of(method: Evg, *documents: Document, asset: Asset | None = None) -> Batch:
    examples, targets = [], []
    for document in documents:
        supplied = {method.region_need: asset or regions_of(method.config.width)}
        examples.append(method.prepare(without_gold(document, method.given), supplied))
        targets.append(method.targets(document, examples[-1]))
    return method.collate(examples, targets)


def pieces(method: Evg, row: torch.Tensor) -> list[str]:
    return method.text.tokenizer.convert_ids_to_tokens(row.tolist())


# the network


def test_a_probability_a_region_and_none_where_there_is_none() -> None:
    method = evg()
    batch = batch_of(method, POST, picture_post("rocky !", ("PER", 0, 1, [])))
    p = method(batch).scores["probabilities"]
    assert tuple(p.shape) == (3, 4)
    assert batch.inputs["owner"].tolist() == [0, 0, 1]
    assert bool(((p[:, :3] > 0) & (p[:, :3] < 1)).all())
    assert not p[:, 3].any()


def test_a_padded_region_is_never_chosen_even_at_zero() -> None:
    method = evg(theta=0.0, multi=True)
    batch = batch_of(method, POST)
    (found,) = method.decode(method(batch), batch)
    assert [len(entity.boxes) for entity in found.entities] == [3, 3]
    method = evg(theta=0.0)
    batch = batch_of(method, POST, asset=regions_of(6, ()))
    (found,) = method.decode(method(batch), batch)
    assert [entity.grounding for entity in found.entities] == [Grounding("absent")] * 2


def test_permuted_regions_permute_their_scores() -> None:
    method, order = evg(), torch.tensor([2, 0, 3, 1])
    batch = batch_of(method, POST)
    before = method(batch).scores["logits"]
    for name in ("features", "regions"):
        batch.inputs[name] = batch.inputs[name][:, order]
    torch.testing.assert_close(method(batch).scores["logits"], before[:, order])


def test_permuted_text_changes_nothing_only_without_position_embeddings() -> None:
    method = evg()
    batch = batch_of(method, POST)
    order = torch.arange(batch.inputs["input_ids"].shape[1])
    order[1], order[3] = 3, 1

    def moved() -> Batch:
        inputs = dict(batch.inputs)
        for name in ("input_ids", "attention_mask"):
            inputs[name] = inputs[name][:, order]
        return Batch(batch.examples, inputs)

    before = method(batch).scores["logits"]
    assert not torch.allclose(method(moved()).scores["logits"], before, atol=1e-3)
    positions = method.text.transformer.embeddings.position_embeddings  # type: ignore[union-attr]
    nn.init.zeros_(positions.weight)
    before = method(batch).scores["logits"]
    torch.testing.assert_close(method(moved()).scores["logits"], before, rtol=1e-4, atol=1e-5)


def test_regions_ask_and_the_text_answers() -> None:
    """The residual is the region's: without what was attended to, the text has no say."""
    method = evg()
    (layer,) = method.regions_ask_text.cross_layers()
    one, other = POST, picture_post("my city !", ("PER", 0, 1, []), ("PER", 1, 2, []))
    found = [method(batch_of(method, each)).scores["logits"] for each in (one, other)]
    assert not torch.allclose(found[0], found[1], atol=1e-3)
    nn.init.zeros_(layer.attended.weight)
    found = [method(batch_of(method, each)).scores["logits"] for each in (one, other)]
    torch.testing.assert_close(found[0], found[1])
    asset = regions_of(6, seed=2)
    assert not torch.allclose(method(batch_of(method, one, asset=asset)).scores["logits"], found[0])


def test_what_stands_behind_the_masks_never_matters() -> None:
    method = evg()
    batch = batch_of(method, POST, picture_post("rocky !", ("PER", 0, 1, [])))
    before = method(batch)
    hidden = batch.inputs["attention_mask"] == 0
    assert hidden.any()
    batch.inputs["input_ids"] = batch.inputs["input_ids"].masked_fill(hidden, 17)
    batch.inputs["features"][:, 3] = 50.0
    after = method(batch)
    assert torch.equal(after.scores["probabilities"], before.scores["probabilities"])
    assert torch.equal(after.loss, before.loss)


def test_an_entity_does_not_see_the_others() -> None:
    method = evg()
    both = method(batch_of(method, POST)).scores["logits"]
    lonely = picture_post(POST.text, ("PER", 2, 3, []))
    torch.testing.assert_close(method(batch_of(method, lonely)).scores["logits"][0], both[0])


# the loss


def test_cross_entropy_at_the_worked_value() -> None:
    logits, q = torch.tensor([[2.0, -1.0, 0.0]]), torch.tensor([[1.0, 0.0, 0.0]])
    assert region_bce(logits, q).item() == pytest.approx(0.377779, abs=5e-7)
    method = evg()
    method.logits = lambda batch: torch.tensor([[2.0, -1.0, 0.0, 9.0]])  # type: ignore[method-assign]
    post = picture_post("rocky !", ("PER", 0, 1, [BOXES[0]]))
    assert method(batch_of(method, post)).loss.item() == pytest.approx(0.377779, abs=5e-7)


def test_right_regions_may_weigh_more() -> None:
    logits, q = torch.tensor([[2.0, -1.0]]), torch.tensor([[1.0, 0.0]])
    plain, weighed = region_bce(logits, q), region_bce(logits, q, positive_weight=3.0)
    right = torch.nn.functional.softplus(torch.tensor(-2.0)) / 2
    torch.testing.assert_close(weighed - plain, 2 * right)
    assert evg(positive_weight=3.0)(batch_of(evg(), POST)).loss > evg()(batch_of(evg(), POST)).loss


def test_targets_are_the_regions_that_overlap_enough() -> None:
    covered = (55, 55, 90, 90)  # 1225 / 1600 of the second candidate
    half = (50, 50, 90, 70)  # exactly one half of it: not enough
    post = picture_post(
        "a b c d",
        ("PER", 0, 1, [covered]),
        ("PER", 1, 2, [half]),
        ("PER", 2, 3, []),
        ("PER", 3, 4, [covered, BOXES[2]]),
    )
    wanted = batch_of(evg(), post).targets["wanted"]
    assert wanted.tolist() == [[0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 1, 1, 0]]


def test_posts_without_entities_or_regions_move_nothing() -> None:
    method = evg()
    output = method(batch_of(method, picture_post("nothing here")))
    output.loss.backward()
    assert output.loss.item() == 0
    assert all(not p.grad.any() for p in method.parameters() if p.grad is not None)
    output = method(batch_of(method, POST, asset=Asset.absent("gone")))
    assert output.loss.item() == 0


# the text


def test_the_text_that_asks() -> None:
    post = picture_post("we love red dog today", ("ORG", 2, 4, []))
    (row,) = batch_of(evg(), post).inputs["input_ids"]
    asked = ["we", "love", "red", "dog", "today"]
    assert pieces(evg(), row) == ["[CLS]", *asked, "[SEP]", "red", "dog", "[SEP]"]
    (row,) = batch_of(evg(order="entity-post"), post).inputs["input_ids"]
    assert pieces(evg(), row) == ["[CLS]", "red", "dog", "[SEP]", *asked, "[SEP]"]
    method = evg(with_type=True)
    (row,) = batch_of(method, post).inputs["input_ids"]
    kind = pieces(method, torch.tensor(method._pieces(["organization"])))
    assert pieces(method, row)[6:] == ["[SEP]", "red", "dog", *kind, "[SEP]"]


def test_a_long_post_is_cut_and_the_entity_is_not() -> None:
    method = evg(max_length=12)
    post = picture_post("today " * 30 + "red dog", ("PER", 30, 32, []))
    (row,) = batch_of(method, post).inputs["input_ids"]
    assert pieces(method, row) == ["[CLS]", *["today"] * 7, "[SEP]", "red", "dog", "[SEP]"]
    whole = picture_post("dog " * 40, ("PER", 0, 40, []))
    assert batch_of(method, whole).inputs["input_ids"].shape[1] == 12


def test_an_entity_without_a_piece_is_asked_for_all_the_same() -> None:
    method = evg()
    post = picture_post("dog \u0301", ("PER", 1, 2, []))
    (row,) = batch_of(method, post).inputs["input_ids"]
    assert pieces(method, row)[-3:] == ["[SEP]", "[UNK]", "[SEP]"]


# the answer


@pytest.mark.parametrize(
    ("logits", "region"), [([2.0, -1.0, 0.0], 0), ([-1.0, -2.0, 0.0], None), ([0.1, 0.2, 0.0], 1)]
)
def test_the_best_region_above_the_threshold(logits: list[float], region: int | None) -> None:
    method = evg()
    batch = batch_of(method, picture_post("rocky !", ("PER", 0, 1, [])))
    p = torch.tensor([[*logits, -9.0]]).sigmoid()
    if region == 0:
        assert p[0, :3].tolist() == pytest.approx([0.880797, 0.268941, 0.5], abs=5e-7)
    ((entity,),) = [a.entities for a in method.decode(Output({"probabilities": p}), batch)]
    if region is None:
        # The best is exactly one half, which is not above one half.
        assert entity.grounding == Grounding("absent")
    else:
        assert entity.boxes == (Box(*BOXES[region], media="m0"),)
        assert entity.grounding.regions[0].score == pytest.approx(p[0, region].item())


def test_every_region_above_the_threshold() -> None:
    method = evg(multi=True, theta=0.25)
    batch = batch_of(method, POST)
    p = torch.tensor([[0.26, 0.24, 0.9, 0.0], [0.25, 0.1, 0.2, 0.0]])
    (found,) = method.decode(Output({"probabilities": p}), batch)
    first, second = found.entities
    assert [box.xyxy for box in first.boxes] == [BOXES[2], BOXES[0]]
    assert second.grounding == Grounding("absent")


def test_nobody_looked_where_no_regions_were_supplied() -> None:
    method = evg()
    (found,) = method.predict([POST], [{method.region_need: Asset.absent("no file")}])
    assert [entity.grounding.status for entity in found.entities] == ["unknown", "unknown"]


def test_prediction_keeps_the_given_entities_and_not_their_boxes() -> None:
    method = evg(theta=1.0)
    (found,) = method.predict([POST], [{method.region_need: regions_of(6)}])
    assert [(e.id, e.type, e.span) for e in found.entities] == [
        (e.id, e.type, e.span) for e in POST.entities
    ]
    # The gold box of the first is not handed back: nothing is above a threshold of one.
    assert [e.grounding for e in found.entities] == [Grounding("absent")] * 2


def test_regions_that_cannot_be_answers() -> None:
    outside, empty = (120.0, 0.0, 140.0, 40.0), (10.0, 10.0, 10.0, 30.0)
    asset = regions_of(6, (outside, BOXES[0], empty, BOXES[1], BOXES[2], BOXES[2]))
    asset.arrays["features"][3, 2] = float("nan")
    method = evg(theta=0.0, multi=True)
    batch = batch_of(method, POST, asset=asset)
    output = method(batch)
    # Of four that are kept one is outside, one has no area, one is described by no number.
    assert batch.inputs["regions"].tolist() == [[False, True, False, False]]
    assert bool(output.scores["probabilities"].isfinite().all())
    assert bool(output.loss.isfinite())
    (found,) = method.decode(output, batch)
    assert [[box.xyxy for box in e.boxes] for e in found.entities] == [[BOXES[0]], [BOXES[0]]]


def test_a_name_that_stands_twice_has_one_answer() -> None:
    post = picture_post("rocky and rocky", ("PER", 0, 1, [BOXES[0]]), ("PER", 2, 3, [BOXES[0]]))
    method = evg()
    batch = batch_of(method, post)
    first, second = method(batch).scores["probabilities"]
    torch.testing.assert_close(first, second)
    assert batch.targets["wanted"].tolist() == [[1, 0, 0, 0]] * 2


def test_groups_and_impossible_settings() -> None:
    rates = {group.name: group.rate for group in evg(head_rate=1e-4).groups()}
    assert rates == {"text": None, "head": 1e-4}
    for settings, message in (
        ({"theta": 1.5}, "theta in"),
        ({"overlap": 1.0}, "overlap in"),
        ({"positive_weight": 0.0}, "positive_weight > 0"),
        ({"max_length": 7}, "at least 8"),
        ({"dropout": 1.0}, "dropout must lie"),
        ({"count": 0}, "count and width"),
    ):
        with pytest.raises(ConfigError, match=message):
            EvgConfig(**settings)
    with pytest.raises(ConfigError, match="vectors of shape"):
        batch_of(evg(width=5), POST, asset=regions_of(6))
