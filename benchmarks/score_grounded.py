"""Seconds that `magpie score` takes for a grounded split of 1,500 posts; prints one JSON object.

    python -m benchmarks.score_grounded [--documents 1500] [--rounds 3]

Drawn posts with an entity or two each, boxes included, are written as magpie's own lines; the
predictions are the gold with every fifth box moved and every seventh type changed. The whole
command is timed, its start, reading and printing included, in a process of its own: by the CPU
seconds that the process and its children took (what other programs do does not count), best of
the rounds, and the elapsed seconds beside them.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from magpie.schema import Annotations, Block, Box, Document, Entity, Grounding, Media, Region, Span

WORDS = ("Anna Lee", "Oslo", "the Red City Rowers", "Kemi Varo", "Delta", "Sahara")
TYPES = ("PER", "LOC", "ORG", "PER", "ORG", "LOC")
PROTOCOL = "gmner-iou50@1"


def post(number: int) -> Document:
    """Two entities in a text of eighteen words, three of four of them with a box."""
    chosen = (number % 6, (number * 5 + 1) % 6)
    first, second = (WORDS[index] for index in chosen)
    text = f"look who we met again today : {first} and then we all went along to {second} , great"
    entities = []
    for rank, index in enumerate(chosen):
        begin = text.index(WORDS[index], 0 if rank == 0 else text.index(" and then"))
        box = Box(10.0 + number % 50, 20.0, 200.0 + rank, 210.0 + number % 30, "m0")
        shown = (number + rank) % 4 != 0
        entities.append(
            Entity(
                id=f"e{rank}",
                span=Span("b0", begin, begin + len(WORDS[index])),
                type=TYPES[index],
                grounding=Grounding("regions", (Region.of_box(box),))
                if shown
                else Grounding("absent"),
            )
        )
    return Document(
        id=str(number),
        blocks=(Block(text=text),),
        media=(Media(width=640, height=480, missing="drawn by the benchmark"),),
        annotations=Annotations(entities=tuple(entities)),
    )


def guess(document: Document, number: int) -> Document:
    """The gold, with some boxes moved and some types changed."""
    found = []
    for rank, entity in enumerate(document.entities):
        changed = entity
        if (number + rank) % 7 == 0:
            changed = dataclasses.replace(changed, type="OTHER")
        if (number + rank) % 5 == 0 and changed.grounding.regions:
            box = Box(300.0, 300.0, 400.0, 420.0, "m0")
            moved = Grounding("regions", (Region.of_box(box),))
            changed = dataclasses.replace(changed, grounding=moved)
        found.append(changed)
    return document.with_annotations(Annotations(entities=tuple(found)))


def once(gold: Path, predicted: Path) -> tuple[float, float, dict[str, object]]:
    """CPU seconds, elapsed seconds, and what the command printed."""
    begun, before = time.perf_counter(), os.times()
    command = [sys.executable, "-m", "magpie", "score", str(gold), str(predicted)]
    options = ["--protocol", PROTOCOL, "--json"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    after = os.times()
    used = after.children_user + after.children_system
    used -= before.children_user + before.children_system
    return used, time.perf_counter() - begun, json.loads(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        gold, predicted = Path(folder) / "gold.jsonl", Path(folder) / "predicted.jsonl"
        posts = [post(number) for number in range(arguments.documents)]
        gold.write_text("".join(f"{each.to_json()}\n" for each in posts))
        guesses = (guess(each, number) for number, each in enumerate(posts))
        predicted.write_text("".join(f"{each.to_json()}\n" for each in guesses))
        rounds = [once(gold, predicted) for _ in range(arguments.rounds)]
    result = {
        "documents": arguments.documents,
        "entities": sum(len(each.entities) for each in posts),
        "protocol": PROTOCOL,
        "cpu_seconds": round(min(used for used, _, _ in rounds), 3),
        "elapsed_seconds": round(min(elapsed for _, elapsed, _ in rounds), 3),
        "limit_seconds": 2.0,
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
