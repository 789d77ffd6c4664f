"""Shapley values of softmax games: what each member of a batch is worth to one target.

Shapley, A Value for n-Person Games, 1953; as Luo et al. use it, Shapley Value-based Contrastive
Alignment for Multimodal Information Extraction, ACM MM 2024 (arXiv 2407.17854). Scores s_ij say how
well player i suits target j. A set S of players is worth the softmax mean of its scores,

    u_j(S) = sum over i in S of p_i s_ij,   p_i proportional to exp(s_ij / tau_u),   u_j({}) = 0,

and a player the mean of what it adds over all orders in which the players may come. One that is
worse than those already there adds a negative amount, which no logit of InfoNCE does. Two roads:
every set (:func:`exact_shapley`, 2^k rows in three products of matrices) or some orders
(:func:`sampled_shapley`). Along one order both sums of u are running sums, so that the worths of
its k sets are one cumulative sum, and what the players add are its differences.

A player that is not ``present`` in a target's game adds nothing to any set: its value is 0, and
the others are worth what they are without it.

Shapes: K players, J targets (K where players and targets are pairs), M orders, S sets.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from magpie.errors import ConfigError
from magpie.nn.contrast import info_nce

__all__ = [
    "MOST_EXACT",
    "Form",
    "Game",
    "Seed",
    "Sides",
    "alignment_loss",
    "coalition_values",
    "draw_orders",
    "exact_shapley",
    "sampled_shapley",
    "shapley_contrast",
]

#: players up to which all 2^K sets are enumerated
MOST_EXACT = 16
#: of orders: a number, a generator that goes on, or None for torch's own
Seed = int | torch.Generator | None
#: InfoNCE over values, or own value less the mean of the others
Form = Literal["info_nce", "margin"]
#: whose players: rows for targets in columns, columns for targets in rows, or the mean of both
Sides = Literal["both", "rows", "columns"]


def coalition_values(
    scores: Tensor,
    members: Tensor,
    temperature: float = 1.0,
    *,
    present: Tensor | None = None,
    detach_weights: bool = False,
) -> Tensor:
    """u_j(S) as it is defined, every set with a maximum of its own; costs S x K x J.

    Args:
        scores: [K, J].
        members: bool [S, K].
        temperature: tau_u; high ones approach the mean, low ones the maximum.
        present: bool [K, J], who takes part in which target's game; everybody where left out.
        detach_weights: let gradients pass through the scores and not through their shares.

    Returns:
        [S, J].
    """
    inside = members.unsqueeze(2).expand(-1, -1, scores.shape[1])  # S,K,J
    if present is not None:
        inside = inside & present
    logits = scores.detach() if detach_weights else scores
    logits = (logits / temperature).unsqueeze(0)
    top = logits.detach().masked_fill(~inside, -math.inf).amax(1, keepdim=True)
    top = top.masked_fill(top.isinf(), 0.0)
    shares = (logits - top).masked_fill(~inside, -math.inf).exp()  # S,K,J
    total = shares.sum(1)
    return (shares * scores).sum(1) / total.masked_fill(total == 0, 1.0)  # S,J


def exact_shapley(
    scores: Tensor,
    temperature: float = 1.0,
    *,
    present: Tensor | None = None,
    detach_weights: bool = False,
) -> Tensor:
    """Shapley values by enumeration of all sets: [K, J] -> [K, J].

    Arguments as in :func:`coalition_values`.

    Raises:
        ConfigError: more than ``MOST_EXACT`` players.
    """
    count = len(scores)
    if count > MOST_EXACT:
        raise ConfigError(
            f"{count} players have 2^{count} sets, and at most {MOST_EXACT} players are enumerated",
            mend="Draw orders instead: sampled_shapley.",
        )
    members, inside, coefficients = _sets(count, scores.dtype, scores.device)
    found = _common_shift(scores, temperature, present, detach_weights=detach_weights)
    if found is None:
        values = coalition_values(
            scores, members, temperature, present=present, detach_weights=detach_weights
        )
    else:
        values = _quotient(inside @ found)
    phi = coefficients @ values  # K,S @ S,J
    return phi if present is None else phi.masked_fill(~present, 0.0)  # of roundings, too


def draw_orders(players: int, count: int, *, antithetic: bool = True, seed: Seed = None) -> Tensor:
    """Random orders of the players, [M, K].

    Args:
        players: K.
        count: M.
        antithetic: every order is followed by its reverse, in which whoever came early comes late;
            of an odd number the last one stands alone.
        seed: see :data:`Seed`.

    Raises:
        ConfigError: no player, or no order.
    """
    if players < 1 or count < 1:
        raise ConfigError(f"need at least one player and one order, got {players} and {count}")
    generator = _generator(seed)
    drawn = -(-count // 2) if antithetic else count
    orders = torch.rand(drawn, players, generator=generator).argsort(1)
    if antithetic:
        orders = torch.stack([orders, orders.flip(1)], 1).flatten(0, 1)[:count]
    return orders


def sampled_shapley(
    scores: Tensor,
    orders: Tensor,
    temperature: float = 1.0,
    *,
    present: Tensor | None = None,
    detach_weights: bool = False,
) -> Tensor:
    """Mean of what each player adds in the given orders: [K, J] -> [K, J]; costs M x K x J.

    Unbiased for uniform orders; the values of a target add up to u_j of all players whatever the
    orders are. All targets share them.

    Args:
        scores: [K, J].
        orders: permutations of the K players, [M, K].
        temperature, present, detach_weights: see :func:`coalition_values`.
    """
    orders = orders.to(scores.device)
    flat = orders.flatten()
    found = _common_shift(scores, temperature, present, detach_weights=detach_weights)
    if found is None:
        steps = torch.arange(len(scores), device=scores.device)
        members = orders.argsort(1).unsqueeze(1) <= steps.view(1, -1, 1)  # M,K sets,K players
        values = coalition_values(
            scores,
            members.flatten(0, 1),
            temperature,
            present=present,
            detach_weights=detach_weights,
        ).unflatten(0, orders.shape)
    else:
        values = _quotient(found.index_select(0, flat).unflatten(0, orders.shape).cumsum(1))
    added = torch.diff(values, dim=1, prepend=torch.zeros_like(values[:, :1]))  # M,K,J
    total = torch.zeros_like(scores).index_add(0, flat, added.flatten(0, 1))
    return total / len(orders)


@dataclass(frozen=True, slots=True, kw_only=True)
class Game:
    """How values are found: the utility's temperature, and every set or some orders.

    Raises:
        ConfigError: an impossible value.
    """

    #: tau_u
    temperature: float = 1.0
    #: orders of one estimate (M)
    samples: int = 8
    #: draw every order together with its reverse
    antithetic: bool = True
    #: players up to which all sets are enumerated instead
    exact_up_to: int = 6
    #: gradients do not pass through the shares of a set
    detach_weights: bool = False

    def __post_init__(self) -> None:
        if self.temperature <= 0 or self.samples < 1:
            raise ConfigError(
                f"need a temperature above 0 and at least one sample, got {self.temperature} and "
                f"{self.samples}"
            )
        if not 0 <= self.exact_up_to <= MOST_EXACT:
            raise ConfigError(f"exact_up_to must lie in [0, {MOST_EXACT}], got {self.exact_up_to}")

    def values(self, scores: Tensor, *, present: Tensor | None = None, seed: Seed = None) -> Tensor:
        """phi, [K, J] -> [K, J]; ``seed`` of the orders, see :data:`Seed`."""
        if len(scores) <= self.exact_up_to:
            return exact_shapley(
                scores, self.temperature, present=present, detach_weights=self.detach_weights
            )
        orders = draw_orders(len(scores), self.samples, antithetic=self.antithetic, seed=seed)
        return sampled_shapley(
            scores, orders, self.temperature, present=present, detach_weights=self.detach_weights
        )


def shapley_contrast(
    values: Tensor,
    *,
    form: Form = "info_nce",
    temperature: float = 0.1,
    present: Tensor | None = None,
) -> Tensor:
    """Raises the value of a target's own player against those of its rivals; mean over targets.

    Args:
        values: phi, players in rows and targets in columns, pairs on the diagonal, [K, K].
        form: ``info_nce``: -log of the own player's share of its column at ``temperature``;
            ``margin``: mean of the rivals' values less the own one, over targets that have rivals.
        temperature: tau of InfoNCE.
        present: bool [K, K], who is a player of which target; own ones always are.
    """
    if form == "info_nce":
        absent = None if present is None else ~present.T
        return info_nce(values.T, temperature, ignored=absent)
    rivals = ~torch.eye(len(values), dtype=torch.bool, device=values.device)
    if present is not None:
        rivals = rivals & present
    count = rivals.sum(0)  # K
    others = values.masked_fill(~rivals, 0.0).sum(0) / count.clamp(min=1)
    losses = (others - values.diagonal()).masked_fill(count == 0, 0.0)
    return losses.sum() / (count > 0).sum().clamp(min=1)


def alignment_loss(
    scores: Tensor,
    game: Game,
    *,
    form: Form = "info_nce",
    temperature: float = 0.1,
    sides: Sides = "both",
    players: int | None = None,
    present: Tensor | None = None,
    seed: Seed = None,
) -> Tensor:
    """The contrast of the values of rows for columns and of columns for rows, or of one of them.

    Args:
        scores: of paired things, pairs on the diagonal, [K, K].
        game: how values are found.
        form, temperature: see :func:`shapley_contrast`.
        sides: see :data:`Sides`.
        players: most players of a game; a larger batch is cut into games of nearly equal size.
        present: bool [K, K], symmetric: which rows and columns may meet; the diagonal always does.
        seed: see :data:`Seed`.

    Raises:
        ConfigError: the matrix is not square, or a game of fewer than two players is asked for.
    """
    if scores.dim() != 2 or scores.shape[0] != scores.shape[1]:
        raise ConfigError(f"expected a square matrix of scores, got {tuple(scores.shape)}")
    if players is not None and players < 2:
        raise ConfigError(f"a game needs at least two players, got {players}")
    generator = _generator(seed)
    size = len(scores)
    own = torch.eye(size, dtype=torch.bool, device=scores.device)
    met = None if present is None else present | own
    terms = []
    for block in torch.arange(size).tensor_split(-(-size // players) if players else 1):
        part = slice(int(block[0]), int(block[-1]) + 1)
        inside = scores[part, part]
        who = None if met is None else met[part, part]
        games = {"rows": [inside], "columns": [inside.T], "both": [inside, inside.T]}[sides]
        for scored in games:
            found = game.values(scored, present=who, seed=generator)
            loss = shapley_contrast(found, form=form, temperature=temperature, present=who)
            terms.append(loss * len(block) / (size * len(games)))
    return torch.stack(terms).sum()


def _generator(seed: Seed) -> torch.Generator | None:
    return torch.Generator().manual_seed(seed) if isinstance(seed, int) else seed


@functools.lru_cache(maxsize=MOST_EXACT)
def _sets(count: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """All sets of players [2^K, K], bool and as numbers, and what each counts in each value,
    [K, 2^K].

    A set that holds the player stands once, with the share of the orders in which it comes last;
    one that does not is what was there before, and is taken off.
    """
    # Kept for training, whoever asks first.
    with torch.inference_mode(False):
        members = (torch.arange(2**count).unsqueeze(1) >> torch.arange(count)) & 1
        # By size of the set: |S|! (K - |S| - 1)! / K! of a set that the player is yet to join.
        shares = [1 / (count * math.comb(count - 1, size)) for size in range(count)]
        joining = torch.tensor([*shares, 0.0], dtype=torch.float64)
        joined = torch.tensor([0.0, *shares], dtype=torch.float64)
        sizes = members.sum(1, keepdim=True)
        coefficients = torch.where(members.bool(), joined[sizes], -joining[sizes])
        return (
            members.bool().to(device),
            members.to(device, dtype),
            coefficients.T.contiguous().to(device, dtype),
        )


def _common_shift(
    scores: Tensor, temperature: float, present: Tensor | None, *, detach_weights: bool
) -> Tensor | None:
    """Weights beside weighted scores, [K, 2 J]; one shift a target cancels in every quotient.

    None where scores lie so far apart that a set of weak players alone would lose its weights.
    """
    logits = (scores.detach() if detach_weights else scores) / temperature
    plain = logits.detach()
    top, low = plain, plain
    if present is not None:
        top = plain.masked_fill(~present, -math.inf)
        low = plain.masked_fill(~present, math.inf)
    top, low = top.amax(0), low.amin(0)  # J
    # exp(-room) is still far from the smallest number that keeps all its digits.
    room = -0.7 * math.log(torch.finfo(scores.dtype).tiny)
    if bool((top - low > room).any()):
        return None
    shifted = logits - top.masked_fill(top.isinf(), 0.0)
    if present is not None:
        shifted = shifted.masked_fill(~present, -math.inf)
    weights = shifted.exp()
    return torch.cat([weights, weights * scores], 1)


def _quotient(sums: Tensor) -> Tensor:
    """Worths [..., J] of sets by their sums [..., 2 J]; 0 without a member."""
    below, above = sums.chunk(2, -1)
    return above / below.masked_fill(below == 0, 1.0)
