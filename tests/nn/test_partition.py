"""The log partition with its own gradient, against autograd through the plain recursion."""

from __future__ import annotations

import itertools
import math

import pytest

torch = pytest.importorskip("torch", reason="layers need the extra 'train'")

from magpie.nn.crf import CRF  # noqa: E402
from magpie.nn.partition import log_partition  # noqa: E402


def plain(emissions, mask, start, transitions, end):
    """The recursion in logarithms, written once more and simply."""
    score = start + emissions[:, 0]
    for t in range(1, emissions.shape[1]):
        grown = torch.logsumexp(score.unsqueeze(2) + transitions, 1) + emissions[:, t]
        score = torch.where(mask[:, t, None], grown, score)
    return torch.logsumexp(score + end, 1)


def problem(labels, batch, width, *, dtype=torch.float64, spread=1.0, seed=0):
    torch.manual_seed(seed)
    lengths = torch.randint(1, width + 1, (batch,))
    mask = torch.arange(width) < lengths[:, None]
    shapes = ((batch, width, labels), (labels,), (labels, labels), (labels,))
    parts = [(spread * torch.randn(shape, dtype=dtype)).requires_grad_() for shape in shapes]
    return parts[0], mask, *parts[1:]


@pytest.mark.parametrize(
    ("labels", "batch", "width"), [(1, 2, 3), (3, 4, 6), (5, 3, 1), (13, 8, 21)]
)
@pytest.mark.parametrize("spread", [1.0, 20.0])
def test_value_and_gradient_are_those_of_autograd(labels, batch, width, spread):
    given = problem(labels, batch, width, spread=spread)
    leaves = [part for part in given if part.requires_grad]
    upstream = torch.randn(batch, dtype=torch.float64)
    expected, found = plain(*given), log_partition(*given)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    wanted = torch.autograd.grad(
        (expected * upstream).sum(), leaves, allow_unused=True, materialize_grads=True
    )
    for mine, theirs in zip(
        torch.autograd.grad((found * upstream).sum(), leaves), wanted, strict=True
    ):
        torch.testing.assert_close(mine, theirs, rtol=1e-8, atol=1e-10)


def test_all_paths_by_hand():
    """bert_crf.md: path scores 1.5, 2.5, 0 and 3."""
    emissions = torch.tensor([[[1.0, 0.0], [0.0, 2.0]]])
    zero, moves = torch.zeros(2), torch.tensor([[0.5, -0.5], [0.0, 1.0]])
    found = log_partition(emissions, torch.ones(1, 2, dtype=torch.bool), zero, moves, zero)
    assert found.item() == pytest.approx(math.log(sum(map(math.exp, (1.5, 2.5, 0, 3)))), abs=1e-6)


def test_what_stands_behind_the_mask_changes_nothing():
    emissions, mask, *weights = problem(4, 5, 9)
    disturbed = emissions.detach().clone()
    disturbed[~mask] = 1e6
    first = log_partition(emissions, mask, *weights)
    second = log_partition(disturbed.requires_grad_(), mask, *weights)
    assert torch.equal(first, second)
    (gradient,) = torch.autograd.grad(second.sum(), disturbed)
    assert gradient[~mask].abs().max() == 0


def test_single_precision_is_kept():
    given = problem(13, 8, 40, dtype=torch.float32)
    found = log_partition(*given)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, plain(*given), rtol=1e-5, atol=1e-4)


def test_scores_beyond_the_range_of_exponents():
    """The only road between two tags is forbidden by far more than float64 can hold."""
    crf = CRF(2)
    with torch.no_grad():
        for part in (crf.start, crf.end, crf.transitions):
            part.zero_()
        crf.transitions[0, 1] = -1e4
    emissions = torch.tensor([[[0.0, -1e4], [-1e4, 0.0]]], requires_grad=True)
    loss = crf(emissions, torch.tensor([[0, 1]]))
    loss.backward()
    scores = [-1e4, 0.0 - 1e4, -2e4, -1e4]
    best = max(scores)
    assert loss.item() == pytest.approx(
        math.log(sum(math.exp(s - best) for s in scores)) + best + 1e4, abs=1e-2
    )
    assert emissions.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_the_best_path_is_that_of_enumeration(dtype):
    torch.manual_seed(3)
    crf = CRF(3).to(torch.float64 if dtype == torch.float64 else torch.float32)
    emissions = torch.randn(4, 4, 3).to(dtype)
    mask = torch.arange(4) < torch.tensor([[4], [1], [3], [2]])
    for row, (path, value) in enumerate(crf.decode_scored(emissions, mask)):
        length = int(mask[row].sum())
        scores = {
            tags: crf.path_score(
                emissions[row : row + 1, :length].to(crf.start.dtype), torch.tensor([tags])
            ).item()
            for tags in itertools.product(range(3), repeat=length)
        }
        best = max(scores, key=scores.__getitem__)
        assert tuple(path) == best
        assert value == pytest.approx(scores[best], rel=1e-4)
