"""Names that break naive formats, and random texts made of them."""

from __future__ import annotations

import random

NASTY = (
    "Kevin Love",
    "O2",
    "O37",
    "B",
    "none",
    "St . John ' s",
    "Washington, D.C.",
    '"Weird Al" Yankovic',
    "O'Brien Trophy",
    "🏀 Cavs 🏀",
    "sports_team",
    "AC/DC",
    "José Ñandú",
    "the image",
    "in the image",
    "not in the image",
    "is a",
    "Hall and Oates",
    "50 % off",
    "北京",
    "a",
    "#NBA",
    "@someone",
    "x = y",
    "C++",
    "1.",
    "Kevin  Durant",
    "Love",
    "Answer: B",
    "d\u0301e",
)

#: names that some grammar has a separator in
SEPARATORS = (
    "a | b",
    "x ; y",
    "( z )",
    "back\\slash",
    "<spot>",
    "Life is a beach",
    "rock and a hard place",
    "that, which is",
    "[SSEP]",
)


def names(rng: random.Random, count: int, *, nasty: tuple[str, ...] = NASTY) -> list[str]:
    """Different names, none of which holds another."""
    chosen: list[str] = []
    for name in rng.sample(nasty, len(nasty)):
        folded = name.casefold()
        if len(chosen) < count and not any(
            folded in other.casefold() or other.casefold() in folded for other in chosen
        ):
            chosen.append(name)
    return chosen


def text_of(rng: random.Random, mentions: list[str]) -> str:
    """A sentence that holds the mentions in order, with other words between them."""
    words = []
    for mention in mentions:
        words += [rng.choice(("today", "with", "and then", "!", "…")), mention]
    return " ".join([*words, "yesterday"])


def noise(rng: random.Random, alphabet: tuple[str, ...], most: int = 25) -> str:
    """A random string of fragments, each perhaps followed by a random character."""
    parts = []
    for _ in range(rng.randint(0, most)):
        parts.append(rng.choice(alphabet))
        if rng.random() < 0.2:
            parts.append(chr(rng.choice((rng.randrange(32, 127), rng.randrange(0xA0, 0x2FFF)))))
    return rng.choice(("", " ")).join(parts)


def deletions(output: str) -> list[str]:
    """The output without one of its blank-separated tokens, for each of them."""
    tokens = output.split(" ")
    return [" ".join(tokens[:n] + tokens[n + 1 :]) for n in range(len(tokens))]
