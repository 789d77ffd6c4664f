"""Rows and words that look at one another: sizes, masks, and the attentions by hand."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch", reason="layers need the extra 'train'")

from torch import Tensor, nn  # noqa: E402

from magpie.nn.caption_aware import CaptionAware, normed  # noqa: E402

B, N, P, L, D = 2, 3, 5, 4, 8


def made(*, swap: bool = False) -> CaptionAware:
    torch.manual_seed(0)
    return CaptionAware(D, swap=swap).eval()


def given() -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(1)
    return torch.randn(B, N, P, D), torch.randn(B, D), torch.randn(B, L, D)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_published_sizes() -> None:
    module = CaptionAware(768)
    attention = [
        part
        for side in ("row", "word")
        for part in (getattr(module, f"{side}_{role}") for role in ("query", "key", "value"))
    ]
    assert sum(map(count, attention)) + count(module.merge) == 4_134_144
    assert count(module.join) == 1_180_416
    assert count(module.row_map) == count(module.word_map) == 2_361_600
    assert count(module) == 4_134_144 + 1_180_416 + 2 * 2_361_600
    with torch.no_grad():
        z = module(torch.zeros(1, 1, 49, 768), torch.zeros(1, 768), torch.zeros(1, 40, 768))
    assert z.shape == (1, 1, 89, 768)


def test_one_image_by_hand() -> None:
    """The definition, one attention at a time and without batching over images."""
    module = made()
    rows, sentence, words = given()
    z = module(rows, sentence, words)

    def att(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return (q @ k.T / D**0.5).softmax(1) @ v

    for b in range(B):
        for i in range(N):
            said = sentence[b].expand(P, D)
            x = module.row_map(module.join(torch.cat([rows[b, i], said], 1)))
            y = module.word_map(words[b])
            qx, kx, vx = module.row_query(x), module.row_key(x), module.row_value(x)
            qy, ky, vy = module.word_query(y), module.word_key(y), module.word_value(y)
            one = normed(att(qx, kx, vx) + att(qx, ky, vy))
            other = normed(att(qy, kx, vx) + att(qy, ky, vy))
            expected = nn.functional.elu(module.merge(torch.cat([one, other])))
            assert torch.allclose(z[b, i], expected, atol=1e-5)


def test_normed_rows_have_mean_0_and_variance_1_and_no_parameters() -> None:
    values = 7 * torch.randn(3, 6, 32) + 2
    found = normed(values)
    assert torch.allclose(found.mean(2), torch.zeros(3, 6), atol=1e-5)
    assert torch.allclose(found.var(2, unbiased=False), torch.ones(3, 6), atol=1e-3)
    assert not any("norm" in name for name, _ in made().named_parameters())


def test_padded_words_are_not_seen_and_are_zeros() -> None:
    module = made()
    rows, sentence, words = given()
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    other = words.clone()
    other[1, 2:] = 99.0
    with torch.no_grad():
        masked = module(rows, sentence, words, mask)
        assert torch.equal(masked, module(rows, sentence, other, mask))
        assert not torch.allclose(
            module(rows, sentence, words)[1], module(rows, sentence, other)[1], atol=1e-3
        )
        # Nothing is there but what a shorter text would give.
        alone = module(rows[1:], sentence[1:], words[1:, :2])
        assert torch.allclose(masked[1:, :, : P + 2], alone, atol=1e-5)
    assert not masked[1, :, P + 2 :].any()
    assert module.places(mask, P).tolist() == [[True] * 9, [True] * 7 + [False] * 2]


def test_the_exchanged_attention() -> None:
    module, swapped = made(), made(swap=True)
    rows, _, words = given()
    with torch.no_grad():
        ours, theirs = module.cross(rows, words), swapped.cross(rows, words)
        assert torch.equal(ours.rows, theirs.rows)
        assert not torch.allclose(ours.words, theirs.words, atol=1e-3)
        for each in (module, swapped):
            each.word_query = copy.deepcopy(each.word_key)
        ours, theirs = module.cross(rows, words), swapped.cross(rows, words)
        assert torch.allclose(ours.words, theirs.words, atol=1e-6)


def test_dropout_only_while_training() -> None:
    module = made()
    rows, sentence, words = given()
    with torch.no_grad():
        assert torch.equal(module(rows, sentence, words), module(rows, sentence, words))
        module.train()
        assert not torch.equal(module(rows, sentence, words), module(rows, sentence, words))
