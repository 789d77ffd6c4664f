"""The BART of a BERT reads as the BERT does, generates, and survives its folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from magpie.backbones import load_seq2seq, load_text
from magpie.backbones.warm_start import bart_from_bert, main
from magpie.errors import ConfigError


def _source(folder: Path) -> Path:
    encoder = load_text("tiny-bert")
    encoder.transformer.save_pretrained(folder)
    encoder.tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def ids() -> torch.Tensor:
    return torch.tensor([[2, 9, 11, 14, 3], [2, 8, 3, 0, 0]])


def test_the_encoder_is_the_bert(ids: torch.Tensor) -> None:
    source = load_text("tiny-bert").eval()
    made = bart_from_bert(source, decoder_layers=1)
    mask = (ids != 0).long()
    expected, found = source(ids, mask), made.encode(made.embed(ids), mask)
    # BART's norms add 1e-5 to the variance, BERT's 1e-12.
    assert torch.allclose(expected[mask.bool()], found[mask.bool()], atol=2e-3)
    assert not torch.allclose(expected[mask.bool()], torch.zeros_like(expected[mask.bool()]))


def test_decoder_layers_come_from_the_end_of_each_group() -> None:
    source = load_text("tiny-bert")
    layers = source.transformer.config.num_hidden_layers
    assert layers == 2
    made = bart_from_bert(source, decoder_layers=1).transformer.state_dict()
    last = source.transformer.state_dict()
    for asked in ("self_attn", "encoder_attn"):
        assert torch.equal(
            made[f"model.decoder.layers.0.{asked}.q_proj.weight"],
            last["encoder.layer.1.attention.self.query.weight"],
        )
    assert torch.equal(
        made["model.decoder.layers.0.fc2.weight"], last["encoder.layer.1.output.dense.weight"]
    )
    assert torch.equal(made["lm_head.weight"], last["embeddings.word_embeddings.weight"])


def test_the_folder_is_a_backbone(tmp_path: Path, ids: torch.Tensor) -> None:
    main([str(_source(tmp_path / "bert")), str(tmp_path / "bart"), "--decoder-layers", "2"])
    loaded = load_seq2seq(str(tmp_path / "bart")).eval()
    made = bart_from_bert(load_text(str(tmp_path / "bert")), decoder_layers=2)
    mask = (ids != 0).long()
    assert torch.allclose(loaded(ids, mask, ids), made(ids, mask, ids), atol=1e-6)
    tokenizer = loaded.tokenizer
    assert loaded.end_id == tokenizer.sep_token_id
    assert loaded.start_id == tokenizer.cls_token_id


def test_what_cannot_be_made() -> None:
    with pytest.raises(ConfigError, match="not of 'roberta'"):
        bart_from_bert(load_text("tiny-roberta"))
    with pytest.raises(ConfigError, match="decoder_layers must be 1 to 2, got 3"):
        bart_from_bert(load_text("tiny-bert"), decoder_layers=3)
