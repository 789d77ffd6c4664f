"""The variational bottleneck: its divergence in nats and bits, and what is drawn."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="layers need the extra 'train'")

from magpie.nn.bottleneck import GaussianBottleneck, divergence_from_standard  # noqa: E402


def test_the_divergence_has_its_numbers() -> None:
    mean, deviation = torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 2.0]])
    nats = divergence_from_standard(mean, deviation)
    assert nats.tolist() == pytest.approx([1.3069], abs=1e-4)
    bits = divergence_from_standard(mean, deviation, bits=True)
    assert bits.tolist() == pytest.approx([1.8854], abs=1e-4)
    assert float(bits) == pytest.approx(float(nats) / math.log(2))


def test_the_divergence_is_zero_of_the_standard_normal_alone() -> None:
    assert float(divergence_from_standard(torch.zeros(1, 3), torch.ones(1, 3))) == 0
    for mean, deviation in ((0.1, 1.0), (0.0, 1.1), (0.0, 0.9)):
        rows = torch.full((1, 3), mean), torch.full((1, 3), deviation)
        assert float(divergence_from_standard(*rows)) > 1e-4


def test_a_deviation_of_nought_is_finite() -> None:
    assert divergence_from_standard(torch.zeros(1, 2), torch.zeros(1, 2)).isfinite().all()


def test_drawn_while_training_only() -> None:
    torch.manual_seed(0)
    ours = GaussianBottleneck(6, 4)
    rows = torch.randn(3, 6)
    found = ours(rows, torch.ones(3, 4))
    assert found.z.shape == (3, 4)
    assert torch.equal(found.z, found.mean + found.deviation)
    assert (found.deviation > 0).all()
    assert not torch.equal(ours(rows).z, ours(rows).z)
    ours.eval()
    assert torch.equal(ours(rows).z, ours(rows).mean)


def test_both_maps_of_the_published_width() -> None:
    ours = GaussianBottleneck(2304)
    for part in (ours.mean, ours.deviation):
        assert sum(p.numel() for p in part.parameters()) == 5_310_720
