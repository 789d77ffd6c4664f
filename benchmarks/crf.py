"""The chain against pytorch-crf, on the same emissions and weights; prints one JSON object.

    python -m benchmarks.crf [--batch 32] [--length 64] [--labels 13] [--rounds 15]

Both compute the negative log-likelihood with its gradient, and the best paths, of the same random
batch with padding. The results must agree (1e-5 relative, equal paths) before anything is timed.
Rounds alternate, so that a busy machine slows both; the medians are compared.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torchcrf import CRF as Theirs  # noqa: N811

from magpie.nn.crf import CRF


def problem(batch: int, length: int, labels: int) -> dict[str, torch.Tensor]:
    """Emissions, gold tags and a mask, ones first, every length from a quarter to the whole."""
    torch.manual_seed(0)
    lengths = torch.randint(max(1, length // 4), length + 1, (batch,))
    lengths[0] = length
    return {
        "emissions": torch.randn(batch, length, labels),
        "tags": torch.randint(labels, (batch, length)),
        "mask": torch.arange(length) < lengths[:, None],
    }


def twins(labels: int) -> tuple[CRF, Theirs]:
    """The two chains with the same weights."""
    ours, theirs = CRF(labels), Theirs(labels, batch_first=True)
    with torch.no_grad():
        theirs.start_transitions.copy_(ours.start)
        theirs.end_transitions.copy_(ours.end)
        theirs.transitions.copy_(ours.transitions)
    return ours, theirs


def timed(first: Callable[[], Any], second: Callable[[], Any], rounds: int) -> dict[str, float]:
    """Median milliseconds of both, in alternating rounds, and the second over the first."""
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds + 2):
        for work, kept in zip((first, second), seconds, strict=True):
            start = time.perf_counter()
            work()
            kept.append(time.perf_counter() - start)
    ours, theirs = (1000 * statistics.median(kept[2:]) for kept in seconds)
    return {
        "magpie_ms": round(ours, 2),
        "pytorch_crf_ms": round(theirs, 2),
        "ratio": round(theirs / ours, 2),
    }


def measure(batch: int, length: int, labels: int, rounds: int) -> dict[str, Any]:
    """Agreement, then times."""
    given = problem(batch, length, labels)
    emissions, tags, mask = given["emissions"], given["tags"], given["mask"]
    ours, theirs = twins(labels)

    def our_loss() -> torch.Tensor:
        ours.zero_grad()
        loss = ours(emissions, tags, mask)
        loss.backward()
        return loss.detach()

    def their_loss() -> torch.Tensor:
        theirs.zero_grad()
        loss = -theirs(emissions, tags, mask, reduction="mean")
        loss.backward()
        return loss.detach()

    torch.testing.assert_close(our_loss(), their_loss(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(ours.transitions.grad, theirs.transitions.grad, rtol=1e-4, atol=1e-6)
    assert ours.decode(emissions, mask) == theirs.decode(emissions, mask)
    return {
        "batch": batch,
        "length": length,
        "labels": labels,
        "loss_and_gradient": timed(our_loss, their_loss, rounds),
        "best_paths": timed(
            lambda: ours.decode(emissions, mask), lambda: theirs.decode(emissions, mask), rounds
        ),
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("batch", 32), ("length", 64), ("labels", 13), ("rounds", 15)):
        parser.add_argument(f"--{name}", type=int, default=default)
    print(json.dumps(measure(**vars(parser.parse_args())), indent=1))


if __name__ == "__main__":
    main()
