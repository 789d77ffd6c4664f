"""Attention that is raised by relevance, or corrected by what a disturbance would harm."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="layers need the extra 'train'")

from magpie.errors import ConfigError  # noqa: E402
from magpie.nn.attention_boost import (  # noqa: E402
    CalibratedAttention,
    calibrated_attention,
    calibrated_multihead,
    corrected,
    perturbed,
    relevance,
    relevance_bias,
)
from magpie.nn.bert_layers import CrossLayer, CrossStack, LayerSizes  # noqa: E402

A = torch.tensor([0.5, 0.3, 0.2])
M = torch.tensor([0.9, 0.2, 0.5])
SIZES = LayerSizes(width=8, heads=2, inner=16, dropout=0.0, attention_dropout=0.0)


def near(tensor: torch.Tensor, values: tuple[float, ...]) -> None:
    assert tensor.tolist() == pytest.approx(values, abs=1e-4)


def test_relevance_doubles_the_share_of_the_word() -> None:
    r = torch.tensor([1.0, 0.0, 0.0])
    near(relevance_bias(r, 1.0).softmax(0), (0.5, 0.25, 0.25))
    near(relevance_bias(r, 0.0).softmax(0), (1 / 3, 1 / 3, 1 / 3))


def test_relevance_is_the_best_patch_rescaled_within_the_sentence() -> None:
    words = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [2.0, 0.0], [9.0, 9.0]]])
    patches = torch.tensor([[[1.0, 0.0], [0.0, 0.5]]])
    mask = torch.tensor([[1, 1, 1, 0]])
    near(relevance(words, patches, mask)[0], (1 / 3, 0.0, 1.0, 0.0))
    alike = relevance(words[:, :1].expand(1, 3, 2), patches, torch.ones(1, 3))
    assert alike.tolist() == [[0.0, 0.0, 0.0]]


def test_perturbed_and_corrected_attention() -> None:
    near(perturbed(A, M), (0.4489, 0.3034, 0.2477))
    near(corrected(A, M), (0.3565, 0.4308, 0.2127))
    gain = corrected(A, M) / A
    assert int(gain.argmax()) == int(M.argmin())


def test_hidden_keys_stay_hidden() -> None:
    a = torch.tensor([0.6, 0.4, 0.0])
    moved = perturbed(a, M, torch.tensor([1, 1, 0]))
    assert moved[2].item() == 0.0
    assert moved.sum().item() == pytest.approx(1.0)
    assert corrected(a, M)[2].item() == 0.0


def test_merging_by_fixed_share() -> None:
    merged = CalibratedAttention(4).merged(A, corrected(A, M), torch.zeros(3, 4))
    near(merged, (0.4283, 0.3654, 0.2064))


def test_merging_by_gate() -> None:
    module = CalibratedAttention(2, "gate")
    with torch.no_grad():
        module.gate.weight.copy_(torch.tensor([[math.log(3.0), 0.0]]))
    merged = module.merged(A.view(1, 3), corrected(A, M).view(1, 3), torch.tensor([[1.0, 7.0]]))
    near(merged[0], tuple((0.75 * A + 0.25 * corrected(A, M)).tolist()))


def test_merging_anneals_with_the_steps() -> None:
    module = CalibratedAttention(4, "anneal", steps=10)
    fixed, nothing = corrected(A, M), torch.zeros(3, 4)
    near(module.merged(A, fixed, nothing), tuple(A.tolist()))
    module.step.fill_(10)
    near(module.merged(A, fixed, nothing), tuple((A / math.e + (1 - 1 / math.e) * fixed).tolist()))


def test_only_training_counts_steps_and_no_task_gradient_reaches_the_mask() -> None:
    module = CalibratedAttention(4, "anneal", steps=5)
    a = torch.full((1, 2, 3, 3), 1 / 3, requires_grad=True)
    queries, keys = torch.randn(1, 2, 3, 4), torch.randn(1, 2, 3, 4)
    module.eval()(a, queries, keys)
    assert int(module.step) == 0
    out = module.train()(a, queries, keys)
    assert int(module.step) == 1
    module(a, queries, keys).square().sum().backward()
    assert a.grad is not None
    assert module.keys.weight.grad is None
    torch.testing.assert_close(out.sum(-1), torch.ones(1, 2, 3))


def test_the_disturbance_is_penalised() -> None:
    module = CalibratedAttention(4)
    assert module.penalty(M, 2.0).item() == pytest.approx(2 * (0.01 + 0.64 + 0.25) / 3)
    mask = module.mask(torch.randn(1, 2, 3, 4), torch.randn(1, 2, 5, 4))
    assert mask.shape == (1, 2, 3, 5)
    assert ((mask > 0) & (mask < 1)).all()


def test_a_bias_on_keys_reaches_the_attention_of_a_layer() -> None:
    torch.manual_seed(0)
    layer = CrossLayer(SIZES).eval()
    queries, keys = torch.randn(2, 3, 8), torch.randn(2, 4, 8)
    mask = torch.ones(2, 4)
    plain = layer(queries, keys, mask)
    assert torch.equal(layer(queries, keys, mask, torch.zeros(2, 4)), plain)
    only = torch.full((2, 4), -math.inf)
    only[:, 1] = 0.0
    torch.testing.assert_close(layer(queries, keys, mask, only), layer(queries, keys[:, 1:2]))
    torch.testing.assert_close(layer(queries, keys, None, only), layer(queries, keys[:, 1:2]))
    stack = CrossStack(SIZES, 2).eval()
    boosted = stack(queries, keys, mask, relevance_bias(torch.rand(2, 4), 5.0))
    assert not torch.allclose(boosted, stack(queries, keys, mask))


def test_corrected_weights_are_what_values_are_read_by() -> None:
    torch.manual_seed(0)
    queries, keys, values = (torch.randn(2, 2, n, 4) for n in (3, 5, 5))
    module = CalibratedAttention(4, share=1.0).eval()
    plain = (queries @ keys.transpose(2, 3) / 2).softmax(3)
    fixed = corrected(plain, module.mask(queries, keys))
    assert (fixed - plain).abs().max() > 1e-3
    found = calibrated_attention(module, queries, keys, values)
    torch.testing.assert_close(found, fixed @ values)
    shown = torch.tensor([True, True, True, False, False])
    first = calibrated_attention(module, queries, keys[:, :, :3], values[:, :, :3])
    bias = torch.zeros(5).masked_fill(~shown, -math.inf)
    for hidden in (shown, bias):
        torch.testing.assert_close(
            calibrated_attention(module, queries, keys, values, hidden), first
        )
    twice = calibrated_attention(module, queries / 2, keys, values, scale=1.0)
    share = corrected(plain, module.mask(queries / 2, keys))
    torch.testing.assert_close(twice, share @ values)


def test_a_disturbance_raises_only_keys_that_are_seen() -> None:
    module = CalibratedAttention(2)
    module.disturbing = True
    torch.nn.init.constant_(module.keys.weight, 0.0)  # m = 0.5 everywhere
    a, asked = torch.tensor([[0.6, 0.4, 1e-30]]), torch.ones(1, 2)
    seen = torch.tensor([True, True, False])
    near(module(a, asked, torch.ones(3, 2), seen)[0], (0.55, 0.45, 0.0))
    near(module(a, asked, torch.ones(3, 2))[0], (0.46667, 0.36667, 0.16667))


def test_torchs_attention_is_the_same_where_nothing_is_corrected() -> None:
    torch.manual_seed(0)
    attention = torch.nn.MultiheadAttention(8, 2, batch_first=True).eval()
    torch.nn.init.normal_(attention.in_proj_bias)
    x, v = torch.randn(2, 3, 8), torch.randn(2, 5, 8)
    module = CalibratedAttention(4, share=0.0).eval()
    plain = attention(x, v, v)[0]
    torch.testing.assert_close(calibrated_multihead(module, attention, x, v), plain)
    module.share = 1.0
    assert (calibrated_multihead(module, attention, x, v) - plain).abs().max() > 1e-3


@pytest.mark.parametrize("settings", [{"share": 1.5}, {"steps": 0}])
def test_impossible_settings_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        CalibratedAttention(4, **settings)
