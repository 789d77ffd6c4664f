"""Shapley values of softmax games, against hand-made numbers, the definition and the axioms."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="layers need the extra 'train'")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from torch import Tensor  # noqa: E402

from magpie.errors import ConfigError  # noqa: E402
from magpie.nn.contrast import info_nce  # noqa: E402
from magpie.nn.shapley import (  # noqa: E402
    MOST_EXACT,
    Game,
    alignment_loss,
    coalition_values,
    draw_orders,
    exact_shapley,
    sampled_shapley,
    shapley_contrast,
)

THREE = torch.tensor([[0.9], [0.2], [0.1]], dtype=torch.float64)
PHI = [0.597998, -0.001743, -0.059619]
BATCH = torch.tensor([[0.9, 0.2], [0.1, 0.8]], dtype=torch.float64)
SEEDS = st.integers(0, 2**31 - 1)


def random_game(seed: int, players: int, targets: int | None = None) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(players, targets or players, generator=generator, dtype=torch.float64)


def value(scores: list[float], temperature: float) -> float:
    """u(S) of the scores of its members."""
    if not scores:
        return 0.0
    shares = [math.exp(s / temperature) for s in scores]
    return sum(p * s for p, s in zip(shares, scores, strict=True)) / sum(shares)


def definition(scores: Tensor, temperature: float, orders: Any) -> Tensor:
    """The mean of what everybody adds, order by order and player by player."""
    found = torch.zeros_like(scores)
    for j in range(scores.shape[1]):
        column = scores[:, j].tolist()
        for order in orders:
            for place, player in enumerate(order):
                before = [column[q] for q in order[:place]]
                gain = value([*before, column[player]], temperature) - value(before, temperature)
                found[player, j] += gain / len(orders)
    return found


def column(values: Tensor) -> list[float]:
    return [float(v) for v in values[:, 0]]


def test_two_players_by_hand() -> None:
    scores = torch.tensor([[1.0], [0.0]])
    sets = torch.tensor([[True, False], [False, True], [True, True], [False, False]])
    values = coalition_values(scores, sets)
    assert column(values) == pytest.approx([1.0, 0.0, 0.731059, 0.0], abs=1e-6)
    phi = exact_shapley(scores)
    assert column(phi) == pytest.approx([0.865529, -0.134471], abs=1e-6)
    assert float(phi.sum()) == pytest.approx(0.731059, abs=1e-6)
    # Their difference is that of the scores, so the contrast at tau = 1 is that of the scores.
    assert float(phi[0] - phi[1]) == pytest.approx(1.0, abs=1e-6)
    for logits in (phi, scores):
        loss = logits[:, 0].logsumexp(0) - logits[0, 0]
        assert float(loss) == pytest.approx(0.313262, abs=1e-6)


def test_three_players_by_hand() -> None:
    pairs = torch.tensor([[1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1]]).bool()
    values = coalition_values(THREE, pairs)
    assert column(values) == pytest.approx([0.667731, 0.651980, 0.152498, 0.536637], abs=1e-6)
    assert column(exact_shapley(THREE)) == pytest.approx(PHI, abs=1e-6)
    sharp = [0.791845, 0.078532, 0.028717]
    assert column(exact_shapley(THREE, 0.1)) == pytest.approx(sharp, abs=1e-6)


def test_all_orders_are_exact_and_an_order_with_its_reverse_is_efficient() -> None:
    every = torch.tensor(list(itertools.permutations(range(3))))
    assert torch.allclose(sampled_shapley(THREE, every), exact_shapley(THREE), atol=1e-15)
    two = sampled_shapley(THREE, torch.tensor([[0, 1, 2], [2, 1, 0]]))
    assert column(two) == pytest.approx([0.642070, -0.089885, -0.015547], abs=1e-6)
    assert float(two.sum()) == pytest.approx(0.536637, abs=1e-6)


def test_equals_are_worth_the_same() -> None:
    phi = column(exact_shapley(torch.tensor([[0.5], [0.5], [0.1]], dtype=torch.float64)))
    assert phi == pytest.approx([0.226617, 0.226617, -0.053645], abs=1e-6)
    assert phi[0] == pytest.approx(phi[1], abs=1e-15)


def test_contrasts_by_hand() -> None:
    """The column as a game of its own: targets 2 and 3 have nobody but themselves."""
    phi = torch.eye(3, dtype=torch.float64)
    phi[:, 0] = exact_shapley(THREE)[:, 0]
    present = torch.eye(3, dtype=torch.bool)
    present[:, 0] = True
    for tau, expected in ((1.0, 0.726117), (0.1, 0.003871)):
        loss = shapley_contrast(phi, temperature=tau, present=present)
        assert float(loss) * 3 == pytest.approx(expected, abs=1e-6)
    # Targets without rivals are left out of this mean, because their term is no loss of 0.
    margin = shapley_contrast(phi, form="margin", present=present)
    assert float(margin) == pytest.approx(-0.628679, abs=1e-6)


def test_a_batch_of_two_by_hand() -> None:
    phi = exact_shapley(BATCH)
    expected = torch.tensor([[0.725990, -0.006303], [-0.074010, 0.593697]], dtype=torch.float64)
    assert torch.allclose(phi, expected, atol=1e-6)
    loss = {
        sides: float(alignment_loss(BATCH, Game(), temperature=1.0, sides=sides))
        for sides in ("rows", "columns", "both")
    }
    assert loss == pytest.approx(
        {"rows": 0.404294, "columns": 0.403186, "both": 0.403740}, abs=1e-6
    )
    assert loss["rows"] == pytest.approx(float(info_nce(BATCH.T)), abs=1e-9)
    assert loss["rows"] < math.log(2)
    assert float(shapley_contrast(phi, form="margin")) == pytest.approx(-0.7, abs=1e-9)
    assert float(alignment_loss(BATCH, Game(), form="margin", sides="rows")) == pytest.approx(-0.7)


def test_more_orders_come_closer_as_one_over_their_root() -> None:
    """About 0.076, 0.024 and 0.0068 for 10, 100 and 1000 orders of a game of six."""
    mean = []
    for count in (10, 100, 1000):
        errors = []
        for seed in range(40):
            scores = random_game(seed, 6)
            orders = draw_orders(6, count, antithetic=False, seed=seed)
            errors.append(
                float((sampled_shapley(scores, orders) - exact_shapley(scores)).abs().mean())
            )
        mean.append(sum(errors) / len(errors))
    for found, expected in zip(mean, (0.076, 0.024, 0.0068), strict=True):
        assert expected / 2 < found < expected * 2
    for fewer, more in itertools.pairwise(mean):
        assert 2.5 < fewer / more < 4.0  # the root of ten is 3.16


def test_reversed_orders_help() -> None:
    errors = {True: 0.0, False: 0.0}
    for seed in range(60):
        scores = random_game(seed, 8)
        for antithetic in errors:
            orders = draw_orders(8, 8, antithetic=antithetic, seed=seed)
            difference = sampled_shapley(scores, orders) - exact_shapley(scores)
            errors[antithetic] += float(difference.abs().mean()) / 60
    assert errors[True] < 0.9 * errors[False]


@given(SEEDS, st.integers(1, 5), st.integers(1, 4), st.sampled_from([0.05, 0.5, 1.0, 3.0]))
@settings(max_examples=40, deadline=None)
def test_running_sums_are_the_definition(seed: int, players: int, count: int, tau: float) -> None:
    scores = random_game(seed, players, 2)
    orders = draw_orders(players, count, seed=seed)
    found = sampled_shapley(scores, orders, tau)
    assert torch.allclose(found, definition(scores, tau, orders.tolist()), atol=1e-12, rtol=0)
    every = list(itertools.permutations(range(players)))
    assert torch.allclose(
        exact_shapley(scores, tau), definition(scores, tau, every), atol=1e-12, rtol=0
    )


@given(SEEDS, st.integers(2, 7))
@settings(max_examples=40, deadline=None)
def test_efficiency_order_and_shares(seed: int, players: int) -> None:
    scores = random_game(seed, players)
    everybody = coalition_values(scores, torch.ones(1, players, dtype=torch.bool))[0]
    exact = exact_shapley(scores)
    orders = draw_orders(players, 3, seed=seed)
    for phi in (exact, sampled_shapley(scores, orders)):
        assert torch.allclose(phi.sum(0), everybody, atol=1e-12)
    turned = torch.randperm(players, generator=torch.Generator().manual_seed(seed))
    shuffled = scores[turned][:, turned]
    assert torch.allclose(exact_shapley(shuffled), exact[turned][:, turned], atol=1e-12)
    # An order of the shuffled players that names the same ones.
    renamed = turned.argsort()[orders]
    sampled = sampled_shapley(scores, orders)[turned][:, turned]
    assert torch.allclose(sampled_shapley(shuffled, renamed), sampled, atol=1e-12)
    game = Game(exact_up_to=7)
    for form in ("info_nce", "margin"):
        losses = [float(alignment_loss(s, game, form=form)) for s in (scores, shuffled)]
        assert losses[0] == pytest.approx(losses[1], abs=1e-9)


@given(SEEDS, st.integers(2, 6))
@settings(max_examples=30, deadline=None)
def test_who_is_not_present_is_not_there(seed: int, players: int) -> None:
    scores = random_game(seed, players)
    drawn = torch.rand(players, players, generator=torch.Generator().manual_seed(seed)) < 0.6
    present = drawn | torch.eye(players, dtype=torch.bool)
    exact = exact_shapley(scores, present=present)
    orders = draw_orders(players, 2, seed=seed)
    sampled = sampled_shapley(scores, orders, present=present)
    for j in range(players):
        there = present[:, j].nonzero().squeeze(1)
        alone = exact_shapley(scores[there][:, j : j + 1])[:, 0]
        assert torch.allclose(exact[there, j], alone, atol=1e-12)
        assert not exact[~present[:, j], j].any()
        assert not sampled[~present[:, j], j].any()
        kept = [[int((there == q).nonzero()) for q in o if present[q, j]] for o in orders.tolist()]
        expected = definition(scores[there][:, j : j + 1], 1.0, kept)[:, 0]
        assert torch.allclose(sampled[there, j], expected, atol=1e-12)


def test_duplicates_are_neither_players_nor_rivals() -> None:
    scores = random_game(0, 3)
    same = torch.tensor([[0, 1, 0], [1, 0, 0], [0, 0, 0]]).bool()
    loss = alignment_loss(scores, Game(), present=~same, sides="rows")
    terms = []
    for j, there in enumerate(([0, 2], [1, 2], [0, 1, 2])):
        phi = exact_shapley(scores[there][:, [j]])[:, 0] / 0.1
        terms.append(phi.logsumexp(0) - phi[there.index(j)])
    assert float(loss) == pytest.approx(float(torch.stack(terms).mean()), abs=1e-12)
    margin = alignment_loss(scores, Game(), form="margin", present=~same, sides="rows")
    terms = []
    for j, there in enumerate(([0, 2], [1, 2], [0, 1, 2])):
        phi = exact_shapley(scores[there][:, [j]])[:, 0]
        own = phi[there.index(j)]
        terms.append((phi.sum() - own) / (len(there) - 1) - own)
    assert float(margin) == pytest.approx(float(torch.stack(terms).mean()), abs=1e-12)


def test_all_of_one_picture_have_nothing_to_tell_apart() -> None:
    scores = random_game(1, 4).requires_grad_()
    nobody = torch.zeros(4, 4, dtype=torch.bool)
    for form in ("info_nce", "margin"):
        loss = alignment_loss(scores, Game(), form=form, present=nobody)
        loss.backward()
        assert float(loss.detach()) == 0.0
    assert scores.grad is not None
    assert not scores.grad.any()


@pytest.mark.parametrize("present", [None, torch.tensor([[1, 1], [0, 1], [1, 1]]).bool()])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_scores_far_apart_keep_their_digits(dtype: Any, present: Tensor | None) -> None:
    """exp(-2000) is 0: a set of weak players alone needs a maximum of its own."""
    scores = torch.tensor([[1.0, -1.0], [-1.0, 1.0], [-0.95, 0.9]], dtype=dtype)
    orders = torch.tensor([[1, 2, 0], [2, 1, 0], [0, 1, 2]])
    for tau in (1e-3, 0.05):
        leaf = scores.clone().requires_grad_()
        exact = exact_shapley(leaf, tau, present=present)
        sampled = sampled_shapley(leaf, orders, tau, present=present)
        (exact.sum() + sampled.square().sum()).backward()
        assert leaf.grad is not None
        assert leaf.grad.isfinite().all()
        if present is None and tau == 1e-3:
            # A set is worth its best member.
            assert sampled[:, 0].tolist() == pytest.approx(
                [(1.95 + 1.95 + 1) / 3, (-1 + 0 + 0) / 3, (0.05 - 0.95 + 0) / 3], abs=1e-5
            )
    sharp = exact_shapley(scores, 0.05, present=present)
    gentle = exact_shapley(scores.double(), 0.05, present=present)
    assert torch.allclose(sharp.double(), gentle, atol=1e-5)


def test_both_roads_agree_where_both_can_be_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    from magpie.nn import shapley

    scores, orders = random_game(3, 5), draw_orders(5, 4, seed=3)
    fast = exact_shapley(scores), sampled_shapley(scores, orders)
    monkeypatch.setattr(shapley, "_common_shift", lambda *_, **__: None)
    slow = exact_shapley(scores), sampled_shapley(scores, orders)
    for one, other in zip(fast, slow, strict=True):
        assert torch.allclose(one, other, atol=1e-13)


def test_orders_follow_their_seed() -> None:
    one, same, other = (draw_orders(9, 5, seed=seed) for seed in (4, 4, 5))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert one.shape == (5, 9)
    assert torch.equal(one.sort(1).values, torch.arange(9).expand(5, 9))
    assert torch.equal(one[1], one[0].flip(0))
    assert torch.equal(one[3], one[2].flip(0))
    plain = draw_orders(9, 2, antithetic=False, seed=4)
    assert not torch.equal(plain[1], plain[0].flip(0))
    generator = torch.Generator().manual_seed(4)
    assert torch.equal(draw_orders(9, 5, seed=generator), one)
    assert not torch.equal(draw_orders(9, 5, seed=generator), one)
    torch.manual_seed(4)
    assert torch.equal(draw_orders(9, 5), one)


def test_settings_reach_the_values() -> None:
    scores = random_game(2, 7)
    exact = exact_shapley(scores)
    assert torch.equal(Game(exact_up_to=7).values(scores), exact)
    sampled = Game().values(scores, seed=1)
    assert torch.equal(sampled, sampled_shapley(scores, draw_orders(7, 8, seed=1)))
    assert torch.equal(
        Game(samples=3, antithetic=False, temperature=0.5).values(scores, seed=1),
        sampled_shapley(scores, draw_orders(7, 3, antithetic=False, seed=1), 0.5),
    )
    loss = [float(alignment_loss(scores, Game(), seed=seed)) for seed in (1, 1, 2)]
    assert loss[0] == loss[1] != loss[2]


@pytest.mark.parametrize("exact", [True, False])
def test_shares_may_be_taken_as_they_are(exact: bool) -> None:
    scores = random_game(5, 4)
    orders = draw_orders(4, 4, seed=0)

    def phi(x: Tensor, *, detach: bool) -> Tensor:
        if exact:
            return exact_shapley(x, detach_weights=detach)
        return sampled_shapley(x, orders, detach_weights=detach)

    one, other = (scores.clone().requires_grad_() for _ in range(2))
    through, stopped = phi(one, detach=False), phi(other, detach=True)
    assert torch.equal(through, stopped)
    through[0, 0].backward()
    stopped[0, 0].backward()
    assert one.grad is not None
    assert other.grad is not None
    assert not torch.allclose(one.grad, other.grad, atol=1e-3)
    # With fixed shares values are linear in the scores.
    linear = float((other.grad * scores).sum())
    assert linear == pytest.approx(float(stopped[0, 0].detach()), abs=1e-12)
    assert torch.autograd.gradcheck(lambda x: phi(x, detach=False), (scores.requires_grad_(),))


def test_sets_that_were_kept_without_gradients_serve_training() -> None:
    shape = 9, 2
    with torch.inference_mode():
        exact_shapley(torch.zeros(shape, dtype=torch.float32))
    leaf = torch.zeros(shape, dtype=torch.float32).requires_grad_()
    exact_shapley(leaf).sum().backward()
    assert leaf.grad is not None
    assert torch.allclose(leaf.grad, torch.full(shape, 1 / 9), atol=1e-6)


def test_a_large_batch_may_play_several_games() -> None:
    scores = random_game(6, 7)
    found = alignment_loss(scores, Game(), players=4)
    parts = [alignment_loss(scores[p, p], Game()) for p in (slice(0, 4), slice(4, 7))]
    assert float(found) == pytest.approx(float(parts[0] * 4 + parts[1] * 3) / 7, abs=1e-12)
    assert float(alignment_loss(scores[:4, :4], Game(), players=4)) == pytest.approx(
        float(parts[0]), abs=1e-12
    )


def test_refusals() -> None:
    with pytest.raises(ConfigError, match="2\\^17 sets"):
        exact_shapley(torch.zeros(MOST_EXACT + 1, 1))
    with pytest.raises(ConfigError, match="one order, got 3 and 0"):
        draw_orders(3, 0)
    with pytest.raises(ConfigError, match="square"):
        alignment_loss(torch.zeros(2, 3), Game())
    with pytest.raises(ConfigError, match="two players, got 1"):
        alignment_loss(BATCH, Game(), players=1)
    with pytest.raises(ConfigError, match="above 0"):
        Game(temperature=0.0)
    with pytest.raises(ConfigError, match=r"\[0, 16\], got 17"):
        Game(exact_up_to=17)
