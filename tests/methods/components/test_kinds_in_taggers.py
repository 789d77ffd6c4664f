"""The kind of a picture inside taggers: what tells it, and what weight follows."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from magpie.corpora.controlled import without_pictures  # noqa: E402
from magpie.errors import ConfigError, ModelError  # noqa: E402
from magpie.features import Asset  # noqa: E402
from magpie.features.picture_kinds import PictureKinds  # noqa: E402
from magpie.features.store import Store  # noqa: E402
from magpie.features.supply import Supplier  # noqa: E402
from magpie.methods.components.ideas import Ideas, IdeasConfig  # noqa: E402
from magpie.schema import ContextText  # noqa: E402
from magpie.vision.kinds import KIND_SOURCE  # noqa: E402

from .samples import NAMES, batch_of, emissions, posts, umt  # noqa: E402


def test_the_weight_of_a_token() -> None:
    ideas = Ideas(IdeasConfig(dictionary=NAMES, kappa=1.0), ("O",), 4)
    inputs = {"input_ids": torch.zeros(1, 2, dtype=torch.long), "kb_sure": torch.tensor([[0.5, 0]])}
    w = ideas.image_weight(torch.tensor([True]), torch.tensor([0.4]), inputs)
    assert w[0].tolist() == pytest.approx([0.2, 0.4])
    assert ideas.image_weight(torch.tensor([False]), torch.tensor([0.4]), inputs).sum() == 0


def test_statistics_lower_what_pictures_say() -> None:
    method = umt(image_kind="stats")
    batch = batch_of(method, posts())
    assert ((batch.inputs["p_bad"] > 0) & (batch.inputs["p_bad"] < 1)).all()
    scores = method(batch).scores
    expected = (1 - 0.8 * batch.inputs["p_bad"]).clamp_min(0)
    torch.testing.assert_close(scores["kind_weight"], expected)
    assert not torch.equal(scores["emissions"], emissions(umt(), posts()))


def test_the_linear_classifier_learns_from_named_kinds_alone() -> None:
    method = umt(image_kind="linear")
    documents = posts()
    named = ContextText(kind="note", text="photo", source=KIND_SOURCE)
    documents[0] = dataclasses.replace(documents[0], context=(named,))
    batch = batch_of(method, documents)
    assert batch.inputs["kind"].tolist() == [0, -100, -100, -100]
    output = method(batch)
    assert set(output.losses) >= {"main", "kind"}
    output.losses["main"].backward(retain_graph=True)
    assert method.ideas.kinds.weight.grad is None  # stopped unless kind_joint
    output.losses["kind"].backward()
    assert method.ideas.kinds.weight.grad.abs().sum() > 0
    joint = umt(image_kind="linear", kind_joint=True)
    joint(batch).losses["main"].backward()
    assert joint.ideas.kinds.weight.grad.abs().sum() > 0
    wrong = dataclasses.replace(named, text="painting")
    with pytest.raises(ConfigError, match="painting"):
        batch_of(method, [dataclasses.replace(documents[0], context=(wrong,))])


#: photos to 0.25, as far as anybody tells
HAND = np.array([0.25, 0.5, 0.125, 0.125], np.float32)


def test_prompts_lower_what_pictures_say() -> None:
    """p_bad = 0.75 -> k = 0.4, whoever tells the kind."""
    method = umt(image_kind="clip_zero_shot", kind_model="by-hand")
    assert PictureKinds("by-hand") in method.needs()
    told = Supplier(suppliers={PictureKinds: lambda document, need: Asset({"kinds": HAND})})
    batch = batch_of(method, posts(), told)
    assert batch.inputs["p_bad"].tolist() == [0.75] * 4
    scores = method(batch).scores
    assert scores["kind_weight"].tolist() == pytest.approx([0.4] * 4)
    assert scores["image_weight"].unique().tolist() == pytest.approx([0.4])
    assert not torch.equal(scores["emissions"], emissions(umt(), posts()))


def test_a_tiny_clip_tells_kinds_once_for_all_epochs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = umt(image_kind="clip_zero_shot", kind_model="tiny-clip")
    need, documents = PictureKinds("tiny-clip"), posts()
    supplier = Supplier(store=Store(tmp_path))
    batch = batch_of(method, documents, supplier)
    kinds = [row[need].arrays["kinds"] for row in supplier.many(documents, {need})]
    bad = batch.inputs["p_bad"]
    assert bad.tolist() == pytest.approx([1 - row[0] for row in kinds], abs=1e-5)
    assert bad.max() > 0.01
    weight = method(batch).scores["kind_weight"]
    torch.testing.assert_close(weight, 1 - 0.8 * bad)
    assert (weight < 1).any()

    def never(*_: object) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr("magpie.backbones.contrastive.DualEncoder.pictures", never)
    again = batch_of(method, documents, Supplier(store=Store(tmp_path)))
    assert torch.equal(again.inputs["p_bad"], bad)


def test_without_a_picture_nobody_is_asked_for_its_kind() -> None:
    method = umt(image_kind="clip_zero_shot", kind_model="tiny-clip", missing_image=True)
    (document,) = without_pictures(posts()[:1])
    batch = batch_of(method, [document])
    assert batch.inputs["p_bad"].tolist() == [0.0]
    assert method(batch).scores["image_weight"].sum() == 0.0


def test_a_model_that_is_not_here_is_named() -> None:
    method = umt(image_kind="clip_zero_shot", kind_model="somebody/clip-of-mine")
    with pytest.raises(ModelError, match="hf download somebody/clip-of-mine"):
        batch_of(method, posts()[:1])
    with pytest.raises(ConfigError, match="kind_model"):
        IdeasConfig(image_kind="clip_zero_shot", kind_model="")


@pytest.mark.parametrize(("bad", "least"), [(1.0, 0.0), (1.0, 0.25), (0.5, 0.0)])
def test_the_weight_never_falls_below_its_least(bad: float, least: float) -> None:
    method = umt(image_kind="stats", kind_strength=1.0, k_min=least)
    batch = batch_of(method, posts())
    batch.inputs["p_bad"] = torch.full((4,), bad)
    assert method(batch).scores["kind_weight"].tolist() == [max(least, 1 - bad)] * 4
