"""SeqGMPER: the numbers of its specification, its options, and what must never matter."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from torch import Tensor  # noqa: E402

from magpie.corpora import load  # noqa: E402
from magpie.corpora.controlled import draw_quarters  # noqa: E402
from magpie.errors import ConfigError  # noqa: E402
from magpie.features import Asset, Assets, Pixels, RegionFeatures  # noqa: E402
from magpie.features.each import PerPicture  # noqa: E402
from magpie.features.supply import Supplier  # noqa: E402
from magpie.methods._seq_gmper import choose, mentions, steps_of  # noqa: E402
from magpie.methods.base import Batch, Example, Output  # noqa: E402
from magpie.methods.checkpoint import load_method, save_method  # noqa: E402
from magpie.methods.grounded.seq_gmper import SeqGmper, SeqGmperConfig  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.metrics import items_of, score  # noqa: E402
from magpie.nn.region_losses import region_bce  # noqa: E402
from magpie.schema import (  # noqa: E402
    Annotations,
    Block,
    Box,
    Document,
    Entity,
    Grounding,
    Media,
    Region,
)
from magpie.training.examples import Examples, epoch_batches  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

#: of the tests' regions
WIDTH, COUNT = 6, 4
TINY: dict[str, Any] = {
    "text": "tiny-bert",
    "source": "given",
    "feature_width": WIDTH,
    "region_count": COUNT,
    "width": 16,
    "heads": 4,
    "dropout": 0.0,
}
ONE = LabelSpace(entity_types=("THING",))
BOXES = [(0, 0, 10, 10), (20, 0, 40, 20), (0, 30, 30, 60), (50, 50, 60, 60)]


def method(labels: LabelSpace = ONE, **settings: Any) -> SeqGmper:
    torch.manual_seed(0)
    made = SeqGmper.build(SeqGmperConfig(**{**TINY, **settings}), labels)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return made.eval()


def region_asset(count: int = COUNT, *, seed: int = 0) -> Asset:
    features = np.random.default_rng(seed).uniform(0.1, 1.0, (count, WIDTH)).astype(np.float32)
    return Asset(
        {
            "boxes": np.array(BOXES[:count], np.float32).reshape(-1, 4),
            "features": features,
            "scores": np.linspace(1, 0.5, count, dtype=np.float32),
            "size": np.array([64, 64], np.float32),
            "norm": np.array(np.linalg.norm(features), np.float32),
        }
    )


def need() -> PerPicture:
    return PerPicture(RegionFeatures("given", COUNT, WIDTH))


def assets(*parts: Asset | None) -> Assets:
    """By picture m0, m1 ...; None gives nothing for that picture."""
    found = {f"m{i}": part or Asset.absent("gone") for i, part in enumerate(parts)}
    return {need(): Asset(parts=found)}


def procedure(*texts: str, gold: Sequence[tuple[int, int, int, Any]] = ()) -> Document:
    """A step a text, a picture m0, m1 ... a step.

    ``gold``: (step, first word, word after the last, boxes); boxes are () where the entity does
    not show and None where nobody looked.
    """
    blocks = tuple(
        Block.from_words(text.split(), id=f"b{i}", step=i + 1, media=f"m{i}")
        for i, text in enumerate(texts)
    )
    entities = []
    for number, (step, first, last, boxes) in enumerate(gold):
        place = Grounding()
        if boxes is not None:
            regions = (Region.of_box(Box(*box, media=f"m{step}")) for box in boxes)
            place = Grounding.in_regions(*regions)
        span = blocks[step].word_span(first, last)
        entities.append(Entity(id=f"e{number}", span=span, type="THING", grounding=place))
    return Document(
        id="p",
        blocks=blocks,
        media=tuple(Media(id=f"m{i}", data=b"x", width=64, height=64) for i in range(len(texts))),
        annotations=Annotations(entities=tuple(entities)),
    )


def example(made: SeqGmper, document: Document, supplied: Assets | None = None) -> Example:
    if supplied is None:
        supplied = assets(*(region_asset(seed=i) for i in range(len(document.blocks))))
    return made.prepare(document.with_annotations(None), supplied)


def batch_of(made: SeqGmper, *documents: Document) -> Batch:
    examples = [example(made, document) for document in documents]
    targets = [made.targets(d, e) for d, e in zip(documents, examples, strict=True)]
    return made.collate(examples, targets)


def forward(made: SeqGmper, batch: Batch) -> Output:
    with torch.no_grad():
        return made(batch)


THREE = procedure(
    "boil the water",
    "add salt to it now",
    "serve",
    gold=[(0, 2, 3, [BOXES[1]]), (1, 1, 2, ()), (1, 3, 4, [BOXES[0], BOXES[2]])],
)


# steps in order


def test_a_step_changes_the_next_and_nothing_before_it() -> None:
    made = method()
    seen = [
        forward(made, batch_of(made, procedure(*texts))).scores
        for texts in (
            ("boil water", "add salt", "serve it"),
            ("cook water", "add salt", "serve it"),
            ("boil water", "add salt", "taste it"),
        )
    ]
    for name in ("text", "emissions"):
        own, first, last = (scores[name][0] for scores in seen)
        assert not torch.allclose(own[1], first[1], atol=1e-6)
        torch.testing.assert_close(own[:2], last[:2])
    # With the default window the third step does not see the first.
    torch.testing.assert_close(seen[0]["text"][0, 2], seen[1]["text"][0, 2])


def test_a_step_s_regions_reach_the_next_step_s_regions_alone() -> None:
    made = method()
    document = procedure("boil water", "add salt", "serve it")
    scores = []
    for seed in (0, 7):
        supplied = assets(region_asset(seed=seed), region_asset(seed=1), region_asset(seed=2))
        scores.append(forward(made, made.collate([example(made, document, supplied)])).scores)
    one, other = scores
    assert not torch.allclose(one["objects"][0, 1], other["objects"][0, 1], atol=1e-6)
    torch.testing.assert_close(one["objects"][0, 2], other["objects"][0, 2])
    torch.testing.assert_close(one["text"], other["text"])


@pytest.mark.parametrize("options", [{"window": 2}, {"recurrent": True}])
def test_with_a_window_or_recurrent_the_third_step_sees_the_first(options: dict[str, Any]) -> None:
    made = method(**options)
    one, other = (
        forward(made, batch_of(made, procedure(first, "add salt", "serve it"))).scores["text"]
        for first in ("boil water", "cook water")
    )
    assert not torch.allclose(one[0, 2], other[0, 2], atol=1e-6)


def test_scaled_is_another_method() -> None:
    plain, scaled = method(), method(scaled=True)
    scaled.load_state_dict(plain.state_dict())
    one, other = (forward(each, batch_of(each, THREE)).scores["text"] for each in (plain, scaled))
    torch.testing.assert_close(one[:, 0], other[:, 0])
    assert not torch.allclose(one[:, 1], other[:, 1], atol=1e-6)


def test_steps_go_by_their_numbers() -> None:
    document = procedure("one", "two", "three")
    turned = dataclasses.replace(document, blocks=document.blocks[::-1])
    assert [alone.text for alone, _ in steps_of(turned)] == ["one", "two", "three"]
    made = method()
    one, other = (forward(made, batch_of(made, d)).scores for d in (document, turned))
    torch.testing.assert_close(one["emissions"], other["emissions"])


def test_which_picture_goes_with_which_step() -> None:
    document = procedure("one", "two")
    assert [medium.id for _, medium in steps_of(document) if medium] == ["m0", "m1"]
    # A step that names no picture has none where another does,
    blocks = (document.blocks[0], dataclasses.replace(document.blocks[1], media=None))
    assert steps_of(dataclasses.replace(document, blocks=blocks))[1][1] is None
    # and all go with the first where none does: an ordinary post.
    post = Document.from_text("one", images=(b"x",))
    assert [medium and medium.id for _, medium in steps_of(post)] == ["m0"]
    assert steps_of(Document(id="d", blocks=()))[0][0].text == ""


# shapes and parameters


def test_shapes_of_both_streams() -> None:
    made = method(width=32)
    seen: dict[str, list[tuple[int, ...]]] = {}
    for name in ("text_steps", "object_steps"):

        def keep(_: Any, given: Any, found: Tensor, name: str = name) -> None:
            seen.setdefault(name, []).append((*given[0].shape, found.shape[-1]))

        made.get_submodule(f"{name}.joined").register_forward_hook(keep)
    output = forward(made, batch_of(made, THREE))
    # boil the water: [CLS], b o i l, the, w a t e r, [SEP]; the longest step decides.
    pieces = output.scores["text"].shape[2]
    assert seen["text_steps"] == [(1, pieces, 64, 32)] * 3
    assert seen["object_steps"] == [(1, COUNT, 64, 32)] * 3
    assert output.scores["emissions"].shape == (1, 3, 5, 3)
    assert output.scores["groundable"].shape == (3, 2)
    assert output.scores["region_logits"].shape == (3, COUNT)


def test_streams_share_no_parameter() -> None:
    made = method()
    text, objects = made.text_steps.joined.weight, made.object_steps.joined.weight
    assert text.data_ptr() != objects.data_ptr()
    assert not torch.equal(text, objects)


def test_the_tags_of_one_type_are_three() -> None:
    assert method().tag_names == ("O", "B-THING", "I-THING")
    assert len(method(LabelSpace(entity_types=("A", "B"))).tag_names) == 5


# padding


def test_padding_does_not_leak() -> None:
    """Steps of unlike length, with unlike numbers of regions, beside a longer procedure."""
    made = method()
    short = procedure("stir", gold=[(0, 0, 1, [BOXES[0]])])
    parts = (region_asset(2), region_asset(4, seed=1), region_asset(0))
    supplied = [assets(*parts), assets(region_asset(3, seed=2))]
    documents = (THREE, short)
    examples = [example(made, d, s) for d, s in zip(documents, supplied, strict=True)]
    targets = [made.targets(d, e) for d, e in zip(documents, examples, strict=True)]
    together = forward(made, made.collate(examples, targets))
    for row, (one, gold) in enumerate(zip(examples, targets, strict=True)):
        alone = forward(made, made.collate([one], [gold]))
        for name, mask in (("text", "attention_mask"), ("objects", "region_mask")):
            there = one.inputs[mask] > 0
            found = together.scores[name][row][: there.shape[0], : there.shape[1]]
            torch.testing.assert_close(found[there], alone.scores[name][0][there])
        steps, words = one.inputs["first"].shape
        torch.testing.assert_close(
            together.scores["emissions"][row, :steps, :words], alone.scores["emissions"][0]
        )


def test_what_stands_in_padding_does_not_matter() -> None:
    made = method()
    batch = batch_of(made, THREE, procedure("stir the soup with care", "rest"))
    before = forward(made, batch)
    inputs = {name: value.clone() for name, value in batch.inputs.items()}
    padded = inputs["attention_mask"] == 0
    inputs["input_ids"][padded] = 7
    inputs["regions"][~inputs["region_mask"]] = 1e6
    after = forward(made, Batch(batch.examples, inputs, batch.targets))
    assert set(before.losses) == {"main", "groundable", "regions"}
    for name, loss in before.losses.items():
        torch.testing.assert_close(loss, after.losses[name])
    torch.testing.assert_close(before.scores["region_logits"], after.scores["region_logits"])


# labels and losses


def test_an_entity_without_a_fitting_region_shows_all_the_same() -> None:
    made = method()
    gold = [
        (0, 0, 1, [(20, 0, 40, 20)]),
        (0, 1, 2, [(44, 44, 49, 49)]),
        (0, 2, 3, ()),
        (0, 3, 4, None),
        (0, 4, 5, [(0, 0, 10, 10), (50, 50, 60, 60)]),
    ]
    document = procedure("oil salt rice soup tea", gold=gold)
    targets = made.targets(document, example(made, document))
    assert targets["groundable"].tolist() == [1, 1, 0, -1, 1]
    assert (targets["covered"] > 0).int().tolist() == [
        [0, 1, 0, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 0],
        [0, 0, 0, 0],
        [1, 0, 0, 1],
    ]
    assert targets["tags"].tolist() == [[1] * 5]
    assert targets["spans"][:, 0].tolist() == [0] * 5


def test_an_overlap_of_exactly_one_half_covers_nothing() -> None:
    made = method()
    document = procedure("oil", gold=[(0, 0, 1, [(0, 0, 10, 5)])])
    assert not made.targets(document, example(made, document))["covered"].any()
    document = procedure("oil", gold=[(0, 0, 1, [(0, 0, 10, 5.1)])])
    assert made.targets(document, example(made, document))["covered"].any()


def test_spans_count_pieces_of_the_step() -> None:
    made = method()
    document = procedure("now the tea", "a big dog", gold=[(0, 1, 3, ()), (1, 2, 3, ())])
    # [CLS] now the t ##e ##a [SEP]; [CLS] a big dog [SEP]
    assert made.targets(document, example(made, document))["spans"].tolist() == [
        [0, 2, 6],
        [1, 3, 4],
    ]


def test_the_loss_of_the_regions() -> None:
    logits, wanted = torch.tensor([[2.0, -1.0, 0.0]]), torch.tensor([[1.0, 0.0, 0.0]])
    assert region_bce(logits, wanted).item() == pytest.approx(0.377779, abs=1e-6)


def test_entities_that_do_not_show_have_no_region_loss() -> None:
    made = method()
    absent = procedure("oil", gold=[(0, 0, 1, ())])
    losses = forward(made, batch_of(made, absent)).losses
    assert losses["regions"] == 0
    assert losses["groundable"] > 0
    unknown = forward(made, batch_of(made, procedure("oil", gold=[(0, 0, 1, None)]))).losses
    assert unknown["regions"] == unknown["groundable"] == 0
    assert unknown["main"] > 0


def test_losses_are_summed_with_their_weights() -> None:
    plain, weighed = method(), method(groundable_weight=0.5, region_weight=3.0)
    one, other = (forward(each, batch_of(each, THREE)).losses for each in (plain, weighed))
    assert other["main"] == one["main"]
    assert other["groundable"] == pytest.approx(0.5 * one["groundable"].item())
    assert other["regions"] == pytest.approx(3 * one["regions"].item())


def test_gradients_reach_every_part_and_the_step_before() -> None:
    made = method().train()
    made(batch_of(made, THREE)).loss.backward()
    without = {name for name, p in made.named_parameters() if p.grad is None or not p.grad.any()}
    # BERT's pooler is not read, and keys' biases change no softmax.
    assert {name for name in without if "pooler" not in name and "key.bias" not in name} == set()


# tags


def test_the_chain_follows_dominant_scores() -> None:
    made = method()
    emissions = torch.tensor([[[0.0, 50, 0], [0, 0, 50], [50, 0, 0]]])
    (path,) = made.crf.decode(emissions)
    assert [made.tag_names[tag] for tag in path] == ["B-THING", "I-THING", "O"]


def test_an_inside_that_continues_nothing_begins() -> None:
    made = method()
    step = example(made, procedure("a big dog")).notes["steps"][0]
    (found,) = mentions(step, 0, 0, ["O", "I-THING", "I-THING"], [1.0, 0.5, 0.7])
    assert found.words == [("b0", 2, 5), ("b0", 6, 9)]
    assert found.span == (0, 2, 4)
    assert found.score == pytest.approx(0.6)


# regions


def test_every_region_above_the_threshold_is_chosen() -> None:
    there = torch.tensor([True, True, True])
    several = torch.tensor([0.6, 0.55, 0.2])
    assert choose(several, there, 0.5, allow_empty=False) == [0, 1]
    few = torch.tensor([0.4, 0.3, 0.1])
    assert choose(few, there, 0.5, allow_empty=False) == [0]
    assert choose(few, there, 0.5, allow_empty=True) == []
    hidden = torch.tensor([False, True, True])
    assert choose(several, hidden, 0.5, allow_empty=False) == [1]
    assert choose(few, hidden, 0.5, allow_empty=False) == [1]
    assert choose(several, ~there, 0.5, allow_empty=False) == []


def permuted(made: SeqGmper, order: list[int]) -> tuple[Tensor, Tensor]:
    """Logits of the regions in their order and, put back, in another."""
    batch = batch_of(made, THREE)
    inputs = {name: value.clone() for name, value in batch.inputs.items()}
    inputs["regions"][:, 0] = inputs["regions"][:, 0, order]
    turned = Batch(batch.examples, inputs, batch.targets)
    one, other = (forward(made, each).scores["region_logits"] for each in (batch, turned))
    return one[0, order], other[0]


def test_another_order_of_the_regions_is_another_order_of_the_answers() -> None:
    one, other = permuted(method(), [2, 0, 3, 1])
    torch.testing.assert_close(one, other)


def test_the_k_way_head_depends_on_the_order() -> None:
    """As the survey of the paper has it: documented, and the reason why it is not the default."""
    one, other = permuted(method(head="kway"), [2, 0, 3, 1])
    assert (one - other).abs().max() > 1e-3


def test_the_next_step_s_answers_do_not_depend_on_this_step_s_order() -> None:
    made = method()
    batch = batch_of(made, THREE)
    inputs = {name: value.clone() for name, value in batch.inputs.items()}
    inputs["regions"][:, 0] = inputs["regions"][:, 0, [3, 2, 1, 0]]
    turned = Batch(batch.examples, inputs, batch.targets)
    one, other = (forward(made, each).scores["region_logits"] for each in (batch, turned))
    torch.testing.assert_close(one[1:], other[1:])


def test_each_piece_may_ask_by_itself() -> None:
    mean, tokens = method(), method(query="tokens")
    tokens.load_state_dict(mean.state_dict())
    one, other = (
        forward(each, batch_of(each, procedure("the tea", gold=[(0, 0, 2, ())]))).scores
        for each in (mean, tokens)
    )
    torch.testing.assert_close(one["groundable"], other["groundable"])
    assert not torch.allclose(one["region_logits"], other["region_logits"], atol=1e-5)
    # One piece is its own mean.
    one, other = (
        forward(each, batch_of(each, procedure("the", gold=[(0, 0, 1, ())]))).scores
        for each in (mean, tokens)
    )
    torch.testing.assert_close(one["region_logits"], other["region_logits"])


# from document to document


def certain(made: SeqGmper, *, shows: bool, logits: Sequence[float] = ()) -> SeqGmper:
    """Every word is an entity of its own, all show or none does, and regions have these scores."""
    with torch.no_grad():
        made.tagger.classifier.weight.zero_()
        made.tagger.classifier.bias.copy_(torch.tensor([0.0, 50.0, 0.0]))
        made.groundable.weight.zero_()
        made.groundable.bias.copy_(torch.tensor([0.0, 9.0] if shows else [9.0, 0.0]))
        if logits:
            made.region_head.classifier.weight.zero_()
            made.region_head.classifier.bias.copy_(torch.tensor(logits))
    return made


def test_an_entity_may_have_several_boxes() -> None:
    made = certain(method(head="kway"), shows=True, logits=[1.0, -3.0, 2.0, -1.0])
    document = procedure("salt", "now")
    (found,) = made.predict([document], [assets(region_asset(), region_asset(3))])
    first, second = found.entities
    assert [box.xyxy for box in first.boxes] == [BOXES[2], BOXES[0]]
    assert [box.media for box in first.boxes] == ["m0", "m0"]
    assert [round(r.score or 0, 3) for r in first.grounding.regions] == [0.881, 0.731]
    assert [box.media for box in second.boxes] == ["m1", "m1"]
    assert (first.type, first.span.block, second.span.block) == ("THING", "b0", "b1")


@pytest.mark.parametrize(("allow_empty", "boxes"), [(False, [BOXES[3]]), (True, [])])
def test_where_no_region_is_likely(allow_empty: bool, boxes: list[tuple[int, ...]]) -> None:
    made = certain(
        method(head="kway", allow_empty=allow_empty), shows=True, logits=[-3.0, -3.0, -2.0, -1.0]
    )
    (found,) = made.predict([procedure("salt")], [assets(region_asset())])
    assert [box.xyxy for box in found.entities[0].boxes] == boxes
    assert found.entities[0].grounding.status == ("absent" if allow_empty else "regions")


def test_three_answers_stay_apart() -> None:
    """No: absent. Nobody could look: unknown. Somebody looked and there is no region: absent."""
    document = procedure("salt", "now", "tea")
    supplied = assets(region_asset(), None, region_asset(0))
    (found,) = certain(method(), shows=True).predict([document], [supplied])
    assert [e.grounding.status for e in found.entities] == ["regions", "unknown", "absent"]
    (found,) = certain(method(), shows=False).predict([document], [supplied])
    assert [e.grounding.status for e in found.entities] == ["absent", "unknown", "absent"]


def test_a_post_is_a_procedure_of_one_step() -> None:
    made = certain(method(), shows=True)
    post = Document.from_text("salt now", images=(b"x",))
    (found,) = made.predict([post], [assets(region_asset())])
    assert [post.text_of(e) for e in found.entities] == ["salt", "now"]
    assert all(e.grounding.status == "regions" for e in found.entities)
    assert post.with_annotations(found).annotations is found


def test_pictures_missing_at_some_steps() -> None:
    made = method().train()
    supplied = assets(region_asset(), None, region_asset(seed=2))
    one = example(made, THREE, supplied)
    output = made(made.collate([one], [made.targets(THREE, one)]))
    output.loss.backward()
    assert output.loss.isfinite()
    # The third step's regions had nothing to look back at.
    alone = method().object_steps
    objects = method().map_objects(one.inputs["regions"])
    with torch.no_grad():
        first = alone(objects[2:].unsqueeze(0), one.inputs["region_mask"][2:].unsqueeze(0))
    torch.testing.assert_close(output.scores["objects"][0, 2], first[0, 0])


def test_numbers_that_are_none_are_no_regions() -> None:
    broken = region_asset()
    features = broken.arrays["features"].copy()
    features[1, 2] = np.nan
    asset = Asset({**broken.arrays, "features": features})
    made = method()
    one = example(made, THREE, assets(asset, asset, asset))
    assert one.inputs["region_mask"][0].tolist() == [True, False, True, True]
    assert forward(made, made.collate([one])).scores["objects"].isfinite().all()


def test_a_long_step_is_cut_and_the_others_stay_whole() -> None:
    made = method(max_length=6)
    document = procedure("salt " * 5, "now", gold=[(0, 0, 1, ()), (0, 4, 5, ()), (1, 0, 1, ())])
    one = example(made, document)
    assert [step.cut for step in one.notes["steps"]] == [4, 0]
    targets = made.targets(document, one)
    assert targets["spans"].tolist() == [[0, 1, 5], [1, 1, 2]]


# whole documents


def test_documents_are_never_divided() -> None:
    """Batches hold documents, and an example holds every step of one."""
    made = method()
    assert made.room is None
    documents = [procedure(*["salt"] * steps) for steps in (1, 3, 2, 5, 1, 4)]
    examples = Examples(made, documents, Supplier())
    for bucket in (True, False):
        batches = epoch_batches(examples, 2, seed=1, epoch=0, bucket=bucket)
        assert sorted(index for batch in batches for index in batch) == list(range(6))
    for document in documents:
        assert len(example(made, document).inputs["input_ids"]) == len(document.blocks)


def test_the_corpus_s_documents_are_read(tmp_path: Path) -> None:
    """Magpie's layout of Wiki-GMPER, a step without picture included, from file to scores."""
    scene, boxes = draw_quarters((0, 1, 2, 3), random.Random(0))
    (tmp_path / "tea_1.png").write_bytes(scene.png)
    step = {"words": ["boil", "water"], "image": "tea_1.png"}
    things = [{"start": 1, "end": 2, "boxes": [list(boxes[3])]}]
    steps = [
        {**step, "entities": things},
        {"words": ["wait"], "image": None, "entities": []},
        {**step, "entities": [{"start": 0, "end": 2, "boxes": []}]},
    ]
    (tmp_path / "test.jsonl").write_text(json.dumps({"id": "tea", "title": "Tea", "steps": steps}))
    (document,) = load("wiki-gmper", "test", tmp_path / "test.jsonl", images=tmp_path)
    made = method(source="blobs", feature_width=768, region_count=8)
    supplied = Supplier()(document, made.needs())
    one = made.prepare(document.with_annotations(None), supplied)
    gold = made.targets(document, one)
    assert one.inputs["region_mask"].any(1).tolist() == [True, False, True]
    assert gold["groundable"].tolist() == [1, 0]
    assert gold["covered"][0].any()
    assert forward(made, made.collate([one], [gold])).loss.isfinite()
    certain(made, shows=True)
    (found,) = made.predict([document], [supplied])
    assert [e.grounding.status for e in found.entities] == ["regions"] * 2 + ["unknown"] + [
        "regions"
    ] * 2
    assert {box.media for e in found.entities for box in e.boxes} == {"m0", "m1"}
    report = score([items_of(document)], [items_of(document)], "procedure-gmper@1")
    assert report.main.micro.score == 1.0


# options of the encoders


def test_what_is_frozen_takes_no_gradient() -> None:
    made = method(frozen=True).train()
    made(batch_of(made, THREE)).loss.backward()
    assert all(p.grad is None for p in made.backbones.parameters())
    encoders, new = made.groups()
    assert (encoders.parameters, new.rate) == ((), 1e-3)
    assert {id(p) for p in made.trainable()} == {id(p) for p in new.parameters}


def test_new_layers_have_a_rate_of_their_own() -> None:
    made = method(head_rate=5e-4)
    encoders, new = made.groups()
    assert (encoders.name, encoders.rate, new.rate) == ("encoders", None, 5e-4)
    assert {id(p) for p in encoders.parameters} == {id(p) for p in made.text.parameters()}


def test_cells_join_what_entities_ask() -> None:
    made = method(use_grid=True, vision="tiny-vit")
    assert made.vision is not None
    pixels = PerPicture(Pixels(made.vision.pixels))
    assert made.needs() == {need(), pixels}
    generator = np.random.default_rng(0)
    parts = {
        f"m{i}": Asset({"pixels": generator.normal(size=(3, 64, 64)).astype(np.float32)})
        for i in range(2)
    }
    parts["m2"] = Asset.absent("gone")
    supplied = {**assets(*(region_asset() for _ in range(3))), pixels: Asset(parts=parts)}
    one = example(made, THREE, supplied)
    assert one.inputs["has_picture"].tolist() == [True, True, False]
    gold = made.targets(THREE, one)
    output = forward(made, made.collate([one], [gold]))
    assert output.scores["keys"].shape == (1, 3, COUNT + made.vision.cells, 16)
    assert output.scores["keys_there"].sum(2).tolist() == [[69, 69, 4]]
    without = {**supplied, pixels: Asset.absent("gone")}
    two = example(made, THREE, without)
    other = forward(made, made.collate([two], [gold])).scores
    assert not torch.allclose(output.scores["region_logits"], other["region_logits"], atol=1e-5)
    torch.testing.assert_close(output.scores["objects"], other["objects"])


def test_a_saved_method_answers_the_same(tmp_path: Path) -> None:
    made = method(window=2, recurrent=True)
    save_method(made, tmp_path / "m")
    again = load_method(tmp_path / "m")
    assert again.needs() == made.needs()
    batch = batch_of(made, THREE)
    one, other = forward(made, batch), again(batch)
    for name, value in one.scores.items():
        torch.testing.assert_close(value, other.scores[name])


@pytest.mark.parametrize(
    "settings",
    [
        {"max_length": 2},
        {"width": 15},
        {"heads": 3},
        {"window": 0},
        {"region_count": 0},
        {"feature_width": 0},
        {"threshold": 1.0},
        {"dropout": -0.1},
        {"deviation": -1.0},
        {"groundable_weight": -1.0},
        {"region_weight": -1.0},
    ],
)
def test_impossible_settings(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        SeqGmperConfig(**{**TINY, **settings})


def test_new_weights_may_start_larger() -> None:
    torch.manual_seed(0)
    made = SeqGmper.build(SeqGmperConfig(**{**TINY, "deviation": 0.5}), ONE)
    plain = SeqGmper.build(SeqGmperConfig(**TINY), ONE)
    assert made.object_steps.joined.weight.std().item() == pytest.approx(0.5, rel=0.2)
    assert not made.object_steps.joined.bias.any()
    for one, other in zip(made.text.parameters(), plain.text.parameters(), strict=True):
        assert torch.equal(one, other)


def test_types_are_needed() -> None:
    with pytest.raises(ConfigError, match="entity types"):
        method(LabelSpace())
