"""The bridge's fusion: its formula, its simpler forms, and what is not there."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="layers need the extra 'train'")

from torch import Tensor  # noqa: E402

from magpie.errors import ConfigError  # noqa: E402
from magpie.nn.bridge_gate import BridgeGate, Fusion  # noqa: E402

N, T, P, C, D = 3, 4, 5, 6, 8


def made(form: Fusion = "bridge") -> BridgeGate:
    torch.manual_seed(0)
    gate = BridgeGate(D, heads=2, dropout=0.5, form=form).eval()
    with torch.no_grad():
        for parameter in gate.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return gate


def inputs(seed: int = 1) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return {
        "text": torch.randn(N, T, D),
        "patches": torch.randn(N, P, D),
        "seen": torch.tensor([True, False, True]),
        "context": torch.randn(N, C, D),
        "context_mask": torch.tensor([[1] * 4 + [0] * 2, [1] * 6, [0] * 6]).bool(),
        "context_mean": torch.randn(N, D),
    }


def test_the_formula_where_everything_is_there() -> None:
    gate, i = made(), inputs()
    h, c = i["text"][:1], i["context_mean"][:1].unsqueeze(1).expand(1, T, D)
    a = gate.picture(h, i["patches"][:1], i["patches"][:1])[0]
    b = gate.context(h, i["context"][:1, :4], i["context"][:1, :4])[0]
    open_v = torch.sigmoid(gate.picture_gate(torch.cat([h, a, c], 2)))
    open_c = torch.sigmoid(gate.context_gate(torch.cat([h, b], 2)))
    expected = torch.nn.functional.layer_norm(
        h + open_v * a + open_c * b, (D,), gate.norm.weight, gate.norm.bias
    )
    assert torch.allclose(gate(**i)[:1], expected, atol=1e-6)


def test_simpler_forms() -> None:
    i = inputs()
    other = {**i, "context_mean": i["context_mean"] + 1}
    assert not torch.allclose(made()(**i)[0], made()(**other)[0], atol=1e-3)
    gated = made("gated")
    assert gated.picture_gate.in_features == 2 * D
    assert torch.equal(gated(**i), gated(**other))
    add = made("add")
    h = i["text"][:1]
    a = add.picture(h, i["patches"][:1], i["patches"][:1])[0]
    b = add.context(h, i["context"][:1, :4], i["context"][:1, :4])[0]
    assert torch.allclose(add(**i)[:1], add.norm(h + a + b), atol=1e-6)
    none = made("none")
    assert torch.equal(none(**i), i["text"])
    assert not list(none.parameters())


@pytest.mark.parametrize("form", ["bridge", "gated", "add"])
def test_what_is_not_there_adds_nothing(form: Fusion) -> None:
    gate, i = made(form), inputs()
    before = gate(**i)
    patches, context = i["patches"].clone(), i["context"].clone()
    patches[1] += 9.0
    context[2] += 9.0
    context[0, 4:] += 9.0
    after = gate(**{**i, "patches": patches, "context": context})
    assert torch.equal(before, after)
    nothing = {
        **i,
        "seen": torch.zeros(N, dtype=torch.bool),
        "context_mask": torch.zeros(N, C, dtype=torch.bool),
    }
    assert torch.allclose(gate(**nothing), gate.norm(i["text"]), atol=1e-6)


def test_gradients_of_rows_without_anything_are_numbers() -> None:
    gate, i = made().train(), inputs()
    leaves = {name: i[name].requires_grad_() for name in ("text", "patches", "context")}
    gate(**i).square().sum().backward()
    assert all(leaf.grad is not None and leaf.grad.isfinite().all() for leaf in leaves.values())
    patches, context = leaves["patches"].grad, leaves["context"].grad
    assert patches is not None
    assert context is not None
    assert not patches[1].any()
    assert not context[2].any()
    assert patches[0].any()
    assert context[0, :4].any()


def test_patches_have_no_order() -> None:
    gate, i = made(), inputs()
    turned = {**i, "patches": i["patches"].flip(1)}
    assert torch.allclose(gate(**i), gate(**turned), atol=1e-6)


def test_heads_divide_the_width() -> None:
    with pytest.raises(ConfigError, match=r"heads \(3\) must divide the width of the text \(8\)"):
        BridgeGate(8, heads=3)
