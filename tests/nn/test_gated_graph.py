"""The gated graph layer: values worked by hand, counts, and what masks and edges must do."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="layers need the extra 'train'")

from torch import Tensor, nn  # noqa: E402

from magpie.errors import ConfigError  # noqa: E402
from magpie.nn.gated_graph import GatedGraphLayer, PairGate, PlainAttention  # noqa: E402


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def quiet(width: int, **options: object) -> GatedGraphLayer:
    """A layer in evaluation mode whose gates are 0.5 everywhere."""
    layer = GatedGraphLayer(width, 1, 4, 0.0, **options).eval()  # type: ignore[arg-type]
    for gate in (layer.gate_for_words, layer.gate_for_objects):
        nn.init.zeros_(gate.weight)
    return layer


OBJECTS = torch.tensor([[[1.0, 2.0], [3.0, 4.0], [0.0, 0.0], [2.0, 2.0]]])


def test_a_word_receives_half_the_sum_of_its_objects() -> None:
    layer = quiet(2)
    x1 = torch.tensor([[[1.0, 2.0]]])
    m, _ = layer.messages(x1, OBJECTS, torch.ones(1, 1, 4))
    assert torch.equal(m, torch.tensor([[[3.0, 4.0]]]))
    x2 = layer.norm_gate_text(x1, m)  # LN((4, 6))
    assert torch.allclose(x2, torch.tensor([[[-1.0, 1.0]]]), atol=1e-4)


def test_mean_keeps_the_scale_whatever_the_number_of_objects() -> None:
    layer = quiet(2, pooling="mean")
    x1 = torch.ones(1, 1, 2)
    m, _ = layer.messages(x1, OBJECTS, torch.ones(1, 1, 4))
    assert torch.allclose(m, torch.tensor([[[0.75, 1.0]]]))
    m, _ = layer.messages(x1, OBJECTS, torch.tensor([[[1.0, 1.0, 0.0, 0.0]]]))
    assert torch.allclose(m, torch.tensor([[[1.0, 1.5]]]))
    m, n = layer.messages(x1, OBJECTS, torch.zeros(1, 1, 4))
    assert not m.any()
    assert not n.any()


def test_removing_an_object_takes_exactly_its_term_away() -> None:
    torch.manual_seed(0)
    layer = GatedGraphLayer(6, 2, 4, 0.0).eval()
    x, o = torch.randn(2, 3, 6), torch.randn(2, 4, 6)
    edges = torch.ones(2, 3, 4)
    full, _ = layer.messages(x, o, edges)
    less = edges.clone()
    less[:, :, 1] = 0
    without, n = layer.messages(x, o, less)
    gate = torch.sigmoid(layer.gate_for_words(x, o))[:, :, 1]
    assert torch.allclose(full - without, gate * o[:, 1].unsqueeze(1), atol=1e-6)
    assert not n[:, 1].any()
    padded = edges.clone()
    padded[:, 2] = 0
    m, _ = layer.messages(x, o, padded)
    assert not m[:, 2].any()
    assert torch.equal(m[:, :2], full[:, :2])


def test_an_object_sums_over_its_words() -> None:
    layer = quiet(2)
    v = torch.tensor([2.0, -4.0])
    words = torch.cat([v.expand(3, 2), torch.full((2, 2), 9.0)]).unsqueeze(0)
    edges = torch.tensor([[1.0, 1.0, 1.0, 0.0, 0.0]]).unsqueeze(2)
    _, n = layer.messages(words, torch.zeros(1, 1, 2), edges)
    assert torch.equal(n, (1.5 * v).view(1, 1, 2))


def test_parameter_counts_of_the_published_sizes() -> None:
    layer = GatedGraphLayer(512, 8, 256, 0.4)
    assert count(layer.attention_objects) == 2 * (512**2 + 512) == 525_312
    assert count(layer.attention_text) == 4 * (512**2 + 512) == 1_050_624
    assert count(layer) == 3_157_504
    assert 6 * count(layer) == 18_945_024


def test_objects_that_ask_nothing_average_one_another() -> None:
    attention = PlainAttention(4, 2, 0.0, values=False).eval()
    for layer in (attention.query, attention.key):
        nn.init.zeros_(layer.weight)
    o = torch.randn(2, 5, 4, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(attention(o), o.mean(1, keepdim=True).expand_as(o), atol=1e-6)
    seen = torch.tensor([[True, True, False, False, False]] * 2)
    assert torch.allclose(attention(o, seen)[:, 0], o[:, :2].mean(1), atol=1e-6)


def test_the_cheap_form_of_the_gate_equals_the_concatenation() -> None:
    torch.manual_seed(2)
    gate = PairGate(6)
    nn.init.normal_(gate.bias)
    x, o = torch.randn(2, 3, 6), torch.randn(2, 4, 6)
    pairs = torch.cat(
        [x.unsqueeze(2).expand(-1, -1, 4, -1), o.unsqueeze(1).expand(-1, 3, -1, -1)], 3
    )
    written_out = nn.functional.linear(pairs, gate.weight, gate.bias)
    assert torch.allclose(gate(x, o), written_out, atol=1e-6)


def test_queries_and_keys_start_equal_and_biases_zero() -> None:
    layer = GatedGraphLayer(8, 2, 4, 0.0)
    for attention in (layer.attention_text, layer.attention_objects):
        assert torch.equal(attention.query.weight, attention.key.weight)
        assert attention.query.weight is not attention.key.weight
    for name, parameter in layer.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any(), name
    bound = (6 / (8 + 4)) ** 0.5
    assert 0.5 * bound < layer.ffn_text.inner.weight.abs().max() <= bound


def run(layer: GatedGraphLayer, x: Tensor, o: Tensor, words: int) -> tuple[Tensor, Tensor]:
    mask = torch.arange(x.shape[1]).unsqueeze(0) < words
    edges = mask.unsqueeze(2).expand(-1, -1, o.shape[1])
    found: tuple[Tensor, Tensor] = layer(x, o, mask, edges)
    return found


@pytest.mark.parametrize("intra", [False, True])
def test_padding_never_reaches_words_or_objects(intra: bool) -> None:
    torch.manual_seed(3)
    layer = GatedGraphLayer(8, 2, 4, 0.0, intra_ffn=intra).eval()
    x, o = torch.randn(1, 5, 8), torch.randn(1, 4, 8)
    short, objects = run(layer, x[:, :3], o, 3)
    padded, same = run(layer, x, o, 3)
    assert torch.allclose(padded[:, :3], short, atol=1e-6)
    assert torch.allclose(objects, same, atol=1e-6)
    x[:, 3:] = 100.0
    changed, _ = run(layer, x, o, 3)
    assert torch.allclose(changed[:, :3], short, atol=1e-6)


def test_permuting_objects_permutes_them_and_leaves_words() -> None:
    torch.manual_seed(4)
    layer = GatedGraphLayer(8, 2, 4, 0.0).eval()
    x, o = torch.randn(1, 3, 8), torch.randn(1, 4, 8)
    order = torch.tensor([2, 0, 3, 1])
    words, objects = run(layer, x, o, 3)
    same, permuted = run(layer, x, o[:, order], 3)
    assert torch.allclose(words, same, atol=1e-6)
    assert torch.allclose(objects[:, order], permuted, atol=1e-6)


def test_the_papers_further_part_has_weights_of_its_own() -> None:
    plain, more = (GatedGraphLayer(8, 2, 4, 0.0, intra_ffn=on) for on in (False, True))
    feed, norm = 8 * 4 + 4 + 4 * 8 + 8, 16
    assert count(more) - count(plain) == 2 * (feed + norm)


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ConfigError, match="must divide"):
        GatedGraphLayer(8, 3, 4, 0.0)
