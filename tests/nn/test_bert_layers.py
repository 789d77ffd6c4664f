"""BERT layers as self and cross layers: against transformers' own, and by their invariants."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="layers need the extra 'train'")

from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from transformers import BertConfig  # noqa: E402
from transformers.models.bert.modeling_bert import BertLayer  # noqa: E402

from magpie.errors import ConfigError  # noqa: E402
from magpie.nn.bert_layers import (  # noqa: E402
    HIDDEN,
    CrossLayer,
    CrossStack,
    LayerSizes,
    SelfLayer,
    bert_init,
)

SIZES = LayerSizes(width=16, heads=4, inner=24)

#: ours -> transformers
NAMES = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attended": "attention.output.dense",
    "norm_attended": "attention.output.LayerNorm",
    "inner": "intermediate.dense",
    "outer": "output.dense",
    "norm_output": "output.LayerNorm",
}


def shaken(layer: nn.Module, seed: int = 0) -> nn.Module:
    """Weights large enough for every part to matter."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.3)
    return layer.eval()


def test_a_self_layer_is_a_bert_layer() -> None:
    config = BertConfig(
        hidden_size=16, num_attention_heads=4, intermediate_size=24, attn_implementation="eager"
    )
    theirs = shaken(BertLayer(config))
    ours = SelfLayer(LayerSizes.of(config)).eval()
    weights = theirs.state_dict()
    ours.load_state_dict(
        {
            f"{mine}.{kind}": weights.pop(f"{other}.{kind}")
            for mine, other in NAMES.items()
            for kind in ("weight", "bias")
        }
    )
    assert not weights
    torch.manual_seed(1)
    states, mask = torch.randn(3, 5, 16), torch.tensor([[1] * 5, [1, 1, 1, 0, 0], [1, 0, 0, 0, 0]])
    added = (1 - mask[:, None, None, :].float()) * HIDDEN
    torch.testing.assert_close(ours(states, mask), theirs(states, added), rtol=0, atol=2e-6)


def test_sizes_follow_an_encoder() -> None:
    sizes = LayerSizes.of(BertConfig())
    assert sizes == LayerSizes()
    with torch.device("meta"):
        layer = CrossLayer(sizes)
    assert sum(p.numel() for p in layer.parameters()) == 7_087_872


def test_without_its_output_weights_a_cross_layer_is_two_norms_of_the_asking_side() -> None:
    layer = shaken(CrossLayer(SIZES))
    nn.init.zeros_(layer.attended.weight)
    nn.init.zeros_(layer.attended.bias)
    nn.init.zeros_(layer.outer.weight)
    nn.init.zeros_(layer.outer.bias)
    torch.manual_seed(2)
    asking, asked = torch.randn(2, 3, 16), torch.randn(2, 7, 16)
    once = layer.norm_attended(asking)
    torch.testing.assert_close(layer(asking, asked), layer.norm_output(once))
    assert torch.equal(layer(asking, asked), layer(asking, torch.randn(2, 4, 16)))


def test_hidden_keys_never_matter_and_order_of_keys_neither() -> None:
    layer = shaken(CrossLayer(SIZES), 3)
    torch.manual_seed(3)
    asking, asked = torch.randn(2, 3, 16), torch.randn(2, 6, 16)
    mask = torch.tensor([[1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 0, 0]])
    before = layer(asking, asked, mask)
    other = torch.where(mask[:, :, None].bool(), asked, torch.randn(2, 6, 16) * 9)
    assert torch.equal(before, layer(asking, other, mask))
    order = torch.tensor([3, 1, 0, 2, 5, 4])
    torch.testing.assert_close(before, layer(asking, asked[:, order], mask[:, order]))
    assert not torch.allclose(before, layer(asking, asked))


def test_attention_of_one_query_by_hand() -> None:
    layer = CrossLayer(LayerSizes(width=2, heads=1, inner=2)).eval()
    eye = torch.eye(2)
    with torch.no_grad():
        for part in (layer.query, layer.key, layer.value, layer.attended):
            part.weight.copy_(eye)
        layer.outer.weight.zero_()
    asking, asked = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[2.0, 0.0], [0.0, 4.0]]])
    weights = torch.softmax(torch.tensor([2.0, 0.0]) / 2**0.5, 0)
    found = torch.tensor([2 * weights[0], 4 * weights[1]])
    expected = functional.layer_norm(asking[0, 0] + found, (2,), eps=1e-12)
    torch.testing.assert_close(layer(asking, asked)[0, 0], functional.layer_norm(expected, (2,)))


def test_a_stack_replaces_what_asks_and_keeps_what_is_asked() -> None:
    stack = shaken(CrossStack(SIZES, 2), 4)
    torch.manual_seed(4)
    asking, asked = torch.randn(2, 3, 16), torch.randn(2, 5, 16)
    first, second = stack.layers
    assert torch.equal(stack(asking, asked), second(first(asking, asked), asked))
    with pytest.raises(ConfigError, match="at least one layer"):
        CrossStack(SIZES, 0)


def test_dropout_acts_while_training_only() -> None:
    layer = shaken(CrossLayer(LayerSizes(width=16, heads=4, inner=24, dropout=0.5)))
    states = torch.randn(1, 4, 16)
    assert torch.equal(layer(states, states), layer(states, states))
    layer.train()
    assert not torch.equal(layer(states, states), layer(states, states))


def test_new_weights_start_as_berts_do() -> None:
    torch.manual_seed(5)
    layer = CrossLayer(LayerSizes(width=64, heads=4, inner=128))
    assert layer.inner.weight.std().item() == pytest.approx(0.02, rel=0.05)
    assert not layer.inner.bias.any()
    assert torch.equal(layer.norm_output.weight, torch.ones(64))
    bare = nn.Linear(8, 8, bias=False)
    bert_init(bare)
    assert bare.weight.abs().max().item() < 0.1


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ConfigError, match=r"heads \(5\) must divide width \(16\)"):
        LayerSizes(width=16, heads=5)
