"""Shapley values of a batch by drawn orders: what they cost and how far off they are.

    python -m benchmarks.shapley [--samples 8] [--rounds 15] [--games 40] [--threads 1]

Prints one JSON object. ``cost``: processor milliseconds of phi of a K x K batch with its gradient,
for

- ``sampled``: the estimator with ``--samples`` orders, all at once (:func:`sampled_shapley`),
- ``exact``: every set, three products of matrices (:func:`exact_shapley`; up to 16 players),
- ``loop_orders``: the same estimate order after order, running sums inside,
- ``loop_players``: the same estimate player after player, each set's worth computed anew,
- ``loop_sets``: the exact values set after set (up to 8 players),

and their ratios to ``sampled``. All estimates must agree, and so must both exact ones, before
anything is timed. Rounds alternate, so that a busy machine slows all of them; medians are compared.
``error``: mean absolute difference from the exact values of 8 players whose scores are uniform in
[-1, 1], over ``--games`` games, by the number of orders, and as a share of the mean absolute value.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from magpie.nn.shapley import draw_orders, exact_shapley, sampled_shapley

#: players whose cost is measured
PLAYERS = (2, 4, 6, 8, 12, 16, 32)
#: players up to which the exact values are also computed set after set
LOOPED = 8
#: players up to which they are computed at all
ENUMERATED = 16
#: calls of each in a round
CALLS = 5
#: orders whose error is measured
ORDERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 1024)


def worth(scores: Tensor) -> Tensor:
    """u of a set that holds all rows, [n, J] -> [J]; 0 without any."""
    return (scores.softmax(0) * scores).sum(0)


def loop_orders(scores: Tensor, orders: Tensor) -> Tensor:
    """One order after the other, as the method's pseudo-code has it."""
    total = torch.zeros_like(scores)
    for order in orders:
        x = scores[order]
        w = (x - scores.detach().amax(0)).exp()
        values = (w * x).cumsum(0) / w.cumsum(0)
        added = torch.diff(values, dim=0, prepend=torch.zeros_like(values[:1]))
        total = total.index_add(0, order, added)
    return total / len(orders)


def loop_players(scores: Tensor, orders: Tensor) -> Tensor:
    """One player after the other: what its set is worth with it, less what it was without."""
    rows: list[Tensor] = [torch.zeros_like(scores[0]) for _ in scores]
    for order in orders.tolist():
        before = torch.zeros_like(scores[0])
        for place, player in enumerate(order):
            after = worth(scores[order[: place + 1]])
            rows[player] = rows[player] + (after - before)
            before = after
    return torch.stack(rows) / len(orders)


def loop_sets(scores: Tensor) -> Tensor:
    """The definition, set after set."""
    count = len(scores)
    values = {
        members: worth(scores[list(members)]) if members else torch.zeros_like(scores[0])
        for size in range(count + 1)
        for members in itertools.combinations(range(count), size)
    }
    rows = []
    for player in range(count):
        total = torch.zeros_like(scores[0])
        for members, value in values.items():
            if player not in members:
                joined = tuple(sorted((*members, player)))
                share = 1 / (count * math.comb(count - 1, len(members)))
                total = total + share * (values[joined] - value)
        rows.append(total)
    return torch.stack(rows)


def batch(players: int, seed: int) -> Tensor:
    """Similarities of a batch, uniform in [-1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    return 2 * torch.rand(players, players, generator=generator) - 1


def medians(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Processor milliseconds of each, in alternating rounds; the first two warm up."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds + 2):
        for name, work in works.items():
            start = time.process_time()
            for _ in range(CALLS):
                work()
            times[name].append(1000 * (time.process_time() - start) / CALLS)
    return {name: statistics.median(spent[2:]) for name, spent in times.items()}


def cost(players: int, samples: int, rounds: int) -> dict[str, Any]:
    """Agreement, then times and ratios."""
    scores = batch(players, 0)
    orders = draw_orders(players, samples, seed=0)
    ways: dict[str, Callable[[Tensor], Tensor]] = {
        "sampled": lambda s: sampled_shapley(s, orders),
        "loop_orders": lambda s: loop_orders(s, orders),
        "loop_players": lambda s: loop_players(s, orders),
    }
    if players <= ENUMERATED:
        ways["exact"] = exact_shapley
    if players <= LOOPED:
        ways["loop_sets"] = loop_sets
    double = scores.double()
    for name, way in ways.items():
        twin = "exact" if name == "loop_sets" else name
        expected = ways[twin if twin == "exact" else "sampled"](double)
        torch.testing.assert_close(way(double), expected, rtol=0, atol=1e-12)

    def timed(way: Callable[[Tensor], Tensor]) -> Callable[[], None]:
        def work() -> None:
            leaf = scores.clone().requires_grad_()
            way(leaf).square().sum().backward()

        return work

    found = medians({name: timed(way) for name, way in ways.items()}, rounds)
    return {
        "players": players,
        "milliseconds": {name: round(value, 3) for name, value in found.items()},
        "times_sampled": {
            name: round(value / found["sampled"], 2)
            for name, value in found.items()
            if name != "sampled"
        },
    }


def errors(players: int, games: int) -> list[dict[str, Any]]:
    """Mean absolute error by number of orders, with and without reversed ones."""
    rows = []
    truth = [exact_shapley(batch(players, seed).double()) for seed in range(games)]
    scale = statistics.mean(float(phi.abs().mean()) for phi in truth)
    for count in ORDERS:
        row: dict[str, Any] = {"orders": count}
        for name, antithetic in (("antithetic", True), ("plain", False)):
            row[name] = statistics.mean(
                float(
                    (
                        sampled_shapley(
                            batch(players, seed).double(),
                            draw_orders(players, count, antithetic=antithetic, seed=seed),
                        )
                        - phi
                    )
                    .abs()
                    .mean()
                )
                for seed, phi in enumerate(truth)
            )
        row["antithetic_share"] = round(row["antithetic"] / scale, 3)
        rows.append({k: round(v, 5) if isinstance(v, float) else v for k, v in row.items()})
    return rows


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    for name, default in (("samples", 8), ("rounds", 15), ("games", 40), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    report = {
        "samples": options.samples,
        "cost": [cost(players, options.samples, options.rounds) for players in PLAYERS],
        "error": errors(8, options.games),
    }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
