"""Five of our methods against the public code: training and prediction, one JSON object.

    python -m benchmarks.training --public FOLDER [--method umt] [--batch 8] [--rounds 3]

``FOLDER`` holds copies of the public repositories (:mod:`benchmarks.training.public`). Both sides
have the same random weights of BERT-base, ResNet and CLIP size and see the same invented posts on
the same cores. First their results are compared: losses, gradients, best paths. Then rounds
alternate between the two; what is compared are the medians of the rounds' processor seconds, which
other users of the machine touch least.

The public code pads every text to 128 pieces and runs its frozen ResNet again for every batch. Ours
is timed as ``magpie train`` and ``magpie predict`` run it, tokenising and reading the store
included; theirs is handed finished tensors. Their batch norms are put into evaluation mode: left in
training mode, as published, they change from batch to batch, and nothing would be equal.

CAMIM and MOREformer are compared in training alone (:mod:`benchmarks.training.relations`).
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import torch
from benchmarks.training.equal import compared
from benchmarks.training.measure import Bench, chain
from benchmarks.training.relations import RELATIONS
from benchmarks.training.relations import measured as related
from benchmarks.training.twins import TWINS


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--public", type=Path, required=True, help="folder of the repositories")
    parser.add_argument("--method", action="append", choices=[*TWINS, *RELATIONS])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--posts", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    results: dict[str, Any] = {}
    for name in options.method or (*TWINS, *RELATIONS):
        try:
            results[name] = measured(name, options)
        except FileNotFoundError as error:
            results[name] = {"not compared": f"{error} is absent"}
    settings = {"batch": options.batch, "posts": options.posts, "rounds": options.rounds}
    print(json.dumps({**settings, "threads": torch.get_num_threads(), **results}, indent=1))


def measured(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Equality, then times."""
    torch.manual_seed(0)
    if name in RELATIONS:
        with tempfile.TemporaryDirectory() as folder:
            place = (options.public, Path(folder))
            result: dict[str, Any] = related(
                name, *place, options.posts, options.batch, options.rounds
            )
        return result
    twins = TWINS[name](options.public)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(twins, Path(folder), options.posts, options.batch)
        equal = compared(bench)
        times = bench.rounds(options.rounds)
    return {"equal": equal, **times, "chain_ms_a_step": chain(bench)}


if __name__ == "__main__":
    main()
