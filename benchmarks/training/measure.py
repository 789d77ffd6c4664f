"""Rounds that alternate between both sides, and what each of our parts contributes."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from benchmarks.training.public import LENGTH
from benchmarks.training.twins import TAGS, Twins, UmtTwins, padded
from benchmarks.training.work import posts
from torch import Tensor
from torchcrf import CRF as TheirChain  # noqa: N811

from magpie.features.store import Store
from magpie.features.supply import Supplier
from magpie.methods.base import Batch, without_gold
from magpie.methods.predicting import predict_documents
from magpie.nn.crf import CRF
from magpie.training.examples import Examples
from magpie.training.loop import LoopConfig, Trainer

__all__ = ["Bench", "chain"]

#: what only explains a ratio is run in the first round alone
_ONCE = ("ours_padded", "ours_padded_uncached", "predict_ours_new_pictures")


class Switched(Examples):
    """Training examples that can be padded, or have their cached features computed anew."""

    pad = False
    anew: Callable[[Sequence[int]], dict[str, Tensor]] | None = None

    def batch(self, indices: Sequence[int]) -> Batch:
        batch = super().batch(indices)
        if self.anew is not None:
            batch.inputs.update(self.anew(indices))
        return padded(batch, LENGTH) if self.pad else batch


class Bench:
    """One method, both sides ready to run.

    Args:
        twins: the two networks.
        folder: of the store that our features are kept in.
        count: posts.
        size: posts a batch.
    """

    def __init__(self, twins: Twins, folder: Path, count: int, size: int) -> None:
        self.twins = twins
        self.size = size
        self.documents = posts(count, pictures=twins.pictures, seed=1)
        self.supplier = Supplier(store=Store(folder), sources=twins.sources())
        self.examples = Switched(twins.ours, self.documents, self.supplier)
        self._pixels = twins.seen(self.supplier, self.documents)
        config = LoopConfig(epochs=10**6, batch=size, optimiser=twins.settings)
        trainer = Trainer(twins.ours, self.examples, config)
        self._steps = trainer.steps()
        self._batches = trainer.steps_per_epoch
        self._at = 0

    def seen(self, rows: Sequence[int]) -> dict[str, Tensor]:
        """What their network reads of the pictures of these posts."""
        return {name: value[list(rows)] for name, value in self._pixels.items()}

    def rounds(self, count: int) -> dict[str, Any]:
        """Seconds a post of both sides and of ours without one of its parts."""
        self.twins.still()
        works = {
            "theirs": self._train_theirs,
            "ours": lambda: self._train(pad=False, anew=False),
            "ours_padded": lambda: self._train(pad=True, anew=False, steps=1),
            "predict_theirs": self._predict_theirs,
            "predict_ours": lambda: self._predict(self.supplier),
        }
        if self.twins.cached:
            works["ours_padded_uncached"] = lambda: self._train(pad=True, anew=True, steps=1)
            works["predict_ours_new_pictures"] = lambda: self._predict(
                Supplier(sources=self.twins.sources())
            )
        begun = time.process_time()
        self.supplier.many(self.documents, self.twins.ours.needs())
        filling = (time.process_time() - begun) / len(self.documents)
        # Once without being counted: optimisers make their states, examples are kept.
        works["theirs"]()
        works["ours"]()
        seconds: dict[str, list[float]] = {name: [] for name in works}
        wall: dict[str, list[float]] = {name: [] for name in works}
        for number in range(count):
            print(".", end="", file=sys.stderr, flush=True)
            for name, work in works.items():
                if number and name in _ONCE:
                    continue
                begun, clock = time.process_time(), time.perf_counter()
                done = work()
                seconds[name].append((time.process_time() - begun) / done)
                wall[name].append((time.perf_counter() - clock) / done)
        return self._report(seconds, wall, filling)

    def _report(
        self, seconds: dict[str, list[float]], wall: dict[str, list[float]], filling: float
    ) -> dict[str, Any]:
        m = {name: statistics.median(values) for name, values in seconds.items()}
        found: dict[str, Any] = {
            "training": {
                "steps_a_second": {
                    side: round(1 / (m[side] * self.size), 4) for side in ("ours", "theirs")
                },
                **_ratio(seconds, wall, "theirs", "ours"),
                "of_which": {
                    **(
                        {"cached_features": _over(m, "ours_padded_uncached", "ours_padded")}
                        if self.twins.cached
                        else {}
                    ),
                    "no_padding": _over(m, "ours_padded", "ours"),
                    "the_rest": _over(
                        m, "theirs", "ours_padded_uncached" if self.twins.cached else "ours_padded"
                    ),
                },
            },
            "prediction": {
                "posts_a_second": {
                    side: round(1 / m[f"predict_{side}"], 3) for side in ("ours", "theirs")
                },
                **_ratio(seconds, wall, "predict_theirs", "predict_ours"),
            },
        }
        if self.twins.cached:
            new = "predict_ours_new_pictures"
            found["prediction"]["ratio_new_pictures"] = _over(m, "predict_theirs", new)
            found["filling_the_cache_seconds_a_post"] = round(filling, 3)
        return found

    def _train(self, *, pad: bool, anew: bool, steps: int = 0) -> int:
        """Steps of our loop; an epoch unless told otherwise. Returns how many posts were seen."""
        twins = self.twins
        twins.ours.train()
        self.examples.pad = pad
        self.examples.anew = (lambda rows: twins.fresh(self.seen(rows))) if anew else None
        for _ in range(steps or self._batches):
            next(self._steps)
        return (steps or self._batches) * self.size

    def _turn(self) -> tuple[Batch, dict[str, Tensor]]:
        """Their next batch, in the order of the posts, padded; made before the clock matters."""
        rows = [(self._at + n) % len(self.documents) for n in range(self.size)]
        self._at += self.size
        self.examples.pad, self.examples.anew = True, None
        return self.examples.batch(rows), self.seen(rows)

    def _train_theirs(self) -> int:
        twins = self.twins
        twins.theirs.train()
        twins.still()
        batch, seen = self._turn()
        loss = twins.loss(batch, seen, batch.targets["tags"])
        loss.item()
        loss.backward()
        twins.optimiser.step()
        twins.optimiser.zero_grad()
        return self.size

    @torch.no_grad()
    def _predict_theirs(self) -> int:
        self.twins.theirs.eval()
        batch, seen = self._turn()
        self.twins.paths(batch, seen)
        return self.size

    def _predict(self, supplier: Supplier) -> int:
        bare = [without_gold(document) for document in self.documents]
        predict_documents(self.twins.ours, bare, supplier, batch=self.size)
        return len(bare)


def _over(medians: dict[str, float], first: str, second: str) -> float:
    return round(medians[first] / medians[second], 2)


def _ratio(
    seconds: dict[str, list[float]], wall: dict[str, list[float]], theirs: str, ours: str
) -> dict[str, Any]:
    """Ratio of the medians, the spread of the rounds' ratios, and that of elapsed time."""
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    elapsed = {name: statistics.median(values) for name, values in wall.items()}
    each = sorted(a / b for a, b in zip(seconds[theirs], seconds[ours], strict=True))
    return {
        "ratio": _over(medians, theirs, ours),
        "ratio_of_rounds": [round(each[0], 2), round(each[-1], 2)],
        "ratio_elapsed": _over(elapsed, theirs, ours),
    }


def chain(bench: Bench) -> dict[str, float]:
    """Milliseconds a training step spends in the chain, on both sides' lengths.

    Theirs finds the best paths of every training batch, too, but for UMT's.
    """
    batch = bench.examples
    batch.pad, batch.anew = False, None
    own = batch.batch(range(bench.size))
    wide = padded(own, LENGTH)
    twice = 2 if isinstance(bench.twins, UmtTwins) else 1
    ours, theirs = CRF(TAGS), TheirChain(TAGS, batch_first=True)

    def our_part() -> None:
        mask = own.inputs["attention_mask"].bool()
        scores = torch.randn(*mask.shape, TAGS, requires_grad=True)
        ours(scores, own.targets["tags"], mask).backward()

    def their_part() -> None:
        mask = wide.inputs["attention_mask"].bool()
        scores = torch.randn(*mask.shape, TAGS, requires_grad=True)
        (-theirs(scores, wide.targets["tags"], mask, reduction="mean")).backward()
        if twice == 1:
            theirs.decode(scores, mask)

    return {
        side: round(twice * 1000 * _median(part), 1)
        for side, part in (("ours", our_part), ("theirs", their_part))
    }


def _median(work: Callable[[], None], rounds: int = 7) -> float:
    seconds = []
    for _ in range(rounds):
        begun = time.process_time()
        work()
        seconds.append(time.process_time() - begun)
    return statistics.median(seconds)
