"""InfoNCE in its variants and the bounds on mutual information, against hand-made numbers."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch", reason="layers need the extra 'train'")

from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch import Tensor  # noqa: E402

from magpie.errors import ConfigError  # noqa: E402
from magpie.nn.contrast import (  # noqa: E402
    Projection,
    donsker_varadhan,
    in_batch_loss,
    info_nce,
    info_nce_bound,
    jensen_shannon,
    nwj,
    pair_scores,
    supervised_contrast,
)

ORIGINAL = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
GENERATED = torch.tensor([[1.0, 0.0], [1.0, 1.0]])


def test_the_numbers_of_the_caption_aware_method() -> None:
    scores = pair_scores(GENERATED, ORIGINAL)
    assert torch.allclose(scores.diagonal(), torch.tensor([1.0, 0.7071]), atol=1e-4)
    assert torch.allclose(scores.logsumexp(1), torch.tensor([1.3133, 1.4003]), atol=1e-4)
    assert float(info_nce(scores)) == pytest.approx(0.5032, abs=5e-5)
    assert float(in_batch_loss(GENERATED, ORIGINAL)) == pytest.approx(0.5032, abs=5e-5)
    assert float(in_batch_loss(ORIGINAL, GENERATED)) == pytest.approx(0.4791, abs=5e-5)
    both = in_batch_loss(GENERATED, ORIGINAL, symmetric=True)
    assert float(both) == pytest.approx((0.5032 + 0.4791) / 2, abs=5e-5)


def test_one_pair_costs_nothing_and_sixteen_strangers_log_15_plus_e_minus_1() -> None:
    assert float(in_batch_loss(torch.randn(1, 5), torch.randn(1, 5))) == 0.0
    assert float(info_nce(torch.eye(16))) == pytest.approx(math.log(15 + math.e) - 1, abs=1e-6)
    assert float(info_nce(torch.eye(16))) == pytest.approx(1.8746, abs=5e-5)


@given(st.integers(0, 2**31 - 1), st.floats(0.1, 50))
def test_lengths_do_not_matter_but_to_plain_products(seed: int, factor: float) -> None:
    torch.manual_seed(seed)
    anchors, others = torch.randn(2, 4, 6, dtype=torch.float64)
    longer = anchors.clone()
    longer[1] *= factor
    before, after = in_batch_loss(anchors, others), in_batch_loss(longer, others)
    assert torch.allclose(before, after, atol=1e-10)
    plain = in_batch_loss(torch.eye(2), 3 * torch.eye(2), normalise=False)
    assert float(plain) == pytest.approx(math.log(1 + math.exp(-3)), abs=1e-6)


def test_temperatures() -> None:
    scores = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    for tau in (0.1, 1.0, 5.0):
        assert float(info_nce(scores, tau)) == pytest.approx(
            math.log(1 + math.exp(-1 / tau)), abs=1e-6
        )
    matrix = torch.tensor([[0.5, 1.0], [1.0, 2.0]])
    rows = [math.log(1 + math.exp(-2)), math.log(1 + math.exp(-0.5))]
    assert float(info_nce(scores, matrix)) == pytest.approx(sum(rows) / 2, abs=1e-6)
    learned = torch.tensor(1.0, requires_grad=True)
    info_nce(scores, learned).backward()
    assert learned.grad is not None
    assert float(learned.grad) > 0
    with pytest.raises(ConfigError, match="above 0"):
        info_nce(scores, 0.0)


def test_what_is_ignored_is_no_rival_and_the_diagonal_always_counts() -> None:
    scores = torch.tensor([[1.0, 9.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], requires_grad=True)
    ignored = torch.zeros(3, 3, dtype=torch.bool)
    ignored[0] = torch.tensor([True, True, False])
    loss = info_nce(scores, ignored=ignored)
    first, rest = math.log(math.e + 1) - 1, math.log(math.e + 2) - 1
    assert float(loss.detach()) == pytest.approx((first + 2 * rest) / 3, abs=1e-6)
    loss.backward()
    assert scores.grad is not None
    assert scores.grad[0, 1] == 0
    assert scores.grad.isfinite().all()


def test_projections_are_applied_each_to_its_side() -> None:
    torch.manual_seed(0)
    one, other = Projection(3, 5, hidden=7), Projection(4, 5)
    anchors, others = torch.randn(6, 3), torch.randn(6, 4)
    assert one(anchors).shape == (6, 5)
    hand = one.outer(one.inner(anchors).clamp(min=0))
    assert torch.equal(one(anchors), hand)
    expected = in_batch_loss(one(anchors), other(others), temperature=0.2)
    found = in_batch_loss(anchors, others, temperature=0.2, projections=(one, other))
    assert torch.equal(found, expected)
    found.backward()
    assert all(p.grad is not None and p.grad.any() for p in [*one.parameters()][:2])


def test_supervised_contrast_has_the_numbers_of_the_divergence_estimator() -> None:
    vectors = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [-0.6, 0.8]])
    classes = torch.tensor([0, 0, 1, 1])
    expected = torch.tensor([0.000337, 0.127223, 0.127223, 0.000337])
    losses = supervised_contrast(vectors, classes, 0.1, each=True)
    assert torch.allclose(losses, expected, atol=1e-6)
    assert float(supervised_contrast(vectors, classes)) == pytest.approx(0.063780, abs=1e-6)


def test_a_vector_alone_in_its_class_has_no_term() -> None:
    vectors = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0]], requires_grad=True)
    classes = torch.tensor([0, 0, 1])
    losses = supervised_contrast(vectors, classes, each=True)
    assert losses[2] == 0
    assert torch.allclose(supervised_contrast(vectors, classes), losses[:2].mean())
    alone = supervised_contrast(vectors[:1], classes[:1])
    (alone + losses.sum()).backward()
    assert float(alone.detach()) == 0.0
    assert vectors.grad is not None
    assert vectors.grad.isfinite().all()
    with pytest.raises(ConfigError, match="above 0"):
        supervised_contrast(vectors, classes, 0.0)


def test_the_bounds_on_a_matrix_by_hand() -> None:
    scores = torch.tensor([[2.0, 0.0], [1.0, 4.0]])
    assert float(donsker_varadhan(scores)) == pytest.approx(
        3 - math.log((1 + math.e) / 2), abs=1e-6
    )
    assert float(nwj(scores)) == pytest.approx(3 - (math.exp(-1) + 1) / 2, abs=1e-6)
    pairs = -(math.log1p(math.exp(-2)) + math.log1p(math.exp(-4))) / 2
    rivals = (math.log(2) + math.log1p(math.e)) / 2
    assert float(jensen_shannon(scores)) == pytest.approx(pairs - rivals, abs=1e-6)
    rows = math.log1p(math.exp(-2)), math.log1p(math.exp(-3))
    assert float(info_nce_bound(scores)) == pytest.approx(math.log(2) - sum(rows) / 2, abs=1e-6)


@given(st.integers(0, 2**31 - 1), st.integers(2, 8))
def test_order_and_limits_of_the_bounds(seed: int, size: int) -> None:
    torch.manual_seed(seed)
    scores = 3 * torch.randn(size, size, dtype=torch.float64)
    assert float(nwj(scores)) <= float(donsker_varadhan(scores)) + 1e-9
    assert float(info_nce_bound(scores)) <= math.log(size) + 1e-9
    assert float(jensen_shannon(scores)) <= 0
    # What is the same for every score tells nothing.
    assert torch.allclose(donsker_varadhan(scores + 5), donsker_varadhan(scores), atol=1e-9)


def _gaussian_scores(rho: float, size: int) -> Tensor:
    """log p(y|x) / p(y) of correlated normal variables: the best critic there is."""
    x = torch.randn(size, dtype=torch.float64)
    y = rho * x + math.sqrt(1 - rho**2) * torch.randn(size, dtype=torch.float64)
    left, right = x.unsqueeze(1), y.unsqueeze(0)
    given_x = -((right - rho * left) ** 2) / (2 * (1 - rho**2)) - 0.5 * math.log(1 - rho**2)
    return given_x + right**2 / 2


@pytest.mark.parametrize("bound", [info_nce_bound, donsker_varadhan, nwj])
def test_the_bounds_find_the_information_of_correlated_normals(
    bound: Callable[[Tensor], Tensor],
) -> None:
    torch.manual_seed(0)
    for rho in (0.0, 0.5, 0.8):
        truth = -0.5 * math.log(1 - rho**2)
        # NWJ is tight at the log ratio plus one.
        shift = 1.0 if bound is nwj else 0.0
        found = [float(bound(_gaussian_scores(rho, 400) + shift)) for _ in range(5)]
        assert sum(found) / 5 == pytest.approx(truth, abs=0.08)


@pytest.mark.parametrize("function", [info_nce, donsker_varadhan, nwj, jensen_shannon])
def test_shapes_that_are_no_batch_are_refused(function: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(ConfigError, match="square"):
        function(torch.zeros(2, 3))
    with pytest.raises(ConfigError, match="square"):
        function(torch.zeros(4))
    if function is not info_nce:
        with pytest.raises(ConfigError, match="two pairs"):
            function(torch.zeros(1, 1))
