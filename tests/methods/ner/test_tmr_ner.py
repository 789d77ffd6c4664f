"""TMR's tagger: an image vector a position, and which parameters move."""

from __future__ import annotations

import dataclasses
import io
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from PIL import Image  # noqa: E402
from torch import nn  # noqa: E402

from magpie.backbones import load_text, load_vision  # noqa: E402
from magpie.corpora.controlled import ControlledConfig, controlled  # noqa: E402
from magpie.errors import ConfigError  # noqa: E402
from magpie.features.boxes import PublishedBoxes  # noqa: E402
from magpie.features.supply import Supplier  # noqa: E402
from magpie.methods.base import Batch, without_gold  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.methods.ner.tmr_ner import TmrNer, TmrNerConfig  # noqa: E402
from magpie.schema import Box, Document, Region  # noqa: E402
from magpie.training.optimisers import OptimiserConfig, make_optimiser  # noqa: E402

POSTS = list(controlled("test", ControlledConfig(size=8, told=0.5)))
SMALL = {
    "text": "tiny-bert",
    "vision": "tiny-resnet",
    "generated_objects": "whole",
    "object_count": 2,
    "max_length": 20,
    "hidden": 40,
    "text_dropout": 0.0,
}


def made(**options: Any) -> TmrNer:
    torch.manual_seed(0)
    return TmrNer.build(TmrNerConfig(**{**SMALL, **options}), LabelSpace.of(POSTS))


def with_generated(document: Document, other: Document) -> Document:
    medium = dataclasses.replace(other.media[0], id="generated")
    return dataclasses.replace(document, media=(*document.media, medium))


BOTH = [with_generated(POSTS[0], POSTS[1]), with_generated(POSTS[1], POSTS[0])]


def batch_of(method: TmrNer, documents: list[Document], **options: Any) -> Batch:
    supplier = Supplier(**options)
    examples = [method.prepare(without_gold(d), supplier(d, method.needs())) for d in documents]
    aims = [method.targets(d, e) for d, e in zip(documents, examples, strict=True)]
    return method.collate(examples, aims)


def test_defaults_are_the_published_ones() -> None:
    config = TmrNerConfig()
    assert (config.text, config.vision) == ("bert-large-uncased", "resnet-101")
    assert (config.max_length, config.phrase_length, config.object_count) == (70, 5, 3)
    assert (config.hidden, config.head_rate, config.reduction) == (1000, 5e-2, "sum")


def test_sizes() -> None:
    """W_x at D = 1024, T = 70 (no memory is spent on it), and the same layer at our width."""
    with torch.device("meta"):
        spread, combine = nn.Linear(1024, 70 * 1024), nn.Linear(3 * 1024, 1000)
        head = nn.Linear(1000, 13)
    sizes = [sum(p.numel() for p in layer.parameters()) for layer in (spread, combine, head)]
    # The stated 73,472,000 is W_x with its biases.
    assert sizes == [73_472_000, 3_073_000, 13_013]
    method = made()
    assert method.spread.weight.shape == (20 * method.text.width, method.text.width)
    assert method.combine.weight.shape == (40, 3 * method.text.width)
    assert method.head.weight.shape == (len(method.tag_names), 40)


def test_shapes() -> None:
    method = made().eval()
    batch = batch_of(method, BOTH)
    i = batch.inputs
    length = i["input_ids"].shape[1]
    assert length < 20
    states = method.text_states(batch)
    assert states.shape == (2, 20, method.text.width)
    own, _ = method.fused(states, method.phrase_states(batch), batch)
    assert own.shape == (2, method.text.width)
    assert method.token_images(own).shape == (2, 20, method.text.width)
    assert method.token_images(own).abs().max() <= 1
    assert method(batch).scores["emissions"].shape == (2, length, len(method.tag_names))


def test_the_published_inventory() -> None:
    labels = LabelSpace(entity_types=("LOC", "MISC", "ORG", "PER"))
    method = TmrNer(
        TmrNerConfig(**SMALL), labels, load_text("tiny-bert"), load_vision("tiny-resnet")
    )
    assert method.tag_names == (
        *("PAD", "O", "B-MISC", "I-MISC", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC"),
        *("X", "[CLS]", "[SEP]"),
    )


def test_phrases_stand_in_a_frame() -> None:
    method = made()
    ids, mask = method.phrase_pieces(["big", "red", "dog", "show"])
    pieces = method.text.tokenizer.convert_ids_to_tokens(ids)
    assert pieces == ["[CLS]", "big", "red", "dog", "[SEP]"]
    assert mask == [1] * 5
    ids, mask = method.phrase_pieces(["dog"])
    assert method.text.tokenizer.convert_ids_to_tokens(ids)[:3] == ["[CLS]", "dog", "[SEP]"]
    assert mask == [1, 1, 1, 0, 0]


def test_objects_of_the_generated_picture() -> None:
    """Cut out of the picture; black where the public loader's mistake is asked for."""
    fixed, legacy = made(), made(legacy_zero_objects=True)
    own, theirs = (batch_of(m, BOTH).inputs["objects"] for m in (fixed, legacy))
    assert own[:, 1].flatten(1).abs().amax(1).gt(0).all()
    assert not theirs[:, 1].any()
    assert torch.equal(own[:, 0], theirs[:, 0])
    assert own[:, 0].any()


def test_a_box_on_the_generated_picture_is_cut_out() -> None:
    picture = Image.effect_noise((256, 256), 80.0).convert("RGB")
    written = io.BytesIO()
    picture.save(written, "PNG")
    medium = dataclasses.replace(POSTS[0].media[0], id="generated", data=written.getvalue())
    medium = dataclasses.replace(medium, width=256, height=256)
    document = dataclasses.replace(POSTS[0], media=(*POSTS[0].media, medium))
    region = Region.of_box(Box(10, 20, 110, 220, "generated"))
    boxes = PublishedBoxes({document.id: [region]}, key=lambda d: d.id)
    method = made(image_side=224, generated_objects="published", object_count=1)
    objects = batch_of(method, [document], boxes={"published": boxes}).inputs["objects"]
    assert objects.shape == (1, 2, 1, 3, 224, 224)
    assert objects[0, 1, 0].abs().max() > 0


def test_every_used_parameter_learns_and_is_in_a_group() -> None:
    method = made()
    method(batch_of(method, BOTH)).loss.backward()
    still = {n for n, p in method.named_parameters() if p.grad is None}
    assert all("pooler" in name for name in still), still
    grouped = {id(p) for group in method.groups() for p in group.parameters}
    assert grouped == {id(p) for p in method.trainable()}
    assert [g.rate for g in method.groups()] == [None, 5e-2, None]


@pytest.mark.parametrize("legacy", [False, True])
def test_which_parameters_a_step_moves(legacy: bool) -> None:
    method = made(legacy_groups=legacy)
    before = {n: p.detach().clone() for n, p in method.named_parameters()}
    optimiser = make_optimiser(method, OptimiserConfig(rate=1e-3))
    method(batch_of(method, BOTH)).loss.backward()
    optimiser.step()
    moved = {n for n, p in method.named_parameters() if not torch.equal(before[n], p)}
    pictures = {n for n in before if n.startswith(("backbones.vision", "project", "fusion"))}
    pictures |= {n for n in before if n.startswith(("spread", "combine"))}
    if legacy:
        assert not moved & pictures
    else:
        assert {"spread.weight", "combine.weight", "project.weight"} <= moved
        assert any(n.startswith("backbones.vision") for n in moved)
    assert {"head.weight", "crf.transitions"} <= moved
    assert any(n.startswith("backbones.text") for n in moved)


def test_positions_beyond_the_encoders_are_refused() -> None:
    with pytest.raises(ConfigError, match="max_length is 400, and tiny-bert has 160"):
        made(max_length=400)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hidden": 0}, "hidden"),
        ({"phrase_length": 2}, "phrase_length"),
        ({"object_count": 0}, "object_count"),
        ({"max_length": 2}, "max_length"),
    ],
)
def test_impossible_settings(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TmrNerConfig(**options)
