"""Focal attention: what gates and slot weights come to, and who takes part."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from magpie.errors import ConfigError  # noqa: E402
from magpie.nn.focal_attention import (  # noqa: E402
    FocalAttention,
    FocalFusion,
    GatedResidual,
    slot_shares,
)


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def fusion(slots: tuple[int, ...] = (4, 3), **settings: object) -> FocalFusion:
    torch.manual_seed(0)
    return FocalFusion(8, 6, slots, **{"dropout": 0.0, **settings}).eval()  # type: ignore[arg-type]


def test_a_gate_of_zeros_takes_the_middle() -> None:
    gate = GatedResidual(2)
    torch.nn.init.zeros_(gate.linear.weight)
    torch.nn.init.zeros_(gate.linear.bias)
    out = gate(torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[3.0, 4.0]]]))
    assert out.tolist() == [[[2.0, 3.0]]]


def test_a_gate_reads_both_and_opens_by_feature() -> None:
    gate = GatedResidual(2)
    with torch.no_grad():
        gate.linear.weight.copy_(torch.tensor([[1.0, 0, 0, 0], [0, 0, 0, 1]]))
        gate.linear.bias.zero_()
    s, x = torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[3.0, 4.0]]])
    assert gate.gate(s, x)[0, 0].tolist() == pytest.approx([0.731059, 0.982014], abs=1e-6)
    assert gate(s, x)[0, 0].tolist() == pytest.approx([1.537883, 2.035973], abs=1e-6)


def test_one_head_of_the_width_of_the_text() -> None:
    attention = FocalAttention(768, 768)
    assert attention.scale == pytest.approx(0.0360844, abs=1e-7)
    assert sum(p.numel() for p in attention.parameters()) == 2_362_368
    assert sum(p.numel() for p in GatedResidual(768).parameters()) == 1_180_416
    bound = (6 / (768 + 768)) ** 0.5
    for linear in (attention.query, attention.key, attention.value, attention.out):
        assert float(linear.weight.detach().abs().max()) <= bound
        assert float(linear.weight.detach().std()) == pytest.approx(bound / 3**0.5, rel=0.01)
        assert not linear.bias.any()


def test_attention_by_hand() -> None:
    attention = FocalAttention(2, 2).eval()
    with torch.no_grad():
        for linear in (attention.query, attention.key, attention.value, attention.out):
            linear.weight.copy_(torch.eye(2))
    words, seen = torch.tensor([[[2.0, 0.0]]]), torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    first = torch.tensor(2 * 2**-0.5).sigmoid()  # softmax of (sqrt 2, 0)
    shares = attention.weights(words, seen)[0, 0]
    assert torch.allclose(shares, torch.stack([first, 1 - first]))
    assert torch.allclose(attention(words, seen)[0, 0], shares)


def test_hidden_tokens_count_for_nothing() -> None:
    attention = FocalAttention(8, 6).eval()
    words, seen = drawn(2, 3, 8), drawn(2, 5, 6)
    mask = torch.tensor([[True, True, False, False, False], [True] * 5])
    found = attention(words, seen, mask)
    assert torch.allclose(found[0], attention(words[:1], seen[:1, :2])[0], atol=1e-6)
    assert torch.allclose(found[1], attention(words[1:], seen[1:])[0], atol=1e-6)


def test_owners_share_a_picture() -> None:
    layer = fusion()
    words, seen = drawn(3, 2, 8), drawn(2, 7, 5, 6)
    there = torch.tensor([[1, 0, 0, 0, 1, 1, 0], [1, 1, 1, 1, 0, 0, 0]], dtype=torch.bool)
    owner = torch.tensor([0, 1, 1])
    for shared, own in zip(
        layer(words, seen, there, None, owner), layer(words, seen[owner], there[owner]), strict=True
    ):
        assert torch.allclose(shared, own, atol=1e-6)


ROWS = torch.tensor([[1.0, 1.0], [2.0, 0.0], [0.0, 3.0], [1.0, 1.0]])


@pytest.mark.parametrize(
    ("norm", "expected"), [("none", [4.0, 5.0]), ("mean", [1.0, 1.25]), ("softmax", [1.0, 1.25])]
)
def test_slots_at_the_beginning(norm: str, expected: list[float]) -> None:
    weights = fusion().weights[0]
    assert weights.tolist() == [1.0] * 4
    shares = slot_shares(weights, torch.ones(1, 4, dtype=torch.bool), norm)  # type: ignore[arg-type]
    assert (shares @ ROWS)[0].tolist() == pytest.approx(expected)


def test_slots_that_are_not_there() -> None:
    weights = torch.tensor([2.0, 1.0, -1.0])
    there = torch.tensor([[True, False, True], [False, False, False]])
    assert slot_shares(weights, there).tolist() == [[2, 0, -1], [0, 0, 0]]
    assert slot_shares(weights, there, "mean").tolist() == [[1, 0, -0.5], [0, 0, 0]]
    large = 1 / (1 + torch.tensor(-3.0).exp())
    assert torch.allclose(
        slot_shares(weights, there, "softmax"),
        torch.tensor([[large, 0, 1 - large], [0, 0, 0]]),
        atol=1e-6,
    )


def test_a_fusion_is_the_weighted_sum_of_its_slots() -> None:
    layer = fusion((2, 1))
    with torch.no_grad():
        layer.weights[0].copy_(torch.tensor([0.5, -2.0]))
    words, seen = drawn(1, 3, 8), drawn(1, 3, 5, 6)
    first, second = layer(words, seen, torch.ones(1, 3, dtype=torch.bool))
    y = [layer.slot(number, words, seen[:, number]) for number in range(3)]
    assert torch.allclose(first, 0.5 * y[0] - 2 * y[1], atol=1e-6)
    assert torch.allclose(second, y[2], atol=1e-6)


@pytest.mark.parametrize("norm", ["none", "mean", "softmax"])
def test_without_slots_a_source_says_the_text(norm: str) -> None:
    layer = fusion(norm=norm).train()
    words, seen = drawn(2, 3, 8).requires_grad_(), drawn(2, 7, 5, 6)
    with torch.no_grad():
        layer.weights[0].fill_(3.0)
    there = torch.zeros(2, 7, dtype=torch.bool)
    there[1, 5] = True
    first, second = layer(words, seen, there)
    assert torch.equal(first, words)
    assert torch.equal(second[0], words[0])
    assert not torch.allclose(second[1], words[1])
    (first.sum() + second.sum()).backward()
    assert words.grad is not None
    assert torch.isfinite(words.grad).all()


def test_every_slot_has_its_own() -> None:
    layer = fusion()
    assert len(layer.attentions) == len(layer.gates) == 7
    assert len({id(p) for p in layer.parameters()}) == 7 * (8 + 2) + 2
    firsts = [a.query.weight for a in layer.attentions]
    assert not any(torch.equal(firsts[0], other) for other in firsts[1:])
    assert [len(w) for w in layer.weights] == [4, 3]


def test_dropout_is_drawn_for_each_slot() -> None:
    layer = fusion((2, 1), dropout=0.5).train()
    layer.attentions[1].load_state_dict(layer.attentions[0].state_dict())
    layer.gates[1].load_state_dict(layer.gates[0].state_dict())
    words, seen = drawn(1, 3, 8), drawn(1, 5, 6)
    assert not torch.equal(layer.slot(0, words, seen), layer.slot(1, words, seen))
    layer.eval()
    assert torch.equal(layer.slot(0, words, seen), layer.slot(1, words, seen))


def test_impossible_settings() -> None:
    with pytest.raises(ConfigError, match="every source needs a slot"):
        fusion((4, 0))
    with pytest.raises(ConfigError, match="slot_norm must be"):
        fusion(norm="sum")
