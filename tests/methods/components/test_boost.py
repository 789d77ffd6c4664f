"""Attention boosted inside UMT: neutral at its zero, and taught by its own loss alone."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="methods need the extra 'train'")

from .samples import batch_of, emissions, posts, umt  # noqa: E402


def test_words_like_the_picture_gain_attention() -> None:
    assert not torch.allclose(
        emissions(umt(attn_boost="relevance", gamma=5.0), posts()), emissions(umt(), posts())
    )


def test_calibrated_attention_at_a_share_of_zero_is_the_plain_one() -> None:
    host, method = umt(), umt(attn_boost="calibrated", boost_share=0.0)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in host.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    method.load_state_dict(host.state_dict(), strict=False)
    torch.testing.assert_close(
        emissions(method, posts()), emissions(host, posts()), atol=1e-5, rtol=1e-5
    )
    full = umt(attn_boost="calibrated", boost_share=1.0)
    full.load_state_dict(method.state_dict())
    assert (emissions(full, posts()) - emissions(host, posts())).abs().max() > 1e-5


def test_the_disturbance_teaches_the_masks_and_nothing_else() -> None:
    method = umt(attn_boost="calibrated")
    batch = batch_of(method, posts())
    output = method(batch)
    parts = {n: p for n, p in method.named_parameters() if ".calibration." in n}
    assert len(parts) == 6
    others = [p for n, p in method.named_parameters() if n not in parts]
    taught = torch.autograd.grad(
        output.losses["disturbance"],
        [*parts.values(), *others],
        allow_unused=True,
        retain_graph=True,
    )
    assert all(g is not None and g.abs().sum() > 0 for g in taught[:6])
    assert all(g is None for g in taught[6:])
    task = torch.autograd.grad(output.losses["main"], list(parts.values()), allow_unused=True)
    assert all(g is None for g in task)
    assert not any(m.disturbing for m in method.modules() if hasattr(m, "disturbing"))
    with torch.no_grad():
        assert "disturbance" not in method(batch).losses
