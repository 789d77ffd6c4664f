"""Cold starts: seconds and peak memory of fresh processes, and import times.

    python benchmarks/startup.py [--repeats 5] > startup.json

The median of the repeats counts. The first run of all, which may have to read everything from the
disk, is given by itself as ``first_s``.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from typing import Any

TEXT = "Marie Curie moved from Warsaw to Paris."
_TOTAL = re.compile(r"^import time:\s+\d+ \|\s+(\d+) \| (\S+)$", re.MULTILINE)


def run(command: list[str]) -> dict[str, float]:
    """Wall and processor seconds, peak resident MB and exit code of one process."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    elapsed = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    cpu = usage.ru_utime + usage.ru_stime
    return {"s": elapsed, "cpu": cpu, "mb": usage.ru_maxrss / 1e3, "exit": process.returncode}


def import_ms(module: str) -> float:
    """What ``-X importtime`` says of one module and everything below it."""
    command = [sys.executable, "-X", "importtime", "-c", f"import {module}"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    return max(int(total) / 1000 for total, name in _TOTAL.findall(out) if name == module)


def measure(model: str, repeats: int) -> dict[str, Any]:
    """All figures, by name."""
    magpie = [sys.executable, "-m", "magpie"]
    commands = {
        "magpie --help": [*magpie, "--help"],
        "magpie extract TEXT": [*magpie, "extract", TEXT, "--model", model],
        "magpie extract TEXT --flat": [*magpie, "extract", TEXT, "--model", model, "--flat"],
        "magpie extract TEXT --format table": [
            *magpie, "extract", TEXT, "--model", model, "--format", "table",
        ],
    }  # fmt: skip
    figures: dict[str, Any] = {}
    for name, command in commands.items():
        runs = [run(command) for _ in range(repeats)]
        figures[name] = {
            "median_s": round(statistics.median(each["s"] for each in runs), 3),
            "first_s": round(runs[0]["s"], 3),
            "median_cpu_s": round(statistics.median(each["cpu"] for each in runs), 3),
            "peak_mb": round(max(each["mb"] for each in runs), 1),
            "exit": runs[-1]["exit"],
        }
    for module in ("magpie", "magpie.cli.app"):
        times = [import_ms(module) for _ in range(repeats)]
        figures[f"import {module}"] = {"median_ms": round(statistics.median(times), 1)}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--model", default="embedded")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    print(json.dumps(measure(options.model, options.repeats), indent=2))


if __name__ == "__main__":
    main()
