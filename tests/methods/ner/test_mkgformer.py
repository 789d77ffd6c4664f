"""MKGformer's tagger: the values of its specification, its options, and what must never matter."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from transformers import CLIPVisionConfig, CLIPVisionModel  # noqa: E402

from magpie.backbones import VisionEncoder, load_text, load_vision  # noqa: E402
from magpie.errors import ConfigError  # noqa: E402
from magpie.features import Crops, Pixels  # noqa: E402
from magpie.methods._mkgformer import Towers  # noqa: E402
from magpie.methods.checkpoint import load_method, save_method  # noqa: E402
from magpie.methods.components.ideas import IdeasConfig  # noqa: E402
from magpie.methods.ner.mkgformer import Mkgformer, MkgformerConfig  # noqa: E402
from magpie.vision import PixelSpec  # noqa: E402
from magpie.vision.pixels import CLIP  # noqa: E402

from .samples import FOUR, bare, batch_of, bert_base, pictured, post, shake  # noqa: E402

TINY: dict[str, Any] = {
    "text": "tiny-bert",
    "vision": "tiny-clip",
    "fusion_layers": 1,
    "grounded_count": 2,
    "grounded_side": 32,
    "detector_count": 2,
    "detector_side": 16,
    "max_length": 24,
}


def mkgformer(**settings: Any) -> Mkgformer:
    torch.manual_seed(0)
    method = Mkgformer.build(MkgformerConfig(**{**TINY, **settings}), FOUR)
    shake(method, 0.2)
    return method.eval()


def clip_base() -> VisionEncoder:
    """CLIP's ViT-B/32 in size only."""
    with torch.device("meta"):
        model = CLIPVisionModel(CLIPVisionConfig(patch_size=32))
    return VisionEncoder(model, "clip", PixelSpec(fit="centre", normalisation=CLIP))


# sizes as published


def test_published_settings() -> None:
    c = MkgformerConfig()
    assert (c.text, c.vision) == ("bert-base-uncased", "clip-vit-base-patch32")
    assert (c.max_length, c.dropout, c.tag_order, c.reduction) == (128, 0.1, "umt", "mean")
    assert (c.grounded_count, c.grounded_side) == (3, 128)
    assert (c.detector_count, c.detector_side) == (3, 64)
    assert (c.fusion_layers, c.head_rate) == (4, 5e-2)
    assert (c.mask_text_prefix, c.use_full_image) == (True, False)


@pytest.mark.parametrize(("whole", "tokens"), [(False, 61), (True, 110)])
def test_picture_tokens(whole: bool, tokens: int) -> None:
    config = MkgformerConfig(use_full_image=whole)
    with torch.device("meta"):
        towers = Towers(config, bert_base(), clip_base())
    assert towers.vision_tokens == tokens
    assert towers.lockstep.fusion_start == 8
    assert sum(p.numel() for p in towers.parameters()) == 28_348_416 + 46_080


def test_what_it_asks_for() -> None:
    config = MkgformerConfig(grounded="phrases", detector="boxes")
    with torch.device("meta"):
        towers = Towers(config, bert_base(), clip_base())
        wide = Towers(MkgformerConfig(use_full_image=True), bert_base(), clip_base())

    def spec(side: int) -> PixelSpec:
        return PixelSpec(side=side, fit="centre", normalisation=CLIP)

    assert towers.needs() == {
        Crops("phrases", 3, spec(128)),
        Crops("boxes", 3, spec(64)),
    }
    assert Pixels(spec(224)) in wide.needs()
    assert len(wide.needs()) == 3


# what goes in


def test_cut_outs_enter_as_they_are_and_absent_ones_as_zeros() -> None:
    method = mkgformer()
    documents = pictured(4)
    shown = batch_of(method, documents).inputs
    assert shown["grounded"].shape == (4, 2, 3, 32, 32)
    assert shown["detector"].shape == (4, 2, 3, 16, 16)
    # "whole" repeats the picture.
    assert torch.equal(shown["grounded"][:, 0], shown["grounded"][:, 1])
    assert float(shown["grounded"].abs().sum()) > 0
    absent = batch_of(method, bare(documents)).inputs
    assert not absent["grounded"].any()
    assert not absent["detector"].any()


def test_the_whole_picture_is_read_where_it_is_asked_for() -> None:
    method = mkgformer(use_full_image=True)
    batch = batch_of(method, pictured(4))
    assert batch.inputs["whole"].shape == (4, 3, 64, 64)
    before = method(batch).scores["emissions"]
    batch.inputs["whole"] = torch.zeros_like(batch.inputs["whole"])
    assert not torch.allclose(method(batch).scores["emissions"], before, atol=1e-3)
    seen = method.towers(method.text, method.vision, batch.inputs).vision[-1]
    assert seen.shape[1] == method.towers.vision_tokens == 1 + 64 + 2 * 16 + 2 * 4


def test_the_picture_reaches_the_emissions() -> None:
    method = mkgformer()
    batch = batch_of(method, pictured(4))
    before = method(batch).scores["emissions"]
    for kind in ("grounded", "detector"):
        changed = batch_of(method, pictured(4))
        changed.inputs[kind] = changed.inputs[kind].flip(0)
        assert not torch.allclose(method(changed).scores["emissions"], before, atol=1e-4)


# padding


def uneven(method: Mkgformer) -> Any:
    texts = ("Rocky saw it again today", "Rocky")
    return batch_of(method, [post(text.split(), ("PER", 0, 1)) for text in texts])


def test_padding_is_hidden_by_default() -> None:
    method = mkgformer()
    batch = uneven(method)
    length = batch.inputs["input_ids"].shape[1]
    assert length < method.room
    before = method(batch).scores["emissions"]
    real = batch.inputs["attention_mask"].bool()
    batch.inputs["input_ids"][~real] = 9
    assert torch.equal(method(batch).scores["emissions"][real], before[real])


def test_the_public_code_pads_to_the_full_length_and_sees_it() -> None:
    method = mkgformer(mask_text_prefix=False)
    batch = uneven(method)
    assert batch.inputs["input_ids"].shape == (2, method.room)
    assert batch.targets["tags"].shape == (2, method.room)
    assert batch.inputs["attention_mask"].sum(1).tolist() == [
        len(e.inputs["input_ids"]) for e in batch.examples
    ]
    assert method(batch).loss.isfinite()
    before = method(batch).scores["emissions"]
    batch.inputs["input_ids"][batch.inputs["attention_mask"] == 0] = 9
    real = batch.inputs["attention_mask"].bool()
    assert not torch.allclose(method(batch).scores["emissions"][real], before[real], atol=1e-4)


def test_full_length_makes_a_text_independent_of_its_neighbours() -> None:
    method = mkgformer(mask_text_prefix=False)
    batch = uneven(method)
    together = method(batch).scores["emissions"]
    for row, example in enumerate(batch.examples):
        alone = method(method.collate([example])).scores["emissions"]
        assert torch.allclose(alone[0], together[row], atol=1e-5)


@pytest.mark.parametrize("mask", [True, False])
def test_words_as_chain_positions(mask: bool) -> None:
    method = mkgformer(subtoken="first_only", mask_text_prefix=mask)
    batch = uneven(method)
    output = method(batch)
    assert output.scores["emissions"].shape == (2, 5, 9)
    assert batch.targets["tags"].shape == (2, 5)
    assert output.loss.isfinite()


@pytest.mark.parametrize("mask", [True, False])
def test_a_dictionary_may_speak(mask: bool, tmp_path: Path) -> None:
    names = tmp_path / "names.tsv"
    names.write_text("Rocky\tPER\t9\n", "utf-8")
    ideas = IdeasConfig(
        dictionary=str(names), eps=0.0, dictionary_features=True, beta=0.5, lower_image=False
    )
    plain, told = mkgformer(mask_text_prefix=mask), mkgformer(mask_text_prefix=mask, ideas=ideas)
    told.load_state_dict(plain.state_dict(), strict=False)
    with torch.no_grad():
        told.ideas.features.weight.zero_()
        told.ideas.features.bias.zero_()
    gap = (
        told(uneven(told)).scores["emissions"] - plain(uneven(plain)).scores["emissions"]
    ).detach()
    begins = told.tag_ids["B-PER"]
    # The first word of both posts is the name: beta ln(1 / 0.25) on B-PER.
    assert gap[:, 1, begins].tolist() == pytest.approx([0.5 * math.log(4)] * 2, abs=1e-4)
    assert float(gap[:, 2:].abs().max()) < 1e-4


# what is trained


def test_who_receives_a_gradient() -> None:
    method = mkgformer()
    method.train()
    method(batch_of(method, pictured(4))).loss.backward()
    without = {name for name, p in method.named_parameters() if p.grad is None}
    assert without == {
        "backbones.text.model.pooler.dense.weight",
        "backbones.text.model.pooler.dense.bias",
        "backbones.vision.model.embeddings.position_embedding.weight",
        "backbones.vision.model.post_layernorm.weight",
        "backbones.vision.model.post_layernorm.bias",
        "towers.lockstep.fusions.0.dense.weight",
        "towers.lockstep.fusions.0.dense.bias",
    }
    convolution = method.vision.transformer.embeddings.patch_embedding.weight.grad  # type: ignore[union-attr]
    assert convolution is not None
    assert float(convolution.abs().sum()) > 0


def test_the_head_has_its_own_rate() -> None:
    method = mkgformer()
    towers, head = method.groups()
    assert (towers.rate, head.rate) == (None, 5e-2)
    names = {id(p): name for name, p in method.named_parameters()}
    assert {names[id(p)] for p in head.parameters} == {
        "head.weight", "head.bias", "crf.start", "crf.end", "crf.transitions",
    }  # fmt: skip
    assert len(towers.parameters) + len(head.parameters) == len(list(method.parameters()))


def test_two_posts_are_learned_by_heart() -> None:
    torch.manual_seed(0)
    method = Mkgformer.build(MkgformerConfig(**TINY, dropout=0.0), FOUR).eval()
    batch = batch_of(method, pictured(4)[:2])
    optimiser = torch.optim.Adam(method.parameters(), 1e-2)
    first = method(batch).loss.item()
    for _ in range(30):
        optimiser.zero_grad()
        method(batch).loss.backward()
        optimiser.step()
    assert method(batch).loss.item() < 0.2 * first


# what is refused


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"vision": "tiny-vit"}, "the picture tower must be of type clip_vision_model, got 'vit'"),
        ({"text": "tiny-roberta"}, "the text tower must be of type bert, got 'roberta'"),
        ({"grounded_side": 36}, "grounded_side must be a multiple of 8, got 36"),
        ({"detector_side": 4}, "detector_side must be a multiple of 8, got 4"),
        ({"grounded_count": 0}, "grounded_count must be at least 1, got 0"),
        ({"fusion_layers": 2}, "fusion_layers must lie in 1 to 1, got 2"),
        ({"fusion_layers": 0}, "fusion_layers must be at least 1, got 0"),
        ({"head_rate": 0.0}, "head_rate must be positive"),
        ({"max_length": 2}, "max_length must be at least 3, got 2"),
    ],
)
def test_impossible_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        mkgformer(**settings)


def test_towers_of_different_depth_are_refused() -> None:
    text, vision = load_text("tiny-bert"), load_vision("tiny-clip")
    vision.transformer.config.num_hidden_layers = 3
    with pytest.raises(ConfigError, match="both towers need the same num_hidden_layers"):
        Mkgformer(MkgformerConfig(**TINY), FOUR, text, vision)


def test_saved_and_loaded_it_says_the_same(tmp_path: Path) -> None:
    method = mkgformer(mask_text_prefix=False, use_full_image=True)
    save_method(method, tmp_path / "saved")
    loaded = load_method(tmp_path / "saved")
    assert isinstance(loaded, Mkgformer)
    assert loaded.config == method.config
    assert loaded.needs() == method.needs()
    ours, theirs = (m(batch_of(m, pictured(4))).scores["emissions"] for m in (method, loaded))
    assert torch.equal(ours, theirs)
