"""Overlaps, soft targets and the losses on candidate regions, on numbers worked by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="layers need the extra 'train'")

from magpie.errors import ConfigError  # noqa: E402
from magpie.nn.region_losses import (  # noqa: E402
    box_ious,
    mask_regions,
    region_bce,
    region_kl,
    soft_target,
)

CORNERS = st.tuples(*[st.integers(0, 40) for _ in range(4)])


@pytest.mark.parametrize(
    ("ious", "wanted", "covered"),
    [
        ([[0.8, 0.6, 0.5, 0.3]], [0.571429, 0.428571, 0, 0], True),
        (
            [[0.7, 0.1, 0.2, 0], [0.1, 0.1, 0.55, 0.9]],
            [0.325581, 0, 0.255814, 0.418605],
            True,
        ),
        ([[0.49, 0.1, 0.2, 0]], [0, 0, 0, 0], False),
        ([[0.4, 0.1, 0.2, 0], [0.1, 0.1, 0.55, 0.9]], [0, 0, 0.379310, 0.620690], True),
        ([[0.5, 0.1, 0, 0]], [0, 0, 0, 0], False),
    ],
)
def test_soft_targets(ious: list[list[float]], wanted: list[float], covered: bool) -> None:
    q, found = soft_target(torch.tensor(ious, dtype=torch.double))
    assert q.tolist() == pytest.approx(wanted, abs=1e-6)
    assert found is covered


def test_exactly_one_half_as_released_is_covered_by_not_a_number() -> None:
    half = torch.tensor([[0.5, 0.2, 0.0]], dtype=torch.double)
    q, covered = soft_target(half, legacy_half=True)
    assert covered
    assert all(math.isnan(value) for value in q.tolist())
    # Elsewhere both rules agree.
    for ious in ([[0.8, 0.5]], [[0.3, 0.49]]):
        value = torch.tensor(ious, dtype=torch.double)
        ours, theirs = soft_target(value), soft_target(value, legacy_half=True)
        assert ours[0].tolist() == theirs[0].tolist()
        assert ours[1] == theirs[1]


def test_no_gold_box_or_no_candidate_is_uncovered() -> None:
    for shape in ((0, 3), (2, 0), (0, 0)):
        q, covered = soft_target(torch.zeros(shape))
        assert q.shape == (shape[1],)
        assert not covered
    with pytest.raises(ConfigError, match="shape"):
        soft_target(torch.zeros(3))


def test_overlaps() -> None:
    gold = torch.tensor([[0, 0, 100, 100], [200, 10, 300, 210]])
    boxes = torch.tensor([[0, 0, 100, 50], [205, 20, 300, 210], [500, 500, 600, 600], [5, 5, 5, 9]])
    found = box_ious(gold, boxes)
    assert found[0].tolist() == pytest.approx([0.5, 0, 0, 0])
    assert found[1].tolist() == pytest.approx([0, 0.9025, 0, 0])
    # Exactly one half stays exactly one half.
    assert float(found[0, 0]) == 0.5


@given(st.lists(CORNERS, max_size=4), st.lists(CORNERS, max_size=5))
def test_overlaps_of_any_boxes_are_shares(
    a: list[tuple[int, ...]], b: list[tuple[int, ...]]
) -> None:
    found = box_ious(torch.tensor(a).view(-1, 4), torch.tensor(b).view(-1, 4))
    assert found.shape == (len(a), len(b))
    assert bool(found.isfinite().all())


@given(st.integers(0, 3), st.integers(0, 5))
def test_a_soft_target_sums_to_one_or_to_nothing(gold: int, count: int) -> None:
    ious = torch.rand(gold, count)
    q, covered = soft_target(ious)
    assert float(q.sum()) == pytest.approx(1.0 if covered else 0.0, abs=1e-5)
    assert bool(((q > 0) <= (ious > 0.5).any(0)).all()) if gold else not covered


def test_divergence_from_uniform_scores() -> None:
    q = torch.tensor([[0.571429, 0.428571, 0, 0]])
    assert region_kl(torch.zeros(1, 4), q).item() == pytest.approx(0.703386, abs=1e-6)


def test_divergence_and_binary_form() -> None:
    scores = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    q = torch.tensor([[0.75, 0.25], [0.0, 1.0]])
    assert region_kl(scores, q).item() == pytest.approx(0.063927, abs=1e-6)
    rows = [region_kl(scores[i : i + 1], q[i : i + 1]).item() for i in range(2)]
    assert rows == pytest.approx([0.000926, 0.126928], abs=1e-6)
    assert region_bce(scores, q).item() == pytest.approx(0.456621, abs=1e-6)


@pytest.mark.parametrize("loss", [region_kl, region_bce])
def test_no_entity_costs_nothing_and_has_a_gradient(loss: object) -> None:
    scores = torch.zeros(0, 4, requires_grad=True)
    found = loss(scores, torch.zeros(0, 4))  # type: ignore[operator]
    found.backward()
    assert found.item() == 0
    assert scores.grad is not None


@pytest.mark.parametrize("loss", [region_kl, region_bce])
def test_candidates_that_are_not_there_do_not_count(loss: object) -> None:
    q = torch.tensor([[0.75, 0.25]])
    wide = torch.tensor([[0.75, 0.25, 0.0]])
    mask = torch.tensor([[True, True, False]])
    short = loss(torch.tensor([[1.0, 0.0]]), q)  # type: ignore[operator]
    scores = torch.tensor([[1.0, 0.0, 9.0]], requires_grad=True)
    long = loss(scores, wide, mask)  # type: ignore[operator]
    assert long.item() == pytest.approx(short.item(), abs=1e-6)
    long.backward()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()
    assert scores.grad[0, 2].item() == 0
    # Left unmasked, as released, the third one does count.
    assert loss(scores, wide).item() != pytest.approx(short.item(), abs=1e-3)  # type: ignore[operator]


def test_masked_scores_are_never_the_largest() -> None:
    scores = torch.tensor([[5.0, -3.0]])
    mask = torch.tensor([[False, True]])
    assert mask_regions(scores, mask).argmax(-1).tolist() == [1]
    assert mask_regions(scores, None) is scores
