"""The two streams and their mix: worked values, and what a mask hides."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="networks need the extra 'train'")

from magpie.nn.multigrained import (  # noqa: E402
    MultiGrained,
    Stream,
    attend,
    divergence_scores,
    mix,
)


def test_attention_by_hand() -> None:
    query = torch.tensor([[[1.0, 0.0]]])
    value = torch.tensor([[[2.0, 0.0], [0.0, 4.0]]])
    weights = attend(query, torch.eye(2)[None], torch.eye(2)[None])
    assert torch.allclose(weights, torch.tensor([[[0.6698, 0.3302]]]), atol=1e-4)
    found = attend(query, torch.eye(2)[None], value)
    assert torch.allclose(found, torch.tensor([[[1.3395, 1.3210]]]), atol=1e-4)
    assert torch.allclose(found.tanh(), torch.tensor([[[0.8716, 0.8670]]]), atol=1e-4)


def test_a_hidden_key_has_no_say() -> None:
    torch.manual_seed(0)
    query, key, value = torch.randn(2, 3, 4), torch.randn(2, 5, 4), torch.randn(2, 5, 6)
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    found = attend(query, key, value, mask)
    assert found.shape == (2, 3, 6)
    assert torch.allclose(found[:1], attend(query[:1], key[:1, :3], value[:1, :3]), atol=1e-6)
    assert torch.allclose(found[1], attend(query, key, value)[1], atol=1e-6)
    assert attend(query, key, value, torch.zeros(2, 5)).isfinite().all()


def test_a_stream_sums_its_askers() -> None:
    torch.manual_seed(0)
    stream = Stream(4)
    asking, asked = torch.randn(2, 3, 4), torch.randn(2, 5, 4)
    one_by_one = sum(stream(asking[:, i : i + 1], asked) for i in range(3))
    assert torch.allclose(stream(asking, asked), one_by_one, atol=1e-6)
    assert stream(asking, asked).abs().max() < 3


def test_the_divergence_aware_sum_by_hand() -> None:
    scores = torch.tensor([[0.25, 0.75]])
    found = mix(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 0.0]]), scores)
    assert torch.equal(found, torch.tensor([[2.5, 0.5]]))


def test_of_a_pair_that_strengthens_phrases_say_nothing() -> None:
    torch.manual_seed(0)
    fusion = MultiGrained(4)
    patches, regions = torch.randn(2, 9, 4), torch.randn(2, 3, 4)
    words, phrases = torch.randn(2, 5, 4), torch.randn(2, 6, 4)
    other = torch.randn(2, 6, 4)
    strong, mixed = torch.tensor([[1.0, 0.0]] * 2), torch.tensor([[0.5, 0.5]] * 2)
    assert torch.equal(
        fusion(patches, regions, words, phrases, strong),
        fusion(patches, regions, words, other, strong),
    )
    assert not torch.allclose(
        fusion(patches, regions, words, phrases, mixed),
        fusion(patches, regions, words, other, mixed),
    )
    expected = fusion.word_patch(patches, words) + patches.sum(1)
    assert torch.allclose(fusion(patches, regions, words, phrases, strong), expected, atol=1e-6)


def test_scores_leave_weaken_out() -> None:
    logits = torch.tensor([[0.0, 1.0, 2.0]])
    assert torch.allclose(logits.softmax(1), torch.tensor([[0.0900, 0.2447, 0.6652]]), atol=1e-4)
    found = divergence_scores(logits)
    assert torch.allclose(found, torch.tensor([[0.7311, 0.2689]]), atol=1e-4)
    assert torch.allclose(found[0, 0], torch.sigmoid(torch.tensor(1.0)))
    torch.manual_seed(0)
    many = divergence_scores(10 * torch.randn(50, 3))
    assert torch.allclose(many.sum(1), torch.ones(50), atol=1e-6)
