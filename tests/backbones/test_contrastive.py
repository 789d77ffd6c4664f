"""CLIP and its like: vectors of pictures and texts are those of transformers."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoConfig, AutoModel, BertConfig

from magpie.backbones import contrastive
from magpie.backbones.contrastive import load_dual
from magpie.backbones.tiny import tiny_tokenizer
from magpie.errors import ModelError, NotFoundError
from magpie.vision import LoadedImage, load_image

SIZES = {
    "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
}  # fmt: skip


def picture(seed: int, size: tuple[int, int] = (40, 32)) -> LoadedImage:
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return load_image(stream.getvalue())


def saved(folder: Path, family: str) -> tuple[Any, Any]:
    """A release as hubs have it: weights, tokenizer, and what is done to pictures."""
    tokenizer = tiny_tokenizer()
    length = 8 if family == "siglip" else 40
    text = {
        **SIZES, "vocab_size": len(tokenizer), "max_position_embeddings": length,
        "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3,
    }  # fmt: skip
    if family == "altclip":
        text |= {"project_dim": 8, "type_vocab_size": 1}
    vision = {**SIZES, "image_size": 32, "patch_size": 16}
    own = {} if family == "siglip" else {"projection_dim": 8}
    config = AutoConfig.for_model(family, text_config=text, vision_config=vision, **own)
    torch.manual_seed(0)
    model = AutoModel.from_config(config).eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    kind = {"siglip": "SiglipImageProcessor", "chinese_clip": "ChineseCLIPImageProcessor"}
    settings = {
        "image_processor_type": kind.get(family, "CLIPImageProcessor"),
        "size": {"height": 32, "width": 32} if family == "siglip" else {"shortest_edge": 32},
        "crop_size": {"height": 32, "width": 32},
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings), "utf-8")
    return model, tokenizer


@pytest.mark.parametrize("family", ["clip", "metaclip_2", "chinese_clip", "altclip", "siglip"])
def test_vectors_are_those_of_the_release(tmp_path: Path, family: str) -> None:
    model, tokenizer = saved(tmp_path, family)
    encoder = load_dual(str(tmp_path))
    square = picture(0, (32, 32))
    pixels = torch.from_numpy(square.pixels.copy()).permute(2, 0, 1)[None] / 255 * 2 - 1
    texts = ["a photo", "a long chart"]
    fixed = {"padding": "max_length", "max_length": 8} if family == "siglip" else {"padding": True}
    pieces = tokenizer(texts, return_tensors="pt", truncation=True, **fixed)
    names = ("input_ids",) if family == "siglip" else ("input_ids", "attention_mask")
    with torch.no_grad():
        seen = model.get_image_features(pixel_values=pixels).pooler_output
        said = model.get_text_features(**{name: pieces[name] for name in names}).pooler_output
    torch.testing.assert_close(encoder.pictures([square]), seen, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(encoder.texts(texts), said, atol=1e-5, rtol=1e-4)


def test_the_tiny_twin_tells_pictures_and_texts_apart() -> None:
    encoder = load_dual("tiny-clip")
    images = [picture(0), picture(1, (64, 20))]
    pictures = encoder.pictures(images)
    texts = encoder.texts(["a photo", "a chart", "a photo"])
    assert (pictures.shape, texts.shape) == ((2, 16), (3, 16))
    assert torch.equal(pictures, load_dual("tiny-clip").pictures(images))
    assert not torch.allclose(pictures[0], pictures[1])
    assert not torch.allclose(texts[0], texts[1])
    torch.testing.assert_close(texts[0], texts[2])
    # Longer than its 64 places: the end is cut off.
    assert encoder.texts(["photo " * 200]).isfinite().all()
    assert not any(p.requires_grad for p in encoder.model.parameters())


def test_what_a_fingerprint_rests_on() -> None:
    encoder, other = load_dual("tiny-clip"), load_dual("tiny-clip")
    assert encoder.fingerprint(["a photo"]) == other.fingerprint(["a photo"])
    assert encoder.fingerprint(["a photo"])["pieces"] != other.fingerprint(["a chart"])["pieces"]
    with torch.no_grad():
        next(iter(other.model.parameters())).add_(1.0)
    other.images.do_resize = False
    changed = other.fingerprint(["a photo"])
    same = {k for k, value in encoder.fingerprint(["a photo"]).items() if changed[k] == value}
    assert same == {"pieces"}


def test_short_names_stand_for_hub_names(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str, load: object) -> None:
        raise ModelError(name)

    monkeypatch.setattr(contrastive, "load_local", absent)
    with pytest.raises(ModelError, match="openai/clip-vit-base-patch32"):
        load_dual("clip-vit-base-patch32")


def test_what_is_not_there_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="hf download somebody/clip-of-mine"):
        load_dual("somebody/clip-of-mine")
    with pytest.raises(NotFoundError, match="tiny-clip"):
        load_dual("tiny-other")
    BertConfig().save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="is a bert, which does not compare") as caught:
        load_dual(str(tmp_path))
    assert caught.value.code == "model-mismatch"
