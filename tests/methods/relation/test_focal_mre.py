"""FocalMRE: what enters a slot, what empty slots come to, and boxes without their picture."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from magpie.corpora.controlled import ControlledConfig, controlled, without_pictures  # noqa: E402
from magpie.errors import ConfigError  # noqa: E402
from magpie.features.boxes import PublishedBoxes  # noqa: E402
from magpie.features.supply import Supplier  # noqa: E402
from magpie.methods.base import Batch, without_gold  # noqa: E402
from magpie.methods.checkpoint import load_method, save_method  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.methods.relation.focal_mre import FocalMre, FocalMreConfig  # noqa: E402
from magpie.nn.focal_attention import FocalFusion  # noqa: E402
from magpie.schema import Box, Document, Region  # noqa: E402
from magpie.schema.document import Source  # noqa: E402
from magpie.training.recipe import read_recipe  # noqa: E402

LABELS = LabelSpace(
    relation_types=("held_on", "member_of", "none", "parent", "peer"), null_relation="none"
)
TINY: dict[str, Any] = {
    "text": "tiny-bert",
    "vision": "tiny-clip",
    "image_side": 32,
    "grounded": "phrases",
    "detector": "things",
    "max_length": 40,
    "dropout": 0.0,
}
PLACES = ((2, 2, 20, 30), (10, 5, 40, 40), (0, 0, 60, 60), (30, 30, 50, 60))


def focal(**settings: Any) -> FocalMre:
    torch.manual_seed(0)
    method = FocalMre.build(FocalMreConfig(**{**TINY, **settings}), LABELS)
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return method.eval()


def posts(size: int = 3) -> list[Document]:
    found = list(controlled("train", ControlledConfig(task="mre", size=8, seed=2)))[:size]
    return [replace(d, media=(replace(d.media[0], uri=f"{n}.jpg"),)) for n, d in enumerate(found)]


def boxes(*counts: int) -> PublishedBoxes:
    """So many boxes on the pictures of posts 0, 1, ..."""
    return PublishedBoxes(
        {
            str(n): [Region.of_box(Box(*corners, "m0")) for corners in PLACES[:count]]
            for n, count in enumerate(counts)
        }
    )


def batch_of(
    method: FocalMre,
    documents: Sequence[Document],
    phrases: Sequence[int] = (4, 2, 0),
    things: Sequence[int] = (3, 0, 1),
) -> Batch:
    supplier = Supplier(boxes={"phrases": boxes(*phrases), "things": boxes(*things)})
    examples = [
        method.prepare(without_gold(d, method.given), supplier(d, method.needs()))
        for d in documents
    ]
    return method.collate(
        examples, [method.targets(d, e) for d, e in zip(documents, examples, strict=True)]
    )


def logits(method: FocalMre, batch: Batch) -> torch.Tensor:
    with torch.no_grad():
        return method(batch).scores["logits"]


def test_published_settings() -> None:
    c = FocalMreConfig()
    assert (c.text, c.vision, c.max_length) == ("bert-base-uncased", "clip-vit-base-patch32", 128)
    assert (c.grounded, c.grounded_count) == ("focalmre-grounding", 4)
    assert (c.detector, c.detector_count) == ("focalmre-detector", 3)
    assert (c.slot_norm, c.stroke, c.dropout, c.views) == ("none", 3, 0.1, "frames")
    assert not c.legacy_no_mask
    assert not c.legacy_frozen_head


def test_new_parameters_at_published_sizes() -> None:
    with torch.device("meta"):
        fusion = FocalFusion(768, 768, (4, 3))
        head = torch.nn.Linear(4 * 768, 23)
    weights = sum(w.numel() for w in fusion.weights)
    assert weights == 7
    assert sum(p.numel() for p in fusion.parameters()) - weights == 24_799_488
    assert sum(p.numel() for p in head.parameters()) == 70_679
    # The tiny method has the same parts and no others.
    method = focal()
    new = sum(p.numel() for n, p in method.named_parameters() if not n.startswith("backbones."))
    assert method.classifier.in_features == 4 * method.text.width
    wanted = sum(p.numel() for p in FocalFusion(32, 32).parameters())
    assert new == wanted + (4 * 32 + 1) * len(LABELS.relation_types)


def test_slots_of_a_document_and_shapes() -> None:
    method = focal()
    batch = batch_of(method, posts())
    assert batch.inputs["there"].int().tolist() == [
        [1, 1, 1, 1, 1, 1, 1],
        [1, 1, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 1, 0, 0],
    ]
    assert batch.inputs["frames"].shape == (7 + 2 + 1, 3, 32, 32)
    views, there, mask = method.seen(batch)
    cells = method.vision.cells
    assert (views.shape, mask) == ((3, 7, cells, 32), None)
    assert torch.equal(there, batch.inputs["there"])
    assert not views[~there].any()
    with torch.no_grad():
        first_of_last = method.vision(batch.inputs["frames"][9:])[0]
    assert torch.allclose(views[2, 4], first_of_last, atol=1e-5)
    states = method.text(batch.inputs["input_ids"], batch.inputs["attention_mask"])
    assert method.fusion.slot(0, states, views[:, 0]).shape == states.shape
    seen: list[Any] = []
    method.classifier.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    assert logits(method, batch).shape == (3, 5)
    assert seen[0].shape == (3, 4 * 32)


def test_two_sources_two_colours() -> None:
    method = focal()
    document = posts()[:1]
    frames = batch_of(method, document, (1,), (1,)).inputs["frames"]
    plain = batch_of(focal(stroke=1), document, (1,), (1,)).inputs["frames"]
    assert not torch.equal(frames, plain)  # a thicker stroke
    red, blue = frames
    changed = (red != blue).any(0)
    assert changed.any()
    assert (red[0][changed] > blue[0][changed]).all()
    assert (red[2][changed] < blue[2][changed]).all()
    assert torch.equal(red[1][changed], blue[1][changed])


def test_reading_two_places_is_reading_all() -> None:
    method = focal()
    batch = batch_of(method, posts())
    i = batch.inputs
    with torch.no_grad():
        states = method.text(i["input_ids"], i["attention_mask"])
        fused = method.fusion(states, *method.seen(batch), i["owner"])
        whole = torch.cat([method.pair_states(h, batch) for h in fused], 1)
        assert torch.allclose(method.classifier(whole), logits(method, batch), atol=1e-5)


def text_only(method: FocalMre, batch: Batch) -> torch.Tensor:
    with torch.no_grad():
        states = method.text(batch.inputs["input_ids"], batch.inputs["attention_mask"])
        pair = method.pair_states(states, batch)
        return method.classifier(torch.cat([pair, pair], 1))


def test_with_every_slot_empty_only_the_text_is_read() -> None:
    method = focal()
    with torch.no_grad():
        method.fusion.weights[0].fill_(3.0)
    bare = batch_of(method, without_pictures(posts()))
    assert bare.inputs["frames"].shape == (0, 3, 32, 32)
    assert torch.allclose(logits(method, bare), text_only(method, bare), atol=1e-5)
    # The same of a picture without boxes, beside others that have some.
    mixed = batch_of(method, posts(), (4, 0, 1), (0, 0, 0))
    alone = text_only(method, mixed)
    assert torch.allclose(logits(method, mixed)[1], alone[1], atol=1e-5)
    assert not torch.allclose(logits(method, mixed)[0], alone[0], atol=1e-3)


def test_published_padding_takes_part() -> None:
    ours, legacy = focal(), focal(legacy_no_mask=True)
    batch = batch_of(ours, posts())
    views, there, _ = legacy.seen(batch)
    assert there.all()
    with torch.no_grad():
        zero = legacy.vision(torch.zeros(1, 3, 32, 32))[0]
    assert torch.allclose(views[1, 2], zero, atol=1e-6)
    assert zero.abs().max() > 0.1, "a zero picture has states"
    gaps = (logits(ours, batch) - logits(legacy, batch)).abs().amax(1)
    assert gaps[0] < 1e-5  # all seven slots are filled
    assert (gaps[1:] > 1e-3).all()
    bare = batch_of(legacy, without_pictures(posts()))
    assert not torch.allclose(logits(legacy, bare), text_only(legacy, bare), atol=1e-3)


def test_slots_are_told_apart_by_their_parameters_alone() -> None:
    method, document = focal(), posts()[:1]
    batch = batch_of(method, document, (2,), (0,))
    frames = batch.inputs["frames"]
    swapped = Batch(batch.examples, {**batch.inputs, "frames": frames.flip(0)})
    assert not torch.allclose(logits(method, batch), logits(method, swapped), atol=1e-4)
    fusion = method.fusion
    fusion.attentions[1].load_state_dict(fusion.attentions[0].state_dict())
    fusion.gates[1].load_state_dict(fusion.gates[0].state_dict())
    with torch.no_grad():
        fusion.weights[0][1] = fusion.weights[0][0]
    assert torch.allclose(logits(method, batch), logits(method, swapped), atol=1e-5)


@pytest.mark.parametrize("frozen", [True, False])
def test_the_public_classifier_is_never_trained(frozen: bool) -> None:
    method = focal(legacy_frozen_head=frozen).train()
    before = method.classifier.weight.detach().clone()
    optimiser = torch.optim.AdamW(method.trainable(), 1e-2)
    method(batch_of(method, posts())).loss.backward()
    optimiser.step()
    assert torch.equal(method.classifier.weight, before) == frozen
    listed = {id(p) for group in method.groups() for p in group.parameters}
    assert (id(method.classifier.weight) in listed) != frozen


def test_who_receives_no_gradient() -> None:
    method = focal().train()
    method(batch_of(method, posts())).loss.backward()
    without = {n for n, p in method.named_parameters() if p.grad is None}
    assert all(".pooler." in n or ".post_layernorm." in n for n in without)
    frozen = focal(freeze_vision=True).train()
    frozen(batch_of(frozen, posts())).loss.backward()
    assert all(p.grad is None for p in frozen.vision.parameters())
    assert not frozen.vision.training


def test_pairs_of_a_document_share_its_frames() -> None:
    method = focal()
    document = posts(1)[0]
    gold = document.annotations
    assert gold is not None
    first = gold.relations[0]
    back = replace(first, id="back", head=first.tail, tail=first.head)
    both = document.with_annotations(replace(gold, relations=(first, back)))
    batch = batch_of(method, [both], (4,), (3,))
    assert batch.inputs["owner"].tolist() == [0, 0]
    assert batch.inputs["frames"].shape[0] == 7
    together = logits(method, batch)
    for row, relation in enumerate((first, back)):
        alone = document.with_annotations(replace(gold, relations=(relation,)))
        assert torch.allclose(
            logits(method, batch_of(method, [alone], (4,), (3,)))[0], together[row], atol=1e-5
        )


@pytest.fixture
def corpora(tmp_path: Path) -> Path:
    folder = tmp_path / "grounding" / "focalmre"
    folder.mkdir(parents=True)
    grounded = {f"0_pred_yolo_crop_{n}.png": [0.5, 0.4, 0.2, 0.1 + n / 10, 0] for n in range(2)}
    (folder / "train_vg_box_dict.json").write_text(json.dumps(grounded))
    (folder / "train_detect_box_dict.json").write_text(
        json.dumps({"0_crop_0.jpg": [0.5, 0.5, 1.0, 1.0, 1.0]})
    )
    return tmp_path


PUBLISHED = {"grounded": "focalmre-grounding", "detector": "focalmre-detector"}


def published(
    method: FocalMre, corpora: Path, *, pictures: tuple[bool, ...] = (False, False)
) -> Batch:
    """Rows 0 and 1 of a split; boxes are published of the first."""
    documents = [
        replace(d, source=Source(corpus="mnre@2", split="train", file="x", line=n + 1))
        for n, d in enumerate(posts(len(pictures)))
    ]
    documents = [
        replace(d, media=(d.media[0] if there else replace(d.media[0], data=None, missing="gone"),))
        for d, there in zip(documents, pictures, strict=True)
    ]
    supplier = Supplier(corpora=corpora)
    examples = [
        method.prepare(without_gold(d, method.given), supplier(d, method.needs()))
        for d in documents
    ]
    return method.collate(examples)


def test_geometry_stands_in_for_pictures_that_are_not_there(corpora: Path) -> None:
    method = focal(views="either", **PUBLISHED)
    batch = published(method, corpora)
    assert not batch.inputs["there"].any()
    assert batch.inputs["boxed"].int().tolist() == [[1, 1, 0, 0, 1, 0, 0], [0] * 7]
    assert batch.inputs["boxes"][0, 1].tolist() == pytest.approx([0.5, 0.4, 0.2, 0.2], abs=1e-5)
    views, there, mask = method.seen(batch)
    assert (views.shape, mask) == ((2, 7, 5, 32), None)
    assert torch.equal(there, batch.inputs["boxed"])
    found, text = logits(method, batch), text_only(method, batch)
    assert not torch.allclose(found[0], text[0], atol=1e-3)
    assert torch.allclose(found[1], text[1], atol=1e-5)
    # Without the option the slots are empty.
    plain = focal(**PUBLISHED)
    bare = published(plain, corpora)
    assert torch.allclose(logits(plain, bare), text_only(plain, bare), atol=1e-5)
    assert not hasattr(plain, "box_tokens")


def test_geometry_alone_never_looks_at_a_picture(corpora: Path) -> None:
    method = focal(views="geometry", **PUBLISHED)
    assert {need.describe()["kind"] for need in method.needs()} == {"boxgeometry"}
    shown, hidden = (published(method, corpora, pictures=(there,)) for there in (True, False))
    assert not shown.inputs["there"].any()
    assert torch.equal(shown.inputs["boxes"], hidden.inputs["boxes"])
    assert torch.equal(logits(method, shown), logits(method, hidden))
    assert not torch.allclose(logits(method, shown), text_only(method, shown), atol=1e-3)


def test_place_size_and_source_of_a_box_matter(corpora: Path) -> None:
    method = focal(views="either", **PUBLISHED)
    batch = published(method, corpora)
    before = logits(method, batch)
    for part in range(4):
        boxes = batch.inputs["boxes"].clone()
        boxes[0, 0, part] += 0.1
        moved = Batch(batch.examples, {**batch.inputs, "boxes": boxes})
        assert not torch.allclose(logits(method, moved)[0], before[0], atol=1e-4)
    with torch.no_grad():
        rows = method.box_tokens.sources.weight
        rows.copy_(rows.flip(0))
    assert not torch.allclose(logits(method, batch)[0], before[0], atol=1e-4)


def test_a_picture_that_is_there_is_framed_beside_one_that_is_not(corpora: Path) -> None:
    method = focal(views="either", **PUBLISHED)
    for pictures in ((True, False), (False, True), (True, True)):
        batch = published(method, corpora, pictures=pictures)
        assert batch.inputs["there"].any(1).tolist() == [pictures[0], False]
        assert batch.inputs["boxed"].any(1).tolist() == [not pictures[0], False]
    # In one batch as alone: neither sees the other's tokens.
    framed = published(method, corpora, pictures=(True,))
    boxed = published(method, corpora, pictures=(False,))
    both = method.collate([*framed.examples, *boxed.examples])
    views, _, mask = method.seen(both)
    assert views.shape[2] == method.vision.cells + 5
    assert mask is not None
    assert mask[:, 0].sum(1).tolist() == [method.vision.cells, 5]
    expected = torch.cat([logits(method, framed), logits(method, boxed)])
    assert torch.allclose(logits(method, both), expected, atol=1e-5)
    assert not torch.allclose(expected[0], expected[1], atol=1e-3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"views": "either", "legacy_no_mask": True}, "legacy_no_mask shows zero pictures"),
        ({"views": "boxes"}, "views must be frames, geometry or either"),
        ({"dropout": 1.0}, "dropout must lie in"),
        ({"detector_count": 0}, "every source needs a slot"),
        ({"slot_norm": "sum"}, "slot_norm must be"),
        ({"stroke": 0}, "count and stroke must be at least 1"),
        ({"max_length": 7}, "max_length must be at least 8"),
    ],
)
def test_impossible_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        focal(**settings).needs()


@pytest.mark.parametrize("views", ["frames", "geometry", "either"])
def test_saved_and_loaded_it_says_the_same(views: str, corpora: Path, tmp_path: Path) -> None:
    method = focal(views=views, **PUBLISHED)
    save_method(method, tmp_path / "saved")
    loaded = load_method(tmp_path / "saved")
    assert isinstance(loaded, FocalMre)
    assert loaded.config == method.config
    ours, theirs = (
        logits(m, published(m, corpora, pictures=(True, False))) for m in (method, loaded)
    )
    assert torch.equal(ours, theirs)


def test_the_small_recipe_reads_no_more_boxes_than_every_pair_has() -> None:
    recipe = read_recipe("relation/focal-mre_mnre_minilm")
    config = recipe.config.to_dict()
    assert config["views"] == "geometry"
    # The names of pictures join them to their boxes, and are taken away with the pictures.
    assert recipe.data.pictures == "optional"
    assert config["grounded_count"] == 2


def test_the_published_recipe() -> None:
    recipe = read_recipe("relation/focal-mre_mnre")
    loop = recipe.stages[0].loop
    optimiser = loop.optimiser
    assert (loop.epochs, loop.batch, recipe.seeds) == (20, 8, (1234,))
    assert (optimiser.name, optimiser.rate, optimiser.warmup) == ("adamw", 1e-5, 0.08)
    assert (optimiser.decay, optimiser.decay_all, optimiser.clip) == (0.01, True, 0.0)
    assert recipe.config == FocalMreConfig()
