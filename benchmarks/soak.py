"""Whether memory and speed stay flat: 50,000 documents through one stream.

    python benchmarks/soak.py [--documents 50000] > soak.json

Texts are made from a seed, no two alike, as long as posts are (0 to 29 words), every hundredth
twenty times as long.
Prints resident memory and the rate at ten checkpoints, and what both did between the second
checkpoint (everything is loaded and warm) and the last.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from magpie.engine import Extractor
from magpie.schema import Block, Document

SENTENCE = "Paris NASA Marie Curie we saw the in of at and again today #launch @someone 2017 🚀 é"


def documents(count: int, seed: int = 0) -> Iterator[Document]:
    """Texts with many words never seen before, so that no cache can hold them all."""
    rng = random.Random(seed)
    common = SENTENCE.split()
    for index in range(count):
        length = rng.randrange(30) * (20 if index % 100 == 99 else 1)
        words = [
            rng.choice(common) if rng.random() < 0.8 else f"w{rng.randrange(10**9):x}"
            for _ in range(length)
        ]
        yield Document(id=str(index), blocks=(Block(text=" ".join(words)),))


def resident_mb() -> float:
    """Memory in use now, in MB."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text("ascii").split()[1]) * resource.getpagesize() / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def soak(count: int, model: str, checkpoints: int = 10) -> dict[str, Any]:
    """Streams ``count`` documents and looks at memory and speed now and then."""
    extractor = Extractor(model, ground=False)
    step = max(1, count // checkpoints)
    rows: list[dict[str, float]] = []
    begun = time.perf_counter()
    for done, _ in enumerate(extractor.stream(documents(count)), start=1):
        if done % step == 0:
            now = time.perf_counter()
            row = {
                "documents": done,
                "resident_mb": round(resident_mb(), 1),
                "documents_per_second": round(step / (now - begun), 1),
            }
            rows.append(row)
            print(row, file=sys.stderr, flush=True)
            begun = time.perf_counter()
    warm, last = rows[min(1, len(rows) - 1)], rows[-1]
    return {
        "checkpoints": rows,
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, 1),
        "growth_mb": round(last["resident_mb"] - warm["resident_mb"], 1),
        "speed_ratio": round(last["documents_per_second"] / warm["documents_per_second"], 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--documents", type=int, default=50_000)
    parser.add_argument("--model", default="embedded")
    options = parser.parse_args()
    print(json.dumps(soak(options.documents, options.model), indent=2))


if __name__ == "__main__":
    main()
