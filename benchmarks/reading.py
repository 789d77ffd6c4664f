"""Seconds to read GMNER's 7,000 training tweets with the box file of each; prints one JSON object.

    python benchmarks/reading.py [--rounds 3]

The corpus lies in the folder MAGPIE_DATA. Documents are streamed and validated as ``magpie.load``
gives them, box files parsed out of the zip archive as released. The best round counts; processor
time stands beside wall time, because only the first is the reader's own on a busy machine. Digests
of the files are taken once a process and counted into the first round.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from zipfile import ZipFile

from magpie.corpora import load
from magpie.corpora.registry import card

DATA = Path(os.environ.get("MAGPIE_DATA", Path(__file__).parents[2] / "shared" / "data"))


def read() -> tuple[dict[str, int], float, float]:
    """What was read, processor seconds, wall seconds."""
    wall, own = time.perf_counter(), time.process_time()
    documents = boxes = 0
    for document in load("gmner", "train", root=DATA):
        documents += 1
        boxes += sum(len(entity.boxes) for entity in document.entities)
    own, wall = time.process_time() - own, time.perf_counter() - wall
    return {"documents": documents, "boxes": boxes}, own, wall


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    if not (DATA / "gmner").is_dir():
        raise SystemExit(f"no gmner under {DATA}; set MAGPIE_DATA to the folder of the corpora")
    counts = card("gmner").splits["train"].counts
    times = []
    for _ in range(rounds):
        found, own, wall = read()
        assert found == {"documents": counts.documents, "boxes": counts.box_mentions}
        times.append((round(own, 2), round(wall, 2)))
    with ZipFile(DATA / "gmner" / "xml.zip") as archive:
        files = sum(name.endswith(".xml") for name in archive.namelist())
    print(
        json.dumps(
            {
                "documents": found["documents"],
                "boxes": found["boxes"],
                "xml_files_in_archive": files,
                "processor_seconds": {"first": times[0][0], "best": min(t[0] for t in times)},
                "wall_seconds": {"first": times[0][1], "best": min(t[1] for t in times)},
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
