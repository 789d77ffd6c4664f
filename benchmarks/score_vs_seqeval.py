"""Scoring speed against seqeval, on the same tags in one run; prints one JSON object.

    python benchmarks/score_vs_seqeval.py [--rounds 5]

Gold are the tags of the Twitter-2015 test split (folder from MAGPIE_DATA), or, where it is absent,
random ones of about the same size. Predictions are the gold with one tag in ten replaced (seeded).
Both scorers must count the same before any time is taken; the best of the rounds counts, and the
two take turns, so that a busy machine slows both.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

from seqeval.metrics.sequence_labeling import precision_recall_fscore_support

from magpie.metrics import Counts, Item, Scored, score
from magpie.metrics.sequences import score_tags
from magpie.text.tags import decode_tags, encode_tags

Tags = list[list[str]]

DATA = Path(os.environ.get("MAGPIE_DATA", Path(__file__).parents[2] / "shared" / "data"))


def gold_tags() -> tuple[str, Tags]:
    """Name and tags of the gold."""
    path = DATA / "twitter2015" / "test.txt"
    sentences: Tags = []
    if path.is_file():
        for line in path.read_text(encoding="utf-8").split("\n"):
            if line.startswith("IMGID:"):
                sentences.append([])
            elif "\t" in line:
                sentences[-1].append(line.rpartition("\t")[2])
        return "twitter2015 test", sentences
    rng = random.Random(0)
    for _ in range(3257):
        length = rng.randint(8, 24)
        starts = rng.sample(range(0, length - 2, 3), 2)
        chunks = [(rng.choice(["PER", "LOC", "ORG", "OTHER"]), s, s + 2) for s in starts]
        sentences.append(encode_tags(chunks, length))
    return "random tags", sentences


def disturbed(gold: Tags, share: float = 0.1) -> Tags:
    """The gold with a share of its tags replaced by others of the gold."""
    rng = random.Random(1)
    pool = [tag for sentence in gold for tag in sentence if tag != "O"]
    return [
        [rng.choice(pool) if rng.random() < share else tag for tag in sentence] for sentence in gold
    ]


def documents(tags: Tags) -> list[Scored]:
    """The chunks as items, one document a sentence, with word indices for places."""
    return [
        Scored(str(number), tuple(Item("", a, b, kind) for kind, a, b in decode_tags(sentence)))
        for number, sentence in enumerate(tags)
    ]


def seconds(function: Callable[[], object]) -> float:
    start = time.process_time()
    function()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    name, gold = gold_tags()
    predicted = disturbed(gold)
    scored = documents(gold), documents(predicted)

    runs: dict[str, Callable[[], object]] = {
        "seqeval": lambda: precision_recall_fscore_support(gold, predicted, average="micro"),
        "score_tags": lambda: score_tags(gold, predicted),
        "score": lambda: score(*scored),
    }
    ours = sum(score_tags(gold, predicted).values(), Counts())
    precision, recall, f1, _ = precision_recall_fscore_support(gold, predicted, average="micro")
    for counts in (ours, score(*scored).main.micro):
        assert abs(counts.precision - precision) < 1e-12
        assert abs(counts.recall - recall) < 1e-12
        assert abs(counts.f1 - f1) < 1e-12

    best = {name: float("inf") for name in runs}
    for _ in range(rounds):
        for key, run in runs.items():
            best[key] = min(best[key], seconds(run))
    result = {
        "gold": name,
        "sentences": len(gold),
        "tags": sum(map(len, gold)),
        "chunks": {"gold": ours.gold, "predicted": ours.predicted, "correct": ours.correct},
        "f1": ours.f1,
        "milliseconds": {key: round(1000 * value, 2) for key, value in best.items()},
        "times_faster_than_seqeval": {
            key: round(best["seqeval"] / best[key], 1) for key in runs if key != "seqeval"
        },
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
