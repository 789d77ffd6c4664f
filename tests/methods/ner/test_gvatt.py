"""GVATT: letters, words, the picture's road, and HBiLSTM-CRF when there is none."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from magpie.errors import ConfigError, ModelError  # noqa: E402
from magpie.features import Asset, Grid, Pixels  # noqa: E402
from magpie.methods.base import Batch  # noqa: E402
from magpie.methods.checkpoint import load_method, save_method  # noqa: E402
from magpie.methods.ner.gvatt import Gvatt, GvattConfig, letter_ids  # noqa: E402
from magpie.schema import Block, Document  # noqa: E402
from magpie.vision import PixelSpec  # noqa: E402

from .samples import FOUR, bare, batch_of, pictured, post, shake  # noqa: E402

TINY: dict[str, Any] = {
    "text": "tiny-words",
    "letter_width": 4,
    "letter_hidden": 3,
    "hidden": 5,
    "attention_width": 6,
    "grid_width": 6,
    "cells": 3,
    "dropout": 0.0,
}
PIXELS = {"image": "pixels", "vision": "tiny-resnet"}


def gvatt(**settings: Any) -> Gvatt:
    torch.manual_seed(0)
    method = Gvatt.build(GvattConfig(**{**TINY, **settings}), FOUR)
    shake(method)
    return method.eval()


def grids(method: Gvatt, *texts: str, there: tuple[bool, ...] | None = None) -> Batch:
    """Posts with gold and random grids."""
    documents = [post(text.split(), ("PER", 0, 1)) for text in texts]
    generator = torch.Generator().manual_seed(1)
    examples, targets = [], []
    for row, document in enumerate(documents):
        grid = Asset({"grid": torch.randn(6, 3, 3, generator=generator).numpy()})
        asset = grid if there is None or there[row] else Asset.absent("gone")
        assets = dict.fromkeys(method.needs(), asset)
        examples.append(method.prepare(document.with_annotations(None), assets))
        targets.append(method.targets(document, examples[-1]))
    return method.collate(examples, targets)


def test_letters() -> None:
    assert letter_ids("") == [1]
    assert letter_ids("aA\u00ff") == [98, 66, 256]
    # The rest of Unicode shares the upper half, and never leaves the table.
    assert letter_ids("\u0633\U0001f469") == [257 + ord("\u0633") % 255, 257 + 0x1F469 % 255]
    assert max(letter_ids("".join(map(chr, range(0x100, 0x600))))) == 511


def test_what_is_read_of_a_post() -> None:
    method = gvatt(longest_word=3, max_length=4)
    batch = grids(method, "rocky ran", "we saw rocky here today")
    inputs = batch.inputs
    assert tuple(inputs["input_ids"].shape) == (2, 4)
    assert tuple(inputs["letters"].shape) == (2, 4, 3)
    assert inputs["letter_counts"].tolist() == [[3, 3, 0, 0], [2, 3, 3, 3]]
    assert inputs["first"].tolist() == [[0, 1, -1, -1, -1], [0, 1, 2, 3, -1]]
    assert batch.examples[1].notes["cut"] == 1
    assert batch.targets["tags"].tolist()[0][:2] == [method.tag_ids["B-PER"], 0]


def test_a_word_is_its_vector_beside_its_letters() -> None:
    method = gvatt()
    batch = grids(method, "rocky rocked")
    states = method.text_states(batch)
    assert tuple(states.shape) == (1, 2, 16 + 2 * 3)
    assert torch.equal(states[..., :16], method.vectors(batch.inputs["input_ids"]))
    batch.inputs["letters"][0, 1, 0] += 1
    changed = method.text_states(batch)
    assert torch.equal(changed[0, 0], states[0, 0])
    assert not torch.equal(changed[0, 1, 16:], states[0, 1, 16:])


def test_neighbours_and_padding_change_nothing() -> None:
    method = gvatt(attention="joint")
    batch = grids(method, "rocky", "we really saw rocky here today")
    found = method(batch).scores["emissions"]
    alone = method(grids(method, "rocky")).scores["emissions"]
    torch.testing.assert_close(found[0, :1], alone[0])
    batch.inputs["input_ids"][0, 1:] = 17
    batch.inputs["letters"][0, 1:] = 5
    torch.testing.assert_close(method(batch).scores["emissions"][0, :1], alone[0])


@pytest.mark.parametrize("missing", ["text", "zeros"])
def test_without_a_picture(missing: str) -> None:
    method = gvatt(missing=missing)
    batch = grids(method, "rocky runs", "we saw rocky", there=(True, False))
    output = method(batch)
    blind = gvatt(image="none")
    blind.load_state_dict(method.state_dict(), strict=False)
    text = blind(grids(blind, "rocky runs", "we saw rocky")).scores["emissions"]
    # With missing="text" the same tagger without eyes; with zeros the gates still say something.
    assert torch.allclose(output.scores["emissions"][1], text[1]) == (missing == "text")
    assert not torch.allclose(output.scores["emissions"][0], text[0], atol=1e-3)
    batch.inputs["image"][1] = math.nan
    again = method(batch)
    assert torch.equal(again.scores["emissions"], output.scores["emissions"])
    again.loss.backward()
    assert all(bool(p.grad.isfinite().all()) for p in method.parameters() if p.grad is not None)


def test_hbilstm_crf_has_no_eyes() -> None:
    method = gvatt(image="none")
    assert method.needs() == frozenset()
    assert not [n for n, _ in method.named_parameters() if n.startswith(("attention", "gate"))]
    documents = pictured(4)
    one, other = (
        method(batch_of(method, each)).scores["emissions"] for each in (documents, bare(documents))
    )
    assert torch.equal(one, other)


def test_what_it_asks_to_be_supplied() -> None:
    assert gvatt().needs() == {Grid("resnet-152", PixelSpec(side=224, fit="crop"), 3)}
    assert gvatt(**PIXELS).needs() == {Pixels(PixelSpec(side=64))}


def test_an_encoder_that_learns_and_one_that_does_not() -> None:
    for frozen in (True, False):
        torch.manual_seed(0)
        method = Gvatt.build(GvattConfig(**{**TINY, **PIXELS}, freeze_vision=frozen), FOUR)
        method.train()
        method(batch_of(method, pictured(4))).loss.backward()
        assert any(p.grad is not None for p in method.backbones["vision"].parameters()) != frozen
    still = gvatt(freeze_words=True)
    still(grids(still, "rocky runs")).loss.backward()
    assert still.vectors.table.weight.grad is None


def test_words_that_are_far_too_many_are_left_alone() -> None:
    method = gvatt(image="none", max_length=5)
    document = Document(id="a", blocks=(Block(text="Rocky saw it " * 9),))
    (found,) = method.predict([document], [{}])
    assert all(e.span.end <= len("Rocky saw it Rocky saw") for e in found.entities)
    assert method.room == 5
    assert method.piece_counts(document)[:2] == [("b0", 0, 5, 1), ("b0", 6, 9, 1)]


def test_a_checkpoint_keeps_its_words(tmp_path: Path) -> None:
    method = gvatt(**PIXELS)
    save_method(method, tmp_path / "kept")
    again = load_method(tmp_path / "kept")
    batch = batch_of(method, pictured(4))
    for name, value in method(batch).scores.items():
        assert torch.equal(again(batch).scores[name], value)


def test_refusals() -> None:
    with pytest.raises(ConfigError, match="use subtoken first_only"):
        GvattConfig(subtoken="x_tag")
    with pytest.raises(ConfigError, match="letter_hidden, hidden must be at least 1"):
        GvattConfig(letter_hidden=0, hidden=0)
    with pytest.raises(ModelError, match="no-such-file"):
        gvatt(text="no-such-file.txt")
    with pytest.raises(ConfigError, match="no place for casing"):
        gvatt(casing=True)
    with pytest.raises(ConfigError, match="does not fit"):
        Gvatt(GvattConfig(**TINY, image="pixels"), FOUR, gvatt().vectors)
    method = gvatt()
    (need,) = method.needs()
    asset = Asset({"grid": np.zeros((2, 7, 7), np.float32)})
    with pytest.raises(ConfigError, match=r"post: .*shape \[6, 3, 3\], got \[2, 7, 7\]"):
        method.prepare(post(["rocky"]), {need: asset})
