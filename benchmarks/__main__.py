"""Every benchmark, one after the other, each in a process of its own: ``python -m benchmarks``.

Prints one JSON object, ``{name: what the benchmark printed}``; a benchmark that fails stands there
with its error, and the exit code says so. Ratios within one run are what counts: seconds of a
machine that others use, too, compare with nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

NAMES = (
    "startup",
    "throughput",
    "score_vs_seqeval",
    "score_grounded",
    "reading",
    "locate",
    "crf",
    "attention",
    "shapley",
    "generation",
    "grounding",
    "features",
    "soak",
)


def run(name: str) -> dict[str, Any]:
    """What one benchmark prints, or ``{"error": the end of its standard error}``."""
    print(f"{name} ...", file=sys.stderr, flush=True)
    root = Path(__file__).resolve().parent.parent
    command = [sys.executable, "-m", f"benchmarks.{name}"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        return {"error": done.stderr[-2000:]}
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def main() -> int:
    results = {name: run(name) for name in sys.argv[1:] or NAMES}
    print(json.dumps(results, indent=2))
    return int(any("error" in result for result in results.values()))


if __name__ == "__main__":
    sys.exit(main())
