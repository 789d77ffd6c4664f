"""BART over text with something beside it."""

from __future__ import annotations

import pytest
import torch

from magpie.backbones import load_seq2seq
from magpie.backbones.beside import check_bart, encode_beside
from magpie.errors import ConfigError


def test_with_nothing_beside_it_is_the_plain_encoder() -> None:
    bart = load_seq2seq("tiny-bart")
    found = bart.tokenizer(["Rocky met a dog", "the"], padding=True, return_tensors="pt")
    ids, mask = found["input_ids"], found["attention_mask"]
    with torch.no_grad():
        ours = encode_beside(bart, torch.zeros(2, 0, bart.width), ids, mask.bool())
        plain = bart.encode(bart.embed(ids), mask)
    torch.testing.assert_close(ours[mask.bool()], plain[mask.bool()], atol=1e-5, rtol=1e-5)


def test_neighbours_are_seen_where_the_mask_says_so_and_have_no_order() -> None:
    bart = load_seq2seq("tiny-bart")
    ids = bart.tokenizer(["Rocky met a dog"], return_tensors="pt")["input_ids"]
    torch.manual_seed(1)
    beside = torch.randn(1, 3, bart.width)
    text = torch.ones(1, ids.shape[1], dtype=torch.bool)
    some = torch.cat([torch.tensor([[True, False, True]]), text], 1)
    with torch.no_grad():
        seen = encode_beside(bart, beside, ids, some)
        other = beside.clone()
        other[0, 1] += 3
        hidden = encode_beside(bart, other, ids, some)
        other[0, 0] += 3
        shown = encode_beside(bart, other, ids, some)
        turned = encode_beside(bart, beside.flip(1), ids, some)
    torch.testing.assert_close(seen[:, 3:], hidden[:, 3:])
    assert not torch.allclose(seen[:, 3:], shown[:, 3:], atol=1e-3)
    torch.testing.assert_close(seen[:, 3:], turned[:, 3:], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(seen[:, 0], turned[:, 2], atol=1e-5, rtol=1e-4)


def test_another_family_is_refused() -> None:
    check_bart(load_seq2seq("tiny-bart"))
    with pytest.raises(ConfigError, match="expected a BART, got 'tiny-t5'"):
        check_bart(load_seq2seq("tiny-t5"))
