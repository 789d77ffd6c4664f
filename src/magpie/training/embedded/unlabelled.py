"""Raw posts without labels, for soft labels."""

from __future__ import annotations

import json
import random
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from magpie.text.casing import case_class
from magpie.text.words import word_texts
from magpie.training.embedded.data import HeldOut, LeakCount, normalise

__all__ = ["collect", "likely_named", "raw_posts"]

_SHORTEST_KEY, _FEWEST_WORDS = 8, 4


def raw_posts(data: Path) -> Iterator[tuple[str, str]]:
    """Source name and text of every unlabelled post, in a fixed order."""
    with zipfile.ZipFile(data / "text" / "tweeteval.zip") as archive:
        for name in archive.namelist():
            if name.endswith("_text.txt"):
                for line in _lines(archive, name):
                    yield "tweeteval", _unescape(line)
    with zipfile.ZipFile(data / "text" / "wnut17.zip") as archive:
        for name in archive.namelist():
            if "raw_data/" in name and name.endswith(".10000"):
                yield from (("wnut17-raw", line) for line in _lines(archive, name))
    with zipfile.ZipFile(data / "text" / "broad_twitter_corpus.zip") as archive:
        for name in archive.namelist():
            if name.endswith("no-labels.json"):
                yield from (("btc-raw", json.loads(line)["text"]) for line in _lines(archive, name))
    for record in json.loads((data / "grounding" / "trc" / "trc.json").read_text("utf-8")):
        yield "trc", " ".join(record["words"])
    posts = data / "images" / "mediaeval2016" / "posts.txt"
    for line in posts.read_text("utf-8").splitlines()[1:]:
        columns = line.split("\t")
        if len(columns) > 1:
            yield "mediaeval2016", columns[1].replace("\\n", " ")


def collect(
    data: Path, labelled: Sequence[tuple[str, Sequence[list[str]]]], held_out: HeldOut, seed: int
) -> tuple[dict[str, list[list[str]]], dict[str, LeakCount]]:
    """Posts for a teacher to label, as words, by source: leaks, repetitions and scraps removed.

    Half of the raw posts keep ``#`` and ``@`` on their word, as Twitter-2015 does; the other half
    is cut as Twitter-2017 and :func:`magpie.text.words.split_words` cut.
    """
    rng = random.Random(seed)
    counts: dict[str, LeakCount] = {}
    found: dict[str, list[list[str]]] = {}
    seen: set[str] = set()

    def add(source: str, words: list[str]) -> None:
        count = counts.setdefault(source, LeakCount())
        count.read += 1
        key = normalise(" ".join(words))
        if key in held_out.texts:
            count.by_text += 1
            return
        if key in seen or len(key) < _SHORTEST_KEY or len(words) < _FEWEST_WORDS or _foreign(key):
            count.unfit += 1
            return
        seen.add(key)
        count.kept += 1
        found.setdefault(source, []).append(words)

    for source, posts in labelled:
        for words in posts:
            add(f"train-{source}", words)
    for source, text in raw_posts(data):
        words = word_texts(text)
        add(source, _joined(words) if rng.random() < 0.5 else words)
    return found, counts


def likely_named(words: Sequence[str]) -> bool:
    """Whether a post is worth a teacher's time: some capital inside, not all capitals."""
    classes = [case_class(word.lstrip("#@")) for word in words]
    return (
        len(words) <= 50
        and any(kind in (2, 3, 5) for kind in classes[1:])
        and sum(kind == 1 for kind in classes) >= 2
    )


def _lines(archive: zipfile.ZipFile, name: str) -> Iterator[str]:
    for line in archive.read(name).decode("utf-8", "replace").split("\n"):
        if line.strip():
            yield line.strip()


def _unescape(text: str) -> str:
    """tweeteval holds the two characters ``\\n`` and escaped quotes."""
    return text.replace("\\u2019", "'").replace('\\"', '"').replace("\\n", " ")


def _joined(words: Sequence[str]) -> list[str]:
    joined: list[str] = []
    for word in words:
        if joined and joined[-1] in ("#", "@") and word[0].isalnum():
            joined[-1] += word
        else:
            joined.append(word)
    return joined


def _foreign(key: str) -> bool:
    letters = [char for char in key if char.isalpha()]
    return bool(letters) and sum(char.isascii() for char in letters) < 0.8 * len(letters)
