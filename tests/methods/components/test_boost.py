"""Attention boosted inside methods: neutral at its zero, and taught by its own loss alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from magpie.corpora.controlled import without_pictures  # noqa: E402
from magpie.errors import ConfigError  # noqa: E402
from magpie.methods.components.ideas import IdeasConfig  # noqa: E402
from magpie.methods.ner.basic_model import BasicModel, BasicModelConfig  # noqa: E402
from magpie.nn.attention_boost import CalibratedAttention  # noqa: E402

from .samples import (  # noqa: E402
    LABELS,
    NAMES,
    ask,
    batch_of,
    bert,
    emissions,
    hvpnet,
    mkgformer,
    mmner,
    posts,
    umgf,
    umt,
)


def gated(**ideas: Any) -> Any:
    return mmner("gated", **ideas)


#: method -> its attentions between words and picture
CALIBRATED = {umt: 3, mmner: 1, gated: 1, hvpnet: 2, mkgformer: 2}
EACH = pytest.mark.parametrize("make", CALIBRATED)


def moved(make: Any, **ideas: Any) -> Any:
    """With every weight but those of the parts moved, so that no attention is flat."""
    torch.manual_seed(0)
    method = make(**ideas).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in sorted(method.named_parameters()):
            if "calibration" not in name and "ideas" not in name:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return method


def seen(method: Any, documents: Any = None) -> Any:
    with torch.no_grad():
        return emissions(method, documents or posts())


@pytest.mark.parametrize("make", [umt, mkgformer])
def test_words_like_the_picture_gain_attention(make: Any) -> None:
    host = moved(make)
    same = moved(make, attn_boost="relevance", gamma=0.0)
    assert torch.equal(seen(same), seen(host))
    more = moved(make, attn_boost="relevance", gamma=20.0)
    assert (seen(more) - seen(host)).abs().max() > 1e-5


@EACH
def test_calibrated_attention_at_a_share_of_zero_is_the_plain_one(make: Any) -> None:
    host, method = moved(make), moved(make, attn_boost="calibrated", boost_share=0.0)
    torch.testing.assert_close(seen(method), seen(host), atol=1e-4, rtol=1e-4)
    full = moved(make, attn_boost="calibrated", boost_share=1.0)
    assert (seen(full) - seen(host)).abs().max() > 1e-4


@EACH
def test_a_mask_of_one_kind_corrects_nothing(make: Any) -> None:
    """m alike everywhere: a exp(1 - m) / sum = a."""
    host = moved(make)
    method = moved(make, attn_boost="calibrated", boost_share=1.0)
    parts = [m for m in method.modules() if isinstance(m, CalibratedAttention)]
    assert len(parts) == CALIBRATED[make]
    for part in parts:
        torch.nn.init.zeros_(part.keys.weight)
    torch.testing.assert_close(seen(method), seen(host), atol=1e-4, rtol=1e-4)


@EACH
@pytest.mark.parametrize("merge", ["fixed", "gate", "anneal"])
def test_the_disturbance_teaches_the_masks_and_nothing_else(make: Any, merge: str) -> None:
    method = moved(make, attn_boost="calibrated", boost_merge=merge)
    batch = batch_of(method, posts())
    output = method(batch)
    masks = [p for m in method.modules() if isinstance(m, CalibratedAttention) for p in m.masks()]
    assert len(masks) == 2 * CALIBRATED[make]
    others = [p for p in method.trainable() if id(p) not in {id(mask) for mask in masks}]
    taught = torch.autograd.grad(
        output.losses["disturbance"], [*masks, *others], allow_unused=True, retain_graph=True
    )
    assert all(g is not None and g.abs().sum() > 0 for g in taught[: len(masks)])
    assert all(g is None for g in taught[len(masks) :])
    task = torch.autograd.grad(output.losses["main"], masks, allow_unused=True)
    assert all(g is None for g in task)
    assert not any(m.disturbing for m in method.modules() if hasattr(m, "disturbing"))
    with torch.no_grad():
        assert "disturbance" not in method(batch).losses


@EACH
def test_masks_have_a_group_of_their_own(make: Any) -> None:
    method = make(attn_boost="calibrated", boost_merge="gate")
    groups = {group.name: group.parameters for group in method.groups()}
    own = [
        p for m in method.modules() if isinstance(m, CalibratedAttention) for p in m.parameters()
    ]
    assert len(own) == 3 * CALIBRATED[make]
    assert {id(p) for p in groups["calibration"]} == {id(p) for p in own}
    every = [id(p) for group in groups.values() for p in group]
    assert len(every) == len(set(every))
    assert {id(p) for p in method.trainable()} <= set(every)
    assert "calibration" not in {group.name for group in make().groups()}


@pytest.mark.parametrize("make", [umt, mmner, hvpnet, mkgformer])
def test_calibrated_attention_trains_where_no_picture_is_there(make: Any) -> None:
    method = make(attn_boost="calibrated", missing_image=True, drop_image=0.0).train()
    documents = [*posts(), *without_pictures(posts())]
    for rows in (documents[:4], documents[4:], documents[:4]):
        output = method(batch_of(method, rows))
        output.loss.backward()
    grown = [p.grad for p in method.parameters() if p.grad is not None]
    assert grown
    assert all(g.isfinite().all() for g in grown)


@pytest.mark.parametrize("make", [hvpnet, mkgformer])
def test_a_sure_word_does_not_look_however_attention_is_corrected(make: Any) -> None:
    """w = 0 everywhere: the picture says nothing, so that any other would do."""
    method = moved(make, attn_boost="calibrated", image_kind="stats", kind_strength=1.0)
    batch = batch_of(method, posts())
    (key,) = {"pictures", "grounded"} & set(batch.inputs)

    def found(bad: float, pixels: Any) -> Any:
        batch.inputs["p_bad"] = torch.full((4,), bad)
        batch.inputs[key] = pixels
        with torch.no_grad():
            return method(batch).scores["emissions"]

    pixels = batch.inputs[key]
    closed = found(1.0, pixels)
    torch.testing.assert_close(closed, found(1.0, pixels.flip(0)), atol=1e-5, rtol=0)
    assert (found(0.0, pixels) - closed).abs().max() > 1e-4
    for part in (m for m in method.modules() if isinstance(m, CalibratedAttention)):
        part.disturbing = True
    shaken = found(1.0, pixels)
    torch.testing.assert_close(shaken, found(1.0, pixels.flip(0)), atol=1e-5, rtol=0)


@EACH
def test_a_checkpoint_keeps_calibrations(make: Any, tmp_path: Path) -> None:
    from magpie.methods.checkpoint import load_method, save_method

    method = moved(make, attn_boost="calibrated", boost_merge="gate", dictionary=NAMES)
    save_method(method, tmp_path / "saved")
    again = load_method(tmp_path / "saved")
    assert torch.equal(seen(again, [ask(), *posts()]), seen(method, [ask(), *posts()]))


def test_refusals_say_why() -> None:
    config = BasicModelConfig(
        text="tiny-bert", vision="tiny-resnet", visual="resnet_global",
        ideas=IdeasConfig(attn_boost="calibrated"),
    )  # fmt: skip
    for boost in ("relevance", "calibrated"):
        with pytest.raises(ConfigError, match=f"attn_boost={boost}: gates join its words"):
            umgf(attn_boost=boost)
        with pytest.raises(ConfigError, match="it has no attention between words and picture"):
            bert(attn_boost=boost)
    with pytest.raises(ConfigError, match=r"basic-model has no place .* no attention between"):
        BasicModel.build(config, LABELS)
    for make in (hvpnet, mmner):
        with pytest.raises(ConfigError, match=r"=relevance: .* its picture asks no words"):
            make(attn_boost="relevance")
    for fusion in ("concat_cls", "umgf"):
        with pytest.raises(ConfigError, match=f"fusion='{fusion}' has no attention between"):
            mmner(fusion, attn_boost="calibrated")
