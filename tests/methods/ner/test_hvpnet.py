"""HVPNeT's tagger: pictures absent and black, rates, frozen parts, and a few steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from PIL import Image  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from magpie.corpora.controlled import ControlledConfig, controlled, without_pictures  # noqa: E402
from magpie.errors import ConfigError  # noqa: E402
from magpie.features.supply import Supplier  # noqa: E402
from magpie.methods.base import Batch, without_gold  # noqa: E402
from magpie.methods.labels import LabelSpace  # noqa: E402
from magpie.methods.ner.hvpnet import Hvpnet, HvpnetConfig  # noqa: E402
from magpie.schema import Block, Document  # noqa: E402
from magpie.vision import PixelSpec  # noqa: E402

POSTS = list(controlled("test", ControlledConfig(size=8)))
BARE = without_pictures(POSTS)


def made(**options: Any) -> Hvpnet:
    torch.manual_seed(0)
    settings = {
        "text": "tiny-bert",
        "vision": "tiny-resnet",
        "crops": "whole",
        "crop_count": 2,
        "hidden": 16,
        **options,
    }
    return Hvpnet.build(HvpnetConfig(**settings), LabelSpace.of(POSTS))


def batch_of(method: Hvpnet, documents: list[Document], *, targets: bool = False) -> Batch:
    supplier = Supplier()
    examples = [method.prepare(without_gold(d), supplier(d, method.needs())) for d in documents]
    aims = [method.targets(d, e) for d, e in zip(documents, examples, strict=True)]
    return method.collate(examples, aims if targets else ())


def emissions(method: Hvpnet, batch: Batch) -> Tensor:
    with torch.no_grad():
        return method.eval()(batch).scores["emissions"]


def with_weights_of(method: Hvpnet, **options: Any) -> Hvpnet:
    other = made(**options)
    own = other.state_dict()
    kept = {n: v for n, v in method.state_dict().items() if n in own}
    other.load_state_dict({**own, **kept})
    return other


def test_the_text_alone_is_the_encoder_itself() -> None:
    method = made(visual=False).eval()
    assert method.needs() == frozenset()
    assert "vision" not in method.backbones
    batch = batch_of(method, POSTS)
    states = method.text(batch.inputs["input_ids"], batch.inputs["attention_mask"])
    assert torch.equal(method.text_states(batch), states)
    assert torch.equal(emissions(method, batch), method.head(states))


def test_a_post_without_a_picture_is_read_as_text_alone() -> None:
    method = made()
    plain = with_weights_of(method, visual=False)
    alone = emissions(plain, batch_of(plain, POSTS))
    batch = batch_of(method, BARE)
    assert torch.allclose(emissions(method, batch), alone, atol=1e-5)
    batch.inputs["pictures"].fill_(float("nan"))
    assert torch.allclose(emissions(method, batch), alone, atol=1e-5), "pixels are not read"
    assert not torch.allclose(emissions(method, batch_of(method, POSTS)), alone, atol=1e-4)


def test_a_black_picture_is_attended_to_where_asked() -> None:
    method = made(missing="zeros")
    plain = with_weights_of(method, visual=False)
    alone = emissions(plain, batch_of(plain, POSTS))
    assert not torch.allclose(emissions(method, batch_of(method, BARE)), alone, atol=1e-4)


def test_black_crops_give_a_prefix_and_may_be_masked() -> None:
    method = made()
    batch = batch_of(method, POSTS)
    batch.inputs["there"][:, 1:] = False
    pictures, there = batch.inputs["pictures"], batch.inputs["there"]
    prefixes = method.eval().prefix(method.blocks(pictures, there), 3)  # type: ignore[misc]
    assert prefixes[0].keys.abs().sum() > 0
    assert method.prefix_mask(there).all(), "published crops are attended to, there or not"
    masking = with_weights_of(method, mask_missing=True)
    assert masking.prefix_mask(there)[0].tolist() == [True] * 4 + [False] * 8
    one = with_weights_of(method, crop_count=0)
    cut = batch_of(one, POSTS)
    # In the public layout a hidden slot still shifts the others among the heads.
    by_head = with_weights_of(method, mask_missing=True, prefix_layout="heads")
    one = with_weights_of(method, crop_count=0, prefix_layout="heads")
    assert torch.allclose(emissions(by_head, batch), emissions(one, cut), atol=1e-5)


def test_a_default_picture_stands_in(tmp_path: Path) -> None:
    path = tmp_path / "none.png"
    Image.new("RGB", (80, 60), (200, 10, 10)).save(path)
    method = made(missing="default_image", default_image=str(path), crop_count=0)
    batch = batch_of(method, BARE)
    shown = batch_of(method, POSTS)
    shown.inputs["pictures"] = method.default_picture.expand(len(POSTS), 1, -1, -1, -1)
    assert torch.allclose(emissions(method, batch), emissions(method, shown), atol=1e-6)
    with pytest.raises(ConfigError, match="default_image"):
        made(missing="default_image")


def cropping(**options: Any) -> Hvpnet:
    """With the encoder inside, which reads pictures as real ResNets do."""
    method = made(**options)
    method.vision.pixels = PixelSpec(side=64, fit="crop")
    return method


def cached(method: Hvpnet, **options: Any) -> Hvpnet:
    """The same weights, reading maps that are computed beforehand."""
    return with_weights_of(
        method, encoder="cached", block_widths=(16, 32, 48, 64), image_side=64, **options
    )


@pytest.mark.parametrize("crops", ["whole", "media"])
@pytest.mark.parametrize("missing", ["text", "zeros"])
def test_cached_maps_give_what_the_encoder_inside_gives(missing: str, crops: str) -> None:
    options = {"missing": missing, "crops": crops}
    inside = cropping(**options)
    outside = cached(inside, **options)
    assert "vision" not in outside.backbones
    assert not any(name.startswith("backbones.vision") for name in outside.state_dict())
    documents = [*POSTS[:4], *BARE[:2]]
    before, after = (batch_of(m, documents, targets=True) for m in (inside, outside))
    assert set(after.inputs) - set(before.inputs) == {"maps"}
    assert torch.equal(before.inputs["there"], after.inputs["there"])
    assert torch.allclose(emissions(inside, before), emissions(outside, after), atol=1e-5)
    gradients = []
    for method, batch in ((inside, before), (outside, after)):
        method.eval()  # no dropout
        method(batch).loss.backward()
        gradients.append({n: p.grad for n, p in method.named_parameters() if p.requires_grad})
    assert set(gradients[0]) == set(gradients[1])
    for name, gradient in gradients[0].items():
        if gradient is None:
            assert gradients[1][name] is None
        else:
            assert torch.allclose(gradient, gradients[1][name], atol=1e-5), name


def test_a_default_picture_stands_in_for_cached_maps_too(tmp_path: Path) -> None:
    path = tmp_path / "none.png"
    Image.new("RGB", (64, 64), (200, 10, 10)).save(path)
    options = {"missing": "default_image", "default_image": str(path), "crops": "media"}
    inside = cropping(**options)
    outside = cached(inside, **options)
    documents = [*POSTS[:2], *BARE[:2]]
    given = [emissions(method, batch_of(method, documents)) for method in (inside, outside)]
    assert torch.allclose(*given, atol=1e-5)
    plain = cached(inside, missing="zeros", crops="media")
    other = emissions(plain, batch_of(plain, documents))
    assert torch.allclose(other[:2], given[1][:2], atol=1e-5)
    assert not torch.allclose(other[2:], given[1][2:], atol=1e-4)


def test_maps_that_could_move_or_are_of_another_size_are_refused() -> None:
    for options in ({"freeze_vision": False}, {"batch_norm": "batch"}):
        with pytest.raises(ConfigError, match="stay as they are"):
            made(encoder="cached", **options)
    wrong = made(encoder="cached", image_side=64)
    with pytest.raises(ConfigError, match="block_widths"):
        batch_of(wrong, POSTS[:1])


def test_the_head_has_a_rate_of_its_own() -> None:
    method = made()
    groups = {group.name: group for group in method.groups()}
    assert groups["head"].rate == 5e-2
    assert groups["body"].rate is None
    assert {id(p) for p in groups["head"].parameters} == {
        id(p) for p in (*method.head.parameters(), *method.crf.parameters())
    }
    everything = [id(p) for group in groups.values() for p in group.parameters]
    assert sorted(everything) == sorted(id(p) for p in method.parameters())


@pytest.mark.parametrize("batch_norm", ["running", "batch"])
@pytest.mark.parametrize("freeze", [True, False])
def test_what_moves_in_the_picture_encoder(batch_norm: str, freeze: bool) -> None:
    method = made(batch_norm=batch_norm, freeze_vision=freeze).train()
    before = {n: v.clone() for n, v in method.vision.state_dict().items()}
    batch = batch_of(method, POSTS, targets=True)
    optimiser = torch.optim.SGD(method.trainable(), lr=0.1)
    method(batch).loss.backward()
    optimiser.step()
    after = method.vision.state_dict()
    moved = {n for n in before if not torch.equal(before[n], after[n])}
    assert any("running_mean" in name for name in moved) == (batch_norm == "batch")
    assert any("convolution.weight" in name for name in moved) != freeze
    norms = [m for m in method.vision.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(m.training == (batch_norm == "batch") for m in norms)
    assert not any(m.training for m in (method.eval(), *norms))


def test_statistics_are_taken_over_one_place_at_a_time() -> None:
    """The n-th pictures of all posts are one batch, as the public code runs its encoder."""
    method = made(batch_norm="batch", freeze_vision=False).train()
    batch = batch_of(method, POSTS)
    pictures, there = batch.inputs["pictures"], torch.ones_like(batch.inputs["there"])
    pictures[:, 1] = pictures[:, 1] * 3 + 1
    found = method.blocks(pictures, there)[0].unflatten(0, (len(POSTS), 3))
    alone = method.vision.stages(pictures[:, 1])[0]
    assert torch.allclose(found[:, 1], alone, atol=1e-5)


def test_one_of_a_batch_is_a_batch_of_one() -> None:
    method = made()
    together = emissions(method, batch_of(method, POSTS))
    for row, document in enumerate(POSTS):
        alone = emissions(method, batch_of(method, [document]))[0]
        assert torch.allclose(together[row, : len(alone)], alone, atol=1e-5)


@pytest.mark.parametrize("pyramid", ["joined", "per_block"])
def test_a_few_steps_fit_a_few_posts(pyramid: str) -> None:
    method = made(pyramid=pyramid, freeze_vision=False, batch_norm="batch", crop_count=0)
    batch = batch_of(method, POSTS, targets=True)
    optimiser = torch.optim.AdamW(method.trainable(), lr=3e-3)
    losses = []
    for _ in range(12):
        optimiser.zero_grad()
        loss = method(batch).loss
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]


def test_bare_text_and_empty_text() -> None:
    method = made()
    for text in ("just some words", "", "\N{NO-BREAK SPACE}"):
        document = Document(id="x", blocks=(Block(id="b0", text=text),))
        (found,) = method.predict([document], [Supplier()(document, method.needs())])
        assert all(e.span.end <= len(text) for e in found.entities)


def test_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="four blocks of a ResNet"):
        made(vision="tiny-vit")
    with pytest.raises(ConfigError, match="crop_count"):
        made(crop_count=-1)
    with pytest.raises(ConfigError, match="max_length"):
        made(max_length=2)
    with pytest.raises(ConfigError, match="does not fit"):
        Hvpnet(HvpnetConfig(visual=True), LabelSpace.of(POSTS), made().text, None)
