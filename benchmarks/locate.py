"""Putting generated strings back into a long text; prints one JSON object.

    python -m benchmarks.locate [--characters 12000] [--rounds 5]

One text of many scripts is made (seeded), and strings of every outcome are looked for: exact,
normalised, fuzzy, found nowhere, and a worst case that comes near everywhere. What counts are the
ratios: a text ten times as long must not take more than twenty times the time (the cost is linear
in the text), and every stage is compared with ``str.find`` in the same run.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections.abc import Callable

from magpie.text.locate import Locator, Status

_LINE = (
    "Kevin Love of the Cavs met Zoë Strauß in New York , don ’ t you know # NBA @ ada_l 2014 "
    "東京タワー قابلت آدا في بورتو Café ﬁnal 👩‍🚀 🎉 ไปเที่ยว U . S . Steel aa ab aa ab"
)
WORDS = tuple(_LINE.split(" "))

#: outcome -> a string with that outcome in the text
STRINGS = {
    Status.EXACT: "the very last words",
    Status.NORMALISED: "THE “VERY” LAST-NAMED WORDS",
    Status.FUZZY: "the verry lats wrods of all",
    Status.NOT_FOUND: "somebody who is named nowhere in it",
}


def text_of(length: int) -> str:
    """Words at random, with the strings that are to be found at the very end."""
    rng = random.Random(0)
    closing = ' the very last words ; the " very " last - named words ; the very last words of all'
    words: list[str] = []
    size = len(closing)
    while size < length:
        words.append(rng.choice(WORDS))
        size += len(words[-1]) + 1
    return " ".join(words)[: length - len(closing)] + closing


def seconds(work: Callable[[], object], rounds: int) -> float:
    """The best of the rounds, in processor time."""
    best = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return best


def measure(length: int, rounds: int) -> dict[str, float]:
    """Milliseconds of each outcome, the text folded anew each time."""
    text = text_of(length)
    times = {"str.find": seconds(lambda: text.find("somebody"), rounds)}
    for status, string in STRINGS.items():
        assert Locator(text).locate(string).status is status, (status, string)
        times[status.value] = seconds(lambda s=string: Locator(text).locate(s), rounds)
    worst = "aa ab ab aa ab bb " * 20
    times["worst, 360 characters"] = seconds(lambda: Locator(text).locate(worst), rounds)
    names = [f"{one} {other}" for one in WORDS[:10] for other in WORDS[10:15]]
    times["50 strings of one text"] = seconds(lambda: Locator(text).locate_each(names), rounds)
    return {name: 1000 * value for name, value in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--characters", type=int, default=12_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    long = measure(arguments.characters, arguments.rounds)
    short = measure(arguments.characters // 10, arguments.rounds)
    growth = {name: long[name] / short[name] for name in long if name != "str.find"}
    for name, ratio in growth.items():
        assert ratio < 20, f"{name}: ten times the text took {ratio:.1f} times as long"
    result = {
        "characters": arguments.characters,
        "milliseconds": {name: round(value, 3) for name, value in long.items()},
        "times_longer_for_ten_times_the_text": {
            name: round(ratio, 1) for name, ratio in growth.items()
        },
    }
    print(json.dumps(result, indent=2, ensure_ascii=False))


if __name__ == "__main__":
    main()
