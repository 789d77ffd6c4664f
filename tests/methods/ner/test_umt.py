"""UMT: the worked values of its specification, its options, and what must never matter."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from PIL import Image  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from magpie.errors import ConfigError  # noqa: E402
from magpie.features import Asset, Grid, Pixels  # noqa: E402
from magpie.methods.base import Batch  # noqa: E402
from magpie.methods.labels import LabelSpace, tag_names  # noqa: E402
from magpie.methods.ner.umt import Umt, UmtConfig, conversion  # noqa: E402
from magpie.vision import PixelSpec  # noqa: E402

from .samples import (  # noqa: E402
    FOUR,
    bare,
    batch_of,
    bert_base,
    count,
    enumerated_loss,
    meta_batch,
    pictured,
    post,
    shake,
)

TINY: dict[str, Any] = {"text": "tiny-bert", "visual": "pixels", "vision": "tiny-resnet"}
GRID: dict[str, Any] = {"text": "tiny-bert", "grid_width": 6, "cells": 3, "drop_image": 0.0}


def umt(**settings: Any) -> Umt:
    torch.manual_seed(0)
    method = Umt.build(UmtConfig(**{**GRID, **settings}), FOUR)
    shake(method)
    return method.eval()


def grids(method: Umt, *texts: str, there: tuple[bool, ...] | None = None) -> Batch:
    """Posts with gold and random grids."""
    documents = [post(text.split(), ("PER", 0, 1)) for text in texts]
    generator = torch.Generator().manual_seed(1)
    need = method.picture
    examples, targets = [], []
    for row, document in enumerate(documents):
        grid = torch.randn(6, 3, 3, generator=generator).numpy()
        present = there is None or there[row]
        asset = Asset({"grid": grid}) if present else Asset.absent("gone")
        examples.append(method.prepare(document.with_annotations(None), {need: asset}))
        targets.append(method.targets(document, examples[-1]))
    return method.collate(examples, targets)


# the conversion matrix


def test_span_scores_spread_over_the_types() -> None:
    names, matrix = conversion(tag_names(("PER", "LOC", "ORG", "MISC"), "umt"))
    assert names == ("PAD", "O", "B", "I", "X", "[CLS]", "[SEP]")
    row = torch.tensor([0.0, 1, 4, 2, 0, 0, 0])
    assert (row @ matrix).tolist() == [0, 1, 1, 0.5, 1, 0.5, 1, 0.5, 1, 0.5, 0, 0, 0]
    assert torch.equal(matrix.sum(1), torch.ones(7))
    assert torch.equal(matrix[:, 2:10].sum(0), torch.full((8,), 0.25))


def test_the_matrix_follows_other_inventories() -> None:
    names, matrix = conversion(tag_names(("A", "B", "C"), "words"))
    assert names == ("O", "B", "I")
    torch.testing.assert_close(matrix[1], torch.tensor([0, 1 / 3, 0, 1 / 3, 0, 1 / 3, 0]))
    names, _ = conversion(tag_names(FOUR.entity_types, "umgf"))
    assert names == ("PAD", "B", "I", "O", "X", "CLS", "SEP")


def test_the_matrix_is_neither_trained_nor_saved() -> None:
    method = umt()
    assert not method.conversion.requires_grad
    assert "conversion" not in method.state_dict()
    tags = torch.tensor([[11, 1, 4, 5, 10, 12, 0]])
    assert method.span_targets(tags).tolist() == [[5, 1, 2, 3, 4, 6, 0]]


# equations


def test_scores_are_mixed_before_the_chain() -> None:
    method = umt()
    nn.init.zeros_(method.classifier.weight)
    nn.init.zeros_(method.span_classifier.weight)
    with torch.no_grad():
        method.classifier.bias.copy_(torch.tensor([0.0, 2, 1] + [0.0] * 10))
        method.span_classifier.bias.copy_(torch.tensor([0.0, 1, 4, 0, 0, 0, 0]))
    scores = method(grids(method, "rocky runs")).scores
    assert scores["main"][0, 0, :3].tolist() == [0, 2, 1]
    assert scores["converted"][0, 0, :3].tolist() == [0, 1, 1]
    assert scores["emissions"][0, 0, :3].tolist() == [0, 1.5, 1]


class Fixed(nn.Module):
    """Answers every question with the same state."""

    def __init__(self, state: Tensor) -> None:
        super().__init__()
        self.state = state

    def forward(self, queries: Tensor, keys: Tensor, mask: Tensor | None = None) -> Tensor:
        return self.state.expand_as(queries)


def test_the_gate_admits_a_share_of_what_was_seen() -> None:
    method = umt()
    seen = torch.zeros(32)
    seen[:2] = torch.tensor([2.0, -1.0])
    method.words_ask_image = Fixed(seen)  # type: ignore[assignment]
    nn.init.zeros_(method.gate.weight)
    with torch.no_grad():
        method.gate.bias.copy_(torch.tensor([0.0, math.log(3)] + [0.0] * 30))
    joined: list[Tensor] = []
    method.classifier.register_forward_pre_hook(lambda _, given: joined.append(given[0]))
    method(grids(method, "rocky runs"))
    torch.testing.assert_close(joined[0][0, 0, 32:34], torch.tensor([1.0, -0.75]))


def test_shapes_and_parameters_of_the_published_size() -> None:
    config = UmtConfig(missing="zeros")
    with torch.device("meta"):
        method = Umt(config, FOUR, bert_base()).eval()
    seen: dict[str, tuple[int, ...]] = {}
    for name in ("words_ask_image", "image_asks_words", "words_ask_coupled", "classifier"):

        def keep(_: Any, given: Any, found: Tensor, name: str = name) -> None:
            seen[name] = tuple(found.shape)
            seen[f"into {name}"] = tuple(given[0].shape)

        method.get_submodule(name).register_forward_hook(keep)
    scores = method(meta_batch(2, 128, image=(2048, 7, 7))).scores
    assert seen["words_ask_image"] == seen["words_ask_coupled"] == (2, 128, 768)
    assert seen["image_asks_words"] == (2, 49, 768)
    assert seen["into classifier"] == (2, 128, 1536)
    assert tuple(scores["emissions"].shape) == (2, 128, 13)
    assert tuple(scores["spans"].shape) == (2, 128, 7)
    assert count(method, without=["backbones."]) == 39_792_662
    with torch.device("meta"):
        own_head = Umt(UmtConfig(), FOUR, bert_base())
    assert count(own_head, without=["backbones."]) == 39_792_662 + 768 * 13 + 13


def test_deeper_cross_blocks_and_no_span_detection() -> None:
    deep = umt(layers_words_to_image=2, layers_image_to_words=3, layers_words_to_coupled=1)
    blocks = (deep.words_ask_image, deep.image_asks_words, deep.words_ask_coupled)
    assert [len(block.layers) for block in blocks] == [2, 3, 1]
    plain = umt(span_detection=False)
    batch = grids(plain, "rocky runs")
    output = plain(batch)
    assert set(output.losses) == {"main"}
    assert torch.equal(output.scores["emissions"], output.scores["main"])
    assert not [n for n, _ in plain.named_parameters() if "span" in n]


def test_new_weights_start_as_berts_do_or_as_asked() -> None:
    torch.manual_seed(0)
    method = Umt.build(UmtConfig(**GRID), FOUR)
    assert method.gate.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert method.self_text.inner.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert not method.classifier.bias.any()
    wide = Umt.build(UmtConfig(**GRID, deviation=0.2), FOUR)
    assert wide.gate.weight.std().item() == pytest.approx(0.2, rel=0.1)
    assert wide.words_ask_image.layers[0].key.weight.std().item() == pytest.approx(0.2, rel=0.1)


# invariants


def test_cells_have_no_places() -> None:
    method = umt()
    batch = grids(method, "rocky runs", "we saw rocky")
    before = method(batch).scores["emissions"]
    image = batch.inputs["image"].flatten(2)
    order = torch.tensor([4, 8, 1, 0, 3, 2, 7, 6, 5])
    batch.inputs["image"] = image[:, :, order].unflatten(2, (3, 3))
    torch.testing.assert_close(method(batch).scores["emissions"], before, rtol=0, atol=2e-5)
    batch.inputs["image"] = image.flip(0).unflatten(2, (3, 3))
    assert not torch.allclose(method(batch).scores["emissions"], before, atol=1e-2)


def test_what_stands_behind_the_mask_never_matters() -> None:
    method = umt()
    batch = grids(method, "rocky runs", "so good : we saw rocky here today")
    with torch.no_grad():
        before = method(batch)
        mask = batch.inputs["attention_mask"].bool()
        assert not mask.all()
        batch.inputs["input_ids"] = torch.where(mask, batch.inputs["input_ids"], 17)
        after = method(batch)
    assert torch.equal(before.scores["emissions"][mask], after.scores["emissions"][mask])
    assert torch.equal(before.loss, after.loss)
    assert not torch.equal(before.scores["emissions"], after.scores["emissions"])


def of_span_branch(method: Umt) -> float:
    branch = [*method.self_spans.parameters(), *method.span_classifier.parameters()]
    return sum(float(p.grad.abs().sum()) for p in branch if p.grad is not None)


def test_what_reaches_the_span_branch() -> None:
    main_only = umt(beta=0.0)
    output = main_only(grids(main_only, "rocky runs"))
    assert torch.equal(output.loss, output.losses["main"])
    output.loss.backward()
    assert of_span_branch(main_only) > 0
    unmixed = umt(beta=0.0, alpha=1.0)
    unmixed(grids(unmixed, "rocky runs")).loss.backward()
    assert of_span_branch(unmixed) == 0


def test_the_loss_is_that_of_all_paths() -> None:
    method = umt()
    batch = grids(method, "dog", "city")
    output = method(batch)
    tags = batch.targets["tags"]
    spans = method.span_targets(tags)
    rows = range(2)
    main = [enumerated_loss(method.crf, output.scores["emissions"][r], tags[r]) for r in rows]
    aux = [enumerated_loss(method.span_crf, output.scores["spans"][r], spans[r]) for r in rows]
    expected = sum(main) / 2 + 0.5 * sum(aux) / 2
    assert output.loss.item() == pytest.approx(expected, rel=1e-5)
    assert output.losses["spans"].item() == pytest.approx(0.5 * sum(aux) / 2, rel=1e-5)


# a missing picture


def test_without_a_picture_it_is_bert_crf_to_the_bit() -> None:
    method = umt()
    batch = grids(method, "rocky runs", "we saw rocky", there=(True, False))
    output = method(batch)
    h = method.text(batch.inputs["input_ids"], batch.inputs["attention_mask"])
    text = method.text_classifier(h)
    assert torch.equal(output.scores["emissions"][1], text[1])
    assert not torch.equal(output.scores["emissions"][0], text[0])
    # Whatever stands where no picture is, even what is no number.
    batch.inputs["image"][1] = math.nan
    again = method(batch)
    assert torch.equal(again.scores["emissions"], output.scores["emissions"])
    again.loss.backward()
    assert all(bool(p.grad.isfinite().all()) for p in method.parameters() if p.grad is not None)


def test_nothing_visual_learns_from_posts_without_pictures() -> None:
    method = umt(span_detection=False)
    method(grids(method, "rocky runs", there=(False,))).loss.backward()
    for part in (method.image_as_keys, method.words_ask_image, method.gate, method.classifier):
        assert all(p.grad is None or not p.grad.any() for p in part.parameters())
    assert method.text_classifier.weight.grad is not None
    assert method.text_classifier.weight.grad.any()


def test_zeros_go_through_the_network() -> None:
    method = umt(missing="zeros")
    batch = grids(method, "rocky runs", there=(False,))
    before = method(batch).scores["emissions"]
    batch.inputs["image"] += 5.0
    assert torch.equal(method(batch).scores["emissions"], before)
    batch.inputs["has_image"] = torch.tensor([True])
    assert not torch.equal(method(batch).scores["emissions"], before)
    assert not hasattr(method, "text_classifier")


def test_one_fixed_picture_for_all_absent_ones(tmp_path: Path) -> None:
    path = tmp_path / "17_06_4705.png"
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    method = umt(**TINY, missing="default_image", default_image=str(path))
    with_it, without = pictured(4)[:2]
    other = bare([without])[0]
    batch = batch_of(method, [with_it, other])
    found = method(batch).scores["emissions"][1]
    assert batch.inputs["has_image"].tolist() == [True, False]
    batch.inputs["image"][1] = method.default_image
    batch.inputs["has_image"][1] = True
    torch.testing.assert_close(method(batch).scores["emissions"][1], found)
    assert method.default_image.std() > 0.5
    assert "default_image" in method.state_dict()


def test_the_fixed_picture_as_a_grid(tmp_path: Path) -> None:
    path = tmp_path / "fixed.png"
    Image.fromarray(np.full((80, 60, 3), 200, np.uint8)).save(path)
    method = umt(
        vision="tiny-resnet",
        grid_width=64,
        cells=2,
        image_side=64,
        missing="default_image",
        default_image=str(path),
    )
    assert method.default_image.shape == (64, 2, 2)
    assert method.default_image.any()


def test_hidden_pictures_teach_the_head_of_its_own() -> None:
    method = umt(drop_image=0.5)
    batch = grids(method, *["rocky runs"] * 40)
    method.eval()
    assert method._there(batch.inputs["has_image"]).all()
    method.train()
    torch.manual_seed(0)
    seen = method._there(batch.inputs["has_image"])
    assert 10 <= int(seen.sum()) <= 30
    method(batch).loss.backward()
    assert method.text_classifier.weight.grad is not None
    assert method.text_classifier.weight.grad.any()


# the encoder inside, and its options


def test_a_frozen_encoder_keeps_its_averages_unless_they_may_drift() -> None:
    documents = pictured(4)

    def averages(method: Umt) -> Tensor:
        found = [b for n, b in method.named_buffers() if n.endswith("running_mean")]
        return torch.cat(found).clone()

    for drift in (False, True):
        torch.manual_seed(0)
        method = Umt.build(UmtConfig(**TINY, bn_drift=drift), FOUR)
        batch = batch_of(method, documents)
        method.train()
        before = averages(method)
        method(batch).loss.backward()
        assert torch.equal(averages(method), before) is not drift
        assert all(p.grad is None for p in method.backbones["vision"].parameters())
        assert not any(p.requires_grad for p in method.backbones["vision"].parameters())


def test_an_encoder_that_learns() -> None:
    method = Umt.build(UmtConfig(**TINY, freeze_vision=False, drop_image=0.0), FOUR)
    method.train()
    method(batch_of(method, pictured(4))).loss.backward()
    gradients = [p.grad for p in method.backbones["vision"].parameters()]
    assert all(g is not None for g in gradients)
    assert sum(float(g.abs().sum()) for g in gradients if g is not None) > 0


def test_what_it_asks_to_be_supplied() -> None:
    assert umt().needs() == {Grid("resnet-152", PixelSpec(side=224, fit="crop"), 3)}
    moved = umt(augment="umt")
    assert moved.needs() == {Grid("resnet-152", PixelSpec(side=224, fit="window"), 3)}
    inside = umt(**TINY)
    assert inside.needs() == {Pixels(PixelSpec(side=64))}
    assert umt(**TINY, augment="umt").needs() == {Pixels(PixelSpec(side=64, fit="window"))}


def test_features_of_another_encoder_are_refused() -> None:
    method = umt()
    grid = np.zeros((2048, 7, 7), np.float32)
    with pytest.raises(ConfigError, match=r"post: .*shape \[6, 3, 3\], got \[2048, 7, 7\]"):
        method.prepare(post(["rocky"]), {method.picture: Asset({"grid": grid})})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alpha": 1.5}, "alpha in"),
        ({"beta": -1.0}, "beta >= 0"),
        ({"drop_image": 1.0}, "drop_image in"),
        ({"bn_drift": True}, "cached features cannot drift"),
        ({"missing": "default_image"}, "needs the path"),
        ({"default_image": "a.png"}, "needs the path"),
    ],
)
def test_impossible_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        UmtConfig(**settings)


def test_an_encoder_that_does_not_fit_the_switch() -> None:
    with pytest.raises(ConfigError, match="visual='pixels' does not fit"):
        Umt(UmtConfig(**TINY), FOUR, umt().text)


# words only, and whole documents


def test_over_words_instead_of_pieces() -> None:
    method = umt(subtoken="first_only")
    assert method.span_names == ("O", "B", "I")
    batch = grids(method, "rocky runs", "we saw rocky here")
    output = method(batch)
    assert tuple(output.scores["emissions"].shape) == (2, 4, 9)
    assert tuple(output.scores["spans"].shape) == (2, 4, 3)
    assert bool(output.loss.isfinite())


def test_it_learns_two_posts_and_finds_them_again() -> None:
    torch.manual_seed(0)
    method = Umt.build(
        UmtConfig(**GRID, deviation=0.15, dropout=0.0), LabelSpace(entity_types=("LOC", "PER"))
    )
    documents = [
        post(["we", "saw", "paris"], ("LOC", 2, 3)),
        post(["rocky", "runs"], ("PER", 0, 1)),
    ]
    assets = [{method.picture: Asset({"grid": np.ones((6, 3, 3), np.float32)})} for _ in documents]
    examples = [method.prepare(d, a) for d, a in zip(documents, assets, strict=True)]
    targets = [method.targets(d, e) for d, e in zip(documents, examples, strict=True)]
    batch = method.collate(examples, targets)
    optimiser = torch.optim.AdamW(method.parameters(), lr=3e-3)
    method.eval()
    for _ in range(60):
        optimiser.zero_grad()
        loss = method(batch).loss
        loss.backward()
        optimiser.step()
    assert loss.item() < 1.0
    found = method.predict(documents, assets)
    assert [
        [(e.type, d.text_of(e.span)) for e in a.entities]
        for d, a in zip(documents, found, strict=True)
    ] == [
        [("LOC", "paris")],
        [("PER", "rocky")],
    ]
